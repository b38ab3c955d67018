//! A page: what it subscribes to, its connection while it has one, and what it has made of its
//! messages, group by group.

use super::fold::{Facts, Lives, Message, Picture};
use crate::sim::cast::TOKENS;
use crate::sim::client::{self, Ear, Heard, Received, Record};
use crate::sim::rng::Rng;
use crate::sim::world::World;
use rte::hub::position::WirePosition;
use serde_json::Value;
use std::collections::BTreeMap;

/// How far a group is with the hub of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not been asked for.
    Unasked,
    /// It has been, and nothing counts before the result of that invocation.
    Asked(u64),
    /// So many rows of the snapshot are to come.
    Rows(usize),
    Live,
}

/// Events that are subscribed to by one Subscribe, since they make one picture.
#[derive(Debug)]
pub struct Group {
    /// In lower case.
    pub events: Vec<String>,
    /// What an item names.
    pub named: String,
    /// Of whom it hears.
    pub entities: Vec<String>,
    pub picture: Picture,
    /// The newest position: the least of the verdicts, or that of a message behind it; once the
    /// snapshot is there, the greatest.
    cursor: Option<String>,
    /// Where the snapshot stands: the greatest position of the verdicts.
    stands: String,
    stage: Stage,
    /// The hub has said that there may be more rows.
    pub is_unsure: bool,
    /// When it was built of a snapshot.
    pub built_ms: u64,
}

impl Group {
    pub fn new(events: &[&str], named: &str, entities: &[String]) -> Group {
        Group {
            events: events.iter().map(|event| event.to_ascii_lowercase()).collect(),
            named: named.to_owned(),
            entities: entities.to_vec(),
            picture: Picture::default(),
            cursor: None,
            stands: String::new(),
            stage: Stage::Unasked,
            is_unsure: false,
            built_ms: 0,
        }
    }

    pub fn covers(&self, message: &Message) -> bool {
        self.events.contains(&message.event) && self.entities.contains(&message.entity)
    }

    /// Of a state without a key.
    pub fn is_of_values(&self, facts: &Facts) -> bool {
        facts[&self.events[0]].is_value()
    }

    /// All that it has is of no use.
    fn forget(&mut self) {
        (self.cursor, self.picture, self.stage) = (None, Picture::default(), Stage::Unasked);
    }

    fn items(&self, with_since: bool) -> String {
        let since = self.cursor.as_ref().map_or("null".to_owned(), |cursor| format!("\"{cursor}\""));
        let more = if with_since { format!(",\"Since\":{since},\"Snapshot\":true") } else { String::new() };
        let item = |event| format!("{{\"EntityId\":\"{}\",\"EventName\":\"{event}\"{more}}}", self.named);
        format!("[[{}]]", self.events.iter().map(item).collect::<Vec<_>>().join(","))
    }

    /// The result of its Subscribe, and what that says of what it has.
    fn judged(&mut self, verdicts: &[Value], now_ms: u64, tally: &mut Tally) {
        assert_eq!(verdicts.len(), self.events.len());
        let is_all = |name: &str, value: bool| verdicts.iter().all(|verdict| verdict[name] == value);
        assert!(is_all("subscribed", true), "{verdicts:?}");
        let count = |name: &str| {
            let counts = verdicts.iter().map(|verdict| verdict[name].as_u64().unwrap_or_default());
            usize::try_from(counts.sum::<u64>()).unwrap()
        };
        if self.cursor.is_none() {
            self.picture = Picture::default();
            self.is_unsure = verdicts.iter().any(|verdict| verdict["partial"] == true);
            self.built_ms = now_ms;
            self.stage = Stage::Rows(count("snapshot"));
            tally.rows += count("snapshot") as u64;
        } else if is_all("recovered", true) {
            self.stage = Stage::Live;
            tally.resumed += 1;
            tally.replayed += count("replayed") as u64;
            return;
        } else {
            // Behind a gap of one item the others are of no use: the end of a leg may be in it.
            self.forget();
            tally.gaps += 1;
            return;
        }
        let positions = verdicts.iter().map(|verdict| verdict["position"].as_str().expect("it has said since when"));
        self.cursor = positions.clone().min().map(str::to_owned);
        self.stands = positions.max().map(str::to_owned).unwrap_or_default();
        if self.stage == Stage::Rows(0) {
            self.go_live();
        }
    }

    /// The snapshot is there. What came late behind its newest row, of a leg whose end it does not
    /// tell any more, is not to come again.
    fn go_live(&mut self) {
        self.stage = Stage::Live;
        self.cursor = self.cursor.take().max(Some(std::mem::take(&mut self.stands)));
    }

    fn hear(&mut self, facts: &Facts, lives: Lives, message: &Message, position: &str, tally: &mut Tally) {
        if matches!(self.stage, Stage::Unasked | Stage::Asked(_)) {
            return;
        }
        let before = self.cursor.replace(position.to_owned());
        assert!(before.is_none_or(|before| *before < *position), "twice, or out of order: {message:?}");
        let is_row = self.stage != Stage::Live;
        match self.stage {
            Stage::Rows(1) => self.go_live(),
            Stage::Rows(left) => self.stage = Stage::Rows(left - 1),
            Stage::Unasked | Stage::Asked(_) | Stage::Live => {}
        }
        let before = (self.picture.late, self.picture.aged);
        self.picture.fold(facts, lives, message, is_row);
        tally.late += self.picture.late - before.0;
        tally.aged += self.picture.aged - before.1;
        tally.farewells += u64::from(message.is_last);
    }
}

/// What pages have come to.
#[derive(Debug, Default)]
pub struct Tally {
    pub rows: u64,
    pub replayed: u64,
    pub resumed: u64,
    pub gaps: u64,
    pub late: u64,
    pub aged: u64,
    pub farewells: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        let Tally { rows, replayed, resumed, gaps, late, aged, farewells } = other;
        self.rows += rows;
        self.replayed += replayed;
        self.resumed += resumed;
        self.gaps += gaps;
        self.late += late;
        self.aged += aged;
        self.farewells += farewells;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Upgrade,
    Handshake,
    Subscribes,
}

/// The connection of a page.
#[derive(Debug)]
struct Wire {
    id: usize,
    ear: Ear,
    /// What it says next.
    next: Option<Word>,
}

#[derive(Debug)]
pub struct Page {
    pub groups: Vec<Group>,
    /// Which of the tokens it has.
    token: usize,
    wire: Option<Wire>,
    asked: u64,
}

impl Page {
    pub fn new(token: usize, groups: Vec<Group>) -> Page {
        Page { groups, token, wire: None, asked: 0 }
    }

    pub fn pipe(&self) -> Option<usize> {
        self.wire.as_ref().map(|wire| wire.id)
    }

    /// Whether all that it wants is subscribed, and what held has come.
    pub fn is_live(&self) -> bool {
        self.wire.is_some() && self.groups.iter().all(|group| group.stage == Stage::Live)
    }

    /// It is opened: it has a connection, of this capacity.
    pub fn dial(&mut self, world: &World, capacity: usize) {
        let id = world.net().connect(capacity);
        self.wire = Some(Wire { id, ear: Ear::default(), next: Some(Word::Upgrade) });
    }

    /// Its connection is over. A group of which the snapshot has not come whole is begun anew.
    pub fn leave(&mut self) {
        self.wire = None;
        for group in &mut self.groups {
            match group.stage {
                Stage::Rows(_) => group.forget(),
                Stage::Unasked | Stage::Asked(_) | Stage::Live => group.stage = Stage::Unasked,
            }
        }
    }

    /// It is closed: another one is opened instead, and knows nothing.
    pub fn die(&mut self) {
        self.leave();
        self.groups.iter_mut().for_each(Group::forget);
    }

    /// It says what is to be said next: a word of the connection, or a portion of its groups.
    pub fn speak(&mut self, world: &World, rng: &mut Rng) {
        let Some(Wire { id, next: Some(word), .. }) = &self.wire else { return };
        let (id, word) = (*id, *word);
        let bytes = match word {
            Word::Upgrade => {
                client::upgrade("", &format!("Authorization: Bearer {}\r\n", TOKENS.clients[self.token])).into_bytes()
            }
            Word::Handshake => frame(client::HANDSHAKE),
            Word::Subscribes => {
                let mut records = Vec::new();
                for _ in 0..1 + rng.below(self.groups.len()) {
                    records.extend(self.ask(rng));
                }
                if records.is_empty() {
                    return;
                }
                frame(&records)
            }
        };
        world.net().send(id, &bytes);
        if let Some(wire) = self.wire.as_mut().filter(|_| word != Word::Subscribes) {
            wire.next = None;
        }
    }

    /// A Subscribe for one of the groups that it has not asked for; what was subscribed before is
    /// no more.
    fn ask(&mut self, rng: &mut Rng) -> Vec<u8> {
        let unasked: Vec<usize> =
            (0..self.groups.len()).filter(|at| self.groups[*at].stage == Stage::Unasked).collect();
        let Some(at) = rng.pick_from(&unasked) else { return Vec::new() };
        let group = &mut self.groups[at];
        let id = self.asked + 1;
        self.asked = id;
        let record = |id: Option<u64>, method: &str, items: &str| {
            let id = id.map(|id| format!("\"invocationId\":\"{id}\",")).unwrap_or_default();
            format!("{{\"type\":1,{id}\"target\":\"{method}\",\"arguments\":{items}}}\x1e")
        };
        let mut records = record(None, "Unsubscribe", &group.items(false));
        records.push_str(&record(Some(id), "Subscribe", &group.items(true)));
        group.stage = Stage::Asked(id);
        records.into_bytes()
    }

    /// It reads so much of what has come. What it has heard.
    pub fn read(&mut self, world: &World, most: usize, by: By<'_>, tally: &mut Tally) {
        let Some(wire) = &mut self.wire else { return };
        let bytes: Vec<u8> = {
            let mut pipe = world.pipe(wire.id);
            let count = pipe.from_hub.len().min(most);
            pipe.from_hub.drain(..count).collect()
        };
        wire.ear.hear(&bytes);
        loop {
            let Some(wire) = &mut self.wire else { return };
            let Some(heard) = wire.ear.next().expect("frames") else { break };
            match heard {
                // It has taken too long to say anything.
                Heard::Reply(reply) if reply.status == 408 => wire.next = None,
                Heard::Reply(reply) => {
                    assert_eq!(reply.status, 101, "{}", reply.text());
                    wire.next = Some(Word::Handshake);
                }
                Heard::Record(record) if record == "{}" => wire.next = Some(Word::Subscribes),
                // That took too long, too, or so it was when it had just been said.
                Heard::Record(_) if wire.next != Some(Word::Subscribes) => wire.next = None,
                Heard::Record(record) => self.hear(&record, by, tally),
                Heard::Pong(_) | Heard::Close(_) => {}
            }
        }
    }

    fn hear(&mut self, text: &str, by: By<'_>, tally: &mut Tally) {
        let record: Record<'_> = serde_json::from_str(text).expect("a record");
        match (record.kind, record.arguments.as_slice()) {
            (3, []) => {
                let id: u64 = record.id.expect("an id").parse().expect("one of its own");
                let verdicts = record.result.expect("verdicts");
                // What was asked before, and asked again since, counts no more.
                if let Some(group) = self.groups.iter_mut().find(|group| group.stage == Stage::Asked(id)) {
                    group.judged(verdicts.as_array().expect("verdicts"), by.now_ms, tally);
                }
            }
            (1, [message]) => self.receive(message, by, tally),
            (6 | 7, []) => {}
            _ => panic!("{text}"),
        }
    }

    fn receive(&mut self, message: &Received<'_>, By { facts, lives, taken, .. }: By<'_>, tally: &mut Tally) {
        let Received { subscription, data, position, at, last } = message;
        let (position, at) = (position.as_deref().expect("a position"), at.as_deref().expect("a time"));
        let place: WirePosition = position.parse().expect("a position");
        let entry = &taken.get(&place.position.number()).unwrap_or_else(|| panic!("{position} is of nothing"));
        let heard = Message::new(
            facts,
            &subscription.event_name,
            &subscription.entity_id,
            place.position.number() >> 10,
            last.unwrap_or_default(),
            data.get(),
        );
        assert_eq!((&heard, at), (*entry, super::iso(heard.at_ms).as_str()), "what was published");
        let group = self.groups.iter_mut().find(|group| group.covers(&heard)).expect("what it has subscribed to");
        group.hear(facts, lives, &heard, position, tally);
    }
}

/// By what a page reads.
#[derive(Clone, Copy)]
pub struct By<'p> {
    pub facts: &'p Facts,
    pub lives: Lives,
    pub now_ms: u64,
    /// All that was published, by its place.
    pub taken: &'p BTreeMap<u64, Message>,
}

fn frame(records: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    client::frame(true, client::TEXT, [1, 2, 3, 4], records, &mut bytes);
    bytes
}
