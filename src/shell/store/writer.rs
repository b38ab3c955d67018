//! What the thread of a journal does.

use super::folder::{Files, Stem, write_snapshot};
use super::tasks::{Store, Task};
use crate::broken::broken;
use crate::clock::{Deadline, UnixMs};
use crate::conn::{Mail, Progress, Shared, SnapshotPart, Term, ToWrite};
use crate::entropy::next_u64;
use crate::hub::kept::Gaps;
use crate::hub::partition::Partition;
use crate::hub::position::{Epoch, Position};
use crate::hub::record::{Begin, Record, Written};
use crate::limits::{JOURNAL_RETRY_MS, JOURNAL_RETRY_MS_MAX};
use crate::shell::clock::Clock;
use crate::shell::entropy::SystemEntropy;
use crate::shell::log::Logger;
use crate::shell::mailbox::{Letter, Mailboxes};
use crate::shell::mio_os::MioOs;
use crate::trace::Fact;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How long the thread sleeps where nothing is handed over.
const IDLE: Duration = Duration::from_secs(3_600);
/// A buffer that a burst has made larger than this is given back.
const BUFFER_BYTES: usize = 1024 * 1024;

/// A snapshot in the making.
struct Checkpoint {
    /// It takes the place of the files up to that number.
    through: u64,
    /// It is the first since publications are written again.
    is_first: bool,
    /// By shard.
    parts: Vec<Option<SnapshotPart>>,
    /// Publications behind this place are in the files that stay, once the snapshot is written.
    floor: Option<Position>,
}

/// The thread's own.
struct Writer {
    store: Store,
    files: Files,
    shared: Arc<Shared>,
    mailboxes: Arc<Mailboxes<MioOs>>,
    clock: Clock,
    log: Logger,
    term: Term,
    /// Records for the next write, the newest of them, and how far it brings each shard.
    buffer: Vec<u8>,
    newest: Option<(UnixMs, Position)>,
    through: Vec<Option<u64>>,
    checkpoint: Option<Checkpoint>,
    /// Another thread writes a snapshot.
    is_busy: bool,
    /// When to try again, after a failure.
    retry_at: Option<Deadline>,
    /// How long the next failure is waited out.
    retry_ms: u64,
}

/// Starts the thread that writes what is handed over to `store`. What it says to shards goes to
/// these mailboxes.
///
/// # Errors
///
/// The system gives no thread.
pub(crate) fn start(
    store: Store,
    files: Files,
    shared: Arc<Shared>,
    mailboxes: Arc<Mailboxes<MioOs>>,
    clock: Clock,
    log: Logger,
) -> io::Result<()> {
    let writer = Writer::new(store, files, shared, mailboxes, clock, log);
    thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run()).map(|_| ())
}

impl Writer {
    fn new(
        store: Store,
        files: Files,
        shared: Arc<Shared>,
        mailboxes: Arc<Mailboxes<MioOs>>,
        clock: Clock,
        log: Logger,
    ) -> Writer {
        Writer {
            store,
            files,
            term: shared.journal.term(),
            through: vec![None; mailboxes.len()],
            shared,
            mailboxes,
            clock,
            log,
            buffer: Vec::new(),
            newest: None,
            checkpoint: None,
            is_busy: false,
            retry_at: None,
            retry_ms: JOURNAL_RETRY_MS,
        }
    }

    /// Writes until it is told to end.
    fn run(mut self) {
        self.look_for_old();
        loop {
            self.count();
            let now = self.clock.now();
            let wait = self.retry_at.and_then(|at| at.ms_from(now.mono)).map_or(IDLE, Duration::from_millis);
            let mut is_over = false;
            for task in self.store.take(wait) {
                match task {
                    Task::Write(ToWrite::Records { shard, term, through, bytes, at, last }) => {
                        if term == self.term.number {
                            self.buffer.extend_from_slice(&bytes);
                            self.newest = self.newest.max(Some((at, last)));
                            self.through.get_mut(shard).into_iter().for_each(|known| *known = Some(through));
                        }
                    }
                    Task::Write(ToWrite::Rows { shard, term, part }) => {
                        if term == self.term.number {
                            self.take_part(shard, part);
                        }
                    }
                    Task::Write(ToWrite::Append(_) | ToWrite::Restore(..)) => {
                        broken("files have no engine behind them")
                    }
                    // The term tells it, below.
                    Task::Write(ToWrite::Lost) => {}
                    Task::NoteSnapshot(outcome) => self.note_snapshot(outcome),
                    Task::End => is_over = true,
                }
            }
            self.write();
            if is_over {
                self.end();
                return self.store.note_end();
            }
            if self.retry_at.is_some_and(|at| at.is_due(self.clock.now())) {
                self.resume();
            }
        }
    }

    /// One write for all that was handed over meanwhile.
    fn write(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        if let Some(newest) = self.newest.take() {
            let outcome = self.files.append(&self.buffer, newest);
            let numbers = self.store.numbers();
            numbers.writes.fetch_add(1, Ordering::Relaxed);
            numbers.written_bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_BYTES);
            if let Err(error) = outcome {
                return self.lose(&error.to_string());
            }
        }
        if self.shared.journal.term().number != self.term.number {
            // A shard has waited for this for too long, and said so.
            return self.lose("the disk was too slow");
        }
        for (mailbox, through) in self.mailboxes.iter().zip(&mut self.through) {
            if let Some(through) = through.take() {
                mailbox.set_progress(Progress { term: self.term.number, through });
            }
        }
        if self.files.is_long() {
            match self.files.turn_page(self.files.stem) {
                Ok(()) => self.look_for_old(),
                Err(error) => self.lose(&error.to_string()),
            }
        }
    }

    /// Where old files are worth it, asks the shards for what a snapshot has to have.
    fn look_for_old(&mut self) {
        let old = self.files.old(self.clock.now(), &self.shared.limits);
        if self.checkpoint.is_none() && !self.is_busy && self.files.is_worth(old) {
            let going = || self.files.sealed.iter().take(old);
            let floor = going().filter_map(|sealed| sealed.newest).map(|(_, place)| place).max();
            let through = going().next_back().map_or(0, |sealed| sealed.number);
            self.checkpoint = Some(self.checkpoint(through, false, floor.max(Some(self.files.stem.floor))));
            self.post_all(&Mail::Checkpoint);
        }
    }

    fn checkpoint(&self, through: u64, is_first: bool, floor: Option<Position>) -> Checkpoint {
        let parts = self.mailboxes.iter().map(|_| None).collect();
        Checkpoint { through, is_first, parts, floor }
    }

    /// A shard says what still holds; once all have, it is written.
    fn take_part(&mut self, shard: usize, part: SnapshotPart) {
        let Some(checkpoint) = &mut self.checkpoint else { return };
        if let Some(known) = checkpoint.parts.get_mut(shard) {
            *known = Some(part);
        }
        let all: Option<Vec<&SnapshotPart>> = checkpoint.parts.iter().map(Option::as_ref).collect();
        let Some(all) = all.filter(|_| !self.is_busy) else { return };
        let place_of = |partition: u8| {
            let partition = Partition::from_number(partition)?;
            all.get(partition.home(all.len())).map(|part| part.place)
        };
        let mut places = [None; 16];
        places.iter_mut().zip(0u8..).for_each(|(place, partition)| *place = place_of(partition));
        if checkpoint.is_first {
            // What came before is in no file.
            checkpoint.floor = places.into_iter().flatten().max();
        }
        let floor = checkpoint.floor.unwrap_or(self.files.stem.floor);
        let gaps = all.iter().map(|part| part.gaps).fold(Gaps::NONE, Gaps::and);
        let begin = Begin { places, floor, gaps, ..self.files.stem.begin() };
        let parts = std::mem::take(&mut checkpoint.parts);
        let (path, store) = (self.files.folder.snapshot(), self.store.clone());
        let revocations = self.shared.revocations.list(self.clock.now());
        self.is_busy = true;
        let written = thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            let outcome = write_snapshot(&path, begin, |write| {
                encode_parts(&parts, write)?;
                revocations.into_iter().try_for_each(|revocation| write(&Record::Revocation(revocation)))
            });
            store.post(Task::NoteSnapshot(outcome));
        });
        if let Err(error) = written {
            self.is_busy = false;
            self.lose(&error.to_string());
        }
    }

    /// A snapshot has taken the place of what is older.
    fn note_snapshot(&mut self, outcome: io::Result<u64>) {
        self.is_busy = false;
        // One that was made for an epoch that is over is of no use.
        let Some(checkpoint) = self.checkpoint.take_if(|checkpoint| checkpoint.parts.is_empty()) else { return };
        let outcome = outcome.and_then(|bytes| {
            self.files.snapshot_bytes = bytes;
            self.files.stem.floor = checkpoint.floor.unwrap_or(self.files.stem.floor);
            self.files.remove(checkpoint.through);
            if checkpoint.is_first { self.files.folder.set_whole() } else { Ok(()) }
        });
        match outcome {
            Ok(()) => self.retry_ms = JOURNAL_RETRY_MS,
            Err(error) => self.lose(&format!("the snapshot can't be written: {error}")),
        }
    }

    /// Nothing more is written for now: the hub goes on in memory.
    fn lose(&mut self, why: &str) {
        // Before anybody is told what is in no file.
        self.files.folder.set_lost();
        let now = self.clock.now();
        let epoch = Epoch::begin(now, next_u64(&mut SystemEntropy::default()));
        if let Some(Term { epoch, .. }) = self.shared.journal.lose(self.term.number, epoch) {
            self.log.write(&Fact::JournalLost { why: why.to_owned(), epoch: epoch.to_string() }, now);
            self.post_all(&Mail::Term);
        }
        (self.checkpoint, self.newest) = (None, None);
        self.buffer.clear();
        self.through.fill(None);
        self.retry_at = Some(now.after_ms(self.retry_ms));
        self.retry_ms = (self.retry_ms * 2).min(JOURNAL_RETRY_MS_MAX);
    }

    /// Begins a file anew, and has the shards hand over what it has to know.
    fn resume(&mut self) {
        let now = self.clock.now();
        let epoch = self.shared.journal.term().epoch;
        let stem = Stem { epoch, floor: epoch.start(), ..self.files.stem };
        if self.is_busy || self.files.turn_page(stem).is_err() {
            self.retry_at = Some(now.after_ms(self.retry_ms));
            self.retry_ms = (self.retry_ms * 2).min(JOURNAL_RETRY_MS_MAX);
            return;
        }
        let Some(term) = self.shared.journal.resume() else { broken("nothing is written until this says so") };
        (self.term, self.retry_at) = (term, None);
        let through = self.files.sealed.back().map_or(0, |sealed| sealed.number);
        self.checkpoint = Some(self.checkpoint(through, true, None));
        self.log.write(&Fact::JournalResumed { file: self.files.name() }, now);
        self.post_all(&Mail::Term);
    }

    fn end(&mut self) {
        if self.retry_at.is_none()
            && let Err(error) = self.files.end()
        {
            self.lose(&error.to_string());
        }
    }

    fn post_all(&self, mail: &Mail) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.post(Letter::Mail(mail.clone())));
    }

    fn count(&self) {
        self.store.numbers().bytes.store(self.files.bytes(), Ordering::Relaxed);
    }
}

fn encode_parts(
    parts: &[Option<SnapshotPart>],
    write: &mut dyn FnMut(&Record<'_>) -> io::Result<()>,
) -> io::Result<()> {
    for part in parts.iter().flatten() {
        for publication in &part.rows {
            let event = &part.catalogue.event(publication.topic.event).name;
            if let Some(written) = Written::of(publication, event) {
                write(&Record::Publication(written))?;
            }
        }
        for &(at, key) in &part.ids {
            write(&Record::Id { at, key })?;
        }
    }
    Ok(())
}
