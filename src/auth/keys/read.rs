//! From texts to keys: secrets, PEM, JWK sets.

use super::key::Key;
use super::problem::{KeyProblem, PassedOver};
use crate::auth::algorithm::{Algorithm, Material};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, KeyOperations};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// Where a key comes from: the text itself, files are read by the caller.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A shared secret; its UTF-8 bytes are the key.
    Secret(String),
    /// A public key in PEM.
    Pem(String),
    /// A JWK Set (RFC 7517 section 5), each key with its own `kid`.
    Jwks(String),
    /// The address of a JWK Set. It has no key until somebody has fetched it:
    /// [`super::Keys::with_set`].
    JwksUrl(String),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeySource::Secret(_) => "Secret(redacted)",
            KeySource::Pem(_) => "Pem(redacted)",
            KeySource::Jwks(_) => "Jwks(redacted)",
            KeySource::JwksUrl(_) => "JwksUrl(redacted)",
        })
    }
}

/// One configured key, or one set of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOptions {
    /// What tokens name in `kid`; a JWKS brings its own.
    pub id: Option<String>,
    /// What the key is for, where its material leaves a choice (RS256 or PS512): one key, one
    /// algorithm. Without it the usual one of the material; in a JWK set it is for the keys that
    /// don't say it themselves.
    pub algorithm: Option<Algorithm>,
    /// Whose tokens the key is for (`iss`); empty for anybody's.
    pub issuers: Vec<String>,
    /// The key.
    pub source: KeySource,
}

impl KeyOptions {
    /// A key of that source, and nothing else said.
    pub fn new(source: KeySource) -> KeyOptions {
        KeyOptions { id: None, algorithm: None, issuers: Vec::new(), source }
    }
}

/// What a source comes to.
#[derive(Clone, Default)]
pub(super) struct Read {
    /// Each key with its place in the set.
    pub(super) keys: Vec<(usize, Key)>,
    /// Keys of a set that are for something else (encryption, other curves): RFC 7517 section 5
    /// wants them ignored.
    pub(super) skipped: usize,
    /// Keys of a set that can't be used.
    pub(super) passed_over: Vec<PassedOver>,
}

/// Reads what was configured.
pub(super) fn read(options: &KeyOptions) -> Result<Read, KeyProblem> {
    let decoding = match &options.source {
        KeySource::Jwks(_) | KeySource::JwksUrl(_) if options.id.is_some() => return Err(KeyProblem::BesideJwks),
        KeySource::Jwks(text) => return read_set(text, options, false),
        KeySource::JwksUrl(_) => return Ok(Read::default()),
        KeySource::Secret(secret) => DecodingKey::from_secret(secret.as_bytes()),
        KeySource::Pem(text) => public_pem(text)?,
    };
    let mut key = Key::new(options.id.as_deref(), decoding, options.algorithm)?;
    key.issuers = options.issuers.clone().into();
    Ok(Read { keys: vec![(0, key)], ..Read::default() })
}

/// Reads the text of a JWK set; `is_fetched` says that it came from an address. One key that can't
/// be used doesn't spoil the others.
pub(super) fn read_set(text: &str, options: &KeyOptions, is_fetched: bool) -> Result<Read, KeyProblem> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    // The parser's words may quote a scalar of the text, a key for one, where a type is wrong.
    let set: Set = serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() { "a member `keys` with an array is missing" } else { "it is not JSON" };
        KeyProblem::NotJwks(format!("{what} (line {}, column {})", error.line(), error.column()))
    })?;
    let mut read = Read::default();
    for (number, jwk) in set.keys.iter().enumerate() {
        match read_jwk(jwk, options.algorithm, is_fetched) {
            Ok(None) => read.skipped += 1,
            Ok(Some(mut key)) => {
                key.issuers = options.issuers.clone().into();
                key.is_fetched = is_fetched;
                read.keys.push((number, key));
            }
            Err(problem) => read.passed_over.push(PassedOver { number, problem }),
        }
    }
    if read.keys.is_empty() {
        let first = read.passed_over.into_iter().next().map(Box::new);
        return Err(KeyProblem::NothingUsable(set.keys.len(), first));
    }
    Ok(read)
}

/// Reads one JWK; `None` where it is for something that is not done here.
fn read_jwk(jwk: &Value, usual: Option<Algorithm>, is_fetched: bool) -> Result<Option<Key>, KeyProblem> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let Some(kind) = text("kty") else { return Err(KeyProblem::NotJwk) };
    let material = match (kind, text("crv")) {
        ("RSA", _) => Material::Rsa,
        ("oct", _) => Material::Secret,
        ("EC", Some("P-256")) => Material::P256,
        ("EC", Some("P-384")) => Material::P384,
        ("OKP", Some("Ed25519")) => Material::Ed25519,
        (_, _) => return Ok(None),
    };
    let algorithm = match jwk.get("alg") {
        None | Some(Value::Null) => None,
        // RSA-OAEP, ES512, and what is not thought of yet.
        Some(alg) => match alg.as_str().and_then(Algorithm::parse) {
            Some(algorithm) => Some(algorithm),
            None => return Ok(None),
        },
    };
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return Ok(None);
    }
    // RFC 7518 sections 6.2.2 and 6.3.2: `d` is the private part of RSA, elliptic and Edwards keys
    // alike.
    if jwk.get("d").is_some() {
        return Err(KeyProblem::PrivateJwk);
    }
    let parsed = Jwk::deserialize(jwk).map_err(|_| KeyProblem::NotJwk)?;
    if parsed.common.key_operations.as_ref().is_some_and(|list| !list.contains(&KeyOperations::Verify)) {
        return Ok(None);
    }
    if material == Material::Secret && is_fetched {
        return Err(KeyProblem::PublicSecret);
    }
    let fits = |algorithm: &Algorithm| algorithm.material() == material;
    if algorithm.is_some_and(|algorithm| !fits(&algorithm)) {
        return Err(KeyProblem::NotJwk);
    }
    let decoding = DecodingKey::from_jwk(&parsed).map_err(|_| KeyProblem::NotJwk)?;
    // An empty `kid` can't be told from none by those who sign.
    let id = parsed.common.key_id.as_deref().filter(|id| !id.is_empty());
    Key::new(id, decoding, algorithm.or(usual.filter(fits))).map(Some)
}

/// Reads a public key from PEM, by its label first: `jsonwebtoken` would take a private key for a
/// public one.
fn public_pem(text: &str) -> Result<DecodingKey, KeyProblem> {
    let label = pem_label(text).ok_or(KeyProblem::NotPem)?;
    if label.ends_with("PRIVATE KEY") {
        return Err(KeyProblem::PrivatePem);
    }
    if label.ends_with("CERTIFICATE") {
        return Err(KeyProblem::CertificatePem);
    }
    let bytes = text.as_bytes();
    DecodingKey::from_rsa_pem(bytes)
        .or_else(|_| DecodingKey::from_ec_pem(bytes))
        .or_else(|_| DecodingKey::from_ed_pem(bytes))
        .map_err(|_| KeyProblem::UnservedPem)
}

/// The label of the first PEM block (RFC 7468 section 2).
pub(in crate::auth) fn pem_label(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, _) = rest.split_once("-----")?;
    Some(label)
}
