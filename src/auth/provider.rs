//! The cryptography behind `jsonwebtoken`: `ring`, for the algorithms of the hub and no others.

use super::algorithm::Algorithm;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature as sign;
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey};
use ring::{hmac, rand::SystemRandom};

/// Makes `ring` the cryptography of `jsonwebtoken` in this process; without it the first token
/// would panic. Whatever makes or uses a key calls it, so no order of calls can forget it; all but
/// the first call change nothing.
pub(super) fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| Ok(Box::new(Signing::new(*algorithm, key)?)),
        verifier_factory: |algorithm, key| Ok(Box::new(Verifying::new(*algorithm, key)?)),
        // Serves the making of JWKs and their thumbprints, which nothing here does.
        key_utils: KeyUtils::new_unimplemented(),
    };
    // An error says that a provider stands already, and only this one is ever installed.
    let _ = PROVIDER.install_default();
}

/// What `ring` calls an algorithm.
enum Scheme {
    Hmac(hmac::Algorithm),
    Rsa(&'static sign::RsaParameters, &'static dyn sign::RsaEncoding),
    Ecdsa(&'static sign::EcdsaVerificationAlgorithm, &'static sign::EcdsaSigningAlgorithm),
    Ed25519,
}

fn scheme(algorithm: Algorithm) -> Scheme {
    match algorithm {
        Algorithm::Hs256 => Scheme::Hmac(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Scheme::Hmac(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Scheme::Hmac(hmac::HMAC_SHA512),
        Algorithm::Rs256 => Scheme::Rsa(&sign::RSA_PKCS1_2048_8192_SHA256, &sign::RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Scheme::Rsa(&sign::RSA_PKCS1_2048_8192_SHA384, &sign::RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Scheme::Rsa(&sign::RSA_PKCS1_2048_8192_SHA512, &sign::RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Scheme::Rsa(&sign::RSA_PSS_2048_8192_SHA256, &sign::RSA_PSS_SHA256),
        Algorithm::Ps384 => Scheme::Rsa(&sign::RSA_PSS_2048_8192_SHA384, &sign::RSA_PSS_SHA384),
        Algorithm::Ps512 => Scheme::Rsa(&sign::RSA_PSS_2048_8192_SHA512, &sign::RSA_PSS_SHA512),
        Algorithm::Es256 => Scheme::Ecdsa(&sign::ECDSA_P256_SHA256_FIXED, &sign::ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::Es384 => Scheme::Ecdsa(&sign::ECDSA_P384_SHA384_FIXED, &sign::ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::EdDsa => Scheme::Ed25519,
    }
}

/// One key about to verify one signature.
struct Verifying {
    algorithm: Algorithm,
    key: DecodingKeyKind,
}

impl Verifying {
    fn new(algorithm: JwtAlgorithm, key: &DecodingKey) -> Result<Verifying> {
        let algorithm = Algorithm::served(algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
        // The classic confusion: a public RSA key taken for an HMAC secret.
        if key.family() != algorithm.of_jwt().family() {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(Verifying { algorithm, key: key.kind().clone() })
    }
}

impl JwtVerifier for Verifying {
    fn algorithm(&self) -> JwtAlgorithm {
        self.algorithm.of_jwt()
    }
}

impl Verifier<Vec<u8>> for Verifying {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let verdict = match (scheme(self.algorithm), &self.key) {
            (Scheme::Hmac(hash), DecodingKeyKind::SecretOrDer(secret)) => {
                hmac::verify(&hmac::Key::new(hash, secret), message, signature)
            }
            (Scheme::Rsa(form, _), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(form, message, signature)
            }
            (Scheme::Ecdsa(form, _), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(form, point).verify(message, signature)
            }
            (Scheme::Ed25519, DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(&sign::ED25519, point).verify(message, signature)
            }
            (Scheme::Hmac(_) | Scheme::Ecdsa(..) | Scheme::Ed25519, DecodingKeyKind::RsaModulusExponent { .. })
            | (Scheme::Rsa(..), DecodingKeyKind::SecretOrDer(_)) => Err(ring::error::Unspecified),
        };
        verdict.map_err(|_| signature::Error::new())
    }
}

/// Whether these bytes are a private key in PKCS#8 that signs by that elliptic algorithm.
pub(super) fn is_private_on(algorithm: Algorithm, bytes: &[u8]) -> bool {
    match scheme(algorithm) {
        Scheme::Ecdsa(_, form) => EcdsaKeyPair::from_pkcs8(form, bytes, &SystemRandom::new()).is_ok(),
        Scheme::Hmac(_) | Scheme::Rsa(..) | Scheme::Ed25519 => false,
    }
}

/// One private key about to sign one token: for `rte token`, the demo and tests; a serving hub
/// signs nothing.
struct Signing {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Hmac(hmac::Key),
    Rsa(Box<RsaKeyPair>, &'static dyn sign::RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signing {
    fn new(algorithm: JwtAlgorithm, key: &EncodingKey) -> Result<Signing> {
        let algorithm = Algorithm::served(algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
        if key.family() != algorithm.of_jwt().family() {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let bytes = key.as_bytes();
        let rejected = |error: ring::error::KeyRejected| Error::from(ErrorKind::Provider(error.to_string()));
        let pair = match scheme(algorithm) {
            Scheme::Hmac(hash) => Pair::Hmac(hmac::Key::new(hash, bytes)),
            Scheme::Rsa(_, form) => Pair::Rsa(Box::new(RsaKeyPair::from_der(bytes).map_err(rejected)?), form),
            Scheme::Ecdsa(_, form) => {
                Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(form, bytes, &SystemRandom::new()).map_err(rejected)?)
            }
            // OpenSSL writes Ed25519 keys without their public half, which ring's stricter reading
            // asks for.
            Scheme::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map_err(rejected)?),
        };
        Ok(Signing { algorithm, pair })
    }
}

impl JwtSigner for Signing {
    fn algorithm(&self) -> JwtAlgorithm {
        self.algorithm.of_jwt()
    }
}

impl Signer<Vec<u8>> for Signing {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let failed = |_| signature::Error::new();
        match &self.pair {
            Pair::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            // The randomness blinds the private key and makes the nonce of ECDSA; nothing else ever
            // sees it.
            Pair::Rsa(pair, form) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*form, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}
