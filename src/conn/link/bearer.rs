//! Whose token a request shows.

use super::refused::{Refused, too_much};
use crate::api::routes::{Endpoint, Gate};
use crate::auth::claimed;
use crate::auth::principal::Principal;
use crate::auth::token::{self, AbsentClaim, Known, TOKENS_WATCHED, TokenError, challenge};
use crate::conn::hub::origin::Origin;
use crate::conn::quotas::AddressBlock;
use crate::conn::turn::{Options, Turn};
use crate::metrics::Refusal;
use crate::proto::http::head::Head;
use crate::proto::http::reply::Reply;
use crate::trace::{Fact, Level};

/// The body of a 401 without a token. It names the query only for what is taken there: by which
/// gate, and as this hub is configured.
fn no_token(gate: Gate, options: &Options) -> String {
    let (takes_client, takes_publisher) = (options.jwt_in_query, options.publish.query_token);
    let in_query = match gate {
        Gate::Client(_) if takes_client => Some(""),
        Gate::Client(Endpoint::Hub) if options.tickets => Some("what negotiate gives as accessToken "),
        Gate::Publisher | Gate::Admin if takes_publisher => Some(""),
        Gate::Either => match (takes_client, takes_publisher) {
            (true, true) => Some(""),
            (true, false) => Some("that of a user "),
            (false, true) => Some("one with the scope publish "),
            (false, false) => None,
        },
        Gate::Client(_) | Gate::Publisher | Gate::Admin | Gate::Open(_) => None,
    };
    let in_query = in_query.map_or_else(String::new, |what| format!(", or {what}in the query as access_token"));
    format!("there is no token: send it in the header Authorization (Bearer){in_query}")
}

/// Whose token it is, where that is good. One of a public key is dear to verify: those are refused
/// who have shown many that were no good.
pub(super) fn verify(
    head: &Head<'_>,
    gate: Gate,
    origin: Origin,
    known: &mut Option<Box<Known>>,
    turn: &mut Turn<'_>,
) -> Result<Principal, Refused> {
    if head.values("authorization").count() > 1 {
        // Whatever they hold, two are one too many: proxies and hubs differ in which they look at.
        return Err(refuse_token(TokenError::Conflict));
    }
    let bearer = token::bearer(head.header("authorization"), head.query).map_err(refuse_token)?.ok_or_else(|| {
        let reply = Reply::text(401, no_token(gate, turn.process.options)).with("WWW-Authenticate", challenge(None));
        Refused(Refusal::NoToken, reply, "no token")
    })?;
    let (verifier, quotas, now) = (turn.process.verifier, turn.process.quotas, turn.now);
    if let Some(principal) = verifier.recall(bearer.token(), known.as_deref(), now) {
        return Ok(principal);
    }
    let address = AddressBlock::of(origin.client);
    if verifier.is_dear() {
        quotas.may_verify(address, now).map_err(too_much)?;
    }
    let principal = verifier.learn(bearer.token(), known, now).map_err(|error| {
        if verifier.is_dear() {
            quotas.note_bad_token(address, now);
        }
        refuse_token(error)
    })?;
    for AbsentClaim { key, name } in verifier.take_absent_claims() {
        let fact = || Fact::ClaimAbsent { key, name, tokens: TOKENS_WATCHED };
        turn.books.trace.note(Level::Warn, fact);
    }
    Ok(principal)
}

/// A token that is good may have been revoked all the same.
pub(super) fn check_revoked(principal: &Principal, turn: &Turn<'_>) -> Result<(), Refused> {
    match turn.process.revocations.hold(principal, turn.now) {
        true => Err(refuse_token(TokenError::Revoked)),
        false => Ok(()),
    }
}

/// Whose token it is, where that is good and not revoked.
pub(super) fn authenticate(
    head: &Head<'_>,
    gate: Gate,
    origin: Origin,
    known: &mut Option<Box<Known>>,
    turn: &mut Turn<'_>,
) -> Result<Principal, Refused> {
    let principal = verify(head, gate, origin, known, turn)?;
    check_revoked(&principal, turn)?;
    Ok(principal)
}

/// Tells who has come, or tried to, where somebody listens; never the token.
pub(super) fn note_bearer(
    head: &Head<'_>,
    origin: Origin,
    principal: Result<&Principal, &Refused>,
    turn: &mut Turn<'_>,
) {
    let names = &turn.process.verifier.options().claims;
    let Origin { number: conn, client, .. } = origin;
    turn.books.trace.note(Level::Debug, || {
        let bearer = token::bearer(head.header("authorization"), head.query).ok().flatten();
        let claimed = bearer.map(|bearer| claimed(bearer.token(), names)).unwrap_or_default();
        match principal {
            Ok(Principal { grants, foreign_grants: foreign, .. }) => {
                Fact::Authenticated { conn, client, claimed, grants: grants.len(), foreign: usize::from(*foreign) }
            }
            Err(Refused(_, _, why)) => Fact::TokenRefused { conn, client, claimed, why },
        }
    });
}

pub(super) fn check_client(principal: &Principal, turn: &Turn<'_>) -> Result<(), Refused> {
    turn.process.verifier.check_client(principal).map_err(refuse_token)
}

fn refuse_token(error: TokenError) -> Refused {
    let reply = Reply::text(401, error.to_string()).with("WWW-Authenticate", challenge(Some(error)));
    Refused(Refusal::BadToken, reply, error.sentence())
}
