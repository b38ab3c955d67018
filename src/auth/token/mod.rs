//! Tokens: from a request to a [`Principal`].

use super::claims::{self, Claims};
use super::grant::Grant;
use super::keys::{Key, KeyProblem, Keys};
use super::marks::{Mark, Marks};
use super::principal::Principal;
use super::rights::{self, Action, Allowed, Denied, Standing};
use super::watch::Watch;
use crate::clock::Now;
use crate::limits::TOKEN_HEADER_BYTES_MAX;
use crate::proto::http::query;
use crate::schema::Event;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, crypto};
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

pub use super::claims::{ClaimNames, ClaimPath, OneOrMany};
pub use super::error::{Claim, TokenError, challenge, grouped};
pub use super::known::Known;
pub use super::watch::TOKENS_WATCHED;

/// A bearer token. It can't be printed: no `Display`, and `Debug` says only that there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token<'a>(&'a str);

impl<'a> Token<'a> {
    /// Wraps the text of a token.
    pub(crate) fn new(text: &'a str) -> Token<'a> {
        Token(text)
    }

    /// Its text, where that is no JWT, which has dots (RFC 7515 section 7.1).
    pub(crate) fn opaque(self) -> Option<&'a str> {
        Some(self.0).filter(|text| !text.contains('.'))
    }

    /// Its text, for whoever has shown it.
    pub(crate) fn reveal(self) -> &'a str {
        self.0
    }

    /// Header and claims as they stand there.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] where these are no two JSON objects.
    pub(crate) fn unverified(self) -> Result<Unverified, TokenError> {
        let mut parts = self.0.split('.').map(object);
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(header), Some(claims)) => Ok(Unverified { header, claims }),
            (_, _) => Err(TokenError::Malformed),
        }
    }
}

/// What a token says, for people who want to see it: nobody has vouched for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unverified {
    /// `alg`, `kid` and what else there is.
    pub(crate) header: Map<String, Value>,
    /// The claims.
    pub(crate) claims: Map<String, Value>,
}

/// A part of a token that is a JSON object.
fn object(part: &str) -> Option<Map<String, Value>> {
    read(part)
}

/// Reads one part of a token.
fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// What matters of a token's header. The rest is not kept: nothing of it is proven.
#[derive(Deserialize)]
struct Header {
    /// None that the hub does not know can be read, `none` among them.
    alg: Algorithm,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// What an unproven payload is asked for.
#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// The token of a request, as [`bearer`] found it; owned where the query string encodes it. It
/// can't be printed either.
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

/// Finds the token of a request: in the value of its `Authorization` header (RFC 6750 section 2.1;
/// other schemes are somebody else's) or under `access_token` in its query string, where browsers
/// have to put it. An empty one counts as none. How long it may be is the bound of the head that it
/// is a part of.
///
/// # Errors
/// [`TokenError::Conflict`] where the request carries two that differ.
pub fn bearer<'r>(authorization: Option<&'r str>, query: &'r str) -> Result<Option<Bearer<'r>>, TokenError> {
    let in_header = authorization.and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| Cow::Borrowed(token.trim_start()))
    });
    let in_query = query::values(query, "access_token");
    let mut found: Option<Cow<'r, str>> = None;
    for token in in_header.into_iter().chain(in_query).filter(|token| !token.is_empty()) {
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
pub(crate) enum Tenancy {
    /// Each principal and each publication belongs to its organization.
    #[default]
    Multi,
    /// The hub serves one organization; tokens need not name it, and what they name is not read.
    Single,
}

/// What the operator decides about tokens.
#[derive(Clone, Debug)]
pub struct Options {
    /// The keys, each with the issuers whom it is for; at least one, or the address of a set.
    pub(crate) keys: Keys,
    /// `aud` must have one of these; not looked at without any.
    pub(crate) audiences: Vec<String>,
    /// How far the clocks of issuer and hub may be apart, in seconds; at most [`LEEWAY_S_MAX`].
    pub(crate) leeway_s: u64,
    /// The names of the claims.
    pub(crate) claims: ClaimNames,
    /// Grants that everybody has.
    pub(crate) default_grants: Vec<Grant>,
    /// Whether organizations are kept apart.
    pub(crate) tenancy: Tenancy,
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
            audiences: Vec::new(),
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
    ClaimName(ClaimPath),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionsError::NoKey => f.write_str("no key to verify tokens with"),
            OptionsError::Leeway => write!(f, "a leeway of more than {LEEWAY_S_MAX} s: set the clocks instead"),
            OptionsError::ClaimName(name) => {
                write!(f, "the claim name \"{name}\" is empty, given twice, or means something else already")
            }
        }
    }
}

impl std::error::Error for OptionsError {}

/// Makes principals of tokens. Whole and immutable: a reload makes another one.
///
/// 1. Make [`Keys`] of what the operator configures, and a verifier of them and the other
///    [`Options`].
/// 2. For each request, find the token with [`bearer`] and [`verify`](Verifier::verify) it; a
///    client also has to pass [`check_client`](Verifier::check_client).
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
/// let key = KeyOptions::new(KeySource::Secret(secret.to_owned()));
/// let verifier = Verifier::new(Options::new(Keys::new(&[key]).unwrap())).unwrap();
///
/// // What an identity provider does, as `rte token` does it.
/// let statement = Statement {
///     organization: Some(uuid!("0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59")),
///     grants: vec!["queue/*".to_owned()],
///     expires_unix_s: 2_000,
///     ..Statement::default()
/// };
/// let jwt = mint(&SigningKey::from_secret(None, secret, None).unwrap(), &ClaimNames::default(), &statement).unwrap();
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
/// assert_eq!(verifier.verify(bearer.token(), at(3_000)), Err(TokenError::Expired { ago_s: 1_000 }));
/// ```
#[derive(Debug)]
pub struct Verifier {
    options: Options,
    watch: Arc<Watch>,
    /// No other verifier has it.
    identity: Arc<()>,
}

/// A claim that none of the first tokens had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AbsentClaim {
    /// The key that names it, below `auth.claims`.
    pub(crate) key: &'static str,
    /// The name.
    pub(crate) name: String,
}

impl Verifier {
    /// Checks the options.
    pub fn new(options: Options) -> Result<Verifier, OptionsError> {
        if options.keys.is_empty() && options.keys.urls().is_empty() {
            return Err(OptionsError::NoKey);
        }
        if options.leeway_s > LEEWAY_S_MAX {
            return Err(OptionsError::Leeway);
        }
        let mut taken = ["exp", "nbf", "iss", "aud"].map(str::to_owned).to_vec();
        for (_, path) in options.claims.all() {
            let name = path.to_string();
            if path.is_empty() || taken.contains(&name) {
                return Err(OptionsError::ClaimName(path.clone()));
            }
            taken.push(name);
        }
        Ok(Verifier { options, watch: Arc::default(), identity: Arc::default() })
    }

    /// The same, but for the keys of the set at `url`: they are what this text says.
    ///
    /// # Errors
    /// As [`Keys::with_set`].
    pub fn with_set(&self, url: &str, text: &str) -> Result<Verifier, KeyProblem> {
        Ok(self.with_keys(self.options.keys.with_set(url, text)?))
    }

    /// The same, but for the keys.
    pub fn with_keys(&self, keys: Keys) -> Verifier {
        let options = Options { keys, ..self.options.clone() };
        Verifier { options, watch: Arc::clone(&self.watch), identity: Arc::default() }
    }

    /// Checks a token whole: form, key, signature, time, issuer, audience, and the types of its
    /// claims. A client needs [`Verifier::check_client`] on top.
    pub fn verify(&self, token: Token<'_>, now: Now) -> Result<Principal, TokenError> {
        let (payload, key) = self.proven(token)?;
        let claims = object(payload).ok_or(TokenError::Malformed)?;
        self.principal(&claims, &key.issuers, now)
    }

    /// The payload of a token, still encoded, and the key that has signed it.
    fn proven<'t>(&self, token: Token<'t>) -> Result<(&'t str, &Key), TokenError> {
        let Token(text) = token;
        let (head, _) = text
            .split_once('.')
            .filter(|(head, _)| head.len() <= TOKEN_HEADER_BYTES_MAX)
            .ok_or(TokenError::Malformed)?;
        let header: Header = read(head).ok_or_else(|| unread(head))?;
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let payload = message.split_once('.').map(|(_, payload)| payload).filter(|payload| !payload.contains('.'));
        let payload = payload.ok_or(TokenError::Malformed)?;
        let keys = &self.options.keys;
        // An unproven issuer only says by which of several keys it is to be proven.
        let issuer = || read(payload).map(|Issuer { iss }| iss);
        if header.kid.as_deref().is_some_and(|kid| !keys.has(kid)) {
            self.watch.note_missing_key();
        }
        let key = keys.choose(header.kid.as_deref(), header.alg, issuer)?;
        // Not `jsonwebtoken::decode`: it reads the clock and passes over claims of a wrong type.
        match crypto::verify(signature, message.as_bytes(), &key.decoding, header.alg) {
            Ok(true) => Ok((payload, key)),
            Ok(false) => {
                if key.is_fetched {
                    self.watch.note_missing_key();
                }
                Err(TokenError::Signature)
            }
            Err(_) => Err(TokenError::Malformed),
        }
    }

    /// Whose token it is that is shown again and again on a link: what [`Verifier::learn`] has
    /// found holds until another one comes, its time is over, or another verifier is asked.
    pub(crate) fn recall(&self, token: Token<'_>, known: Option<&Known>, now: Now) -> Option<Principal> {
        known?.principal(token.0, &self.identity, self.options.leeway_s, now).cloned()
    }

    /// The same as [`Verifier::verify`], for a link on which the token may be shown again.
    pub(crate) fn learn(
        &self,
        token: Token<'_>,
        known: &mut Option<Box<Known>>,
        now: Now,
    ) -> Result<Principal, TokenError> {
        let principal = self.verify(token, now)?;
        *known = Some(Box::new(Known::new(token.0, &self.identity, now, principal.clone())));
        Ok(principal)
    }

    /// Whether to verify a token may cost much: its key may be a public one.
    pub(crate) fn is_dear(&self) -> bool {
        self.options.keys.have_public()
    }

    fn principal(&self, claims: &Claims, issuers: &[String], now: Now) -> Result<Principal, TokenError> {
        let options = &self.options;
        let expires_unix_s = claims::date(claims, "exp", Claim::Expiry)?.ok_or(TokenError::NoExpiry)?;
        let now_s = now.unix.seconds();
        // RFC 7519 section 4.1.4: not accepted on or after `exp`, but for the leeway.
        if now_s >= expires_unix_s.saturating_add(options.leeway_s) {
            return Err(TokenError::Expired { ago_s: now_s.saturating_sub(expires_unix_s) });
        }
        if let Some(start) = claims::date(claims, "nbf", Claim::NotBefore)?
            && now_s.saturating_add(options.leeway_s) < start
        {
            return Err(TokenError::NotYetValid { in_s: start.saturating_sub(now_s) });
        }
        if !issuers.is_empty() && !claims::issuer(claims).is_some_and(|issuer| issuers.iter().any(|own| own == issuer))
        {
            return Err(TokenError::Issuer);
        }
        if !options.audiences.is_empty() && !claims::is_meant_for(claims, &options.audiences) {
            return Err(TokenError::Audience);
        }
        let principal = self.read(claims, expires_unix_s)?;
        let found = options.claims.all().map(|(_, path)| path.find(claims));
        let bits = found.iter().rev().fold(0, |bits, claim| bits << 1 | u8::from(claim.is_some()));
        self.watch.note_claims(bits);
        Ok(principal)
    }

    /// Whom these claims speak of, if they are to be believed: for people who ask why. Key, time,
    /// issuer and audience are not looked at.
    ///
    /// # Errors
    /// A claim has a wrong type or form.
    pub(crate) fn unproven(&self, claims: &Map<String, Value>) -> Result<Principal, TokenError> {
        let expires_unix_s = claims::date(claims, "exp", Claim::Expiry)?;
        self.read(claims, expires_unix_s.unwrap_or(u64::MAX))
    }

    fn read(&self, claims: &Claims, expires_unix_s: u64) -> Result<Principal, TokenError> {
        let found = self.options.claims.all().map(|(_, path)| path.find(claims));
        let [user, organization, grants, scope] = found;
        let scopes = claims::scopes(scope)?;
        let (grants, foreign_grants) = claims::grants(grants)?;
        let guid = claims::user(user)?;
        Ok(Principal {
            user: guid,
            organization: match self.options.tenancy {
                Tenancy::Multi => claims::organization(organization)?,
                Tenancy::Single => None,
            },
            publisher: user.and_then(Value::as_str).filter(|_| scopes.publish).map(|text| Arc::new(text.to_owned())),
            may_publish: scopes.publish,
            is_admin: scopes.admin,
            is_backend: scopes.backend,
            grants,
            foreign_grants: u16::try_from(foreign_grants).unwrap_or(u16::MAX),
            expires_unix_s,
            marks: Marks {
                subject: user.and_then(Value::as_str).filter(|_| guid.is_none()).map(Mark::of),
                token: claims::token_id(claims).map(Mark::of),
                issued_unix_s: claims::issued_unix_s(claims),
            },
        })
    }

    /// The claims that none of the first [`TOKENS_WATCHED`] good tokens had, and that somebody may
    /// be waiting for; told once. Not told are an organization that is not read, and usual names
    /// where everybody has grants anyway.
    pub(crate) fn take_absent_claims(&self) -> Vec<AbsentClaim> {
        let Some(occurred) = self.watch.take_occurred() else { return Vec::new() };
        let usual = ClaimNames::default();
        let absent = self.options.claims.all().into_iter().zip(usual.all()).enumerate();
        let absent =
            absent.filter(|(bit, _)| occurred >> bit & 1 == 0).filter(|(_, ((key, path), (_, usual)))| match *key {
                "organization" => self.options.tenancy == Tenancy::Multi,
                "grants" => path != usual || self.options.default_grants.is_empty(),
                _ => true,
            });
        absent.map(|(_, ((key, path), _))| AbsentClaim { key, name: path.to_string() }).collect()
    }

    /// Whether a token has wanted a key, since the last call, that a fresher set may have.
    pub(crate) fn take_missing_key(&self) -> bool {
        self.watch.take_missing_key()
    }

    /// What a client must have beyond a good token: an organization, unless there is only one.
    /// Publishers may lack it.
    pub fn check_client(&self, principal: &Principal) -> Result<(), TokenError> {
        match (self.options.tenancy, principal.organization) {
            (Tenancy::Multi, None) => Err(TokenError::NoOrganization),
            (Tenancy::Multi, Some(_)) | (Tenancy::Single, _) => Ok(()),
        }
    }

    /// The principal of a client's token, by [`verify`](Verifier::verify) and
    /// [`check_client`](Verifier::check_client).
    pub(crate) fn verify_client(&self, token: Token<'_>, now: Now) -> Result<Principal, TokenError> {
        let principal = self.verify(token, now)?;
        self.check_client(&principal)?;
        Ok(principal)
    }

    /// [`rights::may`] with the grants that everybody has.
    pub fn may(&self, principal: &Principal, action: Action, family: &str, event: &Event, entity: Uuid) -> bool {
        rights::may(principal, &self.options.default_grants, action, family, event, entity)
    }

    /// [`rights::decide`] with the grants that everybody has.
    pub(crate) fn decide<'p>(
        &'p self,
        principal: &'p Principal,
        action: Action,
        family: &str,
        event: &Event,
        entity: Uuid,
    ) -> Result<Allowed<'p>, Denied> {
        rights::decide(principal, &self.options.default_grants, action, family, event, entity)
    }

    /// [`rights::standing`] with the grants that everybody has.
    pub(crate) fn standing(&self, principal: &Principal, family: &str, event: &Event) -> Standing {
        rights::standing(principal, &self.options.default_grants, family, event)
    }

    /// Whether the token of that principal is not good any more, by its time.
    pub(crate) fn is_expired(&self, principal: &Principal, now: Now) -> bool {
        now.unix.seconds() >= principal.expires_unix_s.saturating_add(self.options.leeway_s)
    }

    /// When a live connection of that principal has to end, in seconds since the Unix epoch; `None`
    /// where tokens are checked only on arrival. The leeway is in it: what is accepted is not ended
    /// at once.
    pub(crate) fn ends_unix_s(&self, principal: &Principal) -> Option<u64> {
        let end = principal.expires_unix_s.saturating_add(self.options.leeway_s);
        self.options.close_on_expiry.then_some(end)
    }

    /// Whether organizations are kept apart.
    pub(crate) fn tenancy(&self) -> Tenancy {
        self.options.tenancy
    }

    /// The checked options, for a summary: they print no key.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }
}

/// Why a header can't be read.
fn unread(head: &str) -> TokenError {
    #[derive(Deserialize)]
    struct Named {
        alg: String,
    }
    match read(head).as_ref().map(|Named { alg }| alg.as_str()) {
        Some("ES512") => TokenError::Es512,
        Some(other) if other.parse::<Algorithm>().is_err() => TokenError::Unserved,
        Some(_) | None => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests;
