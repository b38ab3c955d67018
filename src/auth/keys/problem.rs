//! What can be wrong with a key, and what to do about it.

use crate::auth::algorithm::{Algorithm, SERVED};
use std::fmt;

/// Bits of an RSA modulus: at least 2048 (RFC 7518 section 3.3), at most what `ring` verifies.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// One thing wrong with the configured keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    /// Which of the [`KeyOptions`](super::KeyOptions), from 0.
    pub(crate) index: usize,
    /// What is wrong with it.
    pub(crate) problem: KeyProblem,
}

/// What is wrong with a key. `Display` says what to do, and tells no part of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// The secret has only so many bytes, too few for this algorithm.
    ShortSecret(usize, Algorithm),
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
    /// An elliptic key is not on P-256 or P-384, or not a whole point.
    NotOnCurve,
    /// The key is for this algorithm, and another was asserted.
    OtherAlgorithm {
        /// What the key can do.
        is: Algorithm,
        /// What was asserted.
        asserted: Algorithm,
    },
    /// The text is no JWK Set; with the JSON parser's words.
    NotJwks(String),
    /// A JWK lacks a member, or has one of a wrong form.
    NotJwk,
    /// A JWK holds a private key.
    PrivateJwk,
    /// A JWK holds a secret, and whoever knows the address of its set can read it.
    PublicSecret,
    /// None of so many JWKs can be used; with the first one that is broken, and why.
    NothingUsable(usize, Option<Box<PassedOver>>),
    /// `id` was given beside a JWK set.
    BesideJwks,
    /// The id is empty.
    EmptyId,
    /// Another key of that algorithm has that id.
    DuplicateId(String),
    /// There is another key of that algorithm without an id, so that no token could choose.
    Unchoosable(Algorithm),
}

/// A key of a set that is not used because something is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Its place in the set, from 0.
    pub(crate) number: usize,
    /// What is wrong with it.
    pub(crate) problem: KeyProblem,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`keys[{}]` of the JWK set: {}", self.number, self.problem)
    }
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
            KeyProblem::ShortSecret(bytes, algorithm) => write!(
                f,
                "the secret has {bytes} bytes, and {algorithm} needs at least {}: make one with \
                 `openssl rand -base64 48`",
                algorithm.secret_bytes_min()
            ),
            KeyProblem::NotPem => f.write_str("this is not a public key in PEM (-----BEGIN PUBLIC KEY-----)"),
            KeyProblem::PrivatePem => f.write_str(
                "this is a private key, and the hub only verifies: give it the public half, \
                 `openssl pkey -in private.pem -pubout`",
            ),
            KeyProblem::CertificatePem => f.write_str(
                "this is a certificate: give the public key in it, `openssl x509 -in certificate.pem -noout -pubkey`",
            ),
            KeyProblem::UnservedPem => {
                f.write_str("this is not a whole public key of a kind that is served: RSA, P-256, P-384 or Ed25519")
            }
            KeyProblem::RsaBits(bits) => write!(
                f,
                "the RSA key has {bits} bits, and {} to {} are needed: make one with \
                 `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`",
                RSA_BITS.start(),
                RSA_BITS.end()
            ),
            KeyProblem::NotOnCurve => f.write_str(
                "the elliptic key is not a whole point on P-256 (ES256) or P-384 (ES384); P-521 (ES512) is not served, \
                 because the cryptography library lacks it: make a key with \
                 `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
            ),
            KeyProblem::OtherAlgorithm { is, asserted } => write!(
                f,
                "the key is for {is}, and `algorithm` says {asserted}: leave `algorithm` out, or give the right key"
            ),
            KeyProblem::NotJwks(why) => write!(f, "this is not a JWK set, {{\"keys\":[…]}}: {why}"),
            KeyProblem::NotJwk => f.write_str("a member that the key needs is missing or of a wrong form"),
            KeyProblem::PrivateJwk => f.write_str(
                "it holds a private key (member `d`), and the hub only verifies: give it the public set, and take the \
                 private key for disclosed",
            ),
            KeyProblem::PublicSecret => f.write_str("it is a shared secret at an address that others can read, too"),
            KeyProblem::NothingUsable(count, first) => {
                write!(f, "none of the {count} keys of the JWK set is a usable signature key for {SERVED}")?;
                first.as_ref().map_or(Ok(()), |first| write!(f, "; {first}"))
            }
            KeyProblem::BesideJwks => f.write_str("the keys of a JWK set bring their own `kid`: leave `id` out"),
            KeyProblem::EmptyId => f.write_str("the id is empty: leave it out, or give the `kid` of the tokens"),
            KeyProblem::DuplicateId(id) => write!(f, "another key has the id {id:?} too, and tokens choose by it"),
            KeyProblem::Unchoosable(algorithm) => write!(
                f,
                "there are two keys for {algorithm} without an id, so that no token could choose: give one an id"
            ),
        }
    }
}
