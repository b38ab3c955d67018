//! Links in the order of their coming: where there are too many, the oldest makes room.

use crate::hub::registry::HashSeed;
use crate::wire::LinkKey;
use slotmap::SparseSecondaryMap;

/// Links of a shard, of which the one that came first is the oldest. A list through a map, so that
/// nothing takes longer where there are many.
#[derive(Debug)]
pub(crate) struct Arrivals {
    list: SparseSecondaryMap<LinkKey, Neighbours, HashSeed>,
    oldest: Option<LinkKey>,
    youngest: Option<LinkKey>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Neighbours {
    older: Option<LinkKey>,
    younger: Option<LinkKey>,
}

impl Arrivals {
    /// Returns none.
    pub(crate) fn new(seed: HashSeed) -> Arrivals {
        Arrivals { list: SparseSecondaryMap::with_hasher(seed), oldest: None, youngest: None }
    }

    /// One more, the youngest.
    pub(crate) fn enter(&mut self, link: LinkKey) {
        self.list.insert(link, Neighbours { older: self.youngest, younger: None });
        match self.youngest.replace(link).and_then(|former| self.list.get_mut(former)) {
            Some(former) => former.younger = Some(link),
            None => self.oldest = Some(link),
        }
    }

    /// It is gone, or does not belong here any more. Whether it was here.
    pub(crate) fn leave(&mut self, link: LinkKey) -> bool {
        let Some(Neighbours { older, younger }) = self.list.remove(link) else { return false };
        match older.and_then(|older| self.list.get_mut(older)) {
            Some(older) => older.younger = younger,
            None => self.oldest = younger,
        }
        match younger.and_then(|younger| self.list.get_mut(younger)) {
            Some(younger) => younger.older = older,
            None => self.youngest = older,
        }
        true
    }

    /// The one that has been there longest.
    pub(crate) fn oldest(&self) -> Option<LinkKey> {
        self.oldest
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use slotmap::SlotMap;

    proptest! {
        #[test]
        fn the_oldest_is_who_came_first_of_those_that_a_plain_list_has(
            steps in proptest::collection::vec((any::<bool>(), 0usize..12), 1..80),
        ) {
            let mut keys: SlotMap<LinkKey, ()> = SlotMap::with_key();
            let mut arrivals = Arrivals::new(HashSeed(1, 2));
            let (mut known, mut twin): (Vec<LinkKey>, Vec<LinkKey>) = (Vec::new(), Vec::new());
            for (enters, which) in steps {
                if enters || known.is_empty() {
                    let key = keys.insert(());
                    known.push(key);
                    twin.push(key);
                    arrivals.enter(key);
                } else {
                    let key = known[which % known.len()];
                    let place = twin.iter().position(|other| *other == key);
                    prop_assert_eq!(arrivals.leave(key), place.is_some());
                    place.map(|place| twin.remove(place));
                    // Its slot serves again, under another generation.
                    keys.remove(key);
                }
                prop_assert_eq!((arrivals.oldest(), arrivals.count()), (twin.first().copied(), twin.len()));
            }
            while let Some(oldest) = arrivals.oldest() {
                prop_assert_eq!(oldest, twin.remove(0));
                arrivals.leave(oldest);
            }
            prop_assert!(twin.is_empty() && arrivals.youngest.is_none());
        }
    }
}
