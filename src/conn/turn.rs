//! What a link or a connection may touch in a turn, and how the hub is run.

use super::arrivals::Arrivals;
use super::books::Books;
use super::contact::Contact;
use super::drain::Drain;
use super::intake::Intake;
use super::journal::Journal;
use super::mail::Outbound;
use super::places::Places;
use super::quotas::Quotas;
use super::step::Step;
use super::tools::Tools;
use super::unwritten::Unwritten;
use super::whose::Whose;
use crate::api::client_address::Network;
use crate::api::cors::Origins;
use crate::api::negotiated::{IdKey, Negotiated};
use crate::api::public_url::PublicUrl;
use crate::api::publish;
use crate::api::routes::Entrance;
use crate::auth::revoked::Revocations;
use crate::auth::token::Verifier;
use crate::clock::Now;
use crate::echo::echo;
use crate::entropy::Entropy;
use crate::hub::Hub;
use crate::hub::backlog::Backlog;
use crate::hub::home::HomeTotals;
use crate::hub::homes::Homes;
use crate::hub::position::Epoch;
use crate::hub::registry::{ConnKey, HashSeed};
use crate::limits::{Limits, ORIGINS_TOLD_MAX, link_bytes};
use crate::metrics::Vitals;
use crate::proto::signalr::transport::Transport;
use crate::schema::Catalogue;
use crate::timer::Timers;
use crate::trace::{Fact, FrontFault, Level};
use crate::wire::{LinkKey, Wire};
use core::net::IpAddr;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

const _: () = assert!(FrontFault::BITS + ORIGINS_TOLD_MAX <= 8, "each has a bit of what was warned of");

/// How the hub is run, for all connections.
#[derive(Debug)]
pub struct Options {
    /// The hub's path, `/rte`; negotiate is `/negotiate` below it.
    pub path: String,
    /// Where clients are sent that negotiate by another name.
    pub public_url: Option<PublicUrl>,
    /// How bytes of connections may travel.
    pub transports: Vec<Transport>,
    /// Whether a connection may go on on another link, where its client asks for that.
    pub stateful_reconnect: bool,
    /// Who may come from a browser.
    pub origins: Origins,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Vec<Network>,
    /// What signs connection tokens; without one only this process takes those that it makes.
    pub id_key: Option<IdKey>,
    /// Whether a fresh token may come by a request beside the connection.
    pub refresh: bool,
    /// Whether negotiate hands out tickets, and the hub takes them.
    pub tickets: bool,
    /// Whether a client's token is taken from the query.
    pub jwt_in_query: bool,
    /// How long publications wait for an engine that several processes share before they are
    /// refused.
    pub append_timeout_ms: u64,
    /// A last value that an engine has kept for longer is gone when a process starts.
    pub values_ms: u64,
    /// Whether errors tell clients what exactly was wrong (EnableDetailedErrors).
    pub detailed_errors: bool,
    /// Whether a Subscribe item that doesn't say gets the last value.
    pub snapshots: bool,
    /// Whether the inside has a listener of its own.
    pub has_internal: bool,
    /// Whether the public listener has the documents even so.
    pub public_documents: bool,
    /// Whether there are pages to look at.
    pub pages: bool,
    /// Publishing.
    pub publish: publish::Options,
}

impl Default for Options {
    /// A hub at `/rte` for pages of any origin, behind no proxy.
    fn default() -> Options {
        Options {
            path: "/rte".to_owned(),
            public_url: None,
            transports: Transport::ALL.to_vec(),
            stateful_reconnect: true,
            origins: Origins::default(),
            trusted_proxies: Vec::new(),
            id_key: None,
            refresh: true,
            tickets: false,
            jwt_in_query: true,
            append_timeout_ms: 5_000,
            values_ms: u64::MAX,
            detailed_errors: false,
            snapshots: false,
            has_internal: false,
            public_documents: false,
            pages: false,
            publish: publish::Options::default(),
        }
    }
}

impl Options {
    /// The listener of those who do not come from the inside.
    pub(crate) fn entrance(&self) -> Entrance {
        if self.has_internal { Entrance::Public } else { Entrance::Only }
    }
}

/// What all shards of the process share. Off the data path but for reading.
#[derive(Debug)]
pub struct Shared {
    /// How the hub is run.
    pub(crate) options: Options,
    /// Every bound.
    pub limits: Limits,
    /// Signs connection tokens.
    pub id_key: IdKey,
    /// The same of all processes that share an engine, where none is configured.
    pub(crate) common_key: OnceLock<IdKey>,
    /// Connection tokens that are used.
    pub(crate) negotiated: Mutex<Negotiated>,
    /// Tokens that are good no more before their time.
    pub(crate) revocations: Revocations,
    /// Who may stay.
    pub(crate) places: Places,
    /// What one user and one address have.
    pub(crate) quotas: Quotas,
    /// Whether the process is about to end.
    pub drain: Drain,
    /// What is wrong in front of the hub and has been warned of, a bit each.
    pub warned: AtomicU8,
    /// What waits for slow readers, over all shards.
    pub backlog: Arc<Backlog>,
    /// What all homes keep together.
    pub totals: HomeTotals,
    /// What keeps the publications: memory alone, unless it is replaced before the first shard is
    /// made.
    pub journal: Journal,
    /// How it stands with an engine that several processes share, where one does.
    pub contact: Option<Contact>,
    /// Shards in all.
    pub shards: usize,
    /// What an idle link keeps.
    pub link_bytes: usize,
    /// What the system says of the process.
    pub vitals: Vitals,
}

impl Shared {
    /// What so many shards share, in memory under that epoch; `seed` is of the table of connection
    /// tokens, and of their key where none is configured.
    pub fn new(options: Options, limits: Limits, shards: usize, seed: HashSeed, epoch: Epoch) -> Shared {
        let random = || IdKey::derived(&[seed.0.to_le_bytes(), seed.1.to_le_bytes()].concat());
        let totals = HomeTotals::default();
        let backlog = Backlog::new(limits.backlog_bytes_max, shards).within(limits.memory_bytes_max);
        Shared {
            id_key: options.id_key.clone().unwrap_or_else(random),
            common_key: OnceLock::new(),
            options,
            negotiated: Negotiated::new(seed, limits.negotiated_max).into(),
            revocations: Revocations::new(limits.revocations_max),
            places: Places::new(limits.connections_max),
            quotas: Quotas::new(seed, &limits),
            backlog: backlog.beside(totals.pinned_bytes()).into(),
            limits,
            drain: Drain::default(),
            warned: AtomicU8::new(0),
            totals,
            journal: Journal::new(epoch, false),
            contact: None,
            shards,
            link_bytes: link_bytes(false),
            vitals: Vitals::default(),
        }
    }
}

impl Shared {
    /// Whether a connection has no link: it comes by further sockets.
    pub(crate) fn has_linkless(&self) -> bool {
        self.places.has_linkless()
    }

    /// Whether nobody has a place.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.quotas.is_empty()
    }
}

/// The process, as one of its shards sees it.
#[derive(Clone, Copy)]
pub(crate) struct Process<'t> {
    /// This shard's number, of so many.
    pub(crate) shard: usize,
    pub(crate) shards: usize,
    pub(crate) options: &'t Options,
    pub(crate) limits: &'t Limits,
    /// The events.
    pub(crate) catalogue: &'t Catalogue,
    pub(crate) verifier: &'t Verifier,
    pub(crate) id_key: &'t IdKey,
    pub(crate) negotiated: &'t Mutex<Negotiated>,
    pub(crate) revocations: &'t Revocations,
    pub(crate) places: &'t Places,
    pub(crate) quotas: &'t Quotas,
    pub(crate) drain: &'t Drain,
    pub(crate) vitals: &'t Vitals,
    pub(crate) warned: &'t AtomicU8,
    pub(crate) journal: &'t Journal,
    /// What gives publications their order, where it is an engine that several processes share.
    pub(crate) contact: Option<&'t Contact>,
}

impl<'t> Process<'t> {
    /// The view of the shard of that number.
    pub(crate) fn new(
        shard: usize,
        shared: &'t Shared,
        catalogue: &'t Catalogue,
        verifier: &'t Verifier,
    ) -> Process<'t> {
        let Shared {
            options,
            limits,
            id_key,
            common_key,
            negotiated,
            revocations,
            places,
            quotas,
            drain,
            warned,
            journal,
            contact,
            shards,
            vitals,
            ..
        } = shared;
        let shards = *shards;
        Process {
            shard,
            shards,
            options,
            limits,
            catalogue,
            verifier,
            id_key: common_key.get().unwrap_or(id_key),
            negotiated,
            revocations,
            places,
            quotas,
            drain,
            vitals,
            warned,
            journal,
            contact: contact.as_ref(),
        }
    }
}

/// What links and connections of a shard are called in facts: no two of the process have the same
/// number.
#[derive(Debug)]
pub(crate) struct Numbers {
    last: u64,
    step: u64,
}

impl Numbers {
    /// Of that shard, of so many.
    pub(crate) fn new(shard: usize, shards: usize) -> Numbers {
        Numbers { last: shard as u64, step: shards as u64 }
    }

    /// Returns the next one.
    pub(crate) fn take(&mut self) -> u64 {
        self.last += self.step;
        self.last
    }
}

/// Everything that leads out of the core.
pub(crate) struct WayOut<'t> {
    /// The sockets.
    pub(crate) wire: &'t mut dyn Wire,
    /// To the siblings.
    pub(crate) mail: &'t mut Outbound,
    /// Random ids.
    pub(crate) entropy: &'t mut dyn Entropy,
}

/// All that a link or a connection may touch in a turn, besides itself.
pub(crate) struct Turn<'t> {
    /// The turn's instant.
    pub(crate) now: Now,
    pub(crate) process: Process<'t>,
    /// The fan-out.
    pub(crate) hub: &'t mut Hub,
    /// What this shard is home to.
    pub(crate) homes: &'t mut Homes,
    /// What waits for its turn.
    pub(crate) intake: &'t mut Intake,
    /// What is to be done right behind this event.
    pub(crate) steps: &'t mut Vec<Step>,
    pub(crate) timers: &'t mut Timers<Whose>,
    pub(crate) numbers: &'t mut Numbers,
    pub(crate) strangers: &'t mut Arrivals,
    pub(crate) internal: &'t mut Arrivals,
    /// What waits to be written.
    pub(crate) unwritten: &'t mut Unwritten,
    pub(crate) books: &'t mut Books,
    pub(crate) out: WayOut<'t>,
    pub(crate) tools: &'t mut Tools,
}

impl Turn<'_> {
    /// A link has shown a token with which it may stay: it is no stranger any more, where there is
    /// a place. Whether it has one.
    pub(super) fn admit(&mut self, link: LinkKey) -> bool {
        if self.internal.leave(link) {
            // Those who have shown nothing go before it here, too.
            self.internal.enter(link);
            return true;
        }
        if !self.strangers.leave(link) {
            return true;
        }
        let is_admitted = self.process.places.take();
        if !is_admitted {
            // Those who have shown nothing go before it.
            self.strangers.enter(link);
        }
        is_admitted
    }

    /// Looks whether the peer of a connection whose socket is full still acknowledges something.
    /// False where it is stuck.
    pub(super) fn look(&mut self, conn: ConnKey) -> bool {
        self.hub.look(conn, self.process.limits.write_stuck_ms, self.now, self.out.wire)
    }

    /// The place of a link that is about to be freed is its connection's.
    pub(super) fn leave_place_to_connection(&mut self, link: LinkKey) {
        self.process.places.leave_to_connection();
        self.strangers.enter(link);
    }

    /// The place of a connection that had no link is this link's, unless that has one.
    pub(super) fn leave_place_to_link(&mut self, link: LinkKey) {
        match self.strangers.leave(link) {
            true => self.process.places.leave_to_link(),
            false => self.process.places.give_back_linkless(),
        }
    }

    /// A link that was admitted has nothing to stay for, after all.
    pub(super) fn dismiss(&mut self, link: LinkKey) {
        self.process.places.give_back();
        self.strangers.enter(link);
    }

    /// Something in front of the hub does not what it should: warns of it, once in the life of the
    /// process, since a stranger may be the cause.
    pub(super) fn note_front_fault(&mut self, fault: FrontFault, peer: IpAddr) {
        if self.process.warned.fetch_or(fault.bit(), Ordering::Relaxed) & fault.bit() == 0 {
            self.books.trace.note(Level::Warn, || Fact::FrontFault { fault, peer });
        }
    }

    /// A page of an origin that is not allowed is refused: warns of it, of each at most once, and
    /// at most [`ORIGINS_TOLD_MAX`] times in the life of the process, since a stranger may be the
    /// cause.
    pub(super) fn note_origin(&mut self, origin: &str, peer: IpAddr) {
        let place = origin.bytes().fold(0, u8::wrapping_add) % ORIGINS_TOLD_MAX;
        let bit = 1 << (FrontFault::BITS + place);
        if self.process.warned.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.books.trace.note(Level::Warn, || Fact::OriginRefused { origin: echo(origin).to_owned(), peer });
        }
    }
}
