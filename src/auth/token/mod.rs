//! Tokens: from a request to a [`Principal`].

use super::claims::{self, Claims};
use super::grant::Grant;
use super::keys::Keys;
use super::principal::Principal;
use super::rights::{self, Action, Standing};
use crate::clock::Now;
use crate::limits::TOKEN_BYTES_MAX;
use crate::proto::http::query;
use crate::schema::Event;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use uuid::Uuid;

pub use super::claims::ClaimNames;
pub use super::error::{Claim, TokenError, challenge};

/// A bearer token. It can't be printed: no `Display`, and `Debug` says only that there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token<'a>(&'a str);

impl<'a> Token<'a> {
    /// Wraps the text of a token.
    pub fn new(text: &'a str) -> Token<'a> {
        Token(text)
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// The token of a request, as [`bearer`] found it; owned where the query string encodes it. It can't be printed either.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer<'r>(Cow<'r, str>);

impl Bearer<'_> {
    /// The token.
    pub fn token(&self) -> Token<'_> {
        Token(&self.0)
    }
}

impl fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(redacted)")
    }
}

/// Finds the token of a request: in the value of its `Authorization` header (RFC 6750 section 2.1; other schemes are somebody
/// else's) or under `access_token` in its query string, where browsers have to put it. An empty one counts as none.
///
/// # Errors
/// [`TokenError::Conflict`] where the request carries two that differ, [`TokenError::TooLong`].
pub fn bearer<'r>(authorization: Option<&'r str>, query: &'r str) -> Result<Option<Bearer<'r>>, TokenError> {
    let in_header = authorization.and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| Cow::Borrowed(token.trim_start()))
    });
    let in_query = query::pairs(query).filter(|(name, _)| name.eq_ignore_ascii_case("access_token"));
    let mut found: Option<Cow<'r, str>> = None;
    for token in in_header.into_iter().chain(in_query.map(|(_, value)| value)).filter(|token| !token.is_empty()) {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        match &found {
            Some(other) if *other != token => return Err(TokenError::Conflict),
            Some(_) => {}
            None => found = Some(token),
        }
    }
    Ok(found.map(Bearer))
}

/// Whether organizations are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tenancy {
    /// Each principal and each publication belongs to its organization.
    #[default]
    Multi,
    /// The hub serves one organization; tokens need not name it, and what they name is not read.
    Single,
}

/// What the operator decides about tokens.
#[derive(Debug)]
pub struct Options {
    /// The keys; at least one.
    pub keys: Keys,
    /// What `iss` must be; not looked at without.
    pub issuer: Option<String>,
    /// What `aud` must have; not looked at without.
    pub audience: Option<String>,
    /// How far the clocks of issuer and hub may be apart, in seconds; at most [`LEEWAY_S_MAX`].
    pub leeway_s: u64,
    /// The names of the claims.
    pub claims: ClaimNames,
    /// Grants that everybody has.
    pub default_grants: Vec<Grant>,
    /// Whether organizations are kept apart.
    pub tenancy: Tenancy,
    /// Whether a live connection ends when its token does.
    pub close_on_expiry: bool,
}

/// The largest leeway that an operator may choose; beyond it a wrong clock wants setting.
pub const LEEWAY_S_MAX: u64 = 300;

impl Options {
    /// The defaults, with these keys.
    pub fn new(keys: Keys) -> Options {
        Options {
            keys,
            issuer: None,
            audience: None,
            leeway_s: 5,
            claims: ClaimNames::default(),
            default_grants: Vec::new(),
            tenancy: Tenancy::default(),
            close_on_expiry: false,
        }
    }
}

/// What is wrong with [`Options`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// There is no key.
    NoKey,
    /// The leeway is over [`LEEWAY_S_MAX`].
    Leeway,
    /// A claim's name is empty, given twice, or one of `exp`, `nbf`, `iss`, `aud`.
    ClaimName(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionsError::NoKey => f.write_str("no key to verify tokens with"),
            OptionsError::Leeway => write!(f, "a leeway of more than {LEEWAY_S_MAX} s: set the clocks instead"),
            OptionsError::ClaimName(name) => {
                write!(f, "the claim name {name:?} is empty, given twice, or means something else already")
            }
        }
    }
}

impl std::error::Error for OptionsError {}

/// Makes principals of tokens. Whole and immutable: a reload makes another one.
///
/// 1. Make [`Keys`] of what the operator configures, and a verifier of them and the other [`Options`].
/// 2. For each request, find the token with [`bearer`] and [`verify`](Verifier::verify) it; a client also has to pass
///    [`check_client`](Verifier::check_client).
/// 3. Ask [`may`](Verifier::may) about each topic.
///
/// ```
/// use rte::auth::rights::Action;
/// use rte::auth::keys::{KeyOptions, KeySource, Keys};
/// use rte::auth::mint::{SigningKey, Statement, mint};
/// use rte::auth::token::{ClaimNames, Options, TokenError, Verifier, bearer};
/// use rte::clock::Now;
/// use rte::schema::Catalogue;
/// use uuid::uuid;
///
/// let secret = "a secret that has at least 32 bytes";
/// let key = KeyOptions { id: None, algorithm: None, source: KeySource::Secret(secret.to_owned()) };
/// let verifier = Verifier::new(Options::new(Keys::new(&[key]).unwrap())).unwrap();
///
/// // What an identity provider does, as `rte token` does it.
/// let statement = Statement {
///     organization: Some(uuid!("0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59")),
///     grants: vec!["queue/*".to_owned()],
///     expires_unix_s: 2_000,
///     ..Statement::default()
/// };
/// let jwt = mint(&SigningKey::from_secret(None, secret).unwrap(), &ClaimNames::default(), &statement).unwrap();
///
/// let header = format!("Bearer {jwt}");
/// let bearer = bearer(Some(&header), "").unwrap().expect("there is a token");
/// let at = |unix_s: u64| Now::from_ms(0, unix_s * 1000);
/// let principal = verifier.verify(bearer.token(), at(1_000)).unwrap();
/// verifier.check_client(&principal).unwrap();
///
/// let catalogue = Catalogue::built_in(None);
/// let event = catalogue.event(catalogue.find("QueueStatus").unwrap());
/// let queue = uuid!("1f0b2a52-4f3a-4f6e-8c8e-2f1a5f4e7d10");
/// assert!(verifier.may(&principal, Action::Subscribe, "Queue", event, queue));
///
/// // Time is an argument: the same token later.
/// assert_eq!(verifier.verify(bearer.token(), at(3_000)), Err(TokenError::Expired));
/// ```
#[derive(Debug)]
pub struct Verifier {
    options: Options,
}

impl Verifier {
    /// Checks the options.
    pub fn new(options: Options) -> Result<Verifier, OptionsError> {
        if options.keys.is_empty() {
            return Err(OptionsError::NoKey);
        }
        if options.leeway_s > LEEWAY_S_MAX {
            return Err(OptionsError::Leeway);
        }
        let ClaimNames { user, organization, grants, scope } = &options.claims;
        let mut taken = vec!["", "exp", "nbf", "iss", "aud"];
        for name in [user, organization, grants, scope] {
            if taken.contains(&name.as_str()) {
                return Err(OptionsError::ClaimName(name.clone()));
            }
            taken.push(name);
        }
        Ok(Verifier { options })
    }

    /// Checks a token whole: form, key, signature, time, issuer, audience, and the types of its claims. A client needs
    /// [`Verifier::check_client`] on top.
    pub fn verify(&self, token: Token<'_>, now: Now) -> Result<Principal, TokenError> {
        let Token(text) = token;
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        // Parses no `alg` that it does not know, `none` among them.
        let header = jsonwebtoken::decode_header(text).map_err(|_| TokenError::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let key = self.options.keys.choose(header.kid.as_deref(), header.alg)?;
        let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (_, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        // Not `jsonwebtoken::decode`: it reads the clock and passes over claims of a wrong type.
        match crypto::verify(signature, message.as_bytes(), &key.decoding, header.alg) {
            Ok(true) => {}
            Ok(false) => return Err(TokenError::Signature),
            Err(_) => return Err(TokenError::Malformed),
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
        let claims = serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)?;
        self.principal(&claims, now)
    }

    fn principal(&self, claims: &Claims, now: Now) -> Result<Principal, TokenError> {
        let options = &self.options;
        let expires_unix_s = claims::date(claims, "exp", Claim::Expiry)?.ok_or(TokenError::NoExpiry)?;
        // RFC 7519 section 4.1.4: not accepted on or after `exp`, but for the leeway.
        if now.unix.seconds() >= expires_unix_s.saturating_add(options.leeway_s) {
            return Err(TokenError::Expired);
        }
        let not_before = claims::date(claims, "nbf", Claim::NotBefore)?;
        if not_before.is_some_and(|start| now.unix.seconds().saturating_add(options.leeway_s) < start) {
            return Err(TokenError::NotYetValid);
        }
        if options.issuer.as_deref().is_some_and(|issuer| !claims::is_issued_by(claims, issuer)) {
            return Err(TokenError::Issuer);
        }
        if options.audience.as_deref().is_some_and(|audience| !claims::is_meant_for(claims, audience)) {
            return Err(TokenError::Audience);
        }
        let names = &options.claims;
        let scopes = claims::scopes(claims, &names.scope)?;
        Ok(Principal {
            user: claims::user(claims, &names.user)?,
            organization: match options.tenancy {
                Tenancy::Multi => claims::organization(claims, &names.organization)?,
                Tenancy::Single => None,
            },
            may_publish: scopes.publish,
            is_admin: scopes.admin,
            is_backend: scopes.backend,
            grants: claims::grants(claims, &names.grants)?,
            expires_unix_s,
        })
    }

    /// What a client must have beyond a good token: an organization, unless there is only one. Publishers may lack it.
    pub fn check_client(&self, principal: &Principal) -> Result<(), TokenError> {
        match (self.options.tenancy, principal.organization) {
            (Tenancy::Multi, None) => Err(TokenError::NoOrganization),
            (Tenancy::Multi, Some(_)) | (Tenancy::Single, _) => Ok(()),
        }
    }

    /// [`rights::may`] with the grants that everybody has.
    pub fn may(&self, principal: &Principal, action: Action, family: &str, event: &Event, entity: Uuid) -> bool {
        rights::may(principal, &self.options.default_grants, action, family, event, entity)
    }

    /// [`rights::standing`] with the grants that everybody has.
    pub fn standing(&self, principal: &Principal, family: &str, event: &Event) -> Standing {
        rights::standing(principal, &self.options.default_grants, family, event)
    }

    /// When a live connection of that principal has to end, in seconds since the Unix epoch; `None` where tokens are checked only
    /// on arrival. The leeway is in it: what is accepted is not ended at once.
    pub fn ends_unix_s(&self, principal: &Principal) -> Option<u64> {
        let end = principal.expires_unix_s.saturating_add(self.options.leeway_s);
        self.options.close_on_expiry.then_some(end)
    }

    /// Whether organizations are kept apart.
    pub fn tenancy(&self) -> Tenancy {
        self.options.tenancy
    }

    /// The checked options, for a summary: they print no key.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

#[cfg(test)]
mod tests;
