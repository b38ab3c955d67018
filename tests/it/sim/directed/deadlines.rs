//! Every wait and what ends it.

use super::*;
use rte::wire::Cut;

const PING: &str = "{\"type\":6}";

fn said(text: &str) -> Heard {
    Heard::Record(text.into())
}

fn ask(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: hub\r\n{more}\r\n")
}

fn statuses(heard: &[Heard]) -> Vec<u16> {
    let status = |heard: &Heard| match heard {
        Heard::Reply(reply) => Some(reply.status),
        Heard::Record(_) | Heard::Pong(_) | Heard::Close(_) => None,
    };
    heard.iter().filter_map(status).collect()
}

#[test]
fn a_ping_goes_out_after_fifteen_seconds_without_a_byte() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::connect(&world);
    pass(&world, 14_900);
    assert_eq!(peer.hear(&world), []);
    pass(&world, 200);
    assert_eq!(peer.hear(&world), [said(PING)]);
    pass(&world, 14_000);
    // Any byte that goes out puts the next ping off.
    peer.subscribe(&world, ALERT, user());
    pass(&world, 14_900);
    assert_eq!(peer.hear(&world), []);
    pass(&world, 200);
    assert_eq!(peer.hear(&world), [said(PING)]);
}

#[test]
fn a_client_that_never_pinged_may_be_silent() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::connect(&world);
    pass(&world, 120_000);
    assert!(peer.is_there(&world));
    assert_eq!(peer.hear(&world).len(), 8);
}

#[test]
fn a_client_that_never_pinged_is_given_up_when_its_machine_acknowledges_no_ping() {
    let world = world(Limits::DEFAULT);
    let (lost, there) = (Peer::connect(&world), Peer::connect(&world));
    world.pipe(lost.id).lose();
    pass(&world, 59_900);
    assert!(lost.is_there(&world), "it may have acknowledged something before the first look");
    pass(&world, 200);
    assert!(!lost.is_there(&world) && there.is_there(&world));
    assert_eq!(closed(&world, CloseReason::Unreachable), 1);
}

#[test]
fn nobody_is_given_up_for_not_acknowledging_what_a_hub_that_slept_has_not_sent() {
    let world = world(Limits::DEFAULT);
    let peer = Peer::connect(&world);
    pass(&world, 30_500);
    for _ in 0..4 {
        world.advance(30_500);
        world.settle();
        assert!(peer.is_there(&world));
    }
}

#[test]
fn a_hub_that_has_slept_gives_nobody_up_who_never_pinged() {
    let world = world(Limits::DEFAULT);
    let peer = Peer::connect(&world);
    pass(&world, 30_100);
    for _ in 0..3 {
        world.advance(45_000);
        world.settle();
    }
    assert!(peer.is_there(&world));
}

#[test]
fn a_client_that_has_pinged_is_given_up_after_thirty_seconds_of_silence() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::connect(&world);
    peer.say(&world, b"{\"type\":6}\x1e");
    pass(&world, 29_900);
    assert!(peer.hear(&world).iter().all(|heard| *heard == said(PING)));
    pass(&world, 200);
    let heard = peer.hear(&world);
    let close = r#"{"type":7,"error":"client_timeout: a client that used to ping was silent for limits.client_timeout_ms","allowReconnect":true}"#;
    assert_eq!(heard, [said(close), Heard::Close(Some(1000))]);
    pass(&world, Limits::DEFAULT.close_ms + 100);
    assert!(!peer.is_there(&world));
    assert_eq!(closed(&world, CloseReason::ClientTimeout), 1);
}

#[test]
fn a_hub_message_without_an_end_has_its_time() {
    let limits = Limits { record_ms: 20_000, ..Limits::DEFAULT };
    let world = world(limits.clone());
    let mut peer = Peer::connect(&world);
    peer.say(&world, b"{\"type\":6}\x1e{\"type\":");
    for _ in 0..19 {
        pass(&world, 1_000);
        // More of it does not give it more time.
        peer.say(&world, b" ");
    }
    assert!(!peer.hear(&world).iter().any(|heard| matches!(heard, Heard::Close(_))));
    pass(&world, 1_100);
    let heard = peer.hear(&world);
    let [.., Heard::Record(close), Heard::Close(Some(1000))] = &heard[..] else { panic!("{heard:?}") };
    assert!(close.starts_with(r#"{"type":7,"error":"record_timeout: "#), "{close}");
    let mut punctual = Peer::connect(&world);
    for _ in 0..40 {
        // Each is ended in time, and the next begun.
        punctual.say(&world, b"{\"type\":6}\x1e{\"type\":6");
        punctual.say(&world, b"}\x1e{");
        punctual.say(&world, b"\"type\":6}\x1e");
        pass(&world, 1_000);
    }
    assert!(punctual.is_there(&world) && !punctual.hear(&world).is_empty());
    assert_eq!(closed(&world, CloseReason::RecordTimeout), 1);
}

#[test]
fn a_handshake_that_does_not_come_is_canceled() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
    peer.send(&world, client::upgrade("", &authorization).as_bytes());
    peer.hear(&world);
    pass(&world, 14_900);
    assert_eq!(peer.hear(&world), []);
    pass(&world, 200);
    let error = r#"{"error":"Handshake was canceled."}"#;
    assert_eq!(peer.hear(&world), [said(error), Heard::Close(Some(1000))]);
    assert_eq!(closed(&world, CloseReason::HandshakeTimeout), 0);
    pass(&world, Limits::DEFAULT.close_ms + 100);
    assert_eq!(closed(&world, CloseReason::HandshakeTimeout), 1);
}

#[test]
fn a_connection_without_a_byte_is_ended_in_silence_after_head_ms() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    pass(&world, Limits::DEFAULT.head_ms + 100);
    assert_eq!(peer.hear(&world), []);
    assert!(world.pipe(peer.id).is_shut);
    pass(&world, Limits::DEFAULT.close_ms + 100);
    assert_eq!(closed(&world, CloseReason::RequestTimeout), 1);
}

#[test]
fn half_a_head_is_answered_408_after_head_ms_however_slowly_it_drips() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    for byte in b"GET /health" {
        peer.send(&world, &[*byte]);
        pass(&world, 900);
    }
    assert_eq!(peer.hear(&world), []);
    pass(&world, 200);
    assert_eq!(statuses(&peer.hear(&world)), [408]);
    assert!(world.pipe(peer.id).is_shut);
}

#[test]
fn a_further_head_has_its_own_time_from_its_first_byte() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    peer.send(&world, ask("GET", "/healthz", "").as_bytes());
    pass(&world, 60_000);
    peer.send(&world, b"GET /healthz HTTP/1.1\r\n");
    pass(&world, 9_900);
    assert_eq!(statuses(&peer.hear(&world)), [200]);
    pass(&world, 200);
    assert_eq!(statuses(&peer.hear(&world)), [408]);
}

#[test]
fn a_connection_may_rest_for_idle_ms_between_requests() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    peer.send(&world, ask("GET", "/healthz", "").as_bytes());
    pass(&world, Limits::DEFAULT.idle_ms - 100);
    assert_eq!(statuses(&peer.hear(&world)), [200]);
    assert_eq!(closed(&world, CloseReason::IdleTimeout), 0);
    pass(&world, 200);
    assert_eq!(closed(&world, CloseReason::IdleTimeout), 1, "at once: nothing of its reply is on the way");
}

#[test]
fn half_a_body_is_answered_408_after_body_ms() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    let request = post(&ALERT.item(ORGANIZATIONS[0], user(), "a"));
    peer.send(&world, &request[..request.len() - 1]);
    pass(&world, Limits::DEFAULT.body_ms - 100);
    assert_eq!(peer.hear(&world), []);
    pass(&world, 200);
    assert_eq!(statuses(&peer.hear(&world)), [408]);
    pass(&world, Limits::DEFAULT.close_ms + 100);
    assert_eq!(closed(&world, CloseReason::RequestTimeout), 1);
}

#[test]
fn a_request_connection_that_its_peer_has_ended_is_freed_at_once() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    peer.send(&world, ask("GET", "/healthz", "").as_bytes());
    assert_eq!(statuses(&peer.hear(&world)), [200]);
    world.net().end(peer.id);
    world.settle();
    assert_eq!(world.pipe(peer.id).ending, Some(Cut::Graceful));
    assert_eq!(closed(&world, CloseReason::Served), 1);
}

#[test]
fn a_peer_that_ends_its_direction_behind_a_request_gets_the_reply() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, 20);
    world.net().send(peer.id, ask("GET", "/healthz", "").as_bytes());
    world.net().end(peer.id);
    world.settle();
    assert_eq!(statuses(&peer.hear(&world)), [200]);
    assert_eq!(world.pipe(peer.id).ending, Some(Cut::Graceful));
}

#[test]
fn a_drain_spreads_its_closes_and_leaves_nobody() {
    let world = world(Limits::DEFAULT);
    let mut peers: Vec<Peer> = (0..60).map(|_| Peer::connect(&world)).collect();
    world.drain();
    let mut bytes = Vec::new();
    client::frame(true, client::CLOSE, MASK, &1000u16.to_be_bytes(), &mut bytes);
    let mut ended_at = Vec::new();
    for ms in (0..=3_100).step_by(100) {
        pass(&world, 100);
        for peer in &mut peers {
            if let [Heard::Record(close), Heard::Close(Some(1000))] = &peer.hear(&world)[..] {
                assert_eq!(close, r#"{"type":7,"allowReconnect":true}"#);
                peer.send(&world, &bytes);
                ended_at.push(ms);
            }
        }
    }
    assert_eq!(world.shard(0).link_count(), 0);
    assert_eq!(closed(&world, CloseReason::Drain), 60);
    for second in 0..3u64 {
        let within = ended_at.iter().filter(|ms| **ms / 1000 == second).count();
        assert!((10..=30).contains(&within), "{within} of 60 in second {second}");
    }
}

#[test]
fn a_request_that_a_drain_finds_half_read_is_served_and_ends_its_connection() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    let request = post(&ALERT.item(ORGANIZATIONS[0], user(), "a"));
    peer.send(&world, &request[..request.len() - 1]);
    world.drain();
    peer.send(&world, &request[request.len() - 1..]);
    assert_eq!(statuses(&peer.hear(&world)), [202]);
    assert!(world.pipe(peer.id).is_shut, "the hub keeps a connection alive that drains");
}

#[test]
fn a_negotiated_token_is_good_for_negotiated_ms() {
    // Clocks may differ by five seconds.
    for (ms, status) in [(14_000, 101), (20_500, 404)] {
        let world = world(Limits::DEFAULT);
        let authorization = authorization(0);
        let id = negotiated(&world, &authorization);
        pass(&world, ms);
        let mut late = Peer::dial(&world, WIDE);
        late.send(&world, client::upgrade(&format!("?id={id}"), &authorization).as_bytes());
        assert_eq!(statuses(&late.hear(&world)), [status], "after {ms} ms");
    }
}

#[test]
fn a_link_that_ends_and_whose_socket_fails_is_gone_before_its_time() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    peer.send(&world, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(statuses(&peer.hear(&world)), [400]);
    assert!(world.is_ending(peer.id) && peer.is_there(&world));
    world.net().break_off(peer.id);
    world.settle();
    assert!(!peer.is_there(&world));
}
