//! What a shard is told to do to connections of its own, and what became of it.

use crate::auth::principal::Principal;
use crate::auth::revoked::Revocation;
use crate::hub::registry::ConnKey;
use crate::hub::topic::Pattern;
use std::sync::Arc;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Order {
    /// This connection goes on with a fresh token, which has been verified.
    Refresh(ConnKey, Arc<Principal>),
    /// Those that it concerns end.
    Revoke(Arc<Revocation>),
}

/// What a fresh token has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// Seconds until the token expires.
    pub(super) lifetime_s: usize,
    /// What is granted no more, and is no subscription any more.
    pub(super) removed: Vec<Pattern>,
    /// Wildcards that have other entities than before.
    pub(super) changed: Vec<Pattern>,
}

/// Why a connection does not go on with a fresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRefreshed {
    /// It is over.
    Gone,
    /// The token is of somebody else.
    OtherUser,
    /// The token has been revoked meanwhile.
    Revoked,
}
