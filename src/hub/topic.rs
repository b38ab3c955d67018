//! Topics.

use crate::schema::EventId;
use uuid::Uuid;

/// Where a publication goes and what a subscription names. It holds the organization, so a member
/// of another tenant cannot even be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// The tenant; nil where the hub is run for one organization only.
    pub organization: Uuid,
    /// The event.
    pub event: EventId,
    /// The user, queue, call list, … it is about.
    pub entity: Uuid,
}

impl Topic {
    /// Returns what tells it from the others of its organization.
    pub fn within(&self) -> (EventId, Uuid) {
        (self.event, self.entity)
    }
}
