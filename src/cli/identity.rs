//! A token and what it comes to here: for the commands that explain it.

use super::failure::Failure;
use crate::auth::keys::{KeyOptions, KeySource, Keys};
use crate::auth::principal::Principal;
use crate::auth::token::{Options, Token, TokenError, Unverified, Verifier};
use crate::clock::Now;
use crate::config::{Config, Flags};
use crate::shell;

/// What tokens are looked at with.
pub(crate) struct Judge {
    /// Checks tokens, or only reads them.
    pub(crate) verifier: Verifier,
    /// Why nothing can be proven, where that is so.
    pub(crate) unproven: Option<String>,
    /// The configuration, where there is one.
    pub(crate) config: Option<Config>,
}

/// One token.
pub(crate) struct Identity {
    /// What it says.
    pub(crate) said: Unverified,
    /// What the hub says to it; `None` where nobody can say.
    pub(crate) verdict: Option<Result<(), TokenError>>,
    /// Whom it speaks of, proven or not.
    pub(crate) principal: Result<Principal, TokenError>,
}

impl Judge {
    /// By the configuration that `rte serve` would use here. Without one tokens are only read, by
    /// the usual names.
    ///
    /// # Errors
    /// [`Failure::Usage`] where a configuration was asked for and is wrong.
    pub(crate) fn new(flags: &Flags, variables: Vec<(String, String)>) -> Result<Judge, Failure> {
        match Config::load(flags, variables) {
            Ok(config) => {
                let (keys, complaints) = shell::fetched_keys(&config.verifier.options().keys);
                let verifier = config.verifier.with_keys(keys);
                let unproven = (verifier.options().keys.is_empty()).then(|| complaints.join("; "));
                Ok(Judge { verifier, unproven, config: Some(config) })
            }
            Err(errors) if flags.config.is_some() || !flags.set.is_empty() => Err(Failure::Usage(errors.to_string())),
            Err(_) => {
                let why = "there is no usable configuration here (`rte check` says why)".to_owned();
                Ok(Judge { verifier: blind()?, unproven: Some(why), config: None })
            }
        }
    }

    /// Looks at a token.
    ///
    /// # Errors
    /// [`Failure::Usage`] where it is none at all.
    pub(crate) fn look(&self, token: &str, unix_ms: u64) -> Result<Identity, Failure> {
        let unread = |error: TokenError| Failure::Usage(format!("{error}; its first parts are no JSON in base64url"));
        let said = Token::new(token).unverified().map_err(unread)?;
        let verified = self.verifier.verify(Token::new(token), Now::from_ms(0, unix_ms));
        let verdict = match &self.unproven {
            None => Some(verified.map(|_| ())),
            Some(_) => None,
        };
        let principal = self.verifier.unproven(&said.claims);
        Ok(Identity { said, verdict, principal })
    }
}

/// A verifier with a key that nobody has.
fn blind() -> Result<Verifier, Failure> {
    let unusable = || Failure::Refused("no verifier can be made".to_owned());
    let bytes: [u8; 32] = super::world::entropy().map_err(Failure::Refused)?;
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = Keys::new(&[KeyOptions::new(KeySource::Secret(secret))]).map_err(|_| unusable())?;
    Verifier::new(Options::new(keys)).map_err(|_| unusable())
}
