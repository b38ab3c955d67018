//! Claims: from verified JSON to values with the right types. A wrong type is refused, never passed over: a claim that was meant
//! to narrow must not vanish.

use super::error::{Claim, TokenError};
use super::grant::Grant;
use crate::schema::guid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// The names under which claims are looked up; the registered ones (`exp`, `nbf`, `iss`, `aud`) have the names of RFC 7519.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimNames {
    /// The claim with the GUID of the user.
    pub user: String,
    /// The claim with the GUID of the organization.
    pub organization: String,
    /// The claim with the grants, an array.
    pub grants: String,
    /// The claim with the scopes, an array or separated by spaces.
    pub scope: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        ClaimNames { user: "sub".into(), organization: "org".into(), grants: "rte".into(), scope: "scope".into() }
    }
}

/// A NumericDate (RFC 7519 section 2) in whole seconds: a JSON number, possibly with a fraction. What lies before the epoch is 0.
pub(super) fn date(claims: &Claims, name: &str, claim: Claim) -> Result<Option<u64>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(seconds(number))),
        Some(_) => Err(TokenError::Claim(claim)),
    }
}

fn seconds(number: &Number) -> u64 {
    if let Some(seconds) = number.as_u64() {
        return seconds;
    }
    match number.as_f64() {
        // What overflows lies further ahead than any clock.
        Some(seconds) if seconds > 0.0 => Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |time| time.as_secs()),
        Some(_) | None => 0,
    }
}

/// The user, where the claim is a GUID. Publishers may have another subject, so other text is no error.
pub(super) fn user(claims: &Claims, name: &str) -> Result<Option<Uuid>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(guid::parse(text).filter(|guid| !guid.is_nil())),
        Some(_) => Err(TokenError::Claim(Claim::User)),
    }
}

/// The organization. Anything but a GUID is refused, because a publisher without one may publish for any; so is the all-zero
/// GUID, which is no organization.
pub(super) fn organization(claims: &Claims, name: &str) -> Result<Option<Uuid>, TokenError> {
    let wrong = TokenError::Claim(Claim::Organization);
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => match guid::parse(text) {
            Some(guid) if !guid.is_nil() => Ok(Some(guid)),
            Some(_) | None => Err(wrong),
        },
        Some(_) => Err(wrong),
    }
}

/// The grants.
pub(super) fn grants(claims: &Claims, name: &str) -> Result<Arc<[Grant]>, TokenError> {
    let wrong = TokenError::Claim(Claim::Grants);
    match claims.get(name) {
        None => Ok(Arc::default()),
        Some(Value::Array(list)) => {
            list.iter().map(|item| Grant::parse(item.as_str().ok_or(wrong)?).map_err(TokenError::Grant)).collect()
        }
        Some(_) => Err(wrong),
    }
}

/// The scopes that mean something here; all others belong to somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scopes {
    pub(super) publish: bool,
    pub(super) admin: bool,
    pub(super) backend: bool,
}

impl Scopes {
    fn add(&mut self, scope: &str) {
        match scope {
            "publish" => self.publish = true,
            "admin" => self.admin = true,
            "backend" => self.backend = true,
            _ => {}
        }
    }
}

/// The scopes, from text separated by spaces or from an array.
pub(super) fn scopes(claims: &Claims, name: &str) -> Result<Scopes, TokenError> {
    let wrong = TokenError::Claim(Claim::Scope);
    let mut scopes = Scopes::default();
    match claims.get(name) {
        None => {}
        Some(Value::String(text)) => text.split(' ').for_each(|scope| scopes.add(scope)),
        Some(Value::Array(list)) => {
            for item in list {
                scopes.add(item.as_str().ok_or(wrong)?);
            }
        }
        Some(_) => return Err(wrong),
    }
    Ok(scopes)
}

/// Whether `iss` is that text (RFC 7519 section 4.1.1).
pub(super) fn is_issued_by(claims: &Claims, issuer: &str) -> bool {
    claims.get("iss").and_then(Value::as_str) == Some(issuer)
}

/// Whether `aud` is that text or an array of texts that has it (RFC 7519 section 4.1.3).
pub(super) fn is_meant_for(claims: &Claims, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(text)) => text == audience,
        Some(Value::Array(list)) => {
            list.iter().all(Value::is_string) && list.iter().any(|item| item.as_str() == Some(audience))
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}
