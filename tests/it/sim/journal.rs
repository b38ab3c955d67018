//! The order in which publications are delivered: one journal per organization.

use super::answers::Name;
use super::disk::Row;
use rte::hub::position::Epoch;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use uuid::Uuid;

/// A publication in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub epoch: Epoch,
    /// Places grow over all epochs.
    pub position: u64,
    pub name: Name,
    pub data: Rc<[u8]>,
}

impl Entry {
    /// Whether a newer value of its state may have been lost, where some of before that time may be
    /// missing.
    pub fn may_be_outdated(&self, lacks_ms: u64) -> bool {
        self.position >> 10 < lacks_ms
    }
}

/// The publications of an organization, in their order.
#[derive(Debug, Default)]
struct Journal {
    /// The shard that makes the order: the first that delivers anything.
    home: Option<usize>,
    entries: Vec<Entry>,
    /// So many of them are of hubs before this one, and known to all shards.
    restored: usize,
    /// How far each shard has come.
    cursors: BTreeMap<usize, usize>,
}

impl Journal {
    /// How far a shard has come.
    fn cursor(&self, shard: usize) -> usize {
        self.cursors.get(&shard).copied().unwrap_or(self.restored)
    }
}

/// The journals of all organizations.
#[derive(Debug, Default)]
pub struct Journals {
    journals: BTreeMap<Uuid, Journal>,
    /// What has been delivered anywhere; no two publications have the same data.
    published: BTreeSet<Rc<[u8]>>,
    /// The bytes of that.
    pub bytes: usize,
    causes: BTreeMap<Uuid, Causes>,
}

/// What must come before what in an organization, whoever publishes: an item whose answer was heard
/// before another was sent. Items go by their tags.
#[derive(Debug, Default)]
struct Causes {
    answered: Vec<String>,
    /// So many were answered when it was sent.
    sent_after: BTreeMap<String, usize>,
    /// What else was.
    sent_behind: BTreeMap<String, Vec<String>>,
    /// What each shard has delivered, and how many of the answered are all among it.
    delivered: BTreeMap<usize, (BTreeSet<String>, usize)>,
}

impl Journals {
    /// A shard delivers a publication. Whether it is the first that does.
    pub fn deliver(&mut self, shard: usize, organization: Uuid, entry: &Entry) -> Result<bool, String> {
        let journal = self.journals.entry(organization).or_default();
        let cursor = journal.cursors.entry(shard).or_insert(journal.restored);
        if shard == *journal.home.get_or_insert(shard) {
            let last = journal.entries.last();
            if last.is_some_and(|last| last.position >= entry.position || last.epoch > entry.epoch) {
                return Err(format!("{entry:?} behind {last:?}"));
            }
            if journal.entries.contains(entry) {
                return Err(format!("{entry:?} twice"));
            }
            journal.entries.push(entry.clone());
        } else if journal.entries.get(*cursor) != Some(entry) {
            return Err(format!("{entry:?} instead of {:?}", journal.entries.get(*cursor)));
        }
        *cursor += 1;
        let tag = tag_of(&entry.data).to_owned();
        self.causes.entry(organization).or_default().deliver(shard, tag)?;
        let is_first = self.published.insert(Rc::clone(&entry.data));
        self.bytes += if is_first { entry.data.len() } else { 0 };
        Ok(is_first)
    }

    /// Another hub takes the place of the one that was killed, and has these publications of it,
    /// all of that epoch: whether all are among them that stand behind the floor, where there is
    /// one. What nobody has heard of yet is told.
    pub fn restart(&mut self, rows: Vec<Row>, epoch: Epoch, floor: Option<u64>) -> Result<Vec<Entry>, String> {
        let (former, causes) = (std::mem::take(&mut self.journals), std::mem::take(&mut self.causes));
        for Row { organization, name, position, data } in rows {
            let journal = self.journals.entry(organization).or_default();
            journal.entries.push(Entry { epoch, position, name, data });
        }
        for (organization, Journal { entries, .. }) in &former {
            let kept = self.journals.get(organization).map_or(&[][..], |journal| &journal.entries);
            let is_kept =
                |entry: &&Entry| kept.iter().any(|it| (it.position, &it.data) == (entry.position, &entry.data));
            let missing = entries.iter().filter(|entry| floor.is_some_and(|floor| entry.position > floor));
            if let Some(missing) = missing.into_iter().find(|entry| !is_kept(entry)) {
                return Err(format!("{missing:?} was delivered, and is gone"));
            }
        }
        let delivered = |tag: &String| self.published.iter().any(|data| tag_of(data) == tag);
        if let Some(tag) = causes.values().flat_map(|causes| &causes.answered).find(|tag| !delivered(tag)) {
            return Err(format!("{tag} was answered and never delivered"));
        }
        let entries = self.journals.values().flat_map(|journal| &journal.entries);
        let fresh: Vec<Entry> = entries.filter(|entry| !self.published.contains(&entry.data)).cloned().collect();
        self.published.extend(fresh.iter().map(|entry| Rc::clone(&entry.data)));
        self.bytes += fresh.iter().map(|entry| entry.data.len()).sum::<usize>();
        for journal in self.journals.values_mut() {
            journal.restored = journal.entries.len();
        }
        Ok(fresh)
    }

    /// A publisher sends an item.
    pub fn send(&mut self, organization: Uuid, tag: &str) {
        let causes = self.causes.entry(organization).or_default();
        causes.sent_after.insert(tag.to_owned(), causes.answered.len());
    }

    /// Those items are sent once these have been answered.
    pub fn send_behind(&mut self, organization: Uuid, tags: &[String], behind: &[String]) {
        let causes = self.causes.entry(organization).or_default();
        causes.sent_behind.extend(tags.iter().map(|tag| (tag.clone(), behind.to_vec())));
    }

    /// A publisher has heard that an item was taken.
    pub fn answer(&mut self, organization: Uuid, tag: &str) {
        self.causes.entry(organization).or_default().answered.push(tag.to_owned());
    }

    /// The tags of the items of an organization of which a publisher has heard that they were
    /// taken.
    pub fn answered(&self, organization: Uuid) -> &[String] {
        self.causes.get(&organization).map_or(&[], |causes| &causes.answered)
    }

    /// The newest publication of a topic that a shard has delivered.
    pub fn last(&self, shard: usize, organization: Uuid, name: Name) -> Option<&Entry> {
        self.of_shard(shard, organization).iter().rev().find(|entry| entry.name == name)
    }

    /// Publications delivered anywhere.
    pub fn count(&self) -> usize {
        self.published.len()
    }

    /// The epoch of the newest publication of an organization that has been delivered.
    pub fn epoch(&self, organization: Uuid) -> Option<Epoch> {
        Some(self.journals.get(&organization)?.entries.last()?.epoch)
    }

    /// The newest place before an epoch, of an organization and of all: nothing up to there can be
    /// recovered in that.
    pub fn ends_before(&self, epoch: Epoch, organization: Uuid) -> (u64, u64) {
        let end = |journal: &Journal| journal.entries.iter().rfind(|entry| entry.epoch < epoch).map(|it| it.position);
        let of_all = self.journals.values().filter_map(end).max();
        (self.journals.get(&organization).and_then(end).unwrap_or_default(), of_all.unwrap_or_default())
    }

    /// How far a shard has come in the order of an organization.
    pub fn present(&self, shard: usize, organization: Uuid) -> u64 {
        self.of_shard(shard, organization).last().map_or(0, |entry| entry.position)
    }

    /// What a shard has delivered of a topic behind a position.
    pub fn behind(&self, shard: usize, organization: Uuid, name: Name, position: u64) -> Vec<Entry> {
        let entries = self.of_shard(shard, organization).iter();
        entries.filter(|entry| entry.name == name && entry.position > position).cloned().collect()
    }

    fn of_shard(&self, shard: usize, organization: Uuid) -> &[Entry] {
        let Some(journal) = self.journals.get(&organization) else { return &[] };
        &journal.entries[..journal.cursor(shard)]
    }

    /// At rest all shards have delivered the same.
    pub fn check_settled(&self, shards: usize) -> Result<(), String> {
        let is_whole = |journal: &Journal| (0..shards).all(|shard| journal.cursor(shard) == journal.entries.len());
        match self.journals.values().find(|journal| !is_whole(journal)) {
            Some(Journal { home, entries, cursors, .. }) => {
                Err(format!("{} publications stamped by shard {home:?}, delivered: {cursors:?}", entries.len()))
            }
            None => Ok(()),
        }
    }
}

/// The tag of an item, by what is delivered of it.
pub fn tag_of(data: &[u8]) -> &str {
    std::str::from_utf8(data).expect("text").split('#').nth(1).expect("a tag")
}

impl Causes {
    fn deliver(&mut self, shard: usize, tag: String) -> Result<(), String> {
        let after = self.sent_after.get(&tag).copied().ok_or("an item that nobody sent")?;
        let (delivered, whole) = self.delivered.entry(shard).or_default();
        while let Some(cause) = self.answered[*whole..after.max(*whole)].first() {
            if !delivered.contains(cause) {
                return Err(format!("{tag} overtakes {cause}, which was answered before it was sent"));
            }
            *whole += 1;
        }
        let behind = self.sent_behind.get(&tag).map(Vec::as_slice).unwrap_or_default();
        if let Some(cause) = behind.iter().find(|cause| !delivered.contains(*cause)) {
            return Err(format!("{tag} overtakes {cause}, whose answer it was sent behind"));
        }
        delivered.insert(tag);
        Ok(())
    }
}
