//! How it stands with an engine that several processes share.

use crate::backplane::{Fault, Notice};
use crate::clock::{Instant, Now};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One of the two connections to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that appends.
    Writer,
    /// The one that reads.
    Reader,
}

impl Side {
    /// What it is called in facts and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Side::Writer => "writer",
            Side::Reader => "reader",
        }
    }
}

/// What all shards of a process may know of its engine.
///
/// The lanes tell of themselves by [`Contact::note`], and each shard once what was there before it
/// is taken over, by `Contact::note_ready`.
#[derive(Debug)]
pub struct Contact {
    /// Shards that have not taken over yet what was there before.
    behind: AtomicUsize,
    /// Since when each lane is away, in milliseconds, one more; 0 while it is not.
    away: [AtomicU64; 2],
}

impl Contact {
    /// Of a process with so many shards, which is to connect.
    pub fn new(shards: usize, now: Now) -> Contact {
        let away = || AtomicU64::new(now.mono.ms().saturating_add(1));
        Contact { behind: AtomicUsize::new(shards), away: [away(), away()] }
    }

    /// A lane has changed. Why it is away, where that is news.
    pub fn note(&self, side: Side, notice: Notice) -> Option<Fault> {
        let place = &self.away[side as usize];
        match notice {
            Notice::Up { .. } => {
                place.store(0, Ordering::Relaxed);
                None
            }
            Notice::Away { fault, since } => {
                let was = place.swap(since.ms().saturating_add(1), Ordering::Relaxed);
                (was == 0).then_some(fault)
            }
        }
    }

    /// A shard has taken over what was there before. Whether it was the last.
    pub(crate) fn note_ready(&self) -> bool {
        self.behind.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Whether all shards have.
    pub fn is_ready(&self) -> bool {
        self.behind.load(Ordering::Relaxed) == 0
    }

    /// Since when a lane is away, if it is.
    pub fn away_since(&self, side: Side) -> Option<Instant> {
        self.away[side as usize].load(Ordering::Relaxed).checked_sub(1).map(Instant::from_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_once_all_shards_are_and_a_loss_is_news_once() {
        let contact = Contact::new(2, Now::from_ms(0, 0));
        assert!(!contact.note_ready() && !contact.is_ready());
        assert!(contact.note_ready() && contact.is_ready());
        let away = Notice::Away { fault: Fault::Timeout, since: Instant::from_ms(7) };
        assert_eq!(contact.note(Side::Writer, away), None, "it was never there");
        assert_eq!(contact.note(Side::Writer, Notice::Up { away_ms: 7 }), None);
        assert_eq!(contact.away_since(Side::Writer), None);
        assert_eq!(contact.note(Side::Writer, away), Some(Fault::Timeout));
        assert_eq!(contact.note(Side::Writer, away), None);
        assert_eq!(contact.away_since(Side::Writer), Some(Instant::from_ms(7)));
        assert_eq!(contact.away_since(Side::Reader), Some(Instant::from_ms(0)));
    }
}
