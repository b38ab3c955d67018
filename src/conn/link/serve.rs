//! What becomes of a request whose body is there.

use super::asking::Draft;
use super::cx::Cx;
use super::gate::{count_as, unknown_id};
use super::refused::Refused;
use crate::api::negotiated::IdKey;
use crate::api::publish::{self, Judgement, Outcome, Refusal as PublishRefusal, RequestHead, Rules};
use crate::api::revoke;
use crate::auth::principal::Principal;
use crate::auth::revoked::Revocation;
use crate::conn::answers::Asked;
use crate::conn::ask::{Answer, Awaited, Caller, Published, Question};
use crate::conn::delivery::{Collected, FanOut};
use crate::conn::end::Flow;
use crate::conn::hub::connection::NotPosted;
use crate::conn::hub::refreshing::lifetime_s;
use crate::conn::mail::{Mail, To};
use crate::conn::step::Step;
use crate::conn::turn::{Options, Process, Turn};
use crate::echo::echo;
use crate::hub::record::Record;
use crate::hub::registry::ConnKey;
use crate::metrics::Refusal;
use crate::proto::Status;
use crate::proto::http::reply::{Body, Reply};
use crate::proto::signalr::negotiate::{self, Offer};
use crate::proto::signalr::transport::Transport;
use crate::trace::{Fact, Level};
use crate::wire::LinkKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// Offers a connection token to that principal.
pub(super) fn negotiate(query: &str, principal: &Principal, turn: &mut Turn<'_>) -> Reply {
    let mut body = Vec::new();
    match negotiate::version(query) {
        Err(error) => negotiate::encode_error(error, &mut body),
        Ok(version) => {
            let lives_ms = turn.process.limits.negotiated_ms;
            let Options { stateful_reconnect, transports, .. } = turn.process.options;
            let is_stateful = *stateful_reconnect
                && version > 0
                && transports.contains(&Transport::WebSockets)
                && negotiate::asks_for_stateful(query);
            let sign = if is_stateful { IdKey::sign_stateful } else { IdKey::sign };
            let token = sign(turn.process.id_key, principal, turn.now, lives_ms, turn.out.entropy);
            let ticket = turn.process.options.tickets.then(|| turn.process.id_key.seal(&token, principal)).flatten();
            let mut id = [0; 16];
            turn.out.entropy.fill(&mut id);
            let offer = Offer {
                version,
                connection_id: &URL_SAFE_NO_PAD.encode(id),
                connection_token: &token.text(),
                access_token: ticket.as_deref(),
                token_lifetime_s: turn.process.options.refresh.then(|| lifetime_s(principal, turn.now)),
                is_stateful,
                transports,
            };
            negotiate::encode(offer, &mut body);
        }
    }
    negotiated(body)
}

/// The answer to a negotiation.
pub(super) fn negotiated(body: Vec<u8>) -> Reply {
    Reply::new(200, "application/json", Body::Owned(body)).with("Cache-Control", "no-store")
}

/// A client says something whose connection has no link to say it on.
///
/// # Errors
/// Nothing of it is taken.
pub(super) fn send(conn: ConnKey, payload: &mut [u8], cx: &mut Cx<'_, '_>) -> Result<Reply, Refused> {
    if !cx.connections.contains_key(conn) {
        return Err(unknown_id());
    }
    let mut handle = cx.connection(conn);
    let before = handle.connection.input_bytes();
    let flow = handle.handle_posted(payload).map_err(|error| match error {
        NotPosted::Over => unknown_id(),
        NotPosted::TooMuch => too_much_unread(),
    })?;
    let after = handle.connection.input_bytes();
    cx.turn.steps.push(Step::Input(before, after));
    cx.turn.steps.push(match flow {
        Flow::GoOn | Flow::Wait => Step::Look(conn),
        Flow::End(end) => Step::End(conn, end),
    });
    Ok(Reply::text(200, ""))
}

/// Tokens are good no more, from now on; what is left is to end their connections.
///
/// # Errors
/// Nothing is revoked.
pub(super) fn revoke(body: &[u8], by: &Principal, turn: &mut Turn<'_>) -> Result<Arc<Revocation>, Refused> {
    let refuse = |refusal, status, sentence: String| Refused(refusal, Reply::text(status, sentence), "not revoked");
    let revocation = revoke::parse(body, by).map_err(|(status, why)| refuse(count_as(status), status, why))?;
    if turn.process.revocations.add(revocation.clone(), turn.now).is_err() {
        let why = "limits.revocations_max is reached: name an organization, or raise it";
        return Err(refuse(Refusal::Full, 503, why.to_owned()));
    }
    if let Some(home) = turn.homes.only() {
        turn.unwritten.push_record(&Record::Revocation(revocation.clone()), home.last(), turn.now);
    }
    turn.books.trace.note(Level::Info, || Fact::Revoked {
        claim: revocation.name.claim(),
        value: echo(&revocation.text).to_owned(),
        until_unix_s: revocation.until_unix_s,
    });
    Ok(Arc::new(revocation))
}

/// More is sent than has been looked at.
fn too_much_unread() -> Refused {
    let sentence = "what was sent before still waits, as much as limits.body_bytes_max: send this again";
    Refused(Refusal::TooLarge, Reply::text(429, sentence).with("Retry-After", "1"), "unread messages")
}

/// A publish request that has been taken.
pub(super) struct Taken {
    /// What its reply is made of.
    pub(super) draft: Draft,
    /// What is still to be answered before its publisher may know.
    pub(super) awaited: Awaited,
    /// Some of its items wait for this shard's next turns.
    pub(super) is_late: bool,
}

/// A publish request of which items are still to be judged.
#[derive(Debug)]
pub(super) struct PendingItems {
    judgement: Judgement<'static>,
    principal: Box<Principal>,
    collected: Collected,
}

impl PendingItems {
    /// Memory of the body that holds them.
    pub(super) fn body_bytes(&self) -> usize {
        self.judgement.body_bytes()
    }
}

/// How a publish request stands after a portion of its items.
pub(super) enum Judged {
    All(Taken),
    Part(Box<PendingItems>),
}

/// Takes a publish request, which is that question of its link, and judges a portion of its items.
///
/// # Errors
/// The request is refused as a whole.
pub(super) fn publish(
    asked: (LinkKey, u32),
    head: &RequestHead,
    body: &[u8],
    principal: Box<Principal>,
    turn: &mut Turn<'_>,
) -> Result<Judged, PublishRefusal> {
    let request = publish::Request { head, body };
    let mut judgement = Judgement::new(request, rules(turn.process), &principal)?;
    // What waits has been sent before, even if nothing would have to wait by now.
    let behind = Collected::behind(turn.intake.has_requests_of(turn.process.shard, asked.0));
    let (status, collected) = judge(&mut judgement, &principal, behind, turn)?;
    Ok(match status {
        Status::Complete(()) => Judged::All(hand_on(asked, judgement.outcome, collected, turn)),
        Status::Partial => {
            Judged::Part(Box::new(PendingItems { judgement: judgement.into_owned(), principal, collected }))
        }
    })
}

/// Judges the next portion of a request, which is that question of its link.
///
/// # Errors
/// The request is refused as a whole.
pub(super) fn proceed(
    asked: (LinkKey, u32),
    mut pending: Box<PendingItems>,
    turn: &mut Turn<'_>,
) -> Result<Judged, PublishRefusal> {
    let PendingItems { judgement, principal, collected } = &mut *pending;
    let (status, collected) = judge(judgement, principal, std::mem::take(collected), turn)?;
    Ok(match status {
        Status::Complete(()) => Judged::All(hand_on(asked, pending.judgement.outcome, collected, turn)),
        Status::Partial => {
            pending.collected = collected;
            Judged::Part(pending)
        }
    })
}

fn rules(process: Process<'_>) -> Rules<'_> {
    Rules {
        catalogue: process.catalogue,
        options: &process.options.publish,
        everybody: &process.verifier.options().default_grants,
        limits: process.limits,
    }
}

fn judge(
    judgement: &mut Judgement<'_>,
    principal: &Principal,
    collected: Collected,
    turn: &mut Turn<'_>,
) -> Result<(Status<()>, Collected), PublishRefusal> {
    let rules = rules(turn.process);
    let mut scratch = std::mem::take(&mut turn.tools.publish);
    let mut fan_out = FanOut::of(turn, collected);
    let status = judgement.proceed(rules, principal, &mut scratch, &mut fan_out);
    let collected = fan_out.collected();
    turn.tools.publish = scratch;
    Ok((status?, collected))
}

/// All items are judged: what was collected goes to the homes.
fn hand_on((link, ticket): (LinkKey, u32), mut outcome: Outcome, collected: Collected, turn: &mut Turn<'_>) -> Taken {
    let (asked, from, organization) = (collected.away.len(), turn.process.shard, collected.organization());
    let is_late = collected.is_late();
    outcome.add_duplicates(&collected.duplicates);
    for (place, publications) in collected.away {
        let home = place % turn.process.shards;
        if home == from {
            turn.intake.push(from, link, ticket, publications);
        } else {
            turn.out.mail.post(To::Shard(home), Mail::Publish { from, link, ticket, publications });
        }
    }
    let awaited = match outcome.topics() {
        Some(topics) => {
            let caller = Caller::Request { link, ticket };
            turn.ask(caller, Asked::All, Question::Members(Arc::from(topics)))
        }
        None => {
            // Where others are asked, theirs is the place that counts.
            let stamped = (asked == 0).then(|| Answer::Published(Published::by(turn.homes, Vec::new())));
            Awaited::new(stamped, asked, turn.now.mono)
        }
    };
    Taken { draft: Draft::Publish(Box::new(outcome), organization), awaited, is_late }
}
