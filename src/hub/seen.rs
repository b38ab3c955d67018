//! The ids of what publishers have sent of late: whoever sends an item again is not heard twice.
//!
//! Only the home of an organization knows its ids, and it looks when it stamps: of an item and the
//! one that tries again, on whatever connections, one is taken. All homes of the process together
//! are bounded; where that is too much, a home that has more than its share forgets the oldest.

use super::partition::Partition;
use super::registry::HashSeed;
use crate::clock::{Instant, Now};
use crate::limits::Limits;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an item, or an event derived from it, is known by: no two of a publisher have the same. Its
/// last byte is the number of its organization's partition, whose home knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey(pub [u8; 16]);

impl ItemKey {
    /// The key of what has that hash.
    pub(crate) fn new(mut hash: [u8; 16], partition: Partition) -> ItemKey {
        let [.., last] = &mut hash;
        *last = partition.number();
        ItemKey(hash)
    }

    /// The partition.
    pub(crate) fn partition(self) -> Option<Partition> {
        let [.., last] = self.0;
        Partition::from_number(last)
    }
}

/// An item that its publisher has given an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is known by.
    pub key: ItemKey,
    /// Its index in its request; none where it is derived from an item.
    pub item: Option<u32>,
}

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type KeySet = std::collections::HashSet<ItemKey, HashSeed>;

/// The ids that a home has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    keys: KeySet,
    /// The same, by age.
    order: VecDeque<(Instant, ItemKey)>,
    /// Of all homes of the process. It is read to bound memory only, so no order is asked of it.
    total: Arc<AtomicUsize>,
    window_ms: u64,
    max: usize,
    homes: usize,
    evicted: u64,
}

impl Seen {
    /// No ids yet. The bound is for all homes together, of which there are so many.
    pub(crate) fn new(seed: HashSeed, total: Arc<AtomicUsize>, limits: &Limits, homes: usize) -> Seen {
        Seen {
            keys: KeySet::with_hasher(seed),
            order: VecDeque::new(),
            total,
            window_ms: limits.dedupe_ms,
            max: limits.dedupe_max,
            homes: homes.max(1),
            evicted: 0,
        }
    }

    /// Whether an id has not been seen of late. From now on it has.
    pub(crate) fn claim(&mut self, key: ItemKey, now: Now) -> bool {
        if self.max == 0 || self.window_ms == 0 {
            return true;
        }
        self.forget_old(now);
        if !self.keys.insert(key) {
            return false;
        }
        self.order.push_back((now.mono, key));
        self.total.fetch_add(1, Ordering::Relaxed);
        self.shrink(now);
        true
    }

    /// The ids held, the oldest first, and since when each is.
    pub(super) fn held(&self) -> impl Iterator<Item = (Instant, ItemKey)> {
        self.order.iter().copied()
    }

    /// Ids held.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Ids that went before their time.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Forgets what is too old, and the oldest where all homes together hold too many and this one
    /// more than its share.
    pub(crate) fn shrink(&mut self, now: Now) {
        self.forget_old(now);
        while self.keys.len() > self.max / self.homes && self.total.load(Ordering::Relaxed) > self.max {
            self.forget_first();
            self.evicted += 1;
        }
    }

    fn forget_old(&mut self, now: Now) {
        while self.order.front().is_some_and(|(at, _)| at.after_ms(self.window_ms).is_due(now)) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.keys.remove(&key);
            self.total.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u8) -> ItemKey {
        ItemKey([n; 16])
    }

    fn at(mono_ms: u64) -> Now {
        Now::from_ms(mono_ms, 0)
    }

    fn seen(dedupe_max: usize, dedupe_ms: u64) -> Seen {
        let limits = Limits { dedupe_max, dedupe_ms, ..Limits::DEFAULT };
        Seen::new(HashSeed(1, 2), Arc::default(), &limits, 1)
    }

    #[test]
    fn an_id_is_known_until_its_time_is_over_and_then_it_is_a_new_one() {
        let mut seen = seen(10, 100);
        assert!(seen.claim(key(1), at(0)));
        assert!(!seen.claim(key(1), at(99)), "a further try does not lengthen its time");
        assert!(seen.claim(key(1), at(100)));
        assert!(!seen.claim(key(1), at(199)));
        seen.shrink(at(200));
        assert_eq!((seen.len(), seen.evicted()), (0, 0));
    }

    #[test]
    fn beyond_the_bound_the_oldest_id_is_forgotten_and_that_is_counted() {
        let mut seen = seen(2, 100);
        assert!((1..=3).all(|n| seen.claim(key(n), at(u64::from(n)))));
        assert_eq!((seen.len(), seen.evicted()), (2, 1));
        assert!(!seen.claim(key(2), at(5)) && !seen.claim(key(3), at(5)) && seen.claim(key(1), at(5)));
    }

    #[test]
    fn who_wants_no_ids_known_keeps_none() {
        for (max, window_ms) in [(0, 100), (10, 0)] {
            let mut seen = seen(max, window_ms);
            assert!(seen.claim(key(1), at(0)) && seen.claim(key(1), at(0)));
            assert_eq!((seen.len(), seen.evicted()), (0, 0));
        }
    }

    #[test]
    fn a_home_within_its_share_keeps_its_ids_and_the_other_makes_room() {
        let limits = Limits { dedupe_max: 4, ..Limits::DEFAULT };
        let total = Arc::default();
        let home = || Seen::new(HashSeed(1, 2), Arc::clone(&total), &limits, 2);
        let (mut one, mut other) = (home(), home());
        assert!((1..=4).all(|n| one.claim(key(n), at(0))));
        assert!((1..=2).all(|n| other.claim(key(n), at(0))));
        one.shrink(at(0));
        assert_eq!((one.len(), other.len()), (2, 2));
    }

    proptest! {
        #[test]
        fn what_is_known_is_what_a_list_of_all_claims_says(steps in prop::collection::vec((0u8..8, 0u64..40), 0..200)) {
            let (mut seen, mut list, mut now_ms) = (seen(usize::MAX, 100), Vec::<(u8, u64)>::new(), 0);
            for (n, passed_ms) in steps {
                now_ms += passed_ms;
                let is_known = list.iter().any(|(other, since_ms)| *other == n && now_ms - since_ms < 100);
                prop_assert_eq!(seen.claim(key(n), at(now_ms)), !is_known);
                if !is_known {
                    list.push((n, now_ms));
                }
                prop_assert_eq!(seen.len(), list.iter().filter(|(_, since_ms)| now_ms - since_ms < 100).count());
            }
        }
    }
}
