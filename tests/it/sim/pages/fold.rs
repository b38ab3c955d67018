//! What a page makes of the messages that it hears, as `/reference` and the manual for clients tell
//! it; shares no code with the hub.

use crate::sim::client::Reply;
use crate::sim::setting::CATALOGUE;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the index of the schemas says of an event.
#[derive(Debug)]
pub struct Fact {
    /// As it is published.
    pub name: &'static str,
    pub family: String,
    /// The property that names the entity.
    pub entity: String,
    is_state: bool,
    key: Option<String>,
    call: Option<CallFact>,
}

#[derive(Debug)]
pub struct CallFact {
    pub id: String,
    pub leg: String,
    phase: String,
}

impl Fact {
    pub fn is_value(&self) -> bool {
        self.is_state && self.key.is_none()
    }

    /// The call and the leg are named by these properties.
    pub fn call(&self) -> Option<&CallFact> {
        self.call.as_ref()
    }
}

/// Of each event, by its name in lower case.
pub type Facts = BTreeMap<String, Fact>;

/// Reads `/schemas/v1/index.json`.
pub fn read_index(reply: &Reply) -> Facts {
    let index: Value = serde_json::from_str(reply.text()).expect("an index");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let call = |value: &Value| {
        Some(CallFact { id: text(&value["id"])?, leg: text(&value["leg"])?, phase: text(&value["phase"])? })
    };
    let fact = |event: &Value| {
        let lower = text(&event["lower"])?;
        let fact = Fact {
            name: CATALOGUE.event(CATALOGUE.find(&lower)?).name.as_str(),
            family: text(&event["family"])?,
            entity: text(&event["entity"])?,
            is_state: event["kind"] == "state",
            key: text(&event["key"]),
            call: call(&event["call"]),
        };
        Some((lower, fact))
    };
    index["events"].as_array().expect("events").iter().filter_map(fact).collect()
}

/// How long what a page shows holds.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    pub keep_ms: u64,
    pub open_call_ms: u64,
    pub linger_ms: u64,
}

impl Lives {
    pub fn longest_ms(self) -> u64 {
        self.keep_ms.max(self.open_call_ms).max(self.linger_ms)
    }
}

/// A message, as far as a page looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// In lower case.
    pub event: String,
    pub entity: String,
    /// When the hub took it.
    pub at_ms: u64,
    pub is_last: bool,
    pub data: String,
    /// The call and the leg, or the key.
    names: [String; 2],
}

impl Message {
    pub fn new(facts: &Facts, event: &str, entity: &str, at_ms: u64, is_last: bool, data: &str) -> Message {
        let fact = &facts[event];
        let value: Value = serde_json::from_str(data).expect("JSON");
        let named = |property: &str| value[property].as_str().expect("a name").to_owned();
        let names = match (&fact.call, &fact.key) {
            (Some(call), _) => [named(&call.id), named(&call.leg)],
            (None, Some(key)) => [named(key), String::new()],
            (None, None) => <_>::default(),
        };
        let (event, entity, data) = (event.to_owned(), entity.to_owned(), data.to_owned());
        Message { event, entity, at_ms, is_last, data, names }
    }
}

/// Entity, call and leg.
type Leg = [String; 3];

/// What a page has made of its messages.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// By event and entity.
    values: BTreeMap<[String; 2], Message>,
    /// By event, entity and key.
    keys: BTreeMap<[String; 3], Message>,
    /// The newest message of each event of a leg, in their order.
    open: BTreeMap<Leg, Vec<Message>>,
    /// When a leg ended, or without one the call.
    over: BTreeMap<Leg, u64>,
    /// Messages that came late.
    pub late: u64,
    /// Legs of which nothing was heard for too long.
    pub aged: u64,
}

impl Picture {
    /// A message, which is one of the rows of a snapshot or comes behind them. Rows are not all
    /// that there was of a leg: only the last of them says how old that is.
    pub fn fold(&mut self, facts: &Facts, lives: Lives, message: &Message, is_row: bool) {
        let Message { event, entity, names: [name, leg], .. } = message;
        let fact = &facts[event];
        let Some(call) = &fact.call else {
            if fact.is_value() {
                self.values.insert([event.clone(), entity.clone()], message.clone());
                return;
            }
            let place = [event.clone(), entity.clone(), name.clone()];
            if message.is_last {
                self.keys.remove(&place);
            } else {
                self.keys.insert(place, message.clone());
            }
            return;
        };
        let (place, whole) = ([entity, name, leg].map(Clone::clone), [entity.clone(), name.clone(), String::new()]);
        match call.phase.as_str() {
            "begin" | "progress" => {
                let ends = [&place, &whole].map(|place| self.over.get(place).copied());
                if ends.into_iter().flatten().any(|end| message.at_ms < end + lives.linger_ms) {
                    self.late += 1;
                    return;
                }
                let story = self.open.entry(place).or_default();
                if !is_row && story.last().is_some_and(|last| last.at_ms + lives.open_call_ms <= message.at_ms) {
                    self.aged += 1;
                    story.clear();
                }
                story.retain(|other| other.event != *event);
                story.push(message.clone());
            }
            "end" => {
                self.open.remove(&place);
                self.over.insert(place, message.at_ms);
            }
            "end-call" => {
                self.open.retain(|[of, call, _], _| (of, call) != (entity, name));
                self.over.insert(whole, message.at_ms);
            }
            phase => panic!("a phase that the reference has not: {phase}"),
        }
    }

    /// What it shows of these events and entities at that moment: what it is about, and what it
    /// says.
    pub fn shows(&self, lives: Lives, now_ms: u64, covers: impl Fn(&Message) -> bool) -> BTreeMap<String, Shown> {
        let covered = |message: &&Message| covers(message);
        let values =
            self.values.values().filter(covered).map(|it| (format!("{} of {}", it.event, it.entity), vec![it]));
        let holds = |it: &&Message| it.at_ms + lives.keep_ms > now_ms;
        let keys = self.keys.values().filter(covered).filter(holds);
        let keys = keys.map(|it| (format!("{} {} of {}", it.event, it.names[0], it.entity), vec![it]));
        let is_open = |story: &&Vec<Message>| {
            let newest = story.last().filter(|last| covers(last));
            newest.is_some_and(|last| last.at_ms + lives.open_call_ms > now_ms)
        };
        let legs = self.open.values().filter(is_open).map(|story| {
            let first = &story[0];
            (format!("leg {:?} of {}", first.names, first.entity), story.iter().collect())
        });
        let said = |messages: Vec<&Message>| messages.into_iter().map(|it| (it.at_ms, it.data.clone())).collect();
        values.chain(keys).chain(legs).map(|(of, messages)| (of, said(messages))).collect()
    }
}

/// The messages of something that is shown, and when the hub took them.
pub type Shown = Vec<(u64, String)>;
