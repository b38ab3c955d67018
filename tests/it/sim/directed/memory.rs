//! The bound of all that the process keeps.

use super::*;

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
