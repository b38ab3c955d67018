//! The bound of all that the process keeps.

use super::*;
use rte::hub::partition::Partition;
use rte::limits::SUBSCRIPTION_BYTES;

/// Room for a few clients, and none for the past.
fn narrow(bytes: usize) -> Limits {
    Limits { memory_bytes_max: bytes, history_bytes_max: 0, ..Limits::DEFAULT }
}

fn refused(world: &World, peer: &mut Peer) -> bool {
    let heard = peer.hear(world);
    let [Heard::Reply(reply)] = &heard[..] else { panic!("{heard:?}") };
    reply.status == 503 && reply.head.contains("Retry-After: 5") && reply.text().contains("memory_bytes_max")
}

#[test]
fn beyond_the_bound_clients_negotiates_and_publishes_are_refused_and_documents_are_not() {
    let world = world(narrow(72 * 1024));
    let hog = Peer::publisher(&world);
    let mut before = Peer::connect(&world);
    before.subscribe(&world, ALERT, user());
    // A body that is still coming takes what there is.
    let head = format!(
        "POST /publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 60000\r\n\r\n[",
        TOKENS.publishers[0]
    );
    hog.send(&world, head.as_bytes());
    assert!(world.shared.backlog.memory_bytes() > 60_000);
    for path in ["GET /rte", "POST /rte/negotiate?negotiateVersion=1"] {
        let mut late = Peer::dial(&world, WIDE);
        let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
        let request = format!("{path} HTTP/1.1\r\nHost: hub\r\n{authorization}Content-Length: 0\r\n\r\n");
        late.send(&world, request.as_bytes());
        assert!(refused(&world, &mut late), "{path}");
    }
    let mut publisher = Peer::publisher(&world);
    publisher.send(&world, &post(&ALERT.item(ORGANIZATIONS[0], user(), &tag("a", 6_000))));
    assert!(refused(&world, &mut publisher));
    let mut stranger = Peer::dial(&world, WIDE);
    stranger.send(&world, b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n");
    assert_eq!(statuses(&stranger.hear(&world)), [200]);
    assert_eq!(world.numbers(0).refused[rte::metrics::Refusal::Memory.index()], 3);
    world.net().end(hog.id);
    world.settle();
    assert!(world.shared.backlog.memory_bytes() < 20_000, "it has gone with its body");
    Peer::publisher(&world).publish(&world, ALERT, user(), &tag("a", 6_000));
    assert!(before.hear(&world).iter().any(|heard| matches!(heard, Heard::Record(_))), "who is there stays");
    Peer::connect(&world);
}

#[test]
fn beyond_the_bound_whoever_sends_more_that_has_to_be_kept_goes() {
    let world = world(narrow(48_000));
    let mut hogs: Vec<Peer> = (0..4).map(|_| Peer::connect(&world)).collect();
    for hog in &hogs {
        hog.say(&world, &[b' '; 15_000]);
        assert!(world.shared.backlog.memory_bytes() <= 48_000);
    }
    let words: Vec<bool> = hogs
        .iter_mut()
        .map(|hog| matches!(&hog.hear(&world)[..], [Heard::Record(close), ..] if close.contains("memory_full: ")))
        .collect();
    assert_eq!(words, [false, false, true, true]);
    pass(&world, Limits::DEFAULT.close_ms + 100);
    assert_eq!(closed(&world, CloseReason::MemoryFull), 2);
}

#[test]
fn beyond_the_bound_the_largest_backlog_goes() {
    let world = world(Limits { pinned_bytes_max: 1_024, ..narrow(300_000) });
    let mut readers: Vec<Peer> = (0..3).map(|_| Peer::connect(&world)).collect();
    for reader in &mut readers {
        reader.subscribe(&world, ALERT, user());
    }
    readers[0].stop_reading(&world, 100);
    let mut publisher = Peer::publisher(&world);
    for _ in 0..40 {
        publisher.publish(&world, ALERT, user(), &tag("a", 10_000));
        readers[1..].iter_mut().for_each(|reader| drop(reader.hear(&world)));
    }
    assert!(!readers[0].is_there(&world) && readers[1].is_there(&world) && readers[2].is_there(&world));
    assert_eq!(closed(&world, CloseReason::BacklogFull), 1);
}

/// Memory of what has come and is not done with, as the bound counts it.
fn input_bytes(world: &World) -> u64 {
    (0..world.shards).map(|shard| world.numbers(shard).input_bytes).sum()
}

/// Records in a frame, behind which others may come.
fn frame(records: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    client::frame(true, client::TEXT, MASK, records, &mut bytes);
    bytes
}

const QUESTION: &str = "{\"type\":1,\"invocationId\":\"a\",\"target\":\"AvailableSubscriptions\",\"arguments\":[]}\x1e";

#[test]
fn the_beginnings_of_a_head_and_of_a_handshake_count_until_they_are_gone() {
    let world = world(Limits::DEFAULT);
    let authorization = authorization(0);
    let (head, mut greeting) = (Peer::dial(&world, WIDE), Peer::dial(&world, WIDE));
    let begun = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(3_000));
    head.send(&world, begun.as_bytes());
    assert!(input_bytes(&world) >= 3_000);
    greeting.send(&world, client::upgrade("", &authorization).as_bytes());
    assert_eq!(statuses(&greeting.hear(&world)), [101]);
    greeting.say(&world, &[b' '; 3_000]);
    assert!(input_bytes(&world) >= 6_000);
    [head, greeting].iter().for_each(|peer| world.net().end(peer.id));
    world.settle();
    assert_eq!(input_bytes(&world), 0);
}

#[test]
fn what_a_client_says_that_does_not_read_its_answers_counts() {
    let world = world(Limits::DEFAULT);
    let mut asker = Peer::connect(&world);
    asker.stop_reading(&world, 100);
    let said = frame(QUESTION.repeat(100).as_bytes());
    // Of the first frame some records are answered; the second one waits whole.
    asker.send(&world, &said.repeat(2));
    let waits = input_bytes(&world);
    assert!(waits > 3 * said.len() as u64 / 2, "{waits} of {}", 2 * said.len());
    asker.read_again(&world);
    assert_eq!((asker.hear(&world).len(), input_bytes(&world)), (200, 0));
}

#[test]
fn a_cut_record_counts_while_the_frames_behind_it_wait_for_the_next_turn() {
    let world = world(Limits { turn_deliveries_max: 8_000, ..Limits::DEFAULT });
    let mut client = Peer::connect(&world);
    client.say(&world, &[b' '; 60_000]);
    world.net().send(client.id, &frame(b"").repeat(20_000));
    world.net().arrive_all();
    // Of what is new, less is read than makes a portion.
    (0..2).for_each(|_| world.step(0));
    assert!(world.look(client.id).is_some_and(|look| !look.wants_input && !look.rests), "it is paused");
    assert!(input_bytes(&world) >= 60_000);
    client.say(&world, b"{\"type\":6}\x1e");
    assert_eq!((client.hear(&world).len(), input_bytes(&world)), (0, 0));
}

#[test]
fn what_is_said_behind_a_subscribe_counts_while_another_shard_is_asked() {
    let world = World::new(&Setting { shards: 2, ..Setting::one_shard() });
    let home = Partition::of(ORGANIZATIONS[0]).home(2);
    let clients = [Peer::connect(&world), Peer::connect(&world)];
    let mut client = clients.into_iter().find(|client| world.place(client.id).unwrap().0 != home).unwrap();
    let item = format!(r#"{{"EntityId":"{}","EventName":"{}","Snapshot":true}}"#, user(), AVAILABILITY.name);
    let subscribe = format!(r#"{{"type":1,"invocationId":"s","target":"Subscribe","arguments":[[{item}]]}}"#);
    let behind = QUESTION.repeat(20);
    world.net().send(client.id, &frame(format!("{subscribe}\x1e{behind}").as_bytes()));
    world.net().arrive_all();
    world.step(1 - home);
    assert!(input_bytes(&world) >= behind.len() as u64);
    world.settle();
    assert_eq!((client.hear(&world).len(), input_bytes(&world)), (21, 0));
}

#[test]
fn a_body_counts_while_its_items_take_turns() {
    let world = world(Limits { turn_deliveries_max: 8_000, ..Limits::DEFAULT });
    let mut publisher = Peer::publisher(&world);
    let request = post(&format!("[{}]", vec!["{\"eventName\":\"UserAlrt\",\"data\":{}}"; 9_000].join(",")));
    world.net().send(publisher.id, &request);
    world.net().arrive_all();
    while world.look(publisher.id).is_some_and(|look| look.wants_input) {
        world.step(0);
    }
    assert!(world.pipe(publisher.id).from_hub.is_empty(), "it is read, and not judged");
    assert!(input_bytes(&world) >= 300_000);
    world.settle();
    assert_eq!((statuses(&publisher.hear(&world)), input_bytes(&world)), (vec![422], 0));
}

#[test]
fn subscriptions_and_the_past_count_in_what_the_process_keeps() {
    let world = world(Limits::DEFAULT);
    let (mut client, mut publisher) = (Peer::connect(&world), Peer::publisher(&world));
    publisher.publish(&world, ALERT, user(), &tag("a", 10));
    let (kept, past) = (world.shared.backlog.memory_bytes(), world.shard(0).past_bytes());
    client.subscribe(&world, ALERT, Uuid::from_u128(7));
    assert_eq!(world.shared.backlog.memory_bytes(), kept + SUBSCRIPTION_BYTES);
    for _ in 0..100 {
        publisher.publish(&world, ALERT, user(), &tag("a", 1_000));
    }
    let more = world.shard(0).past_bytes() - past;
    assert!(more > 100_000);
    assert_eq!(world.shared.backlog.memory_bytes(), kept + SUBSCRIPTION_BYTES + more);
}
