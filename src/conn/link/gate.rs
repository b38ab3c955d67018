//! What a request's head decides.

use super::bearer::{authenticate, check_client, check_revoked, note_bearer, verify};
use super::cx::Cx;
use super::detached::{self, Stateful};
use super::readiness::{self, STARTING};
use super::refresh;
use super::refused::{Refused, too_much};
use super::request::Purpose;
use super::whereabouts::place;
use crate::api::cors::{NOT_ALLOWED, Readers};
use crate::api::documents;
use crate::api::negotiated::{Attach, ConnectionToken, Place, TokenId};
use crate::api::position;
use crate::api::publish;
use crate::api::revoke;
use crate::api::routes::{self, Endpoint, Entrance, Found, Gate, Public};
use crate::auth::principal::Principal;
use crate::auth::token::{self, Known, challenge};
use crate::close::CloseReason;
use crate::conn::end::End;
use crate::conn::hub::connection::Connection;
use crate::conn::hub::origin::Origin;
use crate::conn::quotas::{AddressBlock, Share};
use crate::conn::step::Step;
use crate::conn::turn::{Options, Process, Turn};
use crate::conn::whose::Whose;
use crate::hub::encoding::Encoding;
use crate::hub::registry::ConnKey;
use crate::limits::CONNECTION_BYTES;
use crate::metrics::Refusal;
use crate::proto::http::head::{BodyLength, Head, Method};
use crate::proto::http::query;
use crate::proto::http::reply::Reply;
use crate::proto::signalr::text;
use crate::proto::signalr::transport::Transport;
use crate::proto::sse;
use crate::proto::ws::upgrade;
use crate::trace::FrontFault;
use crate::wire::LinkKey;
use std::sync::Arc;
use uuid::Uuid;

/// What a head has decided.
pub(super) enum Decision {
    Reply(Reply),
    Body(Purpose),
    Metrics,
    /// Where this organization stands, which its home knows.
    Position(Uuid),
    /// The connection there goes on with this token.
    Refresh(Place, Arc<Principal>),
    /// The link carries a connection from here on, behind the reply that says so.
    Upgraded {
        conn: ConnKey,
        accept: Vec<u8>,
    },
    /// The same, of a connection that has lost its link.
    Resumed {
        conn: ConnKey,
        accept: Vec<u8>,
    },
    /// The connection that it asks for is still carried by that link, which is to leave it first.
    Replaces(LinkKey),
    /// The link carries a connection from here on, behind the head of a reply without end.
    Streams(ConnKey),
    /// The first poll of a connection, which it has begun.
    Begins,
    /// A further poll of that connection.
    Polls(ConnKey),
}

/// Decides about a request, for its head alone.
///
/// # Errors
/// The request is refused.
pub(super) fn decide(
    head: &Head<'_>,
    found: Option<Found<'_>>,
    origin: Origin,
    known: &mut Option<Box<Known>>,
    cx: &mut Cx<'_, '_>,
) -> Result<Decision, Refused> {
    let options = cx.turn.process.options;
    let found = found.filter(|found| found.route.is_offered(options.pages));
    if let Some(Found { route, .. }) = &found
        && !route.is_at(origin.entrance, options.public_documents)
    {
        return Err(Refused(Refusal::NotFound, route.elsewhere(), "served by the other listener"));
    }
    if head.method == Method::Options {
        // Browsers send no token with a preflight.
        let reply = routes::preflight(found.as_ref().map(|found| found.route), head, &options.origins);
        return match reply.status {
            403 => Err(refuse_origin(reply, head, origin, cx.turn)),
            _ => Ok(Decision::Reply(reply)),
        };
    }
    let Some(found) = found else {
        let sentence = format!("nothing is served at this path; the hub is at {}", options.path);
        let reply = Readers::Everybody.mark(Reply::text(404, sentence));
        return Err(Refused(Refusal::NotFound, reply, "no such path"));
    };
    let readers = found.route.readers;
    match pass_gate(head, &found, origin, known, cx) {
        Ok(Decision::Reply(reply)) => Ok(Decision::Reply(readers.mark(reply))),
        Err(Refused(refusal, reply, why)) => Err(Refused(refusal, readers.mark(reply), why)),
        Ok(decision) => Ok(decision),
    }
}

fn pass_gate(
    head: &Head<'_>,
    found: &Found<'_>,
    origin: Origin,
    known: &mut Option<Box<Known>>,
    cx: &mut Cx<'_, '_>,
) -> Result<Decision, Refused> {
    let route = found.route;
    let check_method = || match route.serves(head.method) {
        true => Ok(()),
        false => Err(Refused(Refusal::Method, route.method_not_allowed(), "wrong method")),
    };
    match route.gate {
        Gate::Client(_) | Gate::Publisher | Gate::Either
            if cx.turn.process.drain.has_begun() && place(head, route, cx.turn).is_none() =>
        {
            // A connection that began now would be cut without a Close, a publication would reach
            // only those who are still there.
            let reply = Reply::text(503, "the hub is draining: try again").with("Retry-After", "1");
            Err(Refused(Refusal::Draining, reply, "draining"))
        }
        Gate::Client(_) | Gate::Publisher | Gate::Either
            if cx.turn.process.contact.is_some_and(|contact| !contact.is_ready()) =>
        {
            // What held before is not known here yet, nor what was missed.
            let reply = Reply::text(503, STARTING).with("Retry-After", "1");
            Err(Refused(Refusal::Starting, reply, "starting"))
        }
        Gate::Client(_) if !cx.turn.hub.share().all().has_room(CLIENT_BYTES) => Err(no_room()),
        Gate::Client(endpoint) => {
            // Who shows an id was counted when it was negotiated.
            let block = AddressBlock::of(origin.client);
            let connects = match endpoint {
                Endpoint::Negotiate => true,
                Endpoint::Hub => query::value(head.query, "id").is_none(),
                Endpoint::Refresh => false,
            };
            if connects {
                cx.turn.process.quotas.knock(block, cx.turn.now).map_err(too_much)?;
            }
            // As in ASP.NET the token comes before the method.
            let ticket = if endpoint == Endpoint::Hub { ticket(head, cx.turn) } else { None };
            let principal = ticket.map_or_else(|| authenticate_client(head, route.gate, origin, known, cx.turn), Ok);
            // A connection that lives is ended by its shard, and its client told by its last words.
            let principal = principal.and_then(|principal| match check_revoked(&principal, cx.turn) {
                Err(refused) if place(head, route, cx.turn).is_none() => Err(refused),
                Ok(()) | Err(_) => Ok(principal),
            });
            note_bearer(head, origin, principal.as_ref(), cx.turn);
            let principal = match endpoint {
                Endpoint::Refresh => principal.map_err(refresh::refuse_token)?,
                Endpoint::Hub | Endpoint::Negotiate => principal?,
            };
            check_method()?;
            check_origin(head, origin, cx.turn)?;
            let share = Share::of(&principal, block);
            if connects {
                cx.turn.process.quotas.call(share, cx.turn.now).map_err(too_much)?;
            }
            match endpoint {
                Endpoint::Hub => decide_hub(head, principal, origin, cx),
                Endpoint::Refresh => {
                    Ok(Decision::Refresh(refresh::place(head, &principal, cx.turn.process)?, Arc::new(principal)))
                }
                Endpoint::Negotiate if cx.turn.process.places.is_full() => Err(full()),
                Endpoint::Negotiate => {
                    cx.turn.process.quotas.check(share).map_err(too_much)?;
                    Ok(Decision::Body(match send_on(head, cx.turn.process.options) {
                        Some(body) => Purpose::SendOn(body),
                        None => Purpose::Negotiate { query: head.query.to_owned(), principal: Box::new(principal) },
                    }))
                }
            }
        }
        Gate::Publisher => {
            check_method()?;
            check_query(head, cx.turn)?;
            // A token is told once, and not with each request that shows it again.
            let former = known.as_deref().map(core::ptr::from_ref);
            let principal = authenticate(head, route.gate, origin, known, cx.turn);
            if principal.is_err() || known.as_deref().map(core::ptr::from_ref) != former {
                note_bearer(head, origin, principal.as_ref(), cx.turn);
            }
            let principal = principal?;
            if !cx.turn.hub.share().all().has_room(body_bytes(head).min(cx.turn.process.limits.body_bytes_max)) {
                return Err(no_room());
            }
            // Where no place is free it is served all the same, and may have to make room.
            cx.turn.admit(cx.link);
            let head = publish::admit(head, &principal).map_err(|refusal| {
                let why = refusal.why;
                Refused(count_as(refusal.status), refusal.reply(), why)
            })?;
            Ok(Decision::Body(Purpose::Publish { head: Box::new(head), principal: Box::new(principal) }))
        }
        Gate::Either => {
            check_method()?;
            let principal = authenticate(head, route.gate, origin, known, cx.turn).and_then(|principal| {
                match principal.may_publish {
                    true => check_query(head, cx.turn)?,
                    false => {
                        check_client_query(head, route.gate, cx.turn)?;
                        check_client(&principal, cx.turn)?;
                    }
                }
                Ok(principal)
            });
            note_bearer(head, origin, principal.as_ref(), cx.turn);
            let principal = principal?;
            check_origin(head, origin, cx.turn)?;
            cx.turn.admit(cx.link);
            decide_position(head, &principal, cx.turn)
        }
        Gate::Admin => {
            check_method()?;
            check_query(head, cx.turn)?;
            let principal = authenticate(head, route.gate, origin, &mut None, cx.turn);
            note_bearer(head, origin, principal.as_ref(), cx.turn);
            let principal = principal?;
            if !principal.is_admin {
                let why = "the token has no scope admin";
                return Err(Refused(Refusal::Forbidden, Reply::text(403, why), why));
            }
            cx.turn.admit(cx.link);
            if head.method == Method::Post {
                return Ok(Decision::Body(Purpose::Revoke(Box::new(principal))));
            }
            let revocations = cx.turn.process.revocations.list(cx.turn.now);
            Ok(Decision::Reply(revoke::list(&revocations, &principal)))
        }
        Gate::Open(public) => {
            check_method()?;
            decide_public(public, &found.rest, head, origin.entrance, cx.turn)
        }
    }
}

/// A back end's token is good for much, and a query stands in the logs of whatever it passes.
fn check_query(head: &Head<'_>, turn: &Turn<'_>) -> Result<(), Refused> {
    let in_query = token::bearer(None, head.query);
    if turn.process.options.publish.query_token || matches!(in_query, Ok(None)) {
        return Ok(());
    }
    let reply = Reply::text(401, TOKEN_IN_QUERY).with("WWW-Authenticate", challenge(None));
    Err(Refused(Refusal::BadToken, reply, "a publisher's token in the query"))
}

/// A query stands in the logs of whatever it passes, and a ticket serves as well.
fn check_client_query(head: &Head<'_>, gate: Gate, turn: &Turn<'_>) -> Result<(), Refused> {
    let in_query = token::bearer(None, head.query);
    if turn.process.options.jwt_in_query || matches!(in_query, Ok(None)) {
        return Ok(());
    }
    let takes_tickets = gate == Gate::Client(Endpoint::Hub) && turn.process.options.tickets;
    let why = if takes_tickets { format!("{JWT_IN_QUERY}; {TICKET_IN_QUERY}") } else { JWT_IN_QUERY.to_owned() };
    let reply = Reply::text(401, why).with("WWW-Authenticate", challenge(None));
    Err(Refused(Refusal::BadToken, reply, "a client's token in the query"))
}

/// Who shows a token of a client, which may have been revoked.
fn authenticate_client(
    head: &Head<'_>,
    gate: Gate,
    origin: Origin,
    known: &mut Option<Box<Known>>,
    turn: &mut Turn<'_>,
) -> Result<Principal, Refused> {
    check_client_query(head, gate, turn)?;
    let principal = verify(head, gate, origin, known, turn)?;
    check_client(&principal, turn)?;
    Ok(principal)
}

/// Who shows the ticket of the connection that the query names. It begins that connection as long
/// as the token was good for which it stands, and is good for what belongs to it as long as it
/// lives.
fn ticket(head: &Head<'_>, turn: &Turn<'_>) -> Option<Principal> {
    let Process { options, id_key, negotiated, verifier, .. } = turn.process;
    if !options.tickets || head.values("authorization").count() > 1 {
        return None;
    }
    let bearer = token::bearer(head.header("authorization"), head.query).ok()??;
    let token = ConnectionToken::parse(&query::value(head.query, "id")?)?;
    let principal = id_key.open(&token, bearer.token().opaque()?)?;
    let lives = token.unproven_id().is_some_and(|id| negotiated.lock().place(id).is_some());
    (lives || !verifier.is_expired(&principal, turn.now)).then_some(principal)
}

/// What sends a client on that negotiates by another name of this hub, with the token that it came
/// with.
fn send_on(head: &Head<'_>, options: &Options) -> Option<Vec<u8>> {
    let url = options.public_url.as_ref()?;
    let bearer = token::bearer(head.header("authorization"), head.query).ok()??;
    url.is_elsewhere(head.header("host"), head.query).then(|| url.body(bearer.token()))
}

/// What a client is sure to take: its connection, and a Subscribe.
const CLIENT_BYTES: usize = 4 * CONNECTION_BYTES;

/// What a body takes, as far as its head says so.
fn body_bytes(head: &Head<'_>) -> usize {
    match head.body {
        BodyLength::Sized(length) => usize::try_from(length).unwrap_or(usize::MAX),
        BodyLength::Chunked => 0,
    }
}

/// The process keeps as much as it may.
pub(super) fn no_room() -> Refused {
    let reply = Reply::text(503, "limits.memory_bytes_max is reached: come back later").with("Retry-After", "5");
    Refused(Refusal::Memory, reply, "memory_bytes_max")
}

/// The pages of other origins learn it when they negotiate, and not only from the upgrade.
fn check_origin(head: &Head<'_>, origin: Origin, turn: &mut Turn<'_>) -> Result<(), Refused> {
    match turn.process.options.origins.allow(head.header("origin"), head.header("host")) {
        true => Ok(()),
        false => Err(refuse_origin(Reply::text(403, NOT_ALLOWED), head, origin, turn)),
    }
}

fn refuse_origin(reply: Reply, head: &Head<'_>, origin: Origin, turn: &mut Turn<'_>) -> Refused {
    turn.note_origin(head.header("origin").unwrap_or_default(), origin.peer);
    Refused(Refusal::Origin, reply, NOT_ALLOWED)
}

/// The hub's own path: what begins connections, and what belongs to those that have no WebSocket.
fn decide_hub(head: &Head<'_>, principal: Principal, origin: Origin, cx: &mut Cx<'_, '_>) -> Result<Decision, Refused> {
    let id = query::value(head.query, "id").filter(|id| !id.is_empty());
    let check = |id: &str| cx.turn.process.id_key.check(&ConnectionToken::parse(id)?, &principal);
    let token = id.as_deref().map(|id| check(id).ok_or_else(unknown_id)).transpose();
    if head.method == Method::Get && upgrade::is_upgrade(head) && !upgrade::is_lost(head) {
        let accept_key = upgrade::check(head).map_err(|error| {
            let reply = Reply::text(error.status, error.message);
            // RFC 9110 section 15.5.22: "The server MUST send an Upgrade header field in a 426
            // response".
            let version = |reply: Reply| reply.with("Sec-WebSocket-Version", "13").with("Upgrade", "websocket");
            let reply = if error.status == 426 { version(reply) } else { reply };
            Refused(Refusal::BadRequest, reply, error.message)
        })?;
        let token = token?;
        let mut accept = Vec::new();
        upgrade::accept(accept_key, cx.turn.tools.date.at(cx.turn.now.unix), &mut accept);
        return match token.and_then(|token| detached::find(token, cx)) {
            Some(Stateful::Linked(former)) => Ok(Decision::Replaces(former)),
            Some(Stateful::Detached(conn)) => Ok(Decision::Resumed { conn, accept }),
            // Where an upgrade is accepted and fails, JavaScript clients try again at once, for
            // ever.
            Some(Stateful::Lacking) => Err(unknown_id()),
            None => {
                let conn = begin(token, Transport::WebSockets, principal, origin, cx)?;
                Ok(Decision::Upgraded { conn, accept })
            }
        };
    }
    if upgrade::is_lost(head) {
        return Err(lost_upgrade(origin, cx.turn));
    }
    let Some(token) = token? else { return Err(bad(400, text::CONNECTION_ID_REQUIRED)) };
    let place = cx.turn.process.negotiated.lock().place(token);
    match head.method {
        Method::Post => match place {
            Some(Place { transport: Transport::WebSockets, .. }) => Err(bad(405, text::POST_TO_WEBSOCKET)),
            Some(place) => Ok(Decision::Body(Purpose::Send(place.conn))),
            // It says something before it polls for the first time.
            None => begin(Some(token), Transport::LongPolling, principal, origin, cx)
                .map(|conn| Decision::Body(Purpose::Send(conn))),
        },
        Method::Delete => match place {
            Some(Place { transport: Transport::LongPolling, conn, .. }) => {
                let word = End::silent(CloseReason::PeerClosed);
                cx.turn.steps.extend([Step::End(conn, word), Step::Free(conn)]);
                Ok(Decision::Reply(Reply::text(202, "")))
            }
            None if !cx.turn.process.negotiated.lock().knows(token, cx.turn.now) => Err(unknown_id()),
            Some(_) | None => Err(bad(400, text::DELETE_NOT_LONG_POLLING)),
        },
        Method::Get | Method::Head | Method::Put | Method::Patch | Method::Options | Method::Other => {
            let is_stream = head.header("accept").is_some_and(|accept| accept.contains(sse::MEDIA_TYPE));
            match (is_stream, place) {
                (false, Some(Place { transport: Transport::LongPolling, conn, .. })) => Ok(Decision::Polls(conn)),
                (false, _) => {
                    begin(Some(token), Transport::LongPolling, principal, origin, cx).map(|_| Decision::Begins)
                }
                (true, _) => {
                    begin(Some(token), Transport::ServerSentEvents, principal, origin, cx).map(Decision::Streams)
                }
            }
        }
    }
}

fn bad(status: u16, why: &'static str) -> Refused {
    Refused(Refusal::BadRequest, Reply::text(status, why), why)
}

/// Begins a connection, under its token where it has negotiated one.
fn begin(
    token: Option<TokenId>,
    transport: Transport,
    principal: Principal,
    origin: Origin,
    cx: &mut Cx<'_, '_>,
) -> Result<ConnKey, Refused> {
    let process = cx.turn.process;
    if !process.options.transports.contains(&transport) {
        return Err(Refused(Refusal::NotFound, Reply::text(404, text::no_transport(transport)), "transport is off"));
    }
    if let Some(place) = token.and_then(|token| process.negotiated.lock().place(token)) {
        return Err(in_use(place, transport));
    }
    let share = Share::of(&principal, AddressBlock::of(origin.client));
    process.quotas.join(share).map_err(too_much)?;
    // The place is the connection's, where it has no link of its own.
    let polls = transport == Transport::LongPolling;
    let has_place = if polls { process.places.take_polled() } else { cx.turn.admit(cx.link) };
    let begun = if has_place { begin_at(token, transport, principal, origin, cx) } else { Err(full()) };
    if begun.is_err() {
        process.quotas.leave(share);
        match (has_place, polls) {
            (true, true) => process.places.give_back_linkless(),
            (true, false) => cx.turn.dismiss(cx.link),
            (false, _) => {}
        }
    }
    begun
}

/// Begins a connection that has its place.
fn begin_at(
    token: Option<TokenId>,
    transport: Transport,
    principal: Principal,
    mut origin: Origin,
    cx: &mut Cx<'_, '_>,
) -> Result<ConnKey, Refused> {
    let (process, now) = (cx.turn.process, cx.turn.now);
    let connections = &mut *cx.connections;
    let turn = &mut *cx.turn;
    let begin = || match transport {
        Transport::WebSockets | Transport::ServerSentEvents => {
            connections.insert(Connection::begin(origin, principal, token, turn))
        }
        Transport::LongPolling => connections.insert_with_key(|conn| {
            origin.number = turn.numbers.take();
            origin.timer = turn.timers.add(Whose::Connection(conn));
            turn.hub.open_polled(conn, now);
            turn.hub.set_encoding(conn, Encoding::of(transport));
            turn.steps.push(Step::Look(conn));
            Connection::begin(origin, principal, token, turn)
        }),
    };
    let Some(token) = token else { return Ok(begin()) };
    let begin = || Place::new(process.shard, begin(), transport);
    let attached = process.negotiated.lock().attach(token, now, begin);
    match attached {
        Attach::Attached(place) => Ok(place.conn),
        Attach::Unknown => Err(unknown_id()),
        Attach::InUse(place) => Err(in_use(place, transport)),
    }
}

/// The id of a request has its connection.
fn in_use(place: Place, transport: Transport) -> Refused {
    match place.transport == transport {
        true => Refused(Refusal::BadRequest, Reply::text(409, text::ID_IN_USE), "id in use"),
        false => bad(400, text::TRANSPORT_CHANGED),
    }
}

/// No place is free. Clients hear it before their upgrade, while they still ask why.
fn full() -> Refused {
    let reply = Reply::text(503, "limits.connections_max is reached: come back later").with("Retry-After", "5");
    Refused(Refusal::Full, reply, "connections_max")
}

/// A proxy has lost the upgrade: whoever asks for WebSockets reads here what its operator must do.
fn lost_upgrade(origin: Origin, turn: &mut Turn<'_>) -> Refused {
    let fault = FrontFault::UpgradeLost;
    turn.note_front_fault(fault, origin.peer);
    let reply = Reply::text(426, fault.told()).with("Upgrade", "websocket");
    Refused(Refusal::BadRequest, reply, fault.sentence())
}

pub(super) fn unknown_id() -> Refused {
    Refused(Refusal::NotFound, Reply::text(404, text::NO_SUCH_CONNECTION), "unknown id")
}

/// How a refused publish request is counted.
pub(super) fn count_as(status: u16) -> Refusal {
    match status {
        403 => Refusal::Forbidden,
        413 => Refusal::TooLarge,
        415 => Refusal::MediaType,
        _ => Refusal::BadRequest,
    }
}

fn decide_public(
    public: Public,
    rest: &str,
    head: &Head<'_>,
    entrance: Entrance,
    turn: &Turn<'_>,
) -> Result<Decision, Refused> {
    let hub = &turn.process.options.path;
    let reply = match public {
        Public::Health => Reply::text(200, "ok\n"),
        Public::Ready => readiness::reply(head.query, turn.process, turn.now),
        Public::Metrics => return Ok(Decision::Metrics),
        Public::Document(path) => documents::document(path, head, turn.process.catalogue),
        Public::Schema => documents::schema(rest, head, turn.process.catalogue),
        Public::OpenApi => documents::open_api(hub, head),
        Public::Page("") => documents::page(rest, hub, entrance, head),
        Public::Page(file) => documents::page(file, hub, entrance, head),
    };
    match reply.status {
        404 => Err(Refused(Refusal::NotFound, reply, "no such document")),
        _ => Ok(Decision::Reply(reply)),
    }
}

fn decide_position(head: &Head<'_>, principal: &Principal, turn: &Turn<'_>) -> Result<Decision, Refused> {
    match position::organization(head.query, principal, turn.process.verifier.tenancy()) {
        Ok(organization) => Ok(Decision::Position(organization)),
        Err((status, why)) => Err(Refused(count_as(status), Reply::text(status, why), why)),
    }
}

/// The body of a 401 for a publisher's token in the query.
const TOKEN_IN_QUERY: &str = "send the token in the header Authorization (Bearer): a query stands in logs, \
                              and access_token is taken from it here only with publish.query_token";

/// The body of a 401 for a client's token in the query.
const JWT_IN_QUERY: &str =
    "send the token in the header Authorization (Bearer): auth.jwt_in_query refuses it in the query";

/// What more it says where tickets are taken.
const TICKET_IN_QUERY: &str = "what negotiate gives as accessToken is taken there";
