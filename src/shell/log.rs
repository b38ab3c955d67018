//! Facts to standard error, one line each.
//!
//! Whoever has a fact puts its line into a bounded queue; a thread of its own writes it. A reader
//! that stalls thus holds up nobody: what finds no room is dropped and counted, and the log tells
//! of the gap, in its place, as soon as it flows again.

use super::clock::Clock;
use crate::clock::Now;
use crate::limits::LOG_END_MS;
use crate::trace::{Fact, Level};
use parking_lot::{Condvar, Mutex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A standard error that doesn't block, and is full, is tried again after this. It may be a file, a
/// terminal or a socket: no readiness tells.
const RETRY_MS: u64 = 10;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people and journals, which add the time themselves.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

impl Format {
    fn line(self, fact: &Fact, now: Now) -> String {
        let mut line = match self {
            Format::Human => fact.human(),
            Format::Json => fact.json(now.unix.ms()),
        };
        line.push('\n');
        line
    }
}

/// Where facts go. Clones write to the same queue.
#[derive(Clone)]
pub struct Logger {
    format: Format,
    level: Level,
    queue: Arc<Queue>,
}

impl Logger {
    /// Writes facts down to that level to standard error, by a thread of its own. At most so many
    /// bytes of lines wait for it.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub(crate) fn start(format: Format, level: Level, bytes_max: usize, clock: Clock) -> io::Result<Logger> {
        Logger::start_on(io::stderr(), (format, level), bytes_max, clock)
    }

    fn start_on(
        out: impl Write + Send + 'static,
        (format, level): (Format, Level),
        bytes_max: usize,
        clock: Clock,
    ) -> io::Result<Logger> {
        let waiting = Mutex::default();
        let (more, written, dropped) = (Condvar::new(), Condvar::new(), AtomicU64::new(0));
        let queue = Arc::new(Queue { waiting, bytes_max, more, written, dropped });
        let writer = Arc::clone(&queue);
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_to(out, format, clock))?;
        Ok(Logger { format, level, queue })
    }

    /// Writes one fact, where its level asks for it. Never waits.
    pub fn write(&self, fact: &Fact, now: Now) {
        if fact.level() <= self.level {
            self.queue.push(&self.format.line(fact, now));
        }
    }

    /// Lines that nobody will read.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped.load(Ordering::Relaxed)
    }

    /// The process ends: waits until all is written, for a short while at the most. What comes
    /// later is not.
    pub fn end(&self) {
        let mut waiting = self.queue.waiting.lock();
        waiting.has_ended = true;
        self.queue.more.notify_one();
        let is_busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.is_empty();
        // Whoever stalls has had its time; the process ends all the same.
        let _ = self.queue.written.wait_while_for(&mut waiting, is_busy, Duration::from_millis(LOG_END_MS));
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("format", &self.format).field("level", &self.level).finish_non_exhaustive()
    }
}

/// Lines on their way.
struct Queue {
    waiting: Mutex<Waiting>,
    bytes_max: usize,
    /// There is something to write, or the end.
    more: Condvar,
    /// What was taken has been written.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    lines: String,
    /// Lines dropped behind them.
    missing: u64,
    is_writing: bool,
    has_ended: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.missing == 0
    }
}

impl Queue {
    fn push(&self, line: &str) {
        let mut waiting = self.waiting.lock();
        // Behind a gap nothing is taken until the writer has seen it: the log tells of one gap, in
        // its place.
        if waiting.missing > 0 || waiting.lines.len() + line.len() > self.bytes_max {
            waiting.missing += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            waiting.lines.push_str(line);
        }
        self.more.notify_one();
    }

    /// Waits for lines; none are left once the log has ended.
    fn take(&self) -> Option<(String, u64)> {
        let mut waiting = self.waiting.lock();
        waiting.is_writing = false;
        self.written.notify_all();
        while waiting.is_empty() {
            if waiting.has_ended {
                return None;
            }
            self.more.wait(&mut waiting);
        }
        waiting.is_writing = true;
        Some((std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.missing)))
    }

    fn write_to(&self, mut out: impl Write, format: Format, clock: Clock) {
        while let Some((mut lines, missing)) = self.take() {
            if missing > 0 {
                lines.push_str(&format.line(&Fact::LogDropped { lines: missing }, clock.now()));
            }
            self.write_all(&mut out, lines.as_bytes());
        }
    }

    /// Writes, however long it takes. A hub whose standard error is gone goes on.
    fn write_all(&self, out: &mut impl Write, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match out.write(bytes) {
                Ok(taken @ 1..) => bytes = bytes.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::park_timeout(Duration::from_millis(RETRY_MS));
                }
                Ok(0) | Err(_) => {
                    let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
                    self.dropped.fetch_add(lines, Ordering::Relaxed);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A reader of the log that takes a write when it is told to, and says what it has got.
    struct Stalled {
        go_on: Receiver<io::Result<usize>>,
        got: Sender<String>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.go_on.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            let _ = self.got.send(String::from_utf8_lossy(&bytes[..taken]).into_owned());
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const AT: Now = Now::from_ms(0, 0);
    const LEVEL: (Format, Level) = (Format::Human, Level::Info);

    fn stalled(bytes_max: usize) -> (Logger, Sender<io::Result<usize>>, Receiver<String>) {
        let ((tell, go_on), (got, heard)) = (channel(), channel());
        let log = Logger::start_on(Stalled { go_on, got }, LEVEL, bytes_max, Clock::start()).unwrap();
        (log, tell, heard)
    }

    fn fact(number: usize) -> Fact {
        Fact::Draining { connections: number }
    }

    /// Waits until the writer has taken what waits, and is with the reader.
    fn await_taken(log: &Logger) {
        while !log.queue.waiting.lock().is_empty() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_reader_that_stalls_holds_up_nobody_and_the_gap_is_told_in_its_place() {
        let line = fact(1).human().len() + 1;
        let (log, tell, heard) = stalled(2 * line);
        log.write(&fact(1), AT);
        await_taken(&log);
        for number in 2..=6 {
            log.write(&fact(number), AT);
        }
        assert_eq!(log.dropped(), 3, "two wait, and none of the others has held up this thread");
        tell.send(Ok(usize::MAX)).unwrap();
        tell.send(Ok(usize::MAX)).unwrap();
        assert_eq!(heard.recv().unwrap(), "info draining connections=1\n");
        let rest = heard.recv().unwrap();
        assert_eq!(
            rest,
            "info draining connections=2\ninfo draining connections=3\nwarn log_dropped lines=3 \
             do=\"read standard error faster, or log less\"\n"
        );
        tell.send(Ok(usize::MAX)).unwrap();
        log.write(&fact(7), AT);
        assert_eq!(heard.recv().unwrap(), "info draining connections=7\n");
        assert_eq!(log.dropped(), 3);
    }

    #[test]
    fn what_is_queued_is_written_at_the_end_and_a_stalled_reader_does_not_prevent_it() {
        let (log, tell, heard) = stalled(1_000);
        log.write(&fact(1), AT);
        log.write(&fact(2), AT);
        drop(tell);
        log.end();
        assert!(heard.try_iter().collect::<String>().ends_with("connections=2\n"), "all is written when it returns");

        let (log, _tell, heard) = stalled(1_000);
        log.write(&fact(1), AT);
        log.end();
        assert!(heard.try_recv().is_err(), "nothing was taken, and the end came all the same");
    }

    #[test]
    fn a_short_write_loses_nothing_and_an_error_is_counted() {
        let (log, tell, heard) = stalled(1_000);
        log.write(&fact(1), AT);
        for taken in [Ok(5), Err(io::ErrorKind::WouldBlock.into()), Err(io::ErrorKind::Interrupted.into()), Ok(99)] {
            tell.send(taken).unwrap();
        }
        assert_eq!((heard.recv().unwrap() + &heard.recv().unwrap()).as_str(), "info draining connections=1\n");
        tell.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        log.write(&fact(2), AT);
        log.end();
        assert_eq!(log.dropped(), 1);
    }
}
