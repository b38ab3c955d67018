//! The recent publications of a home's partitions, for those who were away for a moment.
//!
//! All are in one ring, in the order in which they were stamped; each knows the one before it on
//! its topic, and the one before it of its event, so that finding what a topic or a wildcard missed
//! costs a step per publication found and none for the others. A head, the newest position of a
//! topic or a wildcard, outlives its publications: whoever has seen it has missed nothing, however
//! long ago it was.

use super::position::{Position, Stamp};
use super::publication::Publication;
use super::registry::HashSeed;
use super::telling::{Missed, Telling};
use super::topic::{Pattern, Topic, Wildcard};
use crate::broken::broken;
use crate::clock::{Now, UnixMs};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much a log keeps.
#[derive(Clone, Copy, Debug)]
pub struct LogBounds {
    /// Memory of all logs of the process; 0 switches them off.
    pub bytes_max: usize,
    /// Age of a publication.
    pub age_ms_max: u64,
    /// Heads of all logs of the process.
    pub heads_max: usize,
    /// Logs in the process.
    pub homes: usize,
}

/// What all logs of the process keep. The counts are read to bound memory only, so no order is
/// asked of them.
#[derive(Debug, Default)]
pub struct LogTotal {
    bytes: AtomicUsize,
    heads: AtomicUsize,
}

#[derive(Debug)]
struct Entry {
    publication: Publication,
    position: Position,
    at: UnixMs,
    /// The one before it on its topic, and the one before it of its event.
    previous: [Option<Head>; 2],
}

/// What an entry takes besides its data.
const ENTRY_BYTES: usize = size_of::<Entry>() + size_of::<(UnixMs, Position)>();

impl Entry {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.publication.data.len()
    }

    /// The one before it, of its topic or of its wildcard.
    fn previous(&self, pattern: &Pattern) -> Option<Head> {
        let [of_topic, of_event] = self.previous;
        match pattern {
            Pattern::One(_) => of_topic,
            Pattern::Every(_) => of_event,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Head {
    /// The number of the entry.
    number: u64,
    position: Position,
}

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type HeadMap = std::collections::HashMap<Pattern, Head, HashSeed>;

/// The log of one home.
///
/// [`Log::append`] takes each publication as it is stamped, [`Log::since`] tells what came behind a
/// position, and [`Log::trim`], at the end of each turn, lets go of what is too old or too much.
#[derive(Debug)]
pub struct Log {
    bounds: LogBounds,
    total: Arc<LogTotal>,
    entries: VecDeque<Entry>,
    /// Where those stand behind which none was taken earlier or at the same time: both grow.
    times: VecDeque<(UnixMs, Position)>,
    /// The number of the first entry; each further one has the next.
    first: u64,
    bytes: usize,
    heads: HeadMap,
    /// Those without entries, by the position of their heads. What has a newer head by now is
    /// passed over.
    resting: VecDeque<(Position, Pattern)>,
    /// All publications behind this are in the log.
    floor: Position,
    /// When the newest was taken of those that are not, as far as that is known.
    floor_at: Option<UnixMs>,
    /// A topic without a head has no publication behind this.
    heads_floor: Position,
}

impl Log {
    /// A log to which nothing has come since that place, at which the epoch began.
    pub fn new(seed: HashSeed, start: Position, bounds: LogBounds, total: Arc<LogTotal>) -> Log {
        Log {
            bounds,
            total,
            entries: VecDeque::new(),
            times: VecDeque::new(),
            first: 0,
            bytes: 0,
            heads: HeadMap::with_hasher(seed),
            resting: VecDeque::new(),
            floor: start,
            floor_at: None,
            heads_floor: start,
        }
    }

    /// Whether anything is kept at all.
    pub fn is_on(&self) -> bool {
        self.bounds.bytes_max > 0
    }

    /// Keeps a publication, which stands behind all others.
    pub fn append(&mut self, publication: Publication) {
        if !self.is_on() {
            return;
        }
        let Some(Stamp { position, at, .. }) = publication.stamp else { broken("what is recorded has been stamped") };
        let head = Head { number: self.first + self.entries.len() as u64, position };
        let previous = patterns(&publication.topic).map(|pattern| {
            let before = self.heads.insert(pattern, head);
            if before.is_none() {
                self.total.heads.fetch_add(1, Ordering::Relaxed);
            }
            before
        });
        let entry = Entry { publication, position, at, previous };
        self.bytes += entry.bytes();
        self.total.bytes.fetch_add(entry.bytes(), Ordering::Relaxed);
        self.entries.push_back(entry);
        while self.times.pop_back_if(|(then, _)| *then >= at).is_some() {}
        self.times.push_back((at, position));
        while self.has_too_many_bytes() && self.drop_first() {}
    }

    /// The publications of a topic or a wildcard behind a position, in their order.
    ///
    /// # Errors
    ///
    /// [`Missed`], where they cannot all be told.
    pub fn since(
        &self,
        pattern: &Pattern,
        after: Position,
        telling: &mut Telling,
    ) -> Result<Vec<&Publication>, Missed> {
        let mut found = Vec::new();
        self.walk(pattern, after, |publication| {
            telling.steps += 1;
            telling.tell(publication)?;
            found.push(publication);
            Ok(())
        })?;
        found.reverse();
        Ok(found)
    }

    /// The newest publication of each topic of a wildcard that has one behind a position, in their
    /// order.
    ///
    /// # Errors
    ///
    /// [`Missed`], where they cannot all be told; [`Missed::Trimmed`], too, where that would take
    /// more than so many steps.
    pub fn newest_of_each(
        &self,
        wildcard: Wildcard,
        after: Position,
        steps_max: usize,
        telling: &mut Telling,
    ) -> Result<Vec<&Publication>, Missed> {
        let (mut found, mut entities) = (Vec::new(), BTreeSet::new());
        let last = telling.steps.saturating_add(steps_max);
        self.walk(&Pattern::Every(wildcard), after, |publication| {
            if telling.steps == last {
                return Err(Missed::Trimmed);
            }
            telling.steps += 1;
            if entities.insert(publication.topic.entity) {
                telling.tell(publication)?;
                found.push(publication);
            }
            Ok(())
        })?;
        found.reverse();
        Ok(found)
    }

    /// Tells the publications behind a position, the newest first.
    fn walk<'l>(
        &'l self,
        pattern: &Pattern,
        after: Position,
        mut tell: impl FnMut(&'l Publication) -> Result<(), Missed>,
    ) -> Result<(), Missed> {
        let Some(head) = self.heads.get(pattern) else {
            return if self.is_on() && after >= self.heads_floor { Ok(()) } else { Err(Missed::Trimmed) };
        };
        let mut next = Some(*head);
        while let Some(Head { number, position }) = next
            && position > after
        {
            let entry = self.entry(number).ok_or(Missed::Trimmed)?;
            tell(&entry.publication)?;
            next = entry.previous(pattern);
        }
        if next.is_none() && after < self.heads_floor.min(self.floor) {
            // Before the first one that is known, there may have been others.
            return Err(Missed::Trimmed);
        }
        Ok(())
    }

    /// The newest publication of a topic, if it stands behind a position; nothing where none does.
    ///
    /// # Errors
    ///
    /// [`Missed::Trimmed`], where there may be one which is not kept any more.
    pub fn newest_since(&self, topic: &Topic, after: Position) -> Result<Option<&Publication>, Missed> {
        match self.heads.get(&Pattern::One(*topic)) {
            Some(head) if head.position <= after => Ok(None),
            Some(head) => self.entry(head.number).map(|entry| Some(&entry.publication)).ok_or(Missed::Trimmed),
            None if self.is_on() && after >= self.heads_floor => Ok(None),
            None => Err(Missed::Trimmed),
        }
    }

    /// Whether all publications behind a position are kept.
    pub fn reaches(&self, after: Position) -> bool {
        self.is_on() && after >= self.floor
    }

    /// The place behind which all publications are kept.
    pub fn floor(&self) -> Position {
        self.floor
    }

    /// The place behind which all stands that was taken from that time on, as far as it is kept,
    /// and whether it all is: for positions that do not tell the time.
    pub(crate) fn taken_from(&self, at: UnixMs) -> (Position, bool) {
        let earlier = self.times.partition_point(|(then, _)| *then < at);
        match earlier.checked_sub(1).and_then(|last| self.times.get(last)) {
            Some((_, position)) => (*position, true),
            None => (self.floor, self.is_on() && self.floor_at.is_some_and(|floor_at| floor_at < at)),
        }
    }

    /// The place of what was appended last.
    pub(crate) fn newest(&self) -> Position {
        self.entries.back().map_or(self.floor, |entry| entry.position)
    }

    /// Lets go of what is too old, and of what all logs together keep too much while this one has
    /// more than its share.
    pub fn trim(&mut self, now: Now) {
        let is_old = |entry: &Entry, age_ms_max| now.unix.ms().saturating_sub(entry.at.ms()) > age_ms_max;
        while self.entries.front().is_some_and(|entry| is_old(entry, self.bounds.age_ms_max))
            || self.has_too_many_bytes()
        {
            if !self.drop_first() {
                break;
            }
        }
        while self.has_too_many_heads()
            && let Some((position, pattern)) = self.resting.pop_front()
        {
            if self.heads.get(&pattern).is_some_and(|head| head.position == position) {
                self.heads.remove(&pattern);
                self.total.heads.fetch_sub(1, Ordering::Relaxed);
                self.heads_floor = position;
            }
        }
        // A topic that rests and wakes again and again leaves a note each time: swept when they
        // outnumber the heads.
        if self.resting.len() > 2 * self.heads.len() + 64 {
            let heads = &self.heads;
            self.resting
                .retain(|(position, pattern)| heads.get(pattern).is_some_and(|head| head.position == *position));
        }
    }

    /// Forgets everything: an epoch has begun, in which all is known from that place on.
    pub(crate) fn begin(&mut self, start: Position) {
        while self.drop_first() {}
        self.total.heads.fetch_sub(self.heads.len(), Ordering::Relaxed);
        self.heads.clear();
        self.resting.clear();
        (self.floor, self.floor_at, self.heads_floor) = (start, None, start);
    }

    /// Publications kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory of the publications kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Lets go of the oldest; false where there is none.
    fn drop_first(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else { return false };
        self.first += 1;
        self.times.pop_front_if(|(_, position)| *position == entry.position);
        (self.floor, self.floor_at) = (entry.position, Some(entry.at));
        self.bytes -= entry.bytes();
        self.total.bytes.fetch_sub(entry.bytes(), Ordering::Relaxed);
        for pattern in patterns(&entry.publication.topic) {
            if self.heads.get(&pattern).is_some_and(|head| head.position == entry.position) {
                self.resting.push_back((entry.position, pattern));
            }
        }
        true
    }

    fn has_too_many_bytes(&self) -> bool {
        self.is_over(self.bytes, &self.total.bytes, self.bounds.bytes_max)
    }

    fn has_too_many_heads(&self) -> bool {
        self.is_over(self.heads.len(), &self.total.heads, self.bounds.heads_max)
    }

    fn is_over(&self, mine: usize, all: &AtomicUsize, max: usize) -> bool {
        mine > max / self.bounds.homes.max(1) && all.load(Ordering::Relaxed) > max
    }
}

/// The chains that a publication of a topic stands in, in their order.
fn patterns(topic: &Topic) -> [Pattern; 2] {
    [Pattern::One(*topic), Pattern::Every(topic.wildcard())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::position::Epoch;
    use crate::schema::EventId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn topic(n: u8) -> Topic {
        Topic { organization: Uuid::nil(), event: EventId(u16::from(n % 2)), entity: Uuid::from_u128(u128::from(n)) }
    }

    fn at(unix_ms: u64) -> Now {
        Now::from_ms(0, unix_ms)
    }

    const START_MS: u64 = 1_000;

    fn bounds(bytes_max: usize, heads_max: usize) -> LogBounds {
        LogBounds { bytes_max, age_ms_max: 100, heads_max, homes: 1 }
    }

    struct Bench {
        log: Log,
        last: Position,
        now_ms: u64,
    }

    impl Bench {
        fn new(bounds: LogBounds, total: &Arc<LogTotal>) -> Bench {
            let start = Position::at(UnixMs::from_ms(START_MS));
            let log = Log::new(HashSeed(1, 2), start, bounds, Arc::clone(total));
            Bench { log, last: start, now_ms: START_MS }
        }

        fn publish(&mut self, n: u8, data: &[u8]) -> Position {
            let now = at(self.now_ms);
            self.last = Position::after(Some(self.last), now);
            let stamp = Stamp { epoch: Epoch::begin(at(START_MS), 0), position: self.last, at: now.unix };
            self.log.append(Publication { stamp: Some(stamp), ..Publication::new(topic(n), data.into()) });
            self.last
        }

        fn since(&self, n: u8, after: Position) -> Result<Vec<Vec<u8>>, Missed> {
            self.log.since(&Pattern::One(topic(n)), after, &mut telling(100)).map(data)
        }

        /// The same of all topics of the event of one.
        fn since_of_all(&self, n: u8, after: Position) -> Result<Vec<Vec<u8>>, Missed> {
            self.log.since(&Pattern::Every(topic(n).wildcard()), after, &mut telling(100)).map(data)
        }
    }

    fn telling(items_left: usize) -> Telling {
        Telling { items_left, bytes_left: usize::MAX, steps: 0 }
    }

    fn data(found: Vec<&Publication>) -> Vec<Vec<u8>> {
        found.into_iter().map(|publication| publication.data.to_vec()).collect()
    }

    #[test]
    fn of_a_wildcard_the_newest_of_each_topic_is_told_and_its_head_outlives_them() {
        let mut bench = Bench::new(bounds(1 << 20, 2), &Arc::default());
        let start = bench.last;
        for (n, text) in [(1, b"a"), (3, b"b"), (2, b"x"), (1, b"c"), (5, b"d")] {
            bench.publish(n, text);
        }
        let all = topic(1).wildcard();
        let newest = |bench: &Bench, after, max| bench.log.newest_of_each(all, after, 9, &mut telling(max)).map(data);
        assert_eq!(newest(&bench, start, 3), Ok(vec![b"b".to_vec(), b"c".to_vec(), b"d".to_vec()]));
        assert_eq!(newest(&bench, start, 2), Err(Missed::TooMuch));
        let seen = bench.last;
        bench.now_ms += 101;
        bench.log.trim(at(bench.now_ms));
        assert_eq!(bench.since_of_all(1, seen), Ok(vec![]), "who has seen the head has missed nothing");
        assert_eq!(
            (newest(&bench, start, 3), bench.since_of_all(1, start)),
            (Err(Missed::Trimmed), Err(Missed::Trimmed))
        );
    }

    #[test]
    fn what_a_topic_missed_is_told_in_order_and_nothing_of_others() {
        let mut bench = Bench::new(bounds(1 << 20, 99), &Arc::default());
        let start = bench.last;
        bench.publish(1, b"a");
        bench.publish(2, b"x");
        let seen = bench.publish(1, b"b");
        bench.publish(2, b"y");
        let last = bench.publish(1, b"c");
        assert_eq!(bench.since(1, start), Ok(vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]));
        assert_eq!(bench.since(1, seen), Ok(vec![b"c".to_vec()]));
        assert_eq!(bench.since(1, last), Ok(vec![]));
        assert_eq!(bench.since(3, start), Ok(vec![]), "to a topic without a head nothing has come");
        assert_eq!(bench.log.since(&Pattern::One(topic(1)), start, &mut telling(2)).unwrap_err(), Missed::TooMuch);
        assert_eq!(bench.log.newest_since(&topic(1), seen).unwrap().map(|it| &*it.data), Some(&b"c"[..]));
        assert!(bench.log.newest_since(&topic(1), last).unwrap().is_none());
    }

    #[test]
    fn a_head_outlives_its_publications_and_below_its_floor_nothing_is_known() {
        let mut bench = Bench::new(bounds(1 << 20, 2), &Arc::default());
        let seen = bench.publish(1, b"a");
        let unseen = bench.last.before();
        for n in 2..5 {
            bench.publish(n, b"x");
        }
        bench.now_ms += 101;
        bench.log.trim(at(bench.now_ms));
        assert!(bench.log.is_empty() && bench.log.bytes() == 0);
        assert_eq!(bench.since(4, bench.last), Ok(vec![]), "who has seen the head has missed nothing");
        assert_eq!(bench.since(4, unseen), Err(Missed::Trimmed));
        assert_eq!(bench.since(1, seen), Err(Missed::Trimmed), "its head went for the bound's sake");
        assert_eq!(bench.since(1, bench.last), Ok(vec![]));
        assert!(!bench.log.reaches(seen) && bench.log.reaches(bench.last));
    }

    #[test]
    fn behind_a_time_is_what_stands_behind_the_newest_that_is_older_whatever_the_clock_does() {
        let mut bench = Bench::new(bounds(1 << 20, 9), &Arc::default());
        let times = [1_005, 1_009, 1_004, 1_010, 1_010, 1_007];
        let places = times.map(|ms| {
            bench.now_ms = ms;
            bench.publish(1, b"x")
        });
        for ms in 1_000..1_012 {
            let newest = times.iter().rposition(|then| *then < ms);
            let expected = newest.map_or((bench.log.floor(), false), |newest| (places[newest], true));
            assert_eq!(bench.log.taken_from(UnixMs::from_ms(ms)), expected, "{ms}");
        }
        while bench.log.drop_first() {}
        assert!(bench.log.times.is_empty());
    }

    #[test]
    fn a_log_without_room_tells_nothing() {
        let mut bench = Bench::new(bounds(0, 9), &Arc::default());
        let seen = bench.publish(1, b"a");
        assert!(bench.log.is_empty() && !bench.log.reaches(seen));
        assert_eq!(bench.since(1, seen), Err(Missed::Trimmed));
    }

    #[test]
    fn homes_share_the_bound_and_the_one_with_more_than_its_share_gives_way() {
        let total = Arc::default();
        let entry = ENTRY_BYTES + 1;
        let half = LogBounds { homes: 2, ..bounds(10 * entry, 99) };
        let (mut large, mut small) = (Bench::new(half, &total), Bench::new(half, &total));
        for n in 0..12 {
            large.publish(n, b"x");
        }
        assert_eq!(large.log.len(), 10, "one home alone may have it all");
        for n in 0..4 {
            small.publish(n, b"x");
        }
        large.log.trim(at(START_MS));
        assert_eq!((large.log.len(), small.log.len()), (6, 4));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Publish(u8, usize),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u8..6, 0usize..40).prop_map(|(n, len)| Step::Publish(n, len)),
            1 => (0u64..80).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Against all publications there ever were: what is told is what came, whole; and what is
        /// kept by a plain reading of the bounds is told.
        #[test]
        fn tells_what_a_list_of_all_would(steps in proptest::collection::vec(step(), 1..60)) {
            const BYTES: usize = 1_500;
            let mut bench = Bench::new(bounds(BYTES, 4), &Arc::default());
            let mut all: Vec<(u8, Position, u64, Vec<u8>)> = Vec::new();
            let start = bench.last;
            for step in steps {
                match step {
                    Step::Publish(n, len) => {
                        let data = vec![n; len];
                        let position = bench.publish(n, &data);
                        all.push((n, position, bench.now_ms, data));
                    }
                    Step::Pass(ms) => bench.now_ms += ms,
                }
                bench.log.trim(at(bench.now_ms));
                let mut bytes = 0;
                let kept = all.iter().rev().take_while(|(_, _, then_ms, data)| {
                    bytes += ENTRY_BYTES + data.len();
                    bytes <= BYTES && bench.now_ms - then_ms <= 100
                }).count();
                prop_assert_eq!(bench.log.len(), kept);
                prop_assert!(bench.log.resting.len() <= 2 * bench.log.heads.len() + 64);
                let floor = all.len().checked_sub(kept + 1).map_or(start, |last| all[last].1);
                let places = all.iter().map(|(_, position, _, _)| *position);
                for after in places.clone().chain([start]).chain(places.map(Position::before)) {
                    for (n, is_every) in (0..7).flat_map(|n| [(n, false), (n, true)]) {
                        let is_it = |other: u8| if is_every { other % 2 == n % 2 } else { other == n };
                        let missed: Vec<Vec<u8>> = all.iter()
                            .filter(|(other, position, _, _)| is_it(*other) && *position > after)
                            .map(|(_, _, _, data)| data.clone()).collect();
                        let told = if is_every { bench.since_of_all(n, after) } else { bench.since(n, after) };
                        match told {
                            Ok(told) => prop_assert_eq!(told, missed),
                            Err(why) => {
                                prop_assert_eq!(why, Missed::Trimmed);
                                prop_assert!(after < floor, "it is all kept");
                            }
                        }
                    }
                }
            }
        }
    }
}
