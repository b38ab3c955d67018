//! An engine on plain vectors, as several processes share one: it executes commands, and loses what
//! it is told to lose.

use rte::backplane::entry::{FINGERPRINT_BYTES, Fingerprint, Head, Kind, Origin, Place, Raw};
use rte::backplane::values::Value;
use rte::backplane::{Appended, Batch, Command, Fault, Input, Opened, Opening, Row, Verdict};
use rte::hub::partition::Partition;
use rte::hub::seen::ItemKey;
use std::collections::{BTreeMap, VecDeque};

/// Entries that a read gives of each partition, at most.
const READ_MAX: usize = 5;

/// The log of a partition.
#[derive(Clone, Debug)]
struct Log {
    entries: VecDeque<Raw>,
    newest: Place,
}

impl Log {
    fn first(&self) -> Place {
        let behind = Place { sequence: self.newest.sequence + 1, ..self.newest };
        self.entries.front().map_or(behind, |entry| entry.place)
    }

    fn has(&self, (place, fingerprint): (Place, Fingerprint)) -> bool {
        self.entries.iter().any(|entry| entry.place == place && entry.head.starts_with(&fingerprint))
    }
}

/// What the engine keeps of a partition.
#[derive(Clone, Debug, Default)]
struct Part {
    log: Option<Log>,
    marks: BTreeMap<Origin, u64>,
    rows: BTreeMap<Box<[u8]>, Raw>,
    ids: BTreeMap<ItemKey, (Origin, u64)>,
}

/// All that an engine keeps. A clone is a replica that is behind.
#[derive(Clone, Debug)]
pub struct Engine {
    parts: Vec<Part>,
    /// It takes nothing more.
    pub is_full: bool,
}

impl Engine {
    pub fn new(partitions: u8) -> Engine {
        Engine { parts: vec![Part::default(); usize::from(partitions)], is_full: false }
    }

    fn part(&mut self, partition: Partition) -> &mut Part {
        &mut self.parts[usize::from(partition.number())]
    }

    /// Executes a command; `told` hears of each entry that is appended.
    pub fn execute(&mut self, command: &Command, told: &mut dyn FnMut(Partition, &Raw)) -> Input {
        match command {
            Command::Connect => Input::Connected,
            Command::Open(openings) => {
                Input::Opened(openings.iter().map(|opening| self.part(opening.partition).open(opening, told)).collect())
            }
            Command::Append(batches) => {
                let is_full = self.is_full;
                let append = |batch: &Batch| match is_full {
                    true => Err(Fault::Full),
                    false => self.part(batch.partition).append(batch, told),
                };
                Input::Appended(batches.iter().map(append).collect())
            }
            Command::Read(places) => {
                let read = |(partition, place): &(Partition, Place)| {
                    let log = self.parts[usize::from(partition.number())].log.iter();
                    let behind = log.flat_map(|log| &log.entries).filter(|entry| entry.place > *place);
                    (*partition, behind.take(READ_MAX).cloned().collect())
                };
                Input::Entries(places.iter().map(read).collect())
            }
            Command::Newest => {
                let partitions = (0..).map_while(Partition::from_number).take(self.parts.len());
                Input::Newest(partitions.map(|partition| self.newest(partition)).collect())
            }
            Command::Values { partition, scan } => {
                let rows = self.part(*partition).rows.iter();
                let asked = rows.filter(|(field, _)| u64::from(field.last().unwrap() % 2) == *scan);
                let values = asked.map(|(field, entry)| Value { field: field.clone(), entry: entry.clone() });
                Input::Values { values: values.collect(), scan: 1 - scan }
            }
            Command::Restore { partition, values } => {
                assert!(!values.is_empty(), "a real engine takes no command without any value");
                let rows = &mut self.part(*partition).rows;
                for Value { field, entry } in values {
                    if rows.get(field).is_none_or(|row| row.place < entry.place) {
                        rows.insert(field.clone(), entry.clone());
                    }
                }
                Input::Restored
            }
        }
    }

    /// Somebody deletes a log.
    pub fn delete_log(&mut self, partition: Partition) {
        self.part(partition).log = None;
    }

    /// Only so many entries of each log are left.
    pub fn trim(&mut self, entries: usize) {
        for log in self.parts.iter_mut().filter_map(|part| part.log.as_mut()) {
            log.entries.drain(..log.entries.len().saturating_sub(entries));
        }
    }

    /// The newest entry of a log, where there is one.
    pub fn newest(&self, partition: Partition) -> Option<Place> {
        self.parts[usize::from(partition.number())].log.as_ref().map(|log| log.newest)
    }

    /// The last values of a partition.
    pub fn rows(&self, partition: Partition) -> impl Iterator<Item = (&[u8], &Raw)> {
        self.parts[usize::from(partition.number())].rows.iter().map(|(field, entry)| (&**field, entry))
    }
}

impl Part {
    fn open(&mut self, opening: &Opening, told: &mut dyn FnMut(Partition, &Raw)) -> Opened {
        let is_new = self.log.is_none();
        if is_new {
            self.marks.clear();
        }
        let verdict = match (&self.log, opening.cursor) {
            (_, None) => Verdict::Start,
            (None, Some(_)) => Verdict::Fork,
            (Some(log), Some(known)) if log.has(known) => Verdict::Same,
            (Some(log), Some((cursor, _))) => {
                let first = log.first();
                let is_trimmed = first > cursor && first.epoch == cursor.epoch;
                if is_trimmed { Verdict::Trimmed } else { Verdict::Fork }
            }
        };
        let is_raised = self.log.as_ref().zip(opening.cursor).is_some_and(|(log, (at, _))| log.newest.epoch > at.epoch);
        if is_new || verdict == Verdict::Fork && !is_raised {
            let head = Head { kind: Kind::Marker, origin: opening.origin, number: 0, body: b"" }.encode();
            let place = Place { epoch: opening.epoch, sequence: 0 };
            let log = self.log.get_or_insert(Log { entries: VecDeque::new(), newest: place });
            assert!(is_new || place > log.newest, "{place:?} behind {:?}", log.newest);
            let marker = Raw { place, head: head.into(), data: Box::default() };
            told(opening.partition, &marker);
            log.entries.push_back(marker);
            log.newest = place;
        }
        let log = self.log.as_ref().unwrap();
        let marks = self.marks.iter().map(|(origin, number)| (*origin, *number)).collect();
        Opened { verdict, first: log.first(), newest: log.newest, marks }
    }

    fn append(&mut self, batch: &Batch, told: &mut dyn FnMut(Partition, &Raw)) -> Result<Appended, Fault> {
        let mark = self.marks.get(&batch.origin).copied().unwrap_or(0);
        let Some(log) = &mut self.log else { return Err(Fault::Stale) };
        if batch.epoch < log.newest.epoch || mark < batch.after {
            return Err(Fault::Stale);
        }
        let (mut last, mut duplicates) = (None, Vec::new());
        for (number, entry) in (batch.first..).zip(&batch.entries) {
            if number <= mark {
                continue;
            }
            let (mut head, mut data, mut row) = (entry.head.clone(), &*entry.data, entry.row.as_ref());
            if let Some(id) = entry.id {
                let owner = *self.ids.entry(id).or_insert((batch.origin, number));
                if owner != (batch.origin, number) {
                    duplicates.push(number);
                    head = Head { kind: Kind::Void, origin: batch.origin, number, body: b"" }.encode();
                    (data, row) = (&[], None);
                }
            }
            assert!(head.len() >= FINGERPRINT_BYTES);
            let is_later = batch.epoch > log.newest.epoch;
            let sequence = if is_later { 0 } else { log.newest.sequence + 1 };
            log.newest = Place { epoch: batch.epoch, sequence };
            let raw = Raw { place: log.newest, head: head.into(), data: data.into() };
            if let Some(row) = row {
                match row {
                    Row::Ends(fields) => fields.iter().for_each(|field| drop(self.rows.remove(field))),
                    Row::Becomes(field) => drop(self.rows.insert(field.clone(), raw.clone())),
                }
            }
            told(batch.partition, &raw);
            log.entries.push_back(raw);
            (last, _) = (Some(log.newest), self.marks.insert(batch.origin, number));
        }
        Ok(Appended { last, duplicates })
    }
}
