//! How it stands with an engine that several processes share.

use crate::backplane::{Fault, Notice, Refused};
use crate::clock::{Instant, Now};
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

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
    /// Why, as it was told last: the number of the fault, one more; 0 where nothing was told.
    told: [AtomicU8; 2],
}

impl Contact {
    /// Of a process with so many shards, which is to connect.
    pub fn new(shards: usize, now: Now) -> Contact {
        let away = || AtomicU64::new(now.mono.ms().saturating_add(1));
        Contact { behind: AtomicUsize::new(shards), away: [away(), away()], told: Default::default() }
    }

    /// A lane has changed. Whether that is news: that it is away for this reason, or is back.
    pub fn note(&self, side: Side, notice: Notice) -> bool {
        let (away, told) = match notice {
            Notice::Up { .. } => (0, 0),
            Notice::Away { fault, since } => (since.ms().saturating_add(1), number(fault)),
        };
        self.away[side as usize].store(away, Ordering::Relaxed);
        self.told[side as usize].swap(told, Ordering::Relaxed) != told
    }

    /// Why a publication was not appended that has waited for too long.
    pub(crate) fn refused(&self) -> Refused {
        let side = Side::Writer;
        if self.told[side as usize].load(Ordering::Relaxed) == number(Fault::Unreplicated) {
            return Refused::Unreplicated;
        }
        if self.away_since(side).is_some() { Refused::Away } else { Refused::Timeout }
    }

    /// Whether a lane is away, as far as publications go, though the engine answers: it takes none.
    pub(crate) fn takes_nothing(&self, side: Side) -> bool {
        let told = self.told[side as usize].load(Ordering::Relaxed);
        Fault::HITCHES.into_iter().any(|fault| number(fault) == told)
    }

    /// Why a lane is away, as it was told last.
    pub(crate) fn fault(&self, side: Side) -> Option<Fault> {
        let told = self.told[side as usize].load(Ordering::Relaxed);
        Fault::ALL.iter().copied().find(|fault| number(*fault) == told)
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

/// A fault, as it is noted.
fn number(fault: Fault) -> u8 {
    fault as u8 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_once_all_shards_are() {
        let contact = Contact::new(2, Now::from_ms(0, 0));
        assert!(!contact.note_ready() && !contact.is_ready());
        assert!(contact.note_ready() && contact.is_ready());
    }

    #[test]
    fn why_a_lane_is_away_is_news_once_also_at_the_start() {
        let contact = Contact::new(1, Now::from_ms(0, 0));
        let (up, away) = (Notice::Up { away_ms: 7 }, |fault| Notice::Away { fault, since: Instant::from_ms(7) });
        assert!(!contact.note(Side::Reader, up), "it was not told that it is away");
        assert!(contact.note(Side::Writer, away(Fault::Away)) && !contact.note(Side::Writer, away(Fault::Away)));
        assert_eq!(contact.away_since(Side::Writer), Some(Instant::from_ms(7)));
        assert!(contact.note(Side::Writer, away(Fault::Forbidden)), "for another reason");
        assert_eq!([Side::Writer, Side::Reader].map(|side| contact.fault(side)), [Some(Fault::Forbidden), None]);
        assert!(contact.note(Side::Writer, up) && contact.away_since(Side::Writer).is_none());
    }

    #[test]
    fn why_nothing_was_appended_in_time_is_what_was_told_of_the_lane_that_writes() {
        let contact = Contact::new(1, Now::from_ms(0, 0));
        assert_eq!(contact.refused(), Refused::Away, "it was never there");
        contact.note(Side::Writer, Notice::Up { away_ms: 7 });
        assert_eq!(contact.refused(), Refused::Timeout);
        for (fault, refused) in [
            (Fault::Timeout, Refused::Away),
            (Fault::Moved, Refused::Away),
            (Fault::Unreplicated, Refused::Unreplicated),
        ] {
            contact.note(Side::Writer, Notice::Away { fault, since: Instant::from_ms(7) });
            assert_eq!(contact.refused(), refused);
        }
    }
}
