//! What a journal in files is opened with.

use crate::limits::Limits;
use crate::schema::Catalogue;
use crate::schema::validate::Mode;
use crate::shell::clock::Clock;
use std::path::PathBuf;

/// Where and how a journal is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The folder.
    pub(crate) dir: PathBuf,
    /// Whether each write goes to the disk before anybody hears of it.
    pub(crate) is_synced: bool,
}

/// What the files are read with.
pub(crate) struct Setup<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) validation: Mode,
    pub(crate) limits: &'c Limits,
    pub(crate) shards: usize,
    pub(crate) clock: Clock,
    pub(crate) chance: u64,
}
