//! The last value of each state topic, for those who subscribe later.
//!
//! Each shard keeps its own table, fed in the order in which it delivers: what a snapshot shows is what a member would have been
//! sent, so there is no gap and no double between a snapshot and what follows it. The values themselves are shared between the
//! shards. The table is bounded in values and bytes; the topic that was written longest ago goes first.

use super::publication::Publication;
use super::registry::HashSeed;
use super::topic::Topic;
use crate::clock::Now;
use std::collections::VecDeque;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is the topic's last value.
    Fresh,
    /// It is, and it equals the one before to the byte.
    Equal,
}

#[derive(Debug)]
struct Value {
    publication: Publication,
    expires_unix_ms: Option<u64>,
    /// Which note of `order` is this value's.
    serial: u64,
}

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type ValueMap = std::collections::HashMap<Topic, Value, HashSeed>;

/// The table.
#[derive(Debug)]
pub struct LastValues {
    values: ValueMap,
    /// Topics in the order of their writes; notes of values written again meanwhile are passed over.
    order: VecDeque<(u64, Topic)>,
    next_serial: u64,
    bytes: usize,
    values_max: usize,
    bytes_max: usize,
    evicted: u64,
}

impl LastValues {
    /// An empty table with its bounds.
    pub fn new(seed: HashSeed, values_max: usize, bytes_max: usize) -> LastValues {
        LastValues {
            values: ValueMap::with_hasher(seed),
            order: VecDeque::new(),
            next_serial: 0,
            bytes: 0,
            values_max,
            bytes_max,
            evicted: 0,
        }
    }

    /// Makes a publication its topic's last value, until then if it ends.
    pub fn keep(&mut self, publication: Publication, expires_unix_ms: Option<u64>) -> Kept {
        let topic = publication.topic;
        let serial = self.next_serial;
        self.next_serial += 1;
        self.bytes += publication.data.len();
        let is_equal = |old: &Value, new: &Publication| old.publication.data == new.data;
        let kept = match self.values.get(&topic) {
            Some(old) if is_equal(old, &publication) => Kept::Equal,
            Some(_) | None => Kept::Fresh,
        };
        if let Some(old) = self.values.insert(topic, Value { publication, expires_unix_ms, serial }) {
            self.bytes -= old.publication.data.len();
        }
        self.order.push_back((serial, topic));
        self.shrink();
        kept
    }

    /// The last value of a topic, unless it has ended.
    pub fn value(&self, topic: &Topic, now: Now) -> Option<&Publication> {
        let value = self.values.get(topic)?;
        let has_ended = value.expires_unix_ms.is_some_and(|end_ms| end_ms <= now.unix_ms);
        (!has_ended).then_some(&value.publication)
    }

    /// Values held.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values that went for the bounds' sake.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn shrink(&mut self) {
        while self.values.len() > self.values_max || self.bytes > self.bytes_max {
            let Some((serial, topic)) = self.order.pop_front() else { return };
            if self.values.get(&topic).is_some_and(|value| value.serial == serial)
                && let Some(old) = self.values.remove(&topic)
            {
                self.bytes -= old.publication.data.len();
                self.evicted += 1;
            }
        }
        // A topic written often leaves a note each time: swept when they outnumber the values.
        if self.order.len() > 2 * self.values.len() + 64 {
            let values = &self.values;
            self.order.retain(|(serial, topic)| values.get(topic).is_some_and(|value| value.serial == *serial));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::EventId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn topic(n: u8) -> Topic {
        Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::from_u128(u128::from(n)) }
    }

    fn publication(n: u8, data: &[u8]) -> Publication {
        Publication { topic: topic(n), data: data.into() }
    }

    fn at(unix_ms: u64) -> Now {
        Now { mono_ms: 0, unix_ms }
    }

    #[test]
    fn an_ended_value_is_not_shown() {
        let mut last = LastValues::new(HashSeed(1, 2), 9, 999);
        last.keep(publication(1, b"{}"), Some(1000));
        assert!(last.value(&topic(1), at(999)).is_some());
        assert!(last.value(&topic(1), at(1000)).is_none());
        assert!(last.value(&topic(2), at(0)).is_none());
    }

    #[test]
    fn an_equal_value_is_told_from_a_fresh_one() {
        let mut last = LastValues::new(HashSeed(1, 2), 9, 999);
        assert_eq!(last.keep(publication(1, b"a"), None), Kept::Fresh);
        assert_eq!(last.keep(publication(1, b"a"), None), Kept::Equal);
        assert_eq!(last.keep(publication(1, b"b"), None), Kept::Fresh);
        assert_eq!(last.keep(publication(2, b"b"), None), Kept::Fresh);
    }

    proptest! {
        #[test]
        fn holds_what_a_list_by_time_of_writing_would(writes in proptest::collection::vec((0u8..12, 0usize..30), 1..200)) {
            const VALUES: usize = 6;
            const BYTES: usize = 100;
            let mut last = LastValues::new(HashSeed(1, 2), VALUES, BYTES);
            let mut twin: Vec<(u8, Vec<u8>)> = Vec::new();
            for (n, len) in writes {
                let data = vec![n; len];
                last.keep(publication(n, &data), None);
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
