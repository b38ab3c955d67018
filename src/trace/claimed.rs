//! Whose a token is.

use std::fmt;

/// What a token says of its bearer, cut short: enough to find a user in the log. Only of a token
/// that was taken is it true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The user.
    pub sub: Option<Box<str>>,
    /// The organization.
    pub org: Option<Box<str>>,
    /// The key.
    pub kid: Option<Box<str>>,
}

impl Claimed {
    pub(super) fn fields(&self, field: &mut impl FnMut(&'static str, &dyn fmt::Display)) {
        for (name, text) in [("sub", &self.sub), ("org", &self.org), ("kid", &self.kid)] {
            if let Some(text) = text {
                field(name, text);
            }
        }
    }
}
