//! What keeps the publications of a process, and what goes there from its shards.

use crate::backplane::Append;
use crate::backplane::values::Value;
use crate::clock::UnixMs;
use crate::hub::kept::Gaps;
use crate::hub::partition::Partition;
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
///
/// # Engines
///
/// In memory a home delivers what it has stamped at once. Any other engine is a thread of the shell
/// beside the shards, which knows neither members nor connections; files are one, and a store that
/// several processes share can be another. It does this:
///
/// 1. Before the shards begin, it gives each home what it had before: a
///    [`Past`](crate::hub::past::Past), of which a [`Gathering`](crate::hub::past::Gathering) makes
///    one for each home. The epoch is the former one where nothing can be missing.
/// 2. It takes what shards hand over at the end of each turn ([`ToWrite::Records`]), keeps each
///    shard's in its order, and lets no shard wait. The records are bytes that it need not read.
/// 3. Once they are kept, the mailbox of the shard gets a [`Progress`]. Members, siblings, the
///    publisher, and those who ask what holds hear of them then, in the order of the home.
/// 4. Where it can keep no more it calls [`Journal::lose`], and so does a shard that has waited for
///    `journal_stall_ms`, which says so first ([`ToWrite::Lost`]): nobody hears of another epoch
///    that the next start would not know. The shards go on in memory, under that. When it can, it
///    calls [`Journal::resume`]; each shard hands over all that holds ([`ToWrite::Rows`]), and
///    records follow behind that.
/// 5. It may ask for the same at any time, by [`Mail::Checkpoint`](super::Mail::Checkpoint), and
///    forget the records before.
///
/// An engine that several processes share ([`backplane`](crate::backplane)) leaves the term as it
/// is, for nothing is written by a home there. Requests go to it as they are ([`ToWrite::Append`]),
/// and publishers are told what became of them ([`Mail::Settled`](super::Mail::Settled)). What it
/// has put in order comes back to each process ([`Mail::Read`](super::Mail::Read)), to the home of
/// its partition, which has positions from there and goes on as ever.
///
/// Each word of 2 to 5 has the number of its [`Term`]; what is of another term is old, and passed
/// over by both sides.
///
/// ```
/// use rte::clock::Now;
/// use rte::conn::Journal;
/// use rte::hub::position::Epoch;
///
/// let epoch = Epoch::begin(Now::from_ms(0, 1_795_266_403_000), 1);
/// let journal = Journal::new(epoch, true);
/// let lost = journal.lose(0, epoch).expect("nobody has said so before");
/// assert!(lost.epoch > epoch && !lost.is_written);
/// let again = journal.resume().expect("it was lost");
/// assert!(again.epoch == lost.epoch && again.is_written && again.number == 2);
/// ```
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
    /// Publications for an engine that several processes share; the answer is
    /// [`Mail::Settled`](super::Mail::Settled).
    Append(Append),
    /// Last values of a partition, of which that engine has lost some.
    Restore(Partition, Vec<Value>),
    /// What comes from now on is in no record, since nothing has been written for too long. It has
    /// to be noted, where whatever starts next finds it, before this returns.
    Lost,
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
