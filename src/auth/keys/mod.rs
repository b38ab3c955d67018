//! Keys: secrets, PEM and JWKS texts; one key, one algorithm.
//!
//! Everything that can be wrong with a key is found when it is read, with a sentence that says what to do: a token that arrives
//! later can only be wrong itself.

use super::error::TokenError;
use super::provider;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use std::fmt;

pub use super::algorithm::Algorithm;

/// Bytes that an HS256 secret has at least: as many as the hash (RFC 7518 section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;
/// Bits of an RSA modulus: at least 2048 (RFC 7518 section 3.3), at most what `ring` verifies.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Bytes of an uncompressed P-256 point: 4, x, y (SEC 1 section 2.3.3).
const P256_POINT_BYTES: usize = 65;
/// Bytes of an Ed25519 public key (RFC 8032 section 5.1.5).
const ED25519_BYTES: usize = 32;

/// Where a key comes from: the text itself, files are read by the caller.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A shared secret; its UTF-8 bytes are the key.
    Secret(String),
    /// A public key in PEM.
    Pem(String),
    /// A JWK Set (RFC 7517 section 5), each key with its own `kid`.
    Jwks(String),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeySource::Secret(_) => "Secret(redacted)",
            KeySource::Pem(_) => "Pem(redacted)",
            KeySource::Jwks(_) => "Jwks(redacted)",
        })
    }
}

/// One configured key, or one set of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOptions {
    /// What tokens name in `kid`; a JWKS brings its own.
    pub id: Option<String>,
    /// What the key is for. Each kind of key has one algorithm, so leaving it out loses nothing; naming it asserts it.
    pub algorithm: Option<Algorithm>,
    /// The key.
    pub source: KeySource,
}

/// One thing wrong with the configured keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    /// Which of the [`KeyOptions`], from 0.
    pub index: usize,
    /// What is wrong with it.
    pub problem: KeyProblem,
}

/// What is wrong with a key. `Display` says what to do, and tells no part of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// The secret has only so many bytes.
    ShortSecret(usize),
    /// The text is no PEM that holds a key.
    NotPem,
    /// The PEM holds a private key, or one that is encrypted.
    PrivatePem,
    /// The PEM holds a certificate.
    CertificatePem,
    /// The PEM holds a public key of another kind.
    UnservedPem,
    /// The RSA modulus has so many bits.
    RsaBits(usize),
    /// An elliptic key is not on P-256, or not a whole point.
    NotP256,
    /// The key is for this algorithm, and another was asserted.
    OtherAlgorithm {
        /// What the key can do.
        is: Algorithm,
        /// What was asserted.
        asserted: Algorithm,
    },
    /// The text is no JWK Set; with the JSON parser's words.
    NotJwks(String),
    /// The JWK of that number (from 0) holds a private key.
    PrivateJwk(usize),
    /// None of so many JWKs can be used.
    NothingUsable(usize),
    /// `id` or `algorithm` was given beside a JWKS.
    BesideJwks,
    /// The id is empty.
    EmptyId,
    /// Another key has that id.
    DuplicateId(String),
    /// There is another key of that algorithm, and one of the two has no id, so that no token could choose it.
    Unchoosable(Algorithm),
}

/// The keys that tokens are verified with; never empty of sense: each of them can be chosen by some token.
pub struct Keys {
    keys: Vec<Key>,
    /// JWKs passed over because the hub can't use them.
    skipped: usize,
}

/// One key with its one algorithm.
pub(super) struct Key {
    id: Option<Box<str>>,
    algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl Keys {
    /// Reads all keys, or tells everything that is wrong with any of them. No key at all gives no error here: a
    /// [`super::token::Verifier`] refuses it.
    pub fn new(options: &[KeyOptions]) -> Result<Keys, Vec<KeyError>> {
        provider::install();
        let mut keys = Keys { keys: Vec::new(), skipped: 0 };
        let mut errors = Vec::new();
        for (index, one) in options.iter().enumerate() {
            let mut own = Vec::new();
            match read(one, &mut keys.skipped) {
                Ok(read) => own = read,
                Err(problem) => errors.push(KeyError { index, problem }),
            }
            for key in own {
                match keys.refusal(&key) {
                    Some(problem) => errors.push(KeyError { index, problem }),
                    None => keys.keys.push(key),
                }
            }
        }
        if errors.is_empty() { Ok(keys) } else { Err(errors) }
    }

    /// What forbids to add `key` to the others.
    fn refusal(&self, key: &Key) -> Option<KeyProblem> {
        match &key.id {
            Some(id) if id.is_empty() => return Some(KeyProblem::EmptyId),
            Some(id) if self.keys.iter().any(|other| other.id.as_ref() == Some(id)) => {
                return Some(KeyProblem::DuplicateId(id.to_string()));
            }
            Some(_) | None => {}
        }
        self.keys
            .iter()
            .any(|other| other.algorithm == key.algorithm && (other.id.is_none() || key.id.is_none()))
            .then_some(KeyProblem::Unchoosable(key.algorithm))
    }

    /// The key of a token: a known `kid` chooses, an unknown one chooses nothing; without `kid` the one key of that algorithm.
    /// Either way the key's own algorithm must be the token's.
    pub(super) fn choose(&self, kid: Option<&str>, algorithm: JwtAlgorithm) -> Result<&Key, TokenError> {
        let serves = |key: &&Key| key.algorithm.of_jwt() == algorithm;
        match kid {
            Some(kid) => {
                let key = self.keys.iter().find(|key| key.id.as_deref() == Some(kid)).ok_or(TokenError::UnknownKey)?;
                Some(key).filter(serves).ok_or(TokenError::Algorithm)
            }
            None => {
                let mut candidates = self.keys.iter().filter(serves);
                match (candidates.next(), candidates.next()) {
                    (Some(key), None) => Ok(key),
                    (Some(_), Some(_)) => Err(TokenError::NoKeyId),
                    (None, _) => Err(TokenError::Algorithm),
                }
            }
        }
    }

    /// Each key's id and algorithm, as configured; the keys themselves stay here.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&str>, Algorithm)> {
        self.keys.iter().map(|key| (key.id.as_deref(), key.algorithm))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// JWKs that were passed over because they are for something else (encryption, other algorithms or curves): RFC 7517
    /// section 5 wants them ignored.
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn read(options: &KeyOptions, skipped: &mut usize) -> Result<Vec<Key>, KeyProblem> {
    let decoding = match &options.source {
        KeySource::Secret(secret) => DecodingKey::from_secret(secret.as_bytes()),
        KeySource::Pem(text) => public_pem(text)?,
        KeySource::Jwks(_) if options.id.is_some() || options.algorithm.is_some() => {
            return Err(KeyProblem::BesideJwks);
        }
        KeySource::Jwks(text) => return jwks(text, skipped),
    };
    let key = Key::new(options.id.as_deref(), decoding)?;
    match options.algorithm {
        Some(asserted) if asserted != key.algorithm => Err(KeyProblem::OtherAlgorithm { is: key.algorithm, asserted }),
        Some(_) | None => Ok(vec![key]),
    }
}

impl Key {
    /// Proves that the key is whole and strong enough; its kind decides its algorithm.
    fn new(id: Option<&str>, decoding: DecodingKey) -> Result<Key, KeyProblem> {
        use jsonwebtoken::AlgorithmFamily::{Ec, Ed, Hmac, Rsa};
        let (algorithm, decoding) = match (decoding.family(), decoding.kind()) {
            (Hmac, DecodingKeyKind::SecretOrDer(secret)) if secret.len() < SECRET_BYTES_MIN => {
                return Err(KeyProblem::ShortSecret(secret.len()));
            }
            (Hmac, _) => (Algorithm::Hs256, decoding),
            (Ec, DecodingKeyKind::SecretOrDer(point))
                if point.len() == P256_POINT_BYTES && point.first() == Some(&4) =>
            {
                (Algorithm::Es256, decoding)
            }
            (Ec, _) => return Err(KeyProblem::NotP256),
            (Ed, DecodingKeyKind::SecretOrDer(point)) if point.len() == ED25519_BYTES => (Algorithm::EdDsa, decoding),
            (Ed, _) => return Err(KeyProblem::UnservedPem),
            (Rsa, DecodingKeyKind::SecretOrDer(der)) => {
                (Algorithm::Rs256, rsa(rsa_components(der).ok_or(KeyProblem::NotPem)?)?)
            }
            (Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => (Algorithm::Rs256, rsa((n, e))?),
        };
        Ok(Key { id: id.map(Into::into), algorithm, decoding })
    }
}

/// An RSA key of its modulus and exponent.
fn rsa((n, e): (&[u8], &[u8])) -> Result<DecodingKey, KeyProblem> {
    // A leading zero is DER's sign, and in JWKs a common mistake; `ring` refuses it.
    let n = strip_zeros(n);
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(KeyProblem::RsaBits(bits));
    }
    Ok(DecodingKey::from_rsa_raw_components(n, strip_zeros(e)))
}

fn strip_zeros(mut bytes: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 appendix A.1.1): a sequence of two integers.
fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const INTEGER: u8 = 0x02;
    const SEQUENCE: u8 = 0x30;
    let (body, []) = der_element(SEQUENCE, der)? else { return None };
    let (n, rest) = der_element(INTEGER, body)?;
    let (e, []) = der_element(INTEGER, rest)? else { return None };
    Some((n, e))
}

/// The content of the DER element with that tag at the start of `der`, and what follows it.
fn der_element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    let (len, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        // The low bits count the bytes of the length; a key needs no more than two.
        0x81 => rest.split_first().map(|(&len, rest)| (usize::from(len), rest))?,
        0x82 => rest.split_first_chunk().map(|(&len, rest)| (usize::from(u16::from_be_bytes(len)), rest))?,
        0x80 | 0x83.. => return None,
    };
    (found == tag).then(|| rest.split_at_checked(len))?
}

/// Reads a public key from PEM, by its label first: `jsonwebtoken` would take a private key for a public one.
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
pub(super) fn pem_label(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, _) = rest.split_once("-----")?;
    Some(label)
}

fn jwks(text: &str, skipped: &mut usize) -> Result<Vec<Key>, KeyProblem> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    // The parser's words may quote a scalar of the text, a key for one, where a type is wrong.
    let set: Set = serde_json::from_str(text).map_err(|error| {
        let what =
            if error.is_data() { "a member `keys` with an array of objects is missing" } else { "it is not JSON" };
        KeyProblem::NotJwks(format!("{what} (line {}, column {})", error.line(), error.column()))
    })?;
    let mut keys = Vec::new();
    for (number, jwk) in set.keys.iter().enumerate() {
        // RFC 7518 sections 6.2.2 and 6.3.2: `d` is the private part of RSA, elliptic and Edwards keys alike.
        if jwk.get("d").is_some() {
            return Err(KeyProblem::PrivateJwk(number));
        }
        match Jwk::deserialize(jwk).ok().filter(is_for_us) {
            Some(jwk) => {
                let decoding = DecodingKey::from_jwk(&jwk)
                    .map_err(|_| KeyProblem::NotJwks(format!("a member of `keys[{number}]` is not base64url")))?;
                keys.push(Key::new(jwk.common.key_id.as_deref(), decoding)?);
            }
            None => *skipped += 1,
        }
    }
    if keys.is_empty() { Err(KeyProblem::NothingUsable(set.keys.len())) } else { Ok(keys) }
}

/// Whether a JWK is a signature key of an algorithm that the hub serves: `alg` where it is there, else by `kty` and `crv`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is of another crate, which may add to it")]
fn is_for_us(jwk: &Jwk) -> bool {
    let common = &jwk.common;
    let for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
        && common.key_operations.as_ref().is_none_or(|list| list.contains(&KeyOperations::Verify));
    let by_type = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => Some(KeyAlgorithm::HS256),
        AlgorithmParameters::RSA(_) => Some(KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(KeyAlgorithm::ES256),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Some(KeyAlgorithm::EdDSA),
        _ => None,
    };
    for_signatures && by_type.is_some() && common.key_algorithm.is_none_or(|algorithm| Some(algorithm) == by_type)
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: {}", self.index + 1, self.problem)
    }
}

impl std::error::Error for KeyError {}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyProblem::ShortSecret(bytes) => write!(
                f,
                "the secret has {bytes} bytes, and HS256 needs at least {SECRET_BYTES_MIN}: make one with `openssl rand -base64 48`"
            ),
            KeyProblem::NotPem => f.write_str("this is not a public key in PEM (-----BEGIN PUBLIC KEY-----)"),
            KeyProblem::PrivatePem => f.write_str(
                "this is a private key, and the hub only verifies: give it the public half, `openssl pkey -in private.pem -pubout`",
            ),
            KeyProblem::CertificatePem => f.write_str(
                "this is a certificate: give the public key in it, `openssl x509 -in certificate.pem -noout -pubkey`",
            ),
            KeyProblem::UnservedPem => {
                f.write_str("this is not a whole public key of a kind that is served: RSA, P-256 or Ed25519")
            }
            KeyProblem::RsaBits(bits) => write!(
                f,
                "the RSA key has {bits} bits, and RS256 needs {} to {}: make one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`",
                RSA_BITS.start(),
                RSA_BITS.end()
            ),
            KeyProblem::NotP256 => f.write_str(
                "the elliptic key is not a whole point on P-256: make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
            ),
            KeyProblem::OtherAlgorithm { is, asserted } => {
                write!(f, "the key is for {is}, and `algorithm` says {asserted}: leave `algorithm` out, or give the right key")
            }
            KeyProblem::NotJwks(why) => write!(f, "this is not a JWK set, {{\"keys\":[…]}}: {why}"),
            KeyProblem::PrivateJwk(number) => write!(
                f,
                "`keys[{number}]` of the JWK set holds a private key (member `d`), and the hub only verifies: give it the public set"
            ),
            KeyProblem::NothingUsable(count) => write!(
                f,
                "none of the {count} keys of the JWK set is a signature key for HS256, RS256, ES256 or EdDSA"
            ),
            KeyProblem::BesideJwks => {
                f.write_str("the keys of a JWK set bring their own `kid` and `alg`: leave `id` and `algorithm` out")
            }
            KeyProblem::EmptyId => f.write_str("the id is empty: leave it out, or give the `kid` of the tokens"),
            KeyProblem::DuplicateId(id) => write!(f, "another key has the id {id:?} too, and tokens choose by it"),
            KeyProblem::Unchoosable(algorithm) => write!(
                f,
                "there are two keys for {algorithm} and one of them has no id, so that no token could choose it: give both an id"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
