//! What an engine is reached by.

use core::fmt;

/// Where the engine is, and what is kept there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Host and port of each server that may be the one; they are tried in turn.
    pub addresses: Vec<(String, u16)>,
    /// Who the hub is to it, unless the default user.
    pub user: Option<String>,
    /// By what it is known.
    pub password: Option<Password>,
    /// What all keys begin with.
    pub prefix: String,
    /// Entries that are retained of each partition.
    pub retain_entries: u64,
    /// How long the id of an item is known.
    pub dedupe_ms: u64,
    /// How a process writes and reads.
    pub lanes: crate::backplane::Options,
}

/// A password, which is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// That one.
    pub fn new(password: String) -> Password {
        Password(password)
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password)")
    }
}
