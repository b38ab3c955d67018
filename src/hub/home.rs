//! What a home knows of its partitions, and nobody else: the order of the publications, and which of them still hold.

use super::kept::{Change, Kept, KeptTotal};
use super::partition::Position;
use super::publication::Publication;
use super::registry::HashSeed;
use super::topic::Topic;
use crate::clock::Now;
use crate::limits::Limits;
use std::sync::Arc;

/// The part of a shard that is home to partitions.
///
/// Each publication of those partitions comes here once, wherever it arrived: [`Home::stamp`] gives it its place, and
/// [`Home::keep`] keeps it where its event is a state. Members hear of it only afterwards.
#[derive(Debug)]
pub struct Home {
    /// One sequence serves all partitions of a home: within each of them positions grow all the same.
    last: Option<Position>,
    kept: Kept,
}

impl Home {
    /// A home to which nothing has come. `total` counts what all homes of the process keep.
    pub fn new(seed: HashSeed, limits: &Limits, total: Arc<KeptTotal>, shards: usize) -> Home {
        let kept = Kept::new(seed, total, limits.last_values_max, limits.last_values_bytes_max, shards);
        Home { last: None, kept }
    }

    /// The next place in the order.
    pub fn stamp(&mut self, now: Now) -> Position {
        let position = Position::after(self.last, now);
        self.last = Some(position);
        position
    }

    /// Keeps a stamped publication as its topic's last value, until it is stale.
    pub fn keep(&mut self, publication: Publication) -> Change {
        self.kept.keep(publication)
    }

    /// The last values of these topics, in their order; topics that have none are passed over.
    pub fn snapshot(&self, topics: &[Topic], now: Now) -> Vec<Publication> {
        topics.iter().filter_map(|topic| self.kept.value(topic, now)).cloned().collect()
    }

    /// Last values held.
    pub fn kept_rows(&self) -> usize {
        self.kept.len()
    }

    /// Last values that went for the bounds' sake.
    pub fn evicted(&self) -> u64 {
        self.kept.evicted()
    }

    /// Lets go of what all homes together keep too much. Called at the end of each turn, since others may have added.
    pub fn shrink(&mut self) {
        self.kept.shrink();
    }
}
