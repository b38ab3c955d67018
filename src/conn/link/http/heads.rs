//! Request heads, and what each decides.

use super::super::asking::{Draft, Framing};
use super::super::cx::Cx;
use super::super::detached;
use super::super::front;
use super::super::gate::{self, Decision};
use super::super::polled;
use super::super::refused::Refused;
use super::super::request::Purpose;
use super::super::whereabouts;
use super::{Http, Phase, Then};
use crate::api::client_address::client_address;
use crate::api::cors::Origins;
use crate::api::negotiated::Place;
use crate::api::routes::{self, Found, Gate};
use crate::close::CloseReason;
use crate::conn::allowance::TOKEN_COST;
use crate::conn::answers::Asked;
use crate::conn::ask::Question;
use crate::conn::end::Why;
use crate::conn::hub::origin::Origin;
use crate::conn::order::Order;
use crate::conn::step::Step;
use crate::conn::turn::Process;
use crate::hub::ANSWER_BYTES_PER_DELIVERY;
use crate::hub::encoding::Encoding;
use crate::hub::outbox::Writable;
use crate::hub::partition::Partition;
use crate::hub::registry::ConnKey;
use crate::metrics::{ProcessNumbers, Refusal};
use crate::proto::Status;
use crate::proto::http::head::{BodyLength, Head, HeadError, Method, parse_head};
use crate::proto::http::reply::{self, Body, Reply};
use crate::proto::proxy::Preamble;
use crate::proto::signalr::transport::Transport;
use crate::proto::sse;
use crate::trace::FrontFault;

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
        | Decision::Resumed { .. }
        | Decision::Replaces(_)
        | Decision::Streams(_)
        | Decision::Begins
        | Decision::Polls(_) => REQUEST_COST + token,
        Decision::Reply(reply) => REQUEST_COST + token + reply.body.bytes().len() / ANSWER_BYTES_PER_DELIVERY,
        Decision::Position(_) | Decision::Refresh(..) => REQUEST_COST + token,
        Decision::Metrics => REQUEST_COST + METRICS_COST,
    }
}

impl Http {
    /// One request head, if it is whole. While replies wait only a publish is taken on: what others
    /// ask for may be large, and costs nothing to ask.
    pub(super) fn advance_head(&mut self, input: &mut [u8], cx: &mut Cx<'_, '_>) -> Option<(usize, Then)> {
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
                self.moves_to = whereabouts::elsewhere(&head, found.as_ref(), cx.turn);
                if self.moves_to.is_some() {
                    return None;
                }
                let then = self.handle_request(&head, found, cx);
                (then != Then::Again).then_some((taken, then))
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
        if !self.is_guest() {
            cx.turn.out.wire.widen(cx.link);
        }
        self.charge(cost(head, &decision), cx);
        cx.turn.books.metrics.requests += u64::from(!matches!(decision, Decision::Replaces(_)));
        match decision {
            Decision::Replaces(former) => {
                cx.turn.steps.push(Step::Replaced(former));
                self.wait_in_line(cx);
                Then::Again
            }
            Decision::Resumed { conn, accept } => {
                detached::attach(conn, self.number, self.timer, &accept, cx);
                Then::Upgraded(conn)
            }
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
}
