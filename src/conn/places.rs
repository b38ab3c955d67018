//! The places of those who have shown a token, over all shards: `connections_max`.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The places, each a link's, or that of a connection that has none.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicUsize,
    /// By connections that have no link.
    linkless: AtomicUsize,
    most: usize,
}

impl Places {
    /// So many, all free.
    pub(crate) fn new(most: usize) -> Places {
        Places { taken: AtomicUsize::new(0), linkless: AtomicUsize::new(0), most }
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

    /// The same, for a connection that polls.
    pub(crate) fn take_polled(&self) -> bool {
        let is_taken = self.take();
        self.linkless.fetch_add(usize::from(is_taken), Ordering::Relaxed);
        is_taken
    }

    /// The place of a link is its connection's.
    pub(crate) fn leave_to_connection(&self) {
        self.linkless.fetch_add(1, Ordering::Relaxed);
    }

    /// The place of a connection is its link's.
    pub(crate) fn leave_to_link(&self) {
        self.linkless.fetch_sub(1, Ordering::Relaxed);
    }

    /// The place of a connection that has no link is free again.
    pub(crate) fn give_back_linkless(&self) {
        self.leave_to_link();
        self.give_back();
    }

    /// Connections that have no link.
    pub(crate) fn linkless(&self) -> usize {
        self.linkless.load(Ordering::Relaxed)
    }

    /// Whether a connection has no link.
    pub(crate) fn has_linkless(&self) -> bool {
        self.linkless() > 0
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
        assert!(!places.take_polled() && !places.has_linkless());
        (0..2).for_each(|_| places.give_back());
        assert!(places.is_empty() && places.take_polled() && places.has_linkless() && !places.is_empty());
        places.leave_to_link();
        assert!(!places.has_linkless() && !places.is_empty());
        places.leave_to_connection();
        places.give_back_linkless();
        assert!(places.is_empty() && !places.has_linkless());
    }
}
