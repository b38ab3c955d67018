//! The key of a demo: it lives as long as the process, and signs two tokens.

use super::cast::{ORGANIZATION, SUPERVISOR};
use crate::cli::Failure;
use crate::cli::credential::Bearer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

/// An HS256 key.
pub struct Key(hmac::Key);

impl Key {
    /// A key of these bytes.
    pub fn new(secret: &[u8; 32]) -> Key {
        Key(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// For a client that may hear everything which is for clients.
    ///
    /// # Errors
    /// [`Failure::Refused`], should the token not fit a header.
    pub fn client_token(&self, expires_unix_s: u64) -> Result<Bearer, Failure> {
        let grants = ["user/*", "queue/*", "calllist/*"];
        self.sign(&json!({ "sub": SUPERVISOR, "org": ORGANIZATION, "rte": grants, "exp": expires_unix_s }))
    }

    /// For the call centre.
    ///
    /// # Errors
    /// As [`Key::client_token`].
    pub fn publisher_token(&self, expires_unix_s: u64) -> Result<Bearer, Failure> {
        self.sign(&json!({ "sub": "demo", "org": ORGANIZATION, "scope": ["publish"], "exp": expires_unix_s }))
    }

    /// The compact form of a JWS (RFC 7515 section 7.1).
    fn sign(&self, claims: &Value) -> Result<Bearer, Failure> {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        format!("{signed}.{signature}").parse().map_err(|reason: &str| Failure::Refused(reason.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_verifies_under_its_key_and_holds_its_claims() {
        let token = Key::new(&[7; 32]).client_token(1_800_000_000).unwrap();
        let (signed, signature) = token.reveal().rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let verify = |secret: [u8; 32]| {
            hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes(), &signature).is_ok()
        };
        assert!(verify([7; 32]) && !verify([8; 32]));
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["exp"], 1_800_000_000);
        assert_eq!(claims["org"], ORGANIZATION.to_string());
    }
}
