//! What is set outside of the file.

use std::fmt;

/// One key given outside of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// `server.listen`.
    pub(crate) key: String,
    /// The value as text.
    pub(crate) text: String,
    /// The name of the variable or flag, for errors.
    pub(crate) origin: String,
}

impl Setting {
    /// How a flag has it.
    pub const FORM: &'static str = "needs a key and a value, `--set server.listen=0.0.0.0:8080`";

    /// Reads `server.listen=0.0.0.0:8080`.
    pub fn parse(text: &str, origin: &str) -> Option<Setting> {
        let (key, text) = text.split_once('=')?;
        let key = key.trim().to_owned();
        Some(Setting { origin: format!("{origin} {key}"), key, text: text.to_owned() })
    }
}

/// Without the text: it may be a secret.
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({} by {})", self.key, self.origin)
    }
}
