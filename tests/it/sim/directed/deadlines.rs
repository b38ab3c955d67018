//! Every wait and what ends it.

use super::*;
use rte::hub::Ending;

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
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::connect(&mut world);
    pass(&mut world, 14_900);
    assert_eq!(peer.hear(&mut world), []);
    pass(&mut world, 200);
    assert_eq!(peer.hear(&mut world), [said(PING)]);
    pass(&mut world, 14_000);
    // Any byte that goes out puts the next ping off.
    peer.subscribe(&mut world, ALERT, user());
    pass(&mut world, 14_900);
    assert_eq!(peer.hear(&mut world), []);
    pass(&mut world, 200);
    assert_eq!(peer.hear(&mut world), [said(PING)]);
}

#[test]
fn a_client_that_never_pinged_may_be_silent() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::connect(&mut world);
    pass(&mut world, 120_000);
    assert!(peer.is_there(&world));
    assert_eq!(peer.hear(&mut world).len(), 8);
}

#[test]
fn a_client_that_has_pinged_is_given_up_after_thirty_seconds_of_silence() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::connect(&mut world);
    peer.say(&mut world, b"{\"type\":6}\x1e");
    pass(&mut world, 29_900);
    assert!(peer.hear(&mut world).iter().all(|heard| *heard == said(PING)));
    pass(&mut world, 200);
    let heard = peer.hear(&mut world);
    let close = r#"{"type":7,"error":"Connection closed with an error.","allowReconnect":true}"#;
    assert_eq!(heard, [said(close), Heard::Close(Some(1000))]);
    pass(&mut world, Limits::DEFAULT.close_ms + 100);
    assert!(!peer.is_there(&world));
    assert_eq!(closed(&mut world, CloseReason::ClientTimeout), 1);
}

#[test]
fn a_handshake_that_does_not_come_is_canceled() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
    peer.send(&mut world, client::upgrade("", &authorization).as_bytes());
    peer.hear(&mut world);
    pass(&mut world, 14_900);
    assert_eq!(peer.hear(&mut world), []);
    pass(&mut world, 200);
    let error = r#"{"error":"Handshake was canceled."}"#;
    assert_eq!(peer.hear(&mut world), [said(error), Heard::Close(Some(1000))]);
    assert_eq!(closed(&mut world, CloseReason::HandshakeTimeout), 0);
    pass(&mut world, Limits::DEFAULT.close_ms + 100);
    assert_eq!(closed(&mut world, CloseReason::HandshakeTimeout), 1);
}

#[test]
fn a_connection_without_a_byte_is_ended_in_silence_after_head_ms() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    pass(&mut world, Limits::DEFAULT.head_ms + 100);
    assert_eq!(peer.hear(&mut world), []);
    assert!(world.pipe(0, peer.key).is_shut);
    pass(&mut world, Limits::DEFAULT.close_ms + 100);
    assert_eq!(closed(&mut world, CloseReason::RequestTimeout), 1);
}

#[test]
fn half_a_head_is_answered_408_after_head_ms_however_slowly_it_drips() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    for byte in b"GET /health" {
        peer.send(&mut world, &[*byte]);
        pass(&mut world, 900);
    }
    assert_eq!(peer.hear(&mut world), []);
    pass(&mut world, 200);
    assert_eq!(statuses(&peer.hear(&mut world)), [408]);
    assert!(world.pipe(0, peer.key).is_shut);
}

#[test]
fn a_further_head_has_its_own_time_from_its_first_byte() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    peer.send(&mut world, ask("GET", "/healthz", "").as_bytes());
    pass(&mut world, 60_000);
    peer.send(&mut world, b"GET /healthz HTTP/1.1\r\n");
    pass(&mut world, 9_900);
    assert_eq!(statuses(&peer.hear(&mut world)), [200]);
    pass(&mut world, 200);
    assert_eq!(statuses(&peer.hear(&mut world)), [408]);
}

#[test]
fn a_connection_may_rest_for_idle_ms_between_requests() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    peer.send(&mut world, ask("GET", "/healthz", "").as_bytes());
    pass(&mut world, Limits::DEFAULT.idle_ms - 100);
    assert_eq!(statuses(&peer.hear(&mut world)), [200]);
    assert_eq!(closed(&mut world, CloseReason::IdleTimeout), 0);
    pass(&mut world, 200);
    assert_eq!(closed(&mut world, CloseReason::IdleTimeout), 1, "at once: nothing of its reply is on the way");
}

#[test]
fn half_a_body_is_answered_408_after_body_ms() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    let request = post(&ALERT.item(ORGANIZATIONS[0], user(), "a"));
    peer.send(&mut world, &request[..request.len() - 1]);
    pass(&mut world, Limits::DEFAULT.body_ms - 100);
    assert_eq!(peer.hear(&mut world), []);
    pass(&mut world, 200);
    assert_eq!(statuses(&peer.hear(&mut world)), [408]);
    pass(&mut world, Limits::DEFAULT.close_ms + 100);
    assert_eq!(closed(&mut world, CloseReason::RequestTimeout), 1);
}

#[test]
fn a_request_connection_that_its_peer_has_ended_is_freed_at_once() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    peer.send(&mut world, ask("GET", "/healthz", "").as_bytes());
    assert_eq!(statuses(&peer.hear(&mut world)), [200]);
    world.pipe(0, peer.key).is_ended = true;
    world.settle();
    assert_eq!(world.pipe(0, peer.key).ending, Some(Ending::Graceful));
    assert_eq!(closed(&mut world, CloseReason::Served), 1);
}

#[test]
fn a_peer_that_ends_its_direction_behind_a_request_gets_the_reply() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, 20);
    world.pipe(0, peer.key).to_hub.extend(ask("GET", "/healthz", "").as_bytes());
    world.pipe(0, peer.key).is_ended = true;
    world.settle();
    assert_eq!(statuses(&peer.hear(&mut world)), [200]);
    assert_eq!(world.pipe(0, peer.key).ending, Some(Ending::Graceful));
}

#[test]
fn a_drain_spreads_its_closes_and_leaves_nobody() {
    let mut world = world(Limits::DEFAULT);
    let mut peers: Vec<Peer> = (0..60).map(|_| Peer::connect(&mut world)).collect();
    world.drain();
    let mut bytes = Vec::new();
    client::frame(true, client::CLOSE, MASK, &1000u16.to_be_bytes(), &mut bytes);
    let mut ended_at = Vec::new();
    for ms in (0..=3_100).step_by(100) {
        pass(&mut world, 100);
        for peer in &mut peers {
            if let [Heard::Record(close), Heard::Close(Some(1000))] = &peer.hear(&mut world)[..] {
                assert_eq!(close, r#"{"type":7,"allowReconnect":true}"#);
                peer.send(&mut world, &bytes);
                ended_at.push(ms);
            }
        }
    }
    assert_eq!(world.shards[0].connection_count(), 0);
    assert_eq!(closed(&mut world, CloseReason::Drain), 60);
    for second in 0..3u64 {
        let within = ended_at.iter().filter(|ms| **ms / 1000 == second).count();
        assert!((10..=30).contains(&within), "{within} of 60 in second {second}");
    }
}

#[test]
fn a_request_that_a_drain_finds_half_read_is_served_and_ends_its_connection() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    let request = post(&ALERT.item(ORGANIZATIONS[0], user(), "a"));
    peer.send(&mut world, &request[..request.len() - 1]);
    world.drain();
    peer.send(&mut world, &request[request.len() - 1..]);
    assert_eq!(statuses(&peer.hear(&mut world)), [202]);
    assert!(world.pipe(0, peer.key).is_shut, "the hub keeps a connection alive that drains");
}
