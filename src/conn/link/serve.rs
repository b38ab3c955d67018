//! What becomes of a request whose body is there.

use super::asking::Draft;
use crate::api::negotiated::ConnectionToken;
use crate::api::publish::{self, Refusal as PublishRefusal, RequestHead};
use crate::auth::principal::Principal;
use crate::conn::answers::Asked;
use crate::conn::ask::{Answer, Awaited, Caller, Question};
use crate::conn::delivery::{Delivery, FanOut};
use crate::conn::turn::Turn;
use crate::metrics::Refusal;
use crate::proto::http::reply::{Body, Reply};
use crate::proto::signalr::negotiate;
use smallvec::SmallVec;
use std::sync::Arc;

/// Offers a connection token.
pub(super) fn negotiate(query: &str, turn: &mut Turn<'_>) -> Reply {
    let mut body = Vec::new();
    match negotiate::version(query) {
        Err(error) => negotiate::encode_error(error, &mut body),
        Ok(version) => {
            let mut token = ConnectionToken([0; 16]);
            turn.out.entropy.fill(&mut token.0);
            if !turn.process.negotiated.lock().offer(token, turn.now) {
                turn.books.metrics.refuse(Refusal::Full);
                return Reply::text(503, "too many connections are being negotiated").with("Retry-After", "1");
            }
            let mut id = ConnectionToken([0; 16]);
            turn.out.entropy.fill(&mut id.0);
            let (id, token) = (id.text(), token.text());
            // Version 0 knows one id for both.
            negotiate::encode(version, if version == 0 { &token } else { &id }, &token, &mut body);
        }
    }
    Reply::new(200, "application/json", Body::Owned(body)).with("Cache-Control", "no-store")
}

/// Takes a publish request: what its reply is made of, and what is still to be answered before its
/// publisher may know.
///
/// # Errors
/// The request is refused as a whole.
pub(super) fn publish(
    caller: Caller,
    head: &RequestHead,
    body: &[u8],
    principal: &Principal,
    turn: &mut Turn<'_>,
) -> Result<(Draft, Awaited), PublishRefusal> {
    let rules = publish::Rules {
        catalogue: turn.process.catalogue,
        options: &turn.process.options.publish,
        everybody: &turn.process.verifier.options().default_grants,
        limits: turn.process.limits,
    };
    let request = publish::Request { head, body };
    let mut scratch = std::mem::take(&mut turn.tools.publish);
    let mut fan_out = FanOut { delivery: Delivery::of(turn), away: SmallVec::new() };
    let outcome = publish::publish(request, rules, principal, &mut scratch, &mut fan_out);
    let asked = fan_out.ask(caller);
    turn.tools.publish = scratch;
    let outcome = outcome?;
    let awaited = match outcome.topics() {
        Some(topics) => turn.ask(caller, Asked::All, Question::Members(Arc::from(topics))),
        None => Awaited::new(Some(Answer::Published), asked, turn.now.mono),
    };
    Ok((Draft::Publish(Box::new(outcome)), awaited))
}
