//! How many connections there are.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Links per shard, and in all.
#[derive(Debug)]
pub struct Load {
    per_shard: Box<[AtomicUsize]>,
    /// Strangers among them, as each shard last told.
    strangers: Box<[AtomicUsize]>,
    /// What the process has descriptors for.
    most: usize,
}

impl Load {
    /// None yet, on so many shards.
    pub fn new(shards: usize) -> Load {
        Load::bounded(shards, usize::MAX)
    }

    /// The same, where the process has descriptors for so many.
    pub fn bounded(shards: usize, most: usize) -> Load {
        let counts = || (0..shards).map(|_| AtomicUsize::new(0)).collect();
        Load { per_shard: counts(), strangers: counts(), most }
    }

    /// Whether there are more than the process has descriptors for.
    pub(crate) fn is_crowded(&self) -> bool {
        self.total() > self.most
    }

    /// A shard has so many strangers.
    pub(crate) fn tell_strangers(&self, shard: usize, count: usize) {
        self.strangers[shard].store(count, Ordering::Relaxed);
    }

    /// In all.
    pub fn total(&self) -> usize {
        self.per_shard.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Returns the shard with the fewest, which gets one more, whatever the process has.
    pub(crate) fn join_least(&self) -> usize {
        let (shard, _) = numbered(&self.per_shard).min_by_key(|(_, count)| *count).unwrap_or_default();
        self.per_shard[shard].fetch_add(1, Ordering::Relaxed);
        shard
    }

    /// Returns the shard that gets one more: the one with the fewest, or where the process has no
    /// descriptor left, the one with the most strangers, of which one is to make room. `None` where
    /// there are none.
    pub(crate) fn join(&self) -> Option<usize> {
        if self.total() < self.most {
            return Some(self.join_least());
        }
        let with_strangers = numbered(&self.strangers).filter(|(_, count)| *count > 0);
        let (shard, _) = with_strangers.max_by_key(|(_, count)| *count)?;
        self.per_shard[shard].fetch_add(1, Ordering::Relaxed);
        Some(shard)
    }

    /// A connection moves. The sum is never less than it was, so that nobody takes all shards for
    /// empty.
    pub(crate) fn transfer(&self, from: usize, to: usize) {
        self.per_shard[to].fetch_add(1, Ordering::Relaxed);
        self.per_shard[from].fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection of that shard is gone.
    pub(crate) fn leave(&self, shard: usize) {
        self.per_shard[shard].fetch_sub(1, Ordering::Relaxed);
    }
}

fn numbered(counts: &[AtomicUsize]) -> impl Iterator<Item = (usize, usize)> {
    counts.iter().map(|count| count.load(Ordering::Relaxed)).enumerate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_goes_where_there_are_fewest_and_to_strangers_when_there_is_no_room() {
        let load = Load::bounded(2, 3);
        assert_eq!([(); 3].map(|()| load.join()), [Some(0), Some(1), Some(0)]);
        assert_eq!((load.join(), load.is_crowded()), (None, false), "nobody can make room");
        load.tell_strangers(0, 1);
        load.tell_strangers(1, 1);
        load.tell_strangers(0, 2);
        assert_eq!((load.join(), load.is_crowded()), (Some(0), true), "until one has made room");
        load.leave(0);
        assert_eq!((load.total(), load.is_crowded()), (3, false));
    }
}
