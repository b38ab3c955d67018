//! A back end: calls, callbacks and states, each item with an id; what was not answered when the
//! hub was killed it sends again.

use super::fold::Facts;
use crate::sim::cast::{LISTS, ORGANIZATIONS, QUEUES, TOKENS, USERS};
use crate::sim::client::{Ear, Heard};
use crate::sim::rng::Rng;
use crate::sim::setting::CATALOGUE;
use crate::sim::world::World;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Whose calls and callbacks these are.
pub const AGENTS: [Uuid; 2] = [USERS[0], USERS[2]];
pub const QUEUE: Uuid = QUEUES[0];
pub const LIST: Uuid = LISTS[0];

/// The example of the catalogue, with these members for its own.
fn data(event: &str, members: &[(&str, Value)]) -> Value {
    let event = CATALOGUE.event(CATALOGUE.find(event).expect("an event"));
    let mut data: Value = serde_json::from_str(&event.examples[0].delivered).expect("JSON");
    for (name, value) in members.iter().chain([&("organizationId", ORGANIZATIONS[0].to_string().into())]) {
        assert!(data.get(name).is_some(), "{} has no {name}", event.name);
        data[*name] = value.clone();
    }
    data
}

#[derive(Debug)]
pub struct Publisher {
    number: usize,
    wire: Option<(usize, Ear)>,
    serial: usize,
    /// The request that is not answered, with the tags of its items.
    open: Option<(Vec<u8>, Vec<String>)>,
    is_sent: bool,
    /// So often each item was sent.
    pub sent: BTreeMap<String, usize>,
    pub answered: BTreeSet<String>,
    /// Those that end their key.
    pub lasts: BTreeSet<String>,
}

impl Publisher {
    pub fn new(number: usize) -> Publisher {
        Publisher {
            number,
            wire: None,
            serial: 0,
            open: None,
            is_sent: false,
            sent: BTreeMap::new(),
            answered: BTreeSet::new(),
            lasts: BTreeSet::new(),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.open.is_none()
    }

    /// Its connection is over.
    pub fn leave(&mut self) {
        (self.wire, self.is_sent) = (None, false);
    }

    /// Sends its next request, or the one again that was not answered.
    pub fn speak(&mut self, world: &World, facts: &Facts, rng: &mut Rng) {
        if self.open.is_none() {
            self.open = Some(self.request(facts, rng));
        }
        self.send(world);
    }

    /// Sends what was not answered, if it has not.
    pub fn send(&mut self, world: &World) {
        let Some((bytes, tags)) = self.open.as_ref().filter(|_| !self.is_sent) else { return };
        let (id, _) = self.wire.get_or_insert_with(|| (world.net().connect(usize::MAX), Ear::default()));
        world.net().send(*id, bytes);
        self.is_sent = true;
        for tag in tags {
            *self.sent.entry(tag.clone()).or_default() += 1;
        }
    }

    /// Reads so much of what has come.
    pub fn read(&mut self, world: &World, most: usize) {
        let Some((id, ear)) = &mut self.wire else { return };
        let bytes: Vec<u8> = {
            let mut pipe = world.pipe(*id);
            let count = pipe.from_hub.len().min(most);
            pipe.from_hub.drain(..count).collect()
        };
        ear.hear(&bytes);
        while let Some(heard) = ear.next().expect("a reply") {
            let Heard::Reply(reply) = heard else { panic!("{heard:?}") };
            if reply.status == 408 {
                // It has taken too long to say anything.
                break;
            }
            assert_eq!(reply.status, 202, "{}", reply.text());
            let (_, tags) = self.open.take().expect("a request");
            self.answered.extend(tags);
            self.is_sent = false;
        }
        if world.pipe(*id).ending.is_some() {
            self.leave();
        }
    }

    fn request(&mut self, facts: &Facts, rng: &mut Rng) -> (Vec<u8>, Vec<String>) {
        let (mut items, mut tags) = (Vec::new(), Vec::new());
        for _ in 0..1 + rng.below(3) {
            self.serial += 1;
            let tag = format!("{}.{}", self.number, self.serial);
            items.push(self.item(facts, &tag, rng).to_string());
            tags.push(tag);
        }
        let (token, body) = (&TOKENS.publishers[0], format!("[{}]", items.join(",")));
        let head = format!(
            "POST /publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        ([head.as_bytes(), body.as_bytes()].concat(), tags)
    }

    fn item(&mut self, facts: &Facts, tag: &str, rng: &mut Rng) -> Value {
        let word = Value::from(format!("#{tag}#"));
        let (event, data, is_last) = match rng.below(10) {
            0 => {
                let user = rng.pick(&AGENTS).to_string().into();
                ("UserAvailability", data("UserAvailability", &[("userId", user), ("note", word)]), false)
            }
            1 => (
                "QueueStatus",
                data("QueueStatus", &[("queueId", QUEUE.to_string().into()), ("queueName", word)]),
                false,
            ),
            2..=3 => {
                let assigned = rng.pick(&[Some(AGENTS[0]), Some(AGENTS[1]), None]);
                let members = [
                    ("callListId", LIST.to_string().into()),
                    ("callBackId", Uuid::from_u128(0xCB00 + rng.below(2) as u128).to_string().into()),
                    ("assignedUserId", assigned.map_or(Value::Null, |user| user.to_string().into())),
                    ("contactMessage", word),
                ];
                ("CallbackChanged", data("CallbackChanged", &members), rng.one_in(4))
            }
            _ => {
                let of_calls: Vec<&super::fold::Fact> = facts.values().filter(|fact| fact.call().is_some()).collect();
                let fact = of_calls[rng.below(of_calls.len())];
                let entity = if fact.family == "Queue" { QUEUE } else { rng.pick(&AGENTS) };
                let call = fact.call().expect("one of a call");
                let members = [
                    (fact.entity.as_str(), entity.to_string().into()),
                    (call.id.as_str(), Uuid::from_u128(0xCA00 + rng.below(2) as u128).to_string().into()),
                    (call.leg.as_str(), rng.pick(&["81f6b2c47d0e9a35", "c7285e1f60ab93d4"]).into()),
                    ("callerNumber", word),
                ];
                (fact.name, data(fact.name, &members), false)
            }
        };
        let mut item = json!({ "id": tag, "eventName": event, "data": data });
        if is_last {
            item["last"] = true.into();
            self.lasts.insert(tag.to_owned());
        }
        item
    }
}
