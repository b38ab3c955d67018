//! A token that has been verified, for the link on which it is shown with every request.

use super::principal::Principal;
use crate::clock::{Now, UnixMs};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use std::sync::Arc;

/// A verified token's principal. Not the token: it is known by its digest, so that no time that a
/// comparison takes tells of it, and no memory holds it.
#[derive(Clone, Debug)]
pub struct Known {
    digest: [u8; SHA256_OUTPUT_LEN],
    /// Which verifier has verified it.
    verifier: Arc<()>,
    /// When it did: a clock that is set back may make a token too early again.
    since: UnixMs,
    principal: Principal,
}

impl Known {
    /// A token has been found good.
    pub(super) fn new(token: &str, verifier: &Arc<()>, now: Now, principal: Principal) -> Known {
        Known { digest: of(token), verifier: Arc::clone(verifier), since: now.unix, principal }
    }

    /// The principal, where this is the same token before the same verifier, and `leeway_s` behind
    /// its end has not come.
    pub(super) fn principal(&self, token: &str, verifier: &Arc<()>, leeway_s: u64, now: Now) -> Option<&Principal> {
        let ends_unix_s = self.principal.expires_unix_s.saturating_add(leeway_s);
        let is_in_time = self.since <= now.unix && now.unix.seconds() < ends_unix_s;
        let is_it = is_in_time && Arc::ptr_eq(&self.verifier, verifier) && self.digest == of(token);
        is_it.then_some(&self.principal)
    }
}

fn of(token: &str) -> [u8; SHA256_OUTPUT_LEN] {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use crate::auth::fixtures;
    use crate::auth::keys::{KeyOptions, KeySource, Keys};
    use crate::auth::mint::{SigningKey, Statement, mint};
    use crate::auth::principal::Principal;
    use crate::auth::token::{ClaimNames, Options, Token, TokenError, Verifier};
    use crate::clock::Now;
    use std::sync::Arc;

    fn token(secret: &str, grant: &str) -> String {
        let statement = Statement { grants: vec![grant.to_owned()], expires_unix_s: 1_060, ..Statement::default() };
        mint(&SigningKey::from_secret(None, secret, None).unwrap(), &ClaimNames::default(), &statement).unwrap()
    }

    fn options() -> Options {
        let key = KeyOptions::new(KeySource::Secret(fixtures::SECRET.to_owned()));
        Options::new(Keys::new(&[key]).unwrap())
    }

    #[test]
    fn a_token_is_not_verified_again_until_its_time_its_bytes_or_the_verifier_change() {
        let verifier = Verifier::new(options()).unwrap();
        let (one, other) = (token(fixtures::SECRET, "user/*"), token(fixtures::SECRET, "queue/*"));
        let forged = token("another secret of at least 32 bytes", "user/*");
        let mut known = None;
        let mut verify = |by: &Verifier, token: &str, now_s: u64| {
            let (token, now) = (Token::new(token), Now::from_ms(0, now_s * 1_000));
            by.recall(token, known.as_deref(), now).map_or_else(|| by.learn(token, &mut known, now), Ok)
        };
        let first = verify(&verifier, &one, 1_000).unwrap();
        let is_again = |principal: &Principal| Arc::ptr_eq(&first.grants, &principal.grants);
        assert!(is_again(&verify(&verifier, &one, 1_064).unwrap()), "within the leeway");
        assert_eq!(verify(&verifier, &one, 1_065), Err(TokenError::Expired { ago_s: 5 }));
        assert_eq!(verify(&verifier, &forged, 1_000), Err(TokenError::Signature));
        assert!(is_again(&verify(&verifier, &one, 1_000).unwrap()), "a bad one is not remembered");
        assert!(!is_again(&verify(&verifier, &one, 999).unwrap()), "the clock was set back");
        assert!(!is_again(&verify(&verifier, &other, 1_000).unwrap()));
        assert!(!is_again(&verify(&verifier, &one, 1_000).unwrap()), "one is known at a time");
        let elsewhere = Options { audiences: vec!["elsewhere".to_owned()], ..options() };
        assert_eq!(verify(&Verifier::new(elsewhere).unwrap(), &one, 1_000), Err(TokenError::Audience));
    }
}
