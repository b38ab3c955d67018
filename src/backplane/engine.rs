//! What an engine is asked, and what it answers.

use super::entry::{Fingerprint, Origin, Place, Raw};
use super::fault::Fault;
use super::item::Row;
use super::values::Value;
use crate::clock::Now;
use crate::hub::partition::Partition;
use crate::hub::position::Epoch;
use crate::hub::seen::ItemKey;
use std::sync::Arc;

/// What an engine is asked. Each command has one answer.
#[derive(Clone, Debug)]
pub enum Command {
    /// Connect anew, whatever there was; [`Input::Connected`].
    Connect,
    /// Say where logs stand, and begin those that are not there; [`Input::Opened`].
    Open(Vec<Opening>),
    /// Append; [`Input::Appended`].
    Append(Vec<Batch>),
    /// Read what stands behind these places, or wait a while for it; [`Input::Entries`].
    Read(Vec<(Partition, Place)>),
    /// Say what the newest entry of each partition is; [`Input::Newest`].
    Newest,
    /// Keep these last values of a partition where the engine has none, or older ones;
    /// [`Input::Restored`].
    Restore {
        /// The partition.
        partition: Partition,
        /// The values.
        values: Vec<Value>,
    },
    /// Read some of the last values of a partition; [`Input::Values`].
    Values {
        /// The partition.
        partition: Partition,
        /// What the last answer has said; 0 at first.
        scan: u64,
    },
}

/// What an engine is asked about the log of a partition when a lane comes.
///
/// Where there is no log, one is begun with a marker of the proposed epoch, and all numbers of
/// origins are forgotten. So it is where the log has another entry at the cursor, or none although
/// its newest is no later, unless a later epoch than the cursor's has begun already; then numbers
/// are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The partition.
    pub partition: Partition,
    /// What the lane knows to be in the log; none where it has not been there before.
    pub cursor: Option<(Place, Fingerprint)>,
    /// The epoch that begins where the log has lost something.
    pub epoch: Epoch,
    /// Who proposes it.
    pub origin: Origin,
}

/// The epoch that a lane proposes: a later one than any it knows.
pub(super) fn propose(cursor: Option<(Place, Fingerprint)>, now: Now, chance: u64) -> Epoch {
    Epoch::begin(now, chance).behind(cursor.map_or(Epoch::NONE, |(place, _)| place.epoch))
}

/// What an engine has answered.
#[derive(Clone, Debug)]
pub enum Input {
    /// The lane is connected.
    Connected,
    /// Where the logs stand, in the order of the question.
    Opened(Vec<Opened>),
    /// What became of each batch, in the order of the question.
    Appended(Vec<Result<Appended, Fault>>),
    /// Entries of partitions.
    Entries(Vec<(Partition, Vec<Raw>)>),
    /// The newest entry of each partition, where it has a log.
    Newest(Vec<Option<Place>>),
    /// It has kept them.
    Restored,
    /// Last values.
    Values {
        /// Some of them.
        values: Vec<Value>,
        /// What to ask for next; 0 where there are no more.
        scan: u64,
    },
    /// It has not been answered; whether it was executed is not known. The connection is of no use
    /// any more.
    Failed(Fault),
}

/// Entries to be appended at once, in this order, or not at all.
///
/// Fewer replicas may have them than must ([`Fault::Unreplicated`]): they are sent again until that
/// is so. An engine refuses them as [`Fault::Stale`](Fault::Stale), and appends nothing, unless the
/// log is there, no later epoch has begun, and it knows `after` or more as the highest number of
/// the origin. Of the entries it skips those that it knows by their numbers.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The log.
    pub partition: Partition,
    /// The time of continuity.
    pub epoch: Epoch,
    /// Whose they are.
    pub origin: Origin,
    /// The highest number that the engine knows of the origin, or more.
    pub after: u64,
    /// The number of the first.
    pub first: u64,
    /// The entries.
    pub entries: Vec<BatchEntry>,
}

/// An entry to be appended.
///
/// Where it has an id that another entry has had, it is appended as a
/// [void](super::entry::Kind::Void); the engine remembers the first entry with an id by origin and
/// number, so that one that is appended again is not taken for its own double.
#[derive(Clone, Debug)]
pub struct BatchEntry {
    /// Its head, as it is written.
    pub head: Vec<u8>,
    /// Its data.
    pub data: Arc<[u8]>,
    /// What its item is known by.
    pub id: Option<ItemKey>,
    /// What it does to the last values.
    pub row: Option<Row>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the last entry stands; none where all were there.
    pub last: Option<Place>,
    /// The numbers of those whose id another entry has had.
    pub duplicates: Vec<u64>,
}

/// What the engine says when a lane comes, or comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What has become of the log since.
    pub verdict: Verdict,
    /// Its first entry that is retained; where none is, a place behind the newest.
    pub first: Place,
    /// Its newest.
    pub newest: Place,
    /// The highest number of each origin that the engine knows of.
    pub marks: Vec<(Origin, u64)>,
}

/// What has become of a log since a lane has looked at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The lane has not been there before.
    Start,
    /// The entry at the cursor is the same: nothing behind it was lost that the lane knows.
    Same,
    /// The entry at the cursor is no longer retained.
    Trimmed,
    /// Another entry stands there, or none although the log is younger, or there was no log: the
    /// engine has lost what was newest. Another epoch has begun.
    Fork,
}
