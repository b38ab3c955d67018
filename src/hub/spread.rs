//! A hash table of parts, each of which grows and shrinks by itself.
//!
//! A table that grows moves all that it has: with hundreds of thousands of topics that takes longer
//! than a turn may. Parts come to it one after the other.

use hashbrown::HashTable;

/// Parts; by the bits of a hash that a part does not use until it is very large.
const PARTS: usize = 64;
const PART_SHIFT: u32 = 48;
/// A part with less room than this does not shrink.
const ROOM_MIN: usize = 64;

/// A set of `T`, found by the hash that its owner gives of each.
#[derive(Debug)]
pub(super) struct Spread<T> {
    parts: Box<[HashTable<T>]>,
    len: usize,
}

impl<T> Spread<T> {
    pub(super) fn new() -> Spread<T> {
        Spread { parts: (0..PARTS).map(|_| HashTable::new()).collect(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn index(&self, hash: u64) -> usize {
        (hash >> PART_SHIFT) as usize % self.parts.len()
    }

    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[self.index(hash)].find(hash, is_it)
    }

    pub(super) fn find_mut(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let index = self.index(hash);
        self.parts[index].find_mut(hash, is_it)
    }

    /// Adds one that is not there.
    pub(super) fn insert(&mut self, hash: u64, value: T, hash_of: impl Fn(&T) -> u64) {
        let index = self.index(hash);
        self.parts[index].insert_unique(hash, value, hash_of);
        self.len += 1;
    }

    /// Takes one away; a part that has become nearly empty gives room back.
    pub(super) fn remove(
        &mut self,
        hash: u64,
        is_it: impl FnMut(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let index = self.index(hash);
        let part = &mut self.parts[index];
        let (value, _) = part.find_entry(hash, is_it).ok()?.remove();
        self.len -= 1;
        if part.capacity() > ROOM_MIN.max(part.len() * 8) {
            part.shrink_to(part.len() * 2, hash_of);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// As a seeded hash would be: all bits depend on all.
    fn hash(value: &u32) -> u64 {
        (u64::from(*value) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23).wrapping_mul(0xD6E8_FEB8_6659_FD93)
    }

    proptest! {
        #[test]
        fn it_has_what_a_plain_set_has(steps in proptest::collection::vec((any::<bool>(), 0u32..400), 1..600)) {
            let (mut spread, mut twin) = (Spread::new(), BTreeSet::new());
            for (enters, value) in steps {
                let is_it = |other: &u32| *other == value;
                prop_assert_eq!(spread.find(hash(&value), is_it).copied(), twin.get(&value).copied());
                match enters {
                    true if twin.insert(value) => spread.insert(hash(&value), value, hash),
                    true => prop_assert_eq!(spread.find_mut(hash(&value), is_it).copied(), Some(value)),
                    false => prop_assert_eq!(spread.remove(hash(&value), is_it, hash).is_some(), twin.remove(&value)),
                }
                prop_assert_eq!((spread.len(), spread.is_empty()), (twin.len(), twin.is_empty()));
            }
        }
    }

    #[test]
    fn no_step_moves_many_and_what_was_needed_once_is_given_back() {
        let mut spread = Spread::new();
        let moved = std::cell::Cell::new(0);
        let counted = |value: &u32| {
            moved.set(moved.get() + 1);
            hash(value)
        };
        for value in 0..200_000 {
            moved.set(0);
            spread.insert(hash(&value), value, counted);
            assert!(moved.get() <= 200_000 / 32, "{value}: {} were moved", moved.get());
        }
        for value in 0..200_000 {
            moved.set(0);
            assert_eq!(spread.remove(hash(&value), |other| *other == value, counted), Some(value));
            assert!(moved.get() <= 200_000 / 32, "{value}: {} were moved", moved.get());
        }
        assert!(spread.parts.iter().all(|part| part.capacity() <= ROOM_MIN), "nothing is left");
    }
}
