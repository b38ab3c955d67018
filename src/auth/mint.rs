//! Making tokens: for `rte token`, the demo and tests. A serving hub makes none.

use super::claims::{ClaimNames, ClaimPath};
use super::keys::{self, Algorithm, KeyProblem};
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
    /// The key is for the first algorithm, and the second was wanted.
    Other(Algorithm, Algorithm),
    /// The key is not in the form that signing needs, or too weak; with the word of the
    /// cryptography library.
    Refused(String),
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MintError::Secret(problem) => write!(f, "{problem}"),
            MintError::NotPrivate => f.write_str(
                "this is not a private key in PEM (-----BEGIN PRIVATE KEY-----) of RSA, P-256, P-384 or Ed25519; \
                 other forms become one by `openssl pkcs8 -topk8 -nocrypt -in key.pem`",
            ),
            MintError::Other(is, wanted) => write!(f, "the key signs {is} and the like, not {wanted}"),
            MintError::Refused(why) => write!(f, "the key can't sign ({why})"),
        }
    }
}

impl std::error::Error for MintError {}

impl SigningKey {
    /// A key of the bytes of the text, for HS256 if nothing else is wanted. `id` becomes `kid`.
    ///
    /// # Errors
    /// The secret is too short, or the algorithm is for keys of another sort.
    pub fn from_secret(id: Option<String>, secret: &str, wanted: Option<Algorithm>) -> Result<SigningKey, MintError> {
        let algorithm = choose(Algorithm::Hs256, wanted)?;
        if secret.len() < algorithm.secret_bytes_min() {
            return Err(MintError::Secret(KeyProblem::ShortSecret(secret.len(), algorithm)));
        }
        Ok(SigningKey { id, algorithm, key: EncodingKey::from_secret(secret.as_bytes()) })
    }

    /// A key of the private key in the PEM, for the usual algorithm of its material if nothing else
    /// is wanted. `id` becomes `kid`.
    ///
    /// # Errors
    /// The text is no private key, or one for other algorithms.
    pub(crate) fn from_pem(id: Option<String>, text: &str, wanted: Option<Algorithm>) -> Result<SigningKey, MintError> {
        // `jsonwebtoken` would take a public RSA key for a private one, and PKCS#1 for any kind.
        let bytes = match keys::pem_label(text) {
            Some("PRIVATE KEY" | "RSA PRIVATE KEY") => text.as_bytes(),
            Some(_) | None => return Err(MintError::NotPrivate),
        };
        let on_curve = |key: EncodingKey| {
            let curves = [Algorithm::Es256, Algorithm::Es384];
            let curve = curves.into_iter().find(|curve| provider::is_private_on(*curve, key.as_bytes()));
            curve.map(|curve| (curve, key)).ok_or(MintError::NotPrivate)
        };
        let (usual, key) = EncodingKey::from_rsa_pem(bytes)
            .map(|key| (Algorithm::Rs256, key))
            .or_else(|_| EncodingKey::from_ed_pem(bytes).map(|key| (Algorithm::EdDsa, key)))
            .or_else(|_| EncodingKey::from_ec_pem(bytes).map_err(|_| MintError::NotPrivate).and_then(on_curve))?;
        Ok(SigningKey { id, algorithm: choose(usual, wanted)?, key })
    }

    /// What its tokens say in `kid`.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What it signs by.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// What a key of that material signs by: what is wanted, if it can.
fn choose(usual: Algorithm, wanted: Option<Algorithm>) -> Result<Algorithm, MintError> {
    match wanted {
        Some(wanted) if wanted.material() == usual.material() => Ok(wanted),
        Some(wanted) => Err(MintError::Other(usual, wanted)),
        None => Ok(usual),
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
    let mut say = |path: &ClaimPath, value: Option<Value>| {
        if let Some(value) = value {
            path.put(&mut claims, value);
        }
    };
    say(&ClaimPath::new("iss"), statement.issuer.as_deref().map(Value::from));
    say(&ClaimPath::new("aud"), statement.audience.as_deref().map(Value::from));
    say(&ClaimPath::new("iat"), Some(json!(statement.issued_unix_s)));
    say(&ClaimPath::new("exp"), Some(json!(statement.expires_unix_s)));
    say(&names.user, statement.user.as_deref().map(Value::from));
    say(&names.organization, statement.organization.map(|guid| json!(guid.to_string())));
    say(&names.grants, (!statement.grants.is_empty()).then(|| json!(statement.grants)));
    say(&names.scope, (!statement.scopes.is_empty()).then(|| json!(statement.scopes.join(" "))));
    let mut header = Header::new(key.algorithm.of_jwt());
    header.kid = key.id.clone();
    jsonwebtoken::encode(&header, &claims, &key.key).map_err(|error| MintError::Refused(error.to_string()))
}
