use super::*;
use crate::clock::Now;
use crate::hub::position::{Epoch, Position, Stamp};
use proptest::prelude::*;

const EVENT: EventId = EventId(0);

fn topic(event: EventId, n: u8) -> Topic {
    Topic { organization: Uuid::nil(), event, entity: Uuid::from_u128(u128::from(n)) }
}

fn key(n: u8) -> Key {
    Key([n; 16])
}

fn ms(ms: u64) -> UnixMs {
    UnixMs::from_ms(ms)
}

/// A table to which publications come in their order.
struct Bench {
    kept: Kept,
    last: Option<Position>,
    now_ms: u64,
}

impl Bench {
    fn new(limits: &Limits) -> Bench {
        Bench::of(Arc::default(), limits, 1)
    }

    fn of(total: Arc<KeptTotal>, limits: &Limits, homes: usize) -> Bench {
        Bench { kept: Kept::new(total, limits, homes, ms(0)), last: None, now_ms: 1_000_000 }
    }

    fn keep(&mut self, topic: Topic, effect: Effect, data: &[u8]) -> Change {
        let now = Now::from_ms(0, self.now_ms);
        let position = Position::after(self.last, now);
        self.last = Some(position);
        let stamp = Some(Stamp { epoch: Epoch::begin(now, 0), position, at: now.unix });
        self.kept.keep(Publication { stamp, effect, ..Publication::new(topic, data.into()) })
    }

    fn value(&mut self, n: u8, data: &[u8]) -> Change {
        self.keep(topic(EVENT, n), Effect::Value, data)
    }

    fn keyed(&mut self, n: u8, k: u8, data: &[u8]) -> Change {
        self.keep(topic(EVENT, n), Effect::Keyed { key: key(k), is_last: false, moves: None }, data)
    }

    fn call(&mut self, event: u16, leg: u8, phase: Phase) {
        self.keep(topic(EventId(event), 1), Effect::Call { call: key(1), leg: key(leg), phase }, b"x");
    }

    fn told(&mut self, topic: Topic) -> Vec<Vec<u8>> {
        self.kept.end_due(ms(self.now_ms));
        self.kept.of_topic(&topic).map(|row| row.data.to_vec()).collect()
    }

    /// Events of which there are rows of calls.
    fn events(&mut self) -> Vec<u16> {
        self.kept.end_due(ms(self.now_ms));
        self.kept.rows.keys().map(|place| place.event.0).collect()
    }
}

const LIMITS: Limits = Limits { keep_ms: 50, open_call_ms: 40, linger_ms: 10, ..Limits::DEFAULT };

#[test]
fn an_equal_value_is_told_from_a_fresh_one() {
    let mut bench = Bench::new(&LIMITS);
    assert_eq!(bench.value(1, b"a"), Change::Fresh);
    assert_eq!(bench.value(1, b"a"), Change::Equal);
    assert_eq!(bench.value(1, b"b"), Change::Fresh);
    assert_eq!(bench.value(2, b"b"), Change::Fresh);
    assert_eq!((bench.keyed(3, 1, b"b"), bench.keyed(3, 2, b"b")), (Change::Fresh, Change::Fresh));
    assert_eq!(bench.keyed(3, 1, b"b"), Change::Equal);
}

#[test]
fn a_key_is_kept_for_its_time_after_its_last_change_or_until_its_last() {
    let mut bench = Bench::new(&LIMITS);
    bench.keyed(1, 1, b"a");
    bench.keyed(1, 2, b"b");
    bench.now_ms += 30;
    bench.keyed(1, 1, b"c");
    bench.now_ms += 20;
    assert_eq!(bench.told(topic(EVENT, 1)), [b"c"]);
    bench.keep(topic(EVENT, 1), Effect::Keyed { key: key(1), is_last: true, moves: None }, b"d");
    assert_eq!(bench.told(topic(EVENT, 1)), [b""; 0]);
    assert_eq!((bench.kept.len(), bench.kept.bytes(), bench.kept.evicted()), (0, 0, 0));
}

#[test]
fn a_leg_that_is_over_lingers_and_what_comes_late_does_not_open_it() {
    let mut bench = Bench::new(&LIMITS);
    bench.call(1, 1, Phase::Begin);
    bench.call(2, 1, Phase::Progress);
    assert_eq!(bench.events(), [1, 2]);
    bench.call(3, 1, Phase::End);
    assert_eq!(bench.events(), [3], "the end is told as long as it counts");
    bench.call(1, 1, Phase::Begin);
    bench.call(2, 1, Phase::Progress);
    assert_eq!((bench.events(), bench.kept.late()), (vec![3], 2));
    bench.call(2, 2, Phase::Progress);
    assert_eq!(bench.events(), [2, 3], "another leg opens without a begin");
    bench.now_ms += 10;
    assert_eq!(bench.events(), [2]);
    bench.call(1, 1, Phase::Begin);
    assert_eq!(bench.events(), [1, 2]);
}

#[test]
fn an_end_without_a_begin_closes_its_leg() {
    let mut bench = Bench::new(&LIMITS);
    bench.call(3, 1, Phase::End);
    bench.call(1, 1, Phase::Begin);
    assert_eq!(bench.events(), [3]);
}

#[test]
fn the_end_of_a_call_ends_all_of_its_legs_and_those_that_come_late() {
    let mut bench = Bench::new(&LIMITS);
    for leg in [1, 2] {
        bench.call(1, leg, Phase::Begin);
    }
    bench.keep(topic(EventId(1), 1), Effect::Call { call: key(9), leg: key(3), phase: Phase::Begin }, b"x");
    bench.call(4, 2, Phase::EndCall);
    bench.call(1, 7, Phase::Begin);
    assert_eq!(bench.events(), [1, 4], "another call goes on");
    assert_eq!(bench.kept.late(), 1);
}

#[test]
fn a_leg_without_an_end_is_open_for_its_time_after_its_last_event() {
    let mut bench = Bench::new(&LIMITS);
    bench.call(1, 1, Phase::Begin);
    bench.now_ms += 39;
    bench.call(2, 1, Phase::Progress);
    bench.now_ms += 39;
    assert_eq!(bench.events(), [1, 2]);
    bench.now_ms += 1;
    assert_eq!(bench.events(), [0; 0]);
    assert!(bench.kept.legs.is_empty());
}

#[test]
fn a_leg_goes_whole_and_the_table_remembers_that_it_did() {
    let mut bench = Bench::new(&Limits { kept_rows_max: 3, ..LIMITS });
    let is_partial = |bench: &Bench, event, is_call| {
        bench.kept.is_partial(topic(EventId(event), 5).wildcard(), is_call, ms(bench.now_ms))
    };
    bench.call(1, 1, Phase::Begin);
    bench.call(2, 1, Phase::Progress);
    bench.value(1, b"a");
    assert!(!is_partial(&bench, 1, true));
    bench.now_ms += 1;
    bench.value(2, b"b");
    assert_eq!((bench.events(), bench.kept.evicted()), (vec![0, 0], 2));
    assert!(is_partial(&bench, 1, true) && is_partial(&bench, 2, true) && !is_partial(&bench, 1, false));
    bench.now_ms += 30;
    bench.call(2, 1, Phase::Progress);
    bench.now_ms += 39;
    assert!(is_partial(&bench, 1, true), "the leg goes on, and its begin is missing");
    bench.now_ms += 1;
    assert!(!is_partial(&bench, 1, true), "it would have ended by now");
    let mut young = Kept::new(Arc::default(), &LIMITS, 1, ms(100));
    assert!(young.is_partial(topic(EVENT, 1).wildcard(), false, ms(149)), "what was before it, nobody knows");
    assert!(!young.is_partial(topic(EVENT, 1).wildcard(), false, ms(150)));
    young.shrink();
}

#[test]
fn what_may_be_missing_is_told_as_long_as_anything_that_goes_on_from_there_holds() {
    let is_partial = |bench: &Bench| bench.kept.is_partial(topic(EVENT, 1).wildcard(), true, ms(bench.now_ms));
    // Somebody has let go of what was written before this.
    let lost = |bench: &mut Bench| {
        bench.now_ms += 1;
        bench.kept.come_back(Gaps::before(ms(bench.now_ms)));
    };
    let mut bench = Bench::new(&LIMITS);
    lost(&mut bench);
    bench.now_ms += LIMITS.linger_ms - 1;
    bench.call(1, 1, Phase::Begin);
    bench.now_ms += LIMITS.open_call_ms - 1;
    assert!(is_partial(&bench), "the end of a leg may be missing that begins late");
    bench.now_ms += 1;
    assert!(!is_partial(&bench));
    bench.call(1, 1, Phase::Begin);
    bench.now_ms += 1;
    lost(&mut bench);
    bench.now_ms += LIMITS.linger_ms;
    bench.call(2, 1, Phase::Progress);
    bench.call(1, 2, Phase::Begin);
    bench.now_ms += LIMITS.open_call_ms - 1;
    assert!(is_partial(&bench), "so may be an event of a leg that goes on");
    bench.now_ms += 1;
    assert!(!is_partial(&bench));
    let short = Limits { open_call_ms: 5, ..LIMITS };
    let mut bench = Bench::new(&short);
    lost(&mut bench);
    bench.now_ms += LIMITS.linger_ms - 1;
    assert!(is_partial(&bench), "an end lingers for longer than a leg is open");
    bench.now_ms += 1;
    assert!(!is_partial(&bench));
}

#[test]
fn homes_share_the_bounds_and_the_one_with_more_than_its_share_gives_way() {
    let total = Arc::<KeptTotal>::default();
    let limits = Limits { kept_rows_max: 10, ..LIMITS };
    let home = || Bench::of(Arc::clone(&total), &limits, 2);
    let (mut large, mut small) = (home(), home());
    for n in 0..12 {
        large.value(n, b"a");
    }
    assert_eq!((large.kept.len(), large.kept.evicted()), (10, 2), "one home alone may have it all");
    for n in 20..24 {
        small.value(n, b"a");
    }
    assert_eq!(small.kept.len(), 4, "what is within its share is kept at once");
    large.kept.shrink();
    assert_eq!((large.kept.len(), small.kept.len()), (6, 4));
    for n in 24..40 {
        small.value(n, b"a");
        large.kept.shrink();
    }
    assert_eq!((large.kept.len(), small.kept.len()), (5, 5), "in the end each has its share");
    assert!(large.kept.value(&topic(EVENT, 11)).is_some() && large.kept.value(&topic(EVENT, 6)).is_none());
}

#[test]
fn the_rows_of_an_event_are_walked_in_portions_over_all_entities() {
    let mut bench = Bench::new(&LIMITS);
    for entity in [3, 1, 2] {
        bench.keyed(entity, 1, &[entity]);
        bench.keyed(entity, 2, &[entity + 10]);
    }
    bench.keep(topic(EventId(1), 1), Effect::Value, b"of another event");
    let foreign = Topic { organization: Uuid::max(), ..topic(EVENT, 1) };
    bench.keep(foreign, Effect::Value, b"of another organization");
    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let portion: Vec<_> = bench.kept.of_event(Uuid::nil(), EVENT, after).take(4).collect();
        let Some((last, _)) = portion.last() else { break };
        after = Some(*last);
        told.extend(portion.iter().map(|(_, row)| row.data[0]));
    }
    assert_eq!(told, [1, 11, 2, 12, 3, 13]);
}

proptest! {
    #[test]
    fn holds_what_a_list_by_time_of_writing_would(writes in proptest::collection::vec((0u8..12, 0usize..30), 1..200)) {
        let limits = Limits { kept_rows_max: 6, kept_bytes_max: 100, ..LIMITS };
        let mut bench = Bench::new(&limits);
        let mut twin: Vec<(u8, Vec<u8>)> = Vec::new();
        for (n, len) in writes {
            let data = vec![n; len];
            bench.value(n, &data);
            twin.retain(|(other, _)| *other != n);
            twin.push((n, data));
            while twin.len() > 6 || twin.iter().map(|(_, data)| data.len()).sum::<usize>() > 100 {
                twin.remove(0);
            }
            prop_assert_eq!(bench.kept.len(), twin.len());
            for n in 0..12 {
                let expected = twin.iter().find(|(other, _)| *other == n).map(|(_, data)| data.as_slice());
                let row = bench.kept.value(&topic(EVENT, n));
                prop_assert_eq!(row.map(|publication| &*publication.data), expected);
            }
        }
    }

    /// A table that is too small against one that is not.
    #[test]
    fn what_is_missing_is_never_missing_silently(
        steps in proptest::collection::vec((0u16..4, 0u8..3, 0u8..5, 0u64..12), 1..120),
    ) {
        let mut small = Bench::new(&Limits { kept_rows_max: 6, ..LIMITS });
        let mut large = Bench::new(&LIMITS);
        for (number, (event, entity, k, pass)) in steps.into_iter().enumerate() {
            let effect = match event {
                0 => Effect::Value,
                1 => Effect::Keyed { key: key(k), is_last: false, moves: None },
                _ => Effect::Call { call: key(0), leg: key(k + 1), phase: Phase::Progress },
            };
            for bench in [&mut small, &mut large] {
                bench.now_ms += pass;
                bench.keep(topic(EventId(event), entity), effect, &number.to_le_bytes());
            }
            prop_assert!(small.kept.len() <= 6);
            let notes: usize = small.kept.queues.iter().map(|queue| queue.notes.len()).sum();
            prop_assert!(notes <= 2 * small.kept.len() + 64);
            for topic in (1..4).flat_map(|event| (0..3).map(move |entity| topic(EventId(event), entity))) {
                let (few, all) = (small.told(topic), large.told(topic));
                prop_assert!(few.iter().all(|row| all.contains(row)));
                let is_partial = small.kept.is_partial(topic.wildcard(), topic.event.0 > 1, ms(small.now_ms));
                prop_assert!(few.len() == all.len() || is_partial, "{topic:?}: {} of {}", few.len(), all.len());
            }
        }
    }
}
