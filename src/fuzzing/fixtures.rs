//! What several targets need: the catalogue, somebody who may publish, and the clock's place.

use crate::auth::principal::Principal;
use crate::clock::Now;
use crate::schema::Catalogue;
use std::sync::{Arc, LazyLock};

pub(super) static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::built_in(None)));

/// When everything happens: in 2027.
pub(super) const NOW: Now = Now::from_ms(5_000, 1_800_000_000_000);

/// A principal that may publish everything, and nothing else.
pub(super) fn publisher() -> Principal {
    Principal {
        user: None,
        organization: None,
        publisher: None,
        may_publish: true,
        is_admin: false,
        is_backend: false,
        grants: [].into(),
        foreign_grants: 0,
        expires_unix_s: u64::MAX,
        marks: crate::auth::marks::Marks::default(),
    }
}
