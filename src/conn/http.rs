//! The HTTP side of a connection: requests in order, one reply each, then perhaps the upgrade.
//!
//! What decides about a request is in its head: a stranger's body is never collected. A request refused before its body has
//! come ends the connection after the reply, since the body's bytes would have to be read for nothing.

use super::answers::Asked;
use super::ask::{Answer, Awaited, Caller, Question};
use super::asking::{Asking, Draft, Framing};
use super::client::Peer;
use super::connection::{Connection, Phase};
use super::delivery::FanOut;
use super::request::{PendingBody, Purpose};
use super::turn::Turn;
use crate::api::client_address::client_address;
use crate::api::documents;
use crate::api::negotiated::{Attach, ConnectionToken};
use crate::api::publish::{self, Outcome};
use crate::api::routes::{self, Endpoint, Found, Gate, Public};
use crate::auth::principal::Principal;
use crate::auth::token::{self, TokenError, challenge};
use crate::clock::Deadline;
use crate::close::CloseReason;
use crate::metrics::Refusal;
use crate::proto::Status;
use crate::proto::http::body::{BodyError, Chunked};
use crate::proto::http::head::{BodyLength, Head, HeadError, Method, parse_head};
use crate::proto::http::query;
use crate::proto::http::reply::{self, Body, Reply};
use crate::proto::signalr::{negotiate, text};
use crate::proto::ws::upgrade;
use crate::wire::ConnKey;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a head has decided.
enum Decision {
    Reply(Reply),
    Body(Purpose),
    Metrics,
    Upgraded,
}

/// A refused request: the reply, and how it is counted.
struct Refused(Refusal, Reply, &'static str);

impl Connection {
    /// One request head, if it is whole.
    pub(super) fn advance_head(&mut self, key: ConnKey, input: &mut [u8], turn: &mut Turn<'_>) -> Option<usize> {
        let limits = &turn.shared.limits;
        match parse_head(input, limits.head_bytes_max, limits.headers_max) {
            Ok(Status::Partial) => None,
            Ok(Status::Complete(head)) => {
                let taken = head.len;
                let found = routes::find(head.path, &turn.shared.options.path);
                let is_publish = found.is_some_and(|found| found.route.gate == Gate::Publisher);
                if let Some(asking) = self.asking.as_mut().filter(|_| !is_publish) {
                    asking.hold();
                    return None;
                }
                self.handle_request(key, &head, turn);
                Some(taken)
            }
            Err(HeadError { status, message }) => {
                turn.metrics.refuse(Refusal::BadRequest);
                self.refused(status, message, turn);
                self.detail = Some(message);
                self.set_reason(CloseReason::BadRequest);
                self.reply(key, Reply::text(status, message), &Framing::default(), turn);
                Some(input.len())
            }
        }
    }

    fn handle_request(&mut self, key: ConnKey, head: &Head<'_>, turn: &mut Turn<'_>) {
        turn.metrics.requests += 1;
        self.client = client_address(head, self.peer, &turn.shared.options.trusted_proxies);
        let mut framing = Framing {
            keep_alive: head.keep_alive,
            head_only: head.method == Method::Head,
            origin: head.header("origin").map(str::to_owned),
        };
        let decision = match self.decide(key, head, turn) {
            Ok(decision) => decision,
            Err(Refused(refusal, reply, why)) => {
                turn.metrics.refuse(refusal);
                self.refused(reply.status, why, turn);
                Decision::Reply(reply)
            }
        };
        match decision {
            Decision::Upgraded => {}
            Decision::Body(purpose) => self.begin_body(key, head, purpose, framing, turn),
            Decision::Reply(reply) => {
                if head.body != BodyLength::Sized(0) {
                    framing.keep_alive = false;
                }
                self.reply(key, reply, &framing, turn);
            }
            Decision::Metrics => {
                if head.body != BodyLength::Sized(0) {
                    framing.keep_alive = false;
                }
                let caller = self.caller(key);
                let awaited = turn.ask(caller, Asked::All, Question::Numbers);
                self.await_answers(key, Draft::Metrics, framing, awaited, turn);
            }
        }
    }

    fn decide(&mut self, key: ConnKey, head: &Head<'_>, turn: &mut Turn<'_>) -> Result<Decision, Refused> {
        let options = &turn.shared.options;
        let found = routes::find(head.path, &options.path);
        if head.method == Method::Options {
            // Browsers send no token with a preflight.
            let route = found.map(|found| found.route);
            return Ok(Decision::Reply(routes::preflight(route, head, &options.origins)));
        }
        let Some(found) = found else {
            return Err(Refused(Refusal::NotFound, Reply::text(404, ""), "no such path"));
        };
        let readers = found.route.readers;
        match self.pass_gate(key, head, &found, turn) {
            Ok(Decision::Reply(reply)) => Ok(Decision::Reply(readers.mark(reply))),
            Err(Refused(refusal, reply, why)) => Err(Refused(refusal, readers.mark(reply), why)),
            Ok(decision) => Ok(decision),
        }
    }

    fn pass_gate(
        &mut self,
        key: ConnKey,
        head: &Head<'_>,
        found: &Found<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Decision, Refused> {
        let route = found.route;
        let check_method = || match route.serves(head.method) {
            true => Ok(()),
            false => Err(Refused(Refusal::Method, route.method_not_allowed(), "wrong method")),
        };
        match route.gate {
            Gate::Client(_) if turn.shared.is_draining.load(Ordering::Relaxed) => {
                // A connection that began now would be cut without a Close.
                let reply = Reply::text(503, "draining").with("Retry-After", "1");
                Err(Refused(Refusal::Draining, reply, "draining"))
            }
            Gate::Client(endpoint) => {
                // As in ASP.NET the token comes before the method.
                let principal = authenticate(head, turn)?;
                check_client(&principal, turn)?;
                check_method()?;
                match endpoint {
                    Endpoint::Hub => self.decide_hub(key, head, principal, turn),
                    Endpoint::Negotiate => Ok(Decision::Body(Purpose::Negotiate { query: head.query.to_owned() })),
                }
            }
            Gate::Publisher => {
                check_method()?;
                let principal = authenticate(head, turn)?;
                if head.header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
                    let reply = Reply::text(415, "Content-Encoding is not taken; send the body as it is");
                    return Err(Refused(Refusal::MediaType, reply, "content encoding of a publish request"));
                }
                let content_type = head.header("content-type");
                publish::admit(content_type, head.query, &principal).map_err(|refusal| {
                    let why = "publish request, by its head";
                    Refused(count_as(refusal.status), refusal.reply(), why)
                })?;
                Ok(Decision::Body(Purpose::Publish {
                    content_type: content_type.map(str::to_owned),
                    query: head.query.to_owned(),
                    principal: Box::new(principal),
                }))
            }
            Gate::Open(public) => {
                check_method()?;
                decide_public(public, &found.rest, head, turn)
            }
        }
    }

    /// The hub's own path: upgrades, and what ASP.NET answers to everything else.
    fn decide_hub(
        &mut self,
        key: ConnKey,
        head: &Head<'_>,
        principal: Principal,
        turn: &mut Turn<'_>,
    ) -> Result<Decision, Refused> {
        let not_found = || Refused(Refusal::NotFound, Reply::text(404, text::NO_SUCH_CONNECTION), "unknown id");
        let id = query::value(head.query, "id").filter(|id| !id.is_empty());
        let token = id.as_deref().map(|id| ConnectionToken::parse(id).ok_or_else(not_found)).transpose();
        if head.method == Method::Get && upgrade::is_upgrade(head) {
            if !turn.shared.options.origins.allow(head.header("origin")) {
                let reply = Reply::text(403, "this Origin is not in [cors] origins");
                return Err(Refused(Refusal::Origin, reply, "origin not allowed"));
            }
            let accept_key = upgrade::check(head).map_err(|error| {
                let reply = Reply::text(error.status, error.message);
                let reply = if error.status == 426 { reply.with("Sec-WebSocket-Version", "13") } else { reply };
                Refused(Refusal::BadRequest, reply, error.message)
            })?;
            let token = token?;
            if let Some(token) = token {
                match turn.shared.negotiated.lock().attach(token, turn.now) {
                    Attach::Attached => {}
                    Attach::Unknown => return Err(not_found()),
                    Attach::InUse => {
                        return Err(Refused(Refusal::BadRequest, Reply::text(409, ""), "id in use"));
                    }
                }
            }
            turn.hub.send_raw(key, |out| upgrade::accept(accept_key, out));
            let ends = turn.shared.verifier.ends_unix_s(&principal).map_or(Deadline::NEVER, |ends_unix_s| {
                let left_ms = ends_unix_s.saturating_mul(1000).saturating_sub(turn.now.unix.ms());
                turn.now.after_ms(left_ms)
            });
            let peer = Box::new(Peer::new(principal, token, ends));
            self.phase = Phase::Handshake { peer, since: turn.now.mono };
            return Ok(Decision::Upgraded);
        }
        let bad = |status, why: &'static str| Refused(Refusal::BadRequest, Reply::text(status, why), why);
        let Some(token) = token? else { return Err(bad(400, text::CONNECTION_ID_REQUIRED)) };
        if !turn.shared.negotiated.lock().knows(token, turn.now) {
            return Err(not_found());
        }
        Err(match head.method {
            Method::Post => bad(405, text::POST_TO_WEBSOCKET),
            Method::Delete => bad(400, text::DELETE_NOT_LONG_POLLING),
            Method::Get | Method::Head | Method::Put | Method::Patch | Method::Options | Method::Other => {
                let is_sse = head.header("accept").is_some_and(|accept| accept.contains("text/event-stream"));
                bad(404, if is_sse { text::NO_SERVER_SENT_EVENTS } else { text::NO_LONG_POLLING })
            }
        })
    }

    fn begin_body(&mut self, key: ConnKey, head: &Head<'_>, purpose: Purpose, framing: Framing, turn: &mut Turn<'_>) {
        let body_bytes_max = turn.shared.limits.body_bytes_max;
        let (chunked, length) = match head.body {
            BodyLength::Chunked => (Some(Chunked::default()), 0),
            BodyLength::Sized(length) => {
                match usize::try_from(length).ok().filter(|length| *length <= body_bytes_max) {
                    Some(length) => (None, length),
                    None => return self.too_large(key, framing, turn),
                }
            }
        };
        if head.expect_continue {
            turn.hub.send_raw(key, |out| out.extend_from_slice(reply::CONTINUE));
        }
        let since = turn.now.mono;
        self.phase = Phase::Body(Box::new(PendingBody { purpose, framing, chunked, length, body: Vec::new(), since }));
    }

    fn too_large(&mut self, key: ConnKey, framing: Framing, turn: &mut Turn<'_>) {
        self.set_reason(CloseReason::BadBody);
        turn.metrics.refuse(Refusal::TooLarge);
        self.refused(413, "body over limits.body_bytes_max", turn);
        let message =
            format!("the body has more than limits.body_bytes_max = {} bytes", turn.shared.limits.body_bytes_max);
        self.reply(key, Reply::text(413, message), &Framing { keep_alive: false, ..framing }, turn);
    }

    /// Body bytes in; when it is whole, the request is served.
    pub(super) fn advance_body(&mut self, key: ConnKey, input: &mut [u8], turn: &mut Turn<'_>) -> Option<usize> {
        let Phase::Body(pending) = &mut self.phase else { return None };
        let body_bytes_max = turn.shared.limits.body_bytes_max;
        let (is_whole, taken) = match &mut pending.chunked {
            Some(chunked) => match chunked.decode(input, &mut pending.body, body_bytes_max) {
                Ok((status, taken)) => (status == Status::Complete(()), taken),
                Err(error) => {
                    let framing = std::mem::take(&mut pending.framing);
                    self.set_reason(CloseReason::BadBody);
                    match error {
                        BodyError::TooLarge => self.too_large(key, framing, turn),
                        BodyError::Malformed(message) => {
                            turn.metrics.refuse(Refusal::BadRequest);
                            self.refused(400, message, turn);
                            self.reply(key, Reply::text(400, message), &Framing { keep_alive: false, ..framing }, turn);
                        }
                    }
                    return Some(input.len());
                }
            },
            None if pending.body.is_empty() && input.len() >= pending.length => {
                // Whole within what was read: served where it lies.
                let length = pending.length;
                if let Some(body) = input.get_mut(..length) {
                    self.serve_body(key, body, turn);
                }
                return Some(length);
            }
            None => {
                let taken = input.len().min(pending.length - pending.body.len());
                if pending.body.is_empty() {
                    pending.body.reserve_exact(pending.length);
                }
                pending.body.extend_from_slice(input.get(..taken).unwrap_or_default());
                (pending.body.len() == pending.length, taken)
            }
        };
        if is_whole {
            let mut body = std::mem::take(&mut pending.body);
            self.serve_body(key, &mut body, turn);
            return Some(taken);
        }
        (taken > 0).then_some(taken)
    }

    fn serve_body(&mut self, key: ConnKey, body: &mut [u8], turn: &mut Turn<'_>) {
        let next = Phase::Head { since: turn.now.mono, is_first: false };
        let Phase::Body(pending) = std::mem::replace(&mut self.phase, next) else { return };
        let PendingBody { purpose, framing, .. } = *pending;
        match purpose {
            Purpose::Negotiate { query } => {
                let reply = negotiate(&query, turn);
                self.reply(key, reply, &framing, turn);
            }
            Purpose::Publish { content_type, query, principal } => {
                let request = publish::Request { content_type: content_type.as_deref(), query: &query, body };
                match serve_publish(self.caller(key), request, &principal, turn) {
                    Ok((outcome, awaited)) => {
                        self.await_answers(key, Draft::Publish(Box::new(outcome)), framing, awaited, turn);
                    }
                    Err(refusal) => {
                        turn.metrics.refuse(count_as(refusal.status));
                        self.refused(refusal.status, "publish request, by its body", turn);
                        self.reply(key, refusal.reply(), &framing, turn);
                    }
                }
            }
        }
    }

    /// Who asks, in the next question of this connection.
    fn caller(&self, link: ConnKey) -> Caller {
        Caller { link, ticket: self.asking.as_ref().map_or(0, |asking| asking.ticket()) }
    }

    /// The reply is sent, or waits for what other shards still have to say.
    fn await_answers(
        &mut self,
        key: ConnKey,
        draft: Draft,
        framing: Framing,
        mut awaited: Awaited,
        turn: &mut Turn<'_>,
    ) {
        if self.asking.is_none()
            && let Some(answer) = awaited.whole()
        {
            let reply = draft.reply(answer, turn.catalogue, turn.metrics);
            return self.send_reply(key, reply, &framing, turn);
        }
        let since = turn.now.mono;
        self.asking.get_or_insert_with(|| Box::new(Asking::new(since))).push(draft, framing, awaited);
    }

    /// A shard has answered.
    pub(super) fn handle_reply_answer(&mut self, key: ConnKey, ticket: u32, answer: Answer, turn: &mut Turn<'_>) {
        let Some(asking) = &mut self.asking else { return };
        asking.add(ticket, answer);
        while let Some(asking) = &mut self.asking
            && let Some((reply, framing)) = asking.pop(turn.catalogue, turn.metrics, turn.now.mono)
        {
            if asking.is_empty() {
                self.asking = None;
                // A request whose body is still coming goes on, unless the peer has ended its direction.
                if self.reason.is_none() && matches!(self.phase, Phase::Body(_)) {
                    self.write_reply(key, reply, true, &framing, turn);
                } else {
                    self.send_reply(key, reply, &framing, turn);
                }
            } else {
                // Another reply follows, so this one can't end the connection.
                self.write_reply(key, reply, true, &framing, turn);
            }
        }
        if self.has_waiting_input() {
            self.resume(key, turn);
        }
    }

    /// A reply is made: it goes out, behind those that wait.
    fn reply(&mut self, key: ConnKey, reply: Reply, framing: &Framing, turn: &mut Turn<'_>) {
        match &mut self.asking {
            Some(asking) => {
                asking.push_ready(reply, framing.clone());
                self.phase = Phase::Head { since: turn.now.mono, is_first: false };
            }
            None => self.send_reply(key, reply, framing, turn),
        }
    }

    /// Queues the last reply that is due; the connection goes on to the next request, or ends.
    fn send_reply(&mut self, key: ConnKey, reply: Reply, framing: &Framing, turn: &mut Turn<'_>) {
        // The peer may have ended its direction while the reply was made, or the drain have begun.
        let is_draining = turn.shared.is_draining.load(Ordering::Relaxed);
        let keep_alive = framing.keep_alive && self.reason.is_none() && !is_draining;
        self.write_reply(key, reply, keep_alive, framing, turn);
        if keep_alive {
            self.phase = Phase::Head { since: turn.now.mono, is_first: false };
        } else {
            self.finish(key, turn, CloseReason::Served);
        }
    }

    fn write_reply(&self, key: ConnKey, reply: Reply, keep_alive: bool, framing: &Framing, turn: &mut Turn<'_>) {
        let reply = turn.shared.options.origins.dress(reply, framing.origin.as_deref());
        turn.hub.send_raw(key, |out| reply::encode(&reply, keep_alive, framing.head_only, out));
    }

    /// No whole request came in time (RFC 9110 section 15.5.9).
    pub(super) fn refuse_late(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        self.set_reason(CloseReason::RequestTimeout);
        let framing = match &mut self.phase {
            Phase::Body(pending) => std::mem::take(&mut pending.framing),
            Phase::Head { .. }
            | Phase::Handshake { .. }
            | Phase::Open(_)
            | Phase::Closing { .. }
            | Phase::Finishing { .. }
            | Phase::Lingering { .. } => Framing::default(),
        };
        if self.partial.is_empty() && matches!(self.phase, Phase::Head { .. }) {
            // Not a byte of a request: nobody waits for an answer.
            self.finish(key, turn, CloseReason::RequestTimeout);
        } else {
            turn.metrics.refuse(Refusal::Timeout);
            self.reply(key, Reply::text(408, ""), &Framing { keep_alive: false, ..framing }, turn);
        }
    }
}

/// How a refused publish request is counted.
fn count_as(status: u16) -> Refusal {
    match status {
        403 => Refusal::Forbidden,
        413 => Refusal::TooLarge,
        415 => Refusal::MediaType,
        _ => Refusal::BadRequest,
    }
}

fn decide_public(public: Public, rest: &str, head: &Head<'_>, turn: &Turn<'_>) -> Result<Decision, Refused> {
    let reply = match public {
        Public::Health => Reply::text(200, "ok\n"),
        Public::Ready if turn.shared.is_draining.load(Ordering::Relaxed) => Reply::text(503, "draining\n"),
        Public::Ready => Reply::text(200, "ready\n"),
        Public::Metrics => return Ok(Decision::Metrics),
        Public::Document(path) => documents::document(path, head, turn.catalogue),
        Public::Schema => documents::schema(rest, head, turn.catalogue),
    };
    match reply.status {
        404 => Err(Refused(Refusal::NotFound, reply, "no such document")),
        _ => Ok(Decision::Reply(reply)),
    }
}

fn authenticate(head: &Head<'_>, turn: &Turn<'_>) -> Result<Principal, Refused> {
    let refuse = |refusal, error| {
        let reply = Reply::text(401, "").with("WWW-Authenticate", challenge(error));
        Refused(refusal, reply, error.map_or("no token", |error| error.sentence()))
    };
    if head.values("authorization").count() > 1 {
        // Whatever they hold, two are one too many: proxies and hubs differ in which they look at.
        return Err(refuse(Refusal::BadToken, Some(TokenError::Conflict)));
    }
    let bearer = token::bearer(head.header("authorization"), head.query)
        .map_err(|error| refuse(Refusal::BadToken, Some(error)))?
        .ok_or_else(|| refuse(Refusal::NoToken, None))?;
    turn.shared.verifier.verify(bearer.token(), turn.now).map_err(|error| refuse(Refusal::BadToken, Some(error)))
}

fn check_client(principal: &Principal, turn: &Turn<'_>) -> Result<(), Refused> {
    turn.shared.verifier.check_client(principal).map_err(|error| {
        let reply = Reply::text(401, error.sentence()).with("WWW-Authenticate", challenge(Some(error)));
        Refused(Refusal::BadToken, reply, error.sentence())
    })
}

fn negotiate(query: &str, turn: &mut Turn<'_>) -> Reply {
    let mut body = Vec::new();
    match negotiate::version(query) {
        Err(error) => negotiate::encode_error(error, &mut body),
        Ok(version) => {
            let mut token = ConnectionToken([0; 16]);
            turn.entropy.fill(&mut token.0);
            if !turn.shared.negotiated.lock().offer(token, turn.now) {
                turn.metrics.refuse(Refusal::Full);
                return Reply::text(503, "too many connections are being negotiated").with("Retry-After", "1");
            }
            let mut id = ConnectionToken([0; 16]);
            turn.entropy.fill(&mut id.0);
            let (id, token) = (id.text(), token.text());
            // Version 0 knows one id for both.
            negotiate::encode(version, if version == 0 { &token } else { &id }, &token, &mut body);
        }
    }
    Reply::new(200, "application/json", Body::Owned(body)).with("Cache-Control", "no-store")
}

/// Takes a publish request: what became of its items, and what is still to be answered before its publisher may know.
fn serve_publish(
    caller: Caller,
    request: publish::Request<'_>,
    principal: &Principal,
    turn: &mut Turn<'_>,
) -> Result<(Outcome, Awaited), publish::Refusal> {
    let rules = publish::Rules {
        catalogue: turn.catalogue,
        options: &turn.shared.options.publish,
        everybody: &turn.shared.verifier.options().default_grants,
        limits: &turn.shared.limits,
    };
    let (shard, shards) = (turn.shard, turn.shared.shards);
    let mut scratch = std::mem::take(turn.publish_scratch);
    let (delivery, outbound) = turn.delivery_and_outbound();
    let mut fan_out = FanOut { delivery, outbound, shard, shards, away: SmallVec::new() };
    let outcome = publish::publish(request, rules, principal, &mut scratch, &mut fan_out);
    let asked = fan_out.ask(caller);
    *turn.publish_scratch = scratch;
    let outcome = outcome?;
    let awaited = match outcome.topics() {
        Some(topics) => turn.ask(caller, Asked::All, Question::Members(Arc::from(topics))),
        None => Awaited::new(Some(Answer::Published), asked, turn.now.mono),
    };
    Ok((outcome, awaited))
}
