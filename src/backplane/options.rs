//! How a process writes and reads.

use crate::hub::partition::{PARTITIONS, Partition};
use crate::limits::Limits;

/// How a process writes and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Partitions, from the first.
    pub partitions: u8,
    /// What was appended so long before the engine was heard last is not appended again.
    pub repair_ms: u64,
    /// A partition in which nothing was appended for so long gets an entry that says that its
    /// writer lives.
    pub beat_ms: u64,
    /// Bytes that may wait to be appended.
    pub queue_bytes_max: usize,
    /// Bytes that are kept to be appended again.
    pub repair_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            partitions: PARTITIONS,
            repair_ms: 5_000,
            beat_ms: 10_000,
            queue_bytes_max: Limits::DEFAULT.backplane_queue_bytes_max,
            repair_bytes_max: Limits::DEFAULT.backplane_repair_bytes_max,
        }
    }
}

impl Options {
    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        (0..self.partitions).filter_map(Partition::from_number)
    }
}
