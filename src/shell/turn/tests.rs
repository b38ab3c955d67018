//! Two reactors over real sockets: links move between them, and a turn has its bounds.

use super::super::clock::Clock;
use super::super::entropy::SystemEntropy;
use super::super::listener::Listener;
use super::super::log::{Format, Logger};
use super::super::mio_os::{self, MioOs};
use super::super::tls::tests::{certified, peer, shake_hands};
use super::super::tls::{CurrentTls, HANDSHAKE_COST, Tls};
use super::*;
use crate::auth::keys::{KeyOptions, KeySource, Keys};
use crate::auth::mint::{SigningKey, Statement, mint};
use crate::auth::token::{ClaimNames, Options, Verifier};
use crate::conn;
use crate::hub::READ_BYTES_PER_DELIVERY;
use crate::hub::position::Epoch;
use crate::hub::registry::HashSeed;
use crate::limits::Limits;
use crate::schema::Catalogue;
use crate::trace::{Level, Trace};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

const SECRET: &str = "a secret of at least thirty-two bytes";
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";

/// Returns two reactors over the kernel's sockets, the first of which listens; and where.
fn reactors(tls: Option<Tls>) -> ([Reactor<MioOs>; 2], SocketAddr) {
    reactors_of(tls, &Limits::DEFAULT)
}

fn reactors_of(tls: Option<Tls>, limits: &Limits) -> ([Reactor<MioOs>; 2], SocketAddr) {
    let tls = CurrentTls::new(tls.into());
    let source = KeySource::Secret(SECRET.to_owned());
    let key = KeyOptions { id: None, algorithm: None, issuers: Vec::new(), source };
    let verifier = Arc::new(Verifier::new(Options::new(Keys::new(&[key]).unwrap())).unwrap());
    let shared =
        Shared::new(conn::Options::default(), limits.clone(), 2, HashSeed(1, 2), Epoch::begin(Now::from_ms(0, 0), 1));
    let (shared, catalogue) = (Arc::new(shared), Arc::new(Catalogue::built_in(None)));
    let in_force =
        InForce { catalogue: Arc::clone(&catalogue), verifier: Arc::clone(&verifier), settings: Arc::default() };
    let (load, current) = (Arc::new(Load::new(2)), Arc::new(Current::new(in_force)));
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), limits).unwrap();
    let address = listener.address();
    let polls = [mio::Poll::new().unwrap(), mio::Poll::new().unwrap()];
    let mailboxes: Arc<[_]> = polls
        .iter()
        .map(|poll| Mailbox::new(mio_os::waker(poll).unwrap(), &shared.limits, Arc::clone(&shared.backlog)))
        .collect();
    let mut listeners = vec![listener];
    let mut number = 0..;
    let reactors = polls.map(|poll| {
        let number = number.next().unwrap();
        let clock = Clock::start();
        let log = Logger::start(Format::Human, Level::Warn, 1024, clock).unwrap();
        let os = MioOs::new(poll, std::mem::take(&mut listeners), Arc::clone(&tls), mio_os::Outlet::None, clock, log)
            .unwrap();
        let (entropy, trace) = (Box::new(SystemEntropy::default()), Trace::new(Level::Warn));
        let (catalogue, verifier) = (Arc::clone(&catalogue), Arc::clone(&verifier));
        let shard = Shard::new(number, Arc::clone(&shared), catalogue, verifier, entropy, trace);
        let (load, current) = (Arc::clone(&load), Arc::clone(&current));
        Reactor::new(number, os, shard, Arc::clone(&shared), Arc::clone(&mailboxes), load, current)
    });
    (reactors, address)
}

/// Turns until a reply has arrived, and returns it.
fn answer(reactor: &mut Reactor<MioOs>, peer: &mut impl Read) -> String {
    let mut reply = String::new();
    while !reply.ends_with("\r\n\r\nok\n") {
        assert!(reactor.step());
        let mut bytes = [0; 1024];
        match peer.read(&mut bytes) {
            Ok(0) => panic!("closed behind {reply:?}"),
            Ok(n) => reply.push_str(std::str::from_utf8(&bytes[..n]).unwrap()),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}"),
        }
    }
    reply
}

#[test]
fn a_socket_of_the_kernel_moves_between_polls_and_loses_no_byte() {
    let (mut reactors, address) = reactors(None);
    let mut peer = TcpStream::connect(address).unwrap();
    // A poll would sleep while what it has led to is still on its way.
    peer.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut from = 0;
    for moves in 0..4 {
        let (behind, ahead) = REQUEST.split_at(20);
        // One whole request, and the beginning of the next, which moves with the socket.
        peer.write_all(if moves == 0 { REQUEST } else { ahead }).unwrap();
        peer.write_all(behind).unwrap();
        let reply = answer(&mut reactors[from], &mut peer);
        assert_eq!(reply.matches("200 OK").count(), 1, "{reply}");
        let key = reactors[from].sockets.keys().next().unwrap();
        reactors[from].move_link(key, 1 - from);
        assert_eq!(reactors.each_ref().map(|reactor| reactor.shard.link_count()), [0, 0], "the letter is under way");
        from = 1 - from;
    }
    drop(peer);
    while reactors[from].load.total() > 0 {
        assert!(reactors[from].step());
    }
    assert_eq!(reactors.map(|mut reactor| reactor.numbers().accepted), [1, 0]);
}

#[test]
fn a_link_that_goes_keeps_its_socket_when_another_comes_in_its_place() {
    let (mut reactors, address) = reactors(None);
    let mut peers = [(); 2].map(|()| TcpStream::connect(address).unwrap());
    while reactors[0].load.total() < 2 {
        assert!(reactors[0].step());
    }
    let mut keys = Vec::new();
    for (reactor, peer) in reactors.iter_mut().zip(&mut peers) {
        peer.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        peer.write_all(REQUEST).unwrap();
        answer(reactor, peer);
        keys.push(reactor.sockets.keys().next().unwrap());
    }
    // They change places in one turn.
    reactors[1].move_link(keys[1], 0);
    let (now, here) = (reactors[0].os.now(), &mut reactors[0]);
    here.shard.move_link(keys[0], 1, now, &mut here.sockets);
    assert!(here.step());
    for (reactor, peer) in reactors.iter_mut().zip(peers.iter_mut().rev()) {
        peer.write_all(REQUEST).unwrap();
        answer(reactor, peer);
    }
}

#[test]
fn a_tls_session_moves_in_the_midst_of_a_record_and_loses_no_byte() {
    let (tls, config) = certified();
    let (mut reactors, address) = reactors(Some(tls));
    let mut peer = peer(config, address);
    shake_hands(&mut peer, || assert!(reactors[0].step()));
    let mut record = Vec::new();
    for moves in 0..4 {
        let (from, to) = (moves % 2, 1 - moves % 2);
        // What is left of one request, and the beginning of the next, which moves with the
        // session.
        peer.sock.write_all(&record).unwrap();
        record.clear();
        if moves == 0 {
            peer.write_all(REQUEST).unwrap();
        }
        peer.conn.writer().write_all(REQUEST).unwrap();
        peer.conn.write_tls(&mut record).unwrap();
        peer.sock.write_all(&record.drain(..20).collect::<Vec<_>>()).unwrap();
        let reply = answer(&mut reactors[from], &mut peer);
        assert_eq!(reply.matches("200 OK").count(), 1, "{reply}");
        let key = reactors[from].sockets.keys().next().unwrap();
        reactors[from].move_link(key, to);
        let links = reactors.each_ref().map(|reactor| reactor.shard.link_count());
        assert_eq!(links, [0, 0], "the letter is under way");
    }
    drop(peer);
    while reactors[0].load.total() > 0 {
        assert!(reactors[0].step());
    }
}

#[test]
fn a_turn_answers_so_many_tls_handshakes_and_leaves_the_others_for_the_next() {
    let (tls, config) = certified();
    let (mut reactors, address) = reactors(Some(tls));
    let mut peers: Vec<_> = (0..80).map(|_| peer(config.clone(), address)).collect();
    while reactors[0].load.total() < peers.len() {
        assert!(reactors[0].step());
    }
    for peer in &mut peers {
        peer.conn.write_tls(&mut peer.sock).unwrap();
    }
    let reactor = &mut reactors[0];
    let (all, half) = (reactor.shard.link_count() * HANDSHAKE_COST, Limits::DEFAULT.turn_deliveries_max / 2);
    let (mut done, mut turns) = (0, 0);
    while done < all {
        let before = reactor.shard.hub().work();
        assert!(reactor.step());
        let spent = reactor.shard.hub().work() - before;
        // Who has waited longest has its turn in any case.
        assert!(spent <= half + 2 * HANDSHAKE_COST, "{spent} in a turn");
        done += spent;
        turns += 1;
    }
    assert!(all > 2 * half && turns > all / (half + 2 * HANDSHAKE_COST), "{all} in {turns} turns");
}

/// Returns a token by which a peer of the reactor may publish.
fn publisher(reactor: &Reactor<MioOs>) -> String {
    let expires_unix_s = reactor.os.now().unix.seconds() + 60;
    let statement = Statement { scopes: vec!["publish".to_owned()], expires_unix_s, ..Statement::default() };
    let key = SigningKey::from_secret(None, SECRET, None).unwrap();
    mint(&key, &ClaimNames::default(), &statement).unwrap()
}

#[test]
fn a_socket_is_wide_from_its_first_good_token() {
    let (mut reactors, address) = reactors(None);
    let token = publisher(&reactors[0]);
    let mut peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    for (token, is_good) in [("nonsense", false), (&token, true)] {
        let head = format!("POST /publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n");
        peer.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).unwrap();
        peer.write_all(REQUEST).unwrap();
        answer(&mut reactors[0], &mut peer);
        let key = reactors[0].sockets.keys().next().unwrap();
        assert_eq!(reactors[0].sockets.is_wide(key), is_good);
    }
}

/// What is read at once of the peers of [`senders`]: half of what a turn has for those who have
/// something new, and twice the share.
const READ: usize = 8 * 1024;
const COST: usize = READ / READ_BYTES_PER_DELIVERY;

/// Limits by which a turn has room for two reads.
const NARROW: Limits = Limits { read_budget_bytes: READ, turn_deliveries_max: 4 * COST, ..Limits::DEFAULT };

/// Returns reactors, of which the first has four peers that may send so many bytes of a body each:
/// as the last byte never comes, the work is the reading of them alone. All heads have been read.
fn senders(limits: &Limits, bytes: usize) -> ([Reactor<MioOs>; 2], [TcpStream; 4]) {
    let (mut reactors, address) = reactors_of(None, limits);
    let token = publisher(&reactors[0]);
    let mut peers = [(); 4].map(|()| TcpStream::connect(address).unwrap());
    while reactors[0].load.total() < peers.len() {
        assert!(reactors[0].step());
    }
    while reactors[1].shard.link_count() < peers.len() / 2 {
        assert!(reactors[1].step());
    }
    for key in reactors[1].sockets.keys().collect::<Vec<_>>() {
        reactors[1].move_link(key, 0);
    }
    let reactor = &mut reactors[0];
    let head = format!("POST /publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n");
    let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", bytes + 1);
    for peer in &mut peers {
        peer.write_all(head.as_bytes()).unwrap();
    }
    let are_known = |reactor: &Reactor<MioOs>| {
        let keys: Vec<_> = reactor.sockets.keys().collect();
        keys.len() == 4 && keys.iter().all(|key| reactor.sockets.is_wide(*key))
    };
    while !are_known(reactor) || reactor.has_unread() {
        assert!(reactor.step());
    }
    (reactors, peers)
}

#[test]
fn those_who_have_waited_have_a_share_of_a_turn_together() {
    let (mut reactors, mut peers) = senders(&NARROW, 4 * READ);
    let reactor = &mut reactors[0];
    for peer in &mut peers {
        peer.write_all(&[b' '; 4 * READ]).unwrap();
    }
    let all = reactor.numbers().bytes_in + (peers.len() * 4 * READ) as u64;
    let mut turns = 0;
    while reactor.numbers().bytes_in < all {
        let (waited, before) = (reactor.hot.len(), reactor.shard.hub().work());
        assert!(reactor.step());
        if waited == peers.len() {
            let spent = reactor.shard.hub().work() - before;
            assert!((COST..2 * COST).contains(&spent), "{spent} in a turn: one of them reads, in any case");
            turns += 1;
        }
    }
    assert!(turns > 0, "they never waited together");
}

#[test]
fn who_sends_again_comes_behind_those_of_whom_nothing_has_been_read() {
    let (mut reactors, mut peers) = senders(&NARROW, 8 * READ);
    let reactor = &mut reactors[0];
    for peer in &mut peers {
        peer.write_all(&[b' '; READ - 1]).unwrap();
    }
    let before = reactor.numbers().bytes_in;
    let read =
        |reactor: &mut Reactor<MioOs>| usize::try_from(reactor.numbers().bytes_in - before).unwrap() / (READ - 1);
    assert!(reactor.step());
    // The cost of a read is rounded down, hence a third one.
    assert_eq!((read(reactor), reactor.fresh.len()), (3, 1));
    for peer in &mut peers {
        peer.write_all(&[b' '; READ - 1]).unwrap();
    }
    let last = reactor.fresh[0];
    assert!(reactor.step());
    assert!(!reactor.fresh.contains(&last), "those who have been read came before it");
}

#[test]
fn who_has_had_a_portion_lets_others_go_first_though_there_is_more_to_read() {
    const COST: usize = READ_BYTES / READ_BYTES_PER_DELIVERY;
    let (mut reactors, mut peers) = senders(&Limits::DEFAULT, 4 * READ_BYTES);
    let reactor = &mut reactors[0];
    peers[0].write_all(&vec![b' '; 3 * READ_BYTES]).unwrap();
    let all = reactor.numbers().bytes_in + 3 * READ_BYTES as u64;
    assert!(reactor.step());
    assert_eq!(reactor.numbers().bytes_in, all - (3 * READ_BYTES - FRESH_READ_BYTES) as u64, "what is read first");
    while reactor.numbers().bytes_in < all {
        let before = reactor.shard.hub().work();
        assert!(reactor.step());
        let work = reactor.shard.hub().work() - before;
        assert!(work < COST + COST / 2, "{work} in a turn that has room for two reads");
    }
}
