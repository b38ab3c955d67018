//! The world around the shards: sockets that are pipes, mail that is carried when somebody carries it, a clock that moves when
//! it is told. Drives [`Shard`]s exactly as the reactor does, a call at a time.

use super::cast;
use super::rng::Rng;
use rte::api::client_address::Network;
use rte::api::cors::Origins;
use rte::api::negotiated::Negotiated;
use rte::api::publish;
use rte::auth::token::{self, Verifier};
use rte::clock::Now;
use rte::conn::{self, Gathered, Mail, Shared};
use rte::hub::publication::Publication;
use rte::hub::registry::HashSeed;
use rte::hub::{ConnKey, Ending, Wire, WireError};
use rte::limits::Limits;
use rte::metrics::Metrics;
use rte::schema::Catalogue;
use rte::shard::Shard;
use rte::trace::{Fact, Level, Trace};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// When every world begins.
pub const START: Now = Now { mono_ms: 5_000, unix_ms: 1_800_000_000_000 };
pub const ORIGIN: &str = "https://app.example";
/// Nobody's shard: who asks a shard for its numbers from outside.
const OUTSIDE: usize = usize::MAX;

pub static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::built_in(None)));

/// One connection's socket: two directions of bytes in flight.
#[derive(Debug, Default)]
pub struct Pipe {
    /// Sent by the peer, not read by the hub.
    pub to_hub: VecDeque<u8>,
    /// Taken from the hub, not read by the peer.
    pub from_hub: VecDeque<u8>,
    /// Bytes in flight to the peer, at the most.
    pub capacity: usize,
    /// The peer sends no more.
    pub is_ended: bool,
    /// The peer has reset the connection.
    pub is_broken: bool,
    /// The hub has been told of the end or the reset.
    pub is_told: bool,
    /// The hub reads no more for now.
    pub is_paused: bool,
    /// A write took less than offered: an edge is owed.
    pub owes_edge: bool,
    /// The hub has ended its direction.
    pub is_shut: bool,
    /// The hub has closed the socket.
    pub ending: Option<Ending>,
    /// Bytes that the hub has read.
    pub fed: usize,
    /// Bytes that the socket has taken.
    pub taken: usize,
}

/// All sockets of a shard.
pub struct Sockets {
    pipes: BTreeMap<ConnKey, Pipe>,
    rng: Rng,
    /// One write in so many is cut short; 0 is never.
    pub short_one_in: usize,
}

impl Wire for Sockets {
    fn write(&mut self, conn: ConnKey, slices: &[&[u8]]) -> Result<usize, WireError> {
        let cut = self.short_one_in > 0 && self.rng.one_in(self.short_one_in);
        let pipe = self.pipes.get_mut(&conn).expect("a write to a socket that is there");
        assert!(!pipe.is_shut && pipe.ending.is_none(), "a write behind the end of the sending direction");
        if pipe.is_broken {
            return Err(WireError);
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "an empty write");
        let mut room = pipe.capacity.saturating_sub(pipe.from_hub.len()).min(offered);
        if cut {
            room = self.rng.below(room + 1);
        }
        pipe.from_hub.extend(slices.iter().flat_map(|slice| slice.iter()).take(room));
        pipe.taken += room;
        pipe.owes_edge = room < offered;
        Ok(room)
    }

    fn shutdown_write(&mut self, conn: ConnKey) {
        let pipe = self.pipes.get_mut(&conn).expect("a shutdown of a socket that is there");
        assert!(pipe.ending.is_none(), "a shutdown behind the close");
        pipe.is_shut = true;
    }

    fn close(&mut self, conn: ConnKey, ending: Ending) {
        let pipe = self.pipes.get_mut(&conn).expect("a close of a socket that is there");
        assert_eq!(pipe.ending, None, "a second close");
        pipe.ending = Some(ending);
        if ending == Ending::Reset {
            // What the kernel still holds is lost with the reset.
            pipe.from_hub.clear();
        }
    }
}

/// What a shard did that the model has to know, in the order of its doing.
#[derive(Debug)]
pub enum Seen {
    /// A publisher's item was taken and delivered on this shard.
    Accepted(usize, Publication),
    /// It was delivered on a sibling.
    Delivered(usize, Publication),
    Fact(usize, Fact),
}

/// How a world is made.
#[derive(Clone, Debug)]
pub struct Setting {
    pub seed: u64,
    pub shards: usize,
    pub limits: Limits,
    pub close_on_expiry: bool,
    pub detailed_errors: bool,
    pub trusted_proxies: Vec<Network>,
}

impl Setting {
    pub fn one_shard() -> Setting {
        let limits = Limits::DEFAULT;
        Setting {
            seed: 1,
            shards: 1,
            limits,
            close_on_expiry: false,
            detailed_errors: false,
            trusted_proxies: Vec::new(),
        }
    }
}

/// What the shards of a world share.
pub fn shared(setting: &Setting, rng: &mut Rng) -> Arc<Shared> {
    setting.limits.check().expect("limits that go together");
    let mut tokens = token::Options::new(cast::keys());
    tokens.close_on_expiry = setting.close_on_expiry;
    let seed = HashSeed(rng.next(), rng.next());
    let limits = setting.limits.clone();
    Arc::new(Shared {
        options: conn::Options {
            snapshots: false,
            path: "/rte".into(),
            origins: Origins { allowed: Some(vec![ORIGIN.into()]) },
            trusted_proxies: setting.trusted_proxies.clone(),
            detailed_errors: setting.detailed_errors,
            publish: publish::Options::default(),
        },
        verifier: Verifier::new(tokens).expect("options that go together"),
        negotiated: Negotiated::new(seed, limits.negotiated_max, limits.negotiated_ms).into(),
        limits,
        is_draining: AtomicBool::new(false),
        shards: setting.shards,
    })
}

pub struct World {
    pub now: Now,
    pub shared: Arc<Shared>,
    pub shards: Vec<Shard>,
    pub sockets: Vec<Sockets>,
    mail: BTreeMap<(usize, usize), VecDeque<Mail>>,
    pub seen: Vec<Seen>,
}

impl World {
    pub fn new(setting: &Setting) -> World {
        let mut rng = Rng::new(setting.seed ^ 0x5EED);
        let shared = shared(setting, &mut rng);
        let shard = |number, rng: &mut Rng| {
            let entropy = Box::new(rng.fork());
            Shard::new(number, Arc::clone(&shared), Arc::clone(&CATALOGUE), entropy, Trace::new(Level::Debug))
        };
        let shards = (0..setting.shards).map(|number| shard(number, &mut rng)).collect();
        let sockets = |rng: &mut Rng| Sockets { pipes: BTreeMap::new(), rng: rng.fork(), short_one_in: 0 };
        let sockets = (0..setting.shards).map(|_| sockets(&mut rng)).collect();
        World { now: START, shared, shards, sockets, mail: BTreeMap::new(), seen: Vec::new() }
    }

    pub fn advance(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms;
    }

    pub fn open(&mut self, shard: usize, capacity: usize) -> ConnKey {
        let key = self.shards[shard].open(IpAddr::from([192, 0, 2, 1]), self.now);
        self.sockets[shard].pipes.insert(key, Pipe { capacity, ..Pipe::default() });
        key
    }

    pub fn pipe(&mut self, shard: usize, key: ConnKey) -> &mut Pipe {
        self.sockets[shard].pipes.get_mut(&key).expect("a pipe that was opened")
    }

    pub fn pipes(&self, shard: usize) -> impl Iterator<Item = (ConnKey, &Pipe)> {
        self.sockets[shard].pipes.iter().map(|(key, pipe)| (*key, pipe))
    }

    /// The hub reads at most `most` bytes of a connection, or learns of its end. Whether it did anything.
    pub fn feed(&mut self, shard: usize, key: ConnKey, most: usize) -> bool {
        let wants_input = self.shards[shard].wants_input(key);
        let pipe = self.pipe(shard, key);
        if pipe.ending.is_some() || pipe.is_told {
            return false;
        }
        if pipe.is_broken {
            pipe.is_told = true;
            self.shards[shard].handle_failure(key);
            return true;
        }
        if pipe.is_paused {
            return false;
        }
        if !wants_input {
            pipe.is_paused = true;
            return false;
        }
        let n = pipe.to_hub.len().min(most);
        if n == 0 {
            if pipe.is_ended && pipe.to_hub.is_empty() {
                pipe.is_told = true;
                self.shards[shard].handle_eof(key, self.now, &mut self.sockets[shard]);
                self.send_mail(shard);
                return true;
            }
            return false;
        }
        let mut bytes: Vec<u8> = pipe.to_hub.drain(..n).collect();
        pipe.fed += n;
        if !self.shards[shard].handle_bytes(key, &mut bytes, self.now, &mut self.sockets[shard]) {
            self.pipe(shard, key).is_paused = true;
        }
        self.send_mail(shard);
        true
    }

    /// The edge that was owed, where the peer has made room; or one that means nothing.
    pub fn edge(&mut self, shard: usize, key: ConnKey, is_spurious: bool) -> bool {
        let pipe = self.pipe(shard, key);
        if pipe.ending.is_some() || !(is_spurious || pipe.owes_edge && pipe.from_hub.len() < pipe.capacity) {
            return false;
        }
        pipe.owes_edge = false;
        self.shards[shard].handle_writable(key);
        true
    }

    /// Carries one letter, if there is one.
    pub fn carry(&mut self, from: usize, to: usize) -> bool {
        let Some(mail) = self.mail.get_mut(&(from, to)).and_then(VecDeque::pop_front) else { return false };
        if let Mail::Publication(publication) = &mail {
            self.seen.push(Seen::Delivered(to, publication.clone()));
        }
        self.shards[to].handle_mail(mail, self.now, &mut self.sockets[to]);
        self.send_mail(to);
        true
    }

    pub fn drain(&mut self) {
        self.shared.is_draining.store(true, Ordering::SeqCst);
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_mail(Mail::Drain, self.now, &mut self.sockets[shard]);
        }
    }

    /// What a reactor does once all that was ready has been read.
    pub fn finish_turn(&mut self, shard: usize) {
        self.shards[shard].handle_deadlines(self.now, &mut self.sockets[shard]);
        self.send_mail(shard);
        self.shards[shard].end_turn(self.now, &mut self.sockets[shard]);
        self.send_mail(shard);
        while let Some(key) = self.shards[shard].poll_resumed() {
            if self.shards[shard].wants_input(key) {
                self.pipe(shard, key).is_paused = false;
            }
        }
        let facts = self.shards[shard].trace.drain().map(|fact| Seen::Fact(shard, fact));
        self.seen.extend(facts);
    }

    fn send_mail(&mut self, from: usize) {
        let outbound: Vec<Mail> = self.shards[from].poll_outbound().collect();
        for mail in outbound {
            if let Mail::Publication(publication) = &mail {
                self.seen.push(Seen::Accepted(from, publication.clone()));
            }
            for to in (0..self.shards.len()).filter(|to| *to != from) {
                self.mail.entry((from, to)).or_default().push_back(mail.clone());
            }
        }
        let answers: Vec<(usize, Mail)> = self.shards[from].poll_answers().collect();
        for (to, mail) in answers {
            self.mail.entry((from, to)).or_default().push_back(mail);
        }
    }

    /// The numbers of a shard, asked for as a sibling asks.
    pub fn numbers(&mut self, shard: usize) -> Metrics {
        let ask = Mail::Measure { from: OUTSIDE, conn: ConnKey::default() };
        self.shards[shard].handle_mail(ask, self.now, &mut self.sockets[shard]);
        let answer = self.shards[shard].poll_answers().next();
        match answer {
            Some((OUTSIDE, Mail::Told { answer: Gathered::Numbers(numbers), .. })) => *numbers,
            other => panic!("a shard asked for its numbers answers {other:?}"),
        }
    }

    /// Whether the hub has cut that connection off.
    pub fn is_reset(&self, (shard, key): (usize, ConnKey)) -> bool {
        self.sockets[shard].pipes.get(&key).is_some_and(|pipe| pipe.ending == Some(Ending::Reset))
    }

    /// Everything that can happen without time or peers happens. Peers' bytes in flight stay where they are.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut is_busy = false;
            let all = 0..self.shards.len();
            for (from, to) in all.clone().flat_map(|from| all.clone().map(move |to| (from, to))) {
                while self.carry(from, to) {
                    is_busy = true;
                }
            }
            for shard in all {
                let keys: Vec<ConnKey> = self.sockets[shard].pipes.keys().copied().collect();
                for key in keys {
                    is_busy |= self.edge(shard, key, false);
                    while self.feed(shard, key, usize::MAX) {
                        is_busy = true;
                    }
                }
                self.finish_turn(shard);
                is_busy |= self.shards[shard].has_work();
            }
            if !is_busy {
                return;
            }
        }
        panic!("the hub has work for ever");
    }
}
