//! The cryptography behind `jsonwebtoken`: `ring`, for the four algorithms of the hub and no others.

use super::algorithm::Algorithm;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey};
use ring::{hmac, rand::SystemRandom};

/// Makes `ring` the cryptography of `jsonwebtoken` in this process; without it the first token would panic. Whatever makes or
/// uses a key calls it, so no order of calls can forget it; all but the first call change nothing.
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
        let verdict = match (self.algorithm, &self.key) {
            (Algorithm::Hs256, DecodingKeyKind::SecretOrDer(secret)) => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature)
            }
            (Algorithm::Rs256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&ring::signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Algorithm::Es256, DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Algorithm::EdDsa, DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(&ring::signature::ED25519, point).verify(message, signature)
            }
            (Algorithm::Hs256 | Algorithm::Es256 | Algorithm::EdDsa, DecodingKeyKind::RsaModulusExponent { .. })
            | (Algorithm::Rs256, DecodingKeyKind::SecretOrDer(_)) => Err(ring::error::Unspecified),
        };
        verdict.map_err(|_| signature::Error::new())
    }
}

/// One private key about to sign one token: for `rte token`, the demo and tests; a serving hub signs nothing.
enum Signing {
    Hs256(hmac::Key),
    Rs256(Box<RsaKeyPair>),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Signing {
    fn new(algorithm: JwtAlgorithm, key: &EncodingKey) -> Result<Signing> {
        let algorithm = Algorithm::served(algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
        if key.family() != algorithm.of_jwt().family() {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let bytes = key.as_bytes();
        let rejected = |error: ring::error::KeyRejected| Error::from(ErrorKind::Provider(error.to_string()));
        Ok(match algorithm {
            Algorithm::Hs256 => Signing::Hs256(hmac::Key::new(hmac::HMAC_SHA256, bytes)),
            Algorithm::Rs256 => Signing::Rs256(Box::new(RsaKeyPair::from_der(bytes).map_err(rejected)?)),
            Algorithm::Es256 => {
                let form = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                Signing::Es256(EcdsaKeyPair::from_pkcs8(form, bytes, &SystemRandom::new()).map_err(rejected)?)
            }
            // OpenSSL writes Ed25519 keys without their public half, which ring's stricter reading asks for.
            Algorithm::EdDsa => Signing::EdDsa(Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map_err(rejected)?),
        })
    }
}

impl JwtSigner for Signing {
    fn algorithm(&self) -> JwtAlgorithm {
        match self {
            Signing::Hs256(_) => JwtAlgorithm::HS256,
            Signing::Rs256(_) => JwtAlgorithm::RS256,
            Signing::Es256(_) => JwtAlgorithm::ES256,
            Signing::EdDsa(_) => JwtAlgorithm::EdDSA,
        }
    }
}

impl Signer<Vec<u8>> for Signing {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let failed = |_| signature::Error::new();
        match self {
            Signing::Hs256(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            // The randomness blinds the private key and makes the nonce of ECDSA; nothing else ever sees it.
            Signing::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&ring::signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Signing::Es256(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec()),
            Signing::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}
