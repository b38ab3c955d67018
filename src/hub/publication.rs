//! Publications.

use super::partition::Position;
use super::topic::Topic;
use std::sync::Arc;

/// One validated event instance on a topic. A clone shares the data: it costs a count, not a copy.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Where it goes.
    pub topic: Topic,
    /// Its place in the order of its partition, once its home has stamped it.
    pub position: Option<Position>,
    /// The event's data, as delivered.
    pub data: Arc<[u8]>,
}
