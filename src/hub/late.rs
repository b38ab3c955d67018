//! What waits behind a slow reader: references to publications, and the answers between them.
//!
//! All slow readers of a topic share one [`Late`] per form; each holds a pointer. The frame is made
//! when a socket takes it. Of a state topic at most one value waits behind the last answer: a newer
//! one takes its place, which an index knows. An answer is never passed: behind the completion of a
//! Subscribe, a value must not take a place in front of it.
//!
//! Values that are told with their positions stay in the order of these, since a client may go on
//! from any of them: a newer one stands at the end, and the one before it goes. The first that
//! waits stays, so that a topic which changes all the time is heard of all the same.
//!
//! What a Subscribe gets of the past, its block, waits here too, and is not the reader's fault: it
//! is counted apart. Of each publication of it a reference of 16 bytes waits, and nothing takes its
//! place: what is newer comes behind it. Behind two of them no third one begins.

use super::backlog::{Held, Share};
use super::encoding::Form;
use super::kept::retained::Retained;
use super::publication::{EventTraits, Payload, Publication};
use crate::broken::broken;
use crate::limits::LATE_PART_BYTES;
use crate::schema::{EventId, Instants};
use core::mem;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use uuid::Uuid;

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
    /// The topic of which only the newest value matters, where it is a state event's. A connection
    /// has one organization.
    conflates: Option<(EventId, Uuid)>,
    record: Record,
    /// Whether a client that goes on on another link is sent it again.
    counts: bool,
    held: Held,
}

#[derive(Debug)]
enum Record {
    Answer(Box<[u8]>),
    Publication {
        publication: Publication,
        lower: Box<str>,
        is_last: bool,
        instants: Option<Arc<Instants>>,
        form: Form,
    },
}

impl Late {
    /// An answer, a ping, a Close: its frame.
    pub(crate) fn answer(frame: &[u8], counts: bool, share: &Arc<Share>) -> Late {
        let held = Held::new(frame.len() + size_of::<Late>() + COUNTS_BYTES + 2 * ROUNDED_BYTES, share);
        Late { len: frame.len(), conflates: None, record: Record::Answer(frame.into()), counts, held }
    }

    /// A publication, whose frame in this form has so many bytes.
    pub(crate) fn publication(
        publication: Publication,
        event: EventTraits<'_>,
        form: Form,
        len: usize,
        share: &Arc<Share>,
    ) -> Late {
        let EventTraits { lower, is_state, is_last, instants } = event;
        let bytes = publication.data.len() + lower.len() + size_of::<Late>() + 2 * COUNTS_BYTES + 3 * ROUNDED_BYTES;
        let conflates = is_state.then(|| publication.topic.within());
        let instants = instants.cloned();
        let record = Record::Publication { publication, lower: lower.into(), is_last, instants, form };
        Late { len, conflates, record, counts: true, held: Held::new(bytes, share) }
    }

    /// Bytes of its frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.len
    }

    /// Whether a client that goes on on another link is sent it again.
    pub(crate) fn counts(&self) -> bool {
        self.counts
    }

    /// The shard that holds it.
    pub(crate) fn share(&self) -> &Arc<Share> {
        self.held.share()
    }

    /// Appends its frame.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match &self.record {
            Record::Answer(frame) => out.extend_from_slice(frame),
            Record::Publication { publication, lower, is_last, instants, form } => {
                let Publication { topic, stamp, data, .. } = publication;
                let (is_state, instants) = (self.conflates.is_some(), instants.as_ref());
                let event = EventTraits { lower, is_state, is_last: *is_last, instants };
                form.encode(topic, event, *stamp, Payload::Shared(data), out);
            }
        }
    }

    fn is_answer(&self) -> bool {
        matches!(self.record, Record::Answer(_))
    }

    /// Whether its place is behind all that came before it.
    fn is_positioned(&self) -> bool {
        matches!(self.record, Record::Publication { form: Form { positioned: true, .. }, .. })
    }
}

/// A publication of a block that waits.
#[derive(Debug)]
pub(crate) struct Part {
    /// What is sent.
    pub publication: Arc<Retained>,
    /// In which form.
    pub form: Form,
    /// Bytes of its frame.
    pub len: u32,
}

/// A place in the queue.
#[derive(Debug)]
enum Entry {
    /// One went from here for the sake of a newer one.
    Hole,
    Late(Arc<Late>),
    Part(Part),
}

// A block may have as many as there are rows.
const _: () = assert!(size_of::<Entry>() == LATE_PART_BYTES);

impl Entry {
    /// Bytes of its frame; none of a hole.
    fn frame_bytes(&self) -> Option<usize> {
        match self {
            Entry::Hole => None,
            Entry::Late(late) => Some(late.len),
            Entry::Part(part) => Some(part.len as usize),
        }
    }
}

/// What the parts of an event have in common.
#[derive(Debug)]
struct Traits {
    lower: Box<str>,
    is_state: bool,
    instants: Option<Arc<Instants>>,
}

/// The records that wait for one connection, in order.
#[derive(Debug, Default)]
pub(crate) struct LateQueue {
    entries: VecDeque<Entry>,
    /// The number of the first entry; each further one has the next.
    first: u64,
    /// The values of each topic that wait behind the last answer.
    newest: BTreeMap<(EventId, Uuid), Waiting>,
    holes: usize,
    block_bytes: usize,
    /// Of these, what had waited when the last block began.
    former_bytes: usize,
    /// Of the events that parts of a block are of.
    traits: BTreeMap<EventId, Traits>,
    /// Entries looked at on the way to a place.
    #[cfg(test)]
    pub(super) steps: usize,
}

/// The numbers of the values of a topic that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    first: u64,
    last: u64,
}

/// Swept when there are more than that, and more than entries.
const HOLES: usize = 64;

impl LateQueue {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() == self.holes
    }

    /// Bytes of frames that are part of a block.
    pub(crate) fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Those of them that are in front of the last block.
    pub(crate) fn former_bytes(&self) -> usize {
        self.former_bytes
    }

    /// The next parts are those of another block.
    pub(crate) fn begin_block(&mut self) {
        self.former_bytes = self.block_bytes;
    }

    /// Behind all that wait.
    pub(crate) fn push(&mut self, late: Arc<Late>) {
        let number = self.first + self.entries.len() as u64;
        if late.is_answer() {
            self.newest.clear();
        } else if let Some(topic) = late.conflates {
            let first = self.newest.get(&topic).map_or(number, |waiting| waiting.first);
            self.newest.insert(topic, Waiting { first, last: number });
        }
        self.entries.push_back(Entry::Late(late));
    }

    /// A part of a block, behind all that wait.
    pub(crate) fn push_part(&mut self, part: Part, event: EventTraits<'_>) {
        let EventTraits { lower, is_state, instants, .. } = event;
        let traits = || Traits { lower: lower.into(), is_state, instants: instants.cloned() };
        self.traits.entry(part.publication.topic.event).or_insert_with(traits);
        // What is newer than the part must not take a place in front of it.
        self.newest.remove(&part.publication.topic.within());
        self.block_bytes += part.len as usize;
        self.entries.push_back(Entry::Part(part));
    }

    /// The place of the older value that this one replaces, where one waits behind the last answer.
    pub(crate) fn place(&mut self, late: &Late) -> Option<u64> {
        let Waiting { first, last } = *self.newest.get(&late.conflates?)?;
        #[cfg(test)]
        {
            self.steps += 1;
        }
        (!late.is_positioned() || first != last).then_some(last)
    }

    /// Bytes of the frame in a place.
    pub(crate) fn bytes_at(&self, place: u64) -> usize {
        self.at(place).and_then(|at| self.entries[at].frame_bytes()).unwrap_or_default()
    }

    /// Lets a value take the one in a place away, and its place where positions don't matter.
    pub(crate) fn replace(&mut self, place: u64, late: Arc<Late>) {
        let Some(at) = self.at(place) else { broken("a value waits in its place") };
        let Entry::Late(_) = mem::replace(&mut self.entries[at], Entry::Hole) else {
            broken("no value waits where there is none")
        };
        if late.is_positioned() {
            self.holes += 1;
            self.push(late);
            self.sweep();
        } else {
            self.entries[at] = Entry::Late(late);
        }
    }

    fn at(&self, place: u64) -> Option<usize> {
        usize::try_from(place.checked_sub(self.first)?).ok().filter(|at| *at < self.entries.len())
    }

    /// Forgets the holes, once they are most of it.
    fn sweep(&mut self) {
        if self.holes <= HOLES + self.entries.len() / 2 {
            return;
        }
        // Each stands so many places further to the front.
        let mut holes = 0;
        let moved: Vec<u64> = self
            .entries
            .iter()
            .map(|entry| {
                holes += u64::from(matches!(entry, Entry::Hole));
                holes
            })
            .collect();
        let first = self.first;
        let moved = |number: u64| number - usize::try_from(number - first).map_or(0, |at| moved[at]);
        for waiting in self.newest.values_mut() {
            *waiting = Waiting { first: moved(waiting.first), last: moved(waiting.last) };
        }
        self.entries.retain(|entry| !matches!(entry, Entry::Hole));
        self.holes = 0;
    }

    /// Bytes of the frame of the first.
    pub(crate) fn first_bytes(&self) -> Option<usize> {
        self.entries.iter().find_map(Entry::frame_bytes)
    }

    /// The first, as one that can be kept when it waits no longer.
    pub(crate) fn first(&self, share: &Arc<Share>) -> Option<Arc<Late>> {
        match self.entries.iter().find(|entry| !matches!(entry, Entry::Hole))? {
            Entry::Hole => None,
            Entry::Late(late) => Some(Arc::clone(late)),
            Entry::Part(Part { publication, form, len }) => {
                let (publication, event) = ((***publication).clone(), self.event(publication));
                Some(Arc::new(Late::publication(publication, event, *form, *len as usize, share)))
            }
        }
    }

    /// Takes the first away.
    pub(crate) fn pop(&mut self) {
        while let Some(entry) = self.entries.pop_front() {
            let number = self.first;
            self.first += 1;
            match entry {
                Entry::Hole => {
                    self.holes -= 1;
                    continue;
                }
                Entry::Late(late) => self.forget(&late, number),
                Entry::Part(part) => {
                    self.block_bytes -= part.len as usize;
                    self.former_bytes = self.former_bytes.saturating_sub(part.len as usize);
                    if self.block_bytes == 0 {
                        self.traits.clear();
                    }
                }
            }
            return;
        }
    }

    /// A record with that number waits no longer.
    fn forget(&mut self, late: &Late, number: u64) {
        if let Some(topic) = late.conflates
            && let Some(waiting) = self.newest.get_mut(&topic)
            && waiting.first == number
        {
            if waiting.last == number {
                self.newest.remove(&topic);
            } else {
                waiting.first = waiting.last;
            }
        }
    }

    /// Appends the frames of the first records: whole ones, until they make `bytes`.
    pub(crate) fn encode(&self, bytes: usize, out: &mut Vec<u8>) {
        for entry in &self.entries {
            if out.len() >= bytes {
                return;
            }
            let start = out.len();
            match entry {
                Entry::Hole => continue,
                Entry::Late(late) => late.encode(out),
                Entry::Part(part) => self.encode_part(part, out),
            }
            debug_assert_eq!(Some(out.len() - start), entry.frame_bytes(), "a frame is the same whenever it is made");
        }
    }

    fn encode_part(&self, Part { publication, form, .. }: &Part, out: &mut Vec<u8>) {
        let Publication { topic, stamp, data, .. } = &***publication;
        form.encode(topic, self.event(publication), *stamp, Payload::Shared(data), out);
    }

    /// The event of a part.
    fn event(&self, Publication { topic, effect, .. }: &Publication) -> EventTraits<'_> {
        let Some(traits) = self.traits.get(&topic.event) else { broken("the event of each part is known") };
        let Traits { lower, is_state, instants } = traits;
        EventTraits { lower, is_state: *is_state, is_last: effect.is_last(), instants: instants.as_ref() }
    }

    /// Drops all.
    pub(crate) fn clear(&mut self) {
        *self = LateQueue::default();
    }

    /// Memory of its own, without the records.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.newest.len() * 2 * size_of::<((EventId, Uuid), Waiting)>()
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
    const EVENT: EventTraits<'_> = EventTraits { lower: "e", is_state: false, is_last: false, instants: None };
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
        fn publish(&mut self, entity: Option<u128>, data: &[u8]) -> bool {
            self.publish_in(FORM, entity, data)
        }

        fn publish_in(&mut self, form: Form, entity: Option<u128>, data: &[u8]) -> bool {
            let late = self.late(form, entity, data);
            let place = self.queue.place(&late);
            match place {
                Some(place) => self.queue.replace(place, Arc::new(late)),
                None => self.queue.push(Arc::new(late)),
            }
            place.is_some()
        }

        fn late(&self, form: Form, entity: Option<u128>, data: &[u8]) -> Late {
            let topic = Topic { entity: Uuid::from_u128(entity.unwrap_or_default()), ..TOPIC };
            let publication = Publication::new(topic, data.into());
            let event = EventTraits { is_state: entity.is_some(), ..EVENT };
            Late::publication(publication, event, form, data.len(), &self.share)
        }

        /// The data that wait, in order.
        fn waiting(&self) -> Vec<String> {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let data = |entry: &Entry| match entry {
                Entry::Hole => None,
                Entry::Part(part) => Some(text(&part.publication.data)),
                Entry::Late(late) => Some(match &late.record {
                    Record::Answer(frame) => text(frame),
                    Record::Publication { publication, .. } => text(&publication.data),
                }),
            };
            self.queue.entries.iter().filter_map(data).collect()
        }

        /// Queues a block.
        fn push_parts(&mut self, form: Form, parts: &[(u128, &str)]) {
            self.queue.begin_block();
            for (entity, data) in parts {
                let topic = Topic { entity: Uuid::from_u128(*entity), ..TOPIC };
                let publication = Retained::new(Publication::new(topic, data.as_bytes().into()));
                self.queue.push_part(Part { publication, form, len: 100 }, EVENT);
            }
        }

        fn answer(&mut self) {
            self.queue.push(Arc::new(Late::answer(b"answer", true, &self.share)));
        }
    }

    #[test]
    fn a_value_finds_its_place_in_one_step_however_many_wait() {
        let mut bench = Bench::new();
        let topics: Vec<u128> = (0..1_000).collect();
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
        let topic = 1;
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

    const POSITIONED: Form = Form { positioned: true, ..FORM };

    #[test]
    fn values_with_positions_stay_in_their_order_and_the_first_one_waits_for_its_turn() {
        let mut bench = Bench::new();
        for (entity, data) in [(1, b"1a"), (2, b"2a"), (1, b"1b"), (2, b"2b"), (1, b"1c"), (1, b"1d")] {
            bench.publish_in(POSITIONED, Some(entity), data);
        }
        assert_eq!(bench.waiting(), ["1a", "2a", "2b", "1d"], "a client may go on from any of them");
        bench.queue.pop();
        bench.publish_in(POSITIONED, Some(1), b"1e");
        assert_eq!(bench.waiting(), ["2a", "2b", "1d", "1e"], "1d is the first of its topic now");
        for n in 0..1_000u32 {
            bench.publish_in(POSITIONED, Some(u128::from(n % 3)), n.to_string().as_bytes());
        }
        assert!(bench.queue.entries.len() <= 2 * (HOLES + 6), "{} places", bench.queue.entries.len());
        assert_eq!(bench.waiting(), ["2a", "1d", "0", "997", "998", "999"]);
        while bench.queue.first_bytes().is_some() {
            bench.queue.pop();
        }
        assert!(bench.queue.is_empty() && bench.queue.newest.is_empty() && bench.queue.holes == 0);
    }

    #[test]
    fn what_waits_of_a_block_is_counted_until_it_is_taken_and_what_is_newer_comes_behind_it() {
        let mut bench = Bench::new();
        for form in [FORM, POSITIONED] {
            bench.push_parts(form, &[(1, "1a"), (2, "2a")]);
            bench.publish_in(form, Some(1), b"live");
            bench.publish_in(form, Some(1), b"newer");
            let waiting: &[&str] =
                if form.positioned { &["1a", "2a", "live", "newer"] } else { &["1a", "2a", "newer"] };
            assert_eq!(bench.waiting(), waiting, "{form:?}");
            bench.push_parts(form, &[(3, "3a")]);
            let bytes = |queue: &LateQueue| (queue.block_bytes(), queue.former_bytes());
            assert_eq!(bytes(&bench.queue), (300, 200), "another one waits behind it");
            bench.queue.pop();
            assert_eq!((bytes(&bench.queue), bench.queue.traits.len()), ((200, 100), 1));
            while bench.queue.first_bytes().is_some() {
                bench.queue.pop();
            }
            assert_eq!((bytes(&bench.queue), bench.queue.traits.len()), ((0, 0), 0));
        }
    }
    #[test]
    fn a_value_takes_no_place_before_a_block_that_no_answer_stands_before() {
        for form in [FORM, POSITIONED] {
            let mut bench = Bench::new();
            bench.publish_in(form, Some(1), b"1a");
            bench.publish_in(form, Some(2), b"2a");
            bench.push_parts(form, &[(1, "1a")]);
            bench.publish_in(form, Some(1), b"1b");
            assert_eq!(bench.waiting(), ["1a", "2a", "1a", "1b"], "the newest is the last: {form:?}");
        }
    }
}
