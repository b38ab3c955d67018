//! The publications that still hold, for those who ask for a snapshot.
//!
//! A row is (topic, key) → publication: a state's has no key, a keyed state's is one of its
//! properties, and that of an event of a call is the call's leg. They differ in what ends them:
//!
//! | row of | ends by |
//! |---|---|
//! | a state | its successor |
//! | a key | its successor; `keep_ms`; the publisher's last; another entity that takes the key over |
//! | a leg, open | the end of the leg or its call, at that entity; `open_call_ms` after the leg's last event |
//! | a leg, over | `linger_ms` after its end, until which what comes late does not open it |
//!
//! Only the home of a topic keeps its rows, in the order in which it stamps: there is no gap and no
//! double between a snapshot and what follows it. All homes of the process together are bounded in
//! rows and bytes. Where that is too much, a home that has more than its share lets go of what was
//! written longest ago; a leg goes whole. `Kept::is_partial` remembers that it did.

#[cfg(test)]
mod fold;
mod gone;
pub mod retained;
#[cfg(test)]
mod tests;

use super::position::{Epoch, Stamp};
use super::publication::{Effect, Key, Publication};
use super::topic::{Topic, Wildcard};
use crate::broken::broken;
use crate::clock::UnixMs;
use crate::limits::Limits;
use crate::schema::{EventId, Phase};
use core::mem;
use gone::Gone;
use retained::Retained;
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

/// What a publication changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something.
    Fresh,
    /// Nothing: the row had the same data, to the byte.
    Equal,
}

/// Where a row stands: those of an event lie side by side, and within them those of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowPlace {
    organization: Uuid,
    event: EventId,
    entity: Uuid,
    key: Key,
}

impl RowPlace {
    fn of(topic: &Topic, key: Key) -> RowPlace {
        let Topic { organization, event, entity } = *topic;
        RowPlace { organization, event, entity, key }
    }
}

const KEY_FIRST: Key = Key([0; 16]);
const KEY_LAST: Key = Key([0xff; 16]);
/// The key of a state's row. Of a call it stands for all legs.
const NO_KEY: Key = KEY_FIRST;
/// Before anything was written.
const NEVER: UnixMs = UnixMs::from_ms(0);

#[derive(Debug)]
struct Row {
    publication: Arc<Retained>,
    /// Which note is this row's, unless it is a leg's.
    serial: u64,
}

impl Row {
    /// Whether its topic has no other.
    fn is_value(&self) -> bool {
        self.publication.effect == Effect::Value
    }
}

/// A leg at an entity, whatever the event. Those of a call lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LegPlace {
    organization: Uuid,
    entity: Uuid,
    call: Key,
    leg: Key,
}

#[derive(Debug)]
struct Leg {
    serial: u64,
    is_over: bool,
    /// It goes on with a leg of which rows may be missing.
    is_cut: bool,
    /// Its rows: the last publication of each event.
    rows: SmallVec<[(EventId, Key); 4]>,
}

/// What ends together.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Row(RowPlace),
    Leg(LegPlace),
}

/// A unit was written.
#[derive(Clone, Copy, Debug)]
struct Note {
    serial: u64,
    at: UnixMs,
    unit: Unit,
}

/// What lives equally long, in the order of its writes: so the first is the next to end. Notes of
/// units that were written again meanwhile are passed over.
#[derive(Debug)]
struct Queue {
    notes: VecDeque<Note>,
    lives_ms: Option<u64>,
}

/// Up to when rows may be missing that might still hold: what was written later is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// Of events with keys, and of calls.
    pub rows: UnixMs,
    /// Of states without a key.
    pub values: UnixMs,
}

impl Gaps {
    /// Nothing is missing at all.
    pub const NONE: Gaps = Gaps { rows: NEVER, values: NEVER };

    /// All that was written before may be.
    pub fn before(at: UnixMs) -> Gaps {
        Gaps { rows: at, values: at }
    }

    /// Where some of it may be missing here or there.
    pub(crate) fn and(self, other: Gaps) -> Gaps {
        Gaps { rows: self.rows.max(other.rows), values: self.values.max(other.values) }
    }
}

/// The queues.
#[derive(Clone, Copy, Debug)]
enum Sort {
    Value,
    Keyed,
    Open,
    Over,
}

/// What all homes of a process keep together. The counts are read to bound memory only, so no order
/// is asked of them.
#[derive(Debug, Default)]
pub(crate) struct KeptTotal {
    rows: AtomicUsize,
    bytes: AtomicUsize,
    /// Of rows that went while blocks hold them, and of what only blocks hold.
    pub(super) pinned_bytes: Arc<AtomicUsize>,
}

/// The table of one home.
///
/// `Kept::keep` applies each stamped publication that has an effect, [`Kept::of_topic`] and
/// [`Kept::of_event`] walk the rows, and `Kept::end_due` ends those whose time has come.
#[derive(Debug)]
pub struct Kept {
    rows: BTreeMap<RowPlace, Row>,
    legs: BTreeMap<LegPlace, Leg>,
    /// The entity that has the row of a key, of events whose key is at one entity at a time.
    holders: BTreeMap<(Uuid, EventId, Key), Uuid>,
    queues: [Queue; 4],
    next_serial: u64,
    bytes: usize,
    total: Arc<KeptTotal>,
    rows_max: usize,
    bytes_max: usize,
    homes: usize,
    evicted: u64,
    late: u64,
    gone: Gone,
    /// Of states without a key, whose rows live until they are replaced.
    gone_values: Gone,
}

impl Kept {
    /// An empty table, to which nothing has come before `since`. The bounds are for all homes
    /// together, of which there are so many.
    pub(crate) fn new(total: Arc<KeptTotal>, limits: &Limits, homes: usize, since: UnixMs) -> Kept {
        let lives = [None, Some(limits.keep_ms), Some(limits.open_call_ms), Some(limits.linger_ms)];
        Kept {
            rows: BTreeMap::new(),
            legs: BTreeMap::new(),
            holders: BTreeMap::new(),
            queues: lives.map(|lives_ms| Queue { notes: VecDeque::new(), lives_ms }),
            next_serial: 0,
            bytes: 0,
            total,
            rows_max: limits.kept_rows_max,
            bytes_max: limits.kept_bytes_max,
            homes: homes.max(1),
            evicted: 0,
            late: 0,
            gone: Gone::before(since),
            gone_values: Gone::before(NEVER),
        }
    }

    /// Applies a stamped publication, and lets go of what is too much.
    pub(crate) fn keep(&mut self, publication: Publication) -> Change {
        self.end_due(at(&publication));
        let change = match publication.effect {
            Effect::None => Change::Fresh,
            Effect::Value => self.put(Sort::Value, NO_KEY, publication),
            Effect::Keyed { key, is_last: true, .. } => {
                self.remove(&RowPlace::of(&publication.topic, key));
                Change::Fresh
            }
            Effect::Keyed { key, moves, .. } => {
                let topic = publication.topic;
                let change = self.put(Sort::Keyed, key, publication);
                if moves.is_some() {
                    self.holders.insert((topic.organization, topic.event, key), topic.entity);
                }
                change
            }
            Effect::Call { call, leg, phase } => {
                self.call(call, leg, phase, publication);
                Change::Fresh
            }
        };
        self.shrink();
        change
    }

    /// The entity that has the row of a key, where it is at one at a time.
    pub(crate) fn holder(&self, topic: &Topic, key: Key) -> Option<Uuid> {
        self.holders.get(&(topic.organization, topic.event, key)).copied()
    }

    /// The rows of a topic, in the order of their keys.
    pub fn of_topic(&self, topic: &Topic) -> impl Iterator<Item = &Arc<Retained>> + use<'_> {
        let all = RowPlace::of(topic, KEY_FIRST)..=RowPlace::of(topic, KEY_LAST);
        self.rows.range(all).map(|(_, row)| &row.publication)
    }

    /// The rows of an event over all entities of an organization, those of an entity side by side.
    /// A walk that has stopped goes on behind the place that it has come to; what has come or gone
    /// meanwhile it sees or not.
    pub fn of_event(
        &self,
        organization: Uuid,
        event: EventId,
        after: Option<RowPlace>,
    ) -> impl Iterator<Item = (RowPlace, &Arc<Retained>)> {
        let at = |entity, key| RowPlace { organization, event, entity, key };
        let start = after.map_or(Bound::Included(at(Uuid::nil(), KEY_FIRST)), Bound::Excluded);
        let rows = self.rows.range((start, Bound::Included(at(Uuid::max(), KEY_LAST))));
        rows.map(|(place, row)| (*place, &row.publication))
    }

    /// The row that a publication would take the place of.
    pub(crate) fn in_place_of(&self, publication: &Publication) -> Option<&Publication> {
        let topic = publication.topic;
        let place = match publication.effect {
            Effect::None => return None,
            Effect::Value => RowPlace::of(&topic, NO_KEY),
            Effect::Keyed { key, moves, .. } => {
                let entity = moves.and_then(|_| self.holder(&topic, key)).unwrap_or(topic.entity);
                RowPlace::of(&Topic { entity, ..topic }, key)
            }
            Effect::Call { leg, .. } => RowPlace::of(&topic, leg),
        };
        self.rows.get(&place).map(|row| -> &Publication { &row.publication })
    }

    /// The legs of a call, as the entity of a topic sees it.
    pub(crate) fn legs(&self, topic: &Topic, call: Key) -> impl Iterator<Item = Key> + use<'_> {
        let Topic { organization, entity, .. } = *topic;
        let place = |leg| LegPlace { organization, entity, call, leg };
        self.legs.range(place(KEY_FIRST)..=place(KEY_LAST)).map(|(place, _)| place.leg)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        let rows = mem::take(&mut self.rows);
        rows.values().for_each(|row| self.let_go(row));
        (self.legs, self.holders) = <_>::default();
        self.queues.iter_mut().for_each(|queue| queue.notes.clear());
    }

    /// The value of a state, even if it is stale.
    pub(crate) fn value(&self, topic: &Topic) -> Option<&Publication> {
        self.rows.get(&RowPlace::of(topic, NO_KEY)).map(|row| -> &Publication { &row.publication })
    }

    /// Whether topics of an event may have more rows than are known: the table has let go of some
    /// that might still hold, or has not been there for as long as such rows live.
    pub(crate) fn is_partial(&self, of: Wildcard, is_call: bool, now: UnixMs) -> bool {
        if is_call {
            // An end that went would hold back what comes late.
            let lives_ms = self.lives_ms(Sort::Open).max(self.lives_ms(Sort::Over));
            return outlives(self.gone.of((of.organization, None)), lives_ms, now);
        }
        outlives(self.gone.of((of.organization, Some(of.event))), self.lives_ms(Sort::Keyed), now)
    }

    /// Whether the value of a state is of a time of which some may be missing: it may not be the
    /// newest.
    pub(crate) fn may_be_outdated(&self, topic: &Topic) -> bool {
        let row = self.rows.get(&RowPlace::of(topic, NO_KEY));
        row.is_some_and(|row| at(&row.publication) < self.gone_values.everywhere())
    }

    /// Whether the table has let go of the value of any topic of an event.
    pub(crate) fn lacks_values(&self, of: Wildcard) -> bool {
        self.gone_values.of((of.organization, Some(of.event))) > NEVER
    }

    /// Ends what has lived its time.
    pub(crate) fn end_due(&mut self, now: UnixMs) {
        for sort in [Sort::Keyed, Sort::Open, Sort::Over] {
            let lives_ms = self.lives_ms(sort);
            while let Some(note) = self.queues[sort as usize].notes.front()
                && note.at.ms().saturating_add(lives_ms) <= now.ms()
            {
                let note = *note;
                self.queues[sort as usize].notes.pop_front();
                if self.is_current(&note) {
                    self.remove_unit(note.unit);
                }
            }
        }
    }

    /// Rows come from a process before this one, which has let go of some.
    pub(crate) fn come_back(&mut self, gaps: Gaps) {
        self.gone = Gone::before(gaps.rows);
        self.gone_values = Gone::before(gaps.values);
    }

    /// Up to when rows may be missing, whosever.
    pub(crate) fn gaps(&self) -> Gaps {
        Gaps { rows: self.gone.newest(), values: self.gone_values.newest() }
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Publication> {
        self.rows.values().map(|row| -> &Publication { &row.publication })
    }

    /// The rows are of another epoch from now on.
    pub(crate) fn begin(&mut self, epoch: Epoch) {
        for Row { publication, .. } in self.rows.values_mut() {
            let stamp = publication.stamp.map(|stamp| Stamp { epoch, ..stamp });
            let renewed = Retained::new(Publication { stamp, ..Publication::clone(publication) });
            mem::replace(publication, renewed).let_go(&self.total.pinned_bytes);
        }
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of their data.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows that went for the bounds' sake.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Events of calls that came behind the end of their leg.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// Lets go of what was written longest ago while all homes together keep too much and this one
    /// has more than its share.
    pub(crate) fn shrink(&mut self) {
        while self.has_too_much()
            && let Some(note) = self.pop_oldest()
        {
            self.evict(note);
        }
        // A unit that is written often leaves a note each time: swept when they outnumber the rows.
        let notes: usize = self.queues.iter().map(|queue| queue.notes.len()).sum();
        if notes > 2 * self.rows.len() + 64 {
            let (rows, legs) = (&self.rows, &self.legs);
            self.queues.iter_mut().for_each(|queue| queue.notes.retain(|note| is_current(rows, legs, note)));
        }
    }

    /// What happens to a leg.
    fn call(&mut self, call: Key, leg: Key, phase: Phase, publication: Publication) {
        let Topic { organization, entity, .. } = publication.topic;
        let place = |leg| LegPlace { organization, entity, call, leg };
        let is_over = |leg| self.legs.get(&place(leg)).is_some_and(|leg| leg.is_over);
        match phase {
            Phase::Begin | Phase::Progress if is_over(NO_KEY) || is_over(leg) => self.late += 1,
            Phase::Begin | Phase::Progress => {
                let now = at(&publication);
                let is_cut = self.is_cut(&place(leg), phase, now);
                if is_cut {
                    // What is missing of it would hold for as long as this does.
                    self.gone.note((organization, None), now);
                }
                self.put_leg(Sort::Open, place(leg), leg, publication);
                self.legs.entry(place(leg)).and_modify(|leg| leg.is_cut = is_cut);
            }
            Phase::End => {
                self.remove_leg(&place(leg));
                self.put_leg(Sort::Over, place(leg), leg, publication);
            }
            Phase::EndCall => {
                let all = self.legs.range(place(KEY_FIRST)..=place(KEY_LAST)).map(|(place, _)| *place);
                for leg in all.collect::<SmallVec<[LegPlace; 4]>>() {
                    self.remove_leg(&leg);
                }
                self.put_leg(Sort::Over, place(NO_KEY), leg, publication);
            }
        }
    }

    /// Whether rows of a leg that goes on may be missing, or an end that would hold it back.
    fn is_cut(&self, place: &LegPlace, phase: Phase, now: UnixMs) -> bool {
        let LegPlace { organization, entity, .. } = *place;
        let gone = self.gone.of((organization, None));
        let Some(leg) = self.legs.get(place) else {
            let end_may_be = outlives(gone, self.lives_ms(Sort::Over), now);
            return end_may_be || phase == Phase::Progress && outlives(gone, self.lives_ms(Sort::Open), now);
        };
        let row = |(event, key): &(EventId, Key)| RowPlace { organization, event: *event, entity, key: *key };
        let is_older = |row: &Row| at(&row.publication) < gone;
        leg.is_cut
            || outlives(gone, self.lives_ms(Sort::Open), now)
                && leg.rows.iter().filter_map(|it| self.rows.get(&row(it))).all(is_older)
    }

    /// How long units of a queue live without being written again.
    fn lives_ms(&self, sort: Sort) -> u64 {
        self.queues[sort as usize].lives_ms.unwrap_or(u64::MAX)
    }

    /// A publication becomes its event's row of a leg.
    fn put_leg(&mut self, sort: Sort, place: LegPlace, key: Key, publication: Publication) {
        let row = (publication.topic.event, key);
        let serial = self.note(sort, at(&publication), Unit::Leg(place));
        let place_of_row = RowPlace::of(&publication.topic, key);
        self.insert(place_of_row, Row { publication: Retained::new(publication), serial });
        let leg = self.legs.entry(place).or_insert_with(|| Leg {
            serial,
            is_over: false,
            is_cut: false,
            rows: SmallVec::new(),
        });
        leg.serial = serial;
        leg.is_over = matches!(sort, Sort::Over);
        if !leg.rows.contains(&row) {
            leg.rows.push(row);
        }
    }

    /// A publication becomes the row of a key.
    fn put(&mut self, sort: Sort, key: Key, publication: Publication) -> Change {
        let place = RowPlace::of(&publication.topic, key);
        let serial = self.note(sort, at(&publication), Unit::Row(place));
        let data = Arc::clone(&publication.data);
        match self.insert(place, Row { publication: Retained::new(publication), serial }) {
            Some(old) if old.publication.data == data => Change::Equal,
            Some(_) | None => Change::Fresh,
        }
    }

    fn insert(&mut self, place: RowPlace, row: Row) -> Option<Row> {
        let bytes = row.publication.data.len();
        self.bytes += bytes;
        self.total.rows.fetch_add(1, Ordering::Relaxed);
        self.total.bytes.fetch_add(bytes, Ordering::Relaxed);
        let old = self.rows.insert(place, row);
        old.iter().for_each(|old| self.let_go(old));
        old
    }

    fn remove(&mut self, place: &RowPlace) {
        let Some(row) = self.rows.remove(place) else { return };
        self.let_go(&row);
        let held = (place.organization, place.event, place.key);
        if self.holders.get(&held) == Some(&place.entity) {
            self.holders.remove(&held);
        }
    }

    fn let_go(&mut self, row: &Row) {
        row.publication.let_go(&self.total.pinned_bytes);
        let bytes = row.publication.data.len();
        self.bytes -= bytes;
        self.total.rows.fetch_sub(1, Ordering::Relaxed);
        self.total.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn remove_leg(&mut self, place: &LegPlace) {
        let Some(leg) = self.legs.remove(place) else { return };
        let LegPlace { organization, entity, .. } = *place;
        for (event, key) in leg.rows {
            self.remove(&RowPlace { organization, event, entity, key });
        }
    }

    fn remove_unit(&mut self, unit: Unit) {
        match unit {
            Unit::Row(place) => self.remove(&place),
            Unit::Leg(place) => self.remove_leg(&place),
        }
    }

    /// Lets go of a unit, and remembers what may be missed.
    fn evict(&mut self, Note { unit, at, .. }: Note) {
        let before = self.rows.len();
        match unit {
            Unit::Row(place) => {
                let is_value = self.rows.get(&place).is_some_and(Row::is_value);
                let gone = if is_value { &mut self.gone_values } else { &mut self.gone };
                gone.note((place.organization, Some(place.event)), at);
            }
            Unit::Leg(place) => self.gone.note((place.organization, None), at),
        }
        self.remove_unit(unit);
        self.evicted += (before - self.rows.len()) as u64;
    }

    fn note(&mut self, sort: Sort, at: UnixMs, unit: Unit) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.queues[sort as usize].notes.push_back(Note { serial, at, unit });
        serial
    }

    /// Takes the note of what was written longest ago.
    fn pop_oldest(&mut self) -> Option<Note> {
        let (rows, legs) = (&self.rows, &self.legs);
        for queue in &mut self.queues {
            while queue.notes.front().is_some_and(|note| !is_current(rows, legs, note)) {
                queue.notes.pop_front();
            }
        }
        let first = |queue: &Queue| queue.notes.front().map(|note| note.serial);
        let oldest = self.queues.iter_mut().filter(|queue| first(queue).is_some()).min_by_key(|queue| first(queue))?;
        oldest.notes.pop_front()
    }

    fn is_current(&self, note: &Note) -> bool {
        is_current(&self.rows, &self.legs, note)
    }

    fn has_too_much(&self) -> bool {
        let is_over =
            |mine: usize, all: &AtomicUsize, max: usize| mine > max / self.homes && all.load(Ordering::Relaxed) > max;
        is_over(self.rows.len(), &self.total.rows, self.rows_max)
            || is_over(self.bytes, &self.total.bytes, self.bytes_max)
    }
}

/// Whether what was written at a moment may hold at another, where it lives so long.
fn outlives(written: UnixMs, lives_ms: u64, now: UnixMs) -> bool {
    written.ms().saturating_add(lives_ms) > now.ms()
}

/// Whether nothing has been written to the unit since.
fn is_current(rows: &BTreeMap<RowPlace, Row>, legs: &BTreeMap<LegPlace, Leg>, note: &Note) -> bool {
    let serial = match note.unit {
        Unit::Row(place) => rows.get(&place).map(|row| row.serial),
        Unit::Leg(place) => legs.get(&place).map(|leg| leg.serial),
    };
    serial == Some(note.serial)
}

/// When a publication was taken.
fn at(publication: &Publication) -> UnixMs {
    publication.stamp.unwrap_or_else(|| broken("what is kept has been stamped")).at
}
