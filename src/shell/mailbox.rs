//! Letters from thread to thread.

use crate::conn::Mail;
use crate::hub::Publication;
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
        Letter::Mail(Mail::Publication(publication)) => {
            size_of::<Letter>() + size_of::<Publication>() + publication.data.len()
        }
        Letter::Mail(Mail::Count { .. } | Mail::Measure { .. } | Mail::Told { .. } | Mail::Drain)
        | Letter::Accepted(..) => 0,
    }
}
