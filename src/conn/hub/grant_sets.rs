//! The grants of the connections of a shard: one copy of each distinct set, as most clients hold
//! the same ones.

use crate::auth::grant::Grant;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sets that nobody holds any more are looked for when there are this many, and then when there are
/// twice as many as were held.
const SWEEP_AT: usize = 64;

/// The sets that connections hold.
#[derive(Debug)]
pub(in super::super) struct GrantSets {
    sets: BTreeSet<Arc<[Grant]>>,
    sweep_at: usize,
}

impl Default for GrantSets {
    fn default() -> GrantSets {
        GrantSets { sets: BTreeSet::new(), sweep_at: SWEEP_AT }
    }
}

impl GrantSets {
    /// The copy of that set.
    pub(super) fn share(&mut self, grants: &Arc<[Grant]>) -> Arc<[Grant]> {
        if grants.is_empty() {
            return Arc::default();
        }
        if let Some(known) = self.sets.get(grants) {
            return Arc::clone(known);
        }
        if self.sets.len() >= self.sweep_at {
            self.sets.retain(|set| Arc::strong_count(set) > 1);
            self.sweep_at = SWEEP_AT.max(2 * self.sets.len());
        }
        self.sets.insert(Arc::clone(grants));
        Arc::clone(grants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn set(entity: usize) -> Arc<[Grant]> {
        Arc::new([Grant { family: None, entity: Some(Uuid::from_u128(entity as u128)), event: None }])
    }

    #[test]
    fn equal_sets_are_one_and_those_that_nobody_holds_go() {
        let mut sets = GrantSets::default();
        let held: Vec<_> = (0..10).map(|n| sets.share(&set(n))).collect();
        for (n, held) in held.iter().enumerate() {
            assert!(Arc::ptr_eq(&sets.share(&set(n)), held));
        }
        for n in 10..1_000 {
            sets.share(&set(n));
            assert!(sets.sets.len() <= SWEEP_AT, "{} sets", sets.sets.len());
        }
        assert!(held.iter().all(|set| sets.sets.contains(set)));
    }
}
