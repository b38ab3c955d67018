//! The tokens of a demo, signed by the secret of its hub.

use super::cast::{ORGANIZATION, SUPERVISOR};
use crate::auth::mint::{SigningKey, Statement, mint};
use crate::cli::credential::Bearer;
use crate::cli::failure::Failure;
use crate::cli::token::issuer_of;
use crate::config::Config;

/// How long the call centre's own token is good: no demo runs longer.
const PUBLISHER_S: u64 = 10 * 365 * 24 * 3600;

/// What signs: the secret of a configuration.
pub struct Key<'c> {
    config: &'c Config,
    key: &'c SigningKey,
}

impl Key<'_> {
    /// Returns the first secret of the hub's configuration.
    ///
    /// # Errors
    /// [`Failure::Usage`] where it has none.
    pub fn of(config: &Config) -> Result<Key<'_>, Failure> {
        let none = || Failure::Usage("the demo signs its tokens by a secret: give it by --secret-file".to_owned());
        Ok(Key { config, key: config.signing_key().ok_or_else(none)? })
    }

    /// For the pages, which one leads to the other: it may hear the same, and publish by the
    /// playground.
    ///
    /// # Errors
    /// As [`Key::client_token`].
    pub fn pages_token(&self, issued_unix_s: u64, ttl_s: u64) -> Result<Bearer, Failure> {
        self.sign(Statement { scopes: vec!["publish".to_owned()], ..Self::everything(issued_unix_s, ttl_s) })
    }

    /// For a client that may hear everything which is for clients, for so long.
    ///
    /// # Errors
    /// [`Failure::Refused`], should the token not fit a header.
    pub fn client_token(&self, issued_unix_s: u64, ttl_s: u64) -> Result<Bearer, Failure> {
        self.sign(Self::everything(issued_unix_s, ttl_s))
    }

    fn everything(issued_unix_s: u64, ttl_s: u64) -> Statement {
        Statement {
            user: Some(SUPERVISOR.to_string()),
            grants: ["user/*", "queue/*", "calllist/*"].map(str::to_owned).to_vec(),
            issued_unix_s,
            expires_unix_s: issued_unix_s.saturating_add(ttl_s),
            ..Statement::default()
        }
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
            expires_unix_s: issued_unix_s.saturating_add(PUBLISHER_S),
            ..Statement::default()
        })
    }

    fn sign(&self, statement: Statement) -> Result<Bearer, Failure> {
        let options = self.config.verifier.options();
        let statement = Statement {
            organization: Some(ORGANIZATION),
            issuer: issuer_of(options, self.key),
            audience: options.audiences.first().cloned(),
            ..statement
        };
        let token = mint(self.key, &options.claims, &statement);
        let token = token.map_err(|error| Failure::Refused(error.to_string()))?;
        token.parse().map_err(|reason: &str| Failure::Refused(reason.to_owned()))
    }
}
