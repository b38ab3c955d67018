//! Publications.

use super::position::{Position, Stamp};
use super::topic::Topic;
use crate::clock::UnixMs;
use std::sync::Arc;

/// One validated event instance on a topic. A clone shares the data: it costs a count, not a copy.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Where it goes.
    pub topic: Topic,
    /// Its place in the order of its partition, once its home has stamped it.
    pub stamp: Option<Stamp>,
    /// When it is stale, where it is a state that ends.
    pub(crate) expires: Option<UnixMs>,
    /// The event's data, as delivered.
    pub(crate) data: Arc<[u8]>,
}

impl Publication {
    /// What it takes while it waits.
    pub fn bytes(&self) -> usize {
        size_of::<Publication>() + self.data.len()
    }

    /// Its place in the order, once it has one.
    pub fn position(&self) -> Option<Position> {
        self.stamp.map(|stamp| stamp.position)
    }
}

/// The data of a publication on its way to the members.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'d> {
    /// Nobody keeps it; a copy is made once where a slow reader has to.
    Borrowed(&'d [u8]),
    /// Others keep it too.
    Shared(&'d Arc<[u8]>),
}

impl Payload<'_> {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Payload::Borrowed(bytes) => bytes,
            Payload::Shared(bytes) => bytes,
        }
    }

    /// To keep.
    pub(crate) fn share(&self) -> Arc<[u8]> {
        match self {
            Payload::Borrowed(bytes) => Arc::from(*bytes),
            Payload::Shared(bytes) => Arc::clone(bytes),
        }
    }
}

/// What every member of a publication's topic needs to know of its event.
#[derive(Clone, Copy, Debug)]
pub struct EventTraits<'e> {
    /// The name in lower case, for the envelope.
    pub lower: &'e str,
    /// Whether only the newest value of a topic matters.
    pub is_state: bool,
}
