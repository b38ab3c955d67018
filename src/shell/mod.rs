//! The outside: sockets, threads, clocks, randomness, signals, standard error. All decisions are
//! the core's; nothing here knows a protocol.
//!
//! [`Server::start`] binds, starts one thread per shard, and returns; [`Server::drain`] and
//! [`Server::join`] end it. [`serve::serve`] is both, with signals, for
//! `rte serve`.
//!
//! What a shard's thread does is [`turn`]; it does it on an [`os::Os`], of which the simulation has
//! its own.

mod acked;
pub mod backplane;
mod bell;
mod clock;
pub mod current;
pub mod descriptors;
mod ears;
mod entropy;
mod fetch;
mod inherited;
mod key_sets;
pub mod listener;
pub mod load;
pub mod log;
pub mod mailbox;
mod memory;
mod mio_os;
mod net_stream;
pub mod os;
pub mod roots;
pub mod serve;
pub(crate) mod signals;
mod sockets;
mod store;
mod supervisor;
pub mod tls;
mod token;
pub mod turn;
mod vitals;

use crate::api::routes::Entrance;
use crate::auth::token::Verifier;
use crate::clock::Deadline;
use crate::conn::{self, Contact, Journal, Mail, Shared};
use crate::entropy::next_u64;
use crate::hub::position::Epoch;
use crate::hub::registry::HashSeed;
use crate::limits::{Limits, link_bytes};
use crate::schema::Catalogue;
use crate::shard::Shard;
use crate::trace::{Fact, Level, Trace};
use backplane::{LaneNumbers, Lanes};
use clock::Clock;
use current::{Current, InForce, Settings};
use ears::Ears;
use entropy::SystemEntropy;
pub use fetch::{check_address, fetched_keys, shown};
use inherited::Inherited;
use key_sets::KeySets;
use listener::Listener;
use load::Load;
use log::Logger;
use mailbox::{Letter, Mailbox, Mailboxes};
use mio_os::{MioOs, Outlet};
use parking_lot::Mutex;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
pub(crate) use store::Options as JournalOptions;
use store::{Opened, Store};
use supervisor::Turns;
use tls::{CurrentTls, Tls};
use turn::Reactor;
use vitals::Reloads;

/// What a server is started with; all of it checked.
#[derive(Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Where to listen for the inside, if it has a listener of its own.
    pub(crate) internal: Option<SocketAddr>,
    /// Shards, each with a thread of its own; at least one.
    pub threads: usize,
    /// What connections are encrypted by, where they are.
    pub tls: Option<Tls>,
    /// How the hub is run.
    pub(crate) hub: conn::Options,
    /// Every bound.
    pub(crate) limits: Limits,
    /// Where publications are written, if they are.
    pub(crate) journal: Option<JournalOptions>,
    /// The engine that several nodes share, if they do.
    pub(crate) backplane: Option<backplane::Options>,
    /// The folder of a journal to which nothing is written this time.
    pub(crate) journal_left: Option<PathBuf>,
    /// Checks tokens.
    pub(crate) verifier: Verifier,
    /// The events.
    pub(crate) catalogue: Catalogue,
    /// What all this was made of, to be compared at a reload.
    pub(crate) settings: Settings,
    /// How lines are written.
    pub(crate) log: log::Format,
    /// Which facts are.
    pub log_level: Level,
    /// What the log begins with.
    pub notes: Vec<Fact>,
}

/// What the files say now, checked, to be put in force.
#[derive(Debug)]
pub struct Renewal {
    /// The events; made from those in force ([`Catalogue::reloaded`]).
    pub catalogue: Catalogue,
    /// Checks tokens; its sets are empty.
    pub verifier: Verifier,
    /// What connections are encrypted by.
    pub tls: Option<Tls>,
    /// What the engine is reached by, where several nodes share one.
    pub(crate) backplane: Option<backplane::Options>,
    /// The keys of `[journal.redis]` by which passwords and certificates were read anew.
    pub(crate) redis_files: Vec<String>,
    /// What these were made of.
    pub(crate) settings: Settings,
    /// The keys of the configuration that changed.
    pub changed: Vec<String>,
    /// What the log tells of it first.
    pub notes: Vec<Fact>,
}

/// A running hub.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    load: Arc<Load>,
    current: Arc<Current>,
    key_sets: Arc<KeySets>,
    tls: CurrentTls,
    mailboxes: Arc<Mailboxes<MioOs>>,
    store: Option<Store>,
    lanes: Option<(Lanes, Arc<Ears>)>,
    threads: Vec<JoinHandle<()>>,
    log: Logger,
    clock: Clock,
    reloads: Arc<Mutex<Reloads>>,
}

impl Server {
    /// Binds and starts. When it returns, connections are taken.
    ///
    /// # Errors
    ///
    /// The address can't be bound, or the system gives no poll or thread.
    pub fn start(options: Options) -> io::Result<Server> {
        Server::start_on(Inherited::default(), options)
    }

    /// Starts on sockets that listen already, each in the place of the address where it would bind.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub fn start_on(inherited: Inherited, mut options: Options) -> io::Result<Server> {
        let limits = &options.limits;
        let listener = |passed: Option<TcpListener>, address: SocketAddr, key: &str| match passed {
            Some(socket) => Listener::take_over(socket, limits),
            None => Listener::bind(address, limits).map_err(|error| listener::not_bound(key, address, &error)),
        };
        let Inherited { listen, internal } = inherited;
        options.hub.has_internal = internal.is_some() || options.internal.is_some();
        let internal = match (internal, options.internal) {
            (None, None) => None,
            (passed, address) => {
                let address = address.unwrap_or(options.listen);
                Some(listener(passed, address, "server.internal")?.at(Entrance::Internal))
            }
        };
        let public = listener(listen, options.listen, "server.listen")?.at(options.hub.entrance());
        Server::run(public, internal, options)
    }

    fn run(public: Listener, internal: Option<Listener>, options: Options) -> io::Result<Server> {
        // Before the first thread is there.
        let descriptors = descriptors::prepare(&options.limits, options.hub.has_internal);
        let clock = Clock::start();
        let log = Logger::start(options.log, options.log_level, options.limits.log_bytes_max, clock)?;
        options.notes.iter().for_each(|fact| log.write(fact, clock.now()));
        let (address, inside) = (public.address(), internal.as_ref().map(Listener::address));
        let shards = options.threads.max(1);
        let mut entropy = SystemEntropy::default();
        let seed = HashSeed(next_u64(&mut entropy), next_u64(&mut entropy));
        let chance = next_u64(&mut entropy);
        let started_ms = clock.now().unix.ms();
        let setup = store::Setup {
            catalogue: &options.catalogue,
            validation: options.hub.publish.validation,
            limits: &options.limits,
            shards,
            clock,
            chance,
        };
        let tell = |fact: &Fact| log.write(fact, clock.now());
        let opened = options.journal.as_ref().map(|journal| store::open(journal, &setup, tell)).transpose()?;
        options.journal_left.as_deref().map(store::leave).transpose()?;
        let store = opened.as_ref().map(|opened| Store::of(&opened.files));
        let epoch = opened.as_ref().map_or_else(|| Epoch::begin(clock.now(), chance), |opened| opened.epoch);
        let told = options.backplane.as_ref().map(|_| Arc::<LaneNumbers>::default());
        let reloads = Arc::new(Mutex::new(Reloads::new(started_ms)));
        let mut shared = Shared::new(options.hub, options.limits, shards, seed, epoch);
        shared.link_bytes = link_bytes(options.tls.is_some());
        shared.journal = Journal::new(epoch, opened.is_some());
        shared.vitals =
            vitals::vitals(started_ms, &shared.limits, log.clone(), Arc::clone(&reloads), store.clone(), told.clone());
        shared.contact = options.backplane.is_some().then(|| Contact::new(shards, clock.now()));
        let shared = Arc::new(shared);
        let catalogue = Arc::new(options.catalogue);
        let key_sets = Arc::new(KeySets::new(log.clone(), clock));
        let verifier = Arc::new(key_sets.fill(options.verifier));
        let settings = Arc::new(options.settings);
        let in_force = InForce { catalogue: Arc::clone(&catalogue), verifier: Arc::clone(&verifier), settings };
        let current = Arc::new(Current::new(in_force));
        let links_max = descriptors::links_max(descriptors, &shared.limits, shared.options.has_internal);
        let load = Arc::new(Load::bounded(shards, links_max));
        let polls = (0..shards).map(|_| mio::Poll::new()).collect::<io::Result<Vec<_>>>()?;
        let mailboxes = polls
            .iter()
            .map(|poll| Ok(Mailbox::new(mio_os::waker(poll)?, &shared.limits, Arc::clone(&shared.backlog))));
        let mailboxes = mailboxes.collect::<io::Result<Arc<[_]>>>()?;
        let mut listeners: Vec<Listener> = internal.into_iter().chain([public]).collect();
        let tls = CurrentTls::new(options.tls.into());
        let mut threads = Vec::with_capacity(shards);
        let lanes = options.backplane.as_ref().zip(told).map(|(engine, told)| {
            let ears = Arc::new(Ears::new(Arc::clone(&mailboxes), Arc::clone(&shared), log.clone(), clock));
            Lanes::start_by(clock, engine, &ears, told).map(|lanes| (lanes, ears))
        });
        let lanes = lanes.transpose()?;
        let outlet = match (&store, &lanes) {
            (Some(store), _) => Outlet::Files(store.clone()),
            (None, Some((lanes, _))) => Outlet::Engine(lanes.appender()),
            (None, None) => Outlet::None,
        };
        let (mut past, mut files) = (Vec::new(), None);
        if let Some(Opened { homes, files: begun, revocations, restored, .. }) = opened {
            shared.revocations.restore(revocations, clock.now());
            tell(&restored);
            (past, files) = (homes, Some(begun));
        }
        let mut past = past.into_iter();
        for (number, poll) in polls.into_iter().enumerate() {
            let mut shard = Shard::new(
                number,
                Arc::clone(&shared),
                Arc::clone(&catalogue),
                Arc::clone(&verifier),
                Box::new(SystemEntropy::default()),
                Trace::new(options.log_level),
            );
            past.next().into_iter().for_each(|past| shard.restore(past, clock.now()));
            let reactor = Reactor::new(
                number,
                MioOs::new(poll, std::mem::take(&mut listeners), Arc::clone(&tls), outlet.clone(), clock, log.clone())?,
                shard,
                Arc::clone(&shared),
                Arc::clone(&mailboxes),
                Arc::clone(&load),
                Arc::clone(&current),
            );
            threads.push(thread::Builder::new().name(format!("shard-{number}")).spawn(move || reactor.run())?);
        }
        if let (Some(store), Some(files)) = (&store, files) {
            store::writer::start(
                store.clone(),
                files,
                Arc::clone(&shared),
                Arc::clone(&mailboxes),
                clock,
                log.clone(),
            )?;
        }
        log.write(
            &Fact::Listening {
                address: address.to_string(),
                internal: inside.map(|address| address.to_string()),
                path: shared.options.path.clone(),
                shards,
                events: catalogue.available_subscriptions().count(),
                startup_ms: clock.now().mono.ms(),
            },
            clock.now(),
        );
        key_sets.watch(&current)?;
        Ok(Server {
            address,
            shared,
            load,
            current,
            key_sets,
            tls,
            mailboxes,
            store,
            lanes,
            threads,
            log,
            clock,
            reloads,
        })
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it takes clients: one of several nodes has read by then what the others know.
    pub(crate) fn is_ready(&self) -> bool {
        self.shared.contact.as_ref().is_none_or(Contact::is_ready)
    }

    /// Puts in force what `read` makes of what is; or says on the log why it makes nothing, and
    /// changes nothing.
    pub(crate) fn reload(&self, read: impl FnOnce(&InForce) -> Result<Renewal, String>) {
        let present = self.current.get();
        let outcome = read(&present).and_then(|renewal| {
            let events = renewal.catalogue.available_subscriptions().count();
            let Renewal { catalogue, verifier, tls, backplane, redis_files, settings, changed, notes: mut facts } =
                renewal;
            self.key_sets.put_in_force(&self.current, verifier, |verifier| InForce {
                catalogue: Arc::new(catalogue),
                verifier: Arc::new(verifier),
                settings: Arc::new(settings),
            })?;
            *self.tls.lock() = tls;
            if let Some(((lanes, _), options)) = self.lanes.as_ref().zip(backplane) {
                lanes.renew(&options);
            }
            let (keys, former) = (self.current.get().verifier, present.verifier);
            let (keys, former) = (&keys.options().keys, &former.options().keys);
            facts.push(Fact::Reloaded {
                events,
                added: events - present.catalogue.available_subscriptions().count(),
                keys: keys.len(),
                new_keys: keys.count_beyond(former),
                gone_keys: former.count_beyond(keys),
                changed: changed.join(","),
                redis_files: redis_files.join(","),
            });
            // A first address may have come.
            self.key_sets.watch(&self.current).map_err(|error| error.to_string())?;
            Ok(facts)
        });
        let refused = |why: String| why.lines().map(|line| Fact::ReloadRefused { why: line.to_owned() }).collect();
        let now = self.clock.now();
        self.reloads.lock().note(outcome.is_ok(), now.unix.ms());
        outcome.unwrap_or_else(refused).iter().for_each(|fact| self.log.write(fact, now));
    }

    /// Returns how many shards there are.
    pub fn shards(&self) -> usize {
        self.mailboxes.len()
    }

    /// Each shard counts itself when it next turns.
    fn count_turns(&self, turns: &Turns) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.post(Letter::Turns(Arc::clone(turns))));
    }

    /// Says that a drain is to come: `/readyz` is 503, and nothing else changes. Returns when
    /// [`Server::drain`] should follow.
    pub fn announce_drain(&self) -> Deadline {
        let (now, delay_ms) = (self.clock.now(), self.shared.limits.drain_delay_ms);
        if self.shared.drain.announce() && delay_ms > 0 {
            self.log.write(&Fact::DrainAnnounced { delay_ms }, now);
        }
        now.after_ms(delay_ms)
    }

    /// Begins to end: takes no more connections, and closes those there are. Returns at once.
    pub fn drain(&self) {
        if self.shared.drain.begin() {
            self.log.write(&Fact::Draining { connections: self.load.total() }, self.clock.now());
            for mailbox in self.mailboxes.iter() {
                mailbox.post(Letter::Mail(Mail::Drain));
            }
        }
    }

    /// Waits for the end of a drain, at most `drain_ms` and a little, and for the log.
    pub fn join(self) {
        let began = self.clock.now();
        for thread in self.threads {
            // A shard that panicked has said so.
            let _ = thread.join();
        }
        if let Some(store) = &self.store {
            store.end(Duration::from_millis(self.shared.limits.journal_stall_ms));
        }
        if let Some((lanes, ears)) = self.lanes {
            ears.end();
            lanes.end();
        }
        let now = self.clock.now();
        let took_ms = now.mono.ms_since(began.mono);
        self.log.write(&Fact::Drained { left: self.load.total(), took_ms }, now);
        self.log.end();
    }

    /// Panics become facts, too: standard error belongs to the log, and its reader may stall.
    fn log_panics(&self) {
        let (log, clock) = (self.log.clone(), self.clock);
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map_or_else(String::new, ToString::to_string);
            let message = panic.payload_as_str().unwrap_or_default().to_owned();
            log.write(&Fact::Panicked { place, message }, clock.now());
            log.end();
        }));
    }
}
