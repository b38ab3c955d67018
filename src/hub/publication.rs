//! Publications.

use super::position::{Position, Stamp};
use super::topic::Topic;
use crate::clock::UnixMs;
use crate::schema::{Catalogue, Event, EventId, Instants, Phase};
use std::sync::Arc;

/// One validated event instance on a topic. A clone shares the data: it costs a count, not a copy.
///
/// [`Publication::new`] makes one of an event that leaves nothing behind; what more there is to say
/// of it are its fields.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Where it goes.
    pub topic: Topic,
    /// Its place in the order of its partition, once its home has stamped it.
    pub stamp: Option<Stamp>,
    /// When it is stale, where it is a state that ends.
    pub(crate) expires: Option<UnixMs>,
    /// What it does to the rows that its home keeps.
    pub effect: Effect,
    /// The event's data, as delivered.
    pub(crate) data: Arc<[u8]>,
}

impl Publication {
    /// A publication without a place, which does nothing to the rows.
    pub fn new(topic: Topic, data: Arc<[u8]>) -> Publication {
        Publication { topic, stamp: None, expires: None, effect: Effect::None, data }
    }

    /// What it takes while it waits.
    pub fn bytes(&self) -> usize {
        size_of::<Publication>() + self.data.len()
    }

    /// Its place in the order, once it has one.
    pub fn position(&self) -> Option<Position> {
        self.stamp.map(|stamp| stamp.position)
    }
}

/// What tells the rows of a topic apart, and calls and their legs: a GUID, or a hash of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub [u8; 16]);

/// What a publication does to the rows that its home keeps. It is found where the data is
/// validated; the home only applies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// It becomes the one row of its topic.
    Value,
    /// It becomes the row of a key.
    Keyed {
        /// The key.
        key: Key,
        /// The publisher has said that it is the key's last: its row ends.
        is_last: bool,
        /// The row is at one entity at a time, and this is where in the data the entity's GUID
        /// stands: the entity that has had the row gets the same data, with its own GUID. A nil
        /// entity has none from now on.
        moves: Option<u32>,
    },
    /// It is a word of a call, as its entity sees it.
    Call {
        /// The call.
        call: Key,
        /// The leg, told from those of all other calls.
        leg: Key,
        /// What it does to them.
        phase: Phase,
    },
}

impl Effect {
    /// Whether the publisher has said that it is the last of its key.
    pub fn is_last(self) -> bool {
        matches!(self, Effect::Keyed { is_last: true, .. })
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
///
/// `EventTraits::of` knows them by the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct EventTraits<'e> {
    /// The name in lower case, for the envelope.
    pub lower: &'e str,
    /// Whether only the newest value of a topic matters.
    pub is_state: bool,
    /// Whether it is the last of its key.
    pub is_last: bool,
    /// Which of its properties are date-times, where any is: for hub protocols that have a type for
    /// them.
    pub instants: Option<&'e Arc<Instants>>,
}

impl<'e> EventTraits<'e> {
    /// Those of a publication of that event.
    pub(crate) fn of(catalogue: &'e Catalogue, event: EventId, is_last: bool) -> EventTraits<'e> {
        let Event { lower, .. } = catalogue.event(event);
        let is_state = catalogue.event(event).has_one_value();
        EventTraits { lower, is_state, is_last, instants: catalogue.instants(event) }
    }
}
