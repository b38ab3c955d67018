//! Topics, and what subscriptions name: one of them, or every one of an event.

use crate::schema::EventId;
use std::sync::Arc;
use uuid::Uuid;

/// Where a publication goes. It holds the organization, so a member of another tenant cannot even
/// be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// Returns what covers it and all others of its event.
    pub fn wildcard(&self) -> Wildcard {
        Wildcard { organization: self.organization, event: self.event }
    }
}

/// The topics of an event in an organization, whatever the entity: `EntityId: "*"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wildcard {
    /// The tenant.
    pub organization: Uuid,
    /// The event.
    pub event: EventId,
}

impl Wildcard {
    /// Returns one of its topics.
    pub fn topic(&self, entity: Uuid) -> Topic {
        Topic { organization: self.organization, event: self.event, entity }
    }
}

/// What a subscription names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// One topic.
    One(Topic),
    /// Every topic of an event.
    Every(Wildcard),
}

impl Pattern {
    /// Returns what covers it.
    pub fn wildcard(&self) -> Wildcard {
        match self {
            Pattern::One(topic) => topic.wildcard(),
            Pattern::Every(wildcard) => *wildcard,
        }
    }

    /// The event.
    pub(crate) fn event(&self) -> EventId {
        self.wildcard().event
    }
}

/// What an item of a Subscribe names, as far as its principal may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One topic.
    One(Topic),
    /// Every topic of an event.
    Every(Wildcard),
    /// Of a wildcard, the topics of these entities, sorted: no other is granted.
    Only(Wildcard, Arc<[Uuid]>),
}

impl Reach {
    /// Returns what the item names, whatever of it is granted.
    pub fn pattern(&self) -> Pattern {
        match self {
            Reach::One(topic) => Pattern::One(*topic),
            Reach::Every(wildcard) | Reach::Only(wildcard, _) => Pattern::Every(*wildcard),
        }
    }

    /// Whether it has the topic of an entity.
    pub(super) fn covers(&self, entity: Uuid) -> bool {
        match self {
            Reach::One(topic) => topic.entity == entity,
            Reach::Every(_) => true,
            Reach::Only(_, entities) => entities.binary_search(&entity).is_ok(),
        }
    }

    /// Returns what is in both, of two that name the same; nothing where that is nothing.
    pub(crate) fn within(&self, other: &Reach) -> Option<Reach> {
        match (self, other) {
            (Reach::Only(wildcard, own), Reach::Only(_, entities)) => {
                let both: Arc<[Uuid]> = own.iter().filter(|entity| entities.contains(entity)).copied().collect();
                (!both.is_empty()).then_some(Reach::Only(*wildcard, both))
            }
            (Reach::Every(_), narrower @ Reach::Only(..)) => Some(narrower.clone()),
            (Reach::One(_) | Reach::Every(_) | Reach::Only(..), _) => Some(self.clone()),
        }
    }

    /// Returns what has members for it.
    pub(super) fn patterns(&self) -> impl Iterator<Item = Pattern> {
        let (one, only) = match self {
            Reach::One(topic) => (Some(Pattern::One(*topic)), None),
            Reach::Every(wildcard) => (Some(Pattern::Every(*wildcard)), None),
            Reach::Only(wildcard, entities) => (None, Some((wildcard, entities))),
        };
        let only = only.into_iter();
        one.into_iter().chain(only.flat_map(|(all, entities)| entities.iter().map(|it| Pattern::One(all.topic(*it)))))
    }
}

impl From<Topic> for Reach {
    fn from(topic: Topic) -> Reach {
        Reach::One(topic)
    }
}
