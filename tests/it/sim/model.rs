//! What is legal: the order of each organization's publications, and for each client the exact
//! sequence that it must hear, with the one liberty that a state may take the place of an older one
//! of its topic. Knows nothing of bytes, time or sockets.

mod hearing;

use super::actor::Act;
use super::answers::{Name, Sought, find, refusal, verdict};
use super::cast::{KINDS, Kind, Rights};
use super::client::{Ask, Call, Heard, Since};
use super::disk::Restored;
use super::journal::{Entry, Journals, tag_of};
use super::resume::{Past, Resumed};
use super::setting::CATALOGUE;
use rte::clock::UnixMs;
use rte::hub::Hub;
use rte::hub::partition::Partition;
use rte::hub::position::{Epoch, WirePosition};
use rte::hub::registry::ConnKey;
use rte::hub::topic::{Pattern, Wildcard};
use rte::limits::Limits;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use uuid::Uuid;

/// What a shard says of a publication that it has handed to its members.
#[derive(Clone, Copy, Debug)]
pub struct Delivered<'f> {
    pub position: WirePosition,
    pub organization: Uuid,
    pub event: &'f str,
    pub entity: Uuid,
    pub members: usize,
    pub data: &'f [u8],
}

/// The next thing that a client must hear.
#[derive(Debug)]
enum Due {
    Accepted,
    Pong(Vec<u8>),
    Result(String, Value),
    /// The same of a Subscribe that says since when: what follows it depends on what the hub has.
    /// It is answered in this epoch, or a later one.
    Verdicts(String, Epoch, Vec<(Value, Option<Resumed>)>),
    /// An error completion, whatever it says.
    Error(String),
    Event(Entry),
}

/// How far a tab has heard of its topics: all that they came to before, or that something may be
/// missing.
type Heights = BTreeMap<(usize, Name), u64>;

/// What a client has said, once so many items of its organization had been answered, and what had
/// been delivered was of that epoch.
#[derive(Debug)]
struct Said {
    act: Act,
    answered: usize,
    epoch: Epoch,
}

#[derive(Debug)]
struct Member {
    shard: usize,
    rights: Rights,
    /// The tab that it belongs to, while it does.
    tab: Option<usize>,
    /// Each of its items says since when, and names an entity.
    resumes: bool,
    topics: BTreeSet<Sought>,
    /// So many items had been answered when it asked for that.
    since: BTreeMap<Sought, usize>,
    /// What it has said and the hub has not done yet.
    acts: VecDeque<Said>,
    /// The hub has taken its handshake.
    is_joined: bool,
    due: VecDeque<Due>,
    /// So many of these were due before the turn in which the hub began to end the connection.
    owed: usize,
    /// The hub has begun to end the connection: nothing more is due.
    is_ended: bool,
    has_heard_close: bool,
}

#[derive(Debug)]
pub struct Model {
    /// By the number of the pipe.
    members: BTreeMap<usize, Member>,
    limits: Limits,
    /// The first epoch of this hub, and the present one.
    epochs: (Epoch, Epoch),
    /// Not all that stands up to this place has been brought back to this hub.
    floor: u64,
    /// Values of states may be missing of before, in Unix time; 0 where none is.
    lacks_values_ms: u64,
    /// How often the journal has failed.
    losses: u64,
    heights: Heights,
    /// In which order what may be delivered.
    pub journals: Journals,
    /// Publications times members, as the hub has counted them.
    pub delivered: u64,
    /// Connections that began to end in the turn that is being looked at: until when they were
    /// members, only the hub knows.
    fading: BTreeSet<usize>,
    /// Events that a newer one has been heard in place of.
    pub conflated: u64,
    /// Rows that a Subscribe asked for and that there were.
    pub snapshots: u64,
    /// What refused items have said.
    pub refusals: BTreeSet<&'static str>,
    /// Items that heard that all was recovered, and those that heard that it was not.
    pub recovered: u64,
    pub unrecovered: u64,
    /// Subscribes whose verdicts nobody has heard.
    pub unheard: u64,
}

impl Model {
    pub fn new(limits: Limits, epoch: Epoch) -> Model {
        Model {
            members: BTreeMap::new(),
            limits,
            epochs: (epoch, epoch),
            floor: 0,
            lacks_values_ms: 0,
            losses: 0,
            heights: Heights::new(),
            journals: Journals::default(),
            delivered: 0,
            fading: BTreeSet::new(),
            conflated: 0,
            snapshots: 0,
            refusals: BTreeSet::new(),
            recovered: 0,
            unrecovered: 0,
            unheard: 0,
        }
    }

    /// The journal has failed so often. With each time, and at no other, another epoch begins:
    /// what files lack would else be said to be recovered.
    pub fn begin(&mut self, epoch: Epoch, losses: u64) {
        let (former, known) = (self.epochs.1, self.losses);
        assert!(epoch >= former && (epoch > former) == (losses > known), "{epoch} behind {former}, {losses} losses");
        (self.epochs.1, self.losses) = (epoch, losses);
    }

    /// Another hub takes the place of the one that was killed. What was written and nobody has
    /// heard of is told.
    pub fn restart(&mut self, restored: Restored) -> Result<Vec<Entry>, String> {
        let Restored { epoch, floor, rows, lacks_values_ms } = restored;
        let former = self.epochs.1;
        if (epoch == former) != floor.is_some() || epoch < former {
            return Err(format!("{epoch} behind {former}, and all is there behind {floor:?}"));
        }
        let last = rows.iter().map(|row| row.position).max().unwrap_or_default();
        let fresh = self.journals.restart(rows, epoch, floor)?;
        let (limits, heights) = (self.limits.clone(), std::mem::take(&mut self.heights));
        let (journals, refusals) = (std::mem::take(&mut self.journals), std::mem::take(&mut self.refusals));
        let floor = floor.unwrap_or(last);
        *self = Model { floor, lacks_values_ms, heights, journals, refusals, ..Model::new(limits, epoch) };
        Ok(fresh)
    }

    /// A client's connection begins.
    pub fn meet(&mut self, id: usize, shard: usize, rights: Rights, tab: Option<usize>, resumes: bool) {
        let member = Member {
            shard,
            rights,
            tab,
            resumes,
            topics: BTreeSet::new(),
            since: BTreeMap::new(),
            acts: VecDeque::new(),
            is_joined: false,
            due: VecDeque::new(),
            owed: 0,
            is_ended: false,
            has_heard_close: false,
        };
        assert!(self.members.insert(id, member).is_none(), "two connections on one pipe");
    }

    /// These connections end, as the shards are now. What is told next happened before.
    pub fn fade(&mut self, fading: BTreeSet<usize>) {
        self.fading = fading;
        for id in &self.fading {
            if let Some(member) = self.members.get_mut(id).filter(|member| !member.is_ended) {
                member.owed = member.due.len();
            }
        }
    }

    /// The hub has read the last byte of what a client does.
    pub fn act(&mut self, id: usize, act: Act) {
        if let Some(member) = self.members.get_mut(&id).filter(|member| !member.is_ended) {
            let organization = member.rights.organization;
            let answered = self.journals.answered(organization).len();
            let epoch = self.journals.epoch(organization).max(Some(self.epochs.0)).unwrap_or(self.epochs.0);
            member.acts.push_back(Said { act, answered, epoch });
            self.proceed(id);
        }
    }

    /// The client goes on with another connection. What it still hears on this one is forgotten.
    pub fn leave(&mut self, id: usize) {
        if let Some(member) = self.members.get_mut(&id) {
            member.tab = None;
        }
    }

    /// Does what a client has said, until the hub has to say that it has done so: of all but pings.
    fn proceed(&mut self, id: usize) {
        let Some(member) = self.members.get_mut(&id) else { return };
        while let Some(said) = member.acts.pop_front() {
            match said.act {
                Act::Handshake | Act::Invoke(..) => return member.acts.push_front(said),
                Act::Ping(payload) => member.due.push_back(Due::Pong(payload)),
            }
        }
    }

    /// The hub has served an invocation that is no Subscribe.
    pub fn invoked(&mut self, id: usize) -> Result<(), String> {
        let member = self.members.get_mut(&id).ok_or("nobody")?;
        match member.acts.pop_front() {
            Some(Said { act: Act::Invoke(invocation, call), .. }) if member.is_joined => {
                member.invoke(invocation, &call, &mut self.refusals);
            }
            other => return Err(format!("invoked by {other:?}")),
        }
        self.proceed(id);
        Ok(())
    }

    /// The hub has taken a handshake.
    pub fn connected(&mut self, id: usize) -> Result<(), String> {
        let member = self.members.get_mut(&id).ok_or("nobody")?;
        match member.acts.pop_front() {
            Some(Said { act: Act::Handshake, .. }) if !member.is_joined => {}
            other => return Err(format!("connected by {other:?}")),
        }
        member.is_joined = true;
        member.due.push_back(Due::Accepted);
        self.proceed(id);
        Ok(())
    }

    /// The items of a Subscribe have become members.
    pub fn subscribed(&mut self, id: usize, items: usize, subscribed: usize, now: UnixMs) -> Result<(), String> {
        let member = self.members.get_mut(&id).ok_or("nobody")?;
        let (invocation, asks, answered, epoch) = match member.acts.pop_front() {
            Some(Said { act: Act::Invoke(invocation, Call::Subscribe(asks)), answered, epoch }) if member.is_joined => {
                (invocation, asks, answered, epoch)
            }
            other => return Err(format!("subscribed by {other:?}")),
        };
        let (held, since) = (member.topics.clone(), member.since.clone());
        let most = self.limits.subscriptions_max;
        let mut verdicts = member.subscribe_all(&asks, answered, most, &mut self.refusals);
        let count = verdicts.iter().filter(|it| it["subscribed"] == true).count();
        if self.limits.memory_bytes_max > 0 && count != subscribed {
            // Whether there is memory for more, only the hub knows.
            (member.topics, member.since) = (held.clone(), since);
            verdicts = member.subscribe_all(&asks, answered, 0, &mut self.refusals);
        }
        let mut taken: Vec<(&Ask, &mut Value)> =
            asks.iter().zip(&mut verdicts).filter(|(_, it)| it["subscribed"] == true).collect();
        if (asks.len(), taken.len()) != (items, subscribed) {
            return Err(format!("{subscribed} of {items} subscribed, not {verdicts:?}"));
        }
        if let (true, Some(invocation)) = (member.resumes, &invocation) {
            let invocation = invocation.clone();
            let verdicts = self.resume(id, &asks, verdicts, &held, now)?;
            self.unheard += 1;
            let member = self.members.get_mut(&id).ok_or("nobody")?;
            member.due.push_back(Due::Verdicts(invocation, epoch, verdicts));
            self.proceed(id);
            return Ok(());
        }
        let (mut named, mut block, lacks_ms) = (BTreeSet::new(), Vec::new(), self.lacks_values_ms);
        for (ask, verdict) in taken.iter_mut().filter(|(ask, _)| ask.snapshot) {
            let Ok((kind, entity)) = find(ask) else { continue };
            let is_first = named.insert((kind.name, entity));
            let of_item = kind.entities.iter().filter(|it| entity.is_none_or(|entity| entity == **it));
            let granted = of_item.filter(|entity| member.rights.cover(kind, **entity));
            let last =
                |entity: &Uuid| self.journals.last(member.shard, member.rights.organization, (kind.name, *entity));
            let is_told = is_first && kind.is_kept;
            let rows: Vec<&Entry> = granted.filter(|_| is_told).filter_map(last).collect();
            self.snapshots += rows.len() as u64;
            verdict["snapshot"] = rows.len().into();
            // The hub is younger than a call may be.
            let is_lacking =
                if entity.is_some() { rows.iter().any(|row| row.may_be_outdated(lacks_ms)) } else { lacks_ms > 0 };
            if is_told && (!kind.is_state || is_lacking) {
                verdict["partial"] = true.into();
            }
            block.extend(rows.into_iter().cloned());
        }
        block.sort_by_key(|row: &Entry| row.position);
        block.dedup_by_key(|row| row.position);
        member.due.extend(invocation.map(|id| Due::Result(id, Value::Array(verdicts))));
        member.due.extend(block.into_iter().map(Due::Event));
        self.proceed(id);
        Ok(())
    }

    /// What the items of a Subscribe may get that say since when.
    fn resume(
        &self,
        id: usize,
        asks: &[Ask],
        verdicts: Vec<Value>,
        held: &BTreeSet<Sought>,
        now: UnixMs,
    ) -> Result<Vec<(Value, Option<Resumed>)>, String> {
        let Member { shard, rights, tab, .. } = &self.members[&id];
        let (shard, organization) = (*shard, rights.organization);
        let (bytes, count) = (self.journals.bytes, self.journals.count());
        let past = Past { limits: &self.limits, now_ms: now.ms(), floor: self.floor, bytes, count };
        let mut named = BTreeSet::new();
        let mut items = Vec::new();
        for (ask, verdict) in asks.iter().zip(verdicts) {
            let found = find(ask).ok().filter(|_| verdict["subscribed"] == true);
            let Some((kind, Some(entity))) = found else {
                items.push((verdict, None));
                continue;
            };
            let name = (kind.name, entity);
            let row = self.journals.last(shard, organization, name).filter(|_| kind.is_kept).cloned();
            let is_partial =
                !kind.is_state || row.as_ref().is_some_and(|row| row.may_be_outdated(self.lacks_values_ms));
            let rows = (row, kind.is_kept && is_partial);
            let present = self.journals.present(shard, organization);
            let mut item = Resumed::new(name, ask.since.clone(), ask.snapshot, present, organization, rows);
            item.is_again = !named.insert(name);
            let asks_what_was_missed = matches!(ask.since, Since::Behind(_) | Since::Forged(_));
            item.is_held = item.is_again || asks_what_was_missed && held.contains(&(kind.name, Some(entity)));
            if let Some(cursor) = item.cursor.map(|cursor| cursor.position.number()) {
                let mut missed = self.journals.behind(shard, organization, name, cursor);
                let heard = tab.and_then(|tab| self.heights.get(&(tab, name)).copied());
                let is_claimed = matches!(ask.since, Since::Behind(_)) && !item.is_held;
                if let Some(heard) = heard.filter(|heard| is_claimed && *heard < cursor) {
                    let behind = self.journals.behind(shard, organization, name, heard);
                    if let Some(lost) = behind.iter().find(|entry| entry.position <= cursor) {
                        return Err(format!("a position that has passed {lost:?}, which was never heard"));
                    }
                }
                if kind.is_state {
                    missed = missed.split_off(missed.len().saturating_sub(1));
                }
                item.misses(missed, cursor, past);
            }
            items.push((verdict, Some(item)));
        }
        let bytes: usize = items.iter().filter_map(|(_, item)| item.as_ref()).map(Resumed::bytes).sum();
        if bytes > self.limits.outbox_hard_bytes {
            items.iter_mut().filter_map(|(_, item)| item.as_mut()).for_each(|item| item.may_miss = true);
        }
        Ok(items)
    }

    /// A shard has handed a publication to its members. Whether it is the first that did.
    pub fn deliver(&mut self, shard: usize, it: Delivered<'_>) -> Result<bool, String> {
        let kind = Kind::find(it.event).ok_or("an event that nobody publishes")?;
        let WirePosition { epoch, partition, position } = it.position;
        if epoch > self.epochs.1 || partition != Partition::of(it.organization) {
            return Err(format!("{} is a position of nowhere", it.position));
        }
        let name = (kind.name, it.entity);
        let entry = Entry { epoch, position: position.number(), name, data: it.data.into() };
        let is_first = self.journals.deliver(shard, it.organization, &entry)?;
        let (mut sure, mut perhaps) = (0, 0);
        let of_tenant = |member: &Member| member.shard == shard && member.rights.organization == it.organization;
        for (id, member) in self.members.iter_mut().filter(|(_, member)| of_tenant(member)) {
            let since = member.since(kind, it.entity);
            let is_member = since.is_some();
            if self.fading.contains(id) {
                perhaps += usize::from(member.rights.cover(kind, it.entity));
            } else {
                sure += usize::from(is_member);
            }
            if let Some(since) = since {
                assert!(member.rights.cover(kind, it.entity), "a member without the right");
                let before = &self.journals.answered(it.organization)[..since];
                if before.iter().any(|tag| *tag == tag_of(it.data)) {
                    return Err(format!("{id} subscribed to {entry:?} when it had been answered"));
                }
                member.due.push_back(Due::Event(entry.clone()));
            }
        }
        if !(sure..=sure + perhaps).contains(&it.members) {
            return Err(format!("{entry:?} for {} members, not {sure} and perhaps {perhaps}", it.members));
        }
        self.delivered += it.members as u64;
        Ok(is_first)
    }

    /// A client is with that shard.
    pub fn moved(&mut self, id: usize, shard: usize) {
        if let Some(member) = self.members.get_mut(&id) {
            member.shard = shard;
        }
    }

    /// Compares a member with the hub's own registry.
    pub fn compare(&mut self, id: usize, conn: Option<ConnKey>, hub: &Hub, is_ended: bool) -> Result<(), String> {
        let Some(member) = self.members.get_mut(&id) else { return Ok(()) };
        let patterns_of = || conn.into_iter().flat_map(|conn| hub.registry.patterns_of(conn));
        let topics: BTreeSet<Sought> = patterns_of()
            .map(|pattern| {
                let name = |event| Kind::find(&CATALOGUE.event(event).name).unwrap().name;
                match pattern {
                    Pattern::One(topic) => (name(topic.event), Some(topic.entity)),
                    Pattern::Every(wildcard) => (name(wildcard.event), None),
                }
            })
            .collect();
        if is_ended {
            // Which of its last words were still looked at is the hub's own affair.
            member.is_ended = true;
            member.topics.clear();
        }
        if topics != member.topics {
            return Err(format!("the hub has {topics:?}, the model {:?}", member.topics));
        }
        let is_own = |pattern: &Pattern| pattern.wildcard().organization == member.rights.organization;
        if !patterns_of().all(|pattern| is_own(&pattern)) {
            return Err("another tenant's topic".into());
        }
        for kind in KINDS {
            for entity in kind.entities {
                let wildcard = Wildcard {
                    organization: member.rights.organization,
                    event: CATALOGUE.find(kind.name).ok_or("no such event")?,
                };
                let members = hub.registry.members(&wildcard.topic(*entity));
                let of_it = members.lists().into_iter().flat_map(|(list, _)| list).filter(|it| Some(it.conn) == conn);
                if of_it.count() != usize::from(!is_ended && member.since(kind, *entity).is_some()) {
                    return Err(format!("not once among the members of {} {entity}", kind.name));
                }
            }
        }
        Ok(())
    }

    /// Subscriptions of a shard.
    pub fn subscriptions(&self, shard: usize) -> usize {
        self.members.values().filter(|member| member.shard == shard).map(|member| member.topics.len()).sum()
    }

    /// A client has heard something of SignalR.
    pub fn hear(&mut self, id: usize, heard: &Heard) -> Result<(), String> {
        let member = self.members.get_mut(&id).filter(|member| member.is_joined);
        let member = member.ok_or("a word before the handshake was read")?;
        match heard {
            Heard::Pong(payload) => match member.take() {
                Some(Due::Pong(due)) if due == *payload => Ok(()),
                due => Err(format!("a pong {payload:?} instead of {due:?}")),
            },
            Heard::Close(_) => {
                member.has_heard_close = true;
                if member.is_ended { Ok(()) } else { Err("a close out of nothing".into()) }
            }
            Heard::Record(record) => {
                let told = member.hear_record(record, self.epochs.1, &self.journals, &mut self.heights)?;
                self.conflated += told.conflated;
                self.recovered += told.recovered;
                self.unrecovered += told.unrecovered;
                self.snapshots += told.rows;
                self.unheard -= told.subscribes;
                Ok(())
            }
            Heard::Reply(_) => Err("a reply behind the upgrade".into()),
        }
    }

    /// Once everything in flight has been heard: nobody is owed anything, and all shards have
    /// delivered the same.
    pub fn check_settled(&self, shards: usize) -> Result<(), String> {
        let is_owed = |member: &Member| !(member.is_ended || member.due.is_empty() && member.acts.is_empty());
        if let Some((id, member)) = self.members.iter().find(|(_, member)| is_owed(member)) {
            return Err(format!("{id} never got {:?}, and waits with {:?}", member.due, member.acts));
        }
        self.journals.check_settled(shards)
    }

    /// Whether the client has said something that the hub has read and not done.
    pub fn waits(&self, id: usize) -> bool {
        self.members.get(&id).is_some_and(|member| !member.acts.is_empty())
    }

    /// Whether the client has shaken hands.
    pub fn knows(&self, id: usize) -> bool {
        self.members.get(&id).is_some_and(|member| member.is_joined)
    }

    /// Whether a member that heard the hub's Close had heard all that was due before.
    pub fn heard_all(&self, id: usize) -> bool {
        self.members.get(&id).is_none_or(|member| member.owed == 0 || !member.has_heard_close)
    }
}

impl Member {
    /// Anything but a Subscribe.
    fn invoke(&mut self, id: Option<String>, call: &Call, refusals: &mut BTreeSet<&'static str>) {
        let result = match call {
            Call::Unsubscribe(asks) => asks.iter().map(|ask| self.unsubscribe(ask, refusals)).collect(),
            Call::UnsubscribeAll => {
                self.topics.clear();
                Value::Bool(true)
            }
            Call::Available => CATALOGUE.available_subscriptions().collect(),
            Call::Active => self.topics.iter().map(|name| verdict(true, name)).collect(),
            Call::Unknown | Call::Subscribe(_) => return self.due.extend(id.map(Due::Error)),
        };
        self.due.extend(id.map(|id| Due::Result(id, result)));
    }

    fn subscribe_all(
        &mut self,
        asks: &[Ask],
        answered: usize,
        max: usize,
        refusals: &mut BTreeSet<&'static str>,
    ) -> Vec<Value> {
        asks.iter().map(|ask| self.subscribe(ask, answered, max, refusals)).collect()
    }

    fn subscribe(&mut self, ask: &Ask, answered: usize, max: usize, refusals: &mut BTreeSet<&'static str>) -> Value {
        let mut refuse = |message| {
            refusals.insert(message);
            refusal(message, ask)
        };
        let (kind, entity) = match find(ask) {
            Ok(found) => found,
            Err(message) => return refuse(message),
        };
        let name = (kind.name, entity);
        let is_granted = match entity {
            Some(entity) => self.rights.cover(kind, entity),
            None => kind.entities.iter().any(|entity| self.rights.cover(kind, *entity)),
        };
        if !is_granted {
            refuse("Unauthorized")
        } else if !self.topics.contains(&name) && self.topics.len() >= max {
            refuse("Too many subscriptions")
        } else {
            if self.topics.insert(name) {
                self.since.insert(name, answered);
            }
            verdict(true, &name)
        }
    }

    /// How many items had been answered when it asked for an entity or for every one, where it gets
    /// what is published about that.
    fn since(&self, kind: Kind, entity: Uuid) -> Option<usize> {
        let sought = [(kind.name, Some(entity)), (kind.name, None)];
        let held = sought.iter().filter(|it| self.topics.contains(it) && self.rights.cover(kind, entity));
        held.map(|it| self.since[it]).min()
    }

    fn unsubscribe(&mut self, ask: &Ask, refusals: &mut BTreeSet<&'static str>) -> Value {
        match find(ask) {
            Ok((kind, entity)) => {
                self.topics.remove(&(kind.name, entity));
                let is_covered = entity.is_some_and(|entity| self.since(kind, entity).is_some());
                let mut told = verdict(is_covered, &(kind.name, entity));
                if is_covered {
                    told["message"] = "Still subscribed by EntityId *".into();
                }
                told
            }
            Err(message) => {
                refusals.insert(message);
                refusal(message, ask)
            }
        }
    }

    fn take(&mut self) -> Option<Due> {
        self.owed = self.owed.saturating_sub(1);
        self.due.pop_front()
    }
}
