//! The key of a demo: it lives as long as the process, and signs two tokens.

use super::cast::{ORGANIZATION, SUPERVISOR};
use crate::auth::mint::{SigningKey, Statement, mint};
use crate::auth::token::ClaimNames;
use crate::cli::credential::Bearer;
use crate::cli::failure::Failure;

/// How long a demo's tokens are good.
const TOKEN_S: u64 = 24 * 3600;

/// A key for HS256.
pub struct Key(SigningKey);

impl Key {
    /// Returns the key of that secret.
    ///
    /// # Errors
    /// [`Failure::Refused`] for a secret that is too short.
    pub fn new(secret: &str) -> Result<Key, Failure> {
        SigningKey::from_secret(None, secret, None).map(Key).map_err(|error| Failure::Refused(error.to_string()))
    }

    /// For a client that may hear everything which is for clients.
    ///
    /// # Errors
    /// [`Failure::Refused`], should the token not fit a header.
    pub fn client_token(&self, issued_unix_s: u64) -> Result<Bearer, Failure> {
        self.sign(Statement {
            user: Some(SUPERVISOR.to_string()),
            grants: ["user/*", "queue/*", "calllist/*"].map(str::to_owned).to_vec(),
            issued_unix_s,
            ..Statement::default()
        })
    }

    /// For the call centre.
    ///
    /// # Errors
    /// As [`Key::client_token`].
    pub fn publisher_token(&self, issued_unix_s: u64) -> Result<Bearer, Failure> {
        self.sign(Statement {
            user: Some("demo".to_owned()),
            scopes: vec!["publish".to_owned()],
            issued_unix_s,
            ..Statement::default()
        })
    }

    fn sign(&self, statement: Statement) -> Result<Bearer, Failure> {
        let expires_unix_s = statement.issued_unix_s + TOKEN_S;
        let statement = Statement { organization: Some(ORGANIZATION), expires_unix_s, ..statement };
        let token = mint(&self.0, &ClaimNames::default(), &statement);
        let token = token.map_err(|error| Failure::Refused(error.to_string()))?;
        token.parse().map_err(|reason: &str| Failure::Refused(reason.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keys::{KeyOptions, KeySource, Keys};
    use crate::auth::token::{Options, Token, Verifier};
    use crate::clock::Now;

    #[test]
    fn a_hub_with_the_same_secret_takes_both_tokens_for_what_they_are() {
        let secret = "s".repeat(32);
        let key = Key::new(&secret).unwrap();
        let options = KeyOptions::new(KeySource::Secret(secret));
        let verifier = Verifier::new(Options::new(Keys::new(&[options]).unwrap())).unwrap();
        let verify = |token: &Bearer| verifier.verify(Token::new(token.reveal()), Now::from_ms(0, 1_000_000)).unwrap();
        let client = verify(&key.client_token(2_000).unwrap());
        assert_eq!(
            (client.user, client.organization, client.may_publish),
            (Some(SUPERVISOR), Some(ORGANIZATION), false)
        );
        assert!(verify(&key.publisher_token(2_000).unwrap()).may_publish);
    }
}
