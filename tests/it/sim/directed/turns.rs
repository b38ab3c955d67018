//! What a turn has no room for: it waits, in order, and nobody waits for it.

use super::*;
use rte::hub::partition::Partition;

/// So little that each delivery, and each read, is a turn's work.
fn short_turns() -> Limits {
    Limits { turn_deliveries_max: 2, ..Limits::DEFAULT }
}

fn numbered(count: usize, bytes: usize) -> String {
    alerts((0..count).map(|n| tag(&n.to_string(), bytes)))
}

/// Sends, and does not wait until the hub has done what that asks for.
fn say(world: &World, peer: &Peer, bytes: &[u8]) {
    world.net().send(peer.id, bytes);
    world.net().arrive_all();
}

fn has_heard(world: &World, peer: &Peer) -> bool {
    !world.pipe(peer.id).from_hub.is_empty()
}

#[test]
fn a_large_request_goes_on_from_turn_to_turn_and_others_come_in_between() {
    let world = world(short_turns());
    let mut member = Peer::connect(&world);
    member.subscribe(&world, ALERT, user());
    let (mut large, mut small) = (Peer::publisher(&world), Peer::publisher(&world));
    say(&world, &large, &post(&numbered(40, 10)));
    world.step(0);
    say(&world, &small, &post(&alerts(std::iter::once(tag("small", 10)))));
    let turns = (0..40).take_while(|_| {
        world.step(0);
        !has_heard(&world, &small)
    });
    assert!(turns.count() < 4, "the small request takes turns with the large one");
    assert!(!has_heard(&world, &large), "a reply before all its items are delivered");
    world.settle();
    assert_eq!((statuses(&large.hear(&world)), statuses(&small.hear(&world))), (vec![202], vec![202]));
    let mut heard = tags(&member.hear(&world));
    let at = heard.iter().position(|tag| tag == "small").unwrap();
    assert!(at < 8, "{heard:?}");
    heard.remove(at);
    assert_eq!(heard, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_client_and_a_publisher_do_not_wait_for_strangers_and_strangers_do_not_wait_for_ever() {
    let world = world(short_turns());
    let (mut member, mut publisher) = (Peer::connect(&world), Peer::publisher(&world));
    member.subscribe(&world, ALERT, user());
    publisher.publish(&world, ALERT, user(), &tag("first", 10));
    assert_eq!(tags(&member.hear(&world)), ["first"]);
    let mut strangers: Vec<Peer> = (0..40).map(|_| Peer::dial(&world, WIDE)).collect();
    let late: Vec<Peer> = (0..20).map(|_| Peer::dial(&world, WIDE)).collect();
    let ask = |peer: &Peer| say(&world, peer, b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n");
    strangers.iter().for_each(ask);
    world.step(0);
    let heard = || world.pipe(member.id).from_hub.len();
    for (n, late) in late.iter().enumerate() {
        // Others come all the time, before them.
        ask(late);
        let before = heard();
        say(&world, &publisher, &post(&alerts(std::iter::once(tag(&n.to_string(), 10)))));
        let turns = (0..10).take_while(|_| {
            world.step(0);
            heard() == before
        });
        assert!(turns.count() < 2, "{n}: the crowd came first");
    }
    let are_served = |peers: &[Peer]| peers.iter().filter(|peer| has_heard(&world, peer)).count();
    assert!(are_served(&strangers) == 40 || are_served(&late) == 0, "who came first has its turn first");
    strangers.extend(late);
    let served = strangers.iter().filter(|stranger| has_heard(&world, stranger)).count();
    assert!((20..60).contains(&served), "{served}: one of them has its turn in each");
    assert_eq!(tags(&member.hear(&world)), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(strangers.iter_mut().all(|stranger| statuses(&stranger.hear(&world)) == [200]));
}

#[test]
fn requests_of_one_connection_are_delivered_in_their_order_whatever_waits() {
    let world = world(short_turns());
    let mut member = Peer::connect(&world);
    member.subscribe(&world, ALERT, user());
    let mut publisher = Peer::publisher(&world);
    let request = |tags: [&str; 2]| post(&alerts(tags.into_iter().map(|name| tag(name, 10))));
    publisher.send(&world, &[request(["a", "b"]), request(["c", "d"]), request(["e", "f"])].concat());
    assert_eq!(statuses(&publisher.hear(&world)), [202; 3]);
    assert_eq!(tags(&member.hear(&world)), ["a", "b", "c", "d", "e", "f"]);
}

#[test]
fn a_subscribe_brings_nothing_that_was_answered_before_it_though_its_shard_is_behind() {
    let world = World::new(&Setting { shards: 2, limits: short_turns(), ..Setting::one_shard() });
    let home = Partition::of(ORGANIZATIONS[0]).home(2);
    let is_home = |peer: &Peer| world.place(peer.id).unwrap().0 == home;
    // The shards take connections by turns.
    let (mut publisher, other) = (Peer::publisher(&world), Peer::publisher(&world));
    if !is_home(&publisher) {
        publisher = other;
    }
    let mut clients: Vec<Peer> = (0..4).map(|_| Peer::connect(&world)).filter(|client| !is_home(client)).collect();
    let (mut late, mut member) = (clients.remove(0), clients.remove(0));
    member.subscribe(&world, ALERT, user());
    say(&world, &publisher, &post(&numbered(20, 10)));
    while !has_heard(&world, &publisher) {
        world.step(home);
    }
    let subscribe = format!(
        "{{\"type\":1,\"invocationId\":\"s\",\"target\":\"Subscribe\",\"arguments\":[[{{\"EntityId\":\"{}\",\
         \"EventName\":\"{}\"}}]]}}\x1e",
        user(),
        ALERT.name
    );
    let mut bytes = Vec::new();
    client::frame(true, client::TEXT, MASK, subscribe.as_bytes(), &mut bytes);
    say(&world, &late, &bytes);
    world.step(1 - home);
    assert!(!world.shard(1 - home).takes_mail(), "nothing is left to do");
    world.settle();
    let heard = late.hear(&world);
    assert!(matches!(&heard[..], [Heard::Record(r)] if r.contains("\"subscribed\":true")), "{heard:?}");
    assert_eq!(tags(&member.hear(&world)).len(), 20);
    assert_eq!(statuses(&publisher.hear(&world)), [202]);
    publisher.publish(&world, ALERT, user(), &tag("new", 10));
    assert_eq!(tags(&late.hear(&world)), ["new"]);
}

#[test]
fn a_request_goes_on_once_what_it_has_brought_a_crowd_is_written() {
    let world = world(Limits::DEFAULT);
    let mut crowd: Vec<Peer> = (0..300).map(|_| Peer::connect(&world)).collect();
    crowd.iter_mut().for_each(|member| member.subscribe(&world, ALERT, user()));
    let mut publisher = Peer::publisher(&world);
    publisher.send(&world, &post(&numbered(4, 40 * 1024)));
    assert_eq!(statuses(&publisher.hear(&world)), [202]);
    assert!(crowd.iter_mut().all(|member| tags(&member.hear(&world)) == ["0", "1", "2", "3"]));
}

/// So many readers of the user's alerts, who have stopped reading, and a request of more than the
/// soft bound.
fn readers(world: &World, count: usize) -> (Vec<Peer>, Peer) {
    let mut readers: Vec<Peer> = (0..count).map(|_| Peer::connect(world)).collect();
    for reader in &mut readers {
        reader.subscribe(world, ALERT, user());
        reader.stop_reading(world, 100);
    }
    let publisher = Peer::publisher(world);
    publisher.send(world, &post(&numbered(20, 1000)));
    (readers, publisher)
}

fn patient() -> Limits {
    Limits { overrun_ms: 1_000, ..tight() }
}

#[test]
fn a_publisher_waits_for_many_readers_who_have_fallen_behind_until_they_have_read() {
    let world = world(patient());
    let (mut readers, mut publisher) = readers(&world, 8);
    assert_eq!(publisher.hear(&world), []);
    let backlog = readers[0].backlog(&world);
    assert!(backlog < patient().outbox_soft_bytes + 2_000, "{backlog} bytes");
    // Meanwhile nothing more is read of the publisher, and others publish.
    publisher.send(&world, &post(&numbered(1, 10)));
    assert!(world.look(publisher.id).is_some_and(|look| !look.wants_input));
    let mut other = Peer::publisher(&world);
    other.publish(&world, ALERT, super::super::cast::USERS[1], &tag("elsewhere", 10));
    readers.iter().for_each(|reader| reader.read_again(&world));
    assert_eq!(statuses(&publisher.hear(&world)), [202; 2]);
    let expected: Vec<String> = (0..20).chain([0]).map(|n| n.to_string()).collect();
    for reader in &mut readers {
        assert_eq!(tags(&reader.hear(&world)), expected);
    }
}

#[test]
fn a_publisher_waits_for_readers_who_take_nothing_no_longer_than_overrun_ms() {
    let world = world(patient());
    let (_readers, mut publisher) = readers(&world, 8);
    pass(&world, patient().overrun_ms - 100);
    assert_eq!(publisher.hear(&world), []);
    pass(&world, 200);
    assert_eq!(statuses(&publisher.hear(&world)), [202]);
    publisher.publish(&world, ALERT, user(), &tag("next", 1000));
}

#[test]
fn a_publisher_never_waits_for_a_few_readers() {
    let world = world(patient());
    let (_readers, mut publisher) = readers(&world, 7);
    assert_eq!(statuses(&publisher.hear(&world)), [202]);
}

/// Portions of so few deliveries that a few hundred items or questions are many turns' work.
fn small_portions() -> Limits {
    Limits { turn_deliveries_max: 8_000, ..Limits::DEFAULT }
}

/// Turns until that peer has heard something; a hundred at the most.
fn turns_until_heard(world: &World, peer: &Peer) -> usize {
    let turns = (0..100).take_while(|_| {
        let waits = !has_heard(world, peer);
        if waits {
            world.step(0);
        }
        waits
    });
    turns.count()
}

#[test]
fn a_body_of_many_items_is_judged_from_turn_to_turn_and_others_come_in_between() {
    let world = world(small_portions());
    let mut member = Peer::connect(&world);
    member.subscribe(&world, ALERT, user());
    let (mut large, mut other) = (Peer::publisher(&world), Peer::publisher(&world));
    let misspelt = vec!["{\"eventName\":\"UserAlrt\",\"data\":{}}"; 9_000].join(",");
    let good = ALERT.item(ORGANIZATIONS[0], user(), &tag("last", 10));
    let request = post(&format!("[{misspelt},{good}]"));
    say(&world, &large, &[request, post(&alerts(std::iter::once(tag("next", 10))))].concat());
    let is_read_on = || world.look(large.id).is_some_and(|look| look.wants_input);
    let reads = (0..10).take_while(|_| {
        world.step(0);
        is_read_on()
    });
    assert!(reads.count() < 10, "what follows waits");
    say(&world, &other, &post(&alerts(std::iter::once(tag("small", 10)))));
    assert!(turns_until_heard(&world, &other) <= 3);
    let turns = turns_until_heard(&world, &large);
    assert!((1..100).contains(&turns), "{turns} turns");
    world.settle();
    let heard = large.hear(&world);
    assert_eq!((statuses(&heard), statuses(&other.hear(&world))), (vec![207, 202], vec![202]));
    let Some(Heard::Reply(reply)) = heard.first() else { panic!("{heard:?}") };
    let reply = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.matches("\"rule\":\"unknown-event\"").count(), 9_000);
    assert_eq!(reply.matches("did you mean").count(), 20);
    assert_eq!(tags(&member.hear(&world)), ["small", "last", "next"]);
}

#[test]
fn a_publisher_that_ends_its_direction_while_its_items_are_judged_gets_its_reply() {
    let world = world(small_portions());
    let mut publisher = Peer::publisher(&world);
    let items = vec!["{}    "; 10_000].join(",");
    say(&world, &publisher, &post(&format!("[{items}]")));
    world.step(0);
    assert!(!has_heard(&world, &publisher));
    world.net().end(publisher.id);
    world.settle();
    assert_eq!(statuses(&publisher.hear(&world)), [422]);
    assert!(!publisher.is_there(&world));
}

/// Questions whose answers are dear: in one frame, or each in its own.
fn questions(count: usize, in_one: bool) -> Vec<u8> {
    let record = |n| format!("{{\"type\":1,\"invocationId\":\"{n}\",\"target\":\"Catalogue\",\"arguments\":[]}}\x1e");
    let mut bytes = Vec::new();
    if in_one {
        let records: String = (0..count).map(record).collect();
        client::frame(true, client::TEXT, MASK, records.as_bytes(), &mut bytes);
    } else {
        (0..count).for_each(|n| client::frame(true, client::TEXT, MASK, record(n).as_bytes(), &mut bytes));
    }
    bytes
}

#[test]
fn the_questions_of_one_client_are_answered_in_order_from_turn_to_turn_and_others_come_in_between() {
    for in_one in [true, false] {
        let world = world(small_portions());
        let (mut asker, other) = (Peer::connect(&world), Peer::connect(&world));
        say(&world, &asker, &questions(700, in_one));
        world.step(0);
        assert!(world.look(asker.id).is_some_and(|look| !look.wants_input), "what follows waits");
        say(&world, &other, &question());
        assert!(turns_until_heard(&world, &other) <= 2);
        let (mut heard, mut turns) = (Vec::new(), 0);
        while heard.len() < 700 && turns < 1_000 {
            world.step(0);
            let bytes: Vec<u8> = world.pipe(asker.id).from_hub.drain(..).collect();
            asker.ear.hear(&bytes);
            heard.extend(std::iter::from_fn(|| asker.ear.next().unwrap()));
            turns += 1;
        }
        assert!((2..1_000).contains(&turns), "{turns} turns");
        let ids = heard.iter().map(|heard| match heard {
            Heard::Record(record) => record.split('"').nth(5).unwrap().to_owned(),
            Heard::Reply(_) | Heard::Pong(_) | Heard::Close(_) => panic!("{heard:?}"),
        });
        assert_eq!(ids.collect::<Vec<_>>(), (0..700).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

/// A small question.
fn question() -> Vec<u8> {
    let record = b"{\"type\":1,\"invocationId\":\"o\",\"target\":\"UnsubscribeAll\",\"arguments\":[]}\x1e";
    let mut bytes = Vec::new();
    client::frame(true, client::TEXT, MASK, record, &mut bytes);
    bytes
}

#[test]
fn what_is_new_is_read_in_the_order_of_its_coming_and_all_of_it_in_the_end() {
    let world = world(short_turns());
    let mut crowd: Vec<Peer> = (0..20).map(|_| Peer::connect(&world)).collect();
    let other = Peer::connect(&world);
    crowd.iter().for_each(|peer| world.net().send(peer.id, &question()));
    world.net().arrive_all();
    world.step(0);
    let heard = |crowd: &[Peer]| crowd.iter().filter(|peer| has_heard(&world, peer)).count();
    assert!((1..crowd.len()).contains(&heard(&crowd)), "a turn has room for some of them");
    say(&world, &other, &question());
    let mut turns = 0;
    while !has_heard(&world, &other) {
        let before = heard(&crowd);
        world.step(0);
        turns += 1;
        assert!(heard(&crowd) > before || has_heard(&world, &other), "nobody was read in turn {turns}");
    }
    assert_eq!(heard(&crowd), crowd.len(), "they came before it");
    world.settle();
    assert!(crowd.iter_mut().all(|peer| peer.hear(&world).len() == 1));
}

/// What the hub has written in all, to whomever.
fn sent_bytes(world: &World) -> u64 {
    world.numbers(0).bytes_out
}

/// The most that the hub wrote in one turn, and how many turns it took until nothing was left.
fn largest_turn(world: &World, mut between: impl FnMut(usize)) -> (u64, usize) {
    let (mut most, mut turns) = (0, 0);
    while !world.is_quiet(0) {
        let before = sent_bytes(world);
        world.step(0);
        most = most.max(sent_bytes(world) - before);
        turns += 1;
        between(turns);
        world.net().arrive_all();
    }
    (most, turns)
}

#[test]
fn documents_that_many_ask_for_at_once_are_written_in_portions_and_others_come_in_between() {
    let world = world(Limits::DEFAULT);
    let other = Peer::connect(&world);
    let mut crowd: Vec<Peer> = (0..100).map(|_| Peer::dial(&world, WIDE)).collect();
    let requests = b"GET /reference HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(3);
    crowd.iter().for_each(|peer| world.net().send(peer.id, &requests));
    world.net().arrive_all();
    let (most, turns) = largest_turn(&world, |turn| {
        if turn % 4 == 0 {
            world.net().send(other.id, &question());
        } else if turn % 4 == 3 {
            assert!(has_heard(&world, &other) || turn < 7, "turn {turn}");
            world.pipe(other.id).from_hub.clear();
        }
    });
    assert!(most < 1_000_000, "{most} bytes in one turn");
    assert!(turns > 20, "{turns} turns");
    assert!(crowd.iter_mut().all(|peer| statuses(&peer.hear(&world)) == [200; 3]));
}

#[test]
fn a_long_reply_to_a_publisher_does_not_wait_for_the_documents_of_strangers() {
    let world = world(Limits::DEFAULT);
    let publisher = Peer::publisher(&world);
    let crowd: Vec<Peer> = (0..100).map(|_| Peer::dial(&world, 100)).collect();
    crowd.iter().for_each(|peer| say(&world, peer, b"GET /reference HTTP/1.1\r\nHost: hub\r\n\r\n"));
    world.settle();
    // All of them read on at once.
    crowd.iter().for_each(|peer| world.pipe(peer.id).capacity = WIDE);
    let misspelt = vec!["{\"eventName\":\"UserAlrt\",\"data\":{}}"; 100].join(",");
    world.net().send(publisher.id, &post(&format!("[{misspelt}]")));
    world.net().arrive_all();
    let turns = turns_until_heard(&world, &publisher);
    assert!(turns <= 2, "{turns} turns");
    assert!(world.pipe(publisher.id).from_hub.len() > 4 * 1024, "a long one");
    let served = || crowd.iter().filter(|peer| world.pipe(peer.id).from_hub.len() > 100).count();
    assert!((1..100).contains(&served()), "{} of the strangers", served());
    world.settle();
    assert_eq!(served(), 100);
}

#[test]
fn long_answers_that_many_ask_for_at_once_are_made_and_written_in_portions() {
    let world = world(Limits::DEFAULT);
    let askers: Vec<Peer> = (0..10).map(|_| Peer::connect(&world)).collect();
    let items: Vec<String> = (1..=1_000)
        .map(|n| format!("{{\"EntityId\":\"{}\",\"EventName\":\"{}\"}}", Uuid::from_u128(n), KINDS[2].name))
        .collect();
    let record = |method: &str, arguments: &str| {
        format!("{{\"type\":1,\"invocationId\":\"a\",\"target\":\"{method}\",\"arguments\":{arguments}}}\x1e")
    };
    for asker in &askers {
        asker.say(&world, record("Subscribe", &format!("[[{}]]", items.join(","))).as_bytes());
        world.pipe(asker.id).from_hub.clear();
    }
    let mut frame = Vec::new();
    let questions = record("GetActiveSubscriptions", "[]").repeat(10);
    client::frame(true, client::TEXT, MASK, questions.as_bytes(), &mut frame);
    askers.iter().for_each(|asker| world.net().send(asker.id, &frame));
    world.net().arrive_all();
    let (most, turns) = largest_turn(&world, |_| ());
    let heard: usize = askers.iter().map(|asker| world.pipe(asker.id).from_hub.len()).sum();
    assert!(heard > 100 * 100_000, "{heard} bytes");
    assert!(most < 4_000_000, "{most} bytes in one turn of {turns}");
}

#[test]
fn deadlines_that_come_all_at_once_are_seen_to_in_portions() {
    let world = world(Limits::DEFAULT);
    let silent: Vec<Peer> = (0..400).map(|_| Peer::dial(&world, WIDE)).collect();
    world.advance(Limits::DEFAULT.head_ms + 200);
    for turn in 1..=3 {
        world.step(0);
        let left = silent.iter().filter(|peer| !world.is_ending(peer.id)).count();
        assert!((1..400).contains(&left), "{left} are left after {turn} turns");
    }
    pass(&world, Limits::DEFAULT.close_ms + 200);
    assert!(!silent.iter().any(|peer| peer.is_there(&world)));
    assert_eq!(closed(&world, CloseReason::RequestTimeout), 400);
}
