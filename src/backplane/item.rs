//! What is handed over to be appended, and what becomes of it.

use super::entry::Place;
use crate::clock::Deadline;
use crate::hub::partition::Partition;
use crate::hub::seen::ItemKey;
use std::sync::Arc;

/// What a publication does to the last values that the engine keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// It becomes the value of that name.
    Becomes(Box<[u8]>),
    /// Values of these names end with it. There is no NUL in a name.
    Ends(Vec<Box<[u8]>>),
}

impl Row {
    fn bytes(&self) -> usize {
        match self {
            Row::Becomes(field) => field.len(),
            Row::Ends(fields) => fields.iter().map(|field| size_of::<Box<[u8]>>() + field.len()).sum(),
        }
    }
}

/// A publication to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the homes want to know of it.
    pub body: Box<[u8]>,
    /// The event's data.
    pub data: Arc<[u8]>,
    /// What its item is known by, where its publisher has given it an id.
    pub id: Option<ItemKey>,
    /// What it does to the last values.
    pub row: Option<Row>,
}

impl Item {
    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + self.data.len() + self.row.as_ref().map_or(0, Row::bytes)
    }
}

/// Publications of one partition, to be appended side by side as far as a batch has room.
///
/// Those of a partition come from its home, in the order in which their time is over.
#[derive(Clone, Debug)]
pub struct Append {
    /// The partition.
    pub partition: Partition,
    /// Who is to be told.
    pub shard: usize,
    /// What the shard calls them.
    pub call: u64,
    /// The publications.
    pub items: Vec<Item>,
    /// When nobody waits for them any more: what is in no batch by then is not appended.
    pub expires_at: Deadline,
}

/// Why publications were not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// The engine did not answer in time, and does not.
    Away,
    /// The engine has no room.
    Full,
    /// The engine takes nothing that is to be written.
    Unwritable,
    /// Fewer replicas than it must have it, or so it was when the time was over.
    Unreplicated,
    /// More wait for it than may.
    Queue,
    /// The engine did not answer in time.
    Timeout,
}

/// Whoever waited for items is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The shard.
    pub shard: usize,
    /// What it calls them.
    pub call: u64,
    /// The indices of those whose id had been seen, or why none of them was appended, as far as
    /// that is known.
    pub outcome: Result<Vec<u32>, Refused>,
    /// Where the last entry stands that was appended with them; none where that is not known.
    pub last: Option<Place>,
}
