//! `POST /rte/refresh?id=`: a fresh token for a connection, as ASP.NET Core 11 has it. Its errors
//! are words in JSON, for programs.
//!
//! ASP.NET refuses connections that have negotiated version 0, whose id others may know. Here it is
//! the same secret as that of version 1, and good for its own user only.

use super::refused::Refused;
use crate::api::negotiated::{ConnectionToken, Place};
use crate::auth::principal::Principal;
use crate::auth::token::{TokenError, challenge};
use crate::conn::hub::refreshing::{self, OTHER_USER};
use crate::conn::order::{NotRefreshed, Refreshed};
use crate::conn::turn::Process;
use crate::metrics::{Metrics, Refusal};
use crate::proto::http::head::Head;
use crate::proto::http::query;
use crate::proto::http::reply::Reply;
use crate::schema::Catalogue;

fn error(status: u16, word: &str) -> Reply {
    Reply::json(status, format!("{{\"error\":\"{word}\"}}")).with("Cache-Control", "no-store")
}

/// The token is refused; its challenge says why.
pub(super) fn refuse_token(Refused(refusal, reply, why): Refused) -> Refused {
    let challenged = error(reply.status, "invalid_token");
    Refused(refusal, Reply { headers: [challenged.headers, reply.headers].concat(), ..challenged }, why)
}

/// Where the connection lives that is to go on with this principal's token.
///
/// # Errors
/// There is none that could.
pub(super) fn place(head: &Head<'_>, fresh: &Principal, process: Process<'_>) -> Result<Place, Refused> {
    if !process.options.refresh {
        return Err(Refused(Refusal::NotFound, error(404, "refresh_disabled"), "auth.refresh is false"));
    }
    let id = query::value(head.query, "id").filter(|id| !id.is_empty());
    let id =
        id.ok_or_else(|| Refused(Refusal::BadRequest, error(400, "missing_connection_token"), "no id in the query"))?;
    let token = ConnectionToken::parse(&id);
    let found = |id| process.negotiated.lock().place(id);
    let Some(place) = token.and_then(|token| found(token.unproven_id()?)) else { return Err(gone()) };
    match token.and_then(|token| process.id_key.check(&token, fresh)) {
        Some(_) => Ok(place),
        None => Err(Refused(Refusal::Forbidden, error(403, OTHERS), OTHER_USER)),
    }
}

const OTHERS: &str = "permission_change_rejected";

fn gone() -> Refused {
    Refused(Refusal::NotFound, error(404, "connection_not_found"), "unknown id")
}

/// What the connection's shard has said.
pub(super) fn reply(refreshed: Result<Refreshed, NotRefreshed>, catalogue: &Catalogue, metrics: &mut Metrics) -> Reply {
    match refreshed {
        Ok(refreshed) => {
            let body = refreshing::document(&refreshed, catalogue);
            Reply::json(200, body).with("Cache-Control", "no-store")
        }
        Err(NotRefreshed::Gone) => {
            metrics.refuse(Refusal::NotFound);
            gone().1
        }
        Err(NotRefreshed::Revoked) => {
            metrics.refuse(Refusal::BadToken);
            error(401, "invalid_token").with("WWW-Authenticate", challenge(Some(TokenError::Revoked)))
        }
        Err(NotRefreshed::OtherUser) => {
            metrics.refuse(Refusal::Forbidden);
            error(403, OTHERS)
        }
    }
}
