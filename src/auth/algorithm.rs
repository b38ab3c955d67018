//! The algorithms that tokens are signed by.

use jsonwebtoken::Algorithm as JwtAlgorithm;
use std::fmt;

/// What a key is made of; it limits what the key can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Material {
    /// A shared secret.
    Secret,
    /// An RSA key.
    Rsa,
    /// A point on P-256.
    P256,
    /// A point on P-384.
    P384,
    /// A point on Curve25519, in Edwards form.
    Ed25519,
}

/// Makes the enum of algorithms from its rows: what a row says, its names here and at
/// `jsonwebtoken`, its name in `alg`, its material.
macro_rules! algorithms {
    ($($(#[doc = $doc:literal])* $Own:ident $Jwt:ident $name:literal $Material:ident;)*) => {
        /// How tokens may be signed (RFC 7518 section 3.1, RFC 8037 section 3.1). ES512 is not
        /// here: `ring` has no P-521.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Algorithm {
            $($(#[doc = $doc])* $Own,)*
        }

        impl Algorithm {
            /// All of them, in the order in which they are told. The first one of a material is
            /// what a key of it is for, where nobody says anything else.
            pub const ALL: [Algorithm; [$($name),*].len()] = [$(Algorithm::$Own),*];

            /// As `alg` spells it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Algorithm::$Own => $name,)*
                }
            }

            /// What its keys are made of.
            pub fn material(self) -> Material {
                match self {
                    $(Algorithm::$Own => Material::$Material,)*
                }
            }

            pub(super) fn of_jwt(self) -> JwtAlgorithm {
                match self {
                    $(Algorithm::$Own => JwtAlgorithm::$Jwt,)*
                }
            }
        }
    };
}

algorithms! {
    /// HMAC with SHA-256 and a shared secret.
    Hs256 HS256 "HS256" Secret;
    /// HMAC with SHA-384.
    Hs384 HS384 "HS384" Secret;
    /// HMAC with SHA-512.
    Hs512 HS512 "HS512" Secret;
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256 RS256 "RS256" Rsa;
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384 RS384 "RS384" Rsa;
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512 RS512 "RS512" Rsa;
    /// RSA PSS with SHA-256.
    Ps256 PS256 "PS256" Rsa;
    /// RSA PSS with SHA-384.
    Ps384 PS384 "PS384" Rsa;
    /// RSA PSS with SHA-512.
    Ps512 PS512 "PS512" Rsa;
    /// ECDSA on P-256 with SHA-256.
    Es256 ES256 "ES256" P256;
    /// ECDSA on P-384 with SHA-384.
    Es384 ES384 "ES384" P384;
    /// Ed25519.
    EdDsa EdDSA "EdDSA" Ed25519;
}

/// All of them in prose, for sentences that can't be made as they are told.
pub const SERVED: &str = "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA";

impl Algorithm {
    /// The algorithm of that name, without case.
    pub fn parse(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// What a key of that material is for, where nobody says anything else.
    pub(super) fn usual(material: Material) -> Algorithm {
        match material {
            Material::Secret => Algorithm::Hs256,
            Material::Rsa => Algorithm::Rs256,
            Material::P256 => Algorithm::Es256,
            Material::P384 => Algorithm::Es384,
            Material::Ed25519 => Algorithm::EdDsa,
        }
    }

    /// Bytes that a secret for it has at least: as many as the hash (RFC 7518 section 3.2).
    pub fn secret_bytes_min(self) -> usize {
        match self {
            Algorithm::Hs384 => 48,
            Algorithm::Hs512 => 64,
            Algorithm::Hs256
            | Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512
            | Algorithm::Es256
            | Algorithm::Es384
            | Algorithm::EdDsa => 32,
        }
    }

    /// The same of `jsonwebtoken`'s, which may come to know more than are served.
    pub(super) fn served(algorithm: JwtAlgorithm) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|own| own.of_jwt() == algorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_lists_all_and_the_usual_one_comes_first() {
        let listed: Vec<&str> = SERVED.split([',', ' ']).filter(|word| !matches!(*word, "" | "or")).collect();
        assert_eq!(listed, Algorithm::ALL.map(Algorithm::name));
        for algorithm in Algorithm::ALL {
            let first = Algorithm::ALL.into_iter().find(|other| other.material() == algorithm.material());
            assert_eq!(first, Some(Algorithm::usual(algorithm.material())));
            assert_eq!(Algorithm::served(algorithm.of_jwt()), Some(algorithm));
        }
    }
}
