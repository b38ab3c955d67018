//! What waits behind a slow reader: references to publications, and the answers between them.
//!
//! All slow readers of a topic share one [`Late`] per form; each holds a pointer. The frame is made
//! when a socket takes it. Of a state topic at most one value waits behind the last answer: a newer
//! one takes its place, which an index knows. An answer is never passed: behind the completion of a
//! Subscribe, a value must not take a place in front of it.

use super::backlog::{Held, Share};
use super::encoding::Form;
use super::publication::{EventTraits, Payload, Publication};
use super::registry::TopicId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What an `Arc` keeps beside its value.
const COUNTS_BYTES: usize = 2 * size_of::<usize>();

/// What an allocator adds to each piece, on average.
const ROUNDED_BYTES: usize = 16;

/// One record that waits. A publication is shared by all who wait for it; an answer is its
/// connection's own.
#[derive(Debug)]
pub struct Late {
    /// Bytes of its frame.
    len: usize,
    /// The topic of which only the newest value matters, where it is a state event's.
    conflates: Option<TopicId>,
    record: Record,
    held: Held,
}

#[derive(Debug)]
enum Record {
    Answer(Box<[u8]>),
    Publication { publication: Publication, lower: Box<str>, is_last: bool, form: Form },
}

impl Late {
    /// An answer, a ping, a Close: its frame.
    pub(crate) fn answer(frame: &[u8], share: &Arc<Share>) -> Late {
        let held = Held::new(frame.len() + size_of::<Late>() + COUNTS_BYTES + 2 * ROUNDED_BYTES, share);
        Late { len: frame.len(), conflates: None, record: Record::Answer(frame.into()), held }
    }

    /// A publication, whose frame in this form has so many bytes.
    pub(crate) fn publication(
        publication: Publication,
        event: EventTraits<'_>,
        conflates: Option<TopicId>,
        form: Form,
        len: usize,
        share: &Arc<Share>,
    ) -> Late {
        let EventTraits { lower, is_last, .. } = event;
        let bytes = publication.data.len() + lower.len() + size_of::<Late>() + 2 * COUNTS_BYTES + 3 * ROUNDED_BYTES;
        let record = Record::Publication { publication, lower: lower.into(), is_last, form };
        Late { len, conflates, record, held: Held::new(bytes, share) }
    }

    /// Bytes of its frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.len
    }

    /// The shard that holds it.
    pub(crate) fn share(&self) -> &Arc<Share> {
        self.held.share()
    }

    /// Appends its frame.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match &self.record {
            Record::Answer(frame) => out.extend_from_slice(frame),
            Record::Publication { publication, lower, is_last, form } => {
                let Publication { topic, stamp, data, .. } = publication;
                let event = EventTraits { lower, is_state: self.conflates.is_some(), is_last: *is_last };
                form.encode(topic, event, *stamp, Payload::Shared(data), out);
            }
        }
    }

    fn is_answer(&self) -> bool {
        matches!(self.record, Record::Answer(_))
    }
}

/// The records that wait for one connection, in order.
#[derive(Debug, Default)]
pub(crate) struct LateQueue {
    entries: VecDeque<Arc<Late>>,
    /// The number of the first entry; each further one has the next.
    first: u64,
    /// The number of each value that waits behind the last answer.
    newest: BTreeMap<TopicId, u64>,
    /// Entries looked at on the way to a place.
    #[cfg(test)]
    pub(super) steps: usize,
}

impl LateQueue {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Behind all that wait.
    pub(crate) fn push(&mut self, late: Arc<Late>) {
        if late.is_answer() {
            self.newest.clear();
        } else if let Some(topic) = late.conflates {
            self.newest.insert(topic, self.first + self.entries.len() as u64);
        }
        self.entries.push_back(late);
    }

    /// The place of the older value that this one replaces, where one waits behind the last answer.
    pub(crate) fn place(&mut self, late: &Late) -> Option<&mut Arc<Late>> {
        let number = self.newest.get(&late.conflates?)?;
        #[cfg(test)]
        {
            self.steps += 1;
        }
        self.entries.get_mut(usize::try_from(number - self.first).ok()?)
    }

    /// Takes the first.
    pub(crate) fn pop(&mut self) -> Option<Arc<Late>> {
        let late = self.entries.pop_front()?;
        if let Some(topic) = late.conflates
            && self.newest.get(&topic) == Some(&self.first)
        {
            self.newest.remove(&topic);
        }
        self.first += 1;
        Some(late)
    }

    /// Appends the frames of the first records: whole ones, until they make `bytes`.
    pub(crate) fn encode(&self, bytes: usize, out: &mut Vec<u8>) {
        for late in &self.entries {
            if out.len() >= bytes {
                return;
            }
            let start = out.len();
            late.encode(out);
            debug_assert_eq!(out.len() - start, late.frame_bytes(), "a frame is the same whenever it is made");
        }
    }

    /// Drops all.
    pub(crate) fn clear(&mut self) {
        *self = LateQueue::default();
    }

    /// Memory of its own, without the records.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Arc<Late>>() + self.newest.len() * 2 * size_of::<(TopicId, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::backlog::Backlog;
    use super::super::encoding::Encoding;
    use super::super::topic::Topic;
    use super::*;
    use crate::schema::EventId;
    use uuid::Uuid;

    const FORM: Form = Form { encoding: Encoding::JsonBare, positioned: false };
    const EVENT: EventTraits<'_> = EventTraits { lower: "e", is_state: false, is_last: false };
    const TOPIC: Topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };

    struct Bench {
        share: Arc<Share>,
        queue: LateQueue,
    }

    impl Bench {
        fn new() -> Bench {
            let backlog = Arc::new(Backlog::new(usize::MAX, 1));
            Bench { share: Arc::new(Share::new(backlog)), queue: LateQueue::default() }
        }

        /// Queues a value of a state topic, or an occurrence; whether it took an older one's place.
        fn publish(&mut self, topic: Option<TopicId>, data: &[u8]) -> bool {
            let publication = Publication::new(TOPIC, data.into());
            let late = Late::publication(publication, EVENT, topic, FORM, 0, &self.share);
            match self.queue.place(&late) {
                Some(place) => *place = Arc::new(late),
                None => {
                    self.queue.push(Arc::new(late));
                    return false;
                }
            }
            true
        }

        fn answer(&mut self) {
            self.queue.push(Arc::new(Late::answer(b"answer", &self.share)));
        }
    }

    #[test]
    fn a_value_finds_its_place_in_one_step_however_many_wait() {
        let mut bench = Bench::new();
        let topics: Vec<TopicId> = (0..1_000).map(TopicId::of_slot).collect();
        for topic in &topics {
            for _ in 0..10 {
                bench.publish(None, b"an occurrence between the values");
            }
            assert!(!bench.publish(Some(*topic), b"first"));
        }
        assert_eq!(bench.queue.steps, 0);
        for round in 1..=5 {
            for topic in topics.iter().rev() {
                assert!(bench.publish(Some(*topic), b"newer"));
            }
            assert_eq!(bench.queue.steps, round * topics.len());
        }
        assert_eq!(bench.queue.entries.len(), 11_000, "one value of each topic waits");
    }

    #[test]
    fn a_value_takes_no_place_before_an_answer_nor_one_that_is_gone() {
        let mut bench = Bench::new();
        let topic = TopicId::of_slot(1);
        bench.publish(Some(topic), b"before");
        bench.answer();
        assert!(!bench.publish(Some(topic), b"behind"));
        bench.queue.pop();
        assert!(bench.publish(Some(topic), b"behind"), "the first was another value of the topic");
        bench.queue.pop();
        bench.queue.pop();
        assert!(bench.queue.is_empty() && bench.queue.newest.is_empty());
        assert!(!bench.publish(Some(topic), b"alone"));
    }
}
