//! Peers that ask for more than their allowance of work.

use super::*;
use rte::limits::ENDING_BYTES_MAX;

const QUESTION: &str = "{\"type\":1,\"invocationId\":\"a\",\"target\":\"GetActiveSubscriptions\",\"arguments\":[]}\x1e";

/// Two thousand deliveries at once, and a thousand each second.
fn short() -> Limits {
    Limits { connection_deliveries_max: 2_000, connection_deliveries_per_s: 1_000, ..Limits::DEFAULT }
}

fn rests(world: &World, peer: &Peer) -> bool {
    world.look(peer.id).is_some_and(|look| look.rests)
}

#[test]
fn a_client_that_has_used_up_its_allowance_is_not_read_on_until_some_has_come_back() {
    let world = world(short());
    let (mut asker, mut other) = (Peer::connect(&world), Peer::connect(&world));
    asker.say(&world, QUESTION.repeat(100).as_bytes());
    assert!(rests(&world, &asker));
    assert_eq!(asker.hear(&world).len(), 100, "what was read is answered");
    asker.say(&world, QUESTION.as_bytes());
    other.say(&world, QUESTION.as_bytes());
    pass(&world, 300);
    assert_eq!((asker.hear(&world).len(), other.hear(&world).len()), (0, 1));
    assert!(world.pipe(asker.id).unread() > 0, "it waits in the kernel");
    pass(&world, 1_500);
    assert_eq!(asker.hear(&world).len(), 1);
    let numbers = world.numbers(0);
    assert_eq!(numbers.rests, 2, "what had come back was used up again");
    assert!((300..1_800).contains(&numbers.rested_ms), "{}", numbers.rested_ms);
}

#[test]
fn a_client_that_rests_and_whose_socket_fails_is_gone_at_once() {
    let world = world(short());
    let asker = Peer::connect(&world);
    asker.say(&world, QUESTION.repeat(100).as_bytes());
    assert!(rests(&world, &asker));
    world.net().break_off(asker.id);
    world.settle();
    assert_eq!(closed(&world, CloseReason::SocketFailed), 1, "it is not read, and a write is not due");
}

#[test]
fn the_timeout_of_a_client_rests_with_it() {
    let world = world(Limits { connection_deliveries_per_s: 10, rest_ms: 120_000, ..short() });
    let mut asker = Peer::connect(&world);
    asker.say(&world, b"{\"type\":6}\x1e");
    asker.say(&world, QUESTION.repeat(90).as_bytes());
    let ping = || asker.say(&world, b"{\"type\":6}\x1e");
    for _ in 0..3 {
        assert!(rests(&world, &asker));
        pass(&world, 15_000);
        ping();
    }
    while rests(&world, &asker) {
        pass(&world, 1_000);
    }
    pass(&world, 29_000);
    assert!(asker.is_there(&world));
    assert!(asker.hear(&world).iter().all(|heard| matches!(heard, Heard::Record(_))));
    pass(&world, 10_000);
    let heard = asker.hear(&world);
    assert!(matches!(&heard[..], [.., Heard::Close(_)]), "silent from then on: {heard:?}");
}

#[test]
fn a_client_that_would_rest_for_too_long_is_closed_with_a_word() {
    let world = world(Limits { rest_ms: 1_000, ..short() });
    let mut asker = Peer::connect(&world);
    asker.say(&world, QUESTION.repeat(400).as_bytes());
    let heard = asker.hear(&world);
    let [.., Heard::Record(close), Heard::Close(Some(1000))] = &heard[..] else { panic!("{heard:?}") };
    assert!(close.starts_with(r#"{"type":7,"error":"too_much_work: "#), "{close}");
    pass(&world, Limits::DEFAULT.close_ms + 100);
    assert_eq!(closed(&world, CloseReason::TooMuchWork), 1);
}

#[test]
fn a_peer_that_is_closed_and_goes_on_sending_is_not_read_for_long() {
    let world = world(Limits { rest_ms: 1_000, ..short() });
    let (mut asker, mut other) = (Peer::connect(&world), Peer::connect(&world));
    let mut refused = Peer::dial(&world, WIDE);
    asker.say(&world, QUESTION.repeat(400).as_bytes());
    refused.send(&world, b"GET / HTTP/1.1\r\n\r\n");
    let mut flood = Vec::new();
    client::frame(true, client::TEXT, MASK, &[b'x'; 60_000], &mut flood);
    let sent = ENDING_BYTES_MAX / flood.len() + 20;
    for peer in [&asker, &refused] {
        assert!(world.is_ending(peer.id));
        (0..sent).for_each(|_| peer.send(&world, &flood));
        let unread = world.pipe(peer.id).unread();
        assert!((flood.len()..30 * flood.len()).contains(&unread), "{unread} bytes wait in the kernel");
    }
    other.say(&world, QUESTION.as_bytes());
    assert_eq!(other.hear(&world).len(), 1);
    assert!(asker.hear(&world).len() > 1 && refused.hear(&world).len() == 1, "each has been told why");
    pass(&world, Limits::DEFAULT.close_ms + 100);
    assert!(!asker.is_there(&world) && !refused.is_there(&world) && other.is_there(&world));
}

#[test]
fn requests_of_a_stranger_are_answered_as_its_allowance_comes_back() {
    let world = world(short());
    let mut stranger = Peer::dial(&world, WIDE);
    stranger.send(&world, "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(40).as_bytes());
    let at_once = stranger.hear(&world).len();
    assert!((2..10).contains(&at_once), "{at_once}");
    pass(&world, 2_000);
    let later = stranger.hear(&world).len();
    assert!((4..10).contains(&later), "{later}");
    pass(&world, 10_000);
    assert_eq!(at_once + later + stranger.hear(&world).len(), 40);
}

#[test]
fn a_publisher_has_no_allowance_to_use_up() {
    let world = world(short());
    let mut publisher = Peer::publisher(&world);
    for n in 0..100 {
        publisher.publish(&world, ALERT, user(), &tag(&n.to_string(), 1_000));
    }
    assert_eq!(world.numbers(0).rests, 0);
}

#[test]
fn a_desktop_that_comes_back_uses_up_no_allowance() {
    let world = world(Limits::DEFAULT);
    let mut desktop = Peer::connect(&world);
    let item = format!("{{\"EntityId\":\"{}\",\"EventName\":\"{}\"}}", Uuid::from_u128(7), ALERT.name);
    let ask = |method: &str, arguments: &str| {
        format!("{{\"type\":1,\"invocationId\":\"a\",\"target\":\"{method}\",\"arguments\":{arguments}}}\x1e")
    };
    let subscribe = |items: usize| ask("Subscribe", &format!("[[{}]]", vec![item.clone(); items].join(",")));
    for _ in 0..3 {
        desktop.say(&world, subscribe(1_000).as_bytes());
        desktop.say(&world, subscribe(100).repeat(20).as_bytes());
        desktop.say(&world, (ask("Catalogue", "[]") + &ask("AvailableSubscriptions", "[]")).as_bytes());
        assert_eq!(desktop.hear(&world).len(), 23);
    }
    assert_eq!(world.numbers(0).rests, 0);
}
