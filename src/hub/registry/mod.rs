//! Who is a member of which topic, both ways.
//!
//! A topic holds its members in a dense array that a fan-out walks; a connection holds its
//! subscriptions in a short list. A subscription knows its member's place; a member's subscription
//! is looked for in the short list. So an entry has eight bytes each way, and leaving costs a look
//! at two short lists however many members a topic has. A topic without members is forgotten.
//!
//! Members that want to know positions stand in an array of their own, beside those that don't: the
//! fan-out does not ask each of them, and whoever has none pays nothing.
//!
//! A wildcard has members of its own. Whoever joins it leaves the topics of its event, which are
//! only noted as shadowed, and comes back to them when it leaves the wildcard. So no connection is
//! met twice in a fan-out, and the fan-out asks nobody. Where a wildcard is granted for some
//! entities only, its member is one of each of these topics.

mod members;

use super::spread::Spread;
use super::topic::{Pattern, Reach, Topic, Wildcard};
use crate::broken::broken;
use members::Group;
pub use members::{ConnKey, Member, Members};
use siphasher::sip::SipHasher13;
use slotmap::SecondaryMap;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use uuid::Uuid;

/// Keyed hashing: which topics share a bucket can't be foreseen without the seed.
#[derive(Clone, Copy, Debug)]
pub struct HashSeed(pub u64, pub u64);

impl BuildHasher for HashSeed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
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
    pattern: Pattern,
    members: SmallVec<[Member; 2]>,
}

/// A wildcard that a connection holds.
#[derive(Debug)]
struct Star {
    /// The wildcard, as far as it is granted.
    reach: Reach,
    /// Whether it wants positions.
    positioned: bool,
    /// Entities of which the connection holds the topic too, and whether it wanted positions of
    /// that. It is no member of these topics as long as it holds the wildcard.
    shadowed: Vec<(Uuid, bool)>,
}

impl Star {
    fn wildcard(&self) -> Wildcard {
        self.reach.pattern().wildcard()
    }
}

/// The subscriptions of a connection.
type Subscriptions = SmallVec<[Subscription; 4]>;

// Fifty thousand connections have these, and twice as many topics.
const _: () = assert!(size_of::<Subscriptions>() <= 40 && size_of::<Slot>() <= 64 && size_of::<Member>() == 8);

/// What became of an unsubscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Publications come no more.
    Gone,
    /// They never came.
    Absent,
    /// They go on, as the connection holds the wildcard.
    Covered,
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

/// Slots are given back to memory where there were more than these.
const SLOTS_MIN: usize = 1_024;
/// What it costs to become a member or to end that, in deliveries: two lists and a table change.
const CHANGE_COST: usize = 2;
/// So many subscriptions that are only looked at cost as much as a delivery.
const LOOKS_PER_DELIVERY: usize = 16;

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type StarMap = std::collections::HashMap<ConnKey, Vec<Star>, HashSeed>;

/// Topics and members.
#[derive(Debug)]
pub struct Registry {
    seed: HashSeed,
    /// The slots of the patterns that have members; a pattern itself is written down once, in its
    /// slot.
    patterns: Spread<u32>,
    slots: Vec<Slot>,
    /// The members that want positions, by slot; an entry is never empty.
    positioned: Spread<(u32, Vec<Member>)>,
    /// Slots without a pattern. The first is given away first, and the last of all slots has a
    /// pattern: what a crowd has needed is given back when it goes.
    free: BTreeSet<u32>,
    subscriptions: SecondaryMap<ConnKey, Subscriptions>,
    /// The wildcards that connections hold; an entry is never empty.
    stars: StarMap,
    /// Wildcards with members: where there are none, nobody looks for one.
    wildcard_count: usize,
    /// All subscriptions, for the gauge.
    count: usize,
    /// Work since it was last taken, in deliveries.
    work: usize,
}

impl Registry {
    /// An empty registry.
    pub(crate) fn new(seed: HashSeed) -> Registry {
        Registry {
            seed,
            patterns: Spread::new(),
            slots: Vec::new(),
            positioned: Spread::new(),
            free: BTreeSet::new(),
            subscriptions: SecondaryMap::new(),
            stars: StarMap::with_hasher(seed),
            wildcard_count: 0,
            count: 0,
            work: 0,
        }
    }

    /// What was done since this was last asked, in deliveries: a wildcard may cost as much as all
    /// that it covers.
    pub(super) fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    /// Makes the connection a member of a topic, or of a wildcard, once. Whether it wants positions
    /// is as it said last; a topic under a wildcard has them as that has.
    pub fn join(
        &mut self,
        conn: ConnKey,
        reach: impl Into<Reach>,
        positioned: bool,
        subscriptions_max: usize,
    ) -> Joined {
        let Some(entry) = self.subscriptions.entry(conn) else { return Joined::Full };
        entry.or_default();
        let joined = match reach.into() {
            Reach::One(topic) if self.star(conn, topic.wildcard()).is_some() => {
                self.join_shadowed(conn, topic, positioned, subscriptions_max)
            }
            Reach::One(topic) => self.join_one(conn, topic, positioned, subscriptions_max),
            reach @ (Reach::Every(_) | Reach::Only(..)) => self.join_star(conn, &reach, positioned, subscriptions_max),
        };
        self.check_invariants(conn);
        joined
    }

    fn join_one(&mut self, conn: ConnKey, topic: Topic, positioned: bool, max: usize) -> Joined {
        let pattern = Pattern::One(topic);
        if let Some(at) = self.place_of(conn, &pattern) {
            let held = self.list(conn)[at];
            if held.is_positioned() != positioned {
                self.leave_members(held);
                self.subscriptions[conn][at] = self.enter_members(held.slot, conn, positioned);
            }
            return Joined::Already;
        }
        if self.held_by(conn) >= max {
            return Joined::Full;
        }
        self.enter(conn, pattern, positioned);
        Joined::Fresh
    }

    /// Notes a topic under a wildcard. One of another time's grants, which the wildcard does not
    /// cover, is joined besides.
    fn join_shadowed(&mut self, conn: ConnKey, topic: Topic, positioned: bool, max: usize) -> Joined {
        let held = self.held_by(conn);
        let Some(star) = self.star_mut(conn, topic.wildcard()) else { broken("the wildcard is held") };
        let is_covered = star.reach.covers(topic.entity);
        if let Some(shadowed) = star.shadowed.iter_mut().find(|(entity, _)| *entity == topic.entity) {
            shadowed.1 = positioned;
            return if is_covered { Joined::Already } else { self.join_one(conn, topic, positioned, max) };
        }
        if held + 1 + usize::from(!is_covered) > max {
            return Joined::Full;
        }
        star.shadowed.push((topic.entity, positioned));
        self.count += 1;
        if !is_covered {
            self.enter(conn, Pattern::One(topic), positioned);
        }
        Joined::Fresh
    }

    /// Joins a wildcard in place of its topics, or anew as it is granted now.
    fn join_star(&mut self, conn: ConnKey, reach: &Reach, positioned: bool, max: usize) -> Joined {
        let wildcard = reach.pattern().wildcard();
        if self.star(conn, wildcard).is_some_and(|star| star.positioned == positioned && star.reach == *reach) {
            return Joined::Already;
        }
        let entered = self.entered_under(conn, wildcard);
        let known = self.star(conn, wildcard).map(|star| star.shadowed.clone());
        let (joined, noted) = known.as_ref().map_or((Joined::Fresh, 0), |shadowed| (Joined::Already, shadowed.len()));
        let shadowed = known.unwrap_or_else(|| entered.clone());
        let mut enters: Vec<(Pattern, bool)> = reach.patterns().map(|pattern| (pattern, positioned)).collect();
        enters.extend(
            shadowed
                .iter()
                .filter(|(entity, _)| !reach.covers(*entity))
                .map(|(entity, positioned)| (Pattern::One(wildcard.topic(*entity)), *positioned)),
        );
        self.work += (self.held_by(conn) + enters.len()) / LOOKS_PER_DELIVERY;
        let is_under = |held: &&Subscription| self.pattern_of(**held).wildcard() == wildcard;
        let others = self.held_by(conn) - self.list(conn).iter().filter(is_under).count() - noted;
        let holds = others + enters.len() + shadowed.len();
        // Whoever takes no more than before is not refused, however little room is left.
        if holds > max.max(self.held_by(conn)) {
            return Joined::Full;
        }
        self.leave_under(conn, wildcard);
        self.count += shadowed.len() - noted;
        for (pattern, positioned) in enters {
            self.enter(conn, pattern, positioned);
        }
        if let Some(star) = self.star_mut(conn, wildcard) {
            (star.reach, star.positioned) = (reach.clone(), positioned);
        } else {
            self.stars.entry(conn).or_default().push(Star { reach: reach.clone(), positioned, shadowed });
        }
        joined
    }

    /// Holds a wildcard as it is granted now, positions as it said: `Already` where that is as
    /// before, `Full` where there is no room.
    pub(crate) fn join_again(&mut self, conn: ConnKey, reach: &Reach, max: usize) -> Joined {
        let Some(star) = self.star(conn, reach.pattern().wildcard()) else { return Joined::Full };
        if star.reach == *reach {
            return Joined::Already;
        }
        let positioned = star.positioned;
        if self.join_star(conn, reach, positioned, max) == Joined::Full { Joined::Full } else { Joined::Fresh }
    }

    /// Becomes a member of a pattern, which it is not yet.
    fn enter(&mut self, conn: ConnKey, pattern: Pattern, positioned: bool) {
        let slot = self.find(&pattern).unwrap_or_else(|| self.add(pattern));
        let subscription = self.enter_members(slot, conn, positioned);
        self.subscriptions[conn].push(subscription);
        self.count += 1;
        self.work += CHANGE_COST;
    }

    /// Adds a connection to the members of a slot.
    fn enter_members(&mut self, slot: u32, conn: ConnKey, positioned: bool) -> Subscription {
        let index = if positioned {
            let (seed, hash) = (self.seed, self.seed.hash_one(slot));
            if let Some((_, members)) = self.positioned.find_mut(hash, |(other, _)| *other == slot) {
                members.push(Member { conn });
                members.len() - 1
            } else {
                self.positioned.insert(hash, (slot, vec![Member { conn }]), |(slot, _)| seed.hash_one(slot));
                0
            }
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
            let (seed, hash) = (self.seed, self.seed.hash_one(slot));
            let is_it = |(other, _): &(u32, Vec<Member>)| *other == slot;
            let list = self.positioned.find_mut(hash, is_it);
            let (_, members) = list.unwrap_or_else(|| broken("a member stands in its list"));
            members.swap_remove(index);
            let moved = members.get(index).copied();
            if members.is_empty() {
                self.positioned.remove(hash, is_it, |(slot, _)| seed.hash_one(slot));
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

    /// Ends the membership of a topic or of a wildcard.
    pub(crate) fn leave(&mut self, conn: ConnKey, pattern: Pattern) -> Left {
        let left = match pattern {
            Pattern::Every(wildcard) => self.leave_star(conn, wildcard),
            Pattern::One(topic) if self.star(conn, topic.wildcard()).is_some() => self.leave_shadowed(conn, topic),
            Pattern::One(_) => match self.place_of(conn, &pattern) {
                Some(at) => {
                    self.remove(conn, at);
                    Left::Gone
                }
                None => Left::Absent,
            },
        };
        self.check_invariants(conn);
        left
    }

    /// Leaves a wildcard, and is a member again of the topics under it.
    fn leave_star(&mut self, conn: ConnKey, wildcard: Wildcard) -> Left {
        let Some(stars) = self.stars.get_mut(&conn) else { return Left::Absent };
        let Some(at) = stars.iter().position(|star| star.wildcard() == wildcard) else { return Left::Absent };
        let Star { shadowed, .. } = stars.swap_remove(at);
        if stars.is_empty() {
            self.stars.remove(&conn);
        }
        self.work += self.list(conn).len() / LOOKS_PER_DELIVERY;
        self.leave_under(conn, wildcard);
        self.count -= shadowed.len();
        for (entity, positioned) in shadowed {
            self.enter(conn, Pattern::One(wildcard.topic(entity)), positioned);
        }
        Left::Gone
    }

    fn leave_shadowed(&mut self, conn: ConnKey, topic: Topic) -> Left {
        let Some(star) = self.star_mut(conn, topic.wildcard()) else { broken("the wildcard is held") };
        let is_covered = star.reach.covers(topic.entity);
        if let Some(at) = star.shadowed.iter().position(|(entity, _)| *entity == topic.entity) {
            star.shadowed.swap_remove(at);
            self.count -= 1;
        }
        if is_covered {
            return Left::Covered;
        }
        match self.place_of(conn, &Pattern::One(topic)) {
            Some(at) => {
                self.remove(conn, at);
                Left::Gone
            }
            None => Left::Absent,
        }
    }

    /// Leaves all that a wildcard covers, and is no member of it.
    fn leave_under(&mut self, conn: ConnKey, wildcard: Wildcard) {
        for at in (0..self.list(conn).len()).rev() {
            if self.pattern_of(self.list(conn)[at]).wildcard() == wildcard {
                self.remove(conn, at);
            }
        }
    }

    /// Ends all memberships of a connection; how many there were. Also forgets the connection.
    pub(crate) fn leave_all(&mut self, conn: ConnKey) -> usize {
        let left = self.held_by(conn);
        while let Some(last) = self.list(conn).len().checked_sub(1) {
            self.remove(conn, last);
        }
        self.count -= self.shadowed_of(conn);
        self.stars.remove(&conn);
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
        self.work += CHANGE_COST;
    }

    /// Gives a pattern a slot.
    fn add(&mut self, pattern: Pattern) -> u32 {
        let Registry { seed, patterns, slots, free, .. } = self;
        let slot = free.pop_first().unwrap_or_else(|| {
            slots.push(Slot { pattern, members: SmallVec::new() });
            place(slots.len() - 1)
        });
        slots[slot as usize].pattern = pattern;
        patterns.insert(seed.hash_one(pattern), slot, |slot| seed.hash_one(slots[*slot as usize].pattern));
        self.wildcard_count += usize::from(matches!(pattern, Pattern::Every(_)));
        slot
    }

    /// Takes its slot from a pattern without members.
    fn forget(&mut self, slot: u32) {
        let Registry { seed, patterns, slots, free, .. } = self;
        let pattern = slots[slot as usize].pattern;
        let hash_of = |slot: &u32| seed.hash_one(slots[*slot as usize].pattern);
        patterns.remove(seed.hash_one(pattern), |other| *other == slot, hash_of);
        slots[slot as usize].members = SmallVec::new();
        self.wildcard_count -= usize::from(matches!(pattern, Pattern::Every(_)));
        free.insert(slot);
        while let Some(last) = free.last().copied().filter(|last| *last as usize + 1 == slots.len()) {
            free.remove(&last);
            slots.pop();
        }
        if slots.capacity() > SLOTS_MIN.max(slots.len() * 4) {
            slots.shrink_to(slots.len() * 2);
        }
    }

    fn find(&self, pattern: &Pattern) -> Option<u32> {
        let is_it = |slot: &u32| self.slots[*slot as usize].pattern == *pattern;
        self.patterns.find(self.seed.hash_one(pattern), is_it).copied()
    }

    fn list(&self, conn: ConnKey) -> &[Subscription] {
        self.subscriptions.get(conn).map(SmallVec::as_slice).unwrap_or_default()
    }

    fn stars_of(&self, conn: ConnKey) -> &[Star] {
        let stars = if self.stars.is_empty() { None } else { self.stars.get(&conn) };
        stars.map(Vec::as_slice).unwrap_or_default()
    }

    fn star(&self, conn: ConnKey, wildcard: Wildcard) -> Option<&Star> {
        self.stars_of(conn).iter().find(|star| star.wildcard() == wildcard)
    }

    fn star_mut(&mut self, conn: ConnKey, wildcard: Wildcard) -> Option<&mut Star> {
        self.stars.get_mut(&conn)?.iter_mut().find(|star| star.wildcard() == wildcard)
    }

    fn shadowed_of(&self, conn: ConnKey) -> usize {
        self.stars_of(conn).iter().map(|star| star.shadowed.len()).sum()
    }

    /// Subscriptions of a connection.
    fn held_by(&self, conn: ConnKey) -> usize {
        self.list(conn).len() + self.shadowed_of(conn)
    }

    fn pattern_of(&self, subscription: Subscription) -> Pattern {
        self.slots[subscription.slot as usize].pattern
    }

    fn place_of(&self, conn: ConnKey, pattern: &Pattern) -> Option<usize> {
        let slot = self.find(pattern)?;
        self.list(conn).iter().position(|subscription| subscription.slot == slot)
    }

    /// The topics of an event of which a connection is a member, and whether it wants their
    /// positions.
    fn entered_under(&self, conn: ConnKey, wildcard: Wildcard) -> Vec<(Uuid, bool)> {
        let list = self.list(conn).iter();
        let topics = list.filter_map(|subscription| match self.pattern_of(*subscription) {
            Pattern::One(topic) if topic.wildcard() == wildcard => Some((topic.entity, subscription.is_positioned())),
            Pattern::One(_) | Pattern::Every(_) => None,
        });
        topics.collect()
    }

    /// Who gets the publications of a topic.
    pub fn members(&self, topic: &Topic) -> Members<'_> {
        let group = |pattern: &Pattern| self.find(pattern).map_or_else(Group::default, |slot| self.members_of(slot));
        let one = group(&Pattern::One(*topic));
        if self.wildcard_count == 0 {
            return Members { one, every: Group::default() };
        }
        Members { one, every: group(&Pattern::Every(topic.wildcard())) }
    }

    fn members_of(&self, slot: u32) -> Group<'_> {
        let positioned = if self.positioned.is_empty() {
            None
        } else {
            self.positioned.find(self.seed.hash_one(slot), |(other, _)| *other == slot)
        };
        Group {
            plain: &self.slots[slot as usize].members,
            positioned: positioned.map(|(_, members)| members.as_slice()).unwrap_or_default(),
        }
    }

    /// Whether the connection wants positions with the publications of the topic; none where it
    /// gets none of them.
    pub fn membership(&self, conn: ConnKey, topic: &Topic) -> Option<bool> {
        let at = |pattern| self.place_of(conn, &pattern);
        let at = at(Pattern::One(*topic)).or_else(|| at(Pattern::Every(topic.wildcard())))?;
        Some(self.list(conn)[at].is_positioned())
    }

    /// Whether the connection has subscribed to just this.
    pub fn holds(&self, conn: ConnKey, pattern: &Pattern) -> bool {
        match (self.star(conn, pattern.wildcard()), pattern) {
            (Some(_), Pattern::Every(_)) => true,
            (Some(star), Pattern::One(topic)) => star.shadowed.iter().any(|(entity, _)| *entity == topic.entity),
            (None, pattern) => self.place_of(conn, pattern).is_some(),
        }
    }

    /// How many members get the publications of a topic.
    pub fn member_count(&self, topic: &Topic) -> usize {
        self.members(topic).count()
    }

    /// What a connection has subscribed to.
    pub fn patterns_of(&self, conn: ConnKey) -> impl Iterator<Item = Pattern> {
        let stars = self.stars_of(conn);
        let all = stars.iter().map(|star| Pattern::Every(star.wildcard()));
        let shadowed = stars.iter().flat_map(|star| star.shadowed.iter().map(|(it, _)| star.wildcard().topic(*it)));
        let list = self.list(conn).iter().map(|subscription| self.pattern_of(*subscription));
        let single = list.filter(|pattern| stars.iter().all(|star| star.wildcard() != pattern.wildcard()));
        all.chain(shadowed.map(Pattern::One)).chain(single)
    }

    /// Subscriptions of all connections; a wildcard that is granted for some entities counts as
    /// one for each.
    pub fn subscription_count(&self) -> usize {
        self.count
    }

    /// Topics and wildcards with members.
    pub(crate) fn topic_count(&self) -> usize {
        self.patterns.len()
    }

    /// Both directions agree, as far as this connection goes.
    fn check_invariants(&self, conn: ConnKey) {
        if cfg!(debug_assertions) {
            for subscription in self.list(conn) {
                let members = self.members_of(subscription.slot);
                let list = if subscription.is_positioned() { members.positioned } else { members.plain };
                debug_assert_eq!(list[subscription.index()].conn, conn);
                debug_assert_eq!(self.find(&self.pattern_of(*subscription)), Some(subscription.slot));
            }
            for star in self.stars_of(conn) {
                let place = |pattern| self.place_of(conn, &pattern);
                let is_held = |at: usize| self.list(conn)[at].is_positioned() == star.positioned;
                debug_assert!(star.reach.patterns().all(|pattern| place(pattern).is_some_and(is_held)));
            }
        }
    }
}

/// A place in a list of members or slots.
fn place(index: usize) -> u32 {
    let place = u32::try_from(index).ok().filter(|place| *place < POSITIONED);
    place.unwrap_or_else(|| broken("members and topics are bounded far below 2^31"))
}

#[cfg(test)]
mod tests;
