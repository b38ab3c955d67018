//! The names of one object: which property each means, and which have been there.

use super::super::model::Property;
use super::scan::Text;

/// Which properties of one object have been met.
pub(super) struct Met {
    first: [u64; 4],
    further: Vec<u64>,
}

impl Met {
    pub(super) fn of(count: usize) -> Met {
        // No allocation for an object of up to 256 properties.
        Met { first: [0; 4], further: vec![0; count.div_ceil(64).saturating_sub(4)] }
    }

    /// Marks it; says whether it was marked before.
    pub(super) fn mark(&mut self, index: usize) -> bool {
        let bit = 1 << (index % 64);
        let word = match self.first.get_mut(index / 64) {
            Some(word) => Some(word),
            None => self.further.get_mut(index / 64 - 4),
        };
        word.is_some_and(|word| {
            let was = *word & bit != 0;
            *word |= bit;
            was
        })
    }

    pub(super) fn has(&self, index: usize) -> bool {
        let word = match self.first.get(index / 64) {
            Some(word) => Some(word),
            None => self.further.get(index / 64 - 4),
        };
        word.is_some_and(|word| word & 1 << (index % 64) != 0)
    }
}

/// The names in one object that its declaration doesn't have, as far as they can be held without
/// allocating.
#[derive(Default)]
pub(super) struct Strangers<'t> {
    names: [&'t str; 8],
    count: usize,
}

impl<'t> Strangers<'t> {
    /// Adds a name; false where it is there already, or where that can't be told.
    pub(super) fn add(&mut self, name: Text<'t>) -> bool {
        let (held, free) = self.names.split_at_mut(self.count);
        let Some(slot) = free.first_mut() else { return false };
        if name.escaped || held.contains(&name.raw) {
            return false;
        }
        *slot = name.raw;
        self.count += 1;
        true
    }
}

/// The property that a name means, the case aside. The catalogue sorts properties without case, so
/// a binary search finds it; the walk through all of them makes sure for a model that isn't sorted.
pub(super) fn position(properties: &[Property], name: Text<'_>) -> Option<usize> {
    let lower = |c: char| c.to_ascii_lowercase();
    properties
        .binary_search_by(|property| {
            if name.escaped {
                property.name.chars().map(lower).cmp(name.chars().map(lower))
            } else {
                let lower = |byte: u8| byte.to_ascii_lowercase();
                property.name.bytes().map(lower).cmp(name.raw.bytes().map(lower))
            }
        })
        .ok()
        .or_else(|| {
            let same = |property: &Property| {
                name.means_without_case(&property.name) || name.means_without_case(&property.wire)
            };
            properties.iter().position(same)
        })
}
