//! The lane that appends.

use super::engine::{Appended, Batch, Command, Input, Opened, Opening, propose};
use super::entry::{Fingerprint, Origin, Place};
use super::fault::Fault;
use super::item::{Append, Item, Refused, Settled};
use super::lane::{Lane, Notice};
use super::options::Options;
use super::outgoing::Outgoing;
use super::values::Value;
use crate::clock::{Deadline, Instant, Now};
use crate::entropy::{Entropy, next_u64};
use crate::hub::partition::Partition;
use std::collections::VecDeque;

/// What the writer has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterMail {
    /// To the shard that has handed them over.
    Settled(Settled),
    /// To the reader, which must come to read it.
    Acked {
        /// The partition.
        partition: Partition,
        /// The highest number that is known to have been appended.
        number: u64,
    },
    /// The lane has changed.
    Notice(Notice),
    /// The engine had lost something that it had taken, and has again what could be repaired.
    Repaired {
        /// Publications that were appended again.
        repaired: u64,
        /// Those that this process had no more.
        lost: u64,
    },
}

/// Appends what the shards of a process take.
///
/// The shell hands it [`Writer::handle_append`] and what the engine answers ([`Writer::handle`]),
/// calls [`Writer::handle_deadlines`] when [`Writer::next_deadline`] has come, executes
/// [`Writer::poll_command`], one at a time, and carries out [`Writer::poll_mail`].
pub struct Writer {
    options: Options,
    origin: Origin,
    entropy: Box<dyn Entropy>,
    lane: Lane,
    partitions: Vec<Outgoing>,
    /// The partitions that the last command was about.
    asked: Vec<Partition>,
    next_ticket: u64,
    /// Last values that the engine may have lost.
    restores: VecDeque<(Partition, Vec<Value>)>,
    /// Those on their way.
    restoring: Option<(Partition, Vec<Value>)>,
    /// Why the engine takes nothing though it answers, and since when, as it was told.
    hitch: Option<(Fault, Instant)>,
    /// What had been repaired, and what was lost, when the engine was last found to have lost
    /// something.
    repairs: Option<(u64, u64)>,
    mail: VecDeque<WriterMail>,
}

impl Writer {
    /// A writer that is to connect.
    pub fn new(options: Options, origin: Origin, entropy: Box<dyn Entropy>, now: Now) -> Writer {
        let partitions = options.partitions().map(|partition| Outgoing::new(partition, origin)).collect();
        Writer {
            options,
            origin,
            entropy,
            lane: Lane::new(now),
            partitions,
            asked: Vec::new(),
            next_ticket: 1,
            restores: VecDeque::new(),
            restoring: None,
            hitch: None,
            repairs: None,
            mail: VecDeque::new(),
        }
    }

    /// Takes publications. They may be answered at once.
    pub fn handle_append(&mut self, append: Append) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let bytes: usize = append.items.iter().map(Item::bytes).sum();
        let is_too_much = self.queue_bytes() + bytes > self.options.queue_bytes_max;
        let Some(outgoing) = self.partitions.get_mut(usize::from(append.partition.number())) else { return };
        let outcome = if is_too_much {
            Err(Refused::Queue)
        } else if let Some(refused) = outgoing.refuses() {
            Err(refused)
        } else if append.items.is_empty() {
            Ok(Vec::new())
        } else {
            return outgoing.push(append, ticket);
        };
        let Append { shard, call, .. } = append;
        self.mail.push_back(WriterMail::Settled(Settled { shard, call, outcome, last: None }));
    }

    /// Takes last values that a home keeps, since the engine has lost its own
    /// ([`ReaderMail::Lost`](super::reader::ReaderMail::Lost)).
    pub fn handle_lost(&mut self, partition: Partition, values: Vec<Value>) {
        self.restores.retain(|(other, _)| *other != partition);
        if !values.is_empty() {
            self.restores.push_back((partition, values));
        }
    }

    /// The engine has answered what was asked last, or something has happened to its connection.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.lane.on_answer();
        let asked = std::mem::take(&mut self.asked);
        match input {
            Input::Connected => self.lane.on_connected(),
            Input::Opened(opened) => {
                asked.iter().zip(&opened).for_each(|(it, opened)| self.on_opened(*it, opened, now));
                self.mail.extend(self.lane.on_opened(now).map(WriterMail::Notice));
            }
            Input::Appended(results) => {
                for (partition, result) in asked.into_iter().zip(results) {
                    self.on_appended(partition, result, now);
                }
            }
            Input::Failed(fault) => self.fail(fault, now),
            Input::Restored => self.restoring = None,
            // Nothing of it is asked by this lane.
            Input::Entries(_) | Input::Newest(_) | Input::Values { .. } => self.fail(Fault::Garbled, now),
        }
        self.note_hitch(now);
        self.note_repairs();
    }

    /// What the engine has lost is told once all of it is there again that can be.
    fn note_repairs(&mut self) {
        let counts = (self.repaired(), self.unrepaired());
        if self.partitions.iter().any(Outgoing::has_lost) {
            self.repairs.get_or_insert(counts);
        } else if let Some((repaired, lost)) = self.repairs.take_if(|_| self.partitions.iter().all(Outgoing::is_open)) {
            self.mail.push_back(WriterMail::Repaired { repaired: counts.0 - repaired, lost: counts.1 - lost });
        }
    }

    /// A lane that reaches the engine is of no use either where nothing is taken there.
    fn note_hitch(&mut self, now: Now) {
        let fault = self.partitions.iter().find_map(Outgoing::hitch).filter(|_| self.lane.is_up());
        let told = self.hitch.map(|(fault, _)| fault);
        if fault == told {
            return;
        }
        let since = self.hitch.map_or(now.mono, |(_, since)| since);
        self.hitch = fault.map(|fault| (fault, since));
        if let Some(fault) = fault {
            self.mail.push_back(WriterMail::Notice(Notice::Away { fault, since }));
        } else if self.lane.is_up() {
            self.mail.push_back(WriterMail::Notice(Notice::Up { away_ms: now.mono.ms_since(since) }));
        }
    }

    fn fail(&mut self, fault: Fault, now: Now) {
        let notice = self.lane.fail(fault, now, self.entropy.as_mut());
        self.mail.push_back(WriterMail::Notice(notice));
        self.partitions.iter_mut().for_each(Outgoing::close);
        self.restores.extend(self.restoring.take());
    }

    fn on_opened(&mut self, partition: Partition, opened: &Opened, now: Now) {
        let Some(outgoing) = self.partitions.get_mut(usize::from(partition.number())) else { return };
        let mark = opened.marks.iter().find(|(origin, _)| *origin == self.origin).map_or(0, |(_, number)| *number);
        outgoing.on_opened(opened.newest.epoch, mark, now, &self.options);
    }

    fn on_appended(&mut self, partition: Partition, result: Result<Appended, Fault>, now: Now) {
        let Some(outgoing) = self.partitions.get_mut(usize::from(partition.number())) else { return };
        let settled = match result {
            Ok(appended) => {
                self.mail.extend(self.lane.on_success(now).map(WriterMail::Notice));
                let settled = outgoing.on_appended(&appended, now, &self.options);
                self.mail.push_back(WriterMail::Acked { partition, number: outgoing.acked() });
                settled
            }
            Err(fault) if fault.is_hitch() => outgoing.on_hitch(fault, now),
            Err(Fault::Stale) => {
                outgoing.close();
                Vec::new()
            }
            Err(fault) => return self.fail(fault, now),
        };
        self.mail.extend(settled.into_iter().map(WriterMail::Settled));
        while self.memory_bytes() > self.options.repair_bytes_max
            && let Some(largest) = self.partitions.iter_mut().max_by_key(|outgoing| outgoing.memory_bytes())
        {
            largest.forget_first();
        }
    }

    /// What is due.
    pub fn handle_deadlines(&mut self, now: Now) {
        let refused = if self.lane.is_up() { Refused::Timeout } else { Refused::Away };
        for outgoing in &mut self.partitions {
            self.mail.extend(outgoing.on_time(refused, now).into_iter().map(WriterMail::Settled));
        }
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Deadline {
        let due = self.partitions.iter().map(Outgoing::next_deadline).min().unwrap_or(Deadline::NEVER);
        if self.lane.is_free() { due.min(self.lane.connects_at()) } else { due }
    }

    /// What the engine is to be asked; the next one only when that has been answered.
    pub fn poll_command(&mut self, now: Now) -> Option<Command> {
        if !self.lane.is_free() {
            return None;
        }
        let command = if !self.lane.is_up() {
            self.lane.wants_connect(now).then_some(Command::Connect)
        } else if self.partitions.iter().any(|outgoing| !outgoing.is_open()) {
            Some(self.open(now))
        } else {
            self.append(now).or_else(|| {
                self.restoring = self.restores.pop_front();
                self.restoring.clone().map(|(partition, values)| Command::Restore { partition, values })
            })
        };
        if command.is_some() {
            self.lane.ask();
        }
        command
    }

    fn open(&mut self, now: Now) -> Command {
        let mut openings = Vec::new();
        for (partition, outgoing) in self.options.partitions().zip(&self.partitions) {
            if !outgoing.is_open() {
                let cursor: Option<(Place, Fingerprint)> = outgoing.known();
                let epoch = propose(cursor, now, next_u64(self.entropy.as_mut()));
                openings.push(Opening { partition, cursor, epoch, origin: self.origin });
                self.asked.push(partition);
            }
        }
        Command::Open(openings)
    }

    fn append(&mut self, now: Now) -> Option<Command> {
        let batches: Vec<Batch> = self.partitions.iter_mut().filter_map(|outgoing| outgoing.poll_batch(now)).collect();
        self.asked.extend(batches.iter().map(|batch| batch.partition));
        (!batches.is_empty()).then_some(Command::Append(batches))
    }

    /// What there is to say, in this order.
    pub fn poll_mail(&mut self) -> Option<WriterMail> {
        self.mail.pop_front()
    }

    /// Bytes that wait to be appended.
    pub fn queue_bytes(&self) -> usize {
        self.partitions.iter().map(Outgoing::queue_bytes).sum()
    }

    /// Bytes that are kept to be appended again.
    pub fn memory_bytes(&self) -> usize {
        self.partitions.iter().map(Outgoing::memory_bytes).sum()
    }

    /// Publications that were appended again since the engine had lost them.
    pub fn repaired(&self) -> u64 {
        self.partitions.iter().map(|outgoing| outgoing.repaired).sum()
    }

    /// Publications that the engine has lost, and this process has had no more.
    pub fn unrepaired(&self) -> u64 {
        self.partitions.iter().map(|outgoing| outgoing.unrepaired).sum()
    }

    /// Whether nobody waits.
    pub fn is_idle(&self) -> bool {
        self.partitions.iter().all(Outgoing::is_idle)
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Verdict;
    use super::*;
    use crate::hub::position::Epoch;

    const BYTES: usize = 600;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn at(ms: u64) -> Now {
        Now::from_ms(ms, ms)
    }

    fn writer(options: Options) -> Writer {
        Writer::new(Options { partitions: 1, ..options }, Origin(1), Box::new(Zeros), at(0))
    }

    /// Hands over a publication, for which there is time until then; what is said at once.
    fn append(writer: &mut Writer, call: u64, until_ms: u64) -> Option<Result<Vec<u32>, Refused>> {
        let item = Item { body: Box::default(), data: vec![b' '; BYTES].into(), id: None, row: None };
        let (partition, expires_at) = (Partition::from_number(0).unwrap(), Deadline::at(at(until_ms).mono));
        writer.handle_append(Append { partition, shard: 0, call, items: vec![item], expires_at });
        settled(writer)
    }

    fn settled(writer: &mut Writer) -> Option<Result<Vec<u32>, Refused>> {
        std::iter::from_fn(|| writer.poll_mail()).find_map(|mail| match mail {
            WriterMail::Settled(settled) => Some(settled.outcome),
            WriterMail::Acked { .. } | WriterMail::Notice(_) | WriterMail::Repaired { .. } => None,
        })
    }

    /// The engine says that it knows that number as the highest of this origin.
    fn open(writer: &mut Writer, mark: u64, ms: u64) {
        assert!(matches!(writer.poll_command(at(ms)), Some(Command::Connect)));
        writer.handle(Input::Connected, at(ms));
        assert!(matches!(writer.poll_command(at(ms)), Some(Command::Open(_))));
        let place = Place { epoch: Epoch::from_number(1), sequence: 0 };
        let marks = vec![(Origin(1), mark)];
        writer.handle(
            Input::Opened(vec![Opened { verdict: Verdict::Start, first: place, newest: place, marks }]),
            at(ms),
        );
    }

    #[test]
    fn what_waits_for_the_engine_is_bounded_and_more_is_refused_at_once() {
        let mut writer = writer(Options { queue_bytes_max: 2 * BYTES, ..Options::default() });
        assert_eq!(append(&mut writer, 1, 100), None);
        assert_eq!(
            append(&mut writer, 2, 100),
            Some(Err(Refused::Queue)),
            "what an entry takes beside its data counts"
        );
        writer.handle_deadlines(at(100));
        assert_eq!((settled(&mut writer), writer.queue_bytes()), (Some(Err(Refused::Away)), 0));
        assert_eq!(append(&mut writer, 3, 200), None, "and there is room again");
    }

    #[test]
    fn what_is_kept_to_be_appended_again_is_bounded_and_the_first_goes_first() {
        let mut writer = writer(Options { repair_bytes_max: 2 * BYTES, ..Options::default() });
        open(&mut writer, 0, 0);
        for number in 1..=3 {
            assert_eq!(append(&mut writer, number, 5_000), None);
            assert!(matches!(writer.poll_command(at(0)), Some(Command::Append(_))));
            let last = Some(Place { epoch: Epoch::from_number(1), sequence: number });
            writer.handle(Input::Appended(vec![Ok(Appended { last, duplicates: Vec::new() })]), at(0));
            assert_eq!(settled(&mut writer), Some(Ok(Vec::new())));
            assert!((BYTES..=2 * BYTES).contains(&writer.memory_bytes()), "{number}: {}", writer.memory_bytes());
        }
        writer.handle(Input::Failed(Fault::Away), at(0));
        open(&mut writer, 0, 1_000);
        let Some(Command::Append(batches)) = writer.poll_command(at(1_000)) else { panic!("the engine lacks them") };
        assert_eq!((batches[0].first, batches[0].entries.len()), (3, 1), "it gets back what is kept");
        appended(&mut writer, 1, 1_000);
        assert_eq!(repaired(&mut writer), Some((1, 2)), "and of the others it is told that they are lost");
    }

    /// The engine has appended what it was asked to.
    fn appended(writer: &mut Writer, sequence: u64, ms: u64) {
        let last = Some(Place { epoch: Epoch::from_number(1), sequence });
        writer.handle(Input::Appended(vec![Ok(Appended { last, duplicates: Vec::new() })]), at(ms));
    }

    fn repaired(writer: &mut Writer) -> Option<(u64, u64)> {
        std::iter::from_fn(|| writer.poll_mail()).find_map(|mail| match mail {
            WriterMail::Repaired { repaired, lost } => Some((repaired, lost)),
            WriterMail::Acked { .. } | WriterMail::Notice(_) | WriterMail::Settled(_) => None,
        })
    }

    #[test]
    fn of_what_the_engine_has_lost_publications_count_and_beats_do_not() {
        let mut writer = writer(Options::default());
        open(&mut writer, 0, 0);
        let beat_ms = Options::default().beat_ms;
        let mut ms = 0;
        for round in 0..3 {
            assert_eq!(append(&mut writer, round, ms + 5_000), None);
            for _ in 0..2 {
                assert!(matches!(writer.poll_command(at(ms)), Some(Command::Append(_))), "{round}");
                appended(&mut writer, 1, ms);
                assert_eq!(repaired(&mut writer), None);
                ms += beat_ms;
            }
        }
        for lost in [3, 0] {
            writer.handle(Input::Failed(Fault::Away), at(ms));
            ms += 60_000;
            open(&mut writer, 0, ms);
            let told = (0..10).find_map(|_| {
                assert!(matches!(writer.poll_command(at(ms)), Some(Command::Append(_))));
                appended(&mut writer, 1, ms);
                repaired(&mut writer)
            });
            assert_eq!(told, Some((0, lost)));
        }
    }
}
