//! One key with its one algorithm, proven whole and strong enough.

use super::problem::{KeyProblem, RSA_BITS};
use crate::auth::algorithm::{Algorithm, Material};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};

/// Bytes of an uncompressed point on P-256: 4, x, y (SEC 1 section 2.3.3).
const P256_POINT_BYTES: usize = 65;
/// The same on P-384.
const P384_POINT_BYTES: usize = 97;
/// Bytes of an Ed25519 public key (RFC 8032 section 5.1.5).
const ED25519_BYTES: usize = 32;

/// One key with its one algorithm.
#[derive(Clone)]
pub(in crate::auth) struct Key {
    pub(super) id: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
    /// Whose tokens it is for; empty for anybody's.
    pub(in crate::auth) issuers: Box<[String]>,
    /// Whether it came from an address, where another one may be by now.
    pub(in crate::auth) is_fetched: bool,
    pub(in crate::auth) decoding: DecodingKey,
}

impl Key {
    /// Proves that the key is whole and strong enough. Its material and `wanted` decide its
    /// algorithm; the issuers come later.
    pub(super) fn new(id: Option<&str>, decoding: DecodingKey, wanted: Option<Algorithm>) -> Result<Key, KeyProblem> {
        use jsonwebtoken::AlgorithmFamily::{Ec, Ed, Hmac, Rsa};
        let (material, decoding) = match (decoding.family(), decoding.kind()) {
            (Hmac, _) => (Material::Secret, decoding),
            (Ec, DecodingKeyKind::SecretOrDer(point)) if point.first() == Some(&4) => match point.len() {
                P256_POINT_BYTES => (Material::P256, decoding),
                P384_POINT_BYTES => (Material::P384, decoding),
                _ => return Err(KeyProblem::NotOnCurve),
            },
            (Ec, _) => return Err(KeyProblem::NotOnCurve),
            (Ed, DecodingKeyKind::SecretOrDer(point)) if point.len() == ED25519_BYTES => (Material::Ed25519, decoding),
            (Ed, _) => return Err(KeyProblem::UnservedPem),
            (Rsa, DecodingKeyKind::SecretOrDer(der)) => {
                (Material::Rsa, rsa(rsa_components(der).ok_or(KeyProblem::NotPem)?)?)
            }
            (Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => (Material::Rsa, rsa((n, e))?),
        };
        let algorithm = match wanted {
            Some(wanted) if wanted.material() == material => wanted,
            Some(asserted) => {
                return Err(KeyProblem::OtherAlgorithm { is: Algorithm::usual(material), asserted });
            }
            None => Algorithm::usual(material),
        };
        match decoding.kind() {
            DecodingKeyKind::SecretOrDer(secret)
                if material == Material::Secret && secret.len() < algorithm.secret_bytes_min() =>
            {
                Err(KeyProblem::ShortSecret(secret.len(), algorithm))
            }
            DecodingKeyKind::SecretOrDer(_) | DecodingKeyKind::RsaModulusExponent { .. } => {
                Ok(Key { id: id.map(Into::into), algorithm, issuers: Box::default(), is_fetched: false, decoding })
            }
        }
    }

    /// Whether a token of that issuer may choose it.
    pub(super) fn serves(&self, issuer: Option<&str>) -> bool {
        self.issuers.is_empty() || issuer.is_some_and(|issuer| self.issuers.iter().any(|own| own == issuer))
    }

    /// Whether some issuer's tokens could choose both.
    pub(super) fn shares_issuers(&self, other: &Key) -> bool {
        self.issuers.is_empty()
            || other.issuers.is_empty()
            || self.issuers.iter().any(|own| other.issuers.contains(own))
    }

    /// Whether it is the very same key.
    pub(super) fn is(&self, other: &Key) -> bool {
        let material = |key: &Key| match key.decoding.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => (bytes.clone(), Vec::new()),
            DecodingKeyKind::RsaModulusExponent { n, e } => (n.clone(), e.clone()),
        };
        (&self.id, self.algorithm, &self.issuers) == (&other.id, other.algorithm, &other.issuers)
            && material(self) == material(other)
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

pub(super) fn strip_zeros(mut bytes: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 appendix A.1.1): a sequence of two
/// integers.
pub(super) fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const INTEGER: u8 = 0x02;
    const SEQUENCE: u8 = 0x30;
    let (body, []) = der_element(SEQUENCE, der)? else { return None };
    let (n, rest) = der_element(INTEGER, body)?;
    let (e, []) = der_element(INTEGER, rest)? else { return None };
    Some((n, e))
}

/// The content of the DER element with that tag at the start of `der`, and what follows it.
pub(super) fn der_element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
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
