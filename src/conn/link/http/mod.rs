//! A link that speaks HTTP/1.1: requests in order, one reply each, then perhaps the upgrade.
//!
//! ```text
//!   Head ⇄ Body ⇄ Items      one request after the other; replies may wait for other shards
//! ```
//!
//! What decides about a request is in its head: a stranger's body is never collected. A request
//! refused before its body has come ends the link after the reply, since the body's bytes would
//! have to be read for nothing. The link holds no buffer while nothing is partial.

mod bodies;
mod ends;
mod heads;
mod replies;
mod waits;

use super::asking::{Asking, Framing};
use super::cx::Cx;
use super::ending::{Ending, Sender};
use super::event_stream::EventStream;
use super::front;
use super::moved::Moved;
use super::request::PendingBody;
use super::serve::PendingItems;
use super::unsent::Unsent;
use super::websocket::WebSocket;
use crate::api::routes::Entrance;
use crate::auth::token::Known;
use crate::clock::{Deadline, Instant, Now};
use crate::close::CloseReason;
use crate::conn::allowance::Allowance;
use crate::conn::end::Why;
use crate::conn::whose::Whose;
use crate::hub::registry::ConnKey;
use crate::limits::Limits;
use crate::metrics::Refusal;
use crate::timer::TimerSlot;
use crate::trace::{Fact, Level};
use core::net::IpAddr;

/// A link that speaks HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Http {
    pub(super) number: u64,
    pub(super) timer: TimerSlot,
    opened: Instant,
    phase: Phase,
    /// Bytes received and not understood yet: a cut head, or pipelined requests that must wait.
    partial: Vec<u8>,
    /// Replies that wait for other shards.
    asking: Option<Box<Asking>>,
    /// Replies that are made and not sent.
    pub(super) unsent: Unsent,
    /// The listener that it came in by.
    entrance: Entrance,
    /// The other end of the socket.
    peer: IpAddr,
    /// The peer is a proxy that has not said whose bytes it passes on: what they claim of their
    /// client is not believed.
    is_nameless: bool,
    /// The same; behind a trusted proxy the client of the latest request.
    client: IpAddr,
    /// The publisher's token, which it shows with each request.
    known: Option<Box<Known>>,
    /// Why it ends, once the replies that wait are out.
    ends: Option<Why>,
    /// The shard to which it moves, as soon as nothing is unanswered and nothing unsent.
    moves_to: Option<usize>,
    /// The requests that it has read go on in the next turn.
    is_in_line: bool,
    /// By then its first byte has come, in a drain.
    speaks_by: Deadline,
    /// Of work, as of that instant. Publishes don't count.
    allowance: Allowance,
    refilled: Instant,
}

/// Where it stands.
#[derive(Debug)]
enum Phase {
    /// A request head is awaited, since then; `is_first` has the shorter time, a resting link the
    /// longer.
    Head { since: Instant, is_first: bool },
    /// A head has been read, its body is being collected.
    Body(Box<PendingBody>),
    /// Its body is there, and items of it are still to be judged.
    Items(Box<PendingItems>, Framing),
}

/// What a link becomes that spoke HTTP.
pub(crate) enum Next {
    Http(Box<Http>),
    WebSocket(WebSocket),
    EventStream(EventStream),
    /// Its request is a poll of that connection, which waits.
    Poll(Box<Http>, ConnKey, Framing),
    Ending(Box<Ending>),
}

/// How it goes on after a step.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    /// The bytes behind the head are frames of this connection.
    Upgraded(ConnKey),
    /// The bytes of this connection are the rest of the reply.
    Streams(ConnKey),
    /// A poll of this connection waits.
    Polls(ConnKey, Framing),
    /// The request is looked at once more in the next turn.
    Again,
    /// The last reply is made.
    Finish,
}

impl Http {
    /// A link that has just been accepted.
    pub(super) fn new(number: u64, timer: TimerSlot, entrance: Entrance, peer: IpAddr, now: Now) -> Box<Http> {
        Box::new(Http {
            number,
            timer,
            opened: now.mono,
            phase: Phase::Head { since: now.mono, is_first: true },
            partial: Vec::new(),
            asking: None,
            unsent: Unsent::default(),
            entrance,
            peer,
            is_nameless: false,
            client: peer,
            known: None,
            ends: None,
            moves_to: None,
            is_in_line: false,
            speaks_by: Deadline::NEVER,
            allowance: Allowance::default(),
            refilled: now.mono,
        })
    }

    /// A link that has come from another shard, with the bytes that were read there and are still
    /// to be understood.
    pub(super) fn adopt(moved: Moved, timer: TimerSlot) -> Box<Http> {
        let Moved {
            number,
            peer,
            is_nameless,
            entrance,
            is_stranger: _,
            opened,
            unread,
            since,
            is_first,
            allowance,
            refilled,
        } = moved;
        let phase = Phase::Head { since, is_first };
        let unsent = Unsent::default();
        let (asking, known, ends, moves_to, speaks_by) = (None, None, None, None, Deadline::NEVER);
        let is_in_line = false;
        let (partial, client) = (unread, peer);
        let http = Http {
            number,
            timer,
            opened,
            phase,
            partial,
            asking,
            unsent,
            entrance,
            peer,
            is_nameless,
            client,
            known,
            ends,
            moves_to,
            is_in_line,
            speaks_by,
            allowance,
            refilled,
        };
        Box::new(http)
    }

    /// Whether nobody has shown a good token by it. Those from the inside need none.
    pub(super) fn is_guest(&self) -> bool {
        self.known.is_none() && self.entrance != Entrance::Internal
    }

    /// Takes bytes in; they may be spoilt.
    pub(super) fn handle_bytes(mut self: Box<Self>, bytes: &mut [u8], cx: &mut Cx<'_, '_>) -> Next {
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(bytes);
            if matches!(self.phase, Phase::Head { .. })
                && front::is_cut_line(&self.partial, bytes, cx.turn.process.limits)
            {
                return Next::Http(self);
            }
            return self.resume(cx);
        }
        if let Phase::Head { since, is_first: false } = &mut self.phase {
            // The first byte of a further request: its own time begins.
            *since = cx.turn.now.mono;
        }
        let (used, then) = self.advance(bytes, cx);
        let rest = bytes.get_mut(used..).unwrap_or_default();
        if then == Then::GoOn && !rest.is_empty() {
            self.partial = rest.to_vec();
        }
        self.follow(then, rest, cx)
    }

    /// Goes on with the bytes that had to wait.
    pub(super) fn resume(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let mut waiting = std::mem::take(&mut self.partial);
        let (used, then) = self.advance(&mut waiting, cx);
        if then == Then::GoOn && used < waiting.len() {
            waiting.drain(..used);
            self.partial = waiting;
            return Next::Http(self);
        }
        self.follow(then, waiting.get_mut(used..).unwrap_or_default(), cx)
    }

    fn follow(mut self: Box<Self>, then: Then, rest: &mut [u8], cx: &mut Cx<'_, '_>) -> Next {
        match then {
            Then::GoOn | Then::Again => Next::Http(self),
            Then::Finish => Next::Ending(self.finish(CloseReason::Served, Sender::Open, cx)),
            Then::Streams(conn) => {
                cx.turn.out.wire.widen(cx.link);
                Next::EventStream(EventStream { conn })
            }
            Then::Polls(conn, framing) => {
                self.keep(rest);
                Next::Poll(self, conn, framing)
            }
            Then::Upgraded(conn) => {
                cx.turn.out.wire.widen(cx.link);
                WebSocket::new(conn).begin(rest, cx).map_or_else(Next::Ending, Next::WebSocket)
            }
        }
    }

    /// What it has read goes on in the next turn.
    fn wait_in_line(&mut self, cx: &mut Cx<'_, '_>) {
        self.is_in_line = true;
        cx.turn.intake.waiting.push_back(Whose::Link(cx.link));
    }

    /// Bytes wait until the request before them is answered.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
    }

    /// Whether bytes that were read wait for their turn.
    fn has_waiting_input(&self) -> bool {
        !self.partial.is_empty() && matches!(self.phase, Phase::Head { .. })
    }

    /// Understands as much of `input` as it can; how many bytes that were.
    fn advance(&mut self, input: &mut [u8], cx: &mut Cx<'_, '_>) -> (usize, Then) {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let step = match &self.phase {
                Phase::Head { .. } if !rest.is_empty() && self.takes_more(cx.turn.process.limits) => {
                    self.advance_head(rest, cx)
                }
                Phase::Head { .. } | Phase::Items(..) => None,
                Phase::Body(_) => self.advance_body(rest, cx),
            };
            let Some((taken, then)) = step else { return (used, Then::GoOn) };
            used += taken;
            if then != Then::GoOn {
                return (used, then);
            }
        }
    }

    /// Whether more bytes should be read from the socket. A publisher who doesn't read its replies,
    /// or waits for an answer of other shards, is not read on; its bytes stay in the kernel. So
    /// does what follows a request that waits, and the next one of a link that is about to move.
    pub(super) fn wants_input(&self, limits: &Limits) -> bool {
        let is_between = matches!(self.phase, Phase::Head { .. });
        let waits = is_between && !self.partial.is_empty() && !self.unsent.is_empty();
        !waits && !self.is_in_line && self.takes_more(limits)
    }

    /// Whether a further publish would be taken on.
    fn takes_more(&self, limits: &Limits) -> bool {
        let may_ask = self.asking.as_ref().is_none_or(|asking| asking.takes_more(limits));
        let is_free = match self.phase {
            Phase::Head { .. } => self.moves_to.is_none() && !self.rests(limits),
            Phase::Body(_) => true,
            Phase::Items(..) => false,
        };
        may_ask && is_free && self.unsent.takes_more(limits)
    }

    /// Memory of what it has sent and what is not done with.
    pub(super) fn input_bytes(&self) -> usize {
        let body = match &self.phase {
            Phase::Head { .. } => 0,
            Phase::Body(pending) => pending.body.capacity(),
            Phase::Items(pending, _) => pending.body_bytes(),
        };
        self.partial.capacity() + body
    }

    /// Whether its peer has used up its allowance of work.
    pub(super) fn rests(&self, limits: &Limits) -> bool {
        self.allowance.is_over(limits)
    }

    /// A request has cost so much.
    fn charge(&mut self, work: usize, cx: &mut Cx<'_, '_>) {
        let (now, limits) = (cx.turn.now.mono, cx.turn.process.limits);
        self.refill(now, limits);
        self.allowance.spend(work);
        cx.turn.hub.spend(work);
        cx.turn.books.metrics.rests += u64::from(self.rests(limits));
    }

    fn refill(&mut self, now: Instant, limits: &Limits) {
        self.allowance.refill(self.refilled, now, limits);
        self.refilled = now;
    }

    fn note_refused(&self, refusal: Refusal, status: u16, why: &'static str, cx: &mut Cx<'_, '_>) {
        let (conn, client) = (self.number, self.client);
        cx.turn.books.metrics.refuse(refusal);
        cx.turn.books.trace.note(Level::Debug, || Fact::Refused { conn, client, status, why });
    }
}
