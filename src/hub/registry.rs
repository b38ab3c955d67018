//! Who is a member of which topic, both ways.
//!
//! A topic holds its members in a dense array that a fan-out walks; a connection holds its subscriptions in a short list. Each
//! entry knows its opposite's place, so that leaving costs the same whatever the sizes. A topic without members is forgotten.

use super::topic::Topic;
use crate::broken::broken;
use siphasher::sip::SipHasher13;
use slotmap::{SecondaryMap, SlotMap, new_key_type};
use smallvec::SmallVec;
use std::hash::BuildHasher;

new_key_type! {
    /// A connection of this shard. Carries a generation: the key of a connection that is gone finds nothing.
    pub struct ConnKey;
    /// A topic with members.
    pub struct TopicId;
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

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type TopicMap = std::collections::HashMap<Topic, TopicId, HashSeed>;

/// A member of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The connection.
    pub conn: ConnKey,
    /// The place of the subscription in the connection's list.
    at: u32,
}

#[derive(Clone, Copy, Debug)]
struct Subscription {
    topic: TopicId,
    /// The place of the connection in the topic's members.
    at: u32,
}

#[derive(Debug)]
struct Slot {
    topic: Topic,
    members: SmallVec<[Member; 1]>,
}

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
    topics: TopicMap,
    slots: SlotMap<TopicId, Slot>,
    subscriptions: SecondaryMap<ConnKey, SmallVec<[Subscription; 2]>>,
    /// All subscriptions, for the gauge.
    count: usize,
}

impl Registry {
    /// An empty registry.
    pub fn new(seed: HashSeed) -> Registry {
        Registry {
            topics: TopicMap::with_hasher(seed),
            slots: SlotMap::with_key(),
            subscriptions: SecondaryMap::new(),
            count: 0,
        }
    }

    /// Makes the connection a member of the topic, once.
    pub fn join(&mut self, conn: ConnKey, topic: Topic, subscriptions_max: usize) -> Joined {
        let Some(entry) = self.subscriptions.entry(conn) else { return Joined::Full };
        let list = entry.or_default();
        if let Some(id) = self.topics.get(&topic)
            && list.iter().any(|subscription| subscription.topic == *id)
        {
            return Joined::Already;
        }
        if list.len() >= subscriptions_max {
            return Joined::Full;
        }
        let slots = &mut self.slots;
        let id = *self.topics.entry(topic).or_insert_with(|| slots.insert(Slot { topic, members: SmallVec::new() }));
        let members = &mut self.slots[id].members;
        let (member_at, subscription_at) = (place(members.len()), place(list.len()));
        members.push(Member { conn, at: subscription_at });
        list.push(Subscription { topic: id, at: member_at });
        self.count += 1;
        self.check_invariants(conn);
        Joined::Fresh
    }

    /// Ends a membership; whether there was one.
    pub fn leave(&mut self, conn: ConnKey, topic: Topic) -> bool {
        let Some(id) = self.topics.get(&topic).copied() else { return false };
        let list = self.subscriptions.get(conn).map(SmallVec::as_slice).unwrap_or_default();
        let Some(at) = list.iter().position(|subscription| subscription.topic == id) else { return false };
        self.remove(conn, at);
        self.check_invariants(conn);
        true
    }

    /// Ends all memberships of a connection; how many there were. Also forgets the connection.
    pub fn leave_all(&mut self, conn: ConnKey) -> usize {
        let mut left = 0;
        while let Some(last) = self.subscriptions.get(conn).and_then(|list| list.len().checked_sub(1)) {
            self.remove(conn, last);
            left += 1;
        }
        self.subscriptions.remove(conn);
        left
    }

    fn remove(&mut self, conn: ConnKey, at: usize) {
        let list = &mut self.subscriptions[conn];
        let gone = list.swap_remove(at);
        if let Some(moved) = list.get(at) {
            self.slots[moved.topic].members[moved.at as usize].at = place(at);
        }
        let slot = &mut self.slots[gone.topic];
        slot.members.swap_remove(gone.at as usize);
        if let Some(moved) = slot.members.get(gone.at as usize) {
            self.subscriptions[moved.conn][moved.at as usize].at = gone.at;
        } else if slot.members.is_empty() {
            self.topics.remove(&slot.topic);
            self.slots.remove(gone.topic);
        }
        self.count -= 1;
    }

    /// The members of a topic, and its id.
    pub fn members(&self, topic: &Topic) -> Option<(TopicId, &[Member])> {
        let id = *self.topics.get(topic)?;
        Some((id, &self.slots.get(id)?.members))
    }

    /// Whether the connection is a member of the topic.
    pub fn is_member(&self, conn: ConnKey, topic: &Topic) -> bool {
        let list = self.subscriptions.get(conn).map(SmallVec::as_slice).unwrap_or_default();
        self.topics.get(topic).is_some_and(|id| list.iter().any(|subscription| subscription.topic == *id))
    }

    /// How many members a topic has.
    pub fn member_count(&self, topic: &Topic) -> usize {
        self.members(topic).map_or(0, |(_, members)| members.len())
    }

    /// The topics of a connection.
    pub fn topics_of(&self, conn: ConnKey) -> impl Iterator<Item = Topic> {
        let list = self.subscriptions.get(conn).map(SmallVec::as_slice).unwrap_or_default();
        list.iter().filter_map(|subscription| self.slots.get(subscription.topic)).map(|slot| slot.topic)
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
            let list = self.subscriptions.get(conn).map(SmallVec::as_slice).unwrap_or_default();
            for (at, subscription) in list.iter().enumerate() {
                let member = self.slots[subscription.topic].members[subscription.at as usize];
                debug_assert_eq!((member.conn, member.at), (conn, place(at)));
            }
        }
    }
}

/// A place in a list of members or subscriptions.
fn place(index: usize) -> u32 {
    let Ok(place) = u32::try_from(index) else { broken("members and subscriptions are bounded far below 2^32") };
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::EventId;
    use proptest::prelude::*;
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
}
