//! What a connection may touch in a turn, and how the hub is run.

use super::delivery::Delivery;
use super::mail::Outbound;
use crate::api::client_address::Network;
use crate::api::cors::Origins;
use crate::api::negotiated::Negotiated;
use crate::api::publish;
use crate::auth::token::Verifier;
use crate::clock::Now;
use crate::entropy::Entropy;
use crate::hub::Hub;
use crate::hub::backlog::Backlog;
use crate::hub::home::Home;
use crate::hub::kept::KeptTotal;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::proto::signalr::json;
use crate::schema::Catalogue;
use crate::trace::Trace;
use crate::wire::Wire;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How the hub is run, for all connections.
#[derive(Debug)]
pub struct Options {
    /// The hub's path, `/rte`; negotiate is `/negotiate` below it.
    pub path: String,
    /// Who may come from a browser.
    pub origins: Origins,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Vec<Network>,
    /// Whether errors tell clients what exactly was wrong (EnableDetailedErrors).
    pub detailed_errors: bool,
    /// Whether a Subscribe item that doesn't say gets the last value.
    pub snapshots: bool,
    /// Publishing.
    pub publish: publish::Options,
}

/// What all shards of the process share. Off the data path but for reading.
#[derive(Debug)]
pub struct Shared {
    /// How the hub is run.
    pub options: Options,
    /// Every bound.
    pub limits: Limits,
    /// Checks tokens.
    pub verifier: Verifier,
    /// Connection tokens.
    pub negotiated: Mutex<Negotiated>,
    /// Set once, when the drain begins.
    pub is_draining: AtomicBool,
    /// What waits for slow readers, over all shards.
    pub backlog: Arc<Backlog>,
    /// What all homes keep together.
    pub kept: Arc<KeptTotal>,
    /// Shards in all.
    pub shards: usize,
}

/// Everything that a connection may touch in a turn, besides itself.
pub struct Turn<'t> {
    /// The turn's instant.
    pub now: Now,
    /// This shard's number.
    pub shard: usize,
    /// The fan-out.
    pub hub: &'t mut Hub,
    /// The process.
    pub shared: &'t Shared,
    /// The events.
    pub catalogue: &'t Catalogue,
    /// The reader of hub messages, where it is not in use.
    pub parser: &'t mut Option<json::Parser>,
    /// For results on their way into a frame; empty between uses.
    pub scratch: &'t mut Vec<u8>,
    /// For the publish route.
    pub publish_scratch: &'t mut publish::Scratch,
    /// Random ids.
    pub entropy: &'t mut dyn Entropy,
    /// The shard's counters.
    pub metrics: &'t mut Metrics,
    /// Notable facts.
    pub trace: &'t mut Trace,
    /// What this shard is home to.
    pub home: &'t mut Home,
    /// To the siblings.
    pub outbound: &'t mut Outbound,
    /// The sockets.
    pub wire: &'t mut dyn Wire,
}

impl Turn<'_> {
    /// What stamps and delivers.
    pub(crate) fn delivery(&mut self) -> Delivery<'_> {
        self.delivery_and_outbound().0
    }

    /// The same, and the way to the siblings.
    pub(super) fn delivery_and_outbound(&mut self) -> (Delivery<'_>, &mut Outbound) {
        let delivery = Delivery {
            hub: self.hub,
            home: self.home,
            catalogue: self.catalogue,
            metrics: self.metrics,
            trace: self.trace,
            wire: self.wire,
            now: self.now,
        };
        (delivery, self.outbound)
    }
}
