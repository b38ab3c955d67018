//! What becomes of a request whose body is there.

use super::asking::Draft;
use crate::api::publish::{self, Refusal as PublishRefusal, RequestHead};
use crate::auth::principal::Principal;
use crate::conn::answers::Asked;
use crate::conn::ask::{Answer, Awaited, Caller, Question};
use crate::conn::delivery::FanOut;
use crate::conn::mail::{Mail, To};
use crate::conn::turn::Turn;
use crate::proto::http::reply::{Body, Reply};
use crate::proto::signalr::negotiate;
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
            let token = turn.process.id_key.sign(principal, turn.now, lives_ms, turn.out.entropy).text();
            let mut id = [0; 16];
            turn.out.entropy.fill(&mut id);
            // Version 0 knows one id for both.
            let id = if version == 0 { token.clone() } else { URL_SAFE_NO_PAD.encode(id) };
            negotiate::encode(version, &id, &token, &mut body);
        }
    }
    Reply::new(200, "application/json", Body::Owned(body)).with("Cache-Control", "no-store")
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

/// Takes a publish request, which is that question of its link.
///
/// # Errors
/// The request is refused as a whole.
pub(super) fn publish(
    (link, ticket): (LinkKey, u32),
    head: &RequestHead,
    body: &[u8],
    principal: &Principal,
    turn: &mut Turn<'_>,
) -> Result<Taken, PublishRefusal> {
    let rules = publish::Rules {
        catalogue: turn.process.catalogue,
        options: &turn.process.options.publish,
        everybody: &turn.process.verifier.options().default_grants,
        limits: turn.process.limits,
    };
    let request = publish::Request { head, body };
    let mut scratch = std::mem::take(&mut turn.tools.publish);
    let mut fan_out = FanOut::of(turn);
    let outcome = publish::publish(request, rules, principal, &mut scratch, &mut fan_out);
    let organization = fan_out.organization();
    let collected = fan_out.collected();
    turn.tools.publish = scratch;
    let outcome = outcome?;
    let (asked, from) = (collected.len(), turn.process.shard);
    let mut is_late = false;
    for (home, publications) in collected {
        if home == from {
            is_late = true;
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
            let stamped = (asked == 0).then(|| Answer::Published(turn.home.last()));
            Awaited::new(stamped, asked, turn.now.mono)
        }
    };
    Ok(Taken { draft: Draft::Publish(Box::new(outcome), organization), awaited, is_late })
}
