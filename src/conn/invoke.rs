//! Hub messages of a client: the six methods, and what each other message means.
//!
//! A method runs to its end before the next record is looked at, and its completion is queued at once, so answers come in the
//! order of the questions, and whatever is queued behind the completion of a Subscribe saw the subscription.

use super::peer::Peer;
use super::{Options, Shared, fact_number};
use crate::auth::grant::{Action, Standing};
use crate::auth::token::{Tenancy, Verifier};
use crate::clock::Now;
use crate::hub::registry::Joined;
use crate::hub::topic::Topic;
use crate::hub::{ConnKey, Hub, Wire};
use crate::limits::{ECHO_BYTES_MAX, Limits};
use crate::metrics::{Metrics, Refusal};
use crate::proto::signalr::json::{self, Malformed};
use crate::proto::signalr::message::{Arguments, Given, HubMessage, Item};
use crate::proto::signalr::text;
use crate::schema::compiler::model::{EntityRule, Kind};
use crate::schema::{Catalogue, guid};
use crate::trace::{Fact, Level, Trace};
use smallvec::SmallVec;
use uuid::Uuid;

/// What a record asks of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    GoOn,
    /// The client said Close.
    Close,
}

/// The methods, matched without case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Subscribe,
    Unsubscribe,
    UnsubscribeAll,
    AvailableSubscriptions,
    GetActiveSubscriptions,
    Catalogue,
}

impl Method {
    fn find(target: &str) -> Option<Method> {
        const METHODS: [(&str, Method); 6] = [
            ("Subscribe", Method::Subscribe),
            ("Unsubscribe", Method::Unsubscribe),
            ("UnsubscribeAll", Method::UnsubscribeAll),
            ("AvailableSubscriptions", Method::AvailableSubscriptions),
            ("GetActiveSubscriptions", Method::GetActiveSubscriptions),
            ("Catalogue", Method::Catalogue),
        ];
        METHODS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(target)).map(|(_, method)| method)
    }

    /// The arguments it takes; `None` where any number is ignored, as the reference's samples pass some.
    fn arguments(self) -> Option<usize> {
        match self {
            Method::Subscribe | Method::Unsubscribe => Some(1),
            Method::UnsubscribeAll
            | Method::AvailableSubscriptions
            | Method::GetActiveSubscriptions
            | Method::Catalogue => None,
        }
    }
}

/// Reads one record of an open connection and does what it says.
pub(super) fn handle_record(
    peer: &mut Peer,
    key: ConnKey,
    record: &mut [u8],
    turn: &mut super::Turn<'_>,
) -> Result<Answer, Malformed> {
    let Shared { options, limits, verifier, .. } = turn.shared;
    let mut desk = Desk {
        key,
        hub: turn.hub,
        catalogue: turn.catalogue,
        metrics: turn.metrics,
        result: turn.scratch,
        options,
        limits,
        verifier,
        trace: turn.trace,
        conn: fact_number(turn.shard, key),
        now: turn.now,
        wire: turn.wire,
    };
    turn.parser.parse(record, limits.json_depth_max, |message| match message {
        HubMessage::Invocation { id, target, arguments, streams } => {
            desk.invoke(peer, id, target, &arguments, streams);
            Answer::GoOn
        }
        HubMessage::StreamInvocation { id, target, arguments } => {
            let error = match Bound::new(target, &arguments, options) {
                Err(error) => error,
                Ok(_) => text::not_streaming(target),
            };
            desk.fail(Some(id), &error);
            Answer::GoOn
        }
        HubMessage::Ping => {
            peer.has_pinged = true;
            Answer::GoOn
        }
        HubMessage::Close(_) => Answer::Close,
        // Nothing of ours is answered by these, and what comes to nobody is ignored, as ASP.NET does.
        HubMessage::StreamItem
        | HubMessage::Completion
        | HubMessage::CancelInvocation
        | HubMessage::Ack
        | HubMessage::Sequence
        | HubMessage::Unknown => Answer::GoOn,
    })
}

/// An invocation whose method is known and whose arguments fit it.
struct Bound<'r> {
    method: Method,
    items: SmallVec<[Item<'r>; 8]>,
}

impl<'r> Bound<'r> {
    /// Binds in ASP.NET's order: the method, the number of arguments, their types.
    fn new(target: &str, arguments: &impl Arguments<'r>, options: &Options) -> Result<Bound<'r>, String> {
        let method = Method::find(target).ok_or_else(|| text::unknown_method(target))?;
        let mut items = SmallVec::new();
        if let Some(expected) = method.arguments() {
            if arguments.count() != expected {
                return Err(text::argument_count(target, arguments.count(), expected, options.detailed_errors));
            }
            arguments.items(&mut items).map_err(|_| text::argument_type(target, options.detailed_errors))?;
        }
        Ok(Bound { method, items })
    }
}

/// Where invocations are served.
struct Desk<'d> {
    key: ConnKey,
    hub: &'d mut Hub,
    catalogue: &'d Catalogue,
    metrics: &'d mut Metrics,
    /// The result in the making; empty between invocations.
    result: &'d mut Vec<u8>,
    options: &'d Options,
    limits: &'d Limits,
    verifier: &'d Verifier,
    trace: &'d mut Trace,
    /// The connection's number in facts.
    conn: u64,
    now: Now,
    wire: &'d mut dyn Wire,
}

impl Desk<'_> {
    fn invoke<'r>(
        &mut self,
        peer: &Peer,
        id: Option<&str>,
        target: &str,
        arguments: &impl Arguments<'r>,
        streams: usize,
    ) {
        let bound = match Bound::new(target, arguments, self.options) {
            Ok(bound) => bound,
            Err(error) => return self.fail(id, &error),
        };
        if streams > 0 {
            return self.fail(id, &text::unexpected_streams(target, streams));
        }
        self.result.clear();
        let mut snapshots: SmallVec<[Topic; 8]> = SmallVec::new();
        match bound.method {
            Method::Subscribe => {
                let mut subscribed = 0;
                self.list(&bound.items, |desk, item| {
                    let verdict = desk.subscribe(peer, item);
                    if let Verdict::Done { topic, .. } = verdict {
                        subscribed += 1;
                        if item.snapshot.unwrap_or(desk.options.snapshots) {
                            snapshots.push(topic);
                        }
                    }
                    verdict
                });
                let conn = self.conn;
                self.trace.note(Level::Trace, || Fact::Subscribed { conn, items: bound.items.len(), subscribed });
            }
            Method::Unsubscribe => self.list(&bound.items, |desk, item| desk.unsubscribe(peer, item)),
            Method::UnsubscribeAll => {
                self.hub.registry.leave_all(self.key);
                self.result.extend_from_slice(b"true");
            }
            Method::AvailableSubscriptions => {
                self.result.extend_from_slice(self.catalogue.available_subscriptions_json().as_bytes());
            }
            Method::GetActiveSubscriptions => self.active(),
            Method::Catalogue => self.describe(peer),
        }
        if let Some(id) = id {
            let result = &*self.result;
            self.hub.send_text(self.key, |out| {
                json::encode_completion_start(id, out);
                out.extend_from_slice(result);
                out.extend_from_slice(json::COMPLETION_END);
            });
        }
        self.result.clear();
        // Behind the completion, and before anything that is published later.
        for topic in snapshots {
            let lower = &self.catalogue.event(topic.event).lower;
            if self.hub.send_last_value(self.key, &topic, lower, self.now) {
                self.metrics.snapshots += 1;
                if !self.hub.relieve(self.key, self.now, self.wire) {
                    break;
                }
            }
        }
    }

    /// Answers an error, where an answer was asked for.
    fn fail(&mut self, id: Option<&str>, error: &str) {
        if let Some(id) = id {
            self.hub.send_text(self.key, |out| json::encode_completion_error(id, error, out));
        }
    }

    fn list(&mut self, items: &[Item<'_>], mut verdict: impl FnMut(&mut Self, &Item<'_>) -> Verdict) {
        self.result.push(b'[');
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.result.push(b',');
            }
            match verdict(self, item) {
                Verdict::Done { subscribed, topic } => self.write_topic(subscribed, topic),
                Verdict::Refused(message) => {
                    self.metrics.refuse(Refusal::Item);
                    let (entity, event) = (echo(item.entity_id), echo(item.event_name));
                    json::encode_verdict(false, Some(message), entity.as_deref(), event.as_deref(), self.result);
                }
            }
        }
        self.result.push(b']');
    }

    fn active(&mut self) {
        self.result.push(b'[');
        let topics: SmallVec<[Topic; 16]> = self.hub.registry.topics_of(self.key).collect();
        for (n, topic) in topics.into_iter().enumerate() {
            if n > 0 {
                self.result.push(b',');
            }
            self.write_topic(true, topic);
        }
        self.result.push(b']');
    }

    /// One object per event, in the order of AvailableSubscriptions: what it is, and whether this principal may have it.
    fn describe(&mut self, peer: &Peer) {
        self.result.push(b'[');
        for (id, event) in self.catalogue.events() {
            let family = self.catalogue.family(id);
            let standing = self.verifier.standing(&peer.principal, &family.name, event);
            let reason = match &standing {
                Standing::Every => format!("granted for every {}", family.entity),
                Standing::Only(_) => format!("granted for each {} in entities", family.entity),
                Standing::Unnamed => "for back ends: a grant must name it, or the token needs scope backend".to_owned(),
                Standing::Ungranted => "no grant covers it".to_owned(),
            };
            let entities = match &standing {
                Standing::Only(entities) => Some(entities),
                Standing::Every | Standing::Unnamed | Standing::Ungranted => None,
            };
            let entity_property = match event.entity {
                EntityRule::Property(index) | EntityRule::PropertyOrPublisher(index) => event.properties.get(index),
                EntityRule::Publisher => None,
            };
            let described = serde_json::json!({
                "eventName": event.name,
                "family": family.name,
                "kind": match event.kind { Kind::State => "state", Kind::Occurrence => "occurrence" },
                "entityProperty": entity_property.map(|property| &property.wire),
                "schema": format!("/schemas/v1/{}.json", event.name),
                "allowed": matches!(standing, Standing::Every | Standing::Only(_)),
                "reason": reason,
                "entities": entities,
            });
            if self.result.len() > 1 {
                self.result.push(b',');
            }
            self.result.extend_from_slice(described.to_string().as_bytes());
        }
        self.result.push(b']');
    }

    fn write_topic(&mut self, subscribed: bool, topic: Topic) {
        let mut entity = [0u8; uuid::fmt::Hyphenated::LENGTH];
        let entity: &str = topic.entity.hyphenated().encode_lower(&mut entity);
        let event = &self.catalogue.event(topic.event).lower;
        json::encode_verdict(subscribed, None, Some(entity), Some(event), self.result);
    }

    /// The checks, in their order: form, event, entity, permission, limit.
    fn subscribe(&mut self, peer: &Peer, item: &Item<'_>) -> Verdict {
        let topic = match self.topic(peer, item) {
            Ok(topic) => topic,
            Err(message) => return Verdict::Refused(message),
        };
        let event = self.catalogue.event(topic.event);
        let family = self.catalogue.family_of(topic.event);
        if !self.verifier.may(&peer.principal, Action::Subscribe, family, event, topic.entity) {
            return Verdict::Refused("Unauthorized");
        }
        match self.hub.registry.join(self.key, topic, self.limits.subscriptions_max) {
            Joined::Fresh | Joined::Already => Verdict::Done { subscribed: true, topic },
            Joined::Full => Verdict::Refused("Too many subscriptions"),
        }
    }

    /// Leaving needs no permission: who was never let in is not in.
    fn unsubscribe(&mut self, peer: &Peer, item: &Item<'_>) -> Verdict {
        match self.topic(peer, item) {
            Ok(topic) => {
                self.hub.registry.leave(self.key, topic);
                Verdict::Done { subscribed: false, topic }
            }
            Err(message) => Verdict::Refused(message),
        }
    }

    fn topic(&self, peer: &Peer, item: &Item<'_>) -> Result<Topic, &'static str> {
        let (Given::Text(entity), Given::Text(event)) = (item.entity_id, item.event_name) else {
            return Err("Invalid item");
        };
        let event = self.catalogue.find(event).ok_or("Unknown EventName")?;
        let entity = guid::parse(entity).ok_or("Invalid EntityId")?;
        let organization = match self.verifier.tenancy() {
            Tenancy::Multi => peer.principal.organization.unwrap_or(Uuid::nil()),
            Tenancy::Single => Uuid::nil(),
        };
        Ok(Topic { organization, event, entity })
    }
}

enum Verdict {
    Done { subscribed: bool, topic: Topic },
    Refused(&'static str),
}

/// What a refused item is answered with: what was given, in ASCII lower case, cut at a character's border.
fn echo(given: Given<'_>) -> Option<String> {
    match given {
        Given::Missing => None,
        Given::Text(text) => {
            let mut end = text.len().min(ECHO_BYTES_MAX);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.get(..end).map(str::to_ascii_lowercase)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_without_case_and_by_no_other_name() {
        assert_eq!(Method::find("subscribe"), Some(Method::Subscribe));
        assert_eq!(Method::find("UNSUBSCRIBEALL"), Some(Method::UnsubscribeAll));
        assert_eq!(Method::find("Subscribe "), None);
    }

    #[test]
    fn an_echo_is_lower_case_and_cut_at_a_characters_border() {
        assert_eq!(echo(Given::Text("AbC")), Some("abc".into()));
        assert_eq!(echo(Given::Missing), None);
        let long = format!("{}ä{}", "x".repeat(ECHO_BYTES_MAX - 1), "y".repeat(50));
        assert_eq!(echo(Given::Text(&long)), Some("x".repeat(ECHO_BYTES_MAX - 1)));
    }
}
