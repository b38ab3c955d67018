//! What a table has let go of, though it might still hold.

use crate::clock::UnixMs;
use crate::schema::EventId;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What is remembered apart.
const APART_MAX: usize = 1024;

/// Whose rows: those of an event with keys, or of all calls, of an organization.
pub(super) type Whose = (Uuid, Option<EventId>);

/// Up to when rows may be missing: what was written later is there.
#[derive(Debug)]
pub(super) struct Gone {
    /// Of everybody's.
    all: UnixMs,
    /// Of these, beyond that.
    apart: BTreeMap<Whose, UnixMs>,
}

impl Gone {
    /// Nothing is missing that was written since.
    pub(super) fn before(since: UnixMs) -> Gone {
        Gone { all: since, apart: BTreeMap::new() }
    }

    /// A row went that was written then. Where too much would be remembered apart, it becomes one.
    pub(super) fn note(&mut self, whose: Whose, at: UnixMs) {
        let last = self.apart.entry(whose).or_insert(at);
        *last = at.max(*last);
        if self.apart.len() > APART_MAX {
            self.all = self.newest();
            self.apart.clear();
        }
    }

    /// Up to when anybody's may be missing.
    pub(super) fn newest(&self) -> UnixMs {
        self.apart.values().copied().fold(self.all, UnixMs::max)
    }

    /// Up to when rows of all may be missing.
    pub(super) fn everywhere(&self) -> UnixMs {
        self.all
    }

    /// Up to when rows may be missing.
    pub(super) fn of(&self, whose: Whose) -> UnixMs {
        self.apart.get(&whose).copied().unwrap_or(self.all).max(self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_to_be_remembered_apart_is_remembered_as_one() {
        let at = UnixMs::from_ms;
        let event = |n: u128| (Uuid::from_u128(n), Some(EventId(1)));
        let mut gone = Gone::before(at(5));
        gone.note(event(0), at(9));
        gone.note(event(0), at(7));
        assert_eq!((gone.of(event(0)), gone.of(event(1)), gone.of((Uuid::nil(), None))), (at(9), at(5), at(5)));
        for n in 0..=APART_MAX as u128 {
            gone.note(event(n), at(6));
        }
        assert_eq!((gone.apart.len(), gone.of((Uuid::max(), None))), (0, at(9)));
    }
}
