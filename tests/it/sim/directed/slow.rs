//! Slow consumers, and everything that a full socket is mistaken for.

use super::*;
use rte::wire::Cut;

const CLOSE_WITH_RECONNECT: &str = r#"{"type":7,"error":"slow_reader: a slow consumer's backlog passed limits.outbox_hard_bytes, and it took nothing for limits.overrun_ms","allowReconnect":true}"#;

/// A subscriber of the user's alerts that has stopped reading, and a publisher.
fn stuck_subscriber(world: &World, kinds: &[Kind]) -> (Peer, Peer) {
    let mut slow = Peer::connect(world);
    for kind in kinds {
        slow.subscribe(world, *kind, user());
    }
    slow.stop_reading(world, 100);
    let publisher = Peer::publisher(world);
    (slow, publisher)
}

#[test]
fn an_overrun_keeps_the_frame_begun_and_says_why_and_that_it_may_come_back() {
    let world = world(tight());
    let (mut slow, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    let mut n = 0;
    while closing(&slow, &world).is_none() {
        publisher.publish(&world, ALERT, user(), &tag(&n.to_string(), 1000));
        assert!(slow.backlog(&world) <= tight().outbox_hard_bytes);
        n += 1;
        assert!(n < 30, "never overrun");
    }
    slow.read_again(&world);
    let heard = slow.hear(&world);
    let [Heard::Record(_), Heard::Record(close), Heard::Close(Some(1000))] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(tags(&heard), ["0"]);
    assert_eq!(close, CLOSE_WITH_RECONNECT);
    assert_eq!(world.numbers(0).subscriptions, 0);
    assert!(world.numbers(0).discarded_bytes > 10 * 1024);
    // The peer's Close ends it; the reason is the first one.
    let mut bytes = Vec::new();
    client::frame(true, client::CLOSE, MASK, &1000u16.to_be_bytes(), &mut bytes);
    slow.send(&world, &bytes);
    assert_eq!(world.pipe(slow.id).ending, Some(Cut::Graceful));
    assert_eq!(closed(&world, CloseReason::Overrun), 1);
}

/// Some once the hub has begun to end the connection.
fn closing(peer: &Peer, world: &World) -> Option<()> {
    world.is_ending(peer.id).then_some(())
}

#[test]
fn an_overrun_that_takes_nothing_is_reset_after_close_ms() {
    let world = world(tight());
    let (slow, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    while closing(&slow, &world).is_none() {
        publisher.publish(&world, ALERT, user(), &tag("a", 1500));
    }
    let close_ms = tight().close_ms;
    pass(&world, close_ms - 100);
    assert!(slow.is_there(&world));
    pass(&world, 200);
    assert!(!slow.is_there(&world));
    assert_eq!(world.pipe(slow.id).ending, Some(Cut::Reset));
    assert_eq!(closed(&world, CloseReason::Overrun), 1);
}

#[test]
fn above_the_soft_bound_only_the_newest_state_is_kept_and_every_occurrence() {
    let world = world(tight());
    let (mut slow, mut publisher) = stuck_subscriber(&world, &[AVAILABILITY, ALERT]);
    for n in 0..3 {
        publisher.publish(&world, AVAILABILITY, user(), &tag(&format!("early{n}"), 1000));
    }
    for n in 0..4 {
        publisher.publish(&world, AVAILABILITY, user(), &tag(&format!("state{n}"), 10));
        publisher.publish(&world, ALERT, user(), &tag(&format!("alert{n}"), 10));
    }
    assert_eq!(world.numbers(0).conflated, 3);
    slow.read_again(&world);
    let heard = slow.hear(&world);
    let expected = ["early0", "early1", "early2", "state3", "alert0", "alert1", "alert2", "alert3"];
    assert_eq!(tags(&heard), expected);
}

#[test]
fn a_state_is_never_conflated_with_one_of_an_earlier_subscription() {
    let world = world(tight());
    let (mut slow, mut publisher) = stuck_subscriber(&world, &[AVAILABILITY, ALERT]);
    // A second member keeps the topic known while the slow one leaves it.
    let mut other = Peer::connect(&world);
    other.subscribe(&world, AVAILABILITY, user());
    for _ in 0..4 {
        publisher.publish(&world, ALERT, user(), &tag("fill", 1000));
    }
    publisher.publish(&world, AVAILABILITY, user(), &tag("before", 10));
    slow.invoke(&world, "u", "Unsubscribe", AVAILABILITY, user());
    slow.invoke(&world, "s", "Subscribe", AVAILABILITY, user());
    publisher.publish(&world, AVAILABILITY, user(), &tag("after", 10));
    slow.read_again(&world);
    let heard = slow.hear(&world);
    let what = |heard: &Heard| match heard {
        Heard::Record(record) if record.contains("before") => "before",
        Heard::Record(record) if record.contains("after") => "after",
        Heard::Record(record) if record.contains("\"invocationId\":\"u\"") => "unsubscribed",
        Heard::Record(record) if record.contains("\"invocationId\":\"s\"") => "subscribed",
        Heard::Record(_) | Heard::Reply(_) | Heard::Pong(_) | Heard::Close(_) => "",
    };
    let order: Vec<&str> = heard.iter().map(what).filter(|what| !what.is_empty()).collect();
    assert_eq!(order, ["before", "unsubscribed", "subscribed", "after"]);
}

#[test]
fn conflation_never_carries_a_backlog_past_the_hard_bound() {
    let world = world(tight());
    let mut slow = Peer::connect(&world);
    for user in super::super::cast::USERS {
        slow.subscribe(&world, AVAILABILITY, user);
    }
    slow.subscribe(&world, ALERT, user());
    slow.stop_reading(&world, 100);
    let mut publisher = Peer::publisher(&world);
    while slow.backlog(&world) < tight().outbox_hard_bytes - 4_000 {
        publisher.publish(&world, ALERT, user(), &tag("fill", 800));
    }
    for bytes in [10, 1500] {
        for user in super::super::cast::USERS {
            publisher.publish(&world, AVAILABILITY, user, &tag("a", bytes));
            assert!(slow.backlog(&world) <= tight().outbox_hard_bytes, "{}", slow.backlog(&world));
        }
    }
}

#[test]
fn the_largest_backlog_goes_when_all_pass_the_bound_of_the_process() {
    let limits = Limits { outbox_hard_bytes: 28 * 1024, backlog_bytes_max: 30 * 1024, ..tight() };
    let world = world(limits.clone());
    let (large, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    let mut small: Vec<(Peer, Uuid)> = Vec::new();
    for user in [super::super::cast::USERS[1], super::super::cast::USERS[2]] {
        let mut peer = Peer::connect(&world);
        peer.subscribe(&world, ALERT, user);
        peer.stop_reading(&world, 100);
        small.push((peer, user));
    }
    // The small ones pass the soft bound, and then the large one grows.
    for (peer, user) in &small {
        while peer.backlog(&world) < 8 * 1024 {
            publisher.publish(&world, ALERT, *user, &tag("small", 1000));
        }
    }
    for _ in 0..30 {
        if !large.is_there(&world) {
            break;
        }
        publisher.publish(&world, ALERT, user(), &tag("large", 1000));
        assert!(world.shared.backlog.bytes() <= limits.backlog_bytes_max);
    }
    assert_eq!(closed(&world, CloseReason::BacklogFull), 1);
    assert_eq!(world.pipe(large.id).ending, Some(Cut::Reset));
    for (mut peer, _) in small {
        assert!(peer.backlog(&world) >= 8 * 1024);
        peer.read_again(&world);
        assert!(tags(&peer.hear(&world)).len() >= 6);
    }
    assert_eq!(world.shared.backlog.bytes(), 0);
}

#[test]
fn a_peer_whose_socket_was_just_filled_has_the_time_to_read() {
    let limits = Limits { overrun_ms: 1_000, ..tight() };
    let world = world(limits.clone());
    let (mut slow, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    let mut sent = 0;
    while slow.backlog(&world) < 2 * limits.outbox_hard_bytes {
        publisher.publish(&world, ALERT, user(), &tag(&sent.to_string(), 1000));
        sent += 1;
    }
    pass(&world, 900);
    slow.read_again(&world);
    let expected: Vec<String> = (0..sent).map(|n| n.to_string()).collect();
    assert_eq!(tags(&slow.hear(&world)), expected, "it reads, so nothing is lost");
    slow.stop_reading(&world, 100);
    for _ in 0..20 {
        publisher.publish(&world, ALERT, user(), &tag("again", 1000));
    }
    assert!(closing(&slow, &world).is_none());
    pass(&world, 1_100);
    publisher.publish(&world, ALERT, user(), &tag("one more", 1000));
    assert!(closing(&slow, &world).is_some(), "it took nothing for a second");
}

#[test]
fn a_peer_that_keeps_up_is_never_given_up_whatever_one_request_holds() {
    let world = world(tight());
    let mut quick = Peer::connect(&world);
    quick.subscribe(&world, ALERT, user());
    let mut publisher = Peer::publisher(&world);
    let items: Vec<String> =
        (0..40).map(|n| ALERT.item(ORGANIZATIONS[0], user(), &tag(&n.to_string(), 1000))).collect();
    publisher.send(&world, &post(&format!("[{}]", items.join(","))));
    assert_eq!(publisher.hear(&world).len(), 1);
    let expected: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    assert_eq!(tags(&quick.hear(&world)), expected);
    assert!(closing(&quick, &world).is_none());
}

#[test]
fn a_client_that_asks_and_does_not_read_is_not_answered_further_until_it_does() {
    let world = world(Limits::DEFAULT);
    let mut asker = Peer::connect(&world);
    asker.stop_reading(&world, 8_000);
    let question = "{\"type\":1,\"invocationId\":\"a\",\"target\":\"AvailableSubscriptions\",\"arguments\":[]}\x1e";
    let mut bytes = Vec::new();
    client::frame(true, client::TEXT, MASK, question.repeat(2500).as_bytes(), &mut bytes);
    asker.send(&world, &bytes);
    assert!(asker.backlog(&world) < 20_000, "{} bytes wait", asker.backlog(&world));
    // While it is not heard its timeout rests, too.
    for _ in 0..4 {
        pass(&world, 15_000);
        let read: Vec<u8> = world.pipe(asker.id).from_hub.drain(..).collect();
        asker.ear.hear(&read);
        world.settle();
    }
    assert!(asker.is_there(&world) && asker.backlog(&world) < 20_000);
    asker.read_again(&world);
    assert_eq!(asker.hear(&world).len(), 2_500);
    assert!(asker.is_there(&world));
}

#[test]
fn a_client_that_asks_and_never_reads_is_told_that_its_own_answers_were_too_many() {
    let world = world(tight());
    let mut asker = Peer::connect(&world);
    asker.stop_reading(&world, 100);
    let question = "{\"type\":1,\"invocationId\":\"a\",\"target\":\"AvailableSubscriptions\",\"arguments\":[]}\x1e";
    for _ in 0..100 {
        asker.say(&world, question.as_bytes());
    }
    assert!(closing(&asker, &world).is_some());
    asker.read_again(&world);
    let heard = asker.hear(&world);
    let [.., Heard::Record(close), Heard::Close(Some(1000))] = &heard[..] else { panic!("{heard:?}") };
    assert!(close.starts_with(r#"{"type":7,"error":"own_answers: a client asked and asked"#), "{close}");
    pass(&world, tight().close_ms + 100);
    assert_eq!((closed(&world, CloseReason::OwnAnswers), closed(&world, CloseReason::Overrun)), (1, 0));
}

#[test]
fn a_client_that_asks_a_lot_and_reads_gets_every_answer() {
    let world = world(Limits::DEFAULT);
    let mut asker = Peer::connect(&world);
    let question = "{\"type\":1,\"invocationId\":\"a\",\"target\":\"AvailableSubscriptions\",\"arguments\":[]}\x1e";
    asker.say(&world, question.repeat(2500).as_bytes());
    assert_eq!(asker.hear(&world).len(), 2500);
}

#[test]
fn a_write_stuck_for_write_stuck_ms_is_reset() {
    let world = world(Limits::DEFAULT);
    let (slow, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    publisher.publish(&world, ALERT, user(), &tag("a", 1000));
    pass(&world, Limits::DEFAULT.write_stuck_ms - 100);
    assert!(slow.is_there(&world));
    pass(&world, 200);
    assert!(!slow.is_there(&world));
    assert_eq!(world.pipe(slow.id).ending, Some(Cut::Reset));
    assert_eq!(closed(&world, CloseReason::WriteStuck), 1);
}

#[test]
fn a_write_stuck_on_the_way_of_a_publication_is_reset_in_time_too() {
    let world = world(Limits::DEFAULT);
    let (slow, _) = stuck_subscriber(&world, &[ALERT]);
    // A ping went out a second ago: nothing else would be due for fourteen more.
    pass(&world, 16_000);
    world.pipe(slow.id).from_hub.clear();
    let mut publisher = Peer::publisher(&world);
    // More than is kept until the end of a turn.
    let items: Vec<String> = (0..4).map(|_| ALERT.item(ORGANIZATIONS[0], user(), &tag("a", 60_000))).collect();
    publisher.send(&world, &post(&format!("[{}]", items.join(","))));
    assert_eq!(publisher.hear(&world).len(), 1);
    assert!(world.look(slow.id).is_some_and(|look| look.blocked_since.is_some()));
    pass(&world, Limits::DEFAULT.write_stuck_ms + 100);
    assert!(!slow.is_there(&world));
}

#[test]
fn an_edge_that_brings_no_room_does_not_restart_the_clock_of_a_stuck_write() {
    let world = world(Limits::DEFAULT);
    let (slow, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    publisher.publish(&world, ALERT, user(), &tag("a", 1000));
    for _ in 0..31 {
        pass(&world, 1_000);
        world.net().spurious_edge(slow.id);
        world.settle();
    }
    assert!(!slow.is_there(&world));
    assert_eq!(closed(&world, CloseReason::WriteStuck), 1);
}

#[test]
fn a_peer_that_takes_a_little_now_and_then_is_not_stuck() {
    let world = world(Limits::DEFAULT);
    let (slow, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    publisher.publish(&world, ALERT, user(), &tag("a", 1000));
    for _ in 0..8 {
        pass(&world, 9_000);
        world.pipe(slow.id).from_hub.drain(..10);
        world.settle();
    }
    assert!(slow.is_there(&world));
}

/// A subscriber whose system tells of room late, and who reads so many bytes every ten seconds, for
/// so long.
fn reads_slowly(bytes: usize, seconds: u64) -> (World, Peer) {
    let world = world(Limits::DEFAULT);
    let mut slow = Peer::connect(&world);
    slow.subscribe(&world, ALERT, user());
    slow.stop_reading(&world, 60_000);
    world.pipe(slow.id).told_below = Some(32_000);
    let mut publisher = Peer::publisher(&world);
    for _ in 0..10 {
        publisher.publish(&world, ALERT, user(), &tag("a", 10_000));
    }
    for _ in 0..seconds / 10 {
        if slow.is_there(&world) {
            world.pipe(slow.id).from_hub.drain(..bytes);
        }
        pass(&world, 10_000);
    }
    (world, slow)
}

#[test]
fn a_slow_link_is_not_stuck_while_its_peer_acknowledges_though_no_room_is_told() {
    let (world, slow) = reads_slowly(3_600, 70);
    assert!(slow.is_there(&world) && slow.backlog(&world) > 40_000, "no room was told");
}

#[test]
fn a_peer_that_acknowledges_less_than_240_bytes_a_second_is_stuck() {
    let (world, slow) = reads_slowly(1_000, 40);
    assert!(!slow.is_there(&world));
    assert_eq!(closed(&world, CloseReason::WriteStuck), 1);
}

#[test]
fn unread_replies_have_a_bound_for_all_and_documents_do_not_count() {
    let limits = Limits { backlog_bytes_max: 400 * 1024, ..tight() };
    let world = world(limits.clone());
    let ask = |path: &str| {
        let peer = Peer::dial(&world, 100);
        peer.send(&world, format!("GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n").as_bytes());
        peer
    };
    let readers: Vec<Peer> = (0..20).map(|_| ask("/reference")).collect();
    let mut first = ask("/metrics");
    let each = first.backlog(&world);
    for _ in 0..2 * limits.backlog_bytes_max / each {
        ask("/metrics");
        // What a buffer has grown beyond its bytes counts, too.
        assert!(world.shared.backlog.bytes() <= limits.backlog_bytes_max / 4 + 20 * 1024);
    }
    let given_up = closed(&world, CloseReason::BacklogFull);
    assert!(usize::try_from(given_up).unwrap() > limits.backlog_bytes_max / each, "{given_up}");
    first.read_again(&world);
    assert_eq!(statuses(&first.hear(&world)), [200]);
    for mut reader in readers {
        reader.read_again(&world);
        assert_eq!(statuses(&reader.hear(&world)), [200]);
    }
}

#[test]
fn a_slow_peer_delays_nobody() {
    let world = world(tight());
    let (_slow, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    let mut quick = Peer::connect(&world);
    quick.subscribe(&world, ALERT, user());
    for n in 0..30 {
        publisher.publish(&world, ALERT, user(), &tag(&n.to_string(), 1000));
        assert_eq!(tags(&quick.hear(&world)), [n.to_string()]);
    }
    assert_eq!(closed(&world, CloseReason::SocketFailed), 0);
}

#[test]
fn a_publisher_that_does_not_read_its_replies_is_not_read_on() {
    let world = world(tight());
    let mut publisher = Peer::publisher(&world);
    publisher.stop_reading(&world, 100);
    let request = post(&ALERT.item(ORGANIZATIONS[0], user(), "a"));
    for _ in 0..200 {
        world.net().send(publisher.id, &request);
    }
    world.settle();
    assert!(world.pipe(publisher.id).unread() > 50 * request.len(), "the rest stays in the kernel");
    assert!(publisher.backlog(&world) < 2 * tight().outbox_soft_bytes);
    publisher.read_again(&world);
    assert_eq!(publisher.hear(&world).len(), 200);
}

#[test]
fn a_reply_that_nobody_takes_is_reset_after_write_stuck_ms_whether_its_link_goes_on_or_ends() {
    let limits = Limits { write_stuck_ms: 2_000, ..Limits::DEFAULT };
    assert!(limits.write_stuck_ms + 600 < limits.close_ms);
    for connection in ["keep-alive", "close"] {
        let world = world(limits.clone());
        let peer = Peer::dial(&world, 100);
        let request = format!("GET /reference HTTP/1.1\r\nHost: hub\r\nConnection: {connection}\r\n\r\n");
        peer.send(&world, request.as_bytes());
        assert_eq!(world.is_ending(peer.id), connection == "close");
        pass(&world, limits.write_stuck_ms - 100);
        assert!(peer.is_there(&world), "{connection}");
        pass(&world, 700);
        assert!(!peer.is_there(&world), "{connection}");
    }
}

#[test]
fn a_last_word_that_nobody_takes_is_reset_after_write_stuck_ms() {
    let world = world(Limits { write_stuck_ms: 2_000, ..tight() });
    let (slow, mut publisher) = stuck_subscriber(&world, &[ALERT]);
    while closing(&slow, &world).is_none() {
        publisher.publish(&world, ALERT, user(), &tag("a", 1500));
    }
    pass(&world, 2_600);
    assert!(!slow.is_there(&world), "it has had less than its close_ms");
}
