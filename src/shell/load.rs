//! How many connections there are.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections per shard, and in all.
#[derive(Debug)]
pub struct Load {
    per_shard: Box<[AtomicUsize]>,
}

impl Load {
    /// None yet, on so many shards.
    pub fn new(shards: usize) -> Load {
        Load { per_shard: (0..shards).map(|_| AtomicUsize::new(0)).collect() }
    }

    /// In all.
    pub fn total(&self) -> usize {
        self.per_shard.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Returns the shard with the fewest connections, which gets one more.
    pub(crate) fn join_least(&self) -> usize {
        let counts = self.per_shard.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        let shard = counts.min_by_key(|(_, count)| *count).map_or(0, |(shard, _)| shard);
        self.per_shard[shard].fetch_add(1, Ordering::Relaxed);
        shard
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
