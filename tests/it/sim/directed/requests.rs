//! Requests one behind the other on one connection, and what ends between them.

use super::super::net::Faults;
use super::*;
use rte::api::client_address::Network;
use rte::limits::{DRAIN_FIRST_MS, ECHO_BYTES_MAX};
use rte::trace::Fact;

#[test]
fn behind_a_proxy_each_request_is_its_own_clients() {
    let trusted_proxies = vec![Network::parse("192.0.2.0/24").unwrap()];
    let world = World::new(&Setting { trusted_proxies, ..Setting::one_shard() });
    let peer = Peer::dial(&world, WIDE);
    for client in ["198.51.100.1", "203.0.113.9"] {
        let request = format!("GET /nothing HTTP/1.1\r\nHost: hub\r\nX-Forwarded-For: {client}\r\n\r\n");
        peer.send(&world, request.as_bytes());
    }
    let mut clients = Vec::new();
    for (_, fact) in world.facts() {
        if let Fact::Refused { client, .. } = fact {
            clients.push(client.to_string());
        }
    }
    assert_eq!(clients, ["198.51.100.1", "203.0.113.9"]);
}

#[test]
fn a_reply_goes_out_though_the_next_request_is_cut() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, WIDE);
    let whole = post(&ALERT.item(ORGANIZATIONS[0], user(), "a"));
    world.net().send(peer.id, &whole);
    world.net().send(peer.id, &whole[..whole.len() - 1]);
    world.net().end(peer.id);
    world.settle();
    assert_eq!(statuses(&peer.hear(&world)), [202]);
    assert_eq!(closed(&world, CloseReason::PeerGone), 1);
}

#[test]
fn each_request_waits_until_the_reply_before_it_has_left() {
    let world = world(Limits::DEFAULT);
    let peer = Peer::dial(&world, 100);
    let requests = b"GET /reference HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(20);
    world.net().send(peer.id, &requests);
    world.net().end(peer.id);
    world.settle();
    assert_eq!(world.numbers(0).requests, 1);
    let waits = peer.backlog(&world);
    // Neither does its head's time pass meanwhile.
    for _ in 0..Limits::DEFAULT.head_ms / 9_000 + 1 {
        pass(&world, 9_000);
        world.pipe(peer.id).from_hub.drain(..10);
        world.settle();
    }
    assert!(peer.is_there(&world) && peer.backlog(&world) < waits);
    assert_eq!((closed(&world, CloseReason::RequestTimeout), world.numbers(0).requests), (0, 1));

    let mut peer = Peer::dial(&world, 100);
    world.net().send(peer.id, &requests);
    world.net().end(peer.id);
    world.settle();
    peer.read_again(&world);
    assert_eq!(statuses(&peer.hear(&world)), [200; 20], "whoever only ended its own direction gets all replies");
}

#[test]
fn a_publish_behind_a_document_that_nobody_reads_is_taken_and_answered_in_its_turn() {
    let world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&world, 100);
    let publish = post(&ALERT.item(ORGANIZATIONS[0], user(), "a"));
    peer.send(&world, b"GET /reference HTTP/1.1\r\nHost: hub\r\n\r\n");
    peer.send(&world, &publish);
    peer.send(&world, b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n");
    assert_eq!(world.numbers(0).requests, 2);
    peer.read_again(&world);
    let heard = peer.hear(&world);
    assert_eq!(statuses(&heard), [200, 202, 200]);
}

#[test]
fn a_draining_hub_begins_no_connection() {
    let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
    let upgrade = client::upgrade("", &authorization);
    let negotiate = format!("POST /rte/negotiate HTTP/1.1\r\nHost: hub\r\n{authorization}\r\n");
    for request in [upgrade, negotiate] {
        let world = world(Limits::DEFAULT);
        let mut peer = Peer::dial(&world, WIDE);
        peer.send(&world, &request.as_bytes()[..20]);
        world.drain();
        peer.send(&world, &request.as_bytes()[20..]);
        assert_eq!(statuses(&peer.hear(&world)), [503]);
        assert!(world.pipe(peer.id).is_shut);
    }
}

#[test]
fn what_a_client_asks_after_it_was_given_up_is_not_looked_at() {
    let world = world(Limits::DEFAULT);
    let asker = Peer::connect(&world);
    asker.stop_reading(&world, 100);
    let question = "{\"type\":1,\"invocationId\":\"a\",\"target\":\"AvailableSubscriptions\",\"arguments\":[]}\x1e";
    asker.say(&world, question.repeat(5000).as_bytes());
    let numbers = world.numbers(0);
    assert!(numbers.hub_messages < 2500, "{} messages were answered", numbers.hub_messages);
    assert_eq!(numbers.dropped, 0);
}

#[test]
fn a_storm_of_connections_is_taken_in_portions_and_whole() {
    let world = world(Limits::DEFAULT);
    (0..600).for_each(|_| {
        world.net().connect(WIDE);
    });
    world.step(0);
    let taken = world.shard(0).link_count();
    assert!(0 < taken && taken < 600, "{taken} in one turn");
    world.settle();
    assert_eq!(world.shard(0).link_count(), 600);
}

#[test]
fn an_accept_that_failed_is_tried_again_by_time_since_no_edge_will_tell() {
    let world = world(Limits::DEFAULT);
    world.set_faults(Faults { accept: 1, ..Faults::default() });
    world.net().connect(WIDE);
    world.settle();
    let complaints = |world: &World| {
        let facts = world.facts().into_iter();
        facts.filter(|(_, fact)| matches!(fact, Fact::AcceptFailed { .. })).count()
    };
    assert_eq!(complaints(&world), 1);
    pass(&world, 5_000);
    assert_eq!((complaints(&world), world.load()), (0, 0), "the complaint is not repeated at once");
    world.set_faults(Faults::default());
    pass(&world, Limits::DEFAULT.accept_retry_ms);
    assert_eq!(world.load(), 1);
}

#[test]
fn a_drain_waits_a_second_for_the_first_request_of_a_fresh_connection() {
    let world = world(Limits::DEFAULT);
    let (mut asks, mut silent) = (Peer::dial(&world, WIDE), Peer::dial(&world, WIDE));
    world.settle();
    world.drain();
    world.settle();
    pass(&world, DRAIN_FIRST_MS - 1);
    assert!(asks.is_there(&world) && silent.is_there(&world), "their requests may be on their way");
    asks.send(&world, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(statuses(&asks.hear(&world)), [200]);
    assert!(world.pipe(asks.id).is_shut, "the hub keeps a connection alive that drains");
    pass(&world, 1);
    assert!(!silent.is_there(&world), "nobody waits longer for one that says nothing");
    assert!(silent.hear(&world).is_empty());
}

#[test]
fn a_body_may_have_as_many_bytes_as_its_bound_and_not_one_more() {
    let world = world(Limits { body_bytes_max: 5_000, ..tight() });
    let token = authorization(0);
    let target = "POST /rte/negotiate?negotiateVersion=1";
    for (bytes, status) in [(5_000, 200), (5_001, 413)] {
        let body = "x".repeat(bytes);
        let sized = format!("Content-Length: {bytes}\r\n\r\n{body}");
        let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{body}\r\n0\r\n\r\n");
        for rest in [sized, chunked] {
            let mut peer = Peer::dial(&world, WIDE);
            peer.send(&world, format!("{target} HTTP/1.1\r\nHost: hub\r\n{token}{rest}").as_bytes());
            assert_eq!(statuses(&peer.hear(&world)), [status], "{bytes}");
        }
    }
}

#[test]
fn no_fact_repeats_more_of_a_made_up_name_than_its_beginning() {
    let world = world(Limits::DEFAULT);
    let long = "x".repeat(ECHO_BYTES_MAX + 1);
    let page = Peer::dial(&world, WIDE);
    let headers = format!("Origin: https://{long}\r\n{}", authorization(0));
    page.send(&world, client::upgrade("", &headers).as_bytes());
    let invocation = format!("{{\"type\":1,\"target\":\"{long}\",\"arguments\":[]}}\x1e");
    Peer::connect(&world).say(&world, invocation.as_bytes());
    let item = format!("[{{\"eventName\":\"{long}\",\"data\":{{}}}}]");
    Peer::publisher(&world).send(&world, &post(&item));
    let facts = format!("{:?}", world.facts());
    assert_eq!(facts.matches(&long[..ECHO_BYTES_MAX - "https://".len()]).count(), 3, "{facts}");
    assert!(!facts.contains(&long), "{facts}");
}
