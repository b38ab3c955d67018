//! The algorithms that tokens are signed by.

use jsonwebtoken::Algorithm as JwtAlgorithm;
use std::fmt;

/// How tokens may be signed (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// HMAC with SHA-256 and a shared secret.
    Hs256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them, in the order in which they are told.
    pub const ALL: [Algorithm; 4] = [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    /// As `alg` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name, without case.
    pub fn parse(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn of_jwt(self) -> JwtAlgorithm {
        match self {
            Algorithm::Hs256 => JwtAlgorithm::HS256,
            Algorithm::Rs256 => JwtAlgorithm::RS256,
            Algorithm::Es256 => JwtAlgorithm::ES256,
            Algorithm::EdDsa => JwtAlgorithm::EdDSA,
        }
    }

    /// The same of `jsonwebtoken`'s, which knows more than are served.
    pub(super) fn served(algorithm: JwtAlgorithm) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|own| own.of_jwt() == algorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
