//! Where the logs are.

use super::dialed::Address;

/// The servers that take what is written: one, or those of a Cluster.
#[derive(Debug, Default)]
pub(super) struct Masters {
    pub(super) all: Vec<Address>,
    /// By partition, which of them has its log.
    pub(super) of_partition: Vec<usize>,
    /// Which of them has what all processes agree upon.
    pub(super) of_meta: usize,
}

impl Masters {
    /// One server has it all.
    pub(super) fn one(master: Address) -> Masters {
        Masters { all: vec![master], ..Masters::default() }
    }
}
