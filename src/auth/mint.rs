//! Making tokens: for `rte token`, the demo and tests. A serving hub makes none.

use super::claims::ClaimNames;
use super::keys::{self, Algorithm, KeyProblem, SECRET_BYTES_MIN};
use super::provider;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};
use std::fmt;
use uuid::Uuid;

/// A key that signs. It can't be printed.
pub struct SigningKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, redacted)", self.algorithm)
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MintError {
    /// The secret is too short.
    Secret(KeyProblem),
    /// The PEM is not a private key of a kind that is served.
    NotPrivate,
    /// The key is not in the form that signing needs, or too weak; with the word of the cryptography library.
    Refused(String),
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MintError::Secret(problem) => write!(f, "{problem}"),
            MintError::NotPrivate => f.write_str(
                "this is not a private key in PEM (-----BEGIN PRIVATE KEY-----) of RSA, P-256 or Ed25519; \
                 other forms become one by `openssl pkcs8 -topk8 -nocrypt -in key.pem`",
            ),
            MintError::Refused(why) => write!(f, "the key can't sign ({why})"),
        }
    }
}

impl std::error::Error for MintError {}

impl SigningKey {
    /// A key for HS256: the bytes of the text. `id` becomes `kid`.
    pub fn from_secret(id: Option<String>, secret: &str) -> Result<SigningKey, MintError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(MintError::Secret(KeyProblem::ShortSecret(secret.len())));
        }
        Ok(SigningKey { id, algorithm: Algorithm::Hs256, key: EncodingKey::from_secret(secret.as_bytes()) })
    }

    /// A key for RS256, ES256 or EdDSA, whatever the private key in the PEM is for. `id` becomes `kid`.
    pub fn from_pem(id: Option<String>, text: &str) -> Result<SigningKey, MintError> {
        // `jsonwebtoken` would take a public RSA key for a private one, and PKCS#1 for any kind.
        let bytes = match keys::pem_label(text) {
            Some("PRIVATE KEY" | "RSA PRIVATE KEY") => text.as_bytes(),
            Some(_) | None => return Err(MintError::NotPrivate),
        };
        let (algorithm, key) = EncodingKey::from_rsa_pem(bytes)
            .map(|key| (Algorithm::Rs256, key))
            .or_else(|_| EncodingKey::from_ec_pem(bytes).map(|key| (Algorithm::Es256, key)))
            .or_else(|_| EncodingKey::from_ed_pem(bytes).map(|key| (Algorithm::EdDsa, key)))
            .map_err(|_| MintError::NotPrivate)?;
        Ok(SigningKey { id, algorithm, key })
    }

    /// What it signs by.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// What a token shall say. The default says nothing, and is expired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// The subject: a user's GUID, or the name of a publisher.
    pub user: Option<String>,
    /// The organization.
    pub organization: Option<Uuid>,
    /// Grants, as text.
    pub grants: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// `iat`, seconds since the Unix epoch.
    pub issued_unix_s: u64,
    /// `exp`, seconds since the Unix epoch.
    pub expires_unix_s: u64,
}

/// Signs a token that says it, with the claims under these names.
pub fn mint(key: &SigningKey, names: &ClaimNames, statement: &Statement) -> Result<String, MintError> {
    provider::install();
    let mut claims = Map::new();
    let mut say = |name: &str, value: Option<Value>| value.map(|value| claims.insert(name.to_owned(), value));
    say("iss", statement.issuer.as_deref().map(Value::from));
    say("aud", statement.audience.as_deref().map(Value::from));
    say("iat", Some(json!(statement.issued_unix_s)));
    say("exp", Some(json!(statement.expires_unix_s)));
    say(&names.user, statement.user.as_deref().map(Value::from));
    say(&names.organization, statement.organization.map(|guid| json!(guid.to_string())));
    say(&names.grants, (!statement.grants.is_empty()).then(|| json!(statement.grants)));
    say(&names.scope, (!statement.scopes.is_empty()).then(|| json!(statement.scopes.join(" "))));
    let mut header = Header::new(key.algorithm.of_jwt());
    header.kid = key.id.clone();
    jsonwebtoken::encode(&header, &claims, &key.key).map_err(|error| MintError::Refused(error.to_string()))
}
