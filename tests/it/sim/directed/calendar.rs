//! A calendar that somebody sets: waits are measured on the other clock, and the order goes on.

use super::*;

const DAY_MS: i64 = 24 * 3_600_000;

#[test]
fn a_calendar_that_jumps_ends_nobody_and_loses_neither_order_nor_what_was_missed() {
    for shards in 1..=3 {
        let world = World::new(&Setting { shards, ..Setting::one_shard() });
        let (mut member, mut publisher) = (Peer::connect(&world), Peer::publisher(&world));
        member.subscribe(&world, ALERT, user());
        let mut before = String::new();
        for (at, days) in [0, 2, -7, 0, 9].into_iter().enumerate() {
            world.set_calendar(days * DAY_MS);
            publisher.publish(&world, ALERT, user(), &tag(&at.to_string(), 0));
            let place = position(&world);
            assert!(place > before, "{place} is behind {before}, whatever the calendar says");
            before = place;
            pass(&world, 10_000);
            assert_eq!(tags(&member.hear(&world)), [at.to_string()]);
        }
        assert!(member.is_there(&world) && publisher.is_there(&world));
    }
}

/// Where the organization stands.
fn position(world: &World) -> String {
    let mut peer = Peer::dial(world, WIDE);
    let token = &TOKENS.publishers[0];
    peer.send(
        world,
        format!("GET /position HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes(),
    );
    match &peer.hear(world)[..] {
        [Heard::Reply(reply)] if reply.status == 200 => reply.text().to_owned(),
        heard => panic!("{heard:?}"),
    }
}
