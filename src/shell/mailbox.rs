//! Letters from thread to thread.

use crate::conn::Mail;
use crate::limits::Limits;
use mio::net::TcpStream;
use mio::{Poll, Token, Waker};
use parking_lot::Mutex;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The token by which a mailbox wakes its poll.
pub const WAKE: Token = Token(usize::MAX);

/// What a reactor may find in its mailbox.
#[derive(Debug)]
pub enum Letter {
    /// A socket that the listener's thread has accepted for it.
    Accepted(TcpStream, SocketAddr),
    /// From a sibling shard.
    Mail(Mail),
}

/// One reactor's letters. A burst costs one wake-up.
#[derive(Debug)]
pub struct Mailbox {
    letters: Mutex<Letters>,
    is_woken: AtomicBool,
    waker: Waker,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Letters {
    list: Vec<Letter>,
    bytes: usize,
}

impl Mailbox {
    pub fn new(poll: &Poll, limits: &Limits) -> io::Result<Mailbox> {
        Ok(Mailbox {
            letters: Mutex::default(),
            is_woken: AtomicBool::new(false),
            waker: Waker::new(poll.registry(), WAKE)?,
            bytes_max: limits.mailbox_bytes_max,
        })
    }

    /// Puts a letter in.
    pub fn post(&self, letter: Letter) {
        {
            let mut letters = self.letters.lock();
            letters.bytes += bytes(&letter);
            letters.list.push(letter);
        }
        if !self.is_woken.swap(true, Ordering::SeqCst) {
            // It fails only where the kernel has no memory for a counter; the next letter tries again.
            if self.waker.wake().is_err() {
                self.is_woken.store(false, Ordering::SeqCst);
            }
        }
    }

    /// Whether publications should wait: the reader is behind.
    pub fn is_full(&self) -> bool {
        self.letters.lock().bytes >= self.bytes_max
    }

    /// Takes all letters, into an empty list.
    pub fn take(&self, list: &mut Vec<Letter>) {
        // First the flag, then the letters: the other order loses the wake-up for a letter posted in between.
        if self.is_woken.swap(false, Ordering::SeqCst) {
            let mut letters = self.letters.lock();
            letters.bytes = 0;
            std::mem::swap(&mut letters.list, list);
        }
    }
}

fn bytes(letter: &Letter) -> usize {
    match letter {
        Letter::Mail(Mail::Publication(publication)) => size_of::<Letter>() + publication.data.len(),
        Letter::Mail(Mail::Count { .. } | Mail::Measure { .. } | Mail::Told { .. } | Mail::Drain)
        | Letter::Accepted(..) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::publication::Publication;
    use crate::hub::topic::Topic;
    use crate::schema::EventId;
    use uuid::Uuid;

    fn letter(bytes: usize) -> Letter {
        let topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };
        Letter::Mail(Mail::Publication(Publication { topic, data: vec![0; bytes].into() }))
    }

    #[test]
    fn a_mailbox_is_full_at_its_bound_and_empty_once_taken() {
        let poll = Poll::new().unwrap();
        let limits = Limits { mailbox_bytes_max: 1_000, ..Limits::DEFAULT };
        let mailbox = Mailbox::new(&poll, &limits).unwrap();
        mailbox.post(letter(100));
        assert!(!mailbox.is_full());
        mailbox.post(letter(1_000));
        assert!(mailbox.is_full());
        let mut letters = Vec::new();
        mailbox.take(&mut letters);
        assert_eq!((letters.len(), mailbox.is_full()), (2, false));
    }

    #[test]
    fn letters_wake_the_reader_once_until_it_takes_them() {
        let mut poll = Poll::new().unwrap();
        let mailbox = Mailbox::new(&poll, &Limits::DEFAULT).unwrap();
        let mut events = mio::Events::with_capacity(4);
        let mut wakes = |mailbox: &Mailbox| {
            mailbox.post(letter(1));
            poll.poll(&mut events, Some(std::time::Duration::ZERO)).unwrap();
            events.iter().filter(|event| event.token() == WAKE).count()
        };
        assert_eq!((wakes(&mailbox), wakes(&mailbox)), (1, 0));
        let mut letters = Vec::new();
        mailbox.take(&mut letters);
        assert_eq!((letters.len(), wakes(&mailbox)), (2, 1), "the next letter wakes again");
    }
}
