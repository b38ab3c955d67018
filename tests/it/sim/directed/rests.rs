//! Peers that ask for more than their allowance of work.

use super::*;
use rte::hub::partition::Partition;
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
fn frames_without_payload_use_up_the_allowance_too() {
    let world = world(short());
    let asker = Peer::connect(&world);
    let mut frames = Vec::new();
    (0..1_000).for_each(|_| client::frame(true, client::TEXT, [0; 4], b"", &mut frames));
    asker.send(&world, &frames);
    assert!(rests(&world, &asker), "to read them alone costs {}", frames.len() / 4);
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

/// A request that shows a token.
fn request(target: &str, token: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{target} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A client that polls, past its handshake: where it says something, and a link to say it on.
fn polling(world: &World) -> (String, Peer) {
    let id = negotiated(world, &authorization(0));
    let (mut poll, mut shake) = (Peer::dial(world, WIDE), Peer::dial(world, WIDE));
    poll.send(world, &request(&format!("GET /rte?id={id}"), &TOKENS.clients[0], b""));
    let target = format!("POST /rte?id={id}");
    shake.send(world, &request(&target, &TOKENS.clients[0], client::HANDSHAKE));
    assert_eq!([poll.hear(world), shake.hear(world)].map(|heard| statuses(&heard)), [[200]; 2]);
    (target, Peer::dial(world, WIDE))
}

#[test]
fn each_request_but_a_publish_uses_up_the_allowance_of_its_link_whatever_it_asks_for() {
    let world = world(short());
    let (client, id, (said, _)) = (&TOKENS.clients[0], negotiated(&world, &authorization(0)), polling(&world));
    let ask = |target: &str, token: &str| request(target, token, b"");
    for (what, request) in [
        ("an offer", ask("POST /rte/negotiate?negotiateVersion=1", client)),
        ("a position", ask("GET /position", &TOKENS.publishers[0])),
        ("a revocation", revoking::revocation(CLIENTS[2].user)),
        ("metrics", ask("GET /metrics", client)),
        ("a poll", ask(&format!("GET /rte?id={id}"), client)),
        ("nothing, of a connection", ask(&said, client)),
        ("to go on with another token", ask(&said.replace("/rte?", "/rte/refresh?"), client)),
    ] {
        // Two that are alike: a poll is answered when the next one comes.
        let (mut one, other) = (Peer::dial(&world, WIDE), Peer::dial(&world, WIDE));
        for peer in [&one, &other, &one, &other] {
            peer.send(&world, &request);
        }
        assert!(rests(&world, &one), "{what} costs nothing");
        assert_eq!(statuses(&one.hear(&world))[..1], [200], "{what}");
    }
}

#[test]
fn what_a_post_asks_of_a_connection_uses_up_the_allowance_of_the_post_s_link() {
    let world = world(short());
    let (target, mut posts) = polling(&world);
    posts.send(&world, &request(&target, &TOKENS.clients[0], QUESTION.repeat(200).as_bytes()));
    assert_eq!(statuses(&posts.hear(&world)), [200]);
    assert!(rests(&world, &posts));
}

#[test]
fn a_client_that_posts_more_than_it_could_rest_for_is_closed_though_its_bytes_ask_for_nothing() {
    let world = world(Limits { rest_ms: 1_000, ..short() });
    let (target, mut posts) = polling(&world);
    // The beginning of one record.
    posts.send(&world, &request(&target, &TOKENS.clients[0], &[b' '; 20_000]));
    assert_eq!(statuses(&posts.hear(&world)), [200]);
    assert_eq!(closed(&world, CloseReason::TooMuchWork), 1);
}

#[test]
fn bytes_behind_the_request_for_a_stream_use_up_the_allowance_of_its_client() {
    let world = world(short());
    let target = format!("GET /rte?id={}", negotiated(&world, &authorization(0)));
    let stream = Peer::dial(&world, WIDE);
    let asked = String::from_utf8(request(&target, &TOKENS.clients[0], b"")).unwrap();
    stream.send(&world, asked.replace("Host: hub", "Host: hub\r\nAccept: text/event-stream").as_bytes());
    stream.send(&world, &[b' '; 16_000]);
    assert!(rests(&world, &stream));
}

#[test]
fn a_token_that_a_client_shows_by_a_message_costs_it_what_a_request_with_a_token_does() {
    let world = world(short());
    let mut asker = Peer::connect(&world);
    let refresh = "{\"type\":1,\"invocationId\":\"a\",\"target\":\"RefreshToken\",\"arguments\":[\"x.y.z\"]}\x1e";
    asker.say(&world, refresh.repeat(2).as_bytes());
    assert_eq!(asker.hear(&world).len(), 2);
    assert!(rests(&world, &asker), "forged ones could be shown without end");
}

#[test]
fn a_client_that_takes_a_wildcard_and_its_topics_in_turns_uses_up_its_allowance() {
    let world = world(Limits { connection_deliveries_max: 20_000, ..short() });
    let mut asker = Peer::connect(&world);
    let ask = |method: &str, entities: &[String]| {
        let item = |entity: &String| format!("{{\"EntityId\":\"{entity}\",\"EventName\":\"{}\"}}", ALERT.name);
        let items: Vec<String> = entities.iter().map(item).collect();
        format!(
            "{{\"type\":1,\"invocationId\":\"a\",\"target\":\"{method}\",\"arguments\":[[{}]]}}\x1e",
            items.join(",")
        )
    };
    let topics: Vec<String> = (1..=300).map(|n| Uuid::from_u128(n).to_string()).collect();
    let every = ["*".to_owned()];
    asker.say(&world, ask("Subscribe", &topics).as_bytes());
    asker.say(&world, ask("Subscribe", &every).repeat(60).as_bytes());
    assert!(!rests(&world, &asker), "to ask again changes nothing");
    asker.say(&world, (ask("Unsubscribe", &every) + &ask("Subscribe", &every)).repeat(20).as_bytes());
    assert!(rests(&world, &asker));
    assert_eq!(asker.hear(&world).len(), 101, "what was read is answered");
}

#[test]
fn a_subscribe_costs_a_client_the_same_whichever_shard_answers_it() {
    let items: Vec<String> = (0..300)
        .map(|n| {
            let entity = Uuid::from_u128(n);
            format!(r#"{{"EntityId":"{entity}","EventName":"{}","Snapshot":true}}"#, AVAILABILITY.name)
        })
        .collect();
    let items = items.join(",");
    let subscribe = format!(r#"{{"type":1,"invocationId":"s","target":"Subscribe","arguments":[[{items}]]}}"#);
    // How long it rests then.
    let costs = |shards: usize| {
        let limits = Limits { connection_deliveries_max: 100, connection_deliveries_per_s: 1_000, ..Limits::DEFAULT };
        let world = World::new(&Setting { shards, limits, ..Setting::one_shard() });
        let clients: Vec<Peer> = (0..shards).map(|_| Peer::connect(&world)).collect();
        let home = Partition::of(ORGANIZATIONS[0]).home(shards);
        let is_home = |client: &Peer| world.place(client.id).unwrap().0 == home;
        let client = clients.into_iter().find(|client| is_home(client) == (shards == 1)).unwrap();
        client.say(&world, format!("{subscribe}\x1e").as_bytes());
        let mut rested_ms = 0;
        while rests(&world, &client) {
            pass(&world, 20);
            rested_ms += 20;
        }
        rested_ms
    };
    let by_itself = costs(1);
    assert!(by_itself > 1_000, "{by_itself} ms");
    assert_eq!(costs(2), by_itself);
}

#[test]
fn a_fresh_token_costs_a_client_more_the_more_it_holds() {
    let world = world(Limits { connection_deliveries_max: 1_300, ..short() });
    let (mut few, mut many) = (Peer::connect(&world), Peer::connect(&world));
    let ask = |method: &str, arguments: &str| {
        format!("{{\"type\":1,\"invocationId\":\"a\",\"target\":\"{method}\",\"arguments\":{arguments}}}\x1e")
    };
    let item = |n: u128| format!("{{\"EntityId\":\"{}\",\"EventName\":\"{}\"}}", Uuid::from_u128(n), ALERT.name);
    let items: Vec<String> = (0..300).map(item).collect();
    many.say(&world, ask("Subscribe", &format!("[[{}]]", items.join(","))).as_bytes());
    pass(&world, 15_000);
    let refresh = ask("RefreshToken", &format!("[\"{}\"]", TOKENS.clients[0]));
    [&few, &many].iter().for_each(|peer| peer.say(&world, refresh.as_bytes()));
    assert_eq!([&few, &many].map(|peer| rests(&world, peer)), [false, true]);
    for peer in [&mut few, &mut many] {
        let heard = peer.hear(&world);
        assert!(matches!(&heard[..], [.., Heard::Record(last)] if last.contains("tokenLifetimeSeconds")), "{heard:?}");
    }
}
