//! Letters from thread to thread.

use super::os::{Os, Stream, Wake};
use super::supervisor::Turns;
use crate::api::routes::Entrance;
use crate::conn::{Mail, Moved, Progress};
use crate::hub::backlog::Backlog;
use crate::limits::Limits;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a reactor may find in its mailbox.
#[derive(Debug)]
pub enum Letter<S> {
    /// A socket that the listener's thread has accepted for it.
    Accepted(S, SocketAddr, Entrance),
    /// From a sibling shard.
    Mail(Mail),
    /// A link that comes from a sibling shard: its socket, and what goes with it.
    Moved(S, Moved),
    /// The reactor adds one to it: it still turns.
    Turns(Turns),
}

/// One reactor's letters. A burst costs one wake-up.
#[derive(Debug)]
pub struct Mailbox<S, W> {
    letters: Mutex<Letters<S>>,
    /// What has been written for the shard. It is no letter, for a shard that leaves its letters
    /// may wait for it.
    progress: Mutex<Option<Progress>>,
    is_woken: AtomicBool,
    waker: W,
    bytes_max: usize,
    /// What the process keeps, of which the letters are a part.
    memory: Arc<Backlog>,
}

/// The mailboxes of all reactors, by the number of their shard.
pub type Mailboxes<O> = [Mailbox<<O as Os>::Stream, <O as Os>::Wake>];

#[derive(Debug)]
struct Letters<S> {
    list: Vec<Letter<S>>,
    bytes: usize,
}

impl<S: Stream, W: Wake> Mailbox<S, W> {
    /// Returns an empty one, of the reactor that is woken so.
    pub fn new(waker: W, limits: &Limits, memory: Arc<Backlog>) -> Self {
        Mailbox {
            letters: Mutex::new(Letters { list: Vec::new(), bytes: 0 }),
            progress: Mutex::new(None),
            is_woken: AtomicBool::new(false),
            waker,
            bytes_max: limits.mailbox_bytes_max,
            memory,
        }
    }

    /// Puts a letter in.
    pub fn post(&self, letter: Letter<S>) {
        {
            let (bytes, mut letters) = (bytes(&letter), self.letters.lock());
            letters.bytes += bytes;
            self.memory.note_mail(0, bytes);
            letters.list.push(letter);
        }
        self.waker.preempt();
        if !self.is_woken.swap(true, Ordering::SeqCst) {
            // It fails only where the kernel has no memory for a counter; the next letter tries
            // again.
            if self.waker.wake().is_err() {
                self.is_woken.store(false, Ordering::SeqCst);
            }
        }
    }

    /// Says how much has been written for the shard.
    pub fn set_progress(&self, progress: Progress) {
        *self.progress.lock() = Some(progress);
        self.waker.preempt();
        // It fails only where the kernel has no memory for a counter; the shard has its deadline.
        let _ = self.waker.wake();
    }

    /// Takes what has been said of that since the last time.
    pub(crate) fn take_progress(&self) -> Option<Progress> {
        self.progress.lock().take()
    }

    /// Returns whether publications should wait: the reader is behind.
    pub(crate) fn is_full(&self) -> bool {
        self.letters.lock().bytes >= self.bytes_max
    }

    /// Takes all letters, into an empty list.
    pub(crate) fn take(&self, list: &mut Vec<Letter<S>>) {
        // First the flag, then the letters: the other order loses the wake-up for a letter posted
        // in between.
        if self.is_woken.swap(false, Ordering::SeqCst) {
            self.waker.preempt();
            let mut letters = self.letters.lock();
            self.memory.note_mail(std::mem::take(&mut letters.bytes), 0);
            std::mem::swap(&mut letters.list, list);
        }
    }
}

fn bytes<S>(letter: &Letter<S>) -> usize {
    match letter {
        Letter::Mail(mail) => mail.data_bytes(),
        Letter::Accepted(..) | Letter::Moved(..) | Letter::Turns(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::publication::Publication;
    use crate::hub::topic::Topic;
    use crate::schema::EventId;
    use crate::wire::Cut;
    use std::cell::Cell;
    use std::io;
    use uuid::Uuid;

    struct NoStream;

    impl Stream for NoStream {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn write(&mut self, _: &[&[u8]]) -> io::Result<usize> {
            Ok(0)
        }

        fn shutdown_write(&mut self) {}

        fn close(self, _: Cut) {}
    }

    /// How often it has woken.
    #[derive(Default)]
    struct Wakes(Cell<usize>);

    impl Wake for &Wakes {
        fn wake(&self) -> io::Result<()> {
            self.0.set(self.0.get() + 1);
            Ok(())
        }
    }

    fn letter(bytes: usize) -> Letter<NoStream> {
        let topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };
        Letter::Mail(Mail::Publications([Publication::new(topic, vec![0; bytes].into())].into()))
    }

    #[test]
    fn a_mailbox_is_full_at_its_bound_and_empty_once_taken() {
        let wakes = Wakes::default();
        let limits = Limits { mailbox_bytes_max: 1_000, ..Limits::DEFAULT };
        let memory = Arc::new(Backlog::new(1_000, 1));
        let mailbox = Mailbox::new(&wakes, &limits, Arc::clone(&memory));
        mailbox.post(letter(100));
        assert!(!mailbox.is_full());
        mailbox.post(letter(1_000));
        assert!(mailbox.is_full() && memory.memory_bytes() > 1_100);
        let mut letters = Vec::new();
        mailbox.take(&mut letters);
        assert_eq!((letters.len(), mailbox.is_full(), memory.memory_bytes()), (2, false, 0));
    }

    #[test]
    fn letters_wake_the_reader_once_until_it_takes_them() {
        let wakes = Wakes::default();
        let mailbox = Mailbox::new(&wakes, &Limits::DEFAULT, Arc::new(Backlog::new(1_000, 1)));
        mailbox.post(letter(1));
        mailbox.post(letter(1));
        assert_eq!(wakes.0.get(), 1);
        let mut letters = Vec::new();
        mailbox.take(&mut letters);
        mailbox.post(letter(1));
        assert_eq!((letters.len(), wakes.0.get()), (2, 2), "the next letter wakes again");
    }
}
