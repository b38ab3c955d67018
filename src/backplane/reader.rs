//! The lane that reads.

use super::engine::{Command, Input, Opened, Opening, Verdict, propose};
use super::entry::{Head, Kind, Origin, Place, Raw};
use super::fault::Fault;
use super::lane::{Lane, Notice};
use super::line::{Gap, Line, Taken};
use super::options::Options;
use super::values::Value;
use crate::clock::{Deadline, Instant, Now};
use crate::entropy::{Entropy, next_u64};
use crate::hub::partition::Partition;
use crate::hub::position::Epoch;
use crate::limits::{BACKPLANE_OWN_MS, BACKPLANE_RECENT_MS, BACKPLANE_SETTLE_MS, BACKPLANE_SILENCE_MS};
use std::collections::{BTreeSet, VecDeque};

/// A publication as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its entry.
    pub entry: Raw,
    /// What it is to the home.
    pub tense: Tense,
}

/// What a publication that is read is to a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tense {
    /// The next one: it is delivered, and its value is the last.
    Present,
    /// It was there before the process was. Nobody is a member yet; its value is the last unless a
    /// later one is held.
    Past,
    /// It has been handed over before, at another place: nothing is delivered of it. Where a last
    /// value from before that place is held, the log has had the two in another order, and this one
    /// is the last.
    Again,
}

/// What the reader has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderMail {
    /// To the home of a partition: publications in their order.
    Entries {
        /// The partition.
        partition: Partition,
        /// The publications.
        entries: Vec<Found>,
        /// What has been read with them.
        through: Place,
    },
    /// To the home of a partition: something is missing in front of what comes next. Its siblings
    /// hear of it by the home, in its place among the publications.
    Gap {
        /// The partition.
        partition: Partition,
        /// What is missing.
        gap: Gap,
        /// The place behind it.
        at: Place,
    },
    /// To the home of a partition: last values of the engine, to be held against its own
    /// ([`supersedes`](super::values::supersedes)).
    Values {
        /// The partition.
        partition: Partition,
        /// Some of them.
        values: Vec<Value>,
        /// What had been read when the scan began; none at the start.
        horizon: Option<Place>,
    },
    /// To the home of a partition: what follows begins anew; whatever it has been told of it before
    /// is to be forgotten. It comes before [`ReaderMail::Ready`] only.
    Begun(Partition),
    /// To the home of a partition: another epoch has begun, so that the engine may have lost what
    /// was newest, last values, too. Those that the home keeps go to the writer, so that the newest
    /// that any process has seen is kept.
    Lost(Partition),
    /// Everything up to the present has been handed over.
    Ready,
    /// To the writer: it may be connected to the wrong server.
    Restart,
    /// The lane has changed.
    Notice(Notice),
}

impl ReaderMail {
    /// The partition whose home it is for; none where it is for all shards, or for none.
    pub fn partition(&self) -> Option<Partition> {
        match self {
            ReaderMail::Entries { partition, .. }
            | ReaderMail::Gap { partition, .. }
            | ReaderMail::Values { partition, .. }
            | ReaderMail::Begun(partition)
            | ReaderMail::Lost(partition) => Some(*partition),
            ReaderMail::Ready | ReaderMail::Restart | ReaderMail::Notice(_) => None,
        }
    }
}

/// A walk over the last values of a partition.
#[derive(Clone, Copy, Debug)]
struct Scan {
    /// It has come there.
    at: u64,
    /// What had been read when it began.
    horizon: Option<Place>,
}

/// What is read of a partition.
#[derive(Debug)]
struct Incoming {
    line: Line,
    is_open: bool,
    /// The epoch in which the log was when it was opened.
    epoch: Epoch,
    scan: Option<Scan>,
    /// When further ones are to begin: one that is due now hides none that is due later.
    scans_at: BTreeSet<Deadline>,
    /// A number of our own that is appended and not read, and since when.
    awaited: Option<(u64, Instant)>,
    /// Where the partition was when the last values had been read.
    target: Option<Place>,
    /// Where it was when the time of those was over who are to be heard in another epoch: they are
    /// judged when all of that has been read, which under load is never the end.
    judged_at: Option<Place>,
}

impl Incoming {
    /// Whether it is to be known where the partition is now, for another epoch to be judged.
    fn is_to_be_judged(&self, now: Now) -> bool {
        self.judged_at.is_none() && self.line.settles_at().is_due(now)
    }
}

/// What the answer on its way is about.
#[derive(Clone, Debug)]
enum Asked {
    Nothing,
    Open(Vec<Partition>),
    Values(Partition),
    Newest,
    Read,
}

/// Reads the logs of all partitions, and hands over what is new in them.
///
/// The shell hands it what the engine answers ([`Reader::handle`]) and what the writer has
/// appended ([`Reader::handle_acked`]), executes [`Reader::poll_command`], one at a time, and
/// carries out [`Reader::poll_mail`]. It stops asking for commands while the shards are behind: the
/// log is the buffer.
pub struct Reader {
    options: Options,
    origin: Origin,
    entropy: Box<dyn Entropy>,
    lane: Lane,
    partitions: Vec<Incoming>,
    asked: Asked,
    /// The last read has found nothing.
    is_at_end: bool,
    is_ready: bool,
    /// When another origin was heard last, unless that has been looked into.
    others_at: Option<Instant>,
    mail: VecDeque<ReaderMail>,
}

impl Reader {
    /// A reader that is to connect. The origin is that of the writer beside it.
    pub fn new(options: Options, origin: Origin, entropy: Box<dyn Entropy>, now: Now) -> Reader {
        let incoming = |_| Incoming {
            line: Line::default(),
            is_open: false,
            epoch: Epoch::NONE,
            scan: None,
            scans_at: BTreeSet::new(),
            awaited: None,
            target: None,
            judged_at: None,
        };
        Reader {
            options,
            origin,
            entropy,
            lane: Lane::new(now),
            partitions: options.partitions().map(incoming).collect(),
            asked: Asked::Nothing,
            is_at_end: false,
            is_ready: false,
            others_at: None,
            mail: VecDeque::new(),
        }
    }

    /// The writer has appended so many entries of that partition.
    pub fn handle_acked(&mut self, partition: Partition, number: u64, now: Now) {
        let origin = self.origin;
        let Some(incoming) = self.incoming(partition) else { return };
        if incoming.awaited.is_none() && incoming.line.number(origin) < number {
            incoming.awaited = Some((number, now.mono));
        }
    }

    fn incoming(&mut self, partition: Partition) -> Option<&mut Incoming> {
        self.partitions.get_mut(usize::from(partition.number()))
    }

    /// The engine has answered what was asked last, or something has happened to its connection.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.lane.on_answer();
        let asked = std::mem::replace(&mut self.asked, Asked::Nothing);
        match (input, asked) {
            (Input::Failed(fault), _) => self.fail(fault, now),
            (Input::Connected, _) => self.lane.on_connected(),
            (Input::Opened(opened), Asked::Open(partitions)) => {
                partitions.into_iter().zip(opened).for_each(|(it, opened)| self.on_opened(it, &opened, now));
                self.mail.extend(self.lane.on_opened(now).map(ReaderMail::Notice));
            }
            (Input::Values { values, scan }, Asked::Values(partition)) => self.on_values(partition, values, scan),
            (Input::Newest(newest), Asked::Newest) => self.on_newest(&newest, now),
            (Input::Entries(read), Asked::Read) => {
                self.mail.extend(self.lane.on_success(now).map(ReaderMail::Notice));
                self.is_at_end = read.iter().all(|(_, entries)| entries.is_empty());
                read.into_iter().for_each(|(partition, entries)| self.on_entries(partition, entries, now));
                self.note_ready();
            }
            (
                Input::Opened(_)
                | Input::Values { .. }
                | Input::Newest(_)
                | Input::Entries(_)
                | Input::Appended(_)
                | Input::Restored,
                _,
            ) => self.fail(Fault::Garbled, now),
        }
    }

    fn fail(&mut self, fault: Fault, now: Now) {
        let notice = self.lane.fail(fault, now, self.entropy.as_mut());
        self.mail.push_back(ReaderMail::Notice(notice));
        for incoming in &mut self.partitions {
            incoming.is_open = false;
            incoming.awaited = None;
            if incoming.scan.take().is_some() {
                incoming.scans_at.insert(Deadline::at(now.mono));
            }
        }
        self.is_at_end = false;
    }

    fn on_opened(&mut self, partition: Partition, opened: &Opened, now: Now) {
        let Some(incoming) = self.partitions.get_mut(usize::from(partition.number())) else { return };
        incoming.is_open = true;
        incoming.epoch = opened.newest.epoch;
        incoming.judged_at = None;
        let gap = incoming.line.on_opened(opened, now);
        match opened.verdict {
            // What was found before may be older than what is read, or gone since. Those who have
            // seen more than the log has, and what was lost with it, may be still to come, however
            // long ago that was.
            Verdict::Start => {
                incoming.target = None;
                let last_at = now.after_ms(BACKPLANE_RECENT_MS + BACKPLANE_SETTLE_MS);
                incoming.scans_at = [Deadline::at(now.mono), last_at].into();
                self.mail.push_back(ReaderMail::Begun(partition));
            }
            Verdict::Trimmed => {
                incoming.scans_at.insert(Deadline::at(now.mono));
            }
            Verdict::Same | Verdict::Fork => {}
        }
        if let Some(gap) = gap {
            // The markers of the epoch may have been cut off with the rest.
            let age_ms = now.unix.ms().saturating_sub(opened.newest.epoch.began().ms());
            if opened.verdict == Verdict::Fork && age_ms <= BACKPLANE_RECENT_MS {
                self.mail.push_back(ReaderMail::Lost(partition));
            }
            self.mail.push_back(ReaderMail::Gap { partition, gap, at: opened.first });
        }
    }

    fn on_values(&mut self, partition: Partition, values: Vec<Value>, scan: u64) {
        let Some(incoming) = self.incoming(partition) else { return };
        let Some(Scan { horizon, .. }) = incoming.scan else { return };
        incoming.scan = (scan != 0).then_some(Scan { at: scan, horizon });
        if !values.is_empty() {
            self.mail.push_back(ReaderMail::Values { partition, values, horizon });
        }
    }

    /// What the engine has is compared with what has been read.
    fn on_newest(&mut self, newest: &[Option<Place>], now: Now) {
        let is_at_end = std::mem::replace(&mut self.is_at_end, false);
        for (incoming, newest) in self.partitions.iter_mut().zip(newest) {
            // What is younger than what has been read is another log.
            incoming.is_open &= newest.is_some_and(|newest| newest >= incoming.line.cursor());
            if !self.is_ready {
                incoming.target = *newest;
            }
            if incoming.is_to_be_judged(now) {
                incoming.judged_at = *newest;
            }
        }
        let is_lost = |it: &Incoming| it.awaited.is_some_and(|(_, at)| at.after_ms(BACKPLANE_OWN_MS).is_due(now));
        let is_silent = is_at_end && self.others_at.is_some_and(|at| at.after_ms(BACKPLANE_SILENCE_MS).is_due(now));
        if is_silent {
            self.others_at = None;
        }
        if is_silent || is_at_end && self.partitions.iter().any(is_lost) {
            self.mail.push_back(ReaderMail::Restart);
            self.fail(Fault::Moved, now);
        }
        self.note_ready();
    }

    fn on_entries(&mut self, partition: Partition, list: Vec<Raw>, now: Now) {
        let origin = self.origin;
        let (mut entries, mut others_at, mut is_lost) = (Vec::new(), self.others_at, false);
        let Some(incoming) = self.partitions.get_mut(usize::from(partition.number())) else { return };
        for raw in list {
            let head = Head::parse(&raw.head).ok();
            let (kind, writer) = (head.map(|head| head.kind), head.map(|head| head.origin));
            let (before, is_past) = (incoming.line.cursor(), incoming.line.is_past());
            let begins_epoch = incoming.line.begins_epoch(&raw, head.as_ref());
            let taken = incoming.line.take(&raw, head.as_ref(), now);
            if begins_epoch {
                // Once all have appended again what is missing; and once the last who come back
                // have handed over their last values.
                let last_at = now.after_ms(BACKPLANE_RECENT_MS + BACKPLANE_SETTLE_MS);
                incoming.scans_at.retain(|at| is_past && at.is_due(now));
                incoming.scans_at.extend([incoming.line.settles_at().min(last_at), last_at]);
                incoming.judged_at = None;
                // Later than that, nobody would look any more.
                let age_ms = now.unix.ms().saturating_sub(raw.place.epoch.began().ms());
                is_lost |= age_ms <= BACKPLANE_RECENT_MS;
            }
            if writer.is_some_and(|writer| writer != origin) {
                others_at = Some(now.mono);
            }
            if let Taken::Behind(gap) | Taken::AgainBehind(gap) = taken {
                if !entries.is_empty() {
                    let entries = std::mem::take(&mut entries);
                    self.mail.push_back(ReaderMail::Entries { partition, entries, through: before });
                }
                self.mail.push_back(ReaderMail::Gap { partition, gap, at: raw.place });
                incoming.scans_at.insert(Deadline::at(now.mono));
            }
            if kind == Some(Kind::Sent) {
                let tense = match taken {
                    Taken::Again | Taken::AgainBehind(_) => Tense::Again,
                    Taken::New | Taken::Behind(_) if is_past => Tense::Past,
                    Taken::New | Taken::Behind(_) => Tense::Present,
                };
                entries.push(Found { entry: raw, tense });
            }
        }
        if incoming.awaited.is_some_and(|(number, _)| incoming.line.number(origin) >= number) {
            incoming.awaited = None;
        }
        let through = incoming.line.cursor();
        self.mail.push_back(ReaderMail::Entries { partition, entries, through });
        self.mail.extend(is_lost.then_some(ReaderMail::Lost(partition)));
        self.others_at = others_at;
    }

    fn note_ready(&mut self) {
        let is_there = |it: &Incoming| it.is_open && it.target.is_some_and(|target| it.line.cursor() >= target);
        if !self.is_ready && self.partitions.iter().all(is_there) {
            self.is_ready = true;
            self.mail.push_back(ReaderMail::Ready);
        }
    }

    /// What the engine is to be asked; the next one only when that has been answered. A
    /// [`Command::Read`] waits a while for what comes.
    pub fn poll_command(&mut self, now: Now) -> Option<Command> {
        if !self.lane.is_free() {
            return None;
        }
        self.settle();
        let command = if !self.lane.is_up() {
            self.lane.wants_connect(now).then_some(Command::Connect)
        } else if self.partitions.iter().any(|incoming| !incoming.is_open) {
            Some(self.open(now))
        } else if let Some(command) = self.scan(now) {
            Some(command)
        } else if self.wants_newest(now) {
            self.asked = Asked::Newest;
            Some(Command::Newest)
        } else {
            self.asked = Asked::Read;
            Some(Command::Read(
                self.options.partitions().zip(self.partitions.iter().map(|it| it.line.cursor())).collect(),
            ))
        };
        if command.is_some() {
            self.lane.ask();
        }
        command
    }

    fn open(&mut self, now: Now) -> Command {
        let (mut openings, mut partitions) = (Vec::new(), Vec::new());
        for (partition, incoming) in self.options.partitions().zip(&self.partitions) {
            if !incoming.is_open {
                let cursor = incoming.line.known();
                let epoch = propose(cursor, now, next_u64(self.entropy.as_mut()));
                openings.push(Opening { partition, cursor, epoch, origin: self.origin });
                partitions.push(partition);
            }
        }
        self.asked = Asked::Open(partitions);
        Command::Open(openings)
    }

    fn wants_newest(&self, now: Now) -> bool {
        let is_unknown = |incoming: &Incoming| incoming.target.is_none() || incoming.is_to_be_judged(now);
        self.is_at_end || self.partitions.iter().any(is_unknown)
    }

    /// Some time after another epoch has begun, when all of it has been read, it is told who is
    /// missing.
    fn settle(&mut self) {
        for (partition, incoming) in self.options.partitions().zip(&mut self.partitions) {
            if incoming.judged_at.take_if(|place| *place <= incoming.line.cursor()).is_none() {
                continue;
            }
            if let Some(gap) = incoming.line.settle() {
                self.mail.push_back(ReaderMail::Gap { partition, gap, at: incoming.line.cursor() });
            }
            // What was handed over before may have gone to a server that others have left.
            self.mail.push_back(ReaderMail::Lost(partition));
        }
    }

    fn scan(&mut self, now: Now) -> Option<Command> {
        let mut partitions = self.options.partitions().zip(&mut self.partitions);
        // Before another epoch is read, it is not known how long others have had to append again
        // what is lost.
        let can_tell =
            |incoming: &Incoming| incoming.target.is_none() || incoming.line.cursor().epoch >= incoming.epoch;
        let is_due =
            |incoming: &Incoming| can_tell(incoming) && incoming.scans_at.first().is_some_and(|at| at.is_due(now));
        let (partition, incoming) = partitions.find(|(_, incoming)| incoming.scan.is_some() || is_due(incoming))?;
        let Scan { at, .. } = *incoming.scan.get_or_insert_with(|| {
            incoming.scans_at.retain(|at| !at.is_due(now));
            let is_start = incoming.target.is_none();
            Scan { at: 0, horizon: (!is_start).then(|| incoming.line.cursor()) }
        });
        self.asked = Asked::Values(partition);
        Some(Command::Values { partition, scan: at })
    }

    /// When something is due, while no command is on its way.
    pub fn next_deadline(&self) -> Deadline {
        self.lane.connects_at()
    }

    /// What there is to say, in this order.
    pub fn poll_mail(&mut self) -> Option<ReaderMail> {
        self.mail.pop_front()
    }

    /// Runs of processes that have been heard of, in any partition.
    pub fn origins(&self) -> usize {
        self.partitions.iter().map(|incoming| incoming.line.origins()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::GapReason;
    use super::*;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn place(epoch: u64, sequence: u64) -> Place {
        Place { epoch: Epoch::from_number(epoch), sequence }
    }

    fn raw(place: Place, kind: Kind, origin: u64, number: u64) -> Raw {
        let head = Head { kind, origin: Origin(origin), number, body: b"" }.encode();
        Raw { place, head: head.into(), data: Box::default() }
    }

    /// Answers what the reader asks, until it has read that; what it has to say.
    fn serve(reader: &mut Reader, mut entries: Vec<Raw>, newest: Place, now: Now) -> Vec<ReaderMail> {
        let partition = Partition::from_number(0).unwrap();
        while !entries.is_empty() {
            let input = match reader.poll_command(now).unwrap() {
                Command::Connect => Input::Connected,
                Command::Open(openings) => {
                    let verdict = if openings[0].cursor.is_some() { Verdict::Fork } else { Verdict::Start };
                    Input::Opened(vec![Opened { verdict, first: entries[0].place, newest, marks: Vec::new() }])
                }
                Command::Values { .. } => Input::Values { values: Vec::new(), scan: 0 },
                Command::Newest => Input::Newest(vec![Some(newest)]),
                Command::Read(_) => Input::Entries(vec![(partition, std::mem::take(&mut entries))]),
                Command::Append(_) | Command::Restore { .. } => panic!("a reader writes nothing"),
            };
            reader.handle(input, now);
        }
        std::iter::from_fn(|| reader.poll_mail()).collect()
    }

    #[test]
    fn who_is_not_heard_in_another_epoch_is_missed_though_the_others_never_pause() {
        let at = |ms| Now::from_ms(ms, ms);
        let mut reader =
            Reader::new(Options { partitions: 1, ..Options::default() }, Origin(7), Box::new(Zeros), at(0));
        let both = [1, 2].map(|origin| raw(place(5, origin), Kind::Sent, origin, 1));
        serve(&mut reader, vec![raw(place(5, 0), Kind::Marker, 1, 0)], place(5, 0), at(0));
        serve(&mut reader, both.into(), place(5, 2), at(0));
        reader.handle(Input::Failed(Fault::Away), at(0));
        let mut mail = serve(&mut reader, vec![raw(place(6, 0), Kind::Marker, 1, 0)], place(6, 0), at(1_000));
        assert!(mail.contains(&ReaderMail::Lost(Partition::FIRST)), "{mail:?}");
        let told = (1..=20).find(|second| {
            mail = serve(
                &mut reader,
                vec![raw(place(6, *second), Kind::Sent, 1, 1 + second)],
                place(6, *second),
                at(1_000 * second),
            );
            mail.iter().any(|mail| matches!(mail, ReaderMail::Gap { gap, .. } if gap.reason == GapReason::Forked))
        });
        assert!(told.is_some_and(|second| second > BACKPLANE_SETTLE_MS / 1_000), "{told:?}: {mail:?}");
    }

    #[test]
    fn nothing_is_held_against_an_engine_before_its_epoch_has_been_read() {
        let at = |ms| Now::from_ms(ms, ms);
        let mut reader =
            Reader::new(Options { partitions: 1, ..Options::default() }, Origin(7), Box::new(Zeros), at(0));
        serve(&mut reader, vec![raw(place(5, 0), Kind::Marker, 1, 0)], place(5, 0), at(0));
        serve(&mut reader, vec![raw(place(5, 1), Kind::Sent, 1, 1)], place(5, 1), at(0));
        reader.handle(Input::Failed(Fault::Away), at(0));
        serve(&mut reader, vec![raw(place(6, 0), Kind::Marker, 1, 0)], place(7, 0), at(1_000));
        let later = at(2_000 + BACKPLANE_SETTLE_MS);
        assert!(matches!(reader.poll_command(later), Some(Command::Newest)), "what is lost may be in the next one");
        reader.handle(Input::Newest(vec![Some(place(7, 0))]), later);
        assert!(matches!(reader.poll_command(later), Some(Command::Read(_))));
        let marker = raw(place(7, 0), Kind::Marker, 1, 0);
        reader.handle(Input::Entries(vec![(Partition::FIRST, vec![marker])]), later);
        assert!(matches!(reader.poll_command(later), Some(Command::Read(_))), "it may be still to come");
        reader.handle(Input::Entries(vec![(Partition::FIRST, Vec::new())]), later);
        let settled = at(2_000 + 2 * BACKPLANE_SETTLE_MS);
        assert!(matches!(reader.poll_command(settled), Some(Command::Values { .. })));
    }
}
