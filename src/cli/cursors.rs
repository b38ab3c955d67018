//! How far a listener has come in each of its subscriptions, over all its connections.

use serde::Deserialize;
use std::collections::BTreeMap;

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
        let key = (entity.to_ascii_lowercase(), event.to_ascii_lowercase());
        self.newest.get(&key).or(self.first.as_ref()).cloned()
    }

    /// A subscription has come there.
    pub(crate) fn note(&mut self, entity: &str, event: &str, position: &str) {
        let key = (entity.to_ascii_lowercase(), event.to_ascii_lowercase());
        self.newest.insert(key, position.to_owned());
    }

    /// A message has come, the argument of `MessageReceived`.
    pub(crate) fn note_event(&mut self, event: &str) {
        if let Ok(Received { subscription, position: Some(position) }) = serde_json::from_str(event) {
            self.note(&subscription.entity_id, &subscription.event_name, &position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subscription_has_its_own_and_the_newest_counts() {
        let mut cursors = Cursors::starting(Some("-30s".to_owned()));
        let event = |entity: &str, position: &str| {
            format!(
                r#"{{"subscription":{{"entityId":"{entity}","eventName":"a"}},"data":{{}},"position":"{position}"}}"#
            )
        };
        cursors.note("X", "A", "1");
        cursors.note_event(&event("x", "2"));
        cursors.note_event(r#"{"subscription":{"entityId":"x","eventName":"a"},"data":{"position":"9"}}"#);
        cursors.note_event("1");
        assert_eq!(cursors.since("x", "A"), Some("2".to_owned()));
        assert_eq!(cursors.since("y", "A"), Some("-30s".to_owned()));
        assert_eq!(Cursors::default().since("x", "a"), None);
    }
}
