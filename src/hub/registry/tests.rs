use super::*;
use crate::schema::EventId;
use proptest::prelude::*;
use slotmap::SlotMap;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

fn topic(n: u8) -> Topic {
    Topic { organization: Uuid::nil(), event: EventId(u16::from(n % 3)), entity: Uuid::from_u128(u128::from(n / 3)) }
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize, u8, bool),
    /// The entities, a bit each, of an event; all bits are the wildcard itself.
    JoinStar(usize, u8, u8, bool),
    Leave(usize, u8),
    LeaveStar(usize, u8),
    LeaveAll(usize),
}

const ENTITIES: u8 = 3;
const EVERY: u8 = (1 << ENTITIES) - 1;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..5, 0u8..9, any::<bool>()).prop_map(|(conn, topic, positioned)| Step::Join(conn, topic, positioned)),
        3 => (0usize..5, 0u8..3, 1..=EVERY, any::<bool>()).prop_map(|(conn, event, mask, positioned)| Step::JoinStar(conn, event, mask, positioned)),
        3 => (0usize..5, 0u8..9).prop_map(|(conn, topic)| Step::Leave(conn, topic)),
        2 => (0usize..5, 0u8..3).prop_map(|(conn, event)| Step::LeaveStar(conn, event)),
        1 => (0usize..5).prop_map(Step::LeaveAll),
    ]
}

/// What a connection has said, and what follows from it, by brute force.
#[derive(Clone, Debug, Default)]
struct Twin {
    topics: BTreeMap<u8, bool>,
    /// Which entities of an event, and whether with positions.
    stars: BTreeMap<u8, (u8, bool)>,
}

impl Twin {
    fn is_covered(&self, name: u8) -> bool {
        self.stars.get(&(name % 3)).is_some_and(|(mask, _)| mask >> (name / 3) & 1 == 1)
    }

    fn membership(&self, name: u8) -> Option<bool> {
        if self.is_covered(name) { Some(self.stars[&(name % 3)].1) } else { self.topics.get(&name).copied() }
    }

    /// Subscriptions: what was said of topics, and each list of members that it stands in.
    fn count(&self) -> usize {
        let stars = self.stars.values().map(|(mask, _)| if *mask == EVERY { 1 } else { mask.count_ones() as usize });
        let shadowed = |name: &&u8| self.stars.contains_key(&(**name % 3)) && !self.is_covered(**name);
        self.topics.len() + stars.sum::<usize>() + self.topics.keys().filter(shadowed).count()
    }

    /// Does it, where the connection may have so many then.
    fn join(&mut self, max: usize, known: bool, step: impl FnOnce(&mut Twin)) -> Joined {
        let mut next = self.clone();
        step(&mut next);
        if next.count() > max.max(if known { self.count() } else { 0 }) {
            return Joined::Full;
        }
        *self = next;
        if known { Joined::Already } else { Joined::Fresh }
    }
}

fn wildcard(event: u8) -> Wildcard {
    topic(event).wildcard()
}

fn reach(event: u8, mask: u8) -> Reach {
    if mask == EVERY {
        return Reach::Every(wildcard(event));
    }
    let entities = (0..ENTITIES).filter(|entity| mask >> entity & 1 == 1);
    Reach::Only(wildcard(event), entities.map(|entity| topic(3 * entity).entity).collect())
}

proptest! {
    #[test]
    fn agrees_with_what_each_connection_has_said(steps in proptest::collection::vec(step(), 1..120)) {
        const MAX: usize = 6;
        let mut keys: SlotMap<ConnKey, ()> = SlotMap::with_key();
        let conns: Vec<ConnKey> = (0..5).map(|_| keys.insert(())).collect();
        let mut registry = Registry::new(HashSeed(1, 2));
        let mut twins: Vec<Twin> = vec![Twin::default(); 5];
        for step in steps {
            match step {
                Step::Join(conn, name, positioned) => {
                    let known = twins[conn].topics.contains_key(&name);
                    let expected = twins[conn].join(MAX, known, |twin| { twin.topics.insert(name, positioned); });
                    prop_assert_eq!(registry.join(conns[conn], topic(name), positioned, MAX), expected);
                }
                Step::JoinStar(conn, event, mask, positioned) => {
                    let known = twins[conn].stars.contains_key(&event);
                    let expected = twins[conn].join(MAX, known, |twin| { twin.stars.insert(event, (mask, positioned)); });
                    prop_assert_eq!(registry.join(conns[conn], reach(event, mask), positioned, MAX), expected);
                }
                Step::Leave(conn, name) => {
                    let was_held = twins[conn].topics.remove(&name).is_some();
                    let expected = if twins[conn].is_covered(name) { Left::Covered }
                        else if was_held { Left::Gone } else { Left::Absent };
                    prop_assert_eq!(registry.leave(conns[conn], Pattern::One(topic(name))), expected);
                }
                Step::LeaveStar(conn, event) => {
                    let expected = twins[conn].stars.remove(&event).map_or(Left::Absent, |_| Left::Gone);
                    prop_assert_eq!(registry.leave(conns[conn], Pattern::Every(wildcard(event))), expected);
                }
                Step::LeaveAll(conn) => {
                    prop_assert_eq!(registry.leave_all(conns[conn]), std::mem::take(&mut twins[conn]).count());
                }
            }
            prop_assert_eq!(registry.subscription_count(), twins.iter().map(Twin::count).sum::<usize>());
            for name in 0..9 {
                let members = registry.members(&topic(name));
                let told: Vec<(ConnKey, bool)> = members.lists().into_iter()
                    .flat_map(|(list, positioned)| list.iter().map(move |member| (member.conn, positioned))).collect();
                let expected: BTreeSet<(ConnKey, bool)> = twins.iter().zip(&conns)
                    .filter_map(|(twin, conn)| Some((*conn, twin.membership(name)?))).collect();
                prop_assert_eq!((told.len(), members.count()), (expected.len(), expected.len()), "each once");
                prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected);
            }
            for (twin, conn) in twins.iter().zip(&conns) {
                registry.check_invariants(*conn);
                let said: BTreeSet<Pattern> = twin.topics.keys().map(|name| Pattern::One(topic(*name)))
                    .chain(twin.stars.keys().map(|event| Pattern::Every(wildcard(*event)))).collect();
                prop_assert!(said.iter().all(|pattern| registry.holds(*conn, pattern)));
                prop_assert_eq!(registry.patterns_of(*conn).count(), said.len());
                prop_assert_eq!(registry.patterns_of(*conn).collect::<BTreeSet<_>>(), said);
                for name in 0..9 {
                    prop_assert_eq!(registry.membership(*conn, &topic(name)), twin.membership(name));
                }
            }
        }
        conns.iter().for_each(|conn| { registry.leave_all(*conn); });
        let left = (registry.subscription_count(), registry.topic_count(), registry.wildcard_count, registry.stars.len());
        prop_assert_eq!(left, (0, 0, 0, 0));
    }
}

#[test]
fn who_asks_again_for_a_wildcard_is_not_refused_where_no_room_is_left() {
    let mut keys: SlotMap<ConnKey, ()> = SlotMap::with_key();
    let (conn, mut registry) = (keys.insert(()), Registry::new(HashSeed(1, 2)));
    let some = reach(0, 0b001);
    assert_eq!(registry.join(conn, topic(0), false, 9), Joined::Fresh);
    assert_eq!(registry.join(conn, some.clone(), false, 9), Joined::Fresh);
    assert_eq!(registry.join(conn, some, true, 0), Joined::Already);
    assert_eq!(registry.join(conn, reach(0, 0b011), true, 0), Joined::Full, "it would be more");
    assert_eq!(registry.join(conn, reach(1, EVERY), true, 0), Joined::Full);
}

#[test]
fn what_a_crowd_has_needed_is_given_back_when_it_goes_though_others_stay() {
    const CROWD: u32 = 3_000;
    let mut keys: SlotMap<ConnKey, ()> = SlotMap::with_key();
    let mut registry = Registry::new(HashSeed(1, 2));
    let [before, crowd, meanwhile] = [(); 3].map(|()| keys.insert(()));
    let of = |name: u32| Topic { entity: Uuid::from_u128(u128::from(name)), ..topic(0) };
    let join = |registry: &mut Registry, conn, name, positioned| {
        assert_eq!(registry.join(conn, of(name), positioned, usize::MAX), Joined::Fresh);
    };
    join(&mut registry, before, CROWD, false);
    (0..CROWD / 2).for_each(|name| join(&mut registry, crowd, name, name % 2 == 0));
    join(&mut registry, meanwhile, CROWD + 1, false);
    (CROWD / 2..CROWD).for_each(|name| join(&mut registry, crowd, name, false));
    registry.leave_all(crowd);
    registry.leave(meanwhile, Pattern::One(of(CROWD + 1)));
    assert_eq!((registry.slots.len(), registry.free.len()), (1, 0));
    assert!(registry.slots.capacity() <= SLOTS_MIN, "{}", registry.slots.capacity());
    join(&mut registry, crowd, 7, false);
    assert_eq!((registry.member_count(&of(CROWD)), registry.member_count(&of(7))), (1, 1));
}

#[test]
fn a_wildcard_costs_what_enters_and_leaves_for_it_and_nothing_where_it_is_as_before() {
    const TOPICS: u128 = 500;
    let mut keys: SlotMap<ConnKey, ()> = SlotMap::with_key();
    let (conn, mut registry) = (keys.insert(()), Registry::new(HashSeed(1, 2)));
    let of = |name| Topic { entity: Uuid::from_u128(name), ..topic(0) };
    (0..TOPICS).for_each(|name| assert_eq!(registry.join(conn, of(name), false, usize::MAX), Joined::Fresh));
    let all = CHANGE_COST * TOPICS as usize;
    assert_eq!(registry.take_work(), all);
    let some = Reach::Only(wildcard(0), (0..TOPICS / 2).map(|name| of(name).entity).collect());
    for reach in [reach(0, EVERY), some] {
        assert_eq!(registry.join(conn, reach.clone(), false, usize::MAX), Joined::Fresh);
        assert!(registry.take_work() > all, "all topics are left");
        assert_eq!(registry.join(conn, reach.clone(), false, usize::MAX), Joined::Already);
        assert_eq!(registry.take_work(), 0);
        assert_eq!(registry.join(conn, reach, true, usize::MAX), Joined::Already);
        assert!(registry.take_work() > 0, "positions are told by another list");
        assert_eq!(registry.leave(conn, Pattern::Every(wildcard(0))), Left::Gone);
        assert!(registry.take_work() > all, "all topics are entered again");
    }
}
