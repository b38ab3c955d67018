//! The paths that run for each member, each record, each item, each connection.

use crate::cast::{CLIENTS, KINDS, Kind, ORGANIZATIONS, TOKENS};
use crate::client;
use crate::counting::{count, live_bytes, spent};
use crate::rng::Rng;
use crate::setting::{CATALOGUE, START, Setting, shared, verifier};
use rte::api::publish::{self, Made, Request, RequestHead, Rules, Scratch, Sink};
use rte::auth::principal::Principal;
use rte::clock::Now;
use rte::conn::Connection;
use rte::fuzzing::{Transcript, cost};
use rte::hub::outbox::Outbox;
use rte::hub::position::Epoch;
use rte::limits::Limits;
use rte::shard::Shard;
use rte::trace::{Level, Trace};
use rte::wire::{Cut, LinkKey, Wire, WireError};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

pub const TESTS: [(&str, fn()); 10] = [
    ("a_publication_allocates_nothing_per_member", a_publication_allocates_nothing_per_member),
    ("late_members_of_a_topic_share_its_data", late_members_of_a_topic_share_its_data),
    ("stateful_members_of_a_topic_share_what_is_kept", stateful_members_of_a_topic_share_what_is_kept),
    ("documents_that_nobody_reads_are_not_copied", documents_that_nobody_reads_are_not_copied),
    ("a_ping_allocates_nothing", a_ping_allocates_nothing),
    ("a_subscribe_allocates_nothing_per_item", a_subscribe_allocates_nothing_per_item),
    ("an_item_published_unchanged_allocates_what_is_named", an_item_published_unchanged_allocates_what_is_named),
    ("an_idle_connection_keeps_what_is_stated", an_idle_connection_keeps_what_is_stated),
    ("a_connection_that_is_gone_keeps_nothing", a_connection_that_is_gone_keeps_nothing),
    ("what_comes_in_bounds_what_is_done", what_comes_in_bounds_what_is_done),
];

const ALERT: Kind = KINDS[1];
const MASK: [u8; 4] = [1, 2, 3, 4];

/// Sockets that take everything and keep nothing but what one of them has heard last; the full ones
/// take nothing.
#[derive(Default)]
struct Drop {
    taken: usize,
    heard: Option<(LinkKey, Vec<u8>)>,
    full: BTreeSet<LinkKey>,
}

impl Wire for Drop {
    fn write(&mut self, key: LinkKey, slices: &[&[u8]]) -> Result<usize, WireError> {
        if self.full.contains(&key) {
            return Ok(0);
        }
        let taken = slices.iter().map(|slice| slice.len()).sum();
        self.taken += taken;
        if let Some((_, heard)) = self.heard.as_mut().filter(|(listener, _)| *listener == key) {
            heard.clear();
            heard.extend(slices.concat());
        }
        Ok(taken)
    }

    fn shutdown_write(&mut self, _: LinkKey) {}

    fn close(&mut self, _: LinkKey, _: Cut) {}
}

struct Bench {
    shard: Shard,
    wire: Drop,
    now: Now,
}

impl Bench {
    fn new() -> Bench {
        let mut rng = Rng::new(1);
        let setting = Setting::one_shard();
        let (shared, verifier) = (shared(&setting, &mut rng, Epoch::begin(START, 1)), verifier(&setting));
        let shard = Shard::new(0, shared, Arc::clone(&CATALOGUE), verifier, Box::new(rng), Trace::new(Level::Info));
        Bench { shard, wire: Drop::default(), now: START }
    }

    /// Turns until there is nothing to do: the members of a large topic are written in slices.
    fn turn(&mut self) {
        loop {
            self.shard.handle_deadlines(self.now, &mut self.wire);
            self.shard.handle_queued(self.now, &mut self.wire);
            self.shard.end_turn(self.now, &mut self.wire);
            while self.shard.poll_resumed().is_some() {}
            if !self.shard.has_work() {
                return;
            }
        }
    }

    /// Gives bytes, which are made before, to a connection, and turns until they have had their
    /// effect.
    fn take(&mut self, key: LinkKey, bytes: &mut [u8]) {
        self.shard.handle_bytes(key, bytes, self.now, &mut self.wire);
        self.turn();
    }

    fn open(&mut self) -> LinkKey {
        self.shard.open([192, 0, 2, 1].into(), self.now)
    }

    /// A client past its handshake, with these subscriptions.
    fn connect(&mut self, items: &[(&str, Uuid)]) -> LinkKey {
        self.connect_as(2, items)
    }

    /// The client of that number in the cast.
    fn connect_as(&mut self, client: usize, items: &[(&str, Uuid)]) -> LinkKey {
        let key = self.open();
        let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[client]);
        self.take(key, client::upgrade("", &authorization).as_bytes().to_vec().as_mut_slice());
        self.take(key, &mut frame(client::HANDSHAKE));
        if !items.is_empty() {
            self.take(key, &mut frame(&subscribe(items)));
        }
        key
    }

    /// A client with stateful reconnect, or one that negotiates without.
    fn connect_negotiated(&mut self, is_stateful: bool, items: &[(&str, Uuid)]) -> LinkKey {
        let authorization = format!("Host: hub\r\nAuthorization: Bearer {}\r\n", TOKENS.clients[2]);
        let negotiator = self.open();
        self.wire.heard = Some((negotiator, Vec::new()));
        let query = format!("negotiateVersion=1&useStatefulReconnect={is_stateful}");
        let request = format!("POST /rte/negotiate?{query} HTTP/1.1\r\n{authorization}Content-Length: 0\r\n\r\n");
        self.take(negotiator, &mut request.into_bytes());
        let (_, heard) = self.wire.heard.take().unwrap();
        let reply = String::from_utf8(heard).unwrap();
        let (_, token) = reply.split_once("\"connectionToken\":\"").expect(&reply);
        let query = format!("?id={}", token.split('"').next().unwrap());
        self.shard.handle_eof(negotiator, self.now, &mut self.wire);
        let key = self.open();
        let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[2]);
        self.take(key, &mut client::upgrade(&query, &authorization).into_bytes());
        let version = if is_stateful { 2 } else { 1 };
        self.take(key, &mut frame(format!("{{\"protocol\":\"json\",\"version\":{version}}}\x1e").as_bytes()));
        self.take(key, &mut frame(&subscribe(items)));
        key
    }
}

fn frame(records: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    client::frame(true, client::TEXT, MASK, records, &mut bytes);
    bytes
}

/// A Subscribe of these items, in one record.
fn subscribe(items: &[(&str, Uuid)]) -> Vec<u8> {
    let items: Vec<(&str, String)> = items.iter().map(|(name, entity)| (*name, entity.to_string())).collect();
    subscribe_to_each(&items)
}

fn subscribe_to_each(items: &[(&str, String)]) -> Vec<u8> {
    let item = |(name, entity): &(&str, String)| format!(r#"{{"EntityId":"{entity}","EventName":"{name}"}}"#);
    let items: Vec<String> = items.iter().map(item).collect();
    let items = items.join(",");
    format!("{{\"type\":1,\"invocationId\":\"1\",\"target\":\"Subscribe\",\"arguments\":[[{items}]]}}\u{1e}")
        .into_bytes()
}

/// A publish request with these items.
fn post(items: &[String]) -> Vec<u8> {
    let (token, body) = (&TOKENS.publishers[0], format!("[{}]", items.join(",")));
    let len = body.len();
    format!(
        "POST /publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {len}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A user who may hear of himself.
fn user() -> Uuid {
    CLIENTS[2].user
}

/// What a publish request of one event allocates in the steady state, from the socket to so many
/// sockets, half of which hear of every entity.
fn publish_to(members: usize) -> u64 {
    let mut bench = Bench::new();
    for n in 0..members {
        if n % 2 == 0 {
            bench.connect(&[(ALERT.name, user())]);
        } else {
            let key = bench.connect_as(0, &[]);
            bench.take(key, &mut frame(&subscribe_to_each(&[(ALERT.name, "*".to_owned())])));
        }
    }
    let publisher = bench.open();
    let request = post(&[ALERT.item(ORGANIZATIONS[0], user(), "tag")]);
    let mut allocations = 0;
    for _ in 0..20 {
        let (mut request, before) = (request.clone(), bench.wire.taken);
        allocations = count(|| bench.take(publisher, &mut request));
        assert!(bench.wire.taken - before > members * 300, "not delivered");
    }
    allocations
}

fn a_publication_allocates_nothing_per_member() {
    let (few, many) = (publish_to(10), publish_to(1000));
    report(&format!("a publish request of one event allocates {few} times for 10 members, {many} for 1000"));
    assert_eq!(few, many);
    assert!(few <= REQUEST, "{few}");
}

/// Allocations of one publish request in debug and release builds: the token's claims, what the
/// head says of the body, and the reply. A back end sends many events in one.
const REQUEST: u64 = 30;

/// Live bytes that so many stalled members of one topic cost, each with three quarters of the hard
/// bound waiting, and what is left of them when they read again.
fn stalled(members: usize) -> (i64, i64) {
    let mut bench = Bench::new();
    let members: Vec<LinkKey> = (0..members).map(|_| bench.connect(&[(ALERT.name, user())])).collect();
    let publisher = bench.open();
    let items = vec![ALERT.item(ORGANIZATIONS[0], user(), &"x".repeat(700)); 20];
    let request = post(&items);
    for _ in 0..2 {
        bench.take(publisher, &mut request.clone());
    }
    let before = live_bytes();
    bench.wire.full.extend(&members);
    let backlog_bytes = Limits::DEFAULT.outbox_hard_bytes * 3 / 4;
    while bench.shard.look(members[0]).unwrap().backlog_bytes < backlog_bytes {
        // Publications wait for so many readers until it is certain that they take nothing.
        bench.now = Now::from_ms(bench.now.mono.ms() + 100, bench.now.unix.ms() + 100);
        bench.take(publisher, &mut request.clone());
    }
    assert!(bench.shard.hub().backlog_bytes_total() >= members.len() * backlog_bytes);
    let most = live_bytes() - before;
    bench.wire.full.clear();
    for key in &members {
        bench.shard.handle_writable(*key, bench.now, &mut bench.wire);
    }
    bench.turn();
    assert_eq!(bench.shard.hub().backlog_bytes_total(), 0);
    (most, live_bytes() - before)
}

fn late_members_of_a_topic_share_its_data() {
    let ((few, _), (many, left)) = (stalled(10), stalled(1_000));
    let each = (many - few) / 990;
    report(&format!(
        "10 stalled members of a topic keep {few} bytes, 1000 keep {many}: {each} for each further one; {left} stay"
    ));
    // A pointer for each publication, in a list that doubles.
    assert!(each <= 10 * 1024, "{each}");
    assert!(left <= 4 * 1024 * 1024, "{left}");
}

/// Live bytes that so many stateful members of one topic cost, who acknowledge nothing of what they
/// were sent, and what they had cost before.
fn unacknowledged(members: usize) -> (i64, i64) {
    let mut bench = Bench::new();
    let before = live_bytes();
    for _ in 0..members {
        bench.connect_negotiated(true, &[(ALERT.name, user())]);
    }
    let publisher = bench.open();
    let idle = live_bytes() - before;
    let request = post(&vec![ALERT.item(ORGANIZATIONS[0], user(), &"x".repeat(700)); 20]);
    let taken = bench.wire.taken;
    for _ in 0..PUBLICATIONS / 20 {
        bench.take(publisher, &mut request.clone());
    }
    assert!(bench.wire.taken - taken > members * PUBLICATIONS * 700, "not delivered");
    (live_bytes() - before - idle, idle)
}

/// What they were sent: less than is kept for each of them.
const PUBLICATIONS: usize = 800;

fn stateful_members_of_a_topic_share_what_is_kept() {
    let ((few, _), (many, idle)) = (unacknowledged(10), unacknowledged(500));
    let each = (many - few) / 490;
    let mut bench = Bench::new();
    let before = live_bytes();
    for _ in 0..500 {
        bench.connect_negotiated(false, &[(ALERT.name, user())]);
    }
    let (plain, idle) = ((live_bytes() - before) / 500, idle / 500);
    report(&format!(
        "10 stateful members that acknowledge none of {PUBLICATIONS} publications keep {few} bytes, 500 keep {many}: {each} for \
         each further one; idle one keeps {idle}, and one without stateful reconnect {plain}"
    ));
    // A pointer for each publication, in a list that doubles.
    assert!(each <= 10 * 1024, "{each}");
    // What waits to be acknowledged is one Completion.
    assert!(idle - plain <= 1024, "{idle} {plain}");
}

fn documents_that_nobody_reads_are_not_copied() {
    const PEERS: i64 = 1_000;
    let mut bench = Bench::new();
    let peers: Vec<LinkKey> = (0..PEERS).map(|_| bench.open()).collect();
    let requests = b"GET /reference HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(20);
    bench.take(peers[0], &mut requests.clone());
    let (document, before) = (bench.wire.taken / 20, live_bytes());
    bench.wire.full.extend(&peers);
    for peer in &peers {
        bench.take(*peer, &mut requests.clone());
    }
    assert_eq!(bench.shard.look(peers[0]).unwrap().backlog_bytes, document, "one reply at a time");
    let most = live_bytes() - before;
    bench.wire.full.clear();
    bench.wire.taken = 0;
    for peer in &peers {
        bench.shard.handle_writable(*peer, bench.now, &mut bench.wire);
    }
    bench.turn();
    assert_eq!(bench.wire.taken, document * 20 * peers.len());
    let left = live_bytes() - before;
    report(&format!(
        "a peer that reads none of 20 documents of {document} bytes keeps {} bytes; {left} stay of {PEERS}",
        most / PEERS
    ));
    assert!(most / PEERS <= 4 * 1024, "{most}");
    assert!(left <= 64 * 1024, "{left}");
}

fn a_ping_allocates_nothing() {
    let mut bench = Bench::new();
    let key = bench.connect(&[]);
    let ping = frame(b"{\"type\":6}\x1e");
    let mut allocations = 0;
    for _ in 0..20 {
        let mut ping = ping.clone();
        allocations = count(|| bench.take(key, &mut ping));
    }
    assert_eq!(allocations, 0);
}

/// What a Subscribe of so many items allocates once they are known.
fn subscribe_to(items: usize) -> u64 {
    let mut bench = Bench::new();
    let of_users = CATALOGUE.events().filter(|(id, event)| event.audience.client && CATALOGUE.family_of(*id) == "User");
    let list: Vec<(&str, Uuid)> = of_users.map(|(_, event)| (event.name.as_str(), user())).take(items).collect();
    let key = bench.connect(&[]);
    let subscribe = frame(&subscribe(&list));
    let mut allocations = 0;
    for _ in 0..20 {
        let mut subscribe = subscribe.clone();
        allocations = count(|| bench.take(key, &mut subscribe));
    }
    assert_eq!(bench.shard.hub().registry.subscription_count(), items);
    allocations
}

fn a_subscribe_allocates_nothing_per_item() {
    let (one, eight) = (subscribe_to(1), subscribe_to(8));
    report(&format!("a Subscribe allocates {one} times for 1 item, {eight} for 8"));
    assert_eq!((one, eight), (0, 0));
}

struct Nobody(usize);

impl Sink for Nobody {
    fn publish(&mut self, made: Made<'_>) {
        self.0 += made.data.len();
    }
}

/// What a publish of so many items allocates, without the request around it.
fn publish_items(event: &str, items: usize) -> u64 {
    let event = CATALOGUE.event(CATALOGUE.find(event).unwrap());
    let item = format!(r#"{{"eventName":"{}","data":{}}}"#, event.name, event.examples[0].delivered);
    let body = format!("[{}]", vec![item; items].join(","));
    let options = publish::Options::default();
    let rules = Rules { catalogue: &CATALOGUE, options: &options, everybody: &[], limits: &Limits::DEFAULT };
    let head = RequestHead::of(Some("application/json"), "").unwrap();
    let request = Request { head: &head, body: body.as_bytes() };
    let principal = Principal {
        user: None,
        organization: None,
        publisher: None,
        may_publish: true,
        is_admin: false,
        is_backend: false,
        grants: Arc::default(),
        foreign_grants: 0,
        expires_unix_s: 0,
        marks: rte::auth::marks::Marks::default(),
    };
    let (mut scratch, mut sink) = (Scratch::default(), Nobody(0));
    let mut allocations = 0;
    for _ in 0..5 {
        allocations = count(|| {
            let outcome = publish::publish(request, rules, &principal, &mut scratch, &mut sink).unwrap();
            assert_eq!(outcome.accepted, items);
        });
    }
    allocations
}

fn an_item_published_unchanged_allocates_what_is_named() {
    // A body of 32 KiB is judged in portions: each item has a reader of its own, when its form is
    // checked and when it is judged, which allocates once.
    for (event, each) in [("UserAvailability", 0), ("QueueStatus", 0), ("CallbackChanged", 2)] {
        let (few, many) = (publish_items(event, 10), publish_items(event, 110));
        report(&format!("{event}: {few} allocations for 10 items, {many} for 110"));
        // The list of items grows by doubling; nothing else is allocated for an item.
        assert!(many <= few + 8 + 110 * each, "{event}: {few} for 10, {many} for 110");
    }
}

fn topics() -> [(&'static str, Uuid); 4] {
    ["UserAvailability", "UserAlert", "UserStatus", "UserQueueAlert"].map(|name| (name, user()))
}

/// Live bytes per connection of so many, which are that client of the cast.
fn kept_by(connections: usize, client: usize, items: impl Fn(usize) -> Vec<(&'static str, Uuid)>) -> i64 {
    let mut bench = Bench::new();
    bench.connect_as(client, &items(0));
    let before = live_bytes();
    for n in 1..=connections {
        bench.connect_as(client, &items(n));
    }
    assert_eq!(bench.shard.hub().registry.subscription_count(), (connections + 1) * items(0).len());
    (live_bytes() - before) / i64::try_from(connections).unwrap()
}

/// Topics of everybody, for a client that may have all users.
fn private_topics(n: usize) -> Vec<(&'static str, Uuid)> {
    topics().map(|(name, _)| (name, Uuid::from_u128(n as u128 + 1))).to_vec()
}

fn an_idle_connection_keeps_what_is_stated() {
    // Tables double: nearly full just below a power of two, half empty just above.
    let shared = |_| topics().to_vec();
    let full = kept_by(4_000, 2, shared);
    let half = kept_by(4_200, 2, shared);
    let none = kept_by(4_000, 2, |_| Vec::new());
    // Client 0 has three grants, which all of them have.
    let granted = kept_by(4_000, 0, |_| topics().map(|(name, _)| (name, CLIENTS[0].user)).to_vec());
    let private = kept_by(4_000, 0, private_topics);
    let mut bench = Bench::new();
    let before = live_bytes();
    for _ in 0..4_000 {
        bench.open();
    }
    let bare = (live_bytes() - before) / 4_000;
    report(&format!(
        "an idle client keeps {full} bytes with 4 subscriptions ({half} with half empty tables), {granted} with 3 grants, \
         {private} with 4 topics of its own, {none} with none, {bare} as a bare link; Link {}, Connection {}, Outbox {}, \
         Principal {}",
        rte::conn::LINK_BYTES,
        size_of::<Connection>(),
        size_of::<Outbox>(),
        size_of::<Principal>(),
    ));
    assert!(full <= IDLE_BYTES && granted <= IDLE_BYTES, "{full} {granted}");
    assert!(half <= 2 * IDLE_BYTES, "{half}");
    assert!(private <= PRIVATE_BYTES, "{private}");
}

/// Bytes that an idle client keeps, with four subscriptions to topics that others have too, without
/// its socket:
///
/// ```text
///   Link, Connection and Outbox, each with its slot's generation   316
///   deadline, and whose it is                                       20
///   four subscriptions, eight bytes each way                        80
/// ```
///
/// and some percent for the room that a nearly full table has left. Its grants are shared, too.
const IDLE_BYTES: i64 = 440;

/// The same with four topics that nobody else has.
const PRIVATE_BYTES: i64 = 900;

fn a_connection_that_is_gone_keeps_nothing() {
    let mut bench = Bench::new();
    let mut keys = Vec::with_capacity(1_000);
    let mut left = Vec::with_capacity(3);
    for _ in 0..3 {
        keys.extend((0..1_000).map(|_| bench.connect(&topics())));
        for key in keys.drain(..) {
            bench.shard.handle_eof(key, bench.now, &mut bench.wire);
        }
        bench.turn();
        assert_eq!(bench.shard.link_count(), 0);
        left.push(live_bytes());
    }
    // The tables of the first thousand stay, and serve the next.
    assert_eq!(left[1], left[2]);
}

#[expect(clippy::print_stdout, reason = "figures belong to the report of a test run")]
fn report(figures: &str) {
    println!("{figures}");
}

/// The corpus of the fuzz target `cost`: attacks by work, each of which was one once.
#[expect(clippy::print_stdout, reason = "who reads a failure wants to know the input")]
fn what_comes_in_bounds_what_is_done() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/cost");
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        cost(&std::fs::read(&path).unwrap(), spent, &mut Transcript::heard_by(&mut |text| println!("{text}")));
        inputs += 1;
    }
    assert!(inputs >= 10, "{inputs} inputs");
}
