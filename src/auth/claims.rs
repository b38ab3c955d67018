//! Claims: from verified JSON to values with the right types. A wrong type is refused, never passed
//! over: a claim that was meant to narrow must not vanish. In a list of grants or scopes an entry
//! that is none spoils nothing; null is as good as nothing.

use super::error::{Claim, TokenError};
use super::grant::Grant;
use crate::schema::guid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// One text or several, as people type them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub(crate) fn texts(&self) -> &[String] {
        match self {
            OneOrMany::One(text) => std::slice::from_ref(text),
            OneOrMany::Many(texts) => texts,
        }
    }
}

/// Where a claim stands: its name, or the way to it through objects, such as `["realm_access",
/// "roles"]`. A claim whose name is the whole text goes first, so that a name may have dots; where
/// there is none, the dots are the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ClaimPath(OneOrMany);

impl ClaimPath {
    /// A claim of that name.
    pub(crate) fn new(name: &str) -> ClaimPath {
        ClaimPath(OneOrMany::One(name.to_owned()))
    }

    /// A claim that is reached by these names, from the outside in.
    #[cfg(test)]
    pub(crate) fn of(names: &[&str]) -> ClaimPath {
        ClaimPath(OneOrMany::Many(names.iter().map(|name| (*name).to_owned()).collect()))
    }

    /// The names from the outside in, as they were typed.
    pub(crate) fn names(&self) -> &[String] {
        self.0.texts()
    }

    /// Whether a name is missing.
    pub(super) fn is_empty(&self) -> bool {
        self.names().is_empty() || self.names().iter().any(String::is_empty)
    }

    /// The claim there. Null is none.
    pub(crate) fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let real = |value: &&Value| !value.is_null();
        match &self.0 {
            OneOrMany::One(name) => claims
                .get(name)
                .filter(real)
                .or_else(|| name.contains('.').then(|| inside(claims, name.split('.')))?.filter(real)),
            OneOrMany::Many(names) => {
                let literal = claims.get(&names.join(".")).filter(real);
                literal.or_else(|| inside(claims, names.iter().map(String::as_str)).filter(real))
            }
        }
    }

    /// Puts a claim there.
    pub(super) fn put(&self, claims: &mut Claims, value: Value) {
        let Some((last, way)) = self.names().split_last() else { return };
        let mut object = claims;
        for name in way {
            let next = object.entry(name.as_str()).or_insert_with(|| Value::Object(Claims::new()));
            // Two claims whose ways cross at something else than an object: the later one wins.
            if !next.is_object() {
                *next = Value::Object(Claims::new());
            }
            let Value::Object(inner) = next else { return };
            object = inner;
        }
        object.insert(last.clone(), value);
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join("."))
    }
}

/// What is reached by names of members, from the outside in.
fn inside<'c, 'n>(claims: &'c Claims, mut names: impl Iterator<Item = &'n str>) -> Option<&'c Value> {
    let outermost = claims.get(names.next()?)?;
    names.try_fold(outermost, |value, name| value.get(name))
}

/// Where claims are looked up; the registered ones (`exp`, `nbf`, `iss`, `aud`) have the names of
/// RFC 7519.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimNames {
    /// The claim with the GUID of the user; any text where the user needs no events of its own. A
    /// name, or a list of names that leads through objects.
    pub(crate) user: ClaimPath,
    /// The claim with the GUID of the organization. A name or a list, as `user`.
    pub(crate) organization: ClaimPath,
    /// The claim with the grants, an array or separated by spaces. A name or a list:
    /// `["realm_access", "roles"]`.
    pub(crate) grants: ClaimPath,
    /// The claim with the scopes, an array or separated by spaces. A name or a list.
    pub(crate) scope: ClaimPath,
}

impl ClaimNames {
    /// Each with the key that names it.
    pub(crate) fn all(&self) -> [(&'static str, &ClaimPath); 4] {
        [("user", &self.user), ("organization", &self.organization), ("grants", &self.grants), ("scope", &self.scope)]
    }
}

impl Default for ClaimNames {
    fn default() -> Self {
        ClaimNames {
            user: ClaimPath::new("sub"),
            organization: ClaimPath::new("org"),
            grants: ClaimPath::new("rte"),
            scope: ClaimPath::new("scope"),
        }
    }
}

/// A NumericDate (RFC 7519 section 2) in whole seconds: a JSON number, possibly with a fraction.
/// What lies before the epoch is 0.
pub(super) fn date(claims: &Claims, name: &str, claim: Claim) -> Result<Option<u64>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(Some(seconds(number))),
        Some(_) => Err(TokenError::Claim(claim)),
    }
}

/// When the token was issued (RFC 7519 section 4.1.6); 0 where it does not say so in numbers.
pub(super) fn issued_unix_s(claims: &Claims) -> u64 {
    claims.get("iat").and_then(Value::as_number).map_or(0, seconds)
}

/// The name of the token itself (RFC 7519 section 4.1.7).
pub(super) fn token_id(claims: &Claims) -> Option<&str> {
    claims.get("jti").and_then(Value::as_str)
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

/// The user, where the claim is a GUID. Publishers and others may have another subject, so other
/// text is no error.
pub(super) fn user(claim: Option<&Value>) -> Result<Option<Uuid>, TokenError> {
    match claim {
        None => Ok(None),
        Some(Value::String(text)) => Ok(guid::parse(text).filter(|guid| !guid.is_nil())),
        Some(_) => Err(TokenError::Claim(Claim::User)),
    }
}

/// The organization. Anything but a GUID is refused, because a publisher without one may publish
/// for any; so is the all-zero GUID, which is no organization.
pub(super) fn organization(claim: Option<&Value>) -> Result<Option<Uuid>, TokenError> {
    let wrong = TokenError::Claim(Claim::Organization);
    match claim {
        None => Ok(None),
        Some(Value::String(text)) => match guid::parse(text) {
            Some(guid) if !guid.is_nil() => Ok(Some(guid)),
            Some(_) | None => Err(wrong),
        },
        Some(_) => Err(wrong),
    }
}

/// The grants, and how many entries are none. Such an entry grants nothing and takes nothing from
/// the others; but that it was there must not be forgotten, because grants also narrow what a
/// publisher may.
pub(super) fn grants(claim: Option<&Value>) -> Result<(Arc<[Grant]>, usize), TokenError> {
    let (mut grants, mut foreign) = (Vec::new(), 0);
    let mut take = |text: Option<&str>| match text.and_then(|text| Grant::parse(text).ok()) {
        Some(grant) => grants.push(grant),
        None => foreign += 1,
    };
    match claim {
        None => {}
        Some(Value::String(text)) => text.split_ascii_whitespace().for_each(|text| take(Some(text))),
        Some(Value::Array(list)) => list.iter().filter(|item| !item.is_null()).for_each(|item| take(item.as_str())),
        Some(_) => return Err(TokenError::Claim(Claim::Grants)),
    }
    Ok((grants.into(), foreign))
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

/// The scopes, from text separated by spaces or from an array; what is no text in it is no scope.
pub(super) fn scopes(claim: Option<&Value>) -> Result<Scopes, TokenError> {
    let mut scopes = Scopes::default();
    match claim {
        None => {}
        Some(Value::String(text)) => text.split(' ').for_each(|scope| scopes.add(scope)),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).for_each(|scope| scopes.add(scope)),
        Some(_) => return Err(TokenError::Claim(Claim::Scope)),
    }
    Ok(scopes)
}

/// The issuer (RFC 7519 section 4.1.1).
pub(super) fn issuer(claims: &Claims) -> Option<&str> {
    claims.get("iss").and_then(Value::as_str)
}

/// Whether `aud` is one of these texts or an array that has one (RFC 7519 section 4.1.3).
pub(super) fn is_meant_for(claims: &Claims, audiences: &[String]) -> bool {
    let is_one = |item: &Value| item.as_str().is_some_and(|text| audiences.iter().any(|audience| audience == text));
    match claims.get("aud") {
        Some(Value::Array(list)) => list.iter().any(is_one),
        Some(other) => is_one(other),
        None => false,
    }
}
