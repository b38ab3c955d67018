//! Connections whose link is cut anywhere, and go on on another one.

use super::super::backlog::Backlog;
use super::super::encoding::Encoding;
use super::super::outbox::Writable;
use super::super::publication::{EventTraits, Payload};
use super::super::registry::HashSeed;
use super::super::topic::Topic;
use super::*;
use crate::clock::Now;
use crate::limits::Limits;
use crate::schema::EventId;
use crate::wire::{Cut, Wire, WireError};
use proptest::prelude::*;
use serde_json::Value;
use slotmap::SlotMap;
use uuid::Uuid;

const NOW: Now = Now::from_ms(0, 0);
const STATE: EventTraits<'_> = EventTraits { lower: "state", is_state: true, is_last: false, instants: None };
const OCCURRENCE: EventTraits<'_> = EventTraits { is_state: false, lower: "occurrence", ..STATE };

/// The socket of the link that is there: has taken some, and has room for so many more.
#[derive(Default)]
struct Socket {
    taken: Vec<u8>,
    room: usize,
    is_gone: bool,
}

impl Wire for Socket {
    fn write(&mut self, _: LinkKey, slices: &[&[u8]]) -> Result<usize, WireError> {
        if self.is_gone {
            return Err(WireError);
        }
        let bytes = slices.concat();
        let n = bytes.len().min(self.room);
        self.room -= n;
        self.taken.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn shutdown_write(&mut self, _: LinkKey) {}

    fn close(&mut self, _: LinkKey, _: Cut) {}
}

/// What a client makes of the bytes that come to it (MessageBuffer.ts of the stock client).
#[derive(Default)]
struct Client {
    unread: Vec<u8>,
    waits_for_sequence: bool,
    next: u64,
    latest: u64,
    /// The marks of what it has handed to its page.
    heard: Vec<(String, u64)>,
}

impl Client {
    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while let Some((record, len)) = first_record(&self.unread) {
            self.unread.drain(..len);
            self.handle(&record);
        }
    }

    fn handle(&mut self, record: &Value) {
        let kind = record["type"].as_u64().unwrap();
        if self.waits_for_sequence && kind != 9 {
            return;
        }
        match kind {
            9 => {
                let number = record["sequenceId"].as_u64().unwrap();
                assert!(number <= self.next + 1, "{number} after {}", self.next);
                (self.next, self.waits_for_sequence) = (number - 1, false);
            }
            1 | 3 => {
                self.next += 1;
                if self.next > self.latest {
                    self.latest = self.next;
                    self.heard.push(mark(record));
                }
            }
            _ => assert_eq!(kind, 6),
        }
    }
}

fn mark(record: &Value) -> (String, u64) {
    match record["invocationId"].as_str() {
        Some(id) => ("answer".to_owned(), id.parse().unwrap()),
        None => {
            let argument = &record["arguments"][0];
            (
                argument["subscription"]["eventName"].as_str().unwrap().to_owned(),
                argument["data"]["n"].as_u64().unwrap(),
            )
        }
    }
}

/// The record of the first frame, and how long that is.
fn first_record(bytes: &[u8]) -> Option<(Value, usize)> {
    let (&[0x81, short], rest) = bytes.split_first_chunk()? else { panic!("no text frame: {bytes:?}") };
    let (start, len) = match short {
        126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        _ => (2, usize::from(short)),
    };
    let record = bytes.get(start..start + len)?.strip_suffix(b"\x1e").expect("a record");
    Some((serde_json::from_slice(record).expect("JSON"), start + len))
}

struct Bench {
    hub: Hub,
    conn: ConnKey,
    links: SlotMap<LinkKey, ()>,
    socket: Socket,
    client: Client,
    published: Vec<(String, u64)>,
}

impl Bench {
    fn new(bytes_max: usize) -> Bench {
        let limits = Limits { outbox_soft_bytes: 600, outbox_hard_bytes: 1 << 20, ..Limits::DEFAULT };
        let backlog = Backlog::new(usize::MAX, 1).into();
        let mut hub = Hub::new(HashSeed(1, 2), &limits, backlog);
        let (mut links, mut conns) = (SlotMap::with_key(), SlotMap::with_key());
        let conn = conns.insert(());
        hub.open(conn, links.insert(()), Writable::Open, NOW);
        hub.set_encoding(conn, Encoding::JsonText);
        hub.begin_stateful(conn, bytes_max);
        for n in 0..4 {
            hub.registry.join(conn, topic(n), false, 10);
        }
        let socket = Socket { room: usize::MAX, ..Socket::default() };
        Bench { hub, conn, links, socket, client: Client::default(), published: Vec::new() }
    }

    fn publish(&mut self, which: u8, len: usize) {
        let (n, event) = (self.published.len() as u64, if which < 2 { STATE } else { OCCURRENCE });
        let data = format!(r#"{{"n":{n},"filler":"{}"}}"#, "x".repeat(len));
        self.hub.publish(&topic(which.into()), event, None, Payload::Borrowed(data.as_bytes()), NOW, &mut self.socket);
        self.published.push((event.lower.to_owned(), n));
    }

    fn answer(&mut self) {
        let n = self.published.len() as u64;
        self.hub.send_message(self.conn, &ServerMessage::Completion { id: &n.to_string(), result: Ok(&true) });
        self.published.push(("answer".to_owned(), n));
    }

    fn flush(&mut self) {
        self.hub.flush(NOW, &mut self.socket, |_, _, _| {});
        // Each is looked at by its link.
        while self.hub.poll_doomed().is_some() {}
    }

    /// The socket takes so many more bytes.
    fn make_room(&mut self, bytes: usize) {
        self.socket.room = self.socket.room.saturating_add(bytes);
        self.hub.unblock(self.conn);
        self.flush();
    }

    /// So many bytes arrive.
    fn arrive(&mut self, bytes: usize) {
        let bytes = bytes.min(self.socket.taken.len());
        let arrived: Vec<u8> = self.socket.taken.drain(..bytes).collect();
        self.client.read(&arrived);
    }

    /// What is on its way is lost, with the link.
    fn cut(&mut self) {
        self.hub.detach(self.conn, NOW.mono);
        self.socket = Socket { is_gone: true, ..Socket::default() };
        self.client.unread.clear();
        self.client.waits_for_sequence = true;
    }

    fn resume(&mut self, room: usize) {
        if !self.hub.is_linkless(self.conn) {
            self.cut();
        }
        assert!(self.hub.can_resume(self.conn));
        let link = self.links.insert(());
        self.hub.attach(self.conn, link, b"");
        self.socket = Socket { room, ..Socket::default() };
    }

    fn ack(&mut self) {
        self.hub.handle_ack(self.conn, self.client.latest);
    }

    /// Everything arrives.
    fn settle(&mut self) {
        self.resume(usize::MAX);
        for _ in 0..100 {
            self.flush();
            self.arrive(usize::MAX);
        }
        assert_eq!((self.hub.backlog_bytes(self.conn), self.hub.is_dirty()), (0, false));
    }

    fn heard(&self, kind: &str) -> Vec<u64> {
        self.client.heard.iter().filter(|(name, _)| name == kind).map(|(_, n)| *n).collect()
    }

    fn published(&self, kind: &str) -> Vec<u64> {
        self.published.iter().filter(|(name, _)| name == kind).map(|(_, n)| *n).collect()
    }
}

fn topic(n: u128) -> Topic {
    Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::from_u128(n) }
}

#[derive(Clone, Debug)]
enum Step {
    Publish(u8, usize),
    Answer,
    Ping,
    Flush,
    Room(usize),
    Arrive(usize),
    Ack,
    Cut,
    Resume(usize),
    Fail,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..4, 0usize..250).prop_map(|(which, len)| Step::Publish(which, len)),
        2 => Just(Step::Answer),
        1 => Just(Step::Ping),
        4 => Just(Step::Flush),
        2 => (0usize..900).prop_map(Step::Room),
        4 => (0usize..900).prop_map(Step::Arrive),
        2 => Just(Step::Ack),
        1 => Just(Step::Cut),
        2 => prop_oneof![0usize..2_000, Just(usize::MAX)].prop_map(Step::Resume),
        1 => Just(Step::Fail),
    ]
}

proptest! {
    #[test]
    fn a_client_that_is_cut_anywhere_and_comes_back_hears_what_one_hears_that_is_not(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut bench = Bench::new(1 << 20);
        for step in steps {
            match step {
                Step::Publish(which, len) => bench.publish(which, len),
                Step::Answer => bench.answer(),
                Step::Ping => bench.hub.send_message(bench.conn, &ServerMessage::Ping),
                Step::Flush => bench.flush(),
                Step::Room(bytes) => bench.make_room(bytes),
                Step::Arrive(bytes) => bench.arrive(bytes),
                Step::Ack => bench.ack(),
                Step::Cut => bench.cut(),
                Step::Resume(room) => bench.resume(room),
                // The next write tells; the link that failed is parted with later.
                Step::Fail => bench.socket.is_gone = true,
            }
        }
        bench.settle();
        for kind in ["occurrence", "answer"] {
            prop_assert_eq!(bench.heard(kind), bench.published(kind), "{}", kind);
        }
        let mut states = bench.heard("state");
        states.sort_unstable();
        let count = states.len();
        states.dedup();
        prop_assert_eq!(states.len(), count, "none twice");
        prop_assert_eq!(states.last().copied(), bench.published("state").last().copied(), "the last one holds");
    }
}

#[test]
fn what_is_acknowledged_is_kept_no_longer_and_not_sent_again() {
    let mut bench = Bench::new(1 << 20);
    (0..3).for_each(|_| bench.publish(2, 10));
    bench.flush();
    bench.arrive(usize::MAX);
    let before = bench.hub.share().all().bytes();
    bench.ack();
    assert!(bench.hub.share().all().bytes() < before);
    bench.publish(2, 10);
    bench.flush();
    bench.resume(usize::MAX);
    bench.flush();
    let again = String::from_utf8_lossy(&bench.socket.taken).into_owned();
    assert!(again.contains(r#"{"type":9,"sequenceId":4}"#), "{again}");
    assert!(again.contains(r#""n":3"#) && !again.contains(r#""n":2"#), "{again}");
}

#[test]
fn what_is_kept_for_another_link_is_let_go_of_at_a_price() {
    let ends: [fn(&mut Bench); 3] = [
        |bench| bench.hub.handle_ack(bench.conn, 99),
        |bench| bench.hub.end_stateful(bench.conn),
        |bench| bench.hub.close(bench.conn),
    ];
    for end in ends {
        let mut bench = Bench::new(1 << 20);
        (0..40).for_each(|_| bench.publish(2, 1024));
        bench.flush();
        let before = bench.hub.work();
        end(&mut bench);
        assert!(bench.hub.work() - before >= 40, "{}", bench.hub.work() - before);
    }
}

#[test]
fn a_client_that_lacks_what_is_gone_for_the_bounds_sake_cannot_go_on_until_it_has_acknowledged_it() {
    let mut bench = Bench::new(1_000);
    (0..10).for_each(|_| bench.publish(2, 150));
    bench.flush();
    assert!(!bench.hub.can_resume(bench.conn));
    bench.arrive(usize::MAX);
    bench.ack();
    assert!(bench.hub.can_resume(bench.conn), "it has them");
    bench.settle();
    assert_eq!(bench.heard("occurrence"), bench.published("occurrence"));
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_lets_nothing_go() {
    let mut bench = Bench::new(1 << 20);
    bench.hub.handle_ack(bench.conn, u64::MAX);
    (0..3).for_each(|_| bench.publish(2, 10));
    bench.settle();
    assert_eq!(bench.heard("occurrence"), [0, 1, 2]);
}

#[test]
fn what_a_detached_client_is_to_be_sent_is_conflated_and_pins_nothing() {
    let mut bench = Bench::new(1 << 20);
    bench.publish(0, 10);
    bench.cut();
    (0..100).for_each(|_| bench.publish(0, 200));
    bench.flush();
    assert_eq!(bench.hub.pinned_bytes(), 0);
    assert!(bench.hub.backlog_bytes(bench.conn) < 1_000);
    bench.settle();
    assert_eq!(bench.heard("state"), [0, 100]);
}

#[test]
fn where_the_process_keeps_too_much_what_is_not_acknowledged_goes_first_and_ends_nobody() {
    let mut bench = Bench::new(1 << 20);
    let backlog = std::sync::Arc::new(Backlog::new(4_000, 1));
    let limits = Limits { outbox_soft_bytes: 600, ..Limits::DEFAULT };
    bench.hub = Hub::new(HashSeed(1, 2), &limits, backlog);
    bench.hub.open(bench.conn, bench.links.insert(()), Writable::Open, NOW);
    bench.hub.begin_stateful(bench.conn, 1 << 20);
    bench.hub.registry.join(bench.conn, topic(2), false, 10);
    (0..40).for_each(|_| bench.publish(2, 150));
    bench.hub.flush(NOW, &mut bench.socket, |_, _, _| {});
    assert!(bench.hub.poll_doomed().is_none());
    assert!(!bench.hub.can_resume(bench.conn) && bench.hub.share().all().bytes() < 4_000);
    bench.arrive(usize::MAX);
    assert_eq!(bench.heard("occurrence"), bench.published("occurrence"));
}
