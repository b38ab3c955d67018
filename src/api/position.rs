//! `GET /position`: where an organization stands, for those who hand out data together with the
//! place in the order that it is true for.

use crate::auth::principal::Principal;
use crate::auth::token::Tenancy;
use crate::hub::position::{Epoch, WirePosition};
use crate::proto::http::query;
use crate::proto::http::reply::Reply;
use crate::schema::guid;
use uuid::Uuid;

/// Returns whose position a principal asks for: its own organization's, or with scope `publish` the
/// one that the query names. A client without an organization has been refused before.
///
/// # Errors
/// The status and the sentence of the refusal.
pub(crate) fn organization(query: &str, principal: &Principal, tenancy: Tenancy) -> Result<Uuid, (u16, &'static str)> {
    if tenancy == Tenancy::Single {
        return Ok(Uuid::nil());
    }
    let named = query::value(query, "organizationId");
    let named = named.map(|text| guid::parse(&text).ok_or((400, "organizationId is no GUID of 36 characters")));
    match (named.transpose()?, principal.organization) {
        (Some(named), Some(own)) if named != own => Err((403, "the token is of another organization")),
        (_, Some(own)) => Ok(own),
        (Some(named), None) if principal.may_publish => Ok(named),
        (Some(_), None) => Err((403, "the token has no scope publish, so it may not name an organization")),
        (None, None) => Err((400, "the token names no organization: give ?organizationId=")),
    }
}

/// Returns the reply.
pub(crate) fn reply(position: WirePosition) -> Reply {
    let body = format!("{{\"position\":\"{position}\"}}").into_bytes();
    tell(Reply::json(200, body).with("Cache-Control", "no-store"), position.epoch, Some(position))
}

/// Adds the headers that tell a place in the order.
pub(crate) fn tell(reply: Reply, epoch: Epoch, position: Option<WirePosition>) -> Reply {
    let reply = reply.with("Rte-Epoch", epoch.to_string());
    match position {
        Some(position) => reply.with("Rte-Position", position.to_string()),
        None => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn asks(query: &str, own: Option<u128>, may_publish: bool) -> Result<Uuid, u16> {
        let principal = Principal {
            user: None,
            publisher: None,
            organization: own.map(Uuid::from_u128),
            may_publish,
            is_admin: false,
            is_backend: false,
            grants: Arc::default(),
            foreign_grants: 0,
            expires_unix_s: 0,
            marks: crate::auth::marks::Marks::default(),
        };
        organization(query, &principal, Tenancy::Multi).map_err(|(status, _)| status)
    }

    #[test]
    fn who_belongs_to_an_organization_learns_its_position_and_no_other() {
        let named = |n: u128| format!("organizationId={}", Uuid::from_u128(n));
        for may_publish in [false, true] {
            assert_eq!(asks("", Some(1), may_publish), Ok(Uuid::from_u128(1)));
            assert_eq!(asks(&named(1), Some(1), may_publish), Ok(Uuid::from_u128(1)));
            assert_eq!(asks(&named(2), Some(1), may_publish), Err(403));
            assert_eq!(asks("organizationId=x", Some(1), may_publish), Err(400));
            assert_eq!(asks("", None, may_publish), Err(400));
        }
        assert_eq!(asks(&named(2), None, true), Ok(Uuid::from_u128(2)));
        assert_eq!(asks(&named(2), None, false), Err(403));
    }

    #[test]
    fn with_one_organization_nobody_looks_at_its_name() {
        let principal = Principal {
            user: None,
            publisher: None,
            organization: None,
            may_publish: true,
            is_admin: false,
            is_backend: false,
            grants: Arc::default(),
            foreign_grants: 0,
            expires_unix_s: 0,
            marks: crate::auth::marks::Marks::default(),
        };
        assert_eq!(organization("organizationId=x", &principal, Tenancy::Single), Ok(Uuid::nil()));
    }
}
