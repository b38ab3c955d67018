//! The places of those who have shown a token, over all shards: `connections_max`.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The places, each a link's.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicUsize,
    most: usize,
}

impl Places {
    /// So many, all free.
    pub(crate) fn new(most: usize) -> Places {
        Places { taken: AtomicUsize::new(0), most }
    }

    /// Takes one, where one is free.
    pub(crate) fn take(&self) -> bool {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// One is free again.
    pub(crate) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether none is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken.load(Ordering::Relaxed) == 0
    }

    /// Whether none is free.
    pub(crate) fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_there_are() {
        let places = Places::new(2);
        assert!(places.take() && places.take() && !places.take() && places.is_full());
        places.give_back();
        assert!(!places.is_full() && !places.is_empty() && places.take());
        (0..2).for_each(|_| places.give_back());
        assert!(places.is_empty());
    }
}
