//! How a catalogue is compiled.

use super::model::WireCase;

/// How a catalogue is compiled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The spelling on the wire, where it is not to be the catalogue's own.
    pub wire_case: Option<WireCase>,
    /// How many files at the front are another author's than the rest, who writes on top of them; 0
    /// where all are one author's.
    pub base_files: usize,
}
