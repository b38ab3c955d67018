//! What keeps the publications of a process, and what goes there from its shards.

use crate::clock::UnixMs;
use crate::hub::kept::Gaps;
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::Publication;
use crate::hub::seen::ItemKey;
use crate::schema::Catalogue;
use parking_lot::Mutex;
use std::sync::Arc;

/// A time in which publications are kept in one way, under one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Each term has the next.
    pub number: u64,
    /// The time of continuity.
    pub epoch: Epoch,
    /// Whether publications are written before members get them; else they are kept in memory only.
    pub is_written: bool,
}

/// What all shards of a process, and whatever writes for them, agree upon: the present term.
///
/// Whoever has changed it posts [`Mail::Term`](super::Mail::Term) to all shards; each of them looks
/// when it reads that.
#[derive(Debug)]
pub struct Journal(Mutex<Term>);

impl Journal {
    /// The first term.
    pub fn new(epoch: Epoch, is_written: bool) -> Journal {
        Journal(Mutex::new(Term { number: 0, epoch, is_written }))
    }

    /// The present term.
    pub fn term(&self) -> Term {
        *self.0.lock()
    }

    /// Whether publications were to be written, and cannot be for now.
    pub(crate) fn is_lost(&self) -> bool {
        let term = self.term();
        term.number > 0 && !term.is_written
    }

    /// How often publications could not be written any more: every other term is such a time.
    pub fn losses(&self) -> u64 {
        self.term().number.div_ceil(2)
    }

    /// In the term of that number nothing more is written: publications are kept in memory from now
    /// on, under this epoch or one that is behind the former. The new term, unless somebody has
    /// said so before.
    pub fn lose(&self, number: u64, epoch: Epoch) -> Option<Term> {
        let mut term = self.0.lock();
        (term.number == number && term.is_written).then(|| {
            *term = Term { number: number + 1, epoch: epoch.behind(term.epoch), is_written: false };
            *term
        })
    }

    /// Publications are written again; they have been kept all the time, so the epoch goes on. The
    /// new term, unless they are written already.
    pub fn resume(&self) -> Option<Term> {
        let mut term = self.0.lock();
        (!term.is_written).then(|| {
            *term = Term { number: term.number + 1, is_written: true, ..*term };
            *term
        })
    }
}

/// How far what a shard has handed over is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of the term.
    pub term: u64,
    /// So many of its publications of that term.
    pub through: u64,
}

/// What a shard has to be written, in its order.
#[derive(Debug)]
pub enum ToWrite {
    /// Publications that it has stamped, as records; the answer is a [`Progress`].
    Records {
        /// The shard.
        shard: usize,
        /// The number of the term that they are of.
        term: u64,
        /// The last of them is so manieth of that shard and term.
        through: u64,
        /// The records.
        bytes: Vec<u8>,
        /// When the last of them was taken.
        at: UnixMs,
        /// And its place.
        last: Position,
    },
    /// What still holds of its partitions, as [`Mail::Checkpoint`](super::Mail::Checkpoint) asks.
    Rows {
        /// The shard.
        shard: usize,
        /// The number of the term.
        term: u64,
        /// They, and what belongs to them.
        part: SnapshotPart,
    },
}

/// What a snapshot has of the partitions of a shard.
#[derive(Debug)]
pub struct SnapshotPart {
    /// No publication of them that has been handed over stands behind this place.
    pub place: Position,
    /// Up to when some of the rows may be missing.
    pub gaps: Gaps,
    /// The rows.
    pub rows: Vec<Publication>,
    /// What names their events.
    pub catalogue: Arc<Catalogue>,
    /// What items of late are known by, and when each was taken.
    pub ids: Vec<(UnixMs, ItemKey)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_several_notice_is_one_and_counts_before_the_disk_says_anything() {
        let epoch = Epoch::from_number;
        let journal = Journal::new(epoch(1), true);
        assert_eq!((journal.losses(), journal.resume()), (0, None));
        let lost = journal.lose(0, epoch(2)).expect("the first that notices");
        assert_eq!(journal.lose(0, epoch(3)), None);
        assert_eq!((journal.losses(), journal.is_lost(), lost.epoch), (1, true, epoch(2)));
        let resumed = journal.resume().expect("it was lost");
        assert_eq!((journal.losses(), journal.is_lost(), resumed.epoch), (1, false, epoch(2)));
        assert!(journal.lose(resumed.number, epoch(2)).is_some_and(|term| term.epoch > epoch(2)));
        assert_eq!((journal.losses(), Journal::new(epoch(1), false).losses()), (2, 0));
    }
}
