//! Where the connection lives that a request belongs to.

use crate::api::negotiated::{ConnectionToken, Place, TokenId};
use crate::api::routes::{Endpoint, Found, Gate, Route};
use crate::conn::turn::Turn;
use crate::proto::http::head::Head;
use crate::proto::http::query;
use crate::proto::ws::upgrade;

/// The shard where the connection of a request lives, if it is another one. Who asks is not looked
/// at: it is there. An upgrade for a connection is refused where it is, unless that is stateful.
pub(super) fn elsewhere(head: &Head<'_>, found: Option<&Found<'_>>, turn: &Turn<'_>) -> Option<usize> {
    if turn.process.shards == 1 {
        return None;
    }
    let id = unproven_id(head, found?.route).filter(|id| id.is_stateful || !upgrade::is_upgrade(head))?;
    let shard = usize::from(turn.process.negotiated.lock().place(id)?.shard);
    (shard != turn.process.shard).then_some(shard)
}

/// Where the connection lives that a request at the hub names.
pub(super) fn place(head: &Head<'_>, route: &Route, turn: &Turn<'_>) -> Option<Place> {
    let id = unproven_id(head, route)?;
    turn.process.negotiated.lock().place(id)
}

/// What the token is known by that a request at the hub names.
fn unproven_id(head: &Head<'_>, route: &Route) -> Option<TokenId> {
    let is_hub = route.gate == Gate::Client(Endpoint::Hub);
    let id = is_hub.then(|| query::value(head.query, "id"))??;
    ConnectionToken::parse(&id)?.unproven_id()
}
