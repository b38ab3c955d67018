//! What an item is known by: its publisher, its source and its id.

use crate::hub::partition::Partition;
use crate::hub::seen::ItemKey;
use ring::digest::{Context, SHA256};
use std::borrow::Cow;
use uuid::Uuid;

/// Bytes of the `id` of an item.
pub(super) const ID_BYTES_MAX: usize = 128;

/// The id of an item, as its publisher has given it.
#[derive(Debug)]
pub(super) struct Id<'b> {
    /// Of a CloudEvent: its source and id are one.
    pub(super) source: Option<Cow<'b, str>>,
    pub(super) id: Cow<'b, str>,
}

impl Id<'_> {
    /// Returns the key of the item of a publisher, or of the event of that name which is derived
    /// from it.
    pub(super) fn key(&self, organization: Uuid, publisher: Option<&str>, derived: Option<&str>) -> ItemKey {
        let mut hash = Context::new(&SHA256);
        hash.update(organization.as_bytes());
        for part in [publisher, self.source.as_deref(), Some(&*self.id), derived] {
            // Each part behind its length, and nothing apart from empty: no two lists collide.
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            hash.update(&length.to_le_bytes());
            hash.update(part.unwrap_or_default().as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(hash.finish().as_ref().get(..16).unwrap_or(&[0; 16]));
        ItemKey::new(key, Partition::of(organization))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_items_of_different_origin_have_one_key() {
        let texts = [None, Some(""), Some("a"), Some("b"), Some("ab")];
        let mut keys = BTreeSet::new();
        for organization in [1, 2].map(Uuid::from_u128) {
            for publisher in texts {
                for source in texts {
                    for id in texts.into_iter().flatten() {
                        for derived in texts {
                            let id = Id { source: source.map(Cow::Borrowed), id: Cow::Borrowed(id) };
                            let key = id.key(organization, publisher, derived);
                            assert_eq!(key.0[15], Partition::of(organization).number());
                            assert_eq!(key, id.key(organization, publisher, derived));
                            keys.insert(key.0);
                        }
                    }
                }
            }
        }
        assert_eq!(keys.len(), 2 * 5 * 5 * 4 * 5);
    }
}
