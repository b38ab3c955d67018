//! Clients whose WebSocket does not get through: one that polls with gaps as they come, over
//! sockets that come and go, and one with an event stream. Each gets everything once and in its
//! order, whatever the seed; in the end nothing is left of them.

use super::*;
use crate::sim::reached::Reached;

const SEEDS: u64 = 48;

/// A client without a WebSocket.
struct Client {
    id: String,
    /// What its polls have brought, or its stream, behind the answer to the handshake.
    heard: Vec<u8>,
    /// The sockets of its requests, the last of which may have a poll that waits.
    wire: Peer,
    is_waiting: bool,
    posts: Peer,
}

impl Client {
    fn negotiated(world: &World) -> Client {
        let mut posts = Peer::dial(world, WIDE);
        let reply = posts.ask(world, "POST /rte/negotiate?negotiateVersion=1", "", b"");
        let body: serde_json::Value = serde_json::from_str(reply.text()).expect("an offer");
        let id = body["connectionToken"].as_str().expect("an id").to_owned();
        Client { id, heard: Vec::new(), wire: Peer::dial(world, WIDE), is_waiting: false, posts }
    }

    fn target(&self, method: &str) -> String {
        format!("{method} /rte?id={}", self.id)
    }

    fn says(&mut self, world: &World, records: &[u8]) {
        let target = self.target("POST");
        assert_eq!(self.posts.ask(world, &target, "", records).status, 200);
    }

    /// It shakes hands and subscribes, and its transport has begun.
    fn subscribes(&mut self, world: &World) {
        self.says(world, client::HANDSHAKE);
        let item = format!(r#"{{"EntityId":"{}","EventName":"{}"}}"#, user(), ALERT.name);
        let record = format!(r#"{{"type":1,"invocationId":"s","target":"Subscribe","arguments":[[{item}]]}}"#);
        self.says(world, format!("{record}\u{1e}").as_bytes());
    }

    /// Its first poll is answered at once.
    fn polling(world: &World) -> Client {
        let mut client = Client::negotiated(world);
        let target = client.target("GET");
        assert_eq!(client.wire.ask(world, &target, "", b"").body, b"");
        client.subscribes(world);
        client
    }

    fn streaming(world: &World) -> Client {
        let mut client = Client::negotiated(world);
        let target = client.target("GET");
        client.wire.send(world, &request(&target, "Accept: text/event-stream\r\n", b""));
        client.subscribes(world);
        client
    }

    /// It begins a poll, over the socket that it has or over another one.
    fn poll(&mut self, world: &World, rng: &mut Rng) {
        if self.is_waiting {
            return;
        }
        let is_gone = !self.wire.is_there(world) || world.pipe(self.wire.id).is_shut;
        if is_gone || rng.one_in(4) {
            world.net().end(self.wire.id);
            let capacity = rng.pick(&[WIDE, 300, 60]);
            self.wire = Peer { id: world.net().connect(capacity), ear: Ear::default() };
        }
        world.net().send(self.wire.id, &request(&self.target("GET"), "", b""));
        self.is_waiting = true;
    }

    /// It reads so much of what has come; whether its connection is over.
    fn read(&mut self, world: &World, most: usize) -> bool {
        let bytes: Vec<u8> = {
            let mut pipe = world.pipe(self.wire.id);
            let count = pipe.from_hub.len().min(most);
            pipe.from_hub.drain(..count).collect()
        };
        world.net().make_room(self.wire.id);
        self.wire.ear.hear(&bytes);
        while let Some(heard) = self.wire.ear.next().expect("replies") {
            let Heard::Reply(reply) = heard else { panic!("no reply: {heard:?}") };
            self.is_waiting = false;
            match reply.status {
                200 => self.heard.extend_from_slice(&reply.body),
                status => {
                    assert_eq!(status, 204, "{}", reply.head);
                    return true;
                }
            }
        }
        false
    }

    /// It polls, and reads all that it is answered now.
    fn polls(&mut self, world: &World, rng: &mut Rng) {
        self.poll(world, rng);
        self.reads(world);
    }

    /// It reads all of an answer, however narrow its socket is.
    fn reads(&mut self, world: &World) {
        world.settle();
        while !world.pipe(self.wire.id).from_hub.is_empty() {
            assert!(!self.read(world, WIDE), "over too soon");
            world.settle();
        }
    }

    /// It reads so much of its stream.
    fn read_stream(&mut self, world: &World, most: usize) {
        let mut pipe = world.pipe(self.wire.id);
        let count = pipe.from_hub.len().min(most);
        self.heard.extend(pipe.from_hub.drain(..count));
        drop(pipe);
        world.net().make_room(self.wire.id);
    }

    /// The numbers of the alerts that it has heard.
    fn numbers(&self) -> Vec<usize> {
        let text = String::from_utf8(self.heard.clone()).expect("text");
        let records = text.split('\u{1e}').filter(|record| record.contains("MessageReceived"));
        records.map(|record| record.split('#').nth(1).expect("a tag").parse().expect("a number")).collect()
    }
}

impl Peer {
    fn ask(&mut self, world: &World, target: &str, headers: &str, body: &[u8]) -> Reply {
        self.send(world, &request(target, headers, body));
        match self.hear(world).pop() {
            Some(Heard::Reply(reply)) => reply,
            other => panic!("no reply: {other:?}"),
        }
    }
}

fn request(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{target} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {}\r\n{headers}Content-Length: {}\r\n\r\n",
        TOKENS.clients[0],
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// One publishes, the others read with gaps; then all that is left arrives, and they leave.
pub fn play(seed: u64, reached: &mut Reached) {
    let mut rng = Rng::new(seed);
    // More than there are, so that they are counted.
    let limits = Limits { user_connections_max: 100, address_connections_max: 100, ..Limits::DEFAULT };
    let world = World::new(&Setting { seed, shards: 1 + rng.below(4), limits, ..Setting::one_shard() });
    let mut publisher = Peer::publisher(&world);
    let (mut polling, mut streaming) = (Client::polling(&world), Client::streaming(&world));
    world.set_faults(faults(&mut rng));
    let mut sent = 0;
    for _ in 0..400 {
        match rng.below(8) {
            0 => {
                world.net().send(publisher.id, &post(&ALERT.item(ORGANIZATIONS[0], user(), &format!("#{sent}#"))));
                sent += 1;
            }
            1 => polling.poll(&world, &mut rng),
            2 => {
                let most = rng.pick(&[WIDE, 700, 10]);
                assert!(!polling.read(&world, most), "over too soon");
            }
            3 => streaming.read_stream(&world, rng.pick(&[WIDE, 700, 10])),
            4 => world.net().drift(),
            5 => world.advance(rng.pick(&[0, 1, 20, 200])),
            _ => world.step(rng.below(world.shards)),
        }
    }
    world.set_faults(Faults::default());
    let all: Vec<usize> = (0..sent).collect();
    for _ in 0..1_000 {
        world.settle();
        assert!(!polling.read(&world, WIDE), "over too soon");
        streaming.read_stream(&world, WIDE);
        if polling.numbers().len() >= sent && streaming.numbers().len() >= sent {
            break;
        }
        polling.poll(&world, &mut rng);
    }
    assert_eq!((polling.numbers(), streaming.numbers()), (all.clone(), all), "seed {seed}");
    let accepted = publisher.hear(&world);
    assert!(statuses(&accepted).iter().all(|status| *status == 202) && accepted.len() == sent);
    leave(&world, &mut polling, &mut streaming, &mut rng, &publisher);
    (0..world.shards).for_each(|shard| reached.add(&world.numbers(shard)));
}

/// Their user may come no more: both are told, where they are.
fn revoke(world: &World, polling: &mut Client, streaming: &mut Client, rng: &mut Rng) {
    revoking::revoke(world, user());
    pass(world, 200);
    polling.polls(world, rng);
    streaming.read_stream(world, WIDE);
    for client in [&*polling, streaming] {
        let text = String::from_utf8_lossy(&client.heard);
        let last = text.trim_end().trim_end_matches('\u{1e}').rsplit('\u{1e}').next();
        assert!(last.is_some_and(|last| last.contains("{\"type\":7,\"error\":\"token_revoked")), "{text}");
    }
}

/// One asks no more, the other is gone: both are found out, and nothing is left.
fn leave(world: &World, polling: &mut Client, streaming: &mut Client, rng: &mut Rng, publisher: &Peer) {
    let all = |reason: CloseReason| -> u64 {
        (0..world.shards).map(|shard| world.numbers(shard).closed[reason.index()]).sum()
    };
    let is_revoked = rng.one_in(3);
    match rng.below(2) {
        _ if is_revoked => revoke(world, polling, streaming, rng),
        0 => {
            let target = polling.target("DELETE");
            assert_eq!(polling.posts.ask(world, &target, "", b"").status, 202);
            let is_waiting = polling.is_waiting;
            assert_eq!(is_waiting, polling.read(world, WIDE), "a poll that waits is told");
            assert_eq!(all(CloseReason::PeerClosed), 1);
        }
        _ => {
            // What waits is answered for its own time, and then it asks no more.
            if polling.is_waiting {
                pass(world, Limits::DEFAULT.poll_ms + 1_000);
            }
            pass(world, Limits::DEFAULT.disconnect_ms + 1_000);
            assert_eq!(all(CloseReason::NoPoll), 1);
        }
    }
    for peer in [&streaming.wire, &streaming.posts, &polling.wire, &polling.posts, publisher] {
        world.net().end(peer.id);
    }
    world.settle();
    pass(world, Limits::DEFAULT.close_ms + 1_000);
    assert_eq!(all(CloseReason::Revoked), if is_revoked { 2 } else { 0 });
    assert_eq!((world.load(), world.shared.is_empty()), (0, true));
    for shard in 0..world.shards {
        let numbers = world.numbers(shard);
        assert_eq!((numbers.hub_open, numbers.subscriptions, numbers.topics), (0, 0, 0));
        assert_eq!((world.shard(shard).hub().backlog_bytes_total(), world.shard(shard).hub().pinned_bytes()), (0, 0));
        assert_eq!(numbers.input_bytes, 0);
    }
}

#[test]
fn who_polls_and_who_streams_get_everything_once_and_in_order_whatever_the_seed() {
    for seed in 0..SEEDS {
        play(seed, &mut Reached::default());
    }
}

#[test]
fn the_same_drain_reaches_a_stream_a_poll_that_waits_and_who_is_between_two() {
    for seed in 0..8 {
        let mut rng = Rng::new(seed);
        let world = World::new(&Setting { seed, shards: 1 + rng.below(3), ..Setting::one_shard() });
        let mut streaming = Client::streaming(&world);
        let (mut waiting, mut away) = (Client::polling(&world), Client::polling(&world));
        for client in [&mut waiting, &mut away] {
            client.polls(&world, &mut rng);
        }
        waiting.poll(&world, &mut rng);
        world.settle();
        world.net().loses_queue = true;
        world.drain();
        pass(&world, Limits::DEFAULT.drain_spread_ms + 1_000);
        waiting.reads(&world);
        away.polls(&world, &mut rng);
        streaming.read_stream(&world, WIDE);
        for client in [&streaming, &waiting, &away] {
            let text = String::from_utf8_lossy(&client.heard);
            assert!(text.trim_end().ends_with("{\"type\":7,\"allowReconnect\":true}\u{1e}"), "{seed}: {text:?}");
        }
        pass(&world, Limits::DEFAULT.close_ms + 1_000);
        assert_eq!((world.load(), world.shared.is_empty()), (0, true), "{seed}");
    }
}

#[test]
fn who_polls_again_late_is_still_told_why_its_connection_is_over() {
    let world = World::new(&Setting { shards: 2, ..Setting::one_shard() });
    let (mut polling, mut rng) = (Client::polling(&world), Rng::new(0));
    polling.polls(&world, &mut rng);
    // It may stay away for longer than a connection that is over is kept.
    pass(&world, Limits::DEFAULT.close_ms + 1_000);
    revoking::revoke(&world, user());
    pass(&world, Limits::DEFAULT.close_ms - 1_000);
    polling.polls(&world, &mut rng);
    assert!(String::from_utf8_lossy(&polling.heard).contains("{\"type\":7,\"error\":\"token_revoked"));
    pass(&world, Limits::DEFAULT.close_ms + 1_000);
    assert!(world.shared.is_empty());
}

#[test]
fn what_comes_behind_a_poll_is_answered_behind_it_and_what_comes_behind_a_stream_is_not() {
    let world = World::new(&Setting { shards: 3, ..Setting::one_shard() });
    let mut publisher = Peer::publisher(&world);
    let (mut polling, mut streaming) = (Client::polling(&world), Client::streaming(&world));
    polling.polls(&world, &mut Rng::new(0));
    let health = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
    let poll = request(&polling.target("GET"), "", b"");
    polling.wire.send(&world, &[&poll[..], health].concat());
    streaming.wire.send(&world, health);
    assert_eq!(polling.wire.hear(&world), [], "both wait");
    publisher.publish(&world, ALERT, user(), "#0#");
    let heard = polling.wire.hear(&world);
    let [Heard::Reply(answer), Heard::Reply(reply)] = &heard[..] else { panic!("{heard:?}") };
    assert!(answer.text().contains("#0#") && reply.text() == "ok\n", "{heard:?}");
    streaming.read_stream(&world, WIDE);
    assert_eq!(streaming.numbers(), [0]);
    assert!(!String::from_utf8_lossy(&streaming.heard).contains("ok\n"));
}

#[test]
fn a_poll_whose_socket_fails_is_over_and_so_is_its_connection_where_no_other_comes() {
    let world = world(Limits::DEFAULT);
    let mut client = Client::polling(&world);
    let target = client.target("GET");
    assert_eq!(client.wire.ask(&world, &target, "", b"").status, 200);
    client.wire.send(&world, &request(&target, "", b""));
    assert!(client.wire.hear(&world).is_empty(), "it waits");
    world.net().break_off(client.wire.id);
    world.settle();
    assert!(!client.wire.is_there(&world));
    world.net().end(client.posts.id);
    pass(&world, Limits::DEFAULT.disconnect_ms + 100);
    assert_eq!(closed(&world, CloseReason::NoPoll), 1);
    pass(&world, Limits::DEFAULT.close_ms + 100);
    assert!(world.shared.is_empty() && world.load() == 0);
}

#[test]
fn what_has_been_posted_of_a_message_counts_until_its_time_is_over() {
    let world = world(Limits { disconnect_ms: 90_000, ..Limits::DEFAULT });
    let mut client = Client::polling(&world);
    client.says(&world, &[b' '; 3_000]);
    assert!(world.numbers(0).input_bytes >= 3_000);
    pass(&world, Limits::DEFAULT.record_ms + 100);
    assert_eq!((closed(&world, CloseReason::RecordTimeout), world.numbers(0).input_bytes), (1, 0));
}
