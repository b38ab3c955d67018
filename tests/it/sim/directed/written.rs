//! A journal that writes: who hears of a publication when, and what becomes of it where it can't be
//! written.

use super::*;
use std::collections::BTreeSet;

fn world_of(shards: usize) -> World {
    World::new(&Setting { shards, is_written: true, ..Setting::one_shard() })
}

/// What can happen happens, but that anything is written.
fn proceed(world: &World) {
    for _ in 0..100 {
        world.net().arrive_all();
        (0..world.shards).filter(|shard| !world.is_quiet(*shard)).for_each(|shard| world.step(shard));
    }
}

/// Publishes alerts of these tags, in one request; nothing is written meanwhile.
fn send(world: &World, publisher: &Peer, tags: &[&str]) {
    world.net().send(publisher.id, &post(&alerts(tags.iter().map(|it| tag(it, 0)))));
    proceed(world);
    let unwritten = world.unwritten();
    assert!(tags.iter().all(|tag| unwritten.contains(*tag)), "{tags:?}: {unwritten:?}");
}

/// The journal can't be written any more, or can again.
fn turn_over(world: &World) {
    world.proceed_with_writing(0, true, 1);
    proceed(world);
}

/// A client that subscribes to the alerts since then, and what it hears.
fn since(world: &World, since: &str) -> (Peer, Vec<Heard>) {
    let mut peer = Peer::connect(world);
    let item = format!("{{\"EntityId\":\"{}\",\"EventName\":\"{}\",\"Since\":{since}}}", user(), ALERT.name);
    let record = format!("{{\"type\":1,\"invocationId\":\"s\",\"target\":\"Subscribe\",\"arguments\":[[{item}]]}}\x1e");
    peer.say(world, record.as_bytes());
    let heard = peer.hear(world);
    (peer, heard)
}

/// The position that the first record heard has.
fn position(heard: &[Heard]) -> String {
    let Some(Heard::Record(first)) = heard.first() else { panic!("{heard:?}") };
    let (_, place) = first.split_once("\"position\":").expect("it has said since when");
    place.split_inclusive('"').take(2).collect()
}

/// Bytes that a peer has not read yet.
fn unread(world: &World, peer: &Peer) -> usize {
    world.pipe(peer.id).from_hub.len()
}

#[test]
fn nobody_hears_of_a_publication_before_it_is_written_and_its_publisher_does_not_either() {
    for shards in 1..=3 {
        let world = world_of(shards);
        let ((mut member, _), mut publisher) = (since(&world, "null"), Peer::publisher(&world));
        send(&world, &publisher, &["a", "b"]);
        assert_eq!((unread(&world, &member), unread(&world, &publisher)), (0, 0));
        world.write_all();
        proceed(&world);
        assert_eq!(world.unwritten(), BTreeSet::new());
        assert_eq!(
            (tags(&member.hear(&world)), statuses(&publisher.hear(&world))),
            (vec!["a".into(), "b".into()], vec![202])
        );
    }
}

#[test]
fn what_waits_when_the_journal_fails_is_heard_once_and_can_be_recovered_in_the_new_epoch() {
    for shards in 1..=3 {
        let world = world_of(shards);
        let ((mut member, _), mut publisher) = (since(&world, "null"), Peer::publisher(&world));
        send(&world, &publisher, &["a", "b"]);
        turn_over(&world);
        let heard = member.hear(&world);
        assert_eq!((tags(&heard), statuses(&publisher.hear(&world))), (vec!["a".into(), "b".into()], vec![202]));
        let place = position(&heard);
        let (_, heard) = since(&world, &place);
        let Some(Heard::Record(verdict)) = heard.first() else { panic!("{heard:?}") };
        assert!(verdict.contains("\"recovered\":true,\"replayed\":1"), "{place}: {verdict}");
        assert_eq!(tags(&heard), ["b"]);
    }
}

#[test]
fn what_is_said_of_a_time_before_the_journal_failed_counts_for_nothing_that_came_behind_it() {
    for shards in 1..=3 {
        let world = world_of(shards);
        let ((mut member, _), publisher) = (since(&world, "null"), Peer::publisher(&world));
        send(&world, &publisher, &["a"]);
        turn_over(&world);
        turn_over(&world);
        send(&world, &publisher, &["b"]);
        let before = (unread(&world, &member), unread(&world, &publisher));
        world.proceed_with_writing(1, false, 0);
        proceed(&world);
        assert_eq!(
            (unread(&world, &member), unread(&world, &publisher)),
            before,
            "it was the one before that is written"
        );
        assert_eq!(tags(&member.hear(&world)), ["a", "b"]);
    }
}

#[test]
fn what_a_publisher_sends_on_stays_behind_what_waits_when_the_journal_fails() {
    // At one of these turns all that was to be written is heard, and the rest still waits.
    for turns in 0..12 {
        let limits = Limits { mailbox_bytes_max: 7_000, turn_deliveries_max: 8_000, ..Limits::DEFAULT };
        let world = World::new(&Setting { is_written: true, limits, ..Setting::one_shard() });
        let mut members: Vec<Peer> = (0..80).map(|_| since(&world, "null").0).collect();
        let mut publisher = Peer::publisher(&world);
        let sent: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let items = |names: &[String]| alerts(names.iter().map(|name| tag(name, 800)));
        // Its token is known from then on, which costs more than a turn has.
        publisher.publish(&world, ALERT, user(), &tag(&sent[0], 0));
        world.net().send(publisher.id, &post(&items(&sent[1..11])));
        proceed(&world);
        assert!((1..10).contains(&world.unwritten().len()), "some is to be written, and the rest waits for that");
        assert!(world.look(publisher.id).is_some_and(|look| look.wants_input), "its next request is read");
        world.proceed_with_writing(0, true, 1);
        (0..turns).for_each(|_| world.step(0));
        publisher.send(&world, &post(&items(&sent[11..])));
        assert_eq!(statuses(&publisher.hear(&world)), [202; 2]);
        assert!(members.iter_mut().all(|member| tags(&member.hear(&world)) == sent), "{turns} turns");
    }
}

#[test]
fn a_position_is_good_behind_a_restart_though_the_publication_there_has_another_home_now() {
    for shards in 1..=4 {
        let mut world = world_of(1);
        let mut publisher = Peer::publisher(&world);
        world.net().send(publisher.id, &post_of(1, &ALERT.item(ORGANIZATIONS[1], user(), &tag("a", 0))));
        world.settle();
        assert_eq!(statuses(&publisher.hear(&world)), [202]);
        let place = position(&since(&world, "null").1);
        world.advance(1);
        world.restart(shards);
        let (_, heard) = since(&world, &place);
        let Some(Heard::Record(verdict)) = heard.first() else { panic!("{shards} shards: {heard:?}") };
        assert!(verdict.contains("\"recovered\":true,\"replayed\":0"), "{shards} shards: {verdict}");
    }
}
