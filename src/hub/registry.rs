//! Who is a member of which topic, both ways.
//!
//! A topic holds its members in a dense array that a fan-out walks; a connection holds its
//! subscriptions in a short list. A subscription knows its member's place; a member's subscription
//! is looked for in the short list. So an entry has eight bytes each way, and leaving costs a look
//! at two short lists however many members a topic has. A topic without members is forgotten.

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

#[derive(Clone, Copy, Debug)]
struct Subscription {
    /// The topic's slot. It needs no generation: the slot is not given away while it has a member.
    slot: u32,
    /// The place of the connection in the topic's members.
    at: u32,
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

/// Topics and members.
#[derive(Debug)]
pub struct Registry {
    seed: HashSeed,
    /// The slots of the topics that have members; a topic itself is written down once, in its slot.
    topics: HashTable<u32>,
    slots: Vec<Slot>,
    /// Slots without a topic.
    free: Vec<u32>,
    subscriptions: SecondaryMap<ConnKey, Subscriptions>,
    /// All subscriptions, for the gauge.
    count: usize,
}

impl Registry {
    /// An empty registry.
    pub fn new(seed: HashSeed) -> Registry {
        Registry {
            seed,
            topics: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            subscriptions: SecondaryMap::new(),
            count: 0,
        }
    }

    /// Makes the connection a member of the topic, once.
    pub fn join(&mut self, conn: ConnKey, topic: Topic, subscriptions_max: usize) -> Joined {
        let known = self.find(&topic);
        let Some(entry) = self.subscriptions.entry(conn) else { return Joined::Full };
        let list = entry.or_default();
        if list.iter().any(|subscription| Some(subscription.slot) == known) {
            return Joined::Already;
        }
        if list.len() >= subscriptions_max {
            return Joined::Full;
        }
        let slot = known.unwrap_or_else(|| self.add(topic));
        let members = &mut self.slots[slot as usize].members;
        let at = place(members.len());
        members.push(Member { conn });
        self.subscriptions[conn].push(Subscription { slot, at });
        self.count += 1;
        self.check_invariants(conn);
        Joined::Fresh
    }

    /// Ends a membership; whether there was one.
    pub fn leave(&mut self, conn: ConnKey, topic: Topic) -> bool {
        let Some(slot) = self.find(&topic) else { return false };
        let Some(at) = self.list(conn).iter().position(|subscription| subscription.slot == slot) else { return false };
        self.remove(conn, at);
        self.check_invariants(conn);
        true
    }

    /// Ends all memberships of a connection; how many there were. Also forgets the connection.
    pub fn leave_all(&mut self, conn: ConnKey) -> usize {
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
        let slot = &mut self.slots[gone.slot as usize];
        slot.members.swap_remove(gone.at as usize);
        if let Some(moved) = slot.members.get(gone.at as usize) {
            let mut list = self.subscriptions[moved.conn].iter_mut();
            let subscription = list.find(|subscription| subscription.slot == gone.slot);
            subscription.unwrap_or_else(|| broken("a member has a subscription")).at = gone.at;
        } else if slot.members.is_empty() {
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

    /// The members of a topic, and its id.
    pub fn members(&self, topic: &Topic) -> Option<(TopicId, &[Member])> {
        let slot = self.find(topic)?;
        let Slot { generation, members, .. } = &self.slots[slot as usize];
        Some((TopicId { slot, generation: *generation }, members))
    }

    /// Whether the connection is a member of the topic.
    pub fn is_member(&self, conn: ConnKey, topic: &Topic) -> bool {
        let slot = self.find(topic);
        self.list(conn).iter().any(|subscription| Some(subscription.slot) == slot)
    }

    /// How many members a topic has.
    pub fn member_count(&self, topic: &Topic) -> usize {
        self.members(topic).map_or(0, |(_, members)| members.len())
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
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Both directions agree, as far as this connection goes.
    fn check_invariants(&self, conn: ConnKey) {
        if cfg!(debug_assertions) {
            for subscription in self.list(conn) {
                let slot = &self.slots[subscription.slot as usize];
                debug_assert_eq!(slot.members[subscription.at as usize].conn, conn);
                debug_assert_eq!(self.find(&slot.topic), Some(subscription.slot));
            }
        }
    }
}

#[cfg(test)]
impl TopicId {
    /// The first topic of a slot.
    pub fn of_slot(slot: u32) -> TopicId {
        TopicId { slot, generation: 0 }
    }
}

/// A place in a list of members or slots.
fn place(index: usize) -> u32 {
    let Ok(place) = u32::try_from(index) else { broken("members and topics are bounded far below 2^32") };
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::EventId;
    use proptest::prelude::*;
    use slotmap::SlotMap;
    use std::collections::BTreeSet;
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
        Join(usize, u8),
        Leave(usize, u8),
        LeaveAll(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0usize..5, 0u8..9).prop_map(|(conn, topic)| Step::Join(conn, topic)),
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
            let mut twin: BTreeSet<(usize, u8)> = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Join(conn, name) => {
                        let have = twin.iter().filter(|(other, _)| *other == conn).count();
                        let expected = if twin.contains(&(conn, name)) { Joined::Already }
                            else if have >= MAX { Joined::Full } else { Joined::Fresh };
                        prop_assert_eq!(registry.join(conns[conn], topic(name), MAX), expected);
                        if expected == Joined::Fresh { twin.insert((conn, name)); }
                    }
                    Step::Leave(conn, name) => {
                        prop_assert_eq!(registry.leave(conns[conn], topic(name)), twin.remove(&(conn, name)));
                    }
                    Step::LeaveAll(conn) => {
                        let before = twin.len();
                        twin.retain(|(other, _)| *other != conn);
                        prop_assert_eq!(registry.leave_all(conns[conn]), before - twin.len());
                    }
                }
                prop_assert_eq!(registry.subscription_count(), twin.len());
                prop_assert_eq!(registry.topic_count(), twin.iter().map(|(_, name)| name).collect::<BTreeSet<_>>().len());
                for name in 0..9 {
                    let members: BTreeSet<ConnKey> = registry.members(&topic(name))
                        .map(|(_, members)| members.iter().map(|member| member.conn).collect()).unwrap_or_default();
                    let expected: BTreeSet<ConnKey> = twin.iter().filter(|(_, n)| *n == name).map(|(c, _)| conns[*c]).collect();
                    prop_assert_eq!(members, expected);
                }
                for (n, conn) in conns.iter().enumerate() {
                    registry.check_invariants(*conn);
                    prop_assert_eq!(registry.topics_of(*conn).count(), twin.iter().filter(|(c, _)| *c == n).count());
                }
            }
        }
    }

    #[test]
    fn the_id_of_a_topic_that_was_forgotten_is_no_others() {
        let mut keys: SlotMap<ConnKey, ()> = SlotMap::with_key();
        let conn = keys.insert(());
        let mut registry = Registry::new(HashSeed(1, 2));
        registry.join(conn, topic(1), 9);
        let (before, _) = registry.members(&topic(1)).unwrap();
        registry.leave(conn, topic(1));
        registry.join(conn, topic(2), 9);
        let (after, _) = registry.members(&topic(2)).unwrap();
        assert!(before.slot == after.slot && before != after);
    }
}
