//! A link that speaks HTTP/1.1: requests in order, one reply each, then perhaps the upgrade.
//!
//! ```text
//!   Head ⇄ Body ⇄ Items      one request after the other; replies may wait for other shards
//! ```
//!
//! What decides about a request is in its head: a stranger's body is never collected. A request
//! refused before its body has come ends the link after the reply, since the body's bytes would
//! have to be read for nothing. The link holds no buffer while nothing is partial.

use super::asking::{Asking, Draft, Framing};
use super::cx::Cx;
use super::ending::{Ending, Parting, Rest, Sender};
use super::event_stream::EventStream;
use super::front;
use super::gate::{self, Decision};
use super::moved::Moved;
use super::polled;
use super::refused::Refused;
use super::request::{Arrived, PendingBody, Purpose};
use super::serve::{self, Judged, PendingItems, Taken};
use super::unsent::Unsent;
use super::websocket::WebSocket;
use crate::api::client_address::client_address;
use crate::api::cors::Origins;
use crate::api::negotiated::Place;
use crate::api::publish::FirstRejected;
use crate::api::routes::{self, Entrance, Found, Gate};
use crate::auth::token::Known;
use crate::broken::broken;
use crate::clock::{Deadline, Instant, Now};
use crate::close::CloseReason;
use crate::conn::allowance::{Allowance, TOKEN_COST};
use crate::conn::answers::Asked;
use crate::conn::ask::{Answer, Awaited, Caller, Question};
use crate::conn::end::Why;
use crate::conn::hub::origin::Origin;
use crate::conn::order::Order;
use crate::conn::step::Step;
use crate::conn::turn::Process;
use crate::conn::whose::Whose;
use crate::hub::ANSWER_BYTES_PER_DELIVERY;
use crate::hub::encoding::Encoding;
use crate::hub::outbox::Writable;
use crate::hub::partition::Partition;
use crate::hub::registry::ConnKey;
use crate::limits::{ASK_MS, DRAIN_FIRST_MS, Limits};
use crate::metrics::{ProcessNumbers, Refusal};
use crate::proto::Status;
use crate::proto::http::body::{BodyError, Chunked};
use crate::proto::http::head::{BodyLength, Head, HeadError, Method, parse_head};
use crate::proto::http::reply::{self, Body, Reply};
use crate::proto::proxy::Preamble;
use crate::proto::signalr::transport::Transport;
use crate::proto::sse;
use crate::timer::{TimerSlot, Wait};
use crate::trace::{Fact, FrontFault, Level};
use crate::wire::Failure;
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

/// What a request costs that is no publish, in deliveries, beside the bytes of its reply.
const REQUEST_COST: usize = 256;
/// And to gather the numbers of all shards.
const METRICS_COST: usize = 4096;

/// What a request has cost whose head has been decided about.
fn cost(head: &Head<'_>, decision: &Decision) -> usize {
    let token = if head.header("authorization").is_some() || !head.query.is_empty() { TOKEN_COST } else { 0 };
    match decision {
        Decision::Body(Purpose::Publish { .. }) => 0,
        Decision::Body(Purpose::Negotiate { .. } | Purpose::SendOn(_) | Purpose::Revoke(_) | Purpose::Send(_))
        | Decision::Upgraded { .. }
        | Decision::Streams(_)
        | Decision::Begins
        | Decision::Polls(_) => REQUEST_COST + token,
        Decision::Reply(reply) => REQUEST_COST + token + reply.body.bytes().len() / ANSWER_BYTES_PER_DELIVERY,
        Decision::Position(_) | Decision::Refresh(..) => REQUEST_COST + token,
        Decision::Metrics => REQUEST_COST + METRICS_COST,
    }
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
        let Moved { number, peer, is_nameless, entrance, is_stranger: _, opened, unread, since, is_first, allowance } =
            moved;
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
            refilled: since,
        };
        Box::new(http)
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
            Then::GoOn => Next::Http(self),
            Then::Finish => Next::Ending(self.finish(CloseReason::Served, Sender::Open, cx)),
            Then::Streams(conn) => Next::EventStream(EventStream { conn }),
            Then::Polls(conn, framing) => {
                self.keep(rest);
                Next::Poll(self, conn, framing)
            }
            Then::Upgraded(conn) => match WebSocket::new(conn).handle_bytes(rest, cx) {
                Ok(websocket) => Next::WebSocket(websocket),
                Err(ending) => Next::Ending(ending),
            },
        }
    }

    /// Bytes wait until the request before them is answered.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
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

    /// One request head, if it is whole. While replies wait only a publish is taken on: what others
    /// ask for may be large, and costs nothing to ask.
    fn advance_head(&mut self, input: &mut [u8], cx: &mut Cx<'_, '_>) -> Option<(usize, Then)> {
        match self.advance_preamble(input, cx) {
            Status::Partial => return None,
            Status::Complete(Some(step)) => return Some(step),
            Status::Complete(None) => {}
        }
        let limits = cx.turn.process.limits;
        match parse_head(input, limits.head_bytes_max, limits.headers_max) {
            Ok(Status::Partial) => None,
            Ok(Status::Complete(head)) => {
                let taken = head.len;
                let found = routes::find(head.path, &cx.turn.process.options.path);
                let is_publish = found.as_ref().is_some_and(|found| found.route.gate == Gate::Publisher);
                if let Some(asking) = self.asking.as_mut().filter(|_| !is_publish) {
                    asking.hold();
                    return None;
                }
                if !is_publish && !self.unsent.is_empty() {
                    return None;
                }
                self.moves_to = gate::elsewhere(&head, found.as_ref(), cx.turn);
                if self.moves_to.is_some() {
                    return None;
                }
                Some((taken, self.handle_request(&head, found, cx)))
            }
            Err(error) => {
                let fault = front::fault(input).filter(|_| matches!(self.phase, Phase::Head { is_first: true, .. }));
                Some((input.len(), self.refuse_head(error, fault, input, cx)))
            }
        }
    }

    /// The bytes are no head. The page that has sent them can read why, where its `Origin` is
    /// found.
    fn refuse_head(&mut self, error: HeadError, fault: Option<FrontFault>, input: &[u8], cx: &mut Cx<'_, '_>) -> Then {
        let HeadError { status, message } = error;
        if let Some(fault) = fault {
            cx.turn.note_front_fault(fault, self.peer);
        }
        let why = fault.map_or(message, FrontFault::sentence);
        self.note_refused(Refusal::BadRequest, status, why, cx);
        self.ends.get_or_insert(Why::blame(CloseReason::BadRequest, why));
        let reply = Reply::text(status, fault.map_or_else(|| message.to_owned(), FrontFault::told));
        self.reply(reply, &Framing::of_raw(input, cx), cx)
    }

    /// What a proxy that passes bytes on says first. A second one would be its client's, and is no
    /// request. Nothing where the bytes are a head.
    fn advance_preamble(&mut self, input: &[u8], cx: &mut Cx<'_, '_>) -> Status<Option<(usize, Then)>> {
        let Phase::Head { since, is_first: true } = self.phase else { return Status::Complete(None) };
        match front::preamble(input, self.peer, &cx.turn.process.options.trusted_proxies) {
            Ok(Status::Partial) => Status::Partial,
            Ok(Status::Complete(Preamble { len: 0, .. })) => Status::Complete(None),
            Ok(Status::Complete(Preamble { source, len })) => {
                self.is_nameless = source.is_none();
                self.peer = source.unwrap_or(self.peer);
                self.client = self.peer;
                self.phase = Phase::Head { since, is_first: false };
                Status::Complete(Some((len, Then::GoOn)))
            }
            Err(error) => Status::Complete(Some((input.len(), self.refuse_head(error, None, input, cx)))),
        }
    }

    fn handle_request(&mut self, head: &Head<'_>, found: Option<Found<'_>>, cx: &mut Cx<'_, '_>) -> Then {
        cx.turn.books.metrics.requests += 1;
        if !self.is_nameless {
            self.client = client_address(head, self.peer, &cx.turn.process.options.trusted_proxies);
        }
        let options = cx.turn.process.options;
        let route = found.as_ref().map(|found| found.route);
        let route = route.filter(|route| route.is_at(self.entrance, options.public_documents));
        let mut framing = Framing {
            keep_alive: head.keep_alive,
            head_only: head.method == Method::Head,
            reader: routes::reader(route, head, &options.origins).map(str::to_owned),
        };
        let (entrance, peer, client) = (self.entrance, self.peer, self.client);
        let origin = Origin { number: self.number, timer: self.timer, peer, client, entrance };
        let decision = match gate::decide(head, found, origin, &mut self.known, cx) {
            Ok(decision) => decision,
            Err(Refused(refusal, reply, why)) => {
                self.note_refused(refusal, reply.status, why, cx);
                Decision::Reply(reply)
            }
        };
        self.charge(cost(head, &decision), cx);
        match decision {
            Decision::Upgraded { conn, accept } => {
                // Nothing is unsent, so the socket is not full.
                cx.turn.hub.open(conn, cx.link, Writable::Open, cx.turn.now);
                cx.turn.hub.send_raw(conn, |out| out.extend_from_slice(&accept));
                Then::Upgraded(conn)
            }
            Decision::Streams(conn) => self.begin_stream(conn, &framing, cx),
            Decision::Begins => {
                framing.keep_alive &= head.body == BodyLength::Sized(0);
                self.reply(polled::begun(), &framing, cx)
            }
            Decision::Polls(conn) => {
                framing.keep_alive &= head.body == BodyLength::Sized(0);
                self.poll(conn, framing, cx)
            }
            Decision::Body(purpose) => self.begin_body(head, purpose, framing, cx),
            Decision::Reply(reply) => {
                framing.keep_alive &= head.body == BodyLength::Sized(0);
                self.reply(reply, &framing, cx)
            }
            Decision::Position(organization) => {
                framing.keep_alive &= head.body == BodyLength::Sized(0);
                let home = Partition::of(organization).home(cx.turn.process.shards);
                let awaited = cx.turn.ask(self.caller(cx), Asked::Home(home), Question::Position(organization));
                self.await_answers(Draft::Position, framing, awaited, cx)
            }
            Decision::Refresh(Place { shard, conn, .. }, fresh) => {
                framing.keep_alive &= head.body == BodyLength::Sized(0);
                let awaited = cx.turn.order(self.caller(cx), usize::from(shard), Order::Refresh(conn, fresh));
                self.await_answers(Draft::Refresh, framing, awaited, cx)
            }
            Decision::Metrics => {
                framing.keep_alive &= head.body == BodyLength::Sized(0);
                let awaited = cx.turn.ask(self.caller(cx), Asked::All, Question::Numbers);
                let Process { vitals, journal, .. } = cx.turn.process;
                let numbers = ProcessNumbers { journal_losses: journal.losses(), ..(vitals.0)() };
                self.await_answers(Draft::Metrics(Box::new(numbers)), framing, awaited, cx)
            }
        }
    }

    /// The reply to this request has no end: what follows its head is the connection's.
    fn begin_stream(&mut self, conn: ConnKey, framing: &Framing, cx: &mut Cx<'_, '_>) -> Then {
        let reply = Reply::new(200, sse::MEDIA_TYPE, Body::Static(b""))
            .with("Cache-Control", "no-cache,no-store")
            .with("Pragma", "no-cache")
            .with("Content-Encoding", "identity")
            // nginx would wait until it has a buffer full.
            .with("X-Accel-Buffering", "no");
        let reply = Origins::dress(reply, framing.reader.as_deref());
        let date = cx.turn.tools.date.at(cx.turn.now.unix);
        // Nothing is unsent, so the socket is not full.
        cx.turn.hub.open(conn, cx.link, Writable::Open, cx.turn.now);
        cx.turn.hub.set_encoding(conn, Encoding::of(Transport::ServerSentEvents));
        cx.turn.hub.send_raw(conn, |out| {
            reply::encode_endless_head(&reply, date, out);
            out.extend_from_slice(sse::OPENING);
        });
        Then::Streams(conn)
    }

    /// A poll is answered, or waits. One that has waited until now does so no longer.
    fn poll(&mut self, conn: ConnKey, framing: Framing, cx: &mut Cx<'_, '_>) -> Then {
        cx.turn.steps.extend(cx.turn.hub.link(conn).map(Step::Replaced));
        match polled::answer(conn, cx) {
            Some(reply) => {
                cx.turn.steps.push(Step::Look(conn));
                self.reply(reply, &framing, cx)
            }
            None => Then::Polls(conn, framing),
        }
    }

    /// A poll that has waited is answered; its connection lives on, or does not.
    pub(super) fn answer_poll(
        mut self: Box<Self>,
        reply: Reply,
        framing: &Framing,
        lives: bool,
        cx: &mut Cx<'_, '_>,
    ) -> Next {
        // In a drain the next poll could come on no other link.
        let keep_alive = framing.keep_alive && self.ends.is_none() && (lives || !cx.turn.process.drain.has_begun());
        let then = self.send_last_reply(reply, keep_alive, framing, cx);
        if then == Then::GoOn && self.has_waiting_input() {
            return self.resume(cx);
        }
        self.follow(then, &mut [], cx)
    }

    fn begin_body(&mut self, head: &Head<'_>, purpose: Purpose, framing: Framing, cx: &mut Cx<'_, '_>) -> Then {
        let body_bytes_max = cx.turn.process.limits.body_bytes_max;
        let (chunked, length) = match head.body {
            BodyLength::Chunked => (Some(Chunked::default()), 0),
            BodyLength::Sized(length) => {
                match usize::try_from(length).ok().filter(|length| *length <= body_bytes_max) {
                    Some(length) => (None, length),
                    None => return self.refuse_body(BodyError::TooLarge, framing, cx),
                }
            }
        };
        if head.expect_continue {
            self.unsent.push(reply::CONTINUE, &mut cx.turn.books.metrics);
        }
        let since = cx.turn.now.mono;
        self.phase = Phase::Body(Box::new(PendingBody {
            purpose,
            framing,
            chunked,
            length,
            body: Vec::new(),
            dropped: 0,
            since,
        }));
        Then::GoOn
    }

    fn refuse_body(&mut self, error: BodyError, framing: Framing, cx: &mut Cx<'_, '_>) -> Then {
        self.ends.get_or_insert(Why::new(CloseReason::BadBody));
        let reply = match error {
            BodyError::TooLarge => {
                self.note_refused(Refusal::TooLarge, 413, "body over limits.body_bytes_max", cx);
                let most = cx.turn.process.limits.body_bytes_max;
                Reply::text(413, format!("the body has more than limits.body_bytes_max = {most} bytes"))
            }
            BodyError::Malformed(message) => {
                self.note_refused(Refusal::BadRequest, 400, message, cx);
                Reply::text(400, message)
            }
        };
        self.reply(reply, &Framing { keep_alive: false, ..framing }, cx)
    }

    /// Body bytes in; when it is whole, the request is served.
    fn advance_body(&mut self, input: &mut [u8], cx: &mut Cx<'_, '_>) -> Option<(usize, Then)> {
        let Phase::Body(pending) = &mut self.phase else { return None };
        match pending.handle_bytes(input, cx.turn.process.limits.body_bytes_max) {
            Ok(Arrived::Part(taken)) => (taken > 0).then_some((taken, Then::GoOn)),
            Ok(Arrived::Here(length)) => {
                let body = input.get_mut(..length).unwrap_or_default();
                Some((length, self.serve_body(body, cx)))
            }
            Ok(Arrived::Collected(taken)) => {
                let mut body = std::mem::take(&mut pending.body);
                Some((taken, self.serve_body(&mut body, cx)))
            }
            Err(error) => {
                let framing = std::mem::take(&mut pending.framing);
                Some((input.len(), self.refuse_body(error, framing, cx)))
            }
        }
    }

    fn serve_body(&mut self, body: &mut [u8], cx: &mut Cx<'_, '_>) -> Then {
        let next = Phase::Head { since: cx.turn.now.mono, is_first: false };
        let Phase::Body(pending) = std::mem::replace(&mut self.phase, next) else { return Then::GoOn };
        let PendingBody { purpose, framing, .. } = *pending;
        match purpose {
            Purpose::Negotiate { query, principal } => {
                let reply = serve::negotiate(&query, &principal, cx.turn);
                self.reply(reply, &framing, cx)
            }
            Purpose::Revoke(by) => match serve::revoke(body, &by, cx.turn) {
                Ok(order) => {
                    let awaited = cx.turn.order_all(self.caller(cx), order);
                    self.await_answers(Draft::Revoke, framing, awaited, cx)
                }
                Err(Refused(refusal, reply, why)) => {
                    self.note_refused(refusal, reply.status, why, cx);
                    self.reply(reply, &framing, cx)
                }
            },
            Purpose::SendOn(body) => self.reply(serve::negotiated(body), &framing, cx),
            Purpose::Send(conn) => {
                let before = cx.turn.hub.work();
                let reply = serve::send(conn, body, cx).unwrap_or_else(|Refused(refusal, reply, why)| {
                    self.note_refused(refusal, reply.status, why, cx);
                    reply
                });
                self.charge(cx.turn.hub.work().wrapping_sub(before), cx);
                self.reply(reply, &framing, cx)
            }
            Purpose::Publish { head, principal } => {
                match serve::publish((cx.link, self.ticket()), &head, body, principal, cx.turn) {
                    Ok(judged) => self.follow_items(judged, framing, cx),
                    Err(refusal) => {
                        let counted = gate::count_as(refusal.status);
                        self.note_refused(counted, refusal.status, refusal.why, cx);
                        self.reply(refusal.reply(), &framing, cx)
                    }
                }
            }
        }
    }

    /// Items have been judged: all of them, or the rest waits for the next turn.
    fn follow_items(&mut self, judged: Judged, framing: Framing, cx: &mut Cx<'_, '_>) -> Then {
        match judged {
            Judged::All(Taken { draft, awaited, is_late }) => {
                self.note_rejected(&draft, cx);
                let then = self.await_answers(draft, framing, awaited, cx);
                // The shard has enough to do: the next request waits in the kernel.
                self.asking.iter_mut().filter(|_| is_late).for_each(|asking| asking.hold());
                then
            }
            Judged::Part(pending) => {
                self.phase = Phase::Items(pending, framing);
                cx.turn.intake.waiting.push_back(Whose::Link(cx.link));
                Then::GoOn
            }
        }
    }

    /// Goes on with the items that a turn had no room for, and then with the bytes behind them.
    pub(super) fn proceed(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        self.is_in_line = false;
        let next = Phase::Head { since: cx.turn.now.mono, is_first: false };
        match std::mem::replace(&mut self.phase, next) {
            Phase::Items(pending, framing) => {
                let judged = serve::proceed((cx.link, self.ticket()), pending, cx.turn);
                let then = self.follow_items(judged, framing, cx);
                if then == Then::GoOn && self.has_waiting_input() {
                    return self.resume(cx);
                }
                self.follow(then, &mut [], cx)
            }
            phase @ (Phase::Head { .. } | Phase::Body(_)) => {
                self.phase = phase;
                if self.has_waiting_input() { self.resume(cx) } else { Next::Http(self) }
            }
        }
    }

    /// Who asks, in the next question of this link.
    fn caller(&self, cx: &Cx<'_, '_>) -> Caller {
        Caller::Request { link: cx.link, ticket: self.ticket() }
    }

    /// The number of its next question.
    fn ticket(&self) -> u32 {
        self.asking.as_ref().map_or(0, |asking| asking.ticket())
    }

    /// The reply is sent, or waits for what other shards still have to say.
    fn await_answers(&mut self, draft: Draft, framing: Framing, mut awaited: Awaited, cx: &mut Cx<'_, '_>) -> Then {
        if self.asking.is_none()
            && let Some(answer) = awaited.whole()
        {
            let reply = draft.reply(answer, cx.turn.process, &mut cx.turn.books.metrics);
            return self.send_reply(reply, &framing, cx);
        }
        let since = cx.turn.now.mono;
        self.asking.get_or_insert_with(|| Box::new(Asking::new(since))).push(draft, framing, awaited);
        Then::GoOn
    }

    /// A shard has answered the question of that ticket.
    pub(super) fn handle_answer(mut self: Box<Self>, ticket: u32, answer: Answer, cx: &mut Cx<'_, '_>) -> Next {
        let Some(asking) = &mut self.asking else { return Next::Http(self) };
        asking.add(ticket, answer);
        let mut then = Then::GoOn;
        while let Some(asking) = &mut self.asking
            && let Some((reply, framing)) = asking.pop(cx.turn.process, &mut cx.turn.books.metrics, cx.turn.now.mono)
        {
            if !asking.is_empty() {
                // Another reply follows, so this one can't end the link.
                self.write_reply(reply, true, &framing, cx);
                continue;
            }
            self.asking = None;
            // A request whose body is still coming goes on, unless the peer has ended its
            // direction; one that is being judged does.
            let goes_on = match self.phase {
                Phase::Head { .. } => false,
                Phase::Body(_) => self.ends.is_none(),
                Phase::Items(..) => true,
            };
            if goes_on {
                self.write_reply(reply, true, &framing, cx);
            } else {
                then = self.send_reply(reply, &framing, cx);
            }
        }
        if then == Then::GoOn && self.has_waiting_input() {
            return self.resume(cx);
        }
        self.follow(then, &mut [], cx)
    }

    /// Whether bytes that were read wait for their turn.
    fn has_waiting_input(&self) -> bool {
        !self.partial.is_empty() && matches!(self.phase, Phase::Head { .. })
    }

    /// A reply is made: it goes out, behind those that wait.
    fn reply(&mut self, reply: Reply, framing: &Framing, cx: &mut Cx<'_, '_>) -> Then {
        match &mut self.asking {
            Some(asking) => {
                asking.push_ready(reply, framing.clone());
                self.phase = Phase::Head { since: cx.turn.now.mono, is_first: false };
                Then::GoOn
            }
            None => self.send_reply(reply, framing, cx),
        }
    }

    /// Queues the last reply that is due; the link goes on to the next request, or ends.
    fn send_reply(&mut self, reply: Reply, framing: &Framing, cx: &mut Cx<'_, '_>) -> Then {
        // The peer may have ended its direction while the reply was made, or the drain have begun.
        let keep_alive = framing.keep_alive && self.ends.is_none() && !cx.turn.process.drain.has_begun();
        self.send_last_reply(reply, keep_alive, framing, cx)
    }

    fn send_last_reply(&mut self, reply: Reply, keep_alive: bool, framing: &Framing, cx: &mut Cx<'_, '_>) -> Then {
        self.write_reply(reply, keep_alive, framing, cx);
        if !keep_alive {
            return Then::Finish;
        }
        self.phase = Phase::Head { since: cx.turn.now.mono, is_first: false };
        Then::GoOn
    }

    fn write_reply(&mut self, reply: Reply, keep_alive: bool, framing: &Framing, cx: &mut Cx<'_, '_>) {
        let reply = Origins::dress(reply, framing.reader.as_deref());
        let date = cx.turn.tools.date.at(cx.turn.now.unix);
        self.unsent.push_reply(reply, keep_alive, framing.head_only, date, &mut cx.turn.books.metrics);
    }

    /// The peer sends no more.
    pub(super) fn handle_eof(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let is_between = !matches!(self.phase, Phase::Body(_)) && self.partial.is_empty();
        let reason = if is_between { CloseReason::Served } else { CloseReason::PeerGone };
        self.ends.get_or_insert(Why::new(reason));
        match &mut self.asking {
            // Replies on their way still go out to a peer that only ended its own direction.
            Some(asking) => {
                asking.hold();
                Next::Http(self)
            }
            None if matches!(self.phase, Phase::Items(..)) => Next::Http(self),
            None => Next::Ending(self.finish(reason, Sender::Ended, cx)),
        }
    }

    /// Writes what waits.
    pub(super) fn flush(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        self.unsent.is_listed = false;
        if let Err(reason) = self.unsent.flush(cx.link, cx.turn) {
            return Next::Ending(self.cut_off(reason));
        }
        if self.unsent.is_empty()
            && let Phase::Head { since, .. } = &mut self.phase
        {
            // The time of the next request begins when the replies before it are out.
            *since = cx.turn.now.mono;
        }
        if self.has_waiting_input() && !self.is_in_line {
            // A request that is here already is work of the next turn, like others.
            self.is_in_line = true;
            cx.turn.intake.waiting.push_back(Whose::Link(cx.link));
        }
        Next::Http(self)
    }

    /// When something is due, at the latest; looked at again after each event.
    pub(super) fn next_deadline(&self, limits: &Limits) -> Deadline {
        self.waits(limits).map(|(deadline, _)| deadline).min().unwrap_or(Deadline::NEVER)
    }

    /// All that it waits for. Of several that are over, the first one decides.
    fn waits(&self, limits: &Limits) -> impl Iterator<Item = (Deadline, Wait)> {
        let after = |since: Option<Instant>, ms| since.map_or(Deadline::NEVER, |since| since.after_ms(ms));
        let phase = match &self.phase {
            // It rests for our sake, or until the replies before it are out.
            Phase::Head { .. } if self.rests(limits) => {
                (self.refilled.after_ms(self.allowance.rest_ms(limits)), Wait::Allowance)
            }
            Phase::Head { .. } if self.asking.is_some() || !self.unsent.is_empty() => (Deadline::NEVER, Wait::Request),
            Phase::Head { since, is_first: false } if self.partial.is_empty() => {
                (since.after_ms(limits.idle_ms), Wait::Request)
            }
            Phase::Head { since, .. } if self.partial.is_empty() => {
                (since.after_ms(limits.head_ms).min(self.speaks_by), Wait::Head)
            }
            Phase::Head { since, .. } => (since.after_ms(limits.head_ms), Wait::Head),
            Phase::Body(body) => (body.since.after_ms(limits.body_ms), Wait::Body),
            Phase::Items(..) => (Deadline::NEVER, Wait::Body),
        };
        let room = self.unsent.next_look(limits);
        let answer = after(self.asking.as_ref().map(|asking| asking.since()), ASK_MS);
        [(room, Wait::Room), (answer, Wait::Answer), phase].into_iter()
    }

    /// A deadline has come; does what is due, one thing after the other.
    pub(super) fn handle_deadline(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let mut waits = self.waits(cx.turn.process.limits);
        let due = waits.find(|(deadline, _)| deadline.is_due(cx.turn.now));
        drop(waits);
        match due.map(|(_, wait)| wait) {
            Some(Wait::Room) if self.unsent.look(cx.link, cx.turn) => self.handle_deadline(cx),
            Some(Wait::Room) => Next::Ending(self.cut_off(CloseReason::WriteStuck)),
            // The peer sees its link end, and does not know what became of its request.
            Some(Wait::Answer) => Next::Ending(self.cut_off(CloseReason::Unanswered)),
            Some(Wait::Request) => Next::Ending(self.finish(CloseReason::IdleTimeout, Sender::Open, cx)),
            Some(Wait::Head | Wait::Body) => {
                let then = self.refuse_late(cx);
                self.follow(then, &mut [], cx)
            }
            Some(Wait::Allowance) => self.read_on(cx),
            Some(Wait::Handshake | Wait::Record | Wait::End | Wait::Sign | Wait::Poll | Wait::Ping) | None => {
                Next::Http(self)
            }
        }
    }

    /// Its allowance has come back, and with it its time for the next request begins.
    fn read_on(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        cx.turn.books.metrics.rested_ms += cx.turn.now.mono.ms_since(self.refilled);
        self.refill(cx.turn.now.mono, cx.turn.process.limits);
        if let Phase::Head { since, .. } = &mut self.phase {
            *since = cx.turn.now.mono;
        }
        if self.has_waiting_input() { self.resume(cx) } else { Next::Http(self) }
    }

    /// The process keeps too much, and there is an unfinished request that would be kept.
    pub(super) fn give_up_input(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let framing = match &mut self.phase {
            // It was taken on when there was room.
            Phase::Items(..) => return Next::Http(self),
            Phase::Body(pending) => std::mem::take(&mut pending.framing),
            Phase::Head { .. } => Framing::of_raw(&self.partial, cx),
        };
        self.ends.get_or_insert(Why::new(CloseReason::MemoryFull));
        let Refused(refusal, reply, why) = gate::no_room();
        self.note_refused(refusal, reply.status, why, cx);
        let then = self.reply(reply, &Framing { keep_alive: false, ..framing }, cx);
        self.follow(then, &mut [], cx)
    }

    /// No whole request came in time (RFC 9110 section 15.5.9).
    fn refuse_late(&mut self, cx: &mut Cx<'_, '_>) -> Then {
        let is_drained = cx.turn.process.drain.has_begun() && self.partial.is_empty();
        let reason = if is_drained { CloseReason::Drain } else { CloseReason::RequestTimeout };
        self.ends.get_or_insert(Why::new(reason));
        let (framing, sentence) = match &mut self.phase {
            Phase::Body(pending) => (std::mem::take(&mut pending.framing), "no whole body came within limits.body_ms"),
            // Not a byte of a request: nobody waits for an answer.
            Phase::Head { .. } if self.partial.is_empty() => return Then::Finish,
            Phase::Head { .. } => (Framing::of_raw(&self.partial, cx), "no whole head came within limits.head_ms"),
            Phase::Items(..) => broken("a request that is there is not late"),
        };
        cx.turn.books.metrics.refuse(Refusal::Timeout);
        self.reply(Reply::text(408, sentence), &Framing { keep_alive: false, ..framing }, cx)
    }

    /// The hub drains. Whoever is in the middle of a request ends by itself: the reply in the
    /// making says so. The first request of a fresh link may be on its way.
    pub(super) fn drain(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let is_silent = self.partial.is_empty() && self.asking.is_none();
        match &self.phase {
            Phase::Head { is_first: true, .. } if is_silent => {
                self.speaks_by = cx.turn.now.after_ms(DRAIN_FIRST_MS);
                Next::Http(self)
            }
            Phase::Head { .. } if is_silent => Next::Ending(self.finish(CloseReason::Drain, Sender::Open, cx)),
            Phase::Head { .. } | Phase::Body(_) | Phase::Items(..) => Next::Http(self),
        }
    }

    /// It moves to another shard before its next request is looked at.
    pub(super) fn move_to(&mut self, shard: usize) {
        self.moves_to = Some(shard);
    }

    /// Whether it moves now, and where: nothing is unanswered, nothing unsent, and the peer may go
    /// on.
    pub(super) fn moves_now(&self) -> Option<usize> {
        let is_between = matches!(self.phase, Phase::Head { .. }) && self.asking.is_none() && self.ends.is_none();
        self.moves_to.filter(|_| is_between && self.unsent.is_empty())
    }

    /// What goes to the other shard.
    pub(super) fn into_moved(self, is_stranger: bool) -> Moved {
        let Phase::Head { since, is_first } = self.phase else { broken("a link moves between requests") };
        let Http { number, entrance, peer, is_nameless, opened, partial: unread, allowance, .. } = self;
        Moved { number, peer, is_nameless, entrance, is_stranger, opened, unread, since, is_first, allowance }
    }

    fn parting(&self) -> Parting {
        let left_bytes = self.unsent.backlog_bytes();
        Parting { number: self.number, timer: self.timer, opened: self.opened, left_bytes }
    }

    /// What waits still goes out, then the link ends; for that reason, unless it has had one
    /// before.
    fn finish(self, reason: CloseReason, sender: Sender, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        let why = self.ends.unwrap_or(Why::new(reason));
        Ending::finishing(self.parting(), why, Rest::Own(self.unsent), sender, cx)
    }

    /// The socket failed, perhaps since it never spoke what it should.
    pub(super) fn handle_failure(self, failure: Failure, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        let reason = CloseReason::SocketFailed;
        let why = match failure {
            Failure::Socket => Why::new(reason),
            Failure::Tls(detail) => Why::blame(reason, detail),
            Failure::NoTls => {
                cx.turn.note_front_fault(FrontFault::NoTls, self.peer);
                Why::blame(reason, FrontFault::NoTls.sentence())
            }
        };
        self.cut_off_for(why)
    }

    /// The link ends at once.
    pub(super) fn cut_off(self, reason: CloseReason) -> Box<Ending> {
        self.cut_off_for(Why::new(reason))
    }

    fn cut_off_for(self, why: Why) -> Box<Ending> {
        let why = self.ends.unwrap_or(why);
        Ending::over(self.parting(), why, Rest::Own(self.unsent))
    }

    /// Of the items that are rejected the first is told, which is mostly what is wrong with all.
    fn note_rejected(&self, draft: &Draft, cx: &mut Cx<'_, '_>) {
        if let Draft::Publish(outcome, _) = draft
            && let Some(FirstRejected { index, rule, event }) = &outcome.first_rejected
        {
            let (conn, client, rejected) = (self.number, self.client, outcome.rejected);
            let fact = || Fact::ItemsRejected { conn, client, rejected, index: *index, rule, event: event.clone() };
            cx.turn.books.trace.note(Level::Debug, fact);
        }
    }

    fn note_refused(&self, refusal: Refusal, status: u16, why: &'static str, cx: &mut Cx<'_, '_>) {
        let (conn, client) = (self.number, self.client);
        cx.turn.books.metrics.refuse(refusal);
        cx.turn.books.trace.note(Level::Debug, || Fact::Refused { conn, client, status, why });
    }
}
