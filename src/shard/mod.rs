//! The pure whole of one thread: links, connections, fan-out, deadlines. Bytes, mail and time in;
//! bytes through a [`Wire`], mail and deadlines out. The shell drives it with sockets, a simulation
//! with whatever it likes.
//!
//! In each turn: [`Shard::handle_mail`], [`Shard::handle_bytes`] and its kin,
//! [`Shard::handle_deadlines`], [`Shard::handle_queued`], [`Shard::poll_to_write`] and
//! [`Shard::poll_outbound`] until they are empty, then [`Shard::end_turn`].

mod engine;
mod events;
mod flush;
mod look;
mod queued;
mod sockets;
mod written;

use crate::auth::token::Verifier;
use crate::clock::{Deadline, Instant, Now};
use crate::conn::{
    Appends, Arrivals, Books, Connections, Intake, Link, Mail, Moved, Numbers, Outbound, Process, Shared, Step, To,
    ToWrite, Tools, Turn, Unwritten, View, WayOut, Whose,
};
use crate::entropy::{Entropy, next_u64};
use crate::hub::Hub;
use crate::hub::home::Home;
use crate::hub::homes::Homes;
use crate::hub::partition::Partition;
use crate::hub::past::Past;
use crate::hub::publication::Publication;
use crate::hub::registry::{ConnKey, HashSeed};
use crate::limits::SUBSCRIPTION_BYTES;
use crate::metrics::Metrics;
use crate::schema::Catalogue;
use crate::timer::Timers;
use crate::trace::Trace;
use crate::wire::{LinkKey, Wire};
pub use look::Look;
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Deadlines that a turn sees to; what else is due waits for the next one.
const DEADLINES: usize = 128;
/// What it costs to accept a socket, or to close one, in deliveries.
const SOCKET_COST: usize = 128;

/// One thread's links, connections, and all that belongs to them.
///
/// Whoever has no sockets drives it with bytes; a `Vec<u8>` is the [`Wire`] of a single link:
///
/// ```
/// use rte::auth::keys::{KeyOptions, KeySource, Keys};
/// use rte::auth::token::{Options, Verifier};
/// use rte::hub::{position::Epoch, registry::HashSeed};
/// use rte::{clock::Now, conn, entropy::Entropy, limits::Limits};
/// use rte::{schema::Catalogue, shard::Shard, trace::{Level, Trace}};
/// use std::sync::Arc;
///
/// struct Sevens;
/// impl Entropy for Sevens {
///     fn fill(&mut self, bytes: &mut [u8]) {
///         bytes.fill(7);
///     }
/// }
///
/// let source = KeySource::Secret("a secret of at least thirty-two bytes".to_owned());
/// let keys = Keys::new(&[KeyOptions { id: None, algorithm: None, issuers: Vec::new(), source }]).unwrap();
/// let verifier = Verifier::new(Options::new(keys)).unwrap();
/// let epoch = Epoch::begin(Now::from_ms(0, 0), 7);
/// let shared = conn::Shared::new(conn::Options::default(), Limits::DEFAULT, 1, HashSeed(1, 2), epoch);
/// let (catalogue, trace) = (Catalogue::built_in(None), Trace::new(Level::Info));
/// let (shared, catalogue, verifier) = (Arc::new(shared), Arc::new(catalogue), Arc::new(verifier));
/// let mut shard = Shard::new(0, shared, catalogue, verifier, Box::new(Sevens), trace);
///
/// let (now, mut wire) = (Now::from_ms(0, 0), Vec::new());
/// let link = shard.open([192, 0, 2, 1].into(), now);
/// let mut request = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n".to_vec();
/// assert!(shard.handle_bytes(link, &mut request, now, &mut wire), "it would read on");
/// shard.end_turn(now, &mut wire);
/// assert!(wire.starts_with(b"HTTP/1.1 200 OK\r\n") && wire.ends_with(b"ok\n"));
/// ```
pub struct Shard {
    number: usize,
    shared: Arc<Shared>,
    catalogue: Arc<Catalogue>,
    verifier: Arc<Verifier>,
    /// The one place where links are stored; empty while an event is with one.
    links: SlotMap<LinkKey, Option<Link>>,
    connections: Connections,
    /// Those of the links that have shown no token; each other public one has a place.
    strangers: Arrivals,
    /// Those that came in by the listener for the inside, which need none.
    internal: Arrivals,
    strangers_warn_at: Deadline,
    numbers: Numbers,
    /// What is still to be done behind an event; empty between them.
    steps: Vec<Step>,
    hub: Hub,
    homes: Homes,
    /// Requests that are on their way to an engine which several processes share.
    appends: Appends,
    /// What that engine keeps, until all of it is read.
    loaded: Vec<(Partition, Publication)>,
    /// What of it is too old to be kept.
    old: Vec<(Partition, Publication)>,
    /// Something of a partition is missing there: who is still to be looked at.
    gap: Option<(Partition, Vec<ConnKey>)>,
    intake: Intake,
    unwritten: Unwritten,
    timers: Timers<Whose>,
    tools: Tools,
    entropy: Box<dyn Entropy>,
    /// What has been counted, and the notable facts since the shell last looked.
    pub(crate) books: Books,
    outbound: Outbound,
    /// What goes to whatever writes, before the records of this turn.
    to_write: Vec<ToWrite>,
    /// Links with bytes of their own to write at the end of the turn.
    dirty: Vec<LinkKey>,
    /// Links that read again after a pause.
    resumed: Vec<LinkKey>,
    /// Links that go to another shard.
    moved: Vec<(LinkKey, usize, Moved)>,
    /// Whose deadline has come, in that order.
    fired: VecDeque<Whose>,
    /// Memory of what peers have sent and what is not done with.
    input_bytes: usize,
    /// Memory of what else is kept, as far as it has been told.
    noted_bytes: usize,
    /// Connections to look at after a flush, and how much their sockets took; empty between turns.
    attention: Vec<(ConnKey, usize)>,
}

impl Shard {
    /// A shard without links.
    pub fn new(
        number: usize,
        shared: Arc<Shared>,
        catalogue: Arc<Catalogue>,
        verifier: Arc<Verifier>,
        mut entropy: Box<dyn Entropy>,
        trace: Trace,
    ) -> Shard {
        let seed = HashSeed(next_u64(entropy.as_mut()), next_u64(entropy.as_mut()));
        let hub = Hub::new(seed, &shared.limits, Arc::clone(&shared.backlog));
        let term = shared.journal.term();
        let homes = match shared.contact {
            None => Homes::alone(seed, &shared.limits, term.epoch, &shared.totals, shared.shards),
            Some(_) => Homes::parted(seed, &shared.limits, &shared.totals, number, shared.shards),
        };
        Shard {
            numbers: Numbers::new(number, shared.shards),
            number,
            shared,
            catalogue,
            verifier,
            links: SlotMap::with_key(),
            connections: Connections::with_key(),
            strangers: Arrivals::new(seed),
            internal: Arrivals::new(seed),
            strangers_warn_at: Deadline::at(Instant::default()),
            steps: Vec::new(),
            hub,
            homes,
            appends: Appends::default(),
            loaded: Vec::new(),
            old: Vec::new(),
            gap: None,
            intake: Intake::default(),
            unwritten: Unwritten::new(term),
            timers: Timers::default(),
            tools: Tools::default(),
            entropy,
            books: Books::new(trace),
            outbound: Outbound::default(),
            to_write: Vec::new(),
            dirty: Vec::new(),
            resumed: Vec::new(),
            moved: Vec::new(),
            fired: VecDeque::new(),
            input_bytes: 0,
            noted_bytes: 0,
            attention: Vec::new(),
        }
    }

    /// Takes back what files have kept of this shard's partitions, before anything else comes.
    pub fn restore(&mut self, past: Past, now: Now) {
        if let Some(home) = self.homes.only_mut() {
            home.restore(past, now);
        }
    }

    /// Another catalogue is in force; events keep their numbers.
    pub(crate) fn replace_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = catalogue;
        self.tools.forget_descriptions();
    }

    /// Tokens are checked by another verifier from now on; whoever is connected stays.
    pub(crate) fn replace_verifier(&mut self, verifier: Arc<Verifier>) {
        self.verifier = verifier;
        self.tools.forget_descriptions();
    }

    /// Whether a token has wanted a key, since the last call, that a fresher set may have.
    pub(crate) fn take_missing_key(&self) -> bool {
        self.verifier.take_missing_key()
    }

    /// Links of this shard that have shown no token.
    pub(crate) fn stranger_count(&self) -> usize {
        self.strangers.count()
    }

    /// Whether the turn has had its work: what else is ready waits for the next one.
    pub fn is_spent(&self) -> bool {
        self.hub.is_spent()
    }

    /// Deadlines that have come.
    pub fn handle_deadlines(&mut self, now: Now, wire: &mut dyn Wire) {
        if self.unwritten.stalls_at(&self.shared.limits).is_due(now) {
            self.lose_journal(now);
        }
        for _ in 0..DEADLINES {
            if !self.expire_append(now, wire) {
                break;
            }
        }
        self.timers.poll(now, &mut self.fired);
        for _ in 0..DEADLINES {
            let Some(timed) = self.fired.pop_front() else { break };
            let key = match timed {
                Whose::Link(key) => Some(key),
                Whose::Connection(conn) => self.carrier(conn, now, wire, |mut it| it.handle_deadline()),
            };
            if let Some(key) = key {
                let wanted_input = self.wants_input(key);
                self.with(key, now, wire, Link::handle_deadline);
                if !wanted_input {
                    self.note_resumed(key);
                }
            }
        }
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Deadline {
        let excuse = if self.intake.has_requests() { self.hub.next_excuse() } else { Deadline::NEVER };
        let stalls_at = self.unwritten.stalls_at(&self.shared.limits);
        let others = [excuse, self.intake.ahead.next_deadline(), stalls_at, self.appends.next_deadline()];
        others.into_iter().fold(self.timers.next_deadline(), Deadline::min)
    }

    /// What goes to the siblings, in this order; before the flush, so that who reads a reply knows
    /// that the siblings have what it tells of.
    pub fn poll_outbound(&mut self) -> impl Iterator<Item = (To, Mail)> {
        self.outbound.drain()
    }

    /// Whether another turn should follow at once.
    pub fn has_work(&self) -> bool {
        self.hub.is_dirty()
            || self.intake.has_work()
            || self.unwritten.first().is_some()
            || self.gap.is_some()
            || !self.dirty.is_empty()
            || !self.fired.is_empty()
            || !self.resumed.is_empty()
            || !self.moved.is_empty()
    }

    /// The fan-out, to look at: memberships and backlogs.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// A link, to look at.
    pub fn look(&self, key: LinkKey) -> Option<Look> {
        let (link, view) = (self.link(key)?, self.view());
        let connection = link.connection();
        Some(Look {
            connection,
            is_open: connection.and_then(|conn| self.connections.get(conn)).is_some_and(|it| it.is_open()),
            is_ending: link.is_ending(),
            is_sealed: connection.is_some_and(|conn| self.hub.is_sealed(conn)),
            wants_input: link.wants_input(view),
            rests: link.rests(view),
            backlog_bytes: link.backlog_bytes(&self.hub),
            deadline: link.deadline(key, view).0,
            blocked_since: link.blocked_since(&self.hub),
        })
    }

    /// What this shard has counted.
    pub(crate) fn numbers(&mut self, now: Now, wire: &mut dyn Wire) -> Metrics {
        self.turn(now, wire).1.measure()
    }

    /// Memory of what this shard keeps of the past.
    pub fn past_bytes(&self) -> usize {
        self.homes.iter().map(Home::memory_bytes).sum()
    }

    /// Links of this shard.
    pub fn link_count(&self) -> usize {
        self.links.len()
    }

    /// What the peer of a link has sent, and is not done with, took so much memory, and takes so
    /// much now.
    fn note_input(&mut self, before: usize, now: usize) {
        if before != now {
            self.input_bytes = self.input_bytes - before + now;
            self.shared.backlog.note_besides(before, now);
        }
    }

    /// What else this shard keeps, but for backlogs.
    fn kept_bytes(&self) -> usize {
        let subscriptions = self.hub.registry.subscription_count() * SUBSCRIPTION_BYTES;
        let links = self.links.len() * self.shared.link_bytes;
        subscriptions + links + self.intake.bytes() + self.past_bytes()
    }

    fn note_kept(&mut self) {
        let now = self.kept_bytes();
        if now != self.noted_bytes {
            self.shared.backlog.note_besides(std::mem::replace(&mut self.noted_bytes, now), now);
        }
    }

    fn link(&self, key: LinkKey) -> Option<&Link> {
        self.links.get(key)?.as_ref()
    }

    fn view(&self) -> View<'_> {
        View { connections: &self.connections, hub: &self.hub, limits: &self.shared.limits }
    }

    fn process(&self) -> Process<'_> {
        Process::new(self.number, &self.shared, &self.catalogue, &self.verifier)
    }

    fn turn<'t>(&'t mut self, now: Now, wire: &'t mut dyn Wire) -> (&'t mut Connections, Turn<'t>) {
        // The gauges are cheap here and nowhere else.
        self.books.metrics.open = self.links.len() as u64;
        self.books.metrics.strangers = self.strangers.count() as u64;
        self.books.metrics.internal = self.internal.count() as u64;
        self.books.metrics.input_bytes = self.input_bytes as u64;
        let turn = Turn {
            now,
            process: Process::new(self.number, &self.shared, &self.catalogue, &self.verifier),
            hub: &mut self.hub,
            homes: &mut self.homes,
            intake: &mut self.intake,
            steps: &mut self.steps,
            timers: &mut self.timers,
            numbers: &mut self.numbers,
            strangers: &mut self.strangers,
            internal: &mut self.internal,
            unwritten: &mut self.unwritten,
            books: &mut self.books,
            out: WayOut { wire, mail: &mut self.outbound, entropy: self.entropy.as_mut() },
            tools: &mut self.tools,
        };
        (&mut self.connections, turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::Entrance;
    use crate::auth::keys::{KeyOptions, KeySource, Keys};
    use crate::auth::token::{Options, Verifier};
    use crate::conn::{self, Unstamped};
    use crate::entropy::Entropy;
    use crate::hub::position::Epoch;
    use crate::hub::topic::Topic;
    use crate::limits::Limits;
    use crate::schema::EventId;
    use crate::trace::Level;
    use std::sync::atomic::Ordering;
    use uuid::Uuid;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    pub(super) fn now() -> Now {
        Now::from_ms(0, 0)
    }

    pub(super) fn shard() -> Shard {
        let shared = Shared::new(conn::Options::default(), Limits::DEFAULT, 1, HashSeed(1, 2), Epoch::begin(now(), 7));
        let keys = [KeyOptions::new(KeySource::Secret("q7#Lw0)vT2mZ!eR9xK4uB6yH1sD8fG3a".to_owned()))];
        let verifier = Arc::new(Verifier::new(Options::new(Keys::new(&keys).unwrap())).unwrap());
        let catalogue = Arc::new(Catalogue::built_in(None));
        Shard::new(0, Arc::new(shared), catalogue, verifier, Box::new(Zeros), Trace::new(Level::Info))
    }

    #[test]
    fn requests_that_wait_and_what_only_blocks_hold_count_in_what_the_process_keeps() {
        let mut shard = shard();
        let backlog = Arc::clone(&shard.shared.backlog);
        let topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };
        let publication = Publication::new(topic, vec![b'x'; 1_000].into_boxed_slice().into());
        shard.intake.push(0, LinkKey::default(), 0, vec![Unstamped { publication, identity: None }]);
        shard.end_turn(now(), &mut Vec::new());
        assert!(shard.intake.bytes() > 1_000 && backlog.memory_bytes() == shard.intake.bytes());
        shard.intake = Intake::default();
        shard.shared.totals.pinned_bytes().fetch_add(77, Ordering::Relaxed);
        shard.end_turn(now(), &mut Vec::new());
        assert_eq!(backlog.memory_bytes(), 77);
    }

    #[test]
    fn the_oldest_stranger_makes_room_where_the_process_has_none_though_its_shard_does() {
        let (mut shard, mut wire) = (shard(), Vec::new());
        let mut open = || shard.open([192, 0, 2, 1].into(), now());
        let (first, second) = (open(), open());
        shard.make_room(Entrance::Only, false, now(), &mut wire);
        assert_eq!(shard.link_count(), 2, "there is room for both, and more");
        shard.make_room(Entrance::Only, true, now(), &mut wire);
        assert!(shard.look(first).is_none() && shard.look(second).is_some());
    }
}
