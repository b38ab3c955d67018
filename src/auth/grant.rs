//! Grants: `family/entity/event` patterns and what they cover.

use super::principal::Principal;
use crate::schema::compiler::model::Event;
use uuid::Uuid;

/// One pattern. Parts are literal (without case) or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Family name in lower case; `None` is `*`.
    pub family: Option<Box<str>>,
    /// `None` is `*`.
    pub entity: Option<Uuid>,
    /// Event name in lower case; `None` is `*` or left out, and covers only events for clients.
    pub event: Option<Box<str>>,
}

/// What a principal wants to do with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Be sent its publications.
    Subscribe,
    /// Publish on it. Publish grants narrow scope `publish`; without any grant it may publish everything.
    Publish,
}

/// Whether `principal` may do `action` on that event of that entity. `family` is the event's family name in any case;
/// `everybody` are the grants that the configuration gives to all. The organization is not looked at here: a topic holds it.
pub fn may(
    principal: &Principal,
    everybody: &[Grant],
    action: Action,
    family: &str,
    event: &Event,
    entity: Uuid,
) -> bool {
    let _ = (principal, everybody, action, family, event, entity);
    false
}
