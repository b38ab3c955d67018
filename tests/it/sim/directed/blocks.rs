//! What a client gets of the past, again and again, and does not read.

use super::*;
use rte::hub::outbox::FLUSH_BYTES;
use rte::limits::LATE_PART_BYTES;

/// Values of a state, each of another user.
const ROWS: usize = 500;
const ASKS: usize = 12;

/// A client asks for all values so often, and reads no more than so many bytes ahead. No more is
/// kept for it than two blocks take, of which each has data of its own or only refers to rows. In
/// the end it gets all of them.
fn ask_again_and_again(capacity: usize, invocations: &[(&str, &str)], has_data: bool) {
    let world = world(Limits { replay_items_max: ROWS, ..Limits::DEFAULT });
    let mut publisher = Peer::publisher(&world);
    let values = (1..=ROWS).map(|n| AVAILABILITY.item(ORGANIZATIONS[0], Uuid::from_u128(n as u128), &tag("a", 200)));
    publisher.send(&world, &post(&format!("[{}]", values.collect::<Vec<_>>().join(","))));
    assert_eq!(statuses(&publisher.hear(&world)), [202]);
    let mut asker = Peer::connect(&world);
    asker.stop_reading(&world, capacity);
    let record = |(method, more): &(&str, &str)| {
        let item = format!("{{\"EntityId\":\"*\",\"EventName\":\"{}\"{more}}}", AVAILABILITY.name);
        format!("{{\"type\":1,\"target\":\"{method}\",\"arguments\":[[{item}]]}}\x1e")
    };
    let records: String = invocations.iter().map(record).collect();
    let mut frame = Vec::new();
    client::frame(true, client::TEXT, MASK, records.repeat(ASKS).as_bytes(), &mut frame);
    world.net().send(asker.id, &frame);
    world.net().arrive_all();
    let (mut most_kept, mut most_waiting) = (0, 0);
    for _ in 0..400 {
        world.step(0);
        most_kept = most_kept.max(world.shared.backlog.bytes());
        most_waiting = most_waiting.max(asker.backlog(&world));
    }
    assert!(asker.is_there(&world));
    asker.read_again(&world);
    let heard = asker.hear(&world);
    let bytes: usize = heard.iter().map(|heard| if let Heard::Record(record) = heard { record.len() } else { 0 }).sum();
    assert_eq!(tags(&heard).len(), ASKS * ROWS);
    let blocks = 2 * bytes / ASKS;
    assert!(most_waiting <= blocks + FLUSH_BYTES, "{most_waiting} bytes waited");
    // A queue grows by doubling.
    let most = 2 * 2 * LATE_PART_BYTES * ROWS + FLUSH_BYTES + if has_data { blocks } else { 0 };
    assert!(most_kept <= most, "{most_kept} bytes were kept, and not {most}");
}

#[test]
fn of_what_a_client_gets_of_the_past_two_blocks_wait_and_no_third_one_begins_before_it_has_read() {
    for capacity in [100, 60_000, WIDE] {
        ask_again_and_again(capacity, &[("Subscribe", ",\"Snapshot\":true")], false);
        ask_again_and_again(capacity, &[("Unsubscribe", ""), ("Subscribe", ",\"Since\":\"-5m\"")], true);
    }
}
