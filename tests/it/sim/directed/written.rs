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
    let items: Vec<String> = tags.iter().map(|it| ALERT.item(ORGANIZATIONS[0], user(), &tag(it, 0))).collect();
    world.net().send(publisher.id, &post(&format!("[{}]", items.join(","))));
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
        let Some(Heard::Record(first)) = heard.first() else { panic!("{heard:?}") };
        let (_, place) = first.split_once("\"position\":").expect("it has said since when");
        let place = place.split_inclusive('"').take(2).collect::<String>();
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
