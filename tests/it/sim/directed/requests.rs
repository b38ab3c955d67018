//! Requests one behind the other on one connection, and what ends between them.

use super::super::world::Seen;
use super::*;
use rte::api::client_address::Network;
use rte::trace::Fact;

fn statuses(heard: &[Heard]) -> Vec<u16> {
    let status = |heard: &Heard| match heard {
        Heard::Reply(reply) => Some(reply.status),
        Heard::Record(_) | Heard::Pong(_) | Heard::Close(_) => None,
    };
    heard.iter().filter_map(status).collect()
}

#[test]
fn behind_a_proxy_each_request_is_its_own_clients() {
    let trusted_proxies = vec![Network::parse("192.0.2.0/24").unwrap()];
    let mut world = World::new(&Setting { trusted_proxies, ..Setting::one_shard() });
    let peer = Peer::dial(&mut world, WIDE);
    for client in ["198.51.100.1", "203.0.113.9"] {
        let request = format!("GET /nothing HTTP/1.1\r\nHost: hub\r\nX-Forwarded-For: {client}\r\n\r\n");
        peer.send(&mut world, request.as_bytes());
    }
    let client = |seen: &Seen| match seen {
        Seen::Fact(_, Fact::Refused { client, .. }) => Some(client.to_string()),
        Seen::Fact(..) | Seen::Accepted(..) | Seen::Delivered(..) => None,
    };
    let clients: Vec<String> = world.seen.iter().filter_map(client).collect();
    assert_eq!(clients, ["198.51.100.1", "203.0.113.9"]);
}

#[test]
fn a_reply_goes_out_though_the_next_request_is_cut() {
    let mut world = world(Limits::DEFAULT);
    let mut peer = Peer::dial(&mut world, WIDE);
    let whole = post(&ALERT.item(ORGANIZATIONS[0], user(), "a"));
    let pipe = world.pipe(0, peer.key);
    pipe.to_hub.extend(&whole);
    pipe.to_hub.extend(&whole[..whole.len() - 1]);
    pipe.is_ended = true;
    world.settle();
    assert_eq!(statuses(&peer.hear(&mut world)), [202]);
    assert_eq!(closed(&mut world, CloseReason::PeerGone), 1);
}

#[test]
fn a_draining_hub_begins_no_connection() {
    let mut world = world(Limits::DEFAULT);
    let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
    let upgrade = client::upgrade("", &authorization);
    let negotiate = format!("POST /rte/negotiate HTTP/1.1\r\nHost: hub\r\n{authorization}\r\n");
    for request in [upgrade, negotiate] {
        let mut peer = Peer::dial(&mut world, WIDE);
        peer.send(&mut world, &request.as_bytes()[..20]);
        world.drain();
        peer.send(&mut world, &request.as_bytes()[20..]);
        assert_eq!(statuses(&peer.hear(&mut world)), [503]);
        assert!(world.pipe(0, peer.key).is_shut);
    }
}

#[test]
fn what_a_client_asks_after_it_was_given_up_is_not_looked_at() {
    let mut world = world(Limits::DEFAULT);
    let asker = Peer::connect(&mut world);
    asker.stop_reading(&mut world, 100);
    let question = "{\"type\":1,\"invocationId\":\"a\",\"target\":\"AvailableSubscriptions\",\"arguments\":[]}\x1e";
    asker.say(&mut world, question.repeat(5000).as_bytes());
    let numbers = world.numbers(0);
    assert!(numbers.hub_messages < 2500, "{} messages were answered", numbers.hub_messages);
    assert_eq!(numbers.dropped, 0);
}
