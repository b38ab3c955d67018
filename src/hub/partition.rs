//! Partitions: where the one order of an organization's publications is kept.

use siphasher::sip::SipHasher13;
use uuid::Uuid;

/// Organizations share this many orders.
pub(crate) const PARTITIONS: u8 = 16;

/// The order that an organization's publications are part of. Organizations are hashed to
/// partitions without a secret, so that every process and every version agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition(u8);

impl Partition {
    /// What belongs to no organization goes there.
    pub(crate) const FIRST: Partition = Partition(0);

    /// The partition of an organization.
    pub fn of(organization: Uuid) -> Partition {
        let number = SipHasher13::new().hash(organization.as_bytes()) % u64::from(PARTITIONS);
        Partition(number.to_le_bytes()[0])
    }

    /// Returns the partition of that number, which is below 16.
    pub fn from_number(number: u8) -> Option<Partition> {
        (number < PARTITIONS).then_some(Partition(number))
    }

    /// Its number, below 16.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The shard that stamps the partition's publications, of so many shards.
    pub fn home(self, shards: usize) -> usize {
        usize::from(self.0) % shards.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn organizations_spread_over_all_partitions_and_keep_theirs() {
        let of = |n: u128| Partition::of(Uuid::from_u128(n));
        let found: BTreeSet<u8> = (0..1000).map(|n| of(n).0).collect();
        assert_eq!(found.len(), 16);
        // A change of the hash would part the nodes of a rolling upgrade.
        assert_eq!([of(0).0, of(1).0, of(2).0, of(3).0], [0, 15, 10, 7]);
        assert!((0..100).all(|n| of(n).home(3) < 3));
    }
}
