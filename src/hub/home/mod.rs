//! What a home knows of its partitions, and nobody else: the order of the publications, which of
//! them still hold, and which came of late.

use super::block::{Block, Found, Rows, Since, Wanted};
use super::kept::retained::Retained;
use super::kept::{Change, Gaps, Kept, KeptTotal};
use super::log::{Log, LogBounds, LogTotal};
use super::partition::Partition;
use super::past::Past;
use super::position::{Epoch, Position, Stamp, WirePosition};
use super::publication::{Effect, Publication};
use super::registry::HashSeed;
use super::seen::{ItemKey, Seen};
use super::telling::{Missed, Telling};
use super::topic::{Pattern, Reach, Topic, Wildcard};
use crate::clock::{Now, UnixMs};
use crate::limits::{HEADS_MAX, ID_BYTES, KEPT_ROW_BYTES, Limits};
use crate::metrics::Recovery;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// So many publications that are looked at cost as much as a delivery.
const STEPS_PER_DELIVERY: usize = 8;
/// What it costs to find one that is told, and to put it in its place, in deliveries.
const FOUND_COST: usize = 2;
/// Where what is kept tells the same, the log is not read for more than so many times the
/// publications that may be told.
const STEPS_PER_ITEM: usize = 4;

impl From<Missed> for Recovery {
    fn from(missed: Missed) -> Recovery {
        match missed {
            Missed::Trimmed => Recovery::Trimmed,
            Missed::TooMuch => Recovery::TooMuch,
        }
    }
}

/// What all homes of a process keep together.
#[derive(Clone, Debug, Default)]
pub struct HomeTotals {
    /// Of rows.
    pub(crate) kept: Arc<KeptTotal>,
    /// Of logs.
    pub logged: Arc<LogTotal>,
    /// Ids of items.
    pub(crate) seen: Arc<AtomicUsize>,
}

impl HomeTotals {
    /// Bytes that blocks hold, and no table any more.
    pub(crate) fn pinned_bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.kept.pinned_bytes)
    }
}

/// The part of a shard that is home to partitions.
///
/// Each publication of those partitions comes here once, wherever it arrived: `Home::claim` says
/// whether it is new, where it has an id, [`Home::stamp`] gives it its place, [`Home::keep`] keeps
/// it where its event is a state, and [`Home::record`] puts it into the log. Members hear of it
/// only afterwards.
#[derive(Debug)]
pub struct Home {
    epoch: Epoch,
    /// An engine counts the entries of its one partition: positions tell no time.
    is_counted: bool,
    /// One sequence serves all partitions of a home: within each of them positions grow all the
    /// same.
    last: Position,
    /// Something is missing: whoever stands at this place, or before it, has missed it.
    gap: Option<Position>,
    kept: Kept,
    log: Log,
    seen: Seen,
    pinned_bytes: Arc<AtomicUsize>,
    replay_items_max: usize,
    /// Bytes that a block may replay; what a connection may have waiting.
    replay_bytes_max: usize,
}

impl Home {
    /// A home to which nothing has come in an epoch. `totals` count what all homes of the process
    /// keep, of which there are so many.
    pub fn new(seed: HashSeed, limits: &Limits, epoch: Epoch, totals: &HomeTotals, homes: usize) -> Home {
        let kept = Kept::new(Arc::clone(&totals.kept), limits, homes, epoch.began());
        let bounds = LogBounds {
            bytes_max: limits.history_bytes_max,
            age_ms_max: limits.history_ms,
            heads_max: HEADS_MAX,
            homes,
        };
        let last = epoch.start();
        Home {
            epoch,
            is_counted: false,
            last,
            gap: None,
            kept,
            log: Log::new(seed, last, bounds, Arc::clone(&totals.logged)),
            seen: Seen::new(seed, Arc::clone(&totals.seen), limits, homes),
            pinned_bytes: totals.pinned_bytes(),
            replay_items_max: limits.replay_items_max,
            replay_bytes_max: limits.outbox_hard_bytes,
        }
    }

    /// A home of one partition, of which an engine counts the entries. Nothing has been read yet.
    pub(crate) fn counted(seed: HashSeed, limits: &Limits, totals: &HomeTotals, homes: usize) -> Home {
        Home { is_counted: true, ..Home::new(seed, limits, Epoch::NONE, totals, homes) }
    }

    /// An entry of the log is read, or is told to stand there: the next one, nearly always. Where
    /// another epoch has begun, all of it is known from `floor` on.
    pub(crate) fn come_to(&mut self, epoch: Epoch, position: Position, floor: Position) {
        if epoch > self.epoch {
            self.enter(epoch, floor);
        }
        self.last = self.last.max(position);
    }

    /// Another epoch has begun, all of which is known behind that place. Rows stay of the epoch
    /// they are of.
    pub(crate) fn enter(&mut self, epoch: Epoch, behind: Position) {
        (self.epoch, self.last) = (epoch, self.last.max(behind));
        self.log.begin(behind);
    }

    /// Of what stands before the present, something is missing in the log.
    pub(crate) fn lose_log(&mut self) {
        self.log.begin(self.last);
    }

    /// Something is missing in front of what comes next, or has been missing before.
    pub(crate) fn note_gap(&mut self) {
        self.gap = Some(self.last);
        self.lose_log();
    }

    /// Forgets everything, for what follows begins anew.
    pub(crate) fn forget(&mut self) {
        self.epoch = Epoch::NONE;
        self.last = self.epoch.start();
        self.gap = None;
        self.kept.clear();
        self.log.begin(self.last);
    }

    /// All that holds has been taken over.
    pub(crate) fn note_whole(&mut self) {
        self.kept.come_back(Gaps::NONE);
    }

    /// Where the row stands that a publication would take the place of.
    pub(crate) fn held_at(&self, publication: &Publication) -> Option<Position> {
        self.kept.in_place_of(publication).and_then(Publication::position)
    }

    /// Whether an item, or what is derived from one, comes for the first time. It is to be stamped
    /// then.
    pub(crate) fn claim(&mut self, key: ItemKey, now: Now) -> bool {
        self.seen.claim(key, now)
    }

    /// The time of continuity.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Continuity is lost: another epoch begins, to which all belongs that stands behind that
    /// place. What holds still does, and of the log nothing can be told any more.
    pub(crate) fn begin(&mut self, epoch: Epoch, behind: Position) {
        self.epoch = epoch;
        self.last = self.last.max(epoch.start());
        self.log.begin(behind);
        self.kept.begin(epoch);
    }

    /// Takes back what files have kept. The home is new.
    pub fn restore(&mut self, past: Past, now: Now) {
        self.last = self.last.max(past.last.unwrap_or(self.last));
        self.log.begin(past.floor.unwrap_or(self.last));
        past.gaps.into_iter().for_each(|gaps| self.kept.come_back(gaps));
        for row in &past.rows {
            self.kept.keep(row.clone());
        }
        for publication in &past.publications {
            if past.is_behind_rows(publication) && publication.effect != Effect::None {
                self.kept.keep(publication.clone());
            }
            if past.floor.is_some_and(|floor| publication.position() > Some(floor)) {
                self.log.append(publication.clone());
            }
        }
        for (_, id) in past.ids {
            self.seen.claim(id, now);
        }
        self.shrink(now);
    }

    /// Up to when some of what still holds may be missing.
    pub(crate) fn gaps(&self) -> Gaps {
        self.kept.gaps()
    }

    /// What still holds.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Publication> {
        self.kept.rows()
    }

    /// The ids of items of late, the oldest first, and when each was taken.
    pub(crate) fn ids_held(&self, now: Now) -> impl Iterator<Item = (UnixMs, ItemKey)> {
        let at = move |since| UnixMs::from_ms(now.unix.ms().saturating_sub(now.mono.ms_since(since)));
        self.seen.held().map(move |(since, key)| (at(since), key))
    }

    /// Gives the next publication its place in the order.
    pub fn stamp(&mut self, now: Now) -> Stamp {
        self.last = Position::after(Some(self.last), now);
        Stamp { epoch: self.epoch, position: self.last, at: now.unix }
    }

    /// What the entity is told that has had the row which a publication takes away: the same, with
    /// its own GUID in the data, and that this was the last. To be stamped before the publication.
    pub fn farewell(&self, publication: &Publication) -> Option<Publication> {
        let Effect::Keyed { key, moves: Some(place), .. } = publication.effect else { return None };
        let topic = publication.topic;
        let entity = self.kept.holder(&topic, key).filter(|former| *former != topic.entity)?;
        let mut data = publication.data.to_vec();
        let place = place as usize;
        let guid = data.get_mut(place..place + Hyphenated::LENGTH)?;
        entity.hyphenated().encode_lower(guid);
        let effect = Effect::Keyed { key, is_last: true, moves: None };
        Some(Publication { effect, ..Publication::new(Topic { entity, ..topic }, data.into()) })
    }

    /// Applies a stamped publication to the rows.
    pub fn keep(&mut self, publication: Publication) -> Change {
        self.kept.keep(publication)
    }

    /// Whether [`Home::record`] keeps anything.
    pub fn records(&self) -> bool {
        self.log.is_on()
    }

    /// Puts a stamped publication into the log. One that has lost its place there, since the engine
    /// has had another order, is not found again, nor what stands before the present.
    pub fn record(&mut self, publication: Publication) {
        if self.is_counted && publication.position() <= Some(self.log.newest()) {
            return self.lose_log();
        }
        self.log.append(publication);
    }

    /// Returns the place of what was stamped last.
    pub fn last(&self) -> Position {
        self.last
    }

    /// Where an organization stands: what is published later stands behind it.
    pub fn present(&self, organization: Uuid) -> WirePosition {
        WirePosition { epoch: self.epoch, partition: Partition::of(organization), position: self.last }
    }

    /// The place to which this home has yet to come before it can find what these items want, if it
    /// is behind any of them.
    pub(crate) fn lacks(&self, organization: Uuid, wanted: &[Wanted]) -> Option<Position> {
        let present = self.present(organization);
        let ahead = wanted.iter().filter_map(|item| {
            let Some(Since::Behind(place)) = item.since else { return None };
            (self.check(place, present) == Err(Recovery::Ahead)).then_some(place.position)
        });
        ahead.max()
    }

    /// Finds what the items of a Subscribe want, which are all of one organization. What is held
    /// already, or named again, gets nothing; what several items find is told once.
    pub fn recover(&mut self, organization: Uuid, wanted: &[Wanted], now: Now) -> Block {
        self.kept.end_due(now.unix);
        let present = self.present(organization);
        let mut block = Block { present, found: Vec::with_capacity(wanted.len()), publications: Vec::new(), work: 0 };
        let mut named = BTreeMap::new();
        let mut telling = Telling { items_left: 0, bytes_left: self.replay_bytes_max, steps: 0 };
        for item in wanted {
            let first = *named.entry(item.reach.pattern()).or_insert(block.found.len());
            let found = match block.found.get(first) {
                Some(first) => first.again(item.since),
                None if item.is_held => Found::held(present.position, item.since),
                None => self.find(item, present, now, &mut telling, &mut block.publications),
            };
            block.found.push(found);
        }
        let looked = telling.steps / STEPS_PER_DELIVERY;
        block.work = wanted.len() + looked + FOUND_COST * block.publications.len();
        block.publications = in_order(block.publications);
        block
    }

    fn find(
        &self,
        item: &Wanted,
        present: WirePosition,
        now: Now,
        telling: &mut Telling,
        publications: &mut Vec<Arc<Retained>>,
    ) -> Found {
        let start = publications.len();
        let (outcome, from) = match item.since {
            None | Some(Since::Present) => (None, present.position),
            Some(Since::Unreadable) => (Some(Err(Recovery::Unreadable)), present.position),
            Some(Since::Behind(place)) => {
                let outcome = self
                    .check(place, present)
                    .and_then(|()| self.check_gap(item, place.position))
                    .and_then(|()| self.replay(item, place.position, telling, publications));
                (Some(outcome), place.position)
            }
            Some(Since::Back { ms }) => {
                let (from, reaches) = self.taken_from(UnixMs::from_ms(now.unix.ms().saturating_sub(ms)));
                let reaches = if reaches { Ok(()) } else { Err(Recovery::Trimmed) };
                (Some(self.replay(item, from, telling, publications).and(reaches)), from)
            }
        };
        let replayed = publications.len() - start;
        let (mut rows, mut is_partial) = (0, false);
        if item.snapshot && replayed == 0 && outcome != Some(Ok(())) {
            telling.steps += STEPS_PER_DELIVERY * topics_of(&item.reach);
            self.rows(&item.reach, now, publications);
            rows = publications.len() - start;
            is_partial = self.is_partial(item, now);
        }
        let first = publications.iter().skip(start).filter_map(|publication| publication.position()).min();
        let position = match first {
            None => present.position,
            Some(_) if replayed > 0 => from,
            Some(first) => first.before(),
        };
        let recovery = outcome.map(|outcome| outcome.err().unwrap_or(Recovery::Recovered));
        Found { position, recovery, replayed, rows, is_partial }
    }

    /// The place behind which all stands that was taken from that time on, as far as it is in the
    /// log, and whether it all is.
    fn taken_from(&self, at: UnixMs) -> (Position, bool) {
        if self.is_counted {
            let (from, reaches) = self.log.taken_from(at);
            return (from, reaches || self.log.reaches(self.epoch.start()) && self.epoch.began() <= at);
        }
        let from = Position::at(at);
        (from.max(self.log.floor()), self.log.reaches(from))
    }

    /// Whether a position can be compared with what is known here.
    fn check(&self, place: WirePosition, present: WirePosition) -> Result<(), Recovery> {
        if self.is_counted && place.epoch > present.epoch && place.partition == present.partition {
            // Another process has read already that an epoch has begun.
            Err(Recovery::Ahead)
        } else if place.epoch != present.epoch {
            Err(Recovery::Epoch)
        } else if place.partition != present.partition {
            Err(Recovery::Partition)
        } else if place.position > present.position {
            Err(Recovery::Ahead)
        } else {
            Ok(())
        }
    }

    /// Whether something is missing behind a position. Of a state what holds is known all the same.
    fn check_gap(&self, item: &Wanted, position: Position) -> Result<(), Recovery> {
        let is_missing = item.rows != Rows::Value && self.gap.is_some_and(|gap| position <= gap);
        if is_missing { Err(Recovery::Trimmed) } else { Ok(()) }
    }

    /// Appends the rows that hold.
    fn rows(&self, reach: &Reach, now: Now, publications: &mut Vec<Arc<Retained>>) {
        let holds = |row: &&Arc<Retained>| row.expires.is_none_or(|end| end > now.unix);
        let of_topic = |topic: Topic| self.kept.of_topic(&topic).filter(holds).cloned();
        match reach {
            Reach::One(topic) => publications.extend(of_topic(*topic)),
            Reach::Every(Wildcard { organization, event }) => {
                let rows = self.kept.of_event(*organization, *event, None).map(|(_, row)| row);
                publications.extend(rows.filter(holds).cloned());
            }
            Reach::Only(wildcard, entities) => {
                publications.extend(entities.iter().flat_map(|entity| of_topic(wildcard.topic(*entity))));
            }
        }
    }

    /// Whether there may be more rows, or newer ones. Of one state it is plain: the hub knows its
    /// value, or knows nothing; unless it has lost some of the time when that was told.
    fn is_partial(&self, item: &Wanted, now: Now) -> bool {
        let wildcard = item.reach.pattern().wildcard();
        match (item.rows, &item.reach) {
            (Rows::None, _) => false,
            (Rows::Value, Reach::One(topic)) => self.kept.may_be_outdated(topic),
            (Rows::Value, Reach::Every(_) | Reach::Only(..)) => self.kept.lacks_values(wildcard),
            (Rows::Keyed, _) => self.kept.is_partial(wildcard, false, now.unix),
            (Rows::Call, _) => self.kept.is_partial(wildcard, true, now.unix),
        }
    }

    /// Appends what came behind a position, or nothing where that can't all be told: of a state the
    /// newest value of each topic only, all of it of anything else.
    fn replay(
        &self,
        item: &Wanted,
        after: Position,
        telling: &mut Telling,
        publications: &mut Vec<Arc<Retained>>,
    ) -> Result<(), Recovery> {
        telling.items_left = self.replay_items_max;
        telling.steps += STEPS_PER_DELIVERY * topics_of(&item.reach);
        let (start, before) = (publications.len(), *telling);
        let outcome = match &item.reach {
            Reach::One(topic) => self.replay_topic(item, topic, after, telling, publications),
            Reach::Every(wildcard) => self.replay_wildcard(item, *wildcard, after, telling, publications),
            Reach::Only(wildcard, entities) => entities
                .iter()
                .try_for_each(|entity| self.replay_topic(item, &wildcard.topic(*entity), after, telling, publications)),
        };
        if outcome.is_err() {
            publications.truncate(start);
            telling.go_back_to(before);
        }
        outcome
    }

    fn replay_wildcard(
        &self,
        item: &Wanted,
        wildcard: Wildcard,
        after: Position,
        telling: &mut Telling,
        publications: &mut Vec<Arc<Retained>>,
    ) -> Result<(), Recovery> {
        let missed = match item.rows {
            Rows::Value => self.newest_of_each(wildcard, after, telling),
            Rows::None | Rows::Keyed | Rows::Call => self.log.since(&Pattern::Every(wildcard), after, telling),
        };
        publications.extend(missed?.into_iter().map(|missed| self.retain(missed)));
        Ok(())
    }

    /// The values of a wildcard behind a position. What is kept is the newest in any case, unless
    /// some went: where the log does not tell, or would be read far, it does.
    fn newest_of_each(
        &self,
        wildcard: Wildcard,
        after: Position,
        telling: &mut Telling,
    ) -> Result<Vec<&Publication>, Missed> {
        let before = *telling;
        let lacks_values = self.kept.lacks_values(wildcard);
        let steps_max = if lacks_values { usize::MAX } else { STEPS_PER_ITEM.saturating_mul(self.replay_items_max) };
        let missed = self.log.newest_of_each(wildcard, after, steps_max, telling);
        if lacks_values || !matches!(missed, Err(Missed::Trimmed)) {
            return missed;
        }
        telling.go_back_to(before);
        let mut newest = Vec::new();
        for (_, row) in self.kept.of_event(wildcard.organization, wildcard.event, None) {
            telling.steps += 1;
            if row.position() > Some(after) {
                telling.tell(row)?;
                newest.push(&***row);
            }
        }
        Ok(newest)
    }

    /// Appends what came on one topic.
    fn replay_topic(
        &self,
        item: &Wanted,
        topic: &Topic,
        after: Position,
        telling: &mut Telling,
        publications: &mut Vec<Arc<Retained>>,
    ) -> Result<(), Recovery> {
        let missed = if item.rows == Rows::Value {
            let newest = match self.log.newest_since(topic, after) {
                Ok(newest) => newest,
                // What is kept is the newest in any case.
                Err(_) => Some(self.kept.value(topic).ok_or(Recovery::Trimmed)?)
                    .filter(|newest| newest.position() > Some(after)),
            };
            newest.iter().try_for_each(|newest| telling.tell(newest))?;
            newest.into_iter().collect()
        } else {
            self.log.since(&Pattern::One(*topic), after, telling)?
        };
        publications.extend(missed.into_iter().map(|missed| self.retain(missed)));
        Ok(())
    }

    /// For a block, which is counted, since a log does not share. So much is not replayed that it
    /// would matter.
    fn retain(&self, publication: &Publication) -> Arc<Retained> {
        Retained::pinned(publication.clone(), &self.pinned_bytes)
    }

    /// The rows, to look at.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Memory of what it keeps of the past, but for the newest positions.
    pub(crate) fn memory_bytes(&self) -> usize {
        let rows = self.kept.bytes() + self.kept.len() * KEPT_ROW_BYTES;
        rows + self.log.bytes() + self.seen.len() * ID_BYTES
    }

    /// Ids of items held.
    pub(crate) fn ids(&self) -> usize {
        self.seen.len()
    }

    /// Ids that went before their time.
    pub(crate) fn ids_evicted(&self) -> u64 {
        self.seen.evicted()
    }

    /// The log, to look at.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Lets go of what all homes together keep too much. Called at the end of each turn, since
    /// others may have added.
    pub fn shrink(&mut self, now: Now) {
        self.kept.end_due(now.unix);
        self.kept.shrink();
        self.log.trim(now);
        self.seen.shrink(now);
    }
}

/// The publications in their order, each once. Positions are looked up once each: rows lie all over
/// the memory, and there may be many.
fn in_order(publications: Vec<Arc<Retained>>) -> Vec<Arc<Retained>> {
    let mut placed: Vec<_> = publications.into_iter().map(|row| (row.position(), row)).collect();
    placed.sort_by_key(|(position, _)| *position);
    placed.dedup_by_key(|(position, _)| *position);
    placed.into_iter().map(|(_, row)| row).collect()
}

/// Topics, or a wildcard in their place, for each of which a table is asked.
fn topics_of(reach: &Reach) -> usize {
    match reach {
        Reach::One(_) | Reach::Every(_) => 1,
        Reach::Only(_, entities) => entities.len(),
    }
}

#[cfg(test)]
mod tests;
