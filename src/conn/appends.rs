//! Requests whose publications are on their way to an engine, until it says what became of them.

use crate::clock::{Deadline, Now};
use crate::wire::LinkKey;
use std::collections::BTreeMap;

/// Such a request.
#[derive(Debug)]
pub(crate) struct Appending {
    /// The publisher's shard.
    pub(crate) from: usize,
    pub(crate) link: LinkKey,
    pub(crate) ticket: u32,
    /// It is a revocation.
    pub(crate) is_revocation: bool,
    /// Which item of the request each publication with an id is; empty where none has one.
    pub(crate) items: Vec<Option<u32>>,
    /// By when it is told that it has waited for too long.
    pub(crate) expires_at: Deadline,
}

/// All of them, of one shard, by their calls. They are no more than requests wait.
///
/// All wait for as long, so that the first of them is due first.
#[derive(Debug, Default)]
pub(crate) struct Appends {
    last: u64,
    waiting: BTreeMap<u64, Appending>,
}

impl Appends {
    /// One more; what it is called.
    pub(crate) fn push(&mut self, appending: Appending) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, appending);
        self.last
    }

    /// It is known what became of that one.
    pub(crate) fn take(&mut self, call: u64) -> Option<Appending> {
        self.waiting.remove(&call)
    }

    /// The first, if its time is over.
    pub(crate) fn take_due(&mut self, now: Now) -> Option<Appending> {
        let first = self.waiting.first_entry().filter(|first| first.get().expires_at.is_due(now))?;
        Some(first.remove())
    }

    /// When the time of the first is over.
    pub(crate) fn next_deadline(&self) -> Deadline {
        self.waiting.first_key_value().map_or(Deadline::NEVER, |(_, first)| first.expires_at)
    }
}
