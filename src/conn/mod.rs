//! One peer: bytes in become requests or hub messages, replies and hub messages go to its outbox.
//!
//! ```text
//!   accepted ─▶ Head ⇄ Body                       HTTP/1.1, one request after the other
//!                │  ⇅
//!                │ Gathering                      the reply waits for the sibling shards
//!                ▼ 101
//!             Handshake ─▶ Open                   SignalR over WebSocket
//!                │          │
//!                ▼          ▼
//!             Finishing   Closing                 last bytes go out / our Close is out, the peer's is awaited
//!                ▼          ▼
//!             Lingering ─▶ gone                   half-closed: what still comes in is thrown away
//! ```
//!
//! A connection holds no buffer while nothing is partial. It never frees itself: it asks the hub to doom it, and the shard frees
//! it when the turn ends.

mod fan_out;
mod http;
mod invoke;
mod peer;

pub(crate) use fan_out::Delivery;
pub use http::Gathered;
pub(crate) use http::count_members;

use crate::api::client_address::Network;
use crate::api::cors::Origins;
use crate::api::negotiated::Negotiated;
use crate::api::publish;
use crate::auth::token::Verifier;
use crate::clock::{Deadline, Now};
use crate::close::CloseReason;
use crate::entropy::Entropy;
use crate::hub::publication::Publication;
use crate::hub::topic::Topic;
use crate::hub::{ConnKey, Hub, Wire};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::proto::signalr::json;
use crate::proto::ws::decode::Decoder;
use crate::schema::Catalogue;
use crate::trace::{Fact, Level, Trace};
use core::net::IpAddr;
use parking_lot::Mutex;
use peer::Peer;
use slotmap::Key;
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
    /// Shards in all.
    pub shards: usize,
}

/// What a shard says to its siblings.
#[derive(Clone, Debug)]
pub enum Mail {
    /// A publication taken here; deliver it to your members.
    Publication(Publication),
    /// How many members do these topics have with you? Answer `from` with [`Mail::Told`].
    Count {
        /// The shard that asks.
        from: usize,
        /// Its connection that waits.
        conn: ConnKey,
        /// The topics.
        topics: Arc<[Topic]>,
    },
    /// What are your numbers? Answer `from` with [`Mail::Told`].
    Measure {
        /// The shard that asks.
        from: usize,
        /// Its connection that waits.
        conn: ConnKey,
    },
    /// The answer to a question.
    Told {
        /// The connection that waits.
        conn: ConnKey,
        /// The answer.
        answer: Gathered,
    },
    /// The drain begins.
    Drain,
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
    /// The reader of hub messages.
    pub parser: &'t mut json::Parser,
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
    /// To every sibling.
    pub outbound: &'t mut Vec<Mail>,
    /// The sockets.
    pub wire: &'t mut dyn Wire,
}

#[derive(Debug)]
enum Phase {
    /// A request head is awaited, since then; `is_first` has the shorter time, an idle connection the longer.
    Head { since_ms: u64, is_first: bool },
    /// A head has been read, its body is being collected.
    Body(Box<http::PendingBody>),
    /// The request's reply waits for the siblings.
    Gathering(Box<http::Gathering>),
    /// Upgraded; the SignalR handshake is awaited.
    Handshake { peer: Box<Peer>, since_ms: u64 },
    /// A SignalR client.
    Open(Box<Peer>),
    /// Our Close is queued; the peer's is awaited, or has been heard and the last bytes go out.
    Closing { decoder: Decoder, until_ms: u64, has_heard: bool },
    /// The last bytes go out, then the sending direction ends; or the connection does, where the peer has ended its own.
    Finishing { until_ms: u64, has_heard_end: bool },
    /// Half-closed.
    Lingering { until_ms: u64 },
}

/// One accepted socket and its protocol state.
#[derive(Debug)]
pub struct Connection {
    phase: Phase,
    /// Bytes received and not understood yet: a cut head or frame header, or pipelined requests that must wait.
    partial: Vec<u8>,
    /// When the last byte came.
    heard_ms: u64,
    /// When the last byte went.
    spoke_ms: u64,
    /// The other end of the socket.
    peer: IpAddr,
    /// The same; behind a trusted proxy the client of the latest request.
    client: IpAddr,
    /// Why it ends, from the moment on that it does.
    reason: Option<CloseReason>,
    /// What exactly the peer did.
    detail: Option<&'static str>,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(peer: IpAddr, now: Now) -> Connection {
        Connection {
            phase: Phase::Head { since_ms: now.mono_ms, is_first: true },
            partial: Vec::new(),
            heard_ms: now.mono_ms,
            spoke_ms: now.mono_ms,
            peer,
            client: peer,
            reason: None,
            detail: None,
        }
    }

    /// Takes bytes in; they may be spoilt. Then [`Connection::next_deadline`] may have changed.
    pub fn handle_bytes(&mut self, key: ConnKey, bytes: &mut [u8], turn: &mut Turn<'_>) {
        self.heard_ms = turn.now.mono_ms;
        turn.metrics.bytes_in += bytes.len() as u64;
        if self.partial.is_empty() {
            if let Phase::Head { since_ms, is_first: false } = &mut self.phase {
                // The first byte of a further request: its own time begins.
                *since_ms = turn.now.mono_ms;
            }
            let used = self.advance(key, bytes, turn);
            if let Some(rest) = bytes.get(used..)
                && !rest.is_empty()
            {
                self.partial = rest.to_vec();
            }
        } else {
            self.partial.extend_from_slice(bytes);
            self.resume(key, turn);
        }
    }

    /// Goes on with the bytes that had to wait.
    pub fn resume(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        let mut waiting = std::mem::take(&mut self.partial);
        let used = self.advance(key, &mut waiting, turn);
        if used < waiting.len() {
            waiting.drain(..used);
            self.partial = waiting;
        }
    }

    /// Understands as much of `input` as it can; how many bytes that were.
    fn advance(&mut self, key: ConnKey, input: &mut [u8], turn: &mut Turn<'_>) -> usize {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let step = match &self.phase {
                Phase::Head { .. } if !rest.is_empty() && self.wants_input(key, turn.hub, &turn.shared.limits) => {
                    self.advance_head(key, rest, turn)
                }
                Phase::Body(_) => self.advance_body(key, rest, turn),
                Phase::Handshake { .. } | Phase::Open(_) | Phase::Closing { .. } => {
                    return used + self.advance_frames(key, rest, turn);
                }
                Phase::Finishing { .. } | Phase::Lingering { .. } => return input.len(),
                Phase::Head { .. } | Phase::Gathering(_) => None,
            };
            match step {
                Some(step) => used += step,
                None => return used,
            }
        }
    }

    /// Whether more bytes should be read from the socket. A publisher whose reply is outstanding, or who doesn't read its
    /// replies, waits; its bytes stay in the kernel.
    pub fn wants_input(&self, key: ConnKey, hub: &Hub, limits: &Limits) -> bool {
        match &self.phase {
            Phase::Gathering(_) => false,
            Phase::Head { .. } | Phase::Body(_) => hub.backlog_bytes(key) < limits.outbox_soft_bytes,
            Phase::Handshake { .. }
            | Phase::Open(_)
            | Phase::Closing { .. }
            | Phase::Finishing { .. }
            | Phase::Lingering { .. } => true,
        }
    }

    /// Whether bytes that were read wait for their turn.
    fn has_waiting_input(&self) -> bool {
        !self.partial.is_empty() && matches!(self.phase, Phase::Head { .. })
    }

    /// The peer sends no more.
    pub fn handle_eof(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        match &self.phase {
            // Replies to the requests before this one still go out.
            Phase::Head { .. } | Phase::Body(_) => {
                let is_between = matches!(self.phase, Phase::Head { .. }) && self.partial.is_empty();
                self.set_reason(if is_between { CloseReason::Served } else { CloseReason::PeerGone });
                self.finish_with_end(key, turn, true);
            }
            // A reply on its way still goes out to a peer that only ended its own direction.
            Phase::Gathering(_) => self.set_reason(CloseReason::Served),
            Phase::Finishing { until_ms, .. } => {
                self.phase = Phase::Finishing { until_ms: *until_ms, has_heard_end: true }
            }
            Phase::Handshake { .. } | Phase::Open(_) | Phase::Closing { .. } | Phase::Lingering { .. } => {
                turn.hub.doom(key, CloseReason::PeerGone);
            }
        }
    }

    /// The socket took `taken` bytes and `left` still wait. Whether [`Connection::handle_flushed`] has something to do: not for
    /// a SignalR client that keeps up, which is what nearly all are.
    pub fn note_flushed(&mut self, taken: usize, left: usize, now: Now, limits: &Limits) -> bool {
        if taken > 0 {
            self.spoke_ms = now.mono_ms;
            if let Phase::Finishing { until_ms, .. } = &mut self.phase {
                // A large last reply may take its time, as long as the peer takes it.
                *until_ms = now.after_ms(limits.close_ms).0;
            }
        }
        left > 0 || !matches!(self.phase, Phase::Open(_))
    }

    /// What a flush has made possible.
    pub fn handle_flushed(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        if self.has_waiting_input() {
            self.resume(key, turn);
        }
        if turn.hub.backlog_bytes(key) > 0 {
            return;
        }
        match self.phase {
            Phase::Finishing { until_ms, has_heard_end: false } => {
                turn.wire.shutdown_write(key);
                self.phase = Phase::Lingering { until_ms };
            }
            Phase::Finishing { has_heard_end: true, .. } => turn.hub.doom(key, CloseReason::PeerGone),
            Phase::Closing { has_heard: true, .. } => turn.hub.doom(key, CloseReason::PeerClosed),
            Phase::Head { .. }
            | Phase::Body(_)
            | Phase::Gathering(_)
            | Phase::Handshake { .. }
            | Phase::Open(_)
            | Phase::Closing { .. }
            | Phase::Lingering { .. } => {}
        }
    }

    /// When something is due, at the latest; looked at again after each event.
    pub fn next_deadline(&self, key: ConnKey, hub: &Hub, limits: &Limits) -> Deadline {
        let at = |since_ms: u64, wait_ms: u64| since_ms.saturating_add(wait_ms);
        let due = match &self.phase {
            Phase::Head { since_ms, is_first: true } => at(*since_ms, limits.head_ms),
            Phase::Head { since_ms, is_first: false } if self.partial.is_empty() => at(*since_ms, limits.idle_ms),
            Phase::Head { since_ms, .. } => at(*since_ms, limits.head_ms),
            Phase::Body(body) => at(body.since_ms, limits.body_ms),
            Phase::Gathering(gathering) => at(gathering.since_ms, limits.body_ms),
            Phase::Handshake { since_ms, .. } => at(*since_ms, limits.handshake_ms),
            Phase::Open(peer) => {
                let ping = at(self.spoke_ms, limits.ping_every_ms);
                let silence = if peer.has_pinged { at(self.heard_ms, limits.client_timeout_ms) } else { u64::MAX };
                ping.min(silence).min(peer.ends_ms)
            }
            Phase::Closing { until_ms, .. } | Phase::Finishing { until_ms, .. } | Phase::Lingering { until_ms } => {
                *until_ms
            }
        };
        let stuck = hub.blocked_since_ms(key).map_or(u64::MAX, |since_ms| at(since_ms, limits.write_stuck_ms));
        Deadline(due.min(stuck))
    }

    /// A deadline has come; does what is due.
    pub fn handle_deadline(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        let limits = &turn.shared.limits;
        let is_due = |since_ms: u64, wait_ms: u64| since_ms.saturating_add(wait_ms) <= turn.now.mono_ms;
        if turn.hub.blocked_since_ms(key).is_some_and(|since_ms| is_due(since_ms, limits.write_stuck_ms)) {
            turn.hub.doom(key, CloseReason::WriteStuck);
            return;
        }
        if !self.next_deadline(key, turn.hub, limits).is_due(turn.now) {
            return;
        }
        match &self.phase {
            Phase::Head { is_first, .. } => {
                if *is_first || !self.partial.is_empty() {
                    self.refuse_late(key, turn);
                } else {
                    self.finish(key, turn, CloseReason::IdleTimeout);
                }
            }
            Phase::Body(_) => self.refuse_late(key, turn),
            // A sibling that never answers is a defect of ours; the peer sees its connection end.
            Phase::Gathering(_) => turn.hub.doom(key, CloseReason::RequestTimeout),
            Phase::Handshake { .. } => self.handshake_late(key, turn),
            Phase::Open(_) => self.open_due(key, turn),
            Phase::Closing { .. } | Phase::Finishing { .. } | Phase::Lingering { .. } => {
                turn.hub.doom(key, self.reason.unwrap_or(CloseReason::PeerGone));
            }
        }
    }

    /// The hub drains: ends in time. `spread_ms` is this connection's share of the spread.
    pub fn drain(&mut self, key: ConnKey, spread_ms: u64, turn: &mut Turn<'_>) {
        let at_ms = turn.now.mono_ms.saturating_add(spread_ms);
        match &mut self.phase {
            Phase::Head { .. } if self.partial.is_empty() => self.finish(key, turn, CloseReason::Drain),
            Phase::Open(peer) => {
                peer.ends_ms = peer.ends_ms.min(at_ms);
                peer.ends_for = CloseReason::Drain;
            }
            Phase::Handshake { .. } => self.close_going_away(key, turn),
            // Each of these ends by itself: the reply in the making closes the connection.
            Phase::Head { .. }
            | Phase::Body(_)
            | Phase::Gathering(_)
            | Phase::Closing { .. }
            | Phase::Finishing { .. }
            | Phase::Lingering { .. } => {}
        }
    }

    /// What waits still goes out, then the connection ends.
    fn finish(&mut self, key: ConnKey, turn: &mut Turn<'_>, reason: CloseReason) {
        self.set_reason(reason);
        self.finish_with_end(key, turn, false);
    }

    /// The same for a peer that may have ended its own direction: then there is nobody to linger for.
    fn finish_with_end(&mut self, key: ConnKey, turn: &mut Turn<'_>, has_heard_end: bool) {
        let until_ms = turn.now.after_ms(turn.shared.limits.close_ms).0;
        if turn.hub.backlog_bytes(key) > 0 {
            self.phase = Phase::Finishing { until_ms, has_heard_end };
        } else if has_heard_end || matches!(self.reason, Some(CloseReason::Drain | CloseReason::IdleTimeout)) {
            // An idle peer has read all it asked for, and would only notice a half-closed connection at its next request.
            turn.hub.doom(key, CloseReason::PeerGone);
        } else {
            turn.wire.shutdown_write(key);
            self.phase = Phase::Lingering { until_ms };
        }
    }

    fn set_reason(&mut self, reason: CloseReason) {
        self.reason.get_or_insert(reason);
    }

    /// Why the connection ends, when it is freed for `doomed`: the first reason counts.
    pub fn final_reason(&mut self, doomed: CloseReason) -> CloseReason {
        *self.reason.get_or_insert(doomed)
    }

    /// Whether it already ends, so that only its last bytes matter.
    pub fn is_ending(&self) -> bool {
        match &self.phase {
            Phase::Closing { .. } | Phase::Finishing { .. } | Phase::Lingering { .. } => true,
            Phase::Head { .. } | Phase::Body(_) | Phase::Gathering(_) | Phase::Handshake { .. } | Phase::Open(_) => {
                false
            }
        }
    }

    /// Whether it is a SignalR client past its handshake.
    pub fn is_hub_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// The connection is being freed: gives back what it holds outside, and tells.
    pub fn free(&mut self, key: ConnKey, reason: CloseReason, turn: &mut Turn<'_>) {
        if let Phase::Handshake { peer, .. } | Phase::Open(peer) = &self.phase {
            peer.forget_token(turn.shared);
        }
        self.leave_open(turn);
        turn.metrics.closed[reason.index()] += 1;
        let detail = self.detail;
        let fact = Fact::Closed { conn: fact_number(turn.shard, key), reason, detail };
        turn.trace.note(fact.level(), || fact);
    }

    fn refused(&self, key: ConnKey, status: u16, why: &'static str, turn: &mut Turn<'_>) {
        let client = self.client;
        let conn = fact_number(turn.shard, key);
        turn.trace.note(Level::Debug, || Fact::Refused { conn, client, status, why });
    }
}

/// A key as a number: its slot in the lower half, its generation in the upper.
pub fn number(key: ConnKey) -> u64 {
    key.data().as_ffi()
}

/// A connection's number in facts: no two of the process have the same. The shard's number stands above the slots, which
/// `connections_max` keeps far below 2^24.
pub fn fact_number(shard: usize, key: ConnKey) -> u64 {
    number(key) | (shard as u64) << 24
}
