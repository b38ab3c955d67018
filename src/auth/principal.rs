//! An authenticated identity.

use super::grant::Grant;
use super::marks::Marks;
use std::sync::Arc;
use uuid::Uuid;

/// What a token says of its bearer, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// `sub`, where it is a GUID.
    pub user: Option<Uuid>,
    /// `sub` as it stands, where the token has scope `publish`: the ids of a publisher's items are
    /// its own. One word, as fifty thousand others are idle clients.
    pub publisher: Option<Arc<String>>,
    /// `org`; `None` only for publishers and administrators (a client without one is refused), or
    /// in single tenancy.
    pub organization: Option<Uuid>,
    /// Scope `publish`.
    pub may_publish: bool,
    /// Scope `admin`.
    pub is_admin: bool,
    /// Scope `backend`: events whose audience is not `client` are covered without being named.
    pub is_backend: bool,
    /// The grants of the token (configured default grants are kept once, by the verifier).
    /// Principals may share them.
    pub grants: Arc<[Grant]>,
    /// Entries among the grants of the token that are none: roles of other systems, or mistakes.
    pub foreign_grants: u16,
    /// `exp`, seconds since the Unix epoch.
    pub expires_unix_s: u64,
    /// What else it is known by.
    pub marks: Marks,
}

impl Principal {
    /// Whether both are the same user of the same organization.
    pub(crate) fn is_same_as(&self, other: &Principal) -> bool {
        let identity = |of: &Principal| (of.user, of.marks.subject, of.organization);
        identity(self) == identity(other)
    }
}
