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
