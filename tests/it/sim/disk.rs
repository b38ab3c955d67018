//! What a journal in files has, without files: the twin of the engine `file`, of which a hub that
//! was killed begins again.

use super::answers::Name;
use super::setting::CATALOGUE;
use rte::clock::{Now, UnixMs};
use rte::conn::{SnapshotPart, Term, ToWrite};
use rte::hub::kept::Gaps;
use rte::hub::partition::Partition;
use rte::hub::past::{Gathering, Past};
use rte::hub::position::{Epoch, Position};
use rte::hub::record::{Begin, Record, Records, Written};
use rte::limits::Limits;
use rte::schema::validate::Mode;
use std::rc::Rc;
use uuid::Uuid;

/// A publication that has been written.
#[derive(Clone, Debug)]
pub struct Row {
    pub organization: Uuid,
    pub name: Name,
    pub position: u64,
    pub data: Rc<[u8]>,
}

/// What a hub that starts has of the one before it.
#[derive(Debug)]
pub struct Restored {
    pub epoch: Epoch,
    /// Whether positions of before are good, and behind which place all publications are there.
    pub floor: Option<u64>,
    pub rows: Vec<Row>,
    /// Values of states may be missing of before, in Unix time; 0 where none is.
    pub lacks_values_ms: u64,
}

impl Restored {
    /// Of a hub that keeps all in memory.
    pub fn nothing(epoch: Epoch) -> Restored {
        Restored { epoch, floor: None, rows: Vec::new(), lacks_values_ms: 0 }
    }
}

/// A snapshot that the shards are asked for.
#[derive(Debug)]
struct Checkpoint {
    /// It takes the place of so many bytes of records.
    through: usize,
    /// It is the first since publications are written again.
    is_first: bool,
    /// By shard.
    parts: Vec<Option<SnapshotPart>>,
}

#[derive(Debug)]
pub struct Disk {
    /// The term that is written, and that the disk knows of.
    term: Term,
    /// Publications of its epoch behind this place are in the records.
    floor: Position,
    /// Where each file begins whose epoch is over, or may be.
    floors: Vec<(Epoch, Position)>,
    /// How the snapshot begins, and its publications and ids.
    snapshot: Option<(Begin, Vec<u8>)>,
    records: Vec<u8>,
    /// They are not all that the hub has accepted.
    is_lost: bool,
    /// Nothing is written for now.
    is_off: bool,
    checkpoint: Option<Checkpoint>,
}

impl Disk {
    /// An empty one, for a hub that begins with that term.
    pub fn new(term: Term) -> Disk {
        let floor = term.epoch.start();
        let floors = vec![(term.epoch, floor)];
        Disk {
            term,
            floor,
            floors,
            snapshot: None,
            records: Vec::new(),
            is_lost: false,
            is_off: false,
            checkpoint: None,
        }
    }

    /// It takes no more, or the shards have given it up.
    pub fn lose(&mut self) {
        (self.is_lost, self.is_off, self.checkpoint) = (true, true, None);
    }

    /// It takes records again, of that term; the shards are about to say what holds.
    pub fn resume(&mut self, term: Term, shards: usize) {
        (self.term, self.floor, self.is_off) = (term, term.epoch.start(), false);
        self.floors.push((term.epoch, self.floor));
        self.ask(true, shards);
    }

    /// The shards are about to say what holds, so that older records can go.
    pub fn ask(&mut self, is_first: bool, shards: usize) {
        let parts = (0..shards).map(|_| None).collect();
        self.checkpoint = Some(Checkpoint { through: self.records.len(), is_first, parts });
    }

    /// Whether it waits for what the shards say.
    pub fn asks(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// What a shard has handed over is written, unless it is of another term.
    pub fn write(&mut self, to_write: ToWrite) {
        match to_write {
            ToWrite::Records { term, bytes, .. } if self.takes(term) => self.records.extend(bytes),
            ToWrite::Rows { shard, term, part } if self.takes(term) => self.take_part(shard, part),
            // A shard has given up while others were being woken.
            ToWrite::Lost => self.lose(),
            ToWrite::Records { .. } | ToWrite::Rows { .. } => {}
            ToWrite::Append(_) | ToWrite::Restore(..) => panic!("files have no engine behind them"),
        }
    }

    /// The hub is killed in the midst of a write.
    pub fn tear(&mut self, to_write: &ToWrite, at: usize) {
        if let ToWrite::Records { term, bytes, .. } = to_write
            && self.takes(*term)
        {
            self.records.extend(&bytes[..at.min(bytes.len())]);
        }
    }

    fn takes(&self, term: u64) -> bool {
        term == self.term.number && !self.is_off
    }

    fn take_part(&mut self, shard: usize, part: SnapshotPart) {
        let Some(checkpoint) = &mut self.checkpoint else { return };
        checkpoint.parts[shard] = Some(part);
        let Some(parts) = checkpoint.parts.iter().map(Option::as_ref).collect::<Option<Vec<_>>>() else { return };
        let mut places = [None; 16];
        for (number, place) in (0u8..).zip(&mut places) {
            let home = Partition::from_number(number).expect("one of 16").home(parts.len());
            *place = Some(parts[home].place);
        }
        let gaps = parts.iter().map(|part| part.gaps).fold(Gaps::NONE, |one, other| Gaps {
            rows: one.rows.max(other.rows),
            values: one.values.max(other.values),
        });
        let going = self.records.drain(..checkpoint.through).collect::<Vec<u8>>();
        let floor = if checkpoint.is_first {
            places.into_iter().flatten().max()
        } else {
            publications(&going).map(|written| written.position).max()
        };
        self.floor = floor.unwrap_or(self.floor).max(self.floor);
        let mut rows = Vec::new();
        for part in &parts {
            for row in &part.rows {
                let event = &part.catalogue.event(row.topic.event).name;
                let written = Written::of(row, event).expect("a row has its place");
                Record::Publication(written).encode(&mut rows);
            }
            part.ids.iter().for_each(|(at, key)| Record::Id { at: *at, key: *key }.encode(&mut rows));
        }
        self.snapshot = Some((Begin { places, gaps, ..begin(self.term.epoch, self.floor) }, rows));
        self.floors = vec![(self.term.epoch, self.floor)];
        (self.is_lost, self.checkpoint) = (self.is_lost && !checkpoint.is_first, None);
    }

    /// A hub starts from it, with so many shards, in a term that begins. What each home gets, and
    /// what that comes to.
    pub fn restore(&mut self, limits: &Limits, shards: usize, now: Now, chance: u64) -> (Vec<Past>, Restored) {
        let mut gathering = Gathering::new(&CATALOGUE, Mode::Strict, limits, shards, now);
        if let Some((begin, rows)) = &self.snapshot {
            gathering.begin_rows(*begin);
            for record in Records::new(rows) {
                match record {
                    Record::Publication(written) => gathering.row(&written),
                    Record::Id { at, key } => gathering.id(key, at),
                    Record::Begin(_) | Record::Revocation(_) | Record::End => {}
                }
            }
        }
        let mut records = Records::new(&self.records);
        publications_of(records.by_ref()).for_each(|written| gathering.publication(&written));
        let whole = records.read();
        self.records.truncate(whole);
        let former = self.term.epoch;
        let epoch = if self.is_lost { Epoch::begin(now, chance) } else { former };
        assert!(epoch > former || !self.is_lost, "no time has passed");
        let known = self.floors.iter().filter(|(other, _)| *other == epoch).map(|(_, floor)| *floor).max();
        let floor = (!self.is_lost).then(|| known.unwrap_or(epoch.start()));
        let gaps = self.gaps(epoch, now.unix);
        let first = gathering.last().max(Some(epoch.start())).expect("there is one");
        let homes = gathering.finish(epoch, floor, gaps);
        (self.term, self.floor) = (Term { number: 0, epoch, is_written: true }, floor.unwrap_or(first));
        self.floors.push((epoch, self.floor));
        (self.is_lost, self.is_off, self.checkpoint) = (false, false, None);
        let lacks_values_ms = gaps.values.ms();
        (homes, Restored { epoch, floor: floor.map(Position::number), rows: self.rows(), lacks_values_ms })
    }

    /// Up to when some of what holds may be missing.
    fn gaps(&self, epoch: Epoch, now: UnixMs) -> Gaps {
        match &self.snapshot {
            _ if self.is_lost => Gaps::before(now),
            Some((snapshot, _)) if snapshot.epoch == epoch => snapshot.gaps,
            None if self.floors.iter().all(|(other, _)| *other == epoch) => Gaps { rows: epoch.began(), ..Gaps::NONE },
            Some(_) | None => Gaps::before(epoch.began()),
        }
    }

    /// All that has been written and is there, in the order of the places, each once.
    fn rows(&self) -> Vec<Row> {
        let snapshot = self.snapshot.iter().flat_map(|(_, rows)| publications(rows));
        let row = |written: Written<'_>| {
            let event = CATALOGUE.find(written.event).expect("an event of the catalogue");
            let name = CATALOGUE.event(event).name.as_str();
            let Written { organization, entity, position, data, .. } = written;
            Row { organization, name: (name, entity), position: position.number(), data: data.into() }
        };
        let mut rows: Vec<Row> = snapshot.chain(publications(&self.records)).map(row).collect();
        rows.sort_by_key(|row| (row.organization, row.position));
        rows.dedup_by_key(|row| (row.organization, row.position));
        rows
    }
}

fn begin(epoch: Epoch, floor: Position) -> Begin {
    Begin { epoch, boot: Uuid::nil(), is_synced: false, places: [None; 16], gaps: Gaps::NONE, floor }
}

fn publications(records: &[u8]) -> impl Iterator<Item = Written<'_>> {
    publications_of(Records::new(records))
}

fn publications_of<'r>(records: impl Iterator<Item = Record<'r>>) -> impl Iterator<Item = Written<'r>> {
    records.filter_map(|record| match record {
        Record::Publication(written) => Some(written),
        Record::Begin(_) | Record::Id { .. } | Record::Revocation(_) | Record::End => None,
    })
}
