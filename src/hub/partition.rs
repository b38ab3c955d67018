//! Partitions and positions: where the one order of an organization's publications is kept.

use crate::clock::{Instant, Now};
use core::num::NonZeroU64;
use siphasher::sip::SipHasher13;
use uuid::Uuid;

/// Organizations share this many orders.
const PARTITIONS: u64 = 16;

/// Bits of a position below its milliseconds.
const CLOCK_SHIFT: u32 = 10;

/// The order that an organization's publications are part of. Organizations are hashed to partitions without a secret, so
/// that every process and every version agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition(u8);

impl Partition {
    /// The partition of an organization.
    pub fn of(organization: Uuid) -> Partition {
        let number = SipHasher13::new().hash(organization.as_bytes()) % PARTITIONS;
        Partition(number.to_le_bytes()[0])
    }

    /// The shard that stamps the partition's publications, of so many shards.
    pub fn home(self, shards: usize) -> usize {
        usize::from(self.0) % shards.max(1)
    }
}

/// A place in the order of a partition. Later is greater; nothing else may be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(NonZeroU64);

impl Position {
    /// The position behind `last`. It is a hybrid of clock and counter, so that a restart needs no file to go on from.
    pub fn after(last: Option<Position>, now: Now) -> Position {
        let counted = last.map_or(NonZeroU64::MIN, |last| last.0.saturating_add(1));
        let clock = NonZeroU64::new(now.unix.ms() << CLOCK_SHIFT).unwrap_or(NonZeroU64::MIN);
        Position(counted.max(clock))
    }

    /// When its home took the publication; now, where the calendar has been set back since.
    pub fn taken(self, now: Now) -> Instant {
        let age_ms = now.unix.ms().saturating_sub(self.0.get() >> CLOCK_SHIFT);
        Instant::from_ms(now.mono.ms().saturating_sub(age_ms))
    }

    /// The number, for logs.
    pub fn number(self) -> u64 {
        self.0.get()
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

    #[test]
    fn positions_grow_whatever_the_clock_does() {
        let at = |unix_ms| Now::from_ms(0, unix_ms);
        let mut last = None;
        for unix_ms in [5, 5, 6, 0, 3, 1_900_000_000_000, 7] {
            let next = Position::after(last, at(unix_ms));
            assert!(Some(next) > last);
            last = Some(next);
        }
    }

    #[test]
    fn a_position_tells_when_it_was_taken_as_far_as_the_clock_allows() {
        let position = Position::after(None, Now::from_ms(500, 10_000));
        assert_eq!(position.taken(Now::from_ms(700, 10_200)), Instant::from_ms(500));
        let set_back = Now::from_ms(800, 9_000);
        assert_eq!(position.taken(set_back), set_back.mono);
        assert_eq!(
            position.taken(Now::from_ms(10, 20_000)),
            Instant::from_ms(0),
            "set forward, and the process is young"
        );
    }
}
