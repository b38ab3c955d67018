use super::*;
use crate::clock::UnixMs;
use crate::hub::kept::retained::Retained;
use crate::hub::outbox::FLUSH_BYTES;
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::Publication;
use crate::hub::registry::{Joined, Left};
use crate::hub::topic::{Pattern, Reach};
use crate::limits::LATE_PART_BYTES;
use crate::schema::EventId;
use crate::wire::{Cut, WireError};
use slotmap::SlotMap;
use std::collections::BTreeMap;
use uuid::Uuid;

const NOW: Now = Now::from_ms(0, 0);

/// What all publications of these tests are stamped with.
fn stamp() -> Stamp {
    Stamp { epoch: Epoch::begin(NOW, 1), position: Position::after(None, NOW), at: UnixMs::from_ms(7) }
}
const OCCURRENCE: EventTraits<'_> = EventTraits { lower: "useralert", is_state: false, is_last: false, instants: None };

fn topic(n: u128) -> Topic {
    Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::from_u128(n) }
}

/// Sockets that take so much in all, or everything; and how many slices each write had.
#[derive(Default)]
struct Sockets {
    room: BTreeMap<LinkKey, usize>,
    taken: BTreeMap<LinkKey, Vec<u8>>,
    slices: Vec<usize>,
}

impl Wire for Sockets {
    fn write(&mut self, link: LinkKey, slices: &[&[u8]]) -> Result<usize, WireError> {
        self.slices.push(slices.len());
        let bytes = slices.concat();
        let room = self.room.entry(link).or_insert(usize::MAX);
        let n = bytes.len().min(*room);
        *room -= n;
        self.taken.entry(link).or_default().extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn shutdown_write(&mut self, _: LinkKey) {}

    fn close(&mut self, _: LinkKey, _: Cut) {}
}

struct Bench {
    hub: Hub,
    sockets: Sockets,
    keys: SlotMap<ConnKey, ()>,
    links: SlotMap<LinkKey, ()>,
    backlog: Arc<Backlog>,
}

impl Bench {
    fn new(limits: &Limits) -> Bench {
        let backlog = Arc::new(Backlog::new(limits.backlog_bytes_max, 1));
        let hub = Hub::new(HashSeed(1, 2), limits, Arc::clone(&backlog));
        Bench { hub, sockets: Sockets::default(), keys: SlotMap::with_key(), links: SlotMap::with_key(), backlog }
    }

    fn member(&mut self, of: Topic, encoding: Encoding, room: usize) -> ConnKey {
        let conn = self.keys.insert(());
        let link = self.links.insert(());
        self.hub.open(conn, link, Writable::Open, NOW);
        self.hub.set_encoding(conn, encoding);
        self.hub.registry.join(conn, of, false, 10);
        self.sockets.room.insert(link, room);
        conn
    }

    /// What the member's socket has taken.
    fn taken(&self, conn: ConnKey) -> &[u8] {
        &self.sockets.taken[&self.hub.link(conn).unwrap()]
    }

    fn set_room(&mut self, conn: ConnKey, room: usize) {
        self.sockets.room.insert(self.hub.link(conn).unwrap(), room);
    }

    fn publish(&mut self, to: Topic, data: &[u8]) {
        self.hub.publish(&to, OCCURRENCE, Some(stamp()), Payload::Borrowed(data), NOW, &mut self.sockets);
    }

    fn flush(&mut self) {
        self.hub.flush(NOW, &mut self.sockets, |_, _, _| {});
    }
}

#[test]
fn each_member_gets_one_range_of_its_own_encoding() {
    let mut bench = Bench::new(&Limits::DEFAULT);
    let members = [Encoding::JsonText, Encoding::JsonBare, Encoding::JsonText, Encoding::JsonBare];
    let members = members.map(|encoding| (encoding, bench.member(topic(1), encoding, usize::MAX)));
    bench.publish(topic(1), b"{\"a\":1}");
    bench.publish(topic(1), b"{\"a\":2}");
    bench.flush();
    for (encoding, member) in members {
        let mut expected = Vec::new();
        for data in [b"{\"a\":1}", b"{\"a\":2}"] {
            let form = Form { encoding, positioned: false };
            form.encode(&topic(1), OCCURRENCE, Some(stamp()), Payload::Borrowed(data), &mut expected);
        }
        assert_eq!(bench.taken(member), expected, "{encoding:?}");
    }
    assert_eq!(bench.sockets.slices, [1; 4], "frames of an encoding are adjacent");
}

#[test]
fn who_asks_for_positions_gets_them_and_nobody_else_does() {
    let mut bench = Bench::new(&Limits::DEFAULT);
    let plain = bench.member(topic(1), Encoding::JsonBare, usize::MAX);
    let positioned = bench.member(topic(1), Encoding::JsonBare, usize::MAX);
    bench.hub.registry.join(positioned, topic(1), true, 10);
    bench.publish(topic(1), b"{}");
    bench.flush();
    let token = String::from_utf8(stamp().of(topic(1).organization).token().to_vec()).unwrap();
    let ending = format!(r#""data":{{}},"position":"{token}","at":"1970-01-01T00:00:00.007Z"}}]}}"#);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text(bench.taken(positioned)).contains(&ending), "{}", text(bench.taken(positioned)));
    assert!(text(bench.taken(plain)).contains(r#""data":{}}]}"#));
}

/// Limits with a bound of so many bytes for the whole process.
fn bounded(backlog_bytes_max: usize) -> Limits {
    Limits { outbox_soft_bytes: 2_000, outbox_hard_bytes: 100_000, backlog_bytes_max, ..Limits::DEFAULT }
}

#[test]
fn beyond_the_process_bound_the_largest_backlog_goes_and_no_other() {
    let mut bench = Bench::new(&bounded(60_000));
    let slow: Vec<ConnKey> = (0..3).map(|n| bench.member(topic(n), Encoding::JsonText, 0)).collect();
    let quick = bench.member(topic(2), Encoding::JsonText, usize::MAX);
    let data = [b'1'; 1_000];
    let mut published = 0;
    let doomed = loop {
        // Of three publications one goes to each, and the rest to the last.
        for n in [0, 1, 2, 2, 2] {
            bench.publish(topic(n), &data);
            published += usize::from(n == 2);
        }
        bench.flush();
        if let Some(doomed) = bench.hub.poll_doomed() {
            break doomed;
        }
        assert!(bench.backlog.bytes() <= 60_000);
    };
    assert_eq!((doomed.conn, doomed.reason), (slow[2], CloseReason::BacklogFull));
    assert!(doomed.lost_bytes > 20_000, "what it was that waited: {doomed:?}");
    assert_eq!(bench.hub.poll_doomed(), None);
    assert_eq!((bench.hub.backlog_bytes(slow[2]), bench.hub.is_sealed(slow[2])), (0, true));
    assert!(bench.backlog.bytes() <= 60_000);
    for other in [slow[0], slow[1]] {
        assert!(bench.hub.backlog_bytes(other) > 2_000 && !bench.hub.is_sealed(other));
    }
    assert!(bench.taken(quick).len() > published * data.len());
}

#[test]
fn slow_readers_of_one_topic_share_its_data() {
    let mut bench = Bench::new(&bounded(200_000));
    let slow: Vec<ConnKey> = (0..100).map(|_| bench.member(topic(1), Encoding::JsonText, 0)).collect();
    for _ in 0..50 {
        bench.publish(topic(1), &[b'1'; 1_000]);
        bench.flush();
    }
    assert_eq!(bench.hub.poll_doomed(), None);
    assert!(bench.hub.backlog_bytes_total() > 5_000_000 && bench.backlog.bytes() < 200_000);
    for conn in &slow {
        bench.set_room(*conn, usize::MAX);
        bench.hub.unblock(*conn);
    }
    // Turns have room for so much of it.
    while bench.hub.is_dirty() {
        bench.flush();
    }
    assert_eq!((bench.hub.backlog_bytes_total(), bench.backlog.bytes()), (0, 0));
    let taken = bench.taken(slow[0]);
    assert!(slow.iter().all(|conn| bench.taken(*conn) == taken) && taken.len() > 50_000);
}

#[test]
fn the_time_from_taken_to_written_is_that_of_the_first_that_waited() {
    let mut bench = Bench::new(&Limits::DEFAULT);
    let quick = bench.member(topic(1), Encoding::JsonBare, usize::MAX);
    let slow = bench.member(topic(1), Encoding::JsonBare, 10);
    let at = |ms| Now::from_ms(1_000 + ms, 1_000 + ms);
    let publish = |bench: &mut Bench, taken: u64, now: u64| {
        let data = Payload::Borrowed(b"{}");
        let stamp = Stamp { at: at(taken).unix, ..stamp() };
        bench.hub.publish(&topic(1), OCCURRENCE, Some(stamp), data, at(now), &mut bench.sockets);
        bench.hub.flush(at(now), &mut bench.sockets, |_, _, _| {});
    };
    publish(&mut bench, 0, 4);
    assert_eq!((bench.hub.tally.written.sum_ms, bench.hub.oldest_backlog_ms(at(50).mono)), (4, 50), "the slow one");
    publish(&mut bench, 60, 60);
    assert_eq!((bench.hub.tally.written.sum_ms, bench.hub.oldest_backlog_ms(at(70).mono)), (4, 70));
    bench.set_room(slow, usize::MAX);
    bench.hub.unblock(slow);
    bench.hub.flush(at(300), &mut bench.sockets, |_, _, _| {});
    let written = &bench.hub.tally.written;
    assert_eq!(
        (written.counts.iter().sum::<u64>(), written.sum_ms),
        (3, 304),
        "a write counts once, whatever it brought"
    );
    assert_eq!(bench.hub.oldest_backlog_ms(at(400).mono), 0);
    bench.hub.send_frame(quick, |out| out.extend_from_slice(b"answer"));
    bench.hub.flush(at(500), &mut bench.sockets, |_, _, _| {});
    assert_eq!(bench.hub.tally.written.sum_ms, 304, "an answer is no publication");
}

#[test]
fn a_turn_has_room_for_so_many_deliveries() {
    let limits = Limits { turn_deliveries_max: 20_000, ..Limits::DEFAULT };
    let mut bench = Bench::new(&limits);
    for _ in 0..100 {
        bench.member(topic(1), Encoding::JsonText, usize::MAX);
    }
    bench.publish(topic(2), b"{}");
    assert!(!bench.hub.is_spent(), "a topic without members");
    bench.publish(topic(1), b"{}");
    assert!(bench.hub.is_spent(), "half of it, with the writes that follow");
    bench.hub.begin_second_half(NOW);
    assert!(!bench.hub.is_spent());
    bench.publish(topic(1), b"{}");
    assert!(!bench.hub.is_spent(), "they will be written anyway");
    (0..200).for_each(|_| bench.publish(topic(1), b"{}"));
    assert!(bench.hub.is_spent());
    bench.flush();
    assert!(!bench.hub.is_spent());
}

#[test]
fn a_large_topic_waits_while_much_is_unwritten_for_its_members_and_others_do_not() {
    let mut bench = Bench::new(&Limits::DEFAULT);
    for _ in 0..3 * SLICE {
        bench.member(topic(1), Encoding::JsonText, usize::MAX);
    }
    bench.member(topic(2), Encoding::JsonText, usize::MAX);
    bench.publish(topic(1), &[b'1'; 40 * 1024]);
    assert!(bench.hub.takes(&topic(1)));
    bench.publish(topic(1), &[b'1'; 40 * 1024]);
    assert!(!bench.hub.takes(&topic(1)) && bench.hub.takes(&topic(2)));
    (0..2).for_each(|_| bench.flush());
    assert!(!bench.hub.takes(&topic(1)), "a slice of them waits");
    bench.flush();
    assert!(bench.hub.takes(&topic(1)) && !bench.hub.is_dirty());
}

#[test]
fn a_topic_waits_for_many_members_that_read_on_and_for_each_of_them_once() {
    let at = |ms| Now::from_ms(ms, 0);
    let mut bench = Bench::new(&Limits { overrun_ms: 100, ..bounded(1_000_000) });
    let slow: Vec<ConnKey> = (0..8).map(|_| bench.member(topic(1), Encoding::JsonText, 1_000)).collect();
    let publish = |bench: &mut Bench, ms| {
        bench.hub.publish(&topic(1), OCCURRENCE, None, Payload::Borrowed(&[b'1'; 1_500]), at(ms), &mut bench.sockets);
        bench.hub.flush(at(ms), &mut bench.sockets, |_, _, _| {});
    };
    publish(&mut bench, 0);
    assert!(bench.hub.takes(&topic(1)));
    publish(&mut bench, 10);
    publish(&mut bench, 20);
    assert!(!bench.hub.takes(&topic(1)) && bench.hub.takes(&topic(2)));
    // Each takes a little, so that it is not stuck.
    for conn in &slow {
        bench.set_room(*conn, 10);
        bench.hub.unblock(*conn);
    }
    bench.hub.flush(at(90), &mut bench.sockets, |_, _, _| {});
    bench.hub.begin_second_half(at(109));
    assert!(!bench.hub.takes(&topic(1)));
    bench.hub.begin_second_half(at(110));
    assert!(bench.hub.takes(&topic(1)), "they have been waited for");
    publish(&mut bench, 121);
    assert!(bench.hub.takes(&topic(1)), "once");
    let read_all = |bench: &mut Bench, ms| {
        for conn in &slow {
            bench.set_room(*conn, usize::MAX);
            bench.hub.unblock(*conn);
        }
        bench.hub.flush(at(ms), &mut bench.sockets, |_, _, _| {});
    };
    read_all(&mut bench, 130);
    slow.iter().for_each(|conn| bench.set_room(*conn, 0));
    (140..143).for_each(|ms| publish(&mut bench, ms));
    assert!(!bench.hub.takes(&topic(1)), "they had caught up");
    assert_eq!(bench.hub.next_excuse(), Instant::from_ms(0).after_ms(241));
    read_all(&mut bench, 150);
    bench.hub.begin_second_half(at(150));
    assert!(bench.hub.takes(&topic(1)) && bench.hub.next_excuse() == Deadline::NEVER);
    slow.iter().for_each(|conn| bench.set_room(*conn, 0));
    (160..163).for_each(|ms| publish(&mut bench, ms));
    let others: Vec<ConnKey> = (0..25).map(|_| bench.member(topic(1), Encoding::JsonText, usize::MAX)).collect();
    assert!(bench.hub.takes(&topic(1)), "most of {} keep up", others.len() + slow.len());
}

/// Rows of as many entities, as a home has them.
fn rows(entities: u128) -> Vec<Arc<Retained>> {
    let row = |n| {
        let data = format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(500));
        Retained::new(Publication { stamp: Some(stamp()), ..Publication::new(topic(n), data.into_bytes().into()) })
    };
    (0..entities).map(row).collect()
}

#[test]
fn a_block_of_thousands_is_paced_by_its_reader_who_keeps_a_reference_for_each() {
    let mut bench = Bench::new(&Limits::DEFAULT);
    let reader = bench.member(topic(0), Encoding::JsonBare, 0);
    let table = rows(5_000);
    bench.hub.send_block(reader, table.iter().map(|row| (row, OCCURRENCE, false)));
    assert!(bench.hub.backlog_bytes(reader) > 2 * Limits::DEFAULT.outbox_hard_bytes);
    // The queue may have grown to twice its length, and of one record the rest is copied.
    let most = 2 * table.len() * LATE_PART_BYTES + FLUSH_BYTES + 8 * 1024;
    let mut seconds = 0;
    while bench.hub.backlog_bytes(reader) > 0 {
        seconds += 1;
        let now = Now::from_ms(1_000 * seconds, 0);
        bench.set_room(reader, 64 * 1024);
        bench.hub.unblock(reader);
        bench.hub.publish(&topic(0), OCCURRENCE, Some(stamp()), Payload::Borrowed(b"{}"), now, &mut bench.sockets);
        while bench.hub.is_dirty() {
            bench.hub.flush(now, &mut bench.sockets, |_, _, _| {});
        }
        assert_eq!(bench.hub.poll_doomed(), None, "after {seconds} s");
        assert!(bench.backlog.bytes() <= most, "{} bytes after {seconds} s", bench.backlog.bytes());
    }
    let text = String::from_utf8(bench.taken(reader).to_vec()).unwrap();
    let numbers = text.split(r#""n":"#).skip(1).map(|rest| rest.split(',').next().unwrap().parse::<u64>().unwrap());
    assert!(numbers.eq(0..5_000), "all of it, in order");
    assert_eq!(text.matches(r#""data":{}"#).count() as u64, seconds, "and what came meanwhile");
    assert_eq!(bench.backlog.bytes(), 0);
}

#[test]
fn what_only_blocks_hold_of_the_past_counts_once_in_the_bound_of_the_process() {
    let pinned_bytes = Arc::default();
    let mut bench = Bench::new(&bounded(400_000));
    bench.backlog = Arc::new(Backlog::new(400_000, 1).beside(Arc::clone(&pinned_bytes)));
    bench.hub = Hub::new(HashSeed(1, 2), &bounded(400_000), Arc::clone(&bench.backlog));
    let readers: Vec<ConnKey> = (0..10).map(|_| bench.member(topic(0), Encoding::JsonBare, 0)).collect();
    let table = rows(100);
    for reader in &readers {
        bench.hub.send_block(*reader, table.iter().map(|row| (row, OCCURRENCE, false)));
    }
    bench.flush();
    let held = bench.backlog.bytes();
    assert!(held < 100_000, "{held} bytes");
    table.iter().for_each(|row| row.let_go(&pinned_bytes));
    let all: usize = table.iter().map(|row| row.bytes()).sum();
    drop(table);
    assert!(bench.backlog.bytes() > held + all * 9 / 10 && bench.backlog.bytes() <= held + all);
    for reader in readers {
        bench.hub.close(reader);
    }
    assert_eq!(bench.backlog.bytes(), 0);
}

#[test]
fn who_takes_a_wildcard_in_place_of_its_topics_and_back_spends_for_each_of_them() {
    let mut bench = Bench::new(&Limits::DEFAULT);
    let conn = bench.member(topic(0), Encoding::JsonText, usize::MAX);
    (1..500).for_each(|n| assert_eq!(bench.hub.join(conn, topic(n).into(), false, 999), Joined::Fresh));
    let wildcard = topic(0).wildcard();
    let before = bench.hub.work();
    assert_eq!(bench.hub.join(conn, Reach::Every(wildcard), false, 999), Joined::Fresh);
    assert_eq!(bench.hub.leave(conn, Pattern::Every(wildcard)), Left::Gone);
    assert!(bench.hub.work() - before >= 1_000, "{}", bench.hub.work() - before);
}

#[test]
fn a_row_of_a_block_costs_more_than_a_delivery_to_a_member() {
    let mut bench = Bench::new(&Limits::DEFAULT);
    let reader = bench.member(topic(1), Encoding::JsonText, usize::MAX);
    let row = Publication { stamp: Some(stamp()), ..Publication::new(topic(1), (*b"{}").into()) };
    let row = Retained::new(row);
    let before = bench.hub.work();
    bench.hub.send_block(reader, (0..1_000).map(|_| (&row, OCCURRENCE, false)));
    assert!(bench.hub.work() - before >= 6_000, "{}", bench.hub.work() - before);
}
