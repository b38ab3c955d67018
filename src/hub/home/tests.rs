use super::*;
use crate::hub::encoding::{Encoding, Form};
use crate::hub::publication::{EventTraits, Payload};
use crate::hub::telling::FRAME_BYTES;
use crate::schema::EventId;

const ORGANIZATION: Uuid = Uuid::nil();

fn at(unix_ms: u64) -> Now {
    Now::from_ms(0, unix_ms)
}

fn topic(event: u16, entity: u8) -> Topic {
    Topic { organization: ORGANIZATION, event: EventId(event), entity: Uuid::from_u128(u128::from(entity)) }
}

/// The home of one shard; event 0 is a state, event 1 an occurrence.
fn home(limits: &Limits) -> Home {
    Home::new(HashSeed(1, 2), limits, Epoch::begin(at(1_000), 7), &HomeTotals::default(), 1)
}

fn publish(home: &mut Home, topic: Topic, data: &[u8], now: Now) -> WirePosition {
    let stamp = home.stamp(now);
    let effect = if topic.event == EventId(0) { Effect::Value } else { Effect::None };
    let publication = Publication { stamp: Some(stamp), effect, ..Publication::new(topic, data.into()) };
    home.keep(publication.clone());
    home.record(publication);
    stamp.of(ORGANIZATION)
}

fn item(topic: Topic, since: Option<Since>, snapshot: bool) -> Wanted {
    let rows = if topic.event == EventId(0) { Rows::Value } else { Rows::None };
    Wanted { reach: topic.into(), is_held: false, rows, since, snapshot }
}

fn texts(block: &Block) -> Vec<&str> {
    block.publications.iter().map(|publication| core::str::from_utf8(&publication.data).unwrap()).collect()
}

#[test]
fn a_block_is_in_the_order_of_positions_over_all_items() {
    let mut home = home(&Limits::DEFAULT);
    let (calls, status) = (topic(1, 1), topic(0, 1));
    let start = home.present(ORGANIZATION);
    publish(&mut home, calls, b"1", at(1_001));
    publish(&mut home, status, b"2", at(1_002));
    let seen = publish(&mut home, calls, b"3", at(1_003));
    publish(&mut home, status, b"4", at(1_004));
    publish(&mut home, calls, b"5", at(1_005));
    let wanted = [item(status, Some(Since::Behind(start)), false), item(calls, Some(Since::Behind(start)), false)];
    let block = home.recover(ORGANIZATION, &wanted, at(1_006));
    assert_eq!(texts(&block), ["1", "3", "4", "5"], "of a state only the newest");
    assert_eq!(block.found.iter().map(|found| found.replayed).collect::<Vec<_>>(), [1, 3]);
    assert!(block.found.iter().all(|found| found.position == start.position), "what it had, until it has the block");
    let wanted = [item(calls, Some(Since::Behind(seen)), false), item(calls, Some(Since::Behind(start)), false)];
    let block = home.recover(ORGANIZATION, &wanted, at(1_006));
    assert_eq!(texts(&block), ["5"], "what is named again gets nothing more");
    assert_eq!(block.found[1], Found { replayed: 0, ..block.found[0] }, "and no position behind what is to come");
    let wanted = [item(calls, Some(Since::Behind(seen)), false), item(calls, Some(Since::Present), false)];
    assert_eq!(home.recover(ORGANIZATION, &wanted, at(1_006)).found[1].recovery, None, "it did not ask");
    let up_to_date = [item(calls, Some(Since::Behind(block.present)), false), item(status, Some(Since::Present), true)];
    let block = home.recover(ORGANIZATION, &up_to_date, at(1_006));
    assert_eq!(texts(&block), ["4"]);
    assert_eq!(block.found[0].position, block.present.position);
    assert_eq!(block.found[1].position, block.publications[0].position().unwrap().before());
    assert_eq!((block.found[0].recovery, block.found[1].recovery), (Some(Recovery::Recovered), None));
}

fn every(event: u16) -> Reach {
    Reach::Every(topic(event, 0).wildcard())
}

fn only(event: u16, entity: u8) -> Reach {
    Reach::Only(topic(event, 0).wildcard(), [topic(event, entity).entity].into())
}

#[test]
fn a_wildcard_gets_what_all_its_topics_would_in_one_order_and_each_once() {
    let mut home = home(&Limits::DEFAULT);
    let start = home.present(ORGANIZATION);
    let foreign = Topic { organization: Uuid::from_u128(7), ..topic(0, 1) };
    for (topic, data) in [
        (topic(1, 1), b"1"),
        (topic(0, 1), b"2"),
        (topic(1, 2), b"3"),
        (foreign, b"x"),
        (topic(0, 2), b"4"),
        (topic(0, 1), b"5"),
    ] {
        publish(&mut home, topic, data, at(1_001));
    }
    let since = Some(Since::Behind(start));
    let wanted = |reach: Reach, since, snapshot| Wanted { reach, ..item(topic(0, 0), since, snapshot) };
    let state = |reach| wanted(reach, since, false);
    let calls = |reach| Wanted { rows: Rows::None, ..state(reach) };
    let mut told = |wanted: &[Wanted]| {
        let block = home.recover(ORGANIZATION, wanted, at(1_006));
        assert!(block.found.iter().all(|found| found.recovery.is_none_or(|it| it == Recovery::Recovered)));
        (texts(&block).concat(), block.found.iter().map(|found| found.replayed + found.rows).collect::<Vec<_>>())
    };
    let all = [calls(every(1)), state(every(0)), calls(topic(1, 1).into())];
    assert_eq!(told(&all), ("1345".to_owned(), vec![2, 2, 1]), "of each state only the newest");
    assert_eq!(told(&[calls(only(1, 2)), state(only(0, 1))]), ("35".to_owned(), vec![1, 1]));
    assert_eq!(told(&[wanted(every(0), None, true)]), ("45".to_owned(), vec![2]));
    assert_eq!(told(&[wanted(only(0, 1), None, true)]), ("5".to_owned(), vec![1]));
    let held = Wanted { is_held: true, ..state(every(0)) };
    assert_eq!(told(&[held]), (String::new(), vec![0]), "nothing of it was missed");
    let block = home.recover(ORGANIZATION, &[wanted(every(0), None, true)], at(1_006));
    assert_eq!(block.found[0].position, block.publications[0].position().unwrap().before());
}

#[test]
fn of_a_wildcard_all_is_replayed_or_nothing() {
    let limits = Limits { replay_items_max: 2, ..Limits::DEFAULT };
    let mut home = home(&limits);
    let start = home.present(ORGANIZATION);
    for entity in [1, 2, 1, 2] {
        publish(&mut home, topic(1, entity), b"c", at(1_001));
        publish(&mut home, topic(0, entity), b"s", at(1_001));
    }
    let entities: Arc<[Uuid]> = [1, 2].map(|entity| topic(0, entity).entity).into();
    let mut told = |reach: Reach, rows| {
        let since = Some(Since::Behind(start));
        let wanted = Wanted { reach, rows, ..item(topic(0, 0), since, false) };
        let block = home.recover(ORGANIZATION, &[wanted], at(1_006));
        (block.found[0].recovery.unwrap(), block.publications.len())
    };
    assert_eq!(told(every(0), Rows::Value), (Recovery::Recovered, 2));
    assert_eq!(told(every(1), Rows::None), (Recovery::TooMuch, 0));
    let only = |event| Reach::Only(topic(event, 0).wildcard(), entities.clone());
    assert_eq!(told(only(0), Rows::Value), (Recovery::Recovered, 2));
    assert_eq!(told(only(1), Rows::None), (Recovery::TooMuch, 0), "the first entity alone would not be too much");
}

#[test]
fn what_is_trimmed_of_the_states_of_a_wildcard_is_told_by_what_is_kept_unless_some_of_that_went() {
    let limits = Limits { history_ms: 10, replay_items_max: 2, ..Limits::DEFAULT };
    let told = |limits: &Limits, entities: u8, seen: usize| {
        let mut home = home(limits);
        let mut places = vec![home.present(ORGANIZATION)];
        for entity in 1..=entities {
            places.push(publish(&mut home, topic(0, entity), &[b'0' + entity], at(1_001)));
        }
        home.shrink(at(1_020));
        assert!(home.log().is_empty());
        let item = Wanted { reach: every(0), ..item(topic(0, 0), Some(Since::Behind(places[seen])), false) };
        let block = home.recover(ORGANIZATION, &[item], at(1_021));
        (texts(&block).concat(), block.found[0].recovery.unwrap())
    };
    assert_eq!(told(&limits, 2, 0), ("12".to_owned(), Recovery::Recovered));
    assert_eq!(told(&limits, 3, 1), ("23".to_owned(), Recovery::Recovered));
    assert_eq!(told(&limits, 3, 0), (String::new(), Recovery::TooMuch));
    let few = Limits { kept_rows_max: 1, ..limits };
    assert_eq!(told(&few, 2, 0), (String::new(), Recovery::Trimmed));
}

#[test]
fn a_snapshot_of_many_states_says_when_one_has_gone_and_that_of_one_state_is_plain() {
    let mut home = home(&Limits { kept_rows_max: 2, ..Limits::DEFAULT });
    let told = |home: &mut Home, reach: Reach| {
        let wanted = Wanted { reach, ..item(topic(0, 0), None, true) };
        let found = home.recover(ORGANIZATION, &[wanted], at(1_002)).found[0];
        (found.rows, found.is_partial)
    };
    for entity in [1, 2] {
        publish(&mut home, topic(0, entity), b"s", at(1_001));
    }
    assert_eq!(told(&mut home, every(0)), (2, false));
    publish(&mut home, topic(0, 3), b"s", at(1_001));
    assert_eq!(told(&mut home, every(0)), (2, true));
    assert_eq!(told(&mut home, only(0, 1)), (0, true));
    assert_eq!(told(&mut home, topic(0, 1).into()), (0, false), "nothing is known, and that is said");
}

#[test]
fn a_value_of_before_a_loss_may_not_be_the_newest_and_says_so_until_it_is_told_anew() {
    let mut former = home(&Limits::DEFAULT);
    publish(&mut former, topic(0, 1), b"old", at(1_001));
    let past = |gaps| Past { rows: former.held().cloned().collect(), gaps: Some(gaps), ..Past::default() };
    let told = |home: &mut Home| home.recover(ORGANIZATION, &[item(topic(0, 1), None, true)], at(1_100)).found[0];
    let mut whole = home(&Limits::DEFAULT);
    whole.restore(past(Gaps::NONE), at(1_050));
    assert!(!told(&mut whole).is_partial);
    let mut lost = home(&Limits::DEFAULT);
    lost.restore(past(Gaps::before(UnixMs::from_ms(1_050))), at(1_050));
    assert_eq!((told(&mut lost).rows, told(&mut lost).is_partial), (1, true));
    publish(&mut lost, topic(0, 1), b"new", at(1_060));
    assert_eq!((told(&mut lost).rows, told(&mut lost).is_partial), (1, false));
}

#[test]
fn what_cannot_be_recovered_says_why_and_falls_back_to_what_holds() {
    let limits = Limits { history_ms: 10, replay_items_max: 2, ..Limits::DEFAULT };
    let mut home = home(&limits);
    let (calls, status) = (topic(1, 1), topic(0, 1));
    let start = home.present(ORGANIZATION);
    publish(&mut home, status, b"0", at(1_001));
    for n in [b"1", b"2", b"3"] {
        publish(&mut home, calls, n, at(1_002));
    }
    let other = WirePosition { epoch: Epoch::begin(at(1_000), 8), ..start };
    let foreign = (1..).map(Uuid::from_u128).map(Partition::of).find(|other| *other != start.partition).unwrap();
    let ahead = WirePosition { position: Position::at(UnixMs::from_ms(9_999)), ..start };
    let told = |home: &mut Home, topic, since| {
        let block = home.recover(ORGANIZATION, &[item(topic, Some(since), true)], at(1_003));
        (block.found[0].recovery.unwrap(), block.found[0].replayed, block.found[0].rows)
    };
    for (since, why) in [
        (Since::Unreadable, Recovery::Unreadable),
        (Since::Behind(other), Recovery::Epoch),
        (Since::Behind(WirePosition { partition: foreign, ..start }), Recovery::Partition),
        (Since::Behind(ahead), Recovery::Ahead),
    ] {
        assert_eq!(told(&mut home, status, since), (why, 0, 1));
    }
    assert_eq!(told(&mut home, calls, Since::Behind(start)), (Recovery::TooMuch, 0, 0));
    home.shrink(at(1_020));
    assert_eq!(told(&mut home, calls, Since::Behind(start)), (Recovery::Trimmed, 0, 0));
    assert_eq!(told(&mut home, status, Since::Behind(start)), (Recovery::Recovered, 1, 0), "its last value is kept");
}

#[test]
fn how_far_back_gives_what_there_is_and_says_whether_that_is_all() {
    let mut home = home(&Limits::DEFAULT);
    let calls = topic(1, 1);
    for (n, unix_ms) in [(b"1", 2_000), (b"2", 3_000), (b"3", 4_000)] {
        publish(&mut home, calls, n, at(unix_ms));
    }
    let mut told = |ms| {
        let block = home.recover(ORGANIZATION, &[item(calls, Some(Since::Back { ms }), false)], at(4_500));
        (texts(&block).concat(), block.found[0].recovery.unwrap())
    };
    assert_eq!(told(1_600), ("23".to_owned(), Recovery::Recovered));
    assert_eq!(told(3_500), ("123".to_owned(), Recovery::Recovered), "since the process began");
    assert_eq!(told(3_600), ("123".to_owned(), Recovery::Trimmed), "before it, nothing is known");
    assert_eq!(told(0), (String::new(), Recovery::Recovered));
}

#[test]
fn no_frame_has_more_around_its_data_than_is_counted() {
    let catalogue = crate::schema::Catalogue::built_in(None);
    let longest = catalogue.available_subscriptions().max_by_key(|name| name.len()).unwrap().to_lowercase();
    let stamp = home(&Limits::DEFAULT).stamp(at(1_001));
    for encoding in Encoding::ALL {
        let mut frame = Vec::new();
        let form = Form { encoding, positioned: true };
        let event = EventTraits { lower: &longest, is_state: false, is_last: true, instants: None };
        form.encode(&topic(1, 1), event, Some(stamp), Payload::Borrowed(b""), &mut frame);
        assert!(frame.len() <= FRAME_BYTES - 8, "{} bytes, and a longer header", frame.len());
    }
}

#[test]
fn a_replay_of_more_bytes_than_may_wait_is_none() {
    let limits = Limits { outbox_hard_bytes: FRAME_BYTES + 10, ..Limits::DEFAULT };
    let mut home = home(&limits);
    let start = home.present(ORGANIZATION);
    publish(&mut home, topic(1, 1), b"123456", at(1_001));
    publish(&mut home, topic(1, 2), b"123456", at(1_002));
    let since = Some(Since::Behind(start));
    let block =
        home.recover(ORGANIZATION, &[item(topic(1, 1), since, false), item(topic(1, 2), since, false)], at(1_003));
    assert_eq!(block.publications.len(), 1);
    assert_eq!(block.found[1].recovery, Some(Recovery::TooMuch));
    assert_eq!(block.found[1].position, block.present.position);
}

#[test]
fn values_of_a_long_absence_are_those_that_are_kept_and_the_log_is_not_read_far_for_them() {
    let mut home = home(&Limits { replay_items_max: 20, ..Limits::DEFAULT });
    let start = home.present(ORGANIZATION);
    for n in 0..800u64 {
        publish(&mut home, topic(0, (n % 5) as u8), n.to_string().as_bytes(), at(1_001 + n));
    }
    let reach = Reach::Every(topic(0, 0).wildcard());
    let wanted = Wanted { reach, ..item(topic(0, 0), Some(Since::Behind(start)), false) };
    let block = home.recover(ORGANIZATION, &[wanted], at(2_000));
    assert_eq!(texts(&block), ["795", "796", "797", "798", "799"]);
    assert_eq!((block.found[0].recovery, block.found[0].replayed), (Some(Recovery::Recovered), 5));
    let looked = STEPS_PER_ITEM * 20 + 5;
    assert_eq!(block.work, 1 + 1 + looked / STEPS_PER_DELIVERY + 5 * FOUND_COST);
}

#[test]
fn what_is_beyond_the_bound_of_bytes_is_not_looked_for() {
    let mut home = home(&Limits { outbox_hard_bytes: 10 * (FRAME_BYTES + 1), ..Limits::DEFAULT });
    let start = home.present(ORGANIZATION);
    for n in 0..900 {
        publish(&mut home, topic(1, u8::from(n >= 893)), b"x", at(1_001 + n));
    }
    let since = Some(Since::Behind(start));
    let wanted = [item(topic(1, 0), since, false), item(topic(1, 1), since, false)];
    let block = home.recover(ORGANIZATION, &wanted, at(2_000));
    let outcomes = block.found.iter().map(|found| (found.recovery.unwrap(), found.replayed));
    assert_eq!(outcomes.collect::<Vec<_>>(), [(Recovery::TooMuch, 0), (Recovery::Recovered, 7)]);
    assert_eq!(block.work, 2 + 2 + (11 + 7) / STEPS_PER_DELIVERY + 7 * FOUND_COST);
}
