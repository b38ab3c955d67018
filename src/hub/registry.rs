//! Who is a member of which topic, both ways.
//!
//! A topic holds its members in a dense array that a fan-out walks; a connection holds its
//! subscriptions in a short list. A subscription knows its member's place; a member's subscription
//! is looked for in the short list. So an entry has eight bytes each way, and leaving costs a look
//! at two short lists however many members a topic has. A topic without members is forgotten.
//!
//! Members that want to know positions stand in an array of their own, beside those that don't: the
//! fan-out does not ask each of them, and whoever has none pays nothing.

use super::topic::Topic;
use crate::broken::broken;
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use slotmap::{SecondaryMap, new_key_type};
use smallvec::SmallVec;
use std::hash::BuildHasher;

new_key_type! {
    /// A connection of this shard. Carries a generation: the key of a connection that is gone finds
    /// nothing.
    pub struct ConnKey;
}

/// A topic with members. Carries a generation: the id of a topic that was forgotten is no other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicId {
    slot: u32,
    generation: u32,
}

/// Keyed hashing: which topics share a bucket can't be foreseen without the seed.
#[derive(Clone, Copy, Debug)]
pub struct HashSeed(pub u64, pub u64);

impl BuildHasher for HashSeed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// A member of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The connection.
    pub conn: ConnKey,
}

/// The members of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Members<'r> {
    /// The topic's.
    pub id: TopicId,
    /// Those that are sent publications as they are.
    pub plain: &'r [Member],
    /// Those that want each publication's position with it.
    pub positioned: &'r [Member],
}

impl Members<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.plain.len() + self.positioned.len()
    }
}

#[derive(Clone, Copy, Debug)]
struct Subscription {
    /// The topic's slot. It needs no generation: the slot is not given away while it has a member.
    slot: u32,
    /// The place of the connection among the members, and whether those are the positioned ones.
    at: u32,
}

/// The bit of a place among the positioned members; places are bounded far below it.
const POSITIONED: u32 = 1 << 31;

impl Subscription {
    fn new(slot: u32, index: usize, positioned: bool) -> Subscription {
        Subscription { slot, at: place(index) | if positioned { POSITIONED } else { 0 } }
    }

    fn index(self) -> usize {
        (self.at & !POSITIONED) as usize
    }

    fn is_positioned(self) -> bool {
        self.at & POSITIONED != 0
    }
}

#[derive(Debug)]
struct Slot {
    topic: Topic,
    /// How many topics have had the slot before.
    generation: u32,
    members: SmallVec<[Member; 2]>,
}

/// The subscriptions of a connection.
type Subscriptions = SmallVec<[Subscription; 4]>;

// Fifty thousand connections have these, and twice as many topics.
const _: () = assert!(size_of::<Subscriptions>() <= 40 && size_of::<Slot>() <= 64 && size_of::<Member>() == 8);

/// What became of a subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// A member now.
    Fresh,
    /// Was one before.
    Already,
    /// The connection has as many subscriptions as it may.
    Full,
}

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type PositionedMap = std::collections::HashMap<u32, Vec<Member>, HashSeed>;

/// Topics and members.
#[derive(Debug)]
pub struct Registry {
    seed: HashSeed,
    /// The slots of the topics that have members; a topic itself is written down once, in its slot.
    topics: HashTable<u32>,
    slots: Vec<Slot>,
    /// The members that want positions, by slot; an entry is never empty.
    positioned: PositionedMap,
    /// Slots without a topic.
    free: Vec<u32>,
    subscriptions: SecondaryMap<ConnKey, Subscriptions>,
    /// All subscriptions, for the gauge.
    count: usize,
}

impl Registry {
    /// An empty registry.
    pub(crate) fn new(seed: HashSeed) -> Registry {
        Registry {
            seed,
            topics: HashTable::new(),
            slots: Vec::new(),
            positioned: PositionedMap::with_hasher(seed),
            free: Vec::new(),
            subscriptions: SecondaryMap::new(),
            count: 0,
        }
    }

    /// Makes the connection a member of the topic, once. Whether it wants positions is as it said
    /// last.
    pub fn join(&mut self, conn: ConnKey, topic: Topic, positioned: bool, subscriptions_max: usize) -> Joined {
        let known = self.find(&topic);
        let Some(entry) = self.subscriptions.entry(conn) else { return Joined::Full };
        let list = entry.or_default();
        if let Some(at) = list.iter().position(|subscription| Some(subscription.slot) == known) {
            let held = list[at];
            if held.is_positioned() != positioned {
                self.leave_members(held);
                self.subscriptions[conn][at] = self.enter_members(held.slot, conn, positioned);
                self.check_invariants(conn);
            }
            return Joined::Already;
        }
        if list.len() >= subscriptions_max {
            return Joined::Full;
        }
        let slot = known.unwrap_or_else(|| self.add(topic));
        let subscription = self.enter_members(slot, conn, positioned);
        self.subscriptions[conn].push(subscription);
        self.count += 1;
        self.check_invariants(conn);
        Joined::Fresh
    }

    /// Adds a connection to the members of a slot.
    fn enter_members(&mut self, slot: u32, conn: ConnKey, positioned: bool) -> Subscription {
        let index = if positioned {
            let members = self.positioned.entry(slot).or_default();
            members.push(Member { conn });
            members.len() - 1
        } else {
            let members = &mut self.slots[slot as usize].members;
            members.push(Member { conn });
            members.len() - 1
        };
        Subscription::new(slot, index, positioned)
    }

    /// Takes the member of a subscription from those of its slot; the last one of them stands in
    /// its place then.
    fn leave_members(&mut self, gone: Subscription) {
        let (slot, index) = (gone.slot, gone.index());
        let moved = if gone.is_positioned() {
            let members = self.positioned.get_mut(&slot).unwrap_or_else(|| broken("a member stands in its list"));
            members.swap_remove(index);
            let moved = members.get(index).copied();
            if members.is_empty() {
                self.positioned.remove(&slot);
            }
            moved
        } else {
            let members = &mut self.slots[slot as usize].members;
            members.swap_remove(index);
            members.get(index).copied()
        };
        if let Some(moved) = moved {
            let mut list = self.subscriptions[moved.conn].iter_mut();
            let subscription = list.find(|subscription| subscription.slot == slot);
            subscription.unwrap_or_else(|| broken("a member has a subscription")).at = gone.at;
        }
    }

    /// Ends a membership; whether there was one.
    pub(crate) fn leave(&mut self, conn: ConnKey, topic: Topic) -> bool {
        let Some(slot) = self.find(&topic) else { return false };
        let Some(at) = self.list(conn).iter().position(|subscription| subscription.slot == slot) else { return false };
        self.remove(conn, at);
        self.check_invariants(conn);
        true
    }

    /// Ends all memberships of a connection; how many there were. Also forgets the connection.
    pub(crate) fn leave_all(&mut self, conn: ConnKey) -> usize {
        let mut left = 0;
        while let Some(last) = self.list(conn).len().checked_sub(1) {
            self.remove(conn, last);
            left += 1;
        }
        self.subscriptions.remove(conn);
        left
    }

    fn remove(&mut self, conn: ConnKey, at: usize) {
        let gone = self.subscriptions[conn].swap_remove(at);
        self.leave_members(gone);
        if self.members_of(gone.slot).count() == 0 {
            self.forget(gone.slot);
        }
        self.count -= 1;
    }

    /// Gives a topic a slot.
    fn add(&mut self, topic: Topic) -> u32 {
        let Registry { seed, topics, slots, free, .. } = self;
        let slot = free.pop().unwrap_or_else(|| {
            slots.push(Slot { topic, generation: 0, members: SmallVec::new() });
            place(slots.len() - 1)
        });
        slots[slot as usize].topic = topic;
        topics.insert_unique(seed.hash_one(topic), slot, |slot| seed.hash_one(slots[*slot as usize].topic));
        slot
    }

    /// Takes its slot from a topic without members.
    fn forget(&mut self, slot: u32) {
        let Slot { topic, generation, members } = &mut self.slots[slot as usize];
        if let Ok(entry) = self.topics.find_entry(self.seed.hash_one(*topic), |other| *other == slot) {
            entry.remove();
        }
        *members = SmallVec::new();
        *generation = generation.wrapping_add(1);
        self.free.push(slot);
    }

    fn find(&self, topic: &Topic) -> Option<u32> {
        let is_it = |slot: &u32| self.slots[*slot as usize].topic == *topic;
        self.topics.find(self.seed.hash_one(topic), is_it).copied()
    }

    fn list(&self, conn: ConnKey) -> &[Subscription] {
        self.subscriptions.get(conn).map(SmallVec::as_slice).unwrap_or_default()
    }

    /// The members of a topic, if it has any.
    pub fn members(&self, topic: &Topic) -> Option<Members<'_>> {
        self.find(topic).map(|slot| self.members_of(slot))
    }

    fn members_of(&self, slot: u32) -> Members<'_> {
        let Slot { generation, members, .. } = &self.slots[slot as usize];
        let positioned = if self.positioned.is_empty() { None } else { self.positioned.get(&slot) };
        Members {
            id: TopicId { slot, generation: *generation },
            plain: members,
            positioned: positioned.map(Vec::as_slice).unwrap_or_default(),
        }
    }

    /// Whether the connection wants positions with the publications of the topic; none where it is
    /// no member.
    pub fn membership(&self, conn: ConnKey, topic: &Topic) -> Option<bool> {
        let slot = self.find(topic)?;
        let subscription = self.list(conn).iter().find(|subscription| subscription.slot == slot)?;
        Some(subscription.is_positioned())
    }

    /// How many members a topic has.
    pub fn member_count(&self, topic: &Topic) -> usize {
        self.members(topic).map_or(0, |members| members.count())
    }

    /// The topics of a connection.
    pub fn topics_of(&self, conn: ConnKey) -> impl Iterator<Item = Topic> {
        self.list(conn).iter().map(|subscription| self.slots[subscription.slot as usize].topic)
    }

    /// Subscriptions of all connections.
    pub fn subscription_count(&self) -> usize {
        self.count
    }

    /// Topics with members.
    pub(crate) fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Both directions agree, as far as this connection goes.
    fn check_invariants(&self, conn: ConnKey) {
        if cfg!(debug_assertions) {
            for subscription in self.list(conn) {
                let members = self.members_of(subscription.slot);
                let list = if subscription.is_positioned() { members.positioned } else { members.plain };
                debug_assert_eq!(list[subscription.index()].conn, conn);
                let topic = self.slots[subscription.slot as usize].topic;
                debug_assert_eq!(self.find(&topic), Some(subscription.slot));
            }
        }
    }
}

#[cfg(test)]
impl TopicId {
    /// The first topic of a slot.
    pub(crate) fn of_slot(slot: u32) -> TopicId {
        TopicId { slot, generation: 0 }
    }
}

/// A place in a list of members or slots.
fn place(index: usize) -> u32 {
    let place = u32::try_from(index).ok().filter(|place| *place < POSITIONED);
    place.unwrap_or_else(|| broken("members and topics are bounded far below 2^31"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::EventId;
    use proptest::prelude::*;
    use slotmap::SlotMap;
    use std::collections::{BTreeMap, BTreeSet};
    use uuid::Uuid;

    fn topic(n: u8) -> Topic {
        Topic {
            organization: Uuid::nil(),
            event: EventId(u16::from(n % 3)),
            entity: Uuid::from_u128(u128::from(n / 3)),
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Join(usize, u8, bool),
        Leave(usize, u8),
        LeaveAll(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0usize..5, 0u8..9, any::<bool>()).prop_map(|(conn, topic, positioned)| Step::Join(conn, topic, positioned)),
            2 => (0usize..5, 0u8..9).prop_map(|(conn, topic)| Step::Leave(conn, topic)),
            1 => (0usize..5).prop_map(Step::LeaveAll),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_pairs(steps in proptest::collection::vec(step(), 1..120)) {
            const MAX: usize = 6;
            let mut keys: SlotMap<ConnKey, ()> = SlotMap::with_key();
            let conns: Vec<ConnKey> = (0..5).map(|_| keys.insert(())).collect();
            let mut registry = Registry::new(HashSeed(1, 2));
            let mut twin: BTreeMap<(usize, u8), bool> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Join(conn, name, positioned) => {
                        let have = twin.keys().filter(|(other, _)| *other == conn).count();
                        let expected = if twin.contains_key(&(conn, name)) { Joined::Already }
                            else if have >= MAX { Joined::Full } else { Joined::Fresh };
                        prop_assert_eq!(registry.join(conns[conn], topic(name), positioned, MAX), expected);
                        if expected != Joined::Full { twin.insert((conn, name), positioned); }
                    }
                    Step::Leave(conn, name) => {
                        prop_assert_eq!(registry.leave(conns[conn], topic(name)), twin.remove(&(conn, name)).is_some());
                    }
                    Step::LeaveAll(conn) => {
                        let before = twin.len();
                        twin.retain(|(other, _), _| *other != conn);
                        prop_assert_eq!(registry.leave_all(conns[conn]), before - twin.len());
                    }
                }
                prop_assert_eq!(registry.subscription_count(), twin.len());
                prop_assert_eq!(registry.topic_count(), twin.keys().map(|(_, name)| name).collect::<BTreeSet<_>>().len());
                for name in 0..9 {
                    let members = registry.members(&topic(name));
                    for positioned in [false, true] {
                        let list = members.map(|members| if positioned { members.positioned } else { members.plain });
                        let told: BTreeSet<ConnKey> = list.unwrap_or_default().iter().map(|member| member.conn).collect();
                        let expected: BTreeSet<ConnKey> = twin.iter()
                            .filter(|((_, n), wants)| *n == name && **wants == positioned)
                            .map(|((c, _), _)| conns[*c]).collect();
                        prop_assert_eq!(told, expected);
                    }
                }
                for (n, conn) in conns.iter().enumerate() {
                    registry.check_invariants(*conn);
                    prop_assert_eq!(registry.topics_of(*conn).count(), twin.keys().filter(|(c, _)| *c == n).count());
                }
            }
        }
    }

    #[test]
    fn the_id_of_a_topic_that_was_forgotten_is_no_others() {
        let mut keys: SlotMap<ConnKey, ()> = SlotMap::with_key();
        let conn = keys.insert(());
        let mut registry = Registry::new(HashSeed(1, 2));
        registry.join(conn, topic(1), false, 9);
        let before = registry.members(&topic(1)).unwrap().id;
        registry.leave(conn, topic(1));
        registry.join(conn, topic(2), false, 9);
        let after = registry.members(&topic(2)).unwrap().id;
        assert!(before.slot == after.slot && before != after);
    }
}
