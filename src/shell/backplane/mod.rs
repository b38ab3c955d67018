//! The lanes of a backplane: a thread that appends and one that reads, each with a connection of
//! its own. They decide nothing; [`backplane`](crate::backplane) does.

mod cluster;
mod dialed;
mod faults;
mod followers;
mod layout;
mod look;
mod masters;
mod numbers;
mod options;
mod redis;
mod rights;
mod sentinel;
mod server;
mod servers;

use crate::backplane::entry::Origin;
use crate::backplane::line::JointGap;
use crate::backplane::reader::{Reader, ReaderMail};
use crate::backplane::values::Value;
use crate::backplane::writer::{Writer, WriterMail};
use crate::backplane::{Append, Fault, Input, Notice};
use crate::clock::{Deadline, Now};
use crate::conn::Side;
use crate::entropy::{Entropy, next_u64};
use crate::hub::partition::{PARTITIONS, Partition};
use crate::limits::BACKPLANE_BLOCK_MS;
use crate::shell::bell::Bell;
use crate::shell::clock::Clock;
use crate::shell::entropy::SystemEntropy;
pub use faults::Complaint;
pub(crate) use look::{Look, look};
pub(crate) use numbers::LaneNumbers;
use numbers::{add, set};
pub use options::{Encryption, Options, Password, Sentinel};
use parking_lot::Mutex;
pub use redis::EngineFacts;
use redis::Redis;
pub(crate) use server::Risk;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A thread that has nothing to do looks up this often.
const LOOK_MS: u64 = 1_000;

/// What a thread is told.
#[derive(Debug)]
enum Task {
    Append(Append),
    Restore(Partition, Vec<Value>),
    /// The writer has appended so much.
    Acked(Partition, u64),
    /// The connection may lead to the wrong server.
    Restart,
    /// Who the process is to the engine, and whom it trusts to be that, from the next connection
    /// on.
    Renew(Box<Options>),
    /// No more comes: what waits is appended, and then it is over.
    End,
}

/// The way to a thread.
#[derive(Debug, Default)]
struct Way {
    tasks: Mutex<Vec<Task>>,
    bell: Bell,
}

impl Way {
    fn post(&self, task: Task) {
        self.tasks.lock().push(task);
        self.bell.ring();
    }

    fn take(&self) -> Vec<Task> {
        std::mem::take(&mut *self.tasks.lock())
    }
}

/// The way to the thread that appends. Clones lead to the same.
#[derive(Clone, Debug)]
pub struct Appender(Arc<Way>);

impl Appender {
    /// Hands publications over. Whoever listens hears what became of them.
    pub fn append(&self, append: Append) {
        self.0.post(Task::Append(append));
    }

    /// Hands over the last values that a home keeps, since the engine has lost some.
    pub fn restore(&self, partition: Partition, values: Vec<Value>) {
        self.0.post(Task::Restore(partition, values));
    }
}

/// Who hears what the lanes have to say, on their threads.
pub trait Listener: Send + Sync + 'static {
    /// The writer says that, but for notices.
    fn hear_writer(&self, mail: WriterMail);
    /// The reader says that, but for notices. It goes on when this returns.
    fn hear_reader(&self, mail: ReaderMail);
    /// A lane has changed. Where it is away, that is known of the reason.
    fn hear_notice(&self, side: Side, notice: Notice, complaint: Option<&Complaint>);
    /// These are among what the reader says next.
    fn hear_gaps(&self, _gaps: &[JointGap]) {}
    /// A lane has reached the engine, which is set up so that it may lose this; all processes that
    /// share it have this secret.
    fn hear_facts(&self, _facts: &EngineFacts) {}
}

/// The two lanes of a process.
#[derive(Debug)]
pub struct Lanes {
    writer: Arc<Way>,
    reader: Arc<Way>,
    threads: [JoinHandle<()>; 2],
}

impl Lanes {
    /// Starts both threads, which connect, now or when they can.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start(options: &Options, listener: &Arc<impl Listener>) -> io::Result<Lanes> {
        Lanes::start_by(Clock::start(), options, listener, Arc::default())
    }

    /// The same, by that clock; what is to be told goes there.
    pub(crate) fn start_by(
        clock: Clock,
        options: &Options,
        listener: &Arc<impl Listener>,
        numbers: Arc<LaneNumbers>,
    ) -> io::Result<Lanes> {
        let origin = Origin(next_u64(&mut SystemEntropy::default()));
        let (writer, reader) = (Arc::new(Way::default()), Arc::new(Way::default()));
        let (lanes, now) = (options.lanes, clock.now());
        let mut bytes = [0; 32];
        SystemEntropy::default().fill(&mut bytes);
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let append = Appending {
            lane: Writer::new(lanes, origin, Box::new(SystemEntropy::default()), now),
            engine: Redis::new(options.clone(), secret.clone(), options.append_waits_ms()),
            way: Arc::clone(&writer),
            reader: Arc::clone(&reader),
            listener: Arc::clone(listener),
            numbers: Arc::clone(&numbers),
            acked: [0; PARTITIONS as usize],
            clock,
        };
        let read = Reading {
            lane: Reader::new(lanes, origin, Box::new(SystemEntropy::default()), now),
            engine: Redis::new(options.clone(), secret, BACKPLANE_BLOCK_MS),
            way: Arc::clone(&reader),
            writer: Arc::clone(&writer),
            listener: Arc::clone(listener),
            numbers,
            clock,
        };
        let threads = [
            thread::Builder::new().name("appender".to_owned()).spawn(move || append.run())?,
            thread::Builder::new().name("reader".to_owned()).spawn(move || read.run())?,
        ];
        Ok(Lanes { writer, reader, threads })
    }

    /// The way to the thread that appends.
    pub fn appender(&self) -> Appender {
        Appender(Arc::clone(&self.writer))
    }

    /// Passwords, certificates and whom to trust are as these options have them, from the next
    /// connection on.
    pub(crate) fn renew(&self, options: &Options) {
        for way in [&self.writer, &self.reader] {
            way.post(Task::Renew(Box::new(options.clone())));
        }
    }

    /// Appends what waits, and ends both threads. What can't be appended is refused in its time.
    pub fn end(self) {
        self.writer.post(Task::End);
        let [append, read] = self.threads;
        // One that panicked has said so.
        let _ = append.join();
        self.reader.post(Task::End);
        let _ = read.join();
    }
}

fn ms_until(deadline: Deadline, now: Now) -> Duration {
    Duration::from_millis(deadline.ms_from(now.mono).unwrap_or(LOOK_MS).min(LOOK_MS))
}

/// The thread that appends.
struct Appending<L> {
    lane: Writer,
    engine: Redis,
    way: Arc<Way>,
    reader: Arc<Way>,
    listener: Arc<L>,
    numbers: Arc<LaneNumbers>,
    /// By partition, the highest number that has been appended.
    acked: [u64; PARTITIONS as usize],
    clock: Clock,
}

impl<L: Listener> Appending<L> {
    fn run(mut self) {
        let mut ends = false;
        while !(ends && self.lane.is_idle()) {
            let now = self.clock.now();
            for task in self.way.take() {
                match task {
                    Task::Append(append) => self.lane.handle_append(append),
                    Task::Restore(partition, values) => self.lane.handle_lost(partition, values),
                    Task::Restart => self.lane.handle(Input::Failed(Fault::Moved), now),
                    Task::Renew(options) => self.engine.renew(*options),
                    Task::Acked(..) => {}
                    Task::End => ends = true,
                }
            }
            self.lane.handle_deadlines(now);
            self.tell();
            if let Some(command) = self.lane.poll_command(now) {
                let input = self.engine.execute(&command);
                self.engine.poll_facts().into_iter().for_each(|facts| self.listener.hear_facts(&facts));
                self.lane.handle(input, self.clock.now());
                self.tell();
            } else {
                self.way.bell.wait(ms_until(self.lane.next_deadline(), now));
            }
        }
    }

    fn tell(&mut self) {
        while let Some(mail) = self.lane.poll_mail() {
            match &mail {
                WriterMail::Acked { partition, number } => {
                    self.reader.post(Task::Acked(*partition, *number));
                    if let Some(acked) = self.acked.get_mut(usize::from(partition.number())) {
                        add(&self.numbers.appended, number.saturating_sub(std::mem::replace(acked, *number)));
                    }
                }
                WriterMail::Notice(notice) => {
                    note(&self.numbers, Side::Writer, *notice);
                    let complaint = notice.fault().map(|fault| self.engine.complaint(fault));
                    self.listener.hear_notice(Side::Writer, *notice, complaint.as_ref());
                    continue;
                }
                WriterMail::Settled(_) | WriterMail::Repaired { .. } => {}
            }
            self.listener.hear_writer(mail);
        }
        set(&self.numbers.queue_bytes, self.lane.queue_bytes() as u64);
        set(&self.numbers.repaired, self.lane.repaired());
        set(&self.numbers.unrepaired, self.lane.unrepaired());
    }
}

/// A lane is away, or there.
fn note(numbers: &LaneNumbers, side: Side, notice: Notice) {
    let is_away = matches!(notice, Notice::Away { .. });
    add(&numbers.reconnects, u64::from(!is_away));
    numbers.away.get(side as usize).into_iter().for_each(|away| set(away, u64::from(is_away)));
}

/// The thread that reads.
struct Reading<L> {
    lane: Reader,
    engine: Redis,
    way: Arc<Way>,
    writer: Arc<Way>,
    listener: Arc<L>,
    numbers: Arc<LaneNumbers>,
    clock: Clock,
}

impl<L: Listener> Reading<L> {
    fn count(&self, mail: &ReaderMail) {
        match mail {
            ReaderMail::Entries { entries, .. } => add(&self.numbers.read, entries.len() as u64),
            ReaderMail::Gap { gap, .. } => {
                add(&self.numbers.gaps, 1);
                add(&self.numbers.missed, gap.missed);
            }
            ReaderMail::Notice(notice) => note(&self.numbers, Side::Reader, *notice),
            ReaderMail::Values { .. }
            | ReaderMail::Begun(_)
            | ReaderMail::Lost(_)
            | ReaderMail::Ready
            | ReaderMail::Restart => {}
        }
        set(&self.numbers.origins, self.lane.origins() as u64);
    }

    fn run(mut self) {
        let mut ends = false;
        while !ends {
            let now = self.clock.now();
            for task in self.way.take() {
                match task {
                    Task::Acked(partition, number) => self.lane.handle_acked(partition, number, now),
                    Task::Renew(options) => self.engine.renew(*options),
                    Task::Append(_) | Task::Restore(..) | Task::Restart => {}
                    Task::End => ends = true,
                }
            }
            if let Some(command) = self.lane.poll_command(now) {
                let input = self.engine.execute(&command);
                self.engine.poll_facts().into_iter().for_each(|facts| self.listener.hear_facts(&facts));
                self.lane.handle(input, self.clock.now());
            } else {
                self.way.bell.wait(ms_until(self.lane.next_deadline(), now));
            }
            let all: Vec<ReaderMail> = std::iter::from_fn(|| self.lane.poll_mail()).collect();
            let gaps = all.iter().filter_map(|mail| match mail {
                ReaderMail::Gap { partition, gap, .. } => Some((*partition, *gap)),
                ReaderMail::Entries { .. }
                | ReaderMail::Values { .. }
                | ReaderMail::Begun(_)
                | ReaderMail::Lost(_)
                | ReaderMail::Notice(_)
                | ReaderMail::Ready
                | ReaderMail::Restart => None,
            });
            self.listener.hear_gaps(&JointGap::of(gaps));
            for mail in all {
                self.count(&mail);
                if mail == ReaderMail::Restart {
                    self.writer.post(Task::Restart);
                }
                if let ReaderMail::Notice(notice) = mail {
                    let complaint = notice.fault().map(|fault| self.engine.complaint(fault));
                    self.listener.hear_notice(Side::Reader, notice, complaint.as_ref());
                } else {
                    self.listener.hear_reader(mail);
                }
            }
        }
    }
}
