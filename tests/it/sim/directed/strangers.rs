//! Who has shown no token has a room of its own, and makes room there.

use super::*;
use rte::trace::Fact;

const SMALL: Limits = Limits { strangers_max: 8, ..Limits::DEFAULT };

/// Half of a request to publish, and the other half.
fn halves() -> (Vec<u8>, Vec<u8>) {
    let mut bytes = post(&ALERT.item(ORGANIZATIONS[0], user(), "1"));
    let rest = bytes.split_off(bytes.len() - 5);
    (bytes, rest)
}

fn crowd(world: &World, count: usize) -> Vec<Peer> {
    (0..count).map(|_| Peer::dial(world, WIDE)).collect()
}

#[test]
fn the_oldest_stranger_makes_room_and_nobody_does_who_has_shown_a_token() {
    let world = world(SMALL);
    let (mut client, mut publisher) = (Peer::connect(&world), Peer::publisher(&world));
    let (half, rest) = halves();
    publisher.send(&world, &half);
    let strangers = crowd(&world, 20);
    // A byte now and then makes nobody younger.
    strangers[12].send(&world, b"G");
    let more = crowd(&world, 1);
    let is_there: Vec<bool> = strangers.iter().map(|stranger| stranger.is_there(&world)).collect();
    assert_eq!(is_there, [[false; 13].as_slice(), &[true; 7]].concat());
    assert!(more[0].is_there(&world));
    assert_eq!(closed(&world, CloseReason::MadeRoom), 13);
    let warnings = world.facts().into_iter().filter(|(_, fact)| matches!(fact, Fact::StrangersCrowd { .. })).count();
    assert_eq!(warnings, 1, "once, however many come");
    publisher.send(&world, &rest);
    assert_eq!(statuses(&publisher.hear(&world)), [202]);
    client.subscribe(&world, ALERT, user());
}

#[test]
fn a_publisher_for_whom_no_place_is_left_goes_behind_those_who_have_said_nothing() {
    let world = world(Limits { connections_max: 1, ..SMALL });
    let client = Peer::connect(&world);
    let mut publisher = Peer::publisher(&world);
    let silent = crowd(&world, 7);
    let (half, rest) = halves();
    publisher.send(&world, &half);
    let _more = crowd(&world, 7);
    assert!(client.is_there(&world) && silent.iter().all(|silent| !silent.is_there(&world)));
    publisher.send(&world, &rest);
    assert_eq!(statuses(&publisher.hear(&world)), [202]);
}

#[test]
fn a_place_is_free_again_however_its_connection_ends() {
    let world = world(Limits { connections_max: 1, user_connections_max: 1, address_connections_max: 1, ..SMALL });
    for ending in 0..4 {
        let client = Peer::connect(&world);
        match ending {
            0 => world.net().break_off(client.id),
            1 => world.net().end(client.id),
            2 => client.send(&world, b"no frame at all"),
            _ => client.say(&world, b"no record\x1e"),
        }
        world.settle();
        pass(&world, SMALL.close_ms + 100);
        assert!(!client.is_there(&world), "{ending}");
    }
    assert!(world.shared.is_empty());
}

#[test]
fn a_full_hub_says_so_before_the_upgrade_and_takes_events_all_the_same() {
    let world = world(Limits { connections_max: 1, ..SMALL });
    let _client = Peer::connect(&world);
    let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
    let negotiate = format!("POST /rte/negotiate HTTP/1.1\r\nHost: hub\r\n{authorization}Content-Length: 0\r\n\r\n");
    let mut second = Peer::dial(&world, WIDE);
    for request in [negotiate, client::upgrade("", &authorization)] {
        second.send(&world, request.as_bytes());
        let heard = second.hear(&world);
        let [Heard::Reply(reply)] = &heard[..] else { panic!("{heard:?}") };
        let is_told = reply.text().contains("limits.connections_max") && reply.head.contains("Retry-After: 5");
        assert!(reply.status == 503 && is_told, "{reply:?}");
    }
    let mut publisher = Peer::publisher(&world);
    let (half, rest) = halves();
    publisher.send(&world, &[half, rest].concat());
    assert_eq!(statuses(&publisher.hear(&world)), [202]);
}

#[test]
fn whoever_begins_a_connection_in_vain_keeps_no_place_and_no_share_of_a_user() {
    let limits = Limits { connections_max: 1, user_connections_max: 2, ..SMALL };
    let world = world(limits);
    let authorization = authorization(0);
    let id = negotiated(&world, &authorization);
    let poll = format!("GET /rte?id={id} HTTP/1.1\r\nHost: hub\r\n{authorization}\r\n");
    let client = Peer::connect(&world);
    for request in [client::upgrade("", &authorization), poll].iter().cycle().take(6) {
        let mut peer = Peer::dial(&world, WIDE);
        peer.send(&world, request.as_bytes());
        assert_eq!(statuses(&peer.hear(&world)), [503]);
    }
    world.net().end(client.id);
    pass(&world, 100);
    assert!(world.shared.is_empty());
}
