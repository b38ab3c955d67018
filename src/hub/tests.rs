use super::*;
use crate::schema::EventId;
use crate::wire::Cut;
use slotmap::SlotMap;
use std::collections::BTreeMap;
use uuid::Uuid;

const NOW: Now = Now::from_ms(0, 0);
const OCCURRENCE: EventTraits<'_> = EventTraits { lower: "useralert", is_state: false };

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
        self.hub.registry.join(conn, of, 10);
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
        self.hub.publish(&to, OCCURRENCE, Payload::Borrowed(data), NOW.mono, NOW, &mut self.sockets);
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
            encoding.encode_publication(&topic(1), "useralert", Payload::Borrowed(data), &mut expected);
        }
        assert_eq!(bench.taken(member), expected, "{encoding:?}");
    }
    assert_eq!(bench.sockets.slices, [1; 4], "frames of an encoding are adjacent");
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
    bench.flush();
    assert_eq!((bench.hub.backlog_bytes_total(), bench.backlog.bytes()), (0, 0));
    let taken = bench.taken(slow[0]);
    assert!(slow.iter().all(|conn| bench.taken(*conn) == taken) && taken.len() > 50_000);
}

#[test]
fn the_time_from_taken_to_written_is_that_of_the_first_that_waited() {
    let mut bench = Bench::new(&Limits::DEFAULT);
    let quick = bench.member(topic(1), Encoding::JsonBare, usize::MAX);
    let slow = bench.member(topic(1), Encoding::JsonBare, 10);
    let at = |ms| Now::from_ms(1_000 + ms, 0);
    let publish = |bench: &mut Bench, taken: u64, now: u64| {
        let data = Payload::Borrowed(b"{}");
        bench.hub.publish(&topic(1), OCCURRENCE, data, at(taken).mono, at(now), &mut bench.sockets);
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
