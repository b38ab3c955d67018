//! A Subscribe that has seen more than its home: it waits, and nobody else does.

use super::*;
use rte::clock::UnixMs;
use rte::hub::partition::Partition;
use rte::hub::position::{Position, WirePosition};
use rte::metrics::Recovery;

/// A client whose Subscribe names a position so far ahead of the hub.
fn ahead(world: &World, ms: u64) -> Peer {
    let unix = UnixMs::from_ms(world.net().now.unix.ms() + ms);
    let place = WirePosition {
        epoch: world.shared.journal.term().epoch,
        partition: Partition::of(ORGANIZATIONS[0]),
        position: Position::at(unix),
    };
    let peer = Peer::connect(world);
    let record = format!(
        "{{\"type\":1,\"invocationId\":\"s\",\"target\":\"Subscribe\",\"arguments\":[[{{\"EntityId\":\"{}\",\
         \"EventName\":\"{}\",\"Since\":\"{place}\"}}]]}}\x1e",
        user(),
        ALERT.name
    );
    peer.say(world, record.as_bytes());
    peer
}

fn world_of(shards: usize) -> World {
    World::new(&Setting { shards, ..Setting::one_shard() })
}

/// Subscribes that wait with a home.
fn waiting(world: &World, shards: usize) -> u64 {
    (0..shards).map(|shard| world.numbers(shard).ahead).sum()
}

#[test]
fn a_subscribe_ahead_of_its_home_is_answered_when_that_has_come_there() {
    for shards in 1..=3 {
        let world = world_of(shards);
        let mut early = ahead(&world, 1_000);
        let (mut member, mut publisher) = (Peer::connect(&world), Peer::publisher(&world));
        member.subscribe(&world, ALERT, user());
        assert_eq!((early.hear(&world), waiting(&world, shards)), (vec![], 1));
        pass(&world, 500);
        publisher.publish(&world, ALERT, user(), &tag("before", 0));
        assert_eq!(tags(&member.hear(&world)), ["before"], "others go on");
        assert_eq!(early.hear(&world), []);
        pass(&world, 600);
        publisher.publish(&world, ALERT, user(), &tag("behind", 0));
        let heard = early.hear(&world);
        let Some(Heard::Record(verdict)) = heard.first() else { panic!("{heard:?}") };
        assert!(verdict.contains("\"recovered\":true,\"replayed\":1"), "{verdict}");
        assert_eq!((tags(&heard), waiting(&world, shards)), (vec!["behind".to_owned()], 0));
        publisher.publish(&world, ALERT, user(), &tag("live", 0));
        assert_eq!(tags(&early.hear(&world)), ["live"]);
    }
}

#[test]
fn a_subscribe_that_is_ahead_for_too_long_is_told_so() {
    for shards in 1..=3 {
        let world = world_of(shards);
        let mut early = ahead(&world, 60_000);
        pass(&world, Limits::DEFAULT.since_wait_ms - 1);
        assert_eq!(early.hear(&world), []);
        pass(&world, 1);
        let heard = early.hear(&world);
        assert!(
            matches!(&heard[..], [Heard::Record(r)] if r.contains("\"recovered\":false,\"replayed\":0")),
            "{heard:?}"
        );
        let told: u64 = (0..shards).map(|shard| world.numbers(shard).recoveries[Recovery::Ahead.index()]).sum();
        assert_eq!((told, waiting(&world, shards)), (1, 0));
    }
    let limits = Limits { since_wait_ms: 0, ..Limits::DEFAULT };
    let world = world(limits);
    assert_eq!(ahead(&world, 60_000).hear(&world).len(), 1, "who wants nobody to wait answers at once");
}

#[test]
fn a_connection_that_ends_while_it_is_ahead_leaves_nothing_behind() {
    for shards in 1..=3 {
        let limits = Limits { since_wait_ms: 20_000, ..Limits::DEFAULT };
        let world = World::new(&Setting { shards, limits: limits.clone(), ..Setting::one_shard() });
        let early = ahead(&world, 60_000);
        assert_eq!(waiting(&world, shards), 1);
        world.drain();
        pass(&world, limits.drain_spread_ms);
        assert_eq!((waiting(&world, shards), world.is_ending(early.id)), (0, true));
    }
}
