//! What is set outside of the file.

use std::fmt;

/// One key given outside of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// `server.listen`.
    pub key: String,
    /// The value as text.
    pub text: String,
    /// The name of the variable or flag, for errors.
    pub origin: String,
}

/// Without the text: it may be a secret.
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({} by {})", self.key, self.origin)
    }
}
