//! The promise of a snapshot: a page that was just loaded shows what one shows that was always
//! there. The page of this test folds as the manual for clients tells, and shares no code with the
//! table.

use crate::clock::Now;
use crate::hub::block::{Block, Rows, Wanted};
use crate::hub::home::{Home, HomeTotals};
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::{Effect, Key, Publication};
use crate::hub::registry::HashSeed;
use crate::hub::topic::Topic;
use crate::limits::Limits;
use crate::schema::{EventId, Phase};
use proptest::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

const KEEP_MS: u64 = 50;
const OPEN_CALL_MS: u64 = 40;
const LINGER_MS: u64 = 12;

/// The events, by their numbers.
const VALUE: u16 = 0;
const KEYED: u16 = 1;
/// One entity has a key at a time.
const HELD: u16 = 2;
const CALLS: [(u16, Phase); 5] =
    [(3, Phase::Begin), (4, Phase::Progress), (5, Phase::Progress), (6, Phase::End), (7, Phase::EndCall)];

type At = u64;
type Bytes = Vec<u8>;
/// The events of a leg that is open.
type Story = Vec<(u16, At, Bytes)>;

/// A page, which hears messages and has no other source.
#[derive(Default)]
struct Page {
    values: BTreeMap<Uuid, Bytes>,
    keyed: BTreeMap<(u16, Uuid, [u8; 16]), (At, Bytes)>,
    legs: BTreeMap<(Uuid, [u8; 16], [u8; 16]), Story>,
    legs_over: BTreeMap<(Uuid, [u8; 16], [u8; 16]), At>,
    calls_over: BTreeMap<(Uuid, [u8; 16]), At>,
}

impl Page {
    fn hear(&mut self, message: &Publication, is_live: bool) {
        let (event, entity) = (message.topic.event.0, message.topic.entity);
        let (at, data) = (message.stamp.unwrap().at.ms(), message.data.to_vec());
        match message.effect {
            Effect::None => {}
            Effect::Value => drop(self.values.insert(entity, data)),
            Effect::Keyed { key, is_last: true, .. } => drop(self.keyed.remove(&(event, entity, key.0))),
            Effect::Keyed { key, .. } => drop(self.keyed.insert((event, entity, key.0), (at, data))),
            Effect::Call { call: Key(call), leg: Key(leg), phase } => {
                let lingers = |end: Option<&At>| end.is_some_and(|end| at < end + LINGER_MS);
                let is_over =
                    lingers(self.legs_over.get(&(entity, call, leg))) || lingers(self.calls_over.get(&(entity, call)));
                match phase {
                    Phase::Begin | Phase::Progress if is_over => {}
                    Phase::Begin | Phase::Progress => {
                        let story = self.legs.entry((entity, call, leg)).or_default();
                        // Of a snapshot, only the last event says how old the leg is.
                        if is_live && story.iter().all(|(_, then, _)| then + OPEN_CALL_MS <= at) {
                            story.clear();
                        }
                        story.retain(|(other, ..)| *other != event);
                        story.push((event, at, data));
                    }
                    Phase::End => {
                        self.legs.remove(&(entity, call, leg));
                        self.legs_over.insert((entity, call, leg), at);
                    }
                    Phase::EndCall => {
                        self.legs.retain(|(of, other, _), _| (*of, *other) != (entity, call));
                        self.calls_over.insert((entity, call), at);
                    }
                }
            }
        }
    }

    /// What it shows at that moment: keyed states and the stories of open legs, in their order.
    fn shows(&self, now: At) -> Vec<String> {
        let values = self.values.iter().map(|it| format!("{it:?}"));
        let keyed = self.keyed.iter().filter(|(_, (at, _))| at + KEEP_MS > now).map(|it| format!("{it:?}"));
        let is_open = |story: &&Story| story.iter().any(|(_, at, _)| at + OPEN_CALL_MS > now);
        let legs = self.legs.iter().filter(|(_, story)| is_open(story)).map(|it| format!("{it:?}"));
        values.chain(keyed).chain(legs).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Value(u8),
    Keyed(u8, u8, bool),
    /// The key, and who has it from now on, if anybody.
    Held(u8, Option<u8>, bool),
    Call(usize, u8, u8, u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1u8..3).prop_map(Step::Value),
        2 => (1u8..3, 0u8..3, any::<bool>()).prop_map(|(entity, key, last)| Step::Keyed(entity, key, last)),
        3 => (0u8..2, proptest::option::of(1u8..4), proptest::bool::weighted(0.2))
            .prop_map(|(key, entity, last)| Step::Held(key, entity, last)),
        8 => (0..CALLS.len(), 1u8..3, 0u8..2, 1u8..4)
            .prop_map(|(event, entity, call, leg)| Step::Call(event, entity, call, leg)),
        4 => (0u64..15).prop_map(Step::Pass),
    ]
}

fn entity(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n))
}

/// A hub's home, and all that its members were told.
struct World {
    home: Home,
    now: Now,
    told: Vec<Publication>,
}

impl World {
    fn new() -> World {
        let limits = Limits { keep_ms: KEEP_MS, open_call_ms: OPEN_CALL_MS, linger_ms: LINGER_MS, ..Limits::DEFAULT };
        let now = Now::from_ms(0, 1_000);
        let home = Home::new(HashSeed(1, 2), &limits, Epoch::begin(now, 7), &HomeTotals::default(), 1);
        World { home, now, told: Vec::new() }
    }

    fn publish(&mut self, event: u16, to: u8, effect: Effect) {
        let topic = Topic { organization: Uuid::nil(), event: EventId(event), entity: entity(to) };
        let data = format!("{} {}", topic.entity, self.told.len());
        let publication = Publication { effect, ..Publication::new(topic, data.into_bytes().into()) };
        if let Some(farewell) = self.home.farewell(&publication) {
            self.stamp(farewell);
        }
        if to > 0 {
            self.stamp(publication);
        }
    }

    fn stamp(&mut self, mut publication: Publication) {
        publication.stamp = Some(self.home.stamp(self.now));
        self.home.keep(publication.clone());
        self.told.push(publication);
    }

    fn go(&mut self, step: Step) {
        let key = |n: u8| Key([n; 16]);
        match step {
            Step::Value(to) => self.publish(VALUE, to, Effect::Value),
            Step::Keyed(to, k, is_last) => {
                self.publish(KEYED, to, Effect::Keyed { key: key(k), is_last, moves: None });
            }
            Step::Held(k, to, is_last) => {
                let effect = Effect::Keyed { key: key(k), is_last, moves: Some(0) };
                self.publish(HELD, to.unwrap_or_default(), effect);
            }
            Step::Call(event, to, call, leg) => {
                let (event, phase) = CALLS[event];
                self.publish(event, to, Effect::Call { call: key(call), leg: key(16 * call + leg), phase });
            }
            Step::Pass(ms) => self.now = Now::from_ms(0, self.now.unix.ms() + ms),
        }
    }

    /// The snapshot of everything.
    fn snapshot(&mut self) -> Vec<Publication> {
        self.block().publications.iter().map(|publication| Publication::clone(publication)).collect()
    }

    fn block(&mut self) -> Block {
        let wanted = |event: u16, to: u8| Wanted {
            reach: Topic { organization: Uuid::nil(), event: EventId(event), entity: entity(to) }.into(),
            is_held: false,
            rows: match event {
                VALUE => Rows::Value,
                KEYED | HELD => Rows::Keyed,
                _ => Rows::Call,
            },
            since: None,
            snapshot: true,
        };
        let all: Vec<Wanted> = (0..8).flat_map(|event| (1..4).map(move |to| wanted(event, to))).collect();
        let block = self.home.recover(Uuid::nil(), &all, self.now);
        assert_eq!(block.found.iter().map(|found| found.rows).sum::<usize>(), block.publications.len());
        assert!(block.publications.is_sorted_by_key(|publication| publication.position()));
        block
    }
}

#[test]
fn who_has_had_a_key_hears_of_its_move_and_has_it_no_more() {
    let mut world = World::new();
    world.go(Step::Held(1, Some(1), false));
    world.go(Step::Held(1, Some(1), false));
    assert_eq!(world.told.len(), 2, "nothing moves");
    world.go(Step::Held(1, Some(2), false));
    let told = |publication: &Publication| {
        let data = String::from_utf8(publication.data.to_vec()).unwrap();
        (publication.topic.entity, publication.effect.is_last(), data)
    };
    let change = |to: u8| format!("{} 2", entity(to));
    assert_eq!(told(&world.told[2]), (entity(1), true, change(1)), "the same data, with their own GUID");
    assert_eq!(told(&world.told[3]), (entity(2), false, change(2)));
    world.go(Step::Held(1, None, false));
    assert_eq!((told(&world.told[4]).0, world.told.len()), (entity(2), 5), "nobody has it now");
    assert!(world.snapshot().is_empty());
    world.go(Step::Held(1, None, false));
    assert_eq!(world.told.len(), 5);
}

#[test]
fn a_page_goes_on_from_the_greatest_position_of_its_snapshot_and_hears_nothing_late_again() {
    let [begin, progress, end] = [0, 1, 3];
    let mut world = World::new();
    world.go(Step::Call(end, 1, 0, 1));
    world.go(Step::Call(begin, 1, 1, 1));
    world.go(Step::Call(progress, 1, 0, 1));
    world.go(Step::Pass(LINGER_MS));
    let block = world.block();
    assert_eq!(block.publications.len(), 1, "the end does not linger any more");
    let goes_on_from = |position: Option<Position>| {
        let mut page = Page::default();
        block.publications.iter().for_each(|row| page.hear(row, false));
        let missed = world.told.iter().filter(|message| message.position() > position);
        missed.for_each(|message| page.hear(message, true));
        page.shows(world.now.unix.ms())
    };
    let mut always = Page::default();
    world.told.iter().for_each(|message| always.hear(message, true));
    let shown = always.shows(world.now.unix.ms());
    assert_eq!(goes_on_from(block.found.iter().map(|found| found.position).max()), shown);
    assert_eq!(goes_on_from(block.publications[0].position()).len(), shown.len() + 1, "it opens what is over");
}

proptest! {
    #[test]
    fn a_page_that_was_just_loaded_shows_what_one_shows_that_was_always_there(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new();
        let mut cuts = vec![(0, Vec::new())];
        for step in steps {
            world.go(step);
            cuts.push((world.told.len(), world.snapshot()));
        }
        let now = world.now.unix.ms();
        let mut always = Page::default();
        world.told.iter().for_each(|message| always.hear(message, true));
        for (cut, snapshot) in cuts {
            let mut loaded = Page::default();
            snapshot.iter().for_each(|message| loaded.hear(message, false));
            world.told[cut..].iter().for_each(|message| loaded.hear(message, true));
            prop_assert_eq!(loaded.shows(now), always.shows(now), "cut at {}", cut);
        }
    }
}
