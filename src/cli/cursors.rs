//! How far a listener has come in each of its subscriptions, over all its connections.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The entity of a subscription to every entity of its event.
pub(crate) const EVERY: &str = "*";

/// The newest position of each subscription: what to say as `Since` when it comes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursors {
    /// What a subscription says that has no position yet; null is from now on.
    first: Option<String>,
    /// By entity and event in lower case.
    newest: BTreeMap<(String, String), String>,
}

/// What a MessageReceived or a verdict says of its place.
#[derive(Deserialize)]
struct Received<'e> {
    #[serde(borrow)]
    subscription: About<'e>,
    position: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About<'e> {
    #[serde(borrow)]
    entity_id: std::borrow::Cow<'e, str>,
    #[serde(borrow)]
    event_name: std::borrow::Cow<'e, str>,
}

impl Cursors {
    /// All begin there: a position, how far back, or null.
    pub(crate) fn starting(first: Option<String>) -> Cursors {
        Cursors { first, newest: BTreeMap::new() }
    }

    /// Returns the `Since` of a subscription.
    pub(crate) fn since(&self, entity: &str, event: &str) -> Option<String> {
        self.newest.get(&key(entity, event)).or(self.first.as_ref()).cloned()
    }

    /// A subscription has come there, its verdict says.
    pub(crate) fn note(&mut self, entity: &str, event: &str, position: &str) {
        self.newest.insert(key(entity, event), position.to_owned());
    }

    /// A message has come, the argument of `MessageReceived`. It names its real entity, and may be
    /// of that one's subscription, of that to every entity, or of both: a verdict was before it.
    pub(crate) fn note_event(&mut self, event: &str) {
        if let Ok(Received { subscription, position: Some(position) }) = serde_json::from_str(event) {
            for entity in [&subscription.entity_id, EVERY] {
                if let Some(newest) = self.newest.get_mut(&key(entity, &subscription.event_name)) {
                    newest.clone_from(&position);
                }
            }
        }
    }
}

fn key(entity: &str, event: &str) -> (String, String) {
    (entity.to_ascii_lowercase(), event.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(entity: &str, position: &str) -> String {
        format!(r#"{{"subscription":{{"entityId":"{entity}","eventName":"a"}},"data":{{}},"position":"{position}"}}"#)
    }

    #[test]
    fn each_subscription_has_its_own_and_the_newest_counts() {
        let mut cursors = Cursors::starting(Some("-30s".to_owned()));
        cursors.note("X", "A", "1");
        cursors.note_event(&event("x", "2"));
        cursors.note_event(r#"{"subscription":{"entityId":"x","eventName":"a"},"data":{"position":"9"}}"#);
        cursors.note_event("1");
        assert_eq!(cursors.since("x", "A"), Some("2".to_owned()));
        assert_eq!(cursors.since("y", "A"), Some("-30s".to_owned()));
        assert_eq!(Cursors::default().since("x", "a"), None);
    }

    #[test]
    fn a_message_is_of_every_entity_and_of_its_own_where_they_are_subscribed() {
        let mut cursors = Cursors::default();
        cursors.note("*", "A", "1");
        cursors.note("*", "B", "1");
        cursors.note("x", "A", "1");
        cursors.note_event(&event("x", "2"));
        cursors.note_event(&event("y", "3"));
        let since = |entity, event| cursors.since(entity, event);
        assert_eq!(since("*", "A").as_deref(), Some("3"));
        assert_eq!(since("x", "A").as_deref(), Some("2"));
        assert_eq!(since("*", "B").as_deref(), Some("1"), "of another event");
        assert_eq!(since("y", "A"), None, "not subscribed by itself");
    }
}
