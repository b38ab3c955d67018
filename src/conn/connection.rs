//! One peer: bytes in become requests or hub messages, replies and hub messages go to its outbox.
//!
//! ```text
//!   accepted ─▶ Head ⇄ Body                       HTTP/1.1, one request after the other
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

use super::ask::Answer;
use super::asking::Asking;
use super::client::Peer;
use super::request::PendingBody;
use super::turn::Turn;
use crate::broken::broken;
use crate::clock::{Deadline, Instant, Now};
use crate::close::CloseReason;
use crate::hub::Hub;
use crate::limits::{ASK_MS, Limits};
use crate::proto::ws::decode::Decoder;
use crate::timer::{TimerSlot, Wait};
use crate::trace::{Fact, Level};
use crate::wire::ConnKey;
use core::net::IpAddr;

/// Where a connection stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// A request head is awaited, since then; `is_first` has the shorter time, an idle connection the longer.
    Head { since: Instant, is_first: bool },
    /// A head has been read, its body is being collected.
    Body(Box<PendingBody>),
    /// Upgraded; the SignalR handshake is awaited.
    Handshake { peer: Box<Peer>, since: Instant },
    /// A SignalR client.
    Open(Box<Peer>),
    /// Our Close is queued; the peer's is awaited, or has been heard and the last bytes go out.
    Closing { decoder: Decoder, until: Deadline, has_heard: bool },
    /// The last bytes go out, then the sending direction ends; or the connection does, where the peer has ended its own.
    Finishing { until: Deadline, has_heard_end: bool },
    /// Half-closed.
    Lingering { until: Deadline },
}

/// One accepted socket and its protocol state.
#[derive(Debug)]
pub struct Connection {
    /// Its number in facts: no two of the process have the same.
    pub(super) number: u64,
    timer: TimerSlot,
    pub(super) phase: Phase,
    /// Bytes received and not understood yet: a cut head or frame header, or pipelined requests that must wait.
    pub(super) partial: Vec<u8>,
    /// Replies that wait for other shards.
    pub(super) asking: Option<Box<Asking>>,
    /// When the last byte came.
    pub(super) heard: Instant,
    /// When the last byte went.
    pub(super) spoke: Instant,
    /// The other end of the socket.
    pub(super) peer: IpAddr,
    /// The same; behind a trusted proxy the client of the latest request.
    pub(super) client: IpAddr,
    /// Why it ends, from the moment on that it does.
    pub(super) reason: Option<CloseReason>,
    /// What exactly the peer did.
    pub(super) detail: Option<&'static str>,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(number: u64, timer: TimerSlot, peer: IpAddr, now: Now) -> Connection {
        Connection {
            number,
            timer,
            phase: Phase::Head { since: now.mono, is_first: true },
            partial: Vec::new(),
            asking: None,
            heard: now.mono,
            spoke: now.mono,
            peer,
            client: peer,
            reason: None,
            detail: None,
        }
    }

    /// Takes bytes in; they may be spoilt. Then [`Connection::next_deadline`] may have changed.
    pub fn handle_bytes(&mut self, key: ConnKey, bytes: &mut [u8], turn: &mut Turn<'_>) {
        self.heard = turn.now.mono;
        turn.metrics.bytes_in += bytes.len() as u64;
        if self.partial.is_empty() {
            if let Phase::Head { since, is_first: false } = &mut self.phase {
                // The first byte of a further request: its own time begins.
                *since = turn.now.mono;
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
    pub(super) fn advance(&mut self, key: ConnKey, input: &mut [u8], turn: &mut Turn<'_>) -> usize {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let step = match &self.phase {
                Phase::Head { .. } if !rest.is_empty() && self.wants_input(key, turn.hub, &turn.shared.limits) => {
                    self.advance_head(key, rest, turn)
                }
                Phase::Body(_) => self.advance_body(key, rest, turn),
                Phase::Open(peer) if peer.asked_since().is_some() => None,
                Phase::Handshake { .. } | Phase::Open(_) | Phase::Closing { .. } => {
                    return used + self.advance_frames(key, rest, turn);
                }
                Phase::Finishing { .. } | Phase::Lingering { .. } => return input.len(),
                Phase::Head { .. } => None,
            };
            match step {
                Some(step) => used += step,
                None => return used,
            }
        }
    }

    /// Whether more bytes should be read from the socket. Whoever waits for an answer of other shards, and a publisher who
    /// doesn't read its replies, is not read on; its bytes stay in the kernel.
    pub fn wants_input(&self, key: ConnKey, hub: &Hub, limits: &Limits) -> bool {
        match &self.phase {
            Phase::Open(peer) => peer.asked_since().is_none(),
            Phase::Head { .. } | Phase::Body(_) => {
                let may_ask = self.asking.as_ref().is_none_or(|asking| asking.takes_more(limits));
                may_ask && hub.backlog_bytes(key) < limits.outbox_soft_bytes
            }
            Phase::Handshake { .. } | Phase::Closing { .. } | Phase::Finishing { .. } | Phase::Lingering { .. } => true,
        }
    }

    /// Whether bytes that were read wait for their turn.
    pub(super) fn has_waiting_input(&self) -> bool {
        !self.partial.is_empty() && matches!(self.phase, Phase::Head { .. } | Phase::Closing { .. })
    }

    /// A shard has answered a question of this connection.
    pub fn handle_answer(&mut self, key: ConnKey, ticket: u32, answer: Answer, turn: &mut Turn<'_>) {
        match &self.phase {
            Phase::Head { .. } | Phase::Body(_) => self.handle_reply_answer(key, ticket, answer, turn),
            Phase::Open(_) => self.handle_subscribe_answer(key, answer, turn),
            // It ends: nobody waits any more.
            Phase::Handshake { .. } | Phase::Closing { .. } | Phase::Finishing { .. } | Phase::Lingering { .. } => {}
        }
    }

    /// The peer sends no more.
    pub fn handle_eof(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        match &self.phase {
            // Replies to the requests before this one still go out.
            Phase::Head { .. } | Phase::Body(_) => {
                let is_between = matches!(self.phase, Phase::Head { .. }) && self.partial.is_empty();
                self.set_reason(if is_between { CloseReason::Served } else { CloseReason::PeerGone });
                match &mut self.asking {
                    // Replies on their way still go out to a peer that only ended its own direction.
                    Some(asking) => asking.end(),
                    None => self.finish_with_end(key, turn, true),
                }
            }
            Phase::Finishing { until, .. } => self.phase = Phase::Finishing { until: *until, has_heard_end: true },
            Phase::Handshake { .. } | Phase::Open(_) | Phase::Closing { .. } | Phase::Lingering { .. } => {
                turn.hub.doom(key, CloseReason::PeerGone);
            }
        }
    }

    /// The socket took `taken` bytes and `left` still wait. Whether [`Connection::handle_flushed`] has something to do: not for
    /// a SignalR client that keeps up, which is what nearly all are.
    pub fn note_flushed(&mut self, taken: usize, left: usize, now: Now, limits: &Limits) -> bool {
        if taken > 0 {
            self.spoke = now.mono;
            if let Phase::Finishing { until, .. } = &mut self.phase {
                // A large last reply may take its time, as long as the peer takes it.
                *until = now.after_ms(limits.close_ms);
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
            Phase::Finishing { until, has_heard_end: false } => {
                turn.wire.shutdown_write(key);
                self.phase = Phase::Lingering { until };
            }
            Phase::Finishing { has_heard_end: true, .. } => turn.hub.doom(key, CloseReason::PeerGone),
            Phase::Closing { has_heard: true, .. } => turn.hub.doom(key, CloseReason::PeerClosed),
            Phase::Head { .. }
            | Phase::Body(_)
            | Phase::Handshake { .. }
            | Phase::Open(_)
            | Phase::Closing { .. }
            | Phase::Lingering { .. } => {}
        }
    }

    /// When something is due, at the latest; looked at again after each event.
    pub fn next_deadline(&self, key: ConnKey, hub: &Hub, limits: &Limits) -> Deadline {
        self.waits(key, hub, limits).map(|(deadline, _)| deadline).min().unwrap_or(Deadline::NEVER)
    }

    /// All that it waits for. Of several that are over, the first one decides.
    fn waits(&self, key: ConnKey, hub: &Hub, limits: &Limits) -> impl Iterator<Item = (Deadline, Wait)> {
        let after = |since: Option<Instant>, ms| since.map_or(Deadline::NEVER, |since| since.after_ms(ms));
        let (end, sign, ping, asked) = match &self.phase {
            Phase::Open(peer) => {
                let heard = peer.has_pinged.then_some(self.heard);
                (peer.ends, after(heard, limits.client_timeout_ms), Some(self.spoke), peer.asked_since())
            }
            Phase::Head { .. }
            | Phase::Body(_)
            | Phase::Handshake { .. }
            | Phase::Closing { .. }
            | Phase::Finishing { .. }
            | Phase::Lingering { .. } => {
                (Deadline::NEVER, Deadline::NEVER, None, self.asking.as_ref().map(|asking| asking.since()))
            }
        };
        let phase = match &self.phase {
            // It rests for our sake.
            Phase::Head { .. } if self.asking.is_some() => (Deadline::NEVER, Wait::Request),
            Phase::Head { since, is_first: false } if self.partial.is_empty() => {
                (since.after_ms(limits.idle_ms), Wait::Request)
            }
            Phase::Head { since, .. } => (since.after_ms(limits.head_ms), Wait::Head),
            Phase::Body(body) => (body.since.after_ms(limits.body_ms), Wait::Body),
            Phase::Handshake { since, .. } => (since.after_ms(limits.handshake_ms), Wait::Handshake),
            Phase::Open(_) => (end, Wait::End),
            Phase::Closing { until, .. } | Phase::Finishing { until, .. } | Phase::Lingering { until } => {
                (*until, Wait::Goodbye)
            }
        };
        let room = self.next_give_up(key, hub, limits).map_or(Deadline::NEVER, |(deadline, _)| deadline);
        let (answer, ping) = (after(asked, ASK_MS), after(ping, limits.ping_every_ms));
        [(room, Wait::Room), (answer, Wait::Answer), phase, (sign, Wait::Sign), (ping, Wait::Ping)].into_iter()
    }

    fn next_give_up(&self, key: ConnKey, hub: &Hub, limits: &Limits) -> Option<(Deadline, CloseReason)> {
        let is_client = matches!(self.phase, Phase::Handshake { .. } | Phase::Open(_));
        hub.next_give_up(key, limits.write_stuck_ms, is_client)
    }

    /// A deadline has come; does what is due.
    pub fn handle_deadline(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        let mut waits = self.waits(key, turn.hub, &turn.shared.limits);
        let Some((_, wait)) = waits.find(|(deadline, _)| deadline.is_due(turn.now)) else { return };
        drop(waits);
        if matches!(self.phase, Phase::Open(_)) && wait != Wait::Room {
            return self.open_due(key, wait, turn);
        }
        match wait {
            Wait::Room => {
                let reason = self.next_give_up(key, turn.hub, &turn.shared.limits).map(|(_, reason)| reason);
                turn.hub.give_up(key, reason.unwrap_or(CloseReason::WriteStuck));
            }
            // The peer sees its connection end, and does not know what became of its request.
            Wait::Answer => turn.hub.doom(key, CloseReason::Unanswered),
            Wait::Head | Wait::Body => self.refuse_late(key, turn),
            Wait::Request => self.finish(key, turn, CloseReason::IdleTimeout),
            Wait::Handshake => self.handshake_late(key, turn),
            Wait::Goodbye => turn.hub.doom(key, self.reason.unwrap_or(CloseReason::PeerGone)),
            Wait::End | Wait::Sign | Wait::Ping => broken("only a client of the hub has the hub's waits"),
        }
    }

    /// The hub drains: ends in time. `spread_ms` is this connection's share of the spread.
    pub fn drain(&mut self, key: ConnKey, spread_ms: u64, turn: &mut Turn<'_>) {
        let at = turn.now.after_ms(spread_ms);
        match &mut self.phase {
            Phase::Head { .. } if self.partial.is_empty() && self.asking.is_none() => {
                self.finish(key, turn, CloseReason::Drain);
            }
            Phase::Open(peer) => {
                peer.ends = peer.ends.min(at);
                peer.ends_for = CloseReason::Drain;
            }
            Phase::Handshake { .. } => self.close_going_away(key, turn),
            // Each of these ends by itself: the reply in the making closes the connection.
            Phase::Head { .. }
            | Phase::Body(_)
            | Phase::Closing { .. }
            | Phase::Finishing { .. }
            | Phase::Lingering { .. } => {}
        }
    }

    /// What waits still goes out, then the connection ends.
    pub(super) fn finish(&mut self, key: ConnKey, turn: &mut Turn<'_>, reason: CloseReason) {
        self.set_reason(reason);
        self.finish_with_end(key, turn, false);
    }

    /// The same for a peer that may have ended its own direction: then there is nobody to linger for.
    pub(super) fn finish_with_end(&mut self, key: ConnKey, turn: &mut Turn<'_>, has_heard_end: bool) {
        let until = turn.now.after_ms(turn.shared.limits.close_ms);
        if turn.hub.backlog_bytes(key) > 0 {
            self.phase = Phase::Finishing { until, has_heard_end };
        } else if has_heard_end || matches!(self.reason, Some(CloseReason::Drain | CloseReason::IdleTimeout)) {
            // An idle peer has read all it asked for, and would only notice a half-closed connection at its next request.
            turn.hub.doom(key, CloseReason::PeerGone);
        } else {
            turn.wire.shutdown_write(key);
            self.phase = Phase::Lingering { until };
        }
    }

    pub(super) fn set_reason(&mut self, reason: CloseReason) {
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
            Phase::Head { .. } | Phase::Body(_) | Phase::Handshake { .. } | Phase::Open(_) => false,
        }
    }

    /// Its number in facts.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The place of its deadline.
    pub fn timer(&self) -> TimerSlot {
        self.timer
    }

    /// Whether it is a SignalR client past its handshake.
    pub fn is_hub_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// The connection is being freed: gives back what it holds outside, and tells.
    pub fn free(&mut self, reason: CloseReason, turn: &mut Turn<'_>) {
        if let Phase::Handshake { peer, .. } | Phase::Open(peer) = &self.phase {
            peer.forget_token(turn.shared);
        }
        self.leave_open(turn);
        turn.metrics.closed[reason.index()] += 1;
        let detail = self.detail;
        let fact = Fact::Closed { conn: self.number, reason, detail };
        turn.trace.note(fact.level(), || fact);
    }

    pub(super) fn refused(&self, status: u16, why: &'static str, turn: &mut Turn<'_>) {
        let client = self.client;
        let conn = self.number;
        turn.trace.note(Level::Debug, || Fact::Refused { conn, client, status, why });
    }
}
