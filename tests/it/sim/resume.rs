//! What an item that says since when must get: all that its topic came to behind its cursor, and
//! nothing twice; or else the word that something may be missing, where that may be so.

use super::answers::Name;
use super::client::Since;
use super::journal::Entry;
use rte::hub::partition::Partition;
use rte::hub::position::{Epoch, WirePosition};
use rte::limits::Limits;
use serde_json::{Value, json};
use uuid::Uuid;

/// What the hub writes around the data of a publication, at most.
const AROUND_BYTES: usize = 400;
/// What a publication costs in the log beside its data, at most.
const ENTRY_BYTES: usize = 256;

/// A position of an organization's order.
pub fn place(token: &str, organization: Uuid) -> Option<WirePosition> {
    token.parse().ok().filter(|place: &WirePosition| place.partition == Partition::of(organization))
}

/// What is kept of the past, and how far it reaches.
#[derive(Clone, Copy, Debug)]
pub struct Past<'l> {
    pub limits: &'l Limits,
    pub now_ms: u64,
    /// Not all up to there has been brought back.
    pub floor: u64,
    /// Bytes and number of all that was ever delivered.
    pub bytes: usize,
    pub count: usize,
}

impl Past<'_> {
    /// Whether the log may have let go of a publication.
    fn may_lack(self, entry: &Entry) -> bool {
        let is_full =
            self.limits.memory_bytes_max > 0 || self.bytes + ENTRY_BYTES * self.count > self.limits.history_bytes_max;
        is_full || self.now_ms.saturating_sub(entry.position >> 10) > self.limits.history_ms
    }
}

/// An item of a Subscribe that says since when.
#[derive(Debug)]
pub struct Resumed {
    pub name: Name,
    pub since: Since,
    pub snapshot: bool,
    /// How far its shard had come when it was subscribed.
    pub present: u64,
    /// It was subscribed before, or an item before it has named it.
    pub is_held: bool,
    /// An item of the same Subscribe has named it: what that one was told is told again.
    pub is_again: bool,
    /// The position that it names, if that is one of its organization, of whatever epoch.
    pub cursor: Option<WirePosition>,
    /// Some may not be recovered.
    pub may_miss: bool,
    missed: Vec<Entry>,
    row: Option<Entry>,
    /// Its row says that the hub may know of too few.
    is_partial: bool,
}

impl Resumed {
    /// An item, with its row, and whether that says that there may be more.
    pub fn new(
        name: Name,
        since: Since,
        snapshot: bool,
        present: u64,
        organization: Uuid,
        rows: (Option<Entry>, bool),
    ) -> Resumed {
        let cursor = match &since {
            Since::Absent | Since::Present => None,
            Since::Behind(token) | Since::Forged(token) => place(token, organization),
        };
        let (row, is_partial) = rows;
        let missed = Vec::new();
        let (is_held, is_again, may_miss) = (false, false, false);
        Resumed { name, since, snapshot, present, is_held, is_again, cursor, may_miss, missed, row, is_partial }
    }

    /// All that came behind its cursor, of a state only the newest.
    pub fn misses(&mut self, missed: Vec<Entry>, cursor: u64, past: Past<'_>) {
        let is_ahead = matches!(self.since, Since::Forged(_)) && cursor > self.present;
        self.may_miss = is_ahead
            || cursor < past.floor
            || past.limits.history_bytes_max == 0
            || missed.len() > past.limits.replay_items_max
            || missed.iter().any(|entry| past.may_lack(entry));
        self.missed = missed;
    }

    /// What a block of it has in bytes, at most.
    pub fn bytes(&self) -> usize {
        self.missed.iter().map(|entry| entry.data.len() + AROUND_BYTES).sum()
    }

    /// Whether nothing can be recovered in an epoch: the position is none of it.
    fn is_foreign(&self, epoch: Epoch) -> bool {
        self.cursor.is_none_or(|cursor| cursor.epoch != epoch)
    }

    /// Reads what the hub says of it in an epoch, before which its organization had come to `end`,
    /// and all together to `end_of_all`; what it must say then is added to the verdict. What
    /// follows, and whether something may be missing.
    pub fn judge(
        &self,
        told: &Value,
        verdict: &mut Value,
        (epoch, (end, end_of_all)): (Epoch, (u64, u64)),
    ) -> Result<(Vec<Entry>, Option<bool>), String> {
        // Rows have their places of before. The epoch of a home begins behind all that it had come
        // to, whosever that was: nobody is told of a place before, but that can be forged.
        let end = if matches!(self.since, Since::Forged(_)) { end_of_all } else { end };
        let may_miss = self.may_miss || self.cursor.is_some_and(|cursor| cursor.position.number() < end);
        let is_foreign = self.is_foreign(epoch);
        verdict["position"] = told["position"].clone();
        let recovered = match self.since {
            Since::Absent | Since::Present => None,
            Since::Behind(_) | Since::Forged(_) => {
                Some(told["recovered"].as_bool().ok_or_else(|| format!("not told whether recovered: {told}"))?)
            }
        };
        match recovered {
            Some(true) if is_foreign && !self.is_held => return Err(format!("recovered from nowhere: {told}")),
            Some(false) if self.is_held && !self.is_again => return Err(format!("missed while it was held: {told}")),
            Some(false) if !(is_foreign || may_miss || self.is_held) => {
                return Err(format!("not recovered for no reason: {told}, {self:?}"));
            }
            Some(_) | None => {}
        }
        let mut block = match recovered {
            Some(_) | None if self.is_held => Vec::new(),
            Some(true) => self.missed.clone(),
            Some(false) | None => Vec::new(),
        };
        if let Some(recovered) = recovered {
            verdict["recovered"] = json!(recovered);
            verdict["replayed"] = json!(block.len());
        }
        if self.snapshot {
            let has_rows = !self.is_held && recovered != Some(true);
            let row = self.row.iter().filter(|_| has_rows).cloned();
            block.extend(row.clone());
            verdict["snapshot"] = json!(row.count());
            if has_rows && self.is_partial {
                verdict["partial"] = json!(true);
            }
        }
        block.iter_mut().for_each(|entry| entry.epoch = epoch);
        Ok((block, recovered))
    }
}
