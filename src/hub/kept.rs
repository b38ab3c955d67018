//! The last value of each state topic, for those who subscribe later.
//!
//! Only the home of a topic keeps its value, in the order in which it stamps: there is no gap and
//! no double between a snapshot and what follows it. All homes of the process together are bounded
//! in values and bytes. Where that is too much, a home that has more than its share lets go of what
//! was written longest ago.

use super::publication::Publication;
use super::registry::HashSeed;
use super::topic::Topic;
use crate::clock::Now;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a value changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is the topic's last value.
    Fresh,
    /// It is, and it equals the one before to the byte.
    Equal,
}

#[derive(Debug)]
struct Value {
    publication: Publication,
    /// Which note of `order` is this value's.
    serial: u64,
}

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type ValueMap = std::collections::HashMap<Topic, Value, HashSeed>;

/// What all homes of a process keep together. The counts are read to bound memory only, so no order
/// is asked of them.
#[derive(Debug, Default)]
pub(crate) struct KeptTotal {
    values: AtomicUsize,
    bytes: AtomicUsize,
}

/// The table of one home.
#[derive(Debug)]
pub(crate) struct Kept {
    values: ValueMap,
    /// Topics in the order of their writes; notes of values written again meanwhile are passed
    /// over.
    order: VecDeque<(u64, Topic)>,
    next_serial: u64,
    bytes: usize,
    total: Arc<KeptTotal>,
    values_max: usize,
    bytes_max: usize,
    homes: usize,
    evicted: u64,
}

impl Kept {
    /// An empty table. The bounds are for all homes together, of which there are so many.
    pub(crate) fn new(
        seed: HashSeed,
        total: Arc<KeptTotal>,
        values_max: usize,
        bytes_max: usize,
        homes: usize,
    ) -> Kept {
        Kept {
            values: ValueMap::with_hasher(seed),
            order: VecDeque::new(),
            next_serial: 0,
            bytes: 0,
            total,
            values_max,
            bytes_max,
            homes: homes.max(1),
            evicted: 0,
        }
    }

    /// Makes a publication its topic's last value, until it is stale.
    pub(crate) fn keep(&mut self, publication: Publication) -> Change {
        let topic = publication.topic;
        let serial = self.next_serial;
        self.next_serial += 1;
        let bytes = publication.data.len();
        let is_equal = |old: &Value, new: &Publication| old.publication.data == new.data;
        let change = match self.values.get(&topic) {
            Some(old) if is_equal(old, &publication) => Change::Equal,
            Some(_) | None => Change::Fresh,
        };
        let old = self.values.insert(topic, Value { publication, serial });
        self.add(bytes);
        if let Some(old) = old {
            self.subtract(&old);
        }
        self.order.push_back((serial, topic));
        self.shrink();
        change
    }

    /// The last value of a topic, unless it has ended.
    pub(crate) fn value(&self, topic: &Topic, now: Now) -> Option<&Publication> {
        let value = self.values.get(topic)?;
        let has_ended = value.publication.expires.is_some_and(|end| end <= now.unix);
        (!has_ended).then_some(&value.publication)
    }

    /// The last value of a topic, even if it has ended.
    pub fn newest(&self, topic: &Topic) -> Option<&Publication> {
        self.values.get(topic).map(|value| &value.publication)
    }

    /// Values held.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Values that went for the bounds' sake.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Lets go of the oldest values while all homes together keep too much and this one has more
    /// than its share.
    pub fn shrink(&mut self) {
        while self.has_too_much() {
            let Some((serial, topic)) = self.order.pop_front() else { return };
            if self.values.get(&topic).is_some_and(|value| value.serial == serial)
                && let Some(old) = self.values.remove(&topic)
            {
                self.subtract(&old);
                self.evicted += 1;
            }
        }
        // A topic written often leaves a note each time: swept when they outnumber the values.
        if self.order.len() > 2 * self.values.len() + 64 {
            let values = &self.values;
            self.order.retain(|(serial, topic)| values.get(topic).is_some_and(|value| value.serial == *serial));
        }
    }

    fn has_too_much(&self) -> bool {
        let is_over =
            |mine: usize, all: &AtomicUsize, max: usize| mine > max / self.homes && all.load(Ordering::Relaxed) > max;
        is_over(self.values.len(), &self.total.values, self.values_max)
            || is_over(self.bytes, &self.total.bytes, self.bytes_max)
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.total.values.fetch_add(1, Ordering::Relaxed);
        self.total.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn subtract(&mut self, gone: &Value) {
        let bytes = gone.publication.data.len();
        self.bytes -= bytes;
        self.total.values.fetch_sub(1, Ordering::Relaxed);
        self.total.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;
    use crate::schema::EventId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn topic(n: u8) -> Topic {
        Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::from_u128(u128::from(n)) }
    }

    fn publication(n: u8, data: &[u8]) -> Publication {
        Publication::new(topic(n), data.into())
    }

    /// The table of the only home.
    fn table(values_max: usize, bytes_max: usize) -> Kept {
        Kept::new(HashSeed(1, 2), Arc::default(), values_max, bytes_max, 1)
    }

    fn at(unix_ms: u64) -> Now {
        Now::from_ms(0, unix_ms)
    }

    #[test]
    fn an_ended_value_is_not_shown() {
        let mut last = table(9, 999);
        let expires = Some(UnixMs::from_ms(1000));
        last.keep(Publication { expires, ..publication(1, b"{}") });
        assert!(last.value(&topic(1), at(999)).is_some());
        assert!(last.value(&topic(1), at(1000)).is_none());
        assert!(last.value(&topic(2), at(0)).is_none());
    }

    #[test]
    fn an_equal_value_is_told_from_a_fresh_one() {
        let mut last = table(9, 999);
        assert_eq!(last.keep(publication(1, b"a")), Change::Fresh);
        assert_eq!(last.keep(publication(1, b"a")), Change::Equal);
        assert_eq!(last.keep(publication(1, b"b")), Change::Fresh);
        assert_eq!(last.keep(publication(2, b"b")), Change::Fresh);
    }

    #[test]
    fn homes_share_the_bounds_and_the_one_with_more_than_its_share_gives_way() {
        let total = Arc::<KeptTotal>::default();
        let home = || Kept::new(HashSeed(1, 2), Arc::clone(&total), 10, 1_000, 2);
        let (mut large, mut small) = (home(), home());
        for n in 0..12 {
            large.keep(publication(n, b"a"));
        }
        assert_eq!((large.len(), large.evicted()), (10, 2), "one home alone may have it all");
        for n in 20..24 {
            small.keep(publication(n, b"a"));
        }
        assert_eq!(small.len(), 4, "what is within its share is kept at once");
        large.shrink();
        assert_eq!((large.len(), small.len()), (6, 4));
        for n in 24..40 {
            small.keep(publication(n, b"a"));
            large.shrink();
        }
        assert_eq!((large.len(), small.len()), (5, 5), "in the end each has its share");
        assert!(large.value(&topic(11), at(0)).is_some() && large.value(&topic(6), at(0)).is_none());
    }

    proptest! {
        #[test]
        fn holds_what_a_list_by_time_of_writing_would(writes in proptest::collection::vec((0u8..12, 0usize..30), 1..200)) {
            const VALUES: usize = 6;
            const BYTES: usize = 100;
            let mut last = table(VALUES, BYTES);
            let mut twin: Vec<(u8, Vec<u8>)> = Vec::new();
            for (n, len) in writes {
                let data = vec![n; len];
                last.keep(publication(n, &data));
                twin.retain(|(other, _)| *other != n);
                twin.push((n, data));
                while twin.len() > VALUES || twin.iter().map(|(_, data)| data.len()).sum::<usize>() > BYTES {
                    twin.remove(0);
                }
                prop_assert_eq!(last.len(), twin.len());
                for n in 0..12 {
                    let expected = twin.iter().find(|(other, _)| *other == n).map(|(_, data)| data.as_slice());
                    prop_assert_eq!(last.value(&topic(n), at(0)).map(|publication| &*publication.data), expected);
                }
                prop_assert!(last.order.len() <= 2 * last.len() + 64);
            }
        }
    }
}
