//! What is legal: for each client the exact sequence that it must hear, with the one liberty that a state may take the place of
//! an older one of its topic. Knows nothing of bytes, time or sockets.

use super::answers::{Name, find, refusal, same, verdict};
use super::cast::{Kind, Rights};
use super::client::{Ask, Call, Heard, Received, Record, Subscription};
use super::world::CATALOGUE;
use rte::hub::publication::Publication;
use rte::hub::topic::Topic;
use rte::hub::{ConnKey, Hub};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use uuid::Uuid;

/// Shard and key.
pub type Place = (usize, ConnKey);

/// The next thing that a client must hear.
#[derive(Debug)]
enum Due {
    Accepted,
    Pong(Vec<u8>),
    Result(String, Value),
    /// An error completion, whatever it says.
    Error(String),
    Event(Name, Publication),
}

#[derive(Debug)]
struct Member {
    rights: Rights,
    topics: BTreeSet<Name>,
    due: VecDeque<Due>,
    /// The hub has begun to end the connection: nothing more is owed.
    is_ended: bool,
    has_heard_close: bool,
}

#[derive(Debug, Default)]
pub struct Model {
    members: BTreeMap<Place, Member>,
    subscriptions_max: usize,
    /// The last value of each state topic, by shard.
    last: BTreeMap<(usize, Uuid, Name), Publication>,
    /// Publications times members.
    pub matched: u64,
    /// Connections that end in the turn that is being looked at: whether they were still members of what a request resumed
    /// in it publishes, only the hub knows.
    pub fading: BTreeSet<Place>,
    /// Publications times those.
    pub perhaps_matched: u64,
    /// Events that a newer one has been heard in place of.
    pub conflated: u64,
    /// What refused items have said.
    pub refusals: BTreeSet<&'static str>,
}

impl Model {
    pub fn new(subscriptions_max: usize) -> Model {
        Model { subscriptions_max, ..Model::default() }
    }

    /// A client's handshake has been read.
    pub fn join(&mut self, place: Place, rights: Rights) {
        let due = VecDeque::from([Due::Accepted]);
        let member = Member { rights, topics: BTreeSet::new(), due, is_ended: false, has_heard_close: false };
        assert!(self.members.insert(place, member).is_none(), "a connection has one handshake");
    }

    pub fn ping(&mut self, place: Place, payload: Vec<u8>) {
        let Some(member) = self.members.get_mut(&place) else { return };
        member.due.push_back(Due::Pong(payload));
    }

    /// An invocation has been read.
    pub fn invoke(&mut self, place: Place, id: Option<String>, call: Call) {
        let subscriptions_max = self.subscriptions_max;
        let Some(member) = self.members.get_mut(&place) else { return };
        let mut snapshots = Vec::new();
        let mut refuse = |message| {
            self.refusals.insert(message);
            message
        };
        let result = match call {
            Call::Subscribe(asks) => {
                let verdicts: Vec<Value> =
                    asks.iter().map(|ask| member.subscribe(ask, subscriptions_max, &mut refuse)).collect();
                let taken = asks.iter().zip(&verdicts).filter(|(ask, it)| ask.snapshot && it["subscribed"] == true);
                snapshots.extend(taken.filter_map(|(ask, _)| find(ask).ok()).map(|(kind, entity)| (kind.name, entity)));
                Value::Array(verdicts)
            }
            Call::Unsubscribe(asks) => asks.iter().map(|ask| member.unsubscribe(ask, &mut refuse)).collect(),
            Call::UnsubscribeAll => {
                member.topics.clear();
                Value::Bool(true)
            }
            Call::Available => CATALOGUE.available_subscriptions().collect(),
            Call::Active => member.topics.iter().map(|name| verdict(true, name)).collect(),
            Call::Unknown => {
                member.due.extend(id.map(Due::Error));
                return;
            }
        };
        member.due.extend(id.map(|id| Due::Result(id, result)));
        for name in snapshots {
            let last = self.last.get(&(place.0, member.rights.organization, name));
            member.due.extend(last.map(|last| Due::Event(name, last.clone())));
        }
    }

    /// A shard has delivered a publication.
    pub fn deliver(&mut self, shard: usize, publication: &Publication) {
        let topic = publication.topic;
        let Some(kind) = Kind::find(&CATALOGUE.event(topic.event).name) else { return };
        let name = (kind.name, topic.entity);
        if kind.is_state {
            self.last.insert((shard, topic.organization, name), publication.clone());
        }
        for (place, member) in self.members.iter_mut().filter(|((at, _), _)| *at == shard) {
            if member.rights.organization == topic.organization && member.topics.contains(&name) {
                assert!(member.rights.cover(kind, topic.entity), "a member without the right");
                *(if self.fading.contains(place) { &mut self.perhaps_matched } else { &mut self.matched }) += 1;
                member.due.push_back(Due::Event(name, publication.clone()));
            }
        }
    }

    /// Compares a member with the hub's own registry.
    pub fn compare(&mut self, place: Place, hub: &Hub, is_ended: bool) -> Result<(), String> {
        let Some(member) = self.members.get_mut(&place) else { return Ok(()) };
        let organization = member.rights.organization;
        let topics: BTreeSet<Name> = hub
            .registry
            .topics_of(place.1)
            .map(|topic| (Kind::find(&CATALOGUE.event(topic.event).name).unwrap().name, topic.entity))
            .collect();
        if is_ended || hub.is_sealed(place.1) {
            // Which of its last words were still looked at is the hub's own affair.
            member.is_ended = true;
            member.topics.clone_from(&topics);
        }
        if topics != member.topics || is_ended && !topics.is_empty() {
            return Err(format!("{place:?}: the hub has {topics:?}, the model {:?}", member.topics));
        }
        let is_own = |topic: &Topic| topic.organization == organization;
        let both_ways = |topic: &Topic| {
            hub.registry.members(topic).is_some_and(|(_, members)| members.iter().any(|member| member.conn == place.1))
        };
        if !hub.registry.topics_of(place.1).all(|topic| is_own(&topic) && both_ways(&topic)) {
            return Err(format!("{place:?}: another tenant's topic, or one that doesn't know its member"));
        }
        Ok(())
    }

    /// Subscriptions of a shard.
    pub fn subscriptions(&self, shard: usize) -> usize {
        self.members.iter().filter(|((at, _), _)| *at == shard).map(|(_, member)| member.topics.len()).sum()
    }

    /// A client has heard something of SignalR.
    pub fn hear(&mut self, place: Place, heard: &Heard) -> Result<(), String> {
        let member = self.members.get_mut(&place).ok_or("a word before the handshake was read")?;
        match heard {
            Heard::Pong(payload) => match member.due.pop_front() {
                Some(Due::Pong(due)) if due == *payload => Ok(()),
                due => Err(format!("a pong {payload:?} instead of {due:?}")),
            },
            Heard::Close(_) => {
                member.has_heard_close = true;
                if member.is_ended { Ok(()) } else { Err("a close out of nothing".into()) }
            }
            Heard::Record(record) => self.hear_record(place, record),
            Heard::Reply(_) => Err("a reply behind the upgrade".into()),
        }
    }

    fn hear_record(&mut self, place: Place, text: &str) -> Result<(), String> {
        let member = self.members.get_mut(&place).ok_or("nobody")?;
        if member.has_heard_close {
            return Err(format!("a record behind the close: {text}"));
        }
        if text == "{}" {
            return match member.due.pop_front() {
                Some(Due::Accepted) => Ok(()),
                due => Err(format!("a handshake response instead of {due:?}")),
            };
        }
        let record: Record<'_> = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
        match (record.kind, record.arguments.as_slice()) {
            (6, []) => Ok(()),
            (7, []) => {
                member.has_heard_close = true;
                if member.is_ended { Ok(()) } else { Err("a Close out of nothing".into()) }
            }
            (3, []) => {
                let due = member.due.pop_front();
                let (id, result) = (record.id.as_ref(), record.result.as_ref());
                let is_due = match &due {
                    Some(Due::Result(due, value)) => id == Some(due) && result.is_some_and(|r| same(r, value)),
                    Some(Due::Error(due)) => id == Some(due) && record.error.is_some(),
                    Some(Due::Accepted | Due::Pong(_) | Due::Event(..)) | None => false,
                };
                if is_due { Ok(()) } else { Err(format!("{text} instead of {due:?}")) }
            }
            (1, [Received { subscription, data }]) => {
                let conflated = member.hear_event(subscription, data.get())?;
                self.conflated += conflated;
                Ok(())
            }
            _ => Err(format!("a record that the hub has no use for: {text}")),
        }
    }

    /// What a member is still owed, once everything in flight has been heard.
    pub fn check_settled(&self) -> Result<(), String> {
        match self.members.iter().find(|(_, member)| !member.is_ended && !member.due.is_empty()) {
            Some((place, member)) => Err(format!("{place:?} never got {:?}", member.due)),
            None => Ok(()),
        }
    }

    pub fn knows(&self, place: Place) -> bool {
        self.members.contains_key(&place)
    }

    /// Whether a member that heard the hub's Close had heard all that was due before.
    pub fn heard_all(&self, place: Place) -> bool {
        self.members.get(&place).is_none_or(|member| member.due.is_empty() || !member.has_heard_close)
    }
}

impl Member {
    fn subscribe(&mut self, ask: &Ask, max: usize, refuse: &mut impl FnMut(&'static str) -> &'static str) -> Value {
        let (kind, entity) = match find(ask) {
            Ok(found) => found,
            Err(message) => return refusal(refuse(message), ask),
        };
        let name = (kind.name, entity);
        if !self.rights.cover(kind, entity) {
            refusal(refuse("Unauthorized"), ask)
        } else if !self.topics.contains(&name) && self.topics.len() >= max {
            refusal(refuse("Too many subscriptions"), ask)
        } else {
            self.topics.insert(name);
            verdict(true, &name)
        }
    }

    fn unsubscribe(&mut self, ask: &Ask, refuse: &mut impl FnMut(&'static str) -> &'static str) -> Value {
        match find(ask) {
            Ok((kind, entity)) => {
                self.topics.remove(&(kind.name, entity));
                verdict(false, &(kind.name, entity))
            }
            Err(message) => refusal(refuse(message), ask),
        }
    }

    /// The event that is due, or a newer one of its topic in its place, with no answer between them. How many it replaces.
    fn hear_event(&mut self, subscription: &Subscription, data: &str) -> Result<u64, String> {
        let Some(Due::Event(name, _)) = self.due.front() else {
            return Err(format!("{data} of {} instead of {:?}", subscription.event_name, self.due.front()));
        };
        let name = *name;
        let (event, entity) = (name.0.to_ascii_lowercase(), name.1.to_string());
        if (&subscription.event_name, &subscription.entity_id) != (&event, &entity) {
            return Err(format!("{} of {} instead of {name:?}", subscription.event_name, subscription.entity_id));
        }
        let is_state = Kind::find(name.0).is_some_and(|kind| kind.is_state);
        let since_answer = self.due.iter().take_while(|due| matches!(due, Due::Event(..)));
        let of_topic = since_answer.enumerate().filter_map(|(at, due)| match due {
            Due::Event(of, publication) if *of == name => Some((at, publication)),
            Due::Event(..) | Due::Accepted | Due::Pong(_) | Due::Result(..) | Due::Error(_) => None,
        });
        let mut passed = Vec::new();
        for (at, publication) in of_topic {
            passed.push(at);
            if *publication.data == *data.as_bytes() {
                for at in passed.iter().rev() {
                    self.due.remove(*at);
                }
                return Ok(passed.len() as u64 - 1);
            }
            if !is_state {
                break;
            }
        }
        Err(format!("{data} instead of {:?}", self.due.front()))
    }
}
