//! Who joins and who leaves, at a price: what the registry has done for it is work of the turn.

use super::Hub;
use super::registry::{ConnKey, Joined, Left};
use super::topic::{Pattern, Reach};

impl Hub {
    /// A connection subscribes.
    pub(crate) fn join(&mut self, conn: ConnKey, reach: Reach, positioned: bool, subscriptions_max: usize) -> Joined {
        let joined = self.registry.join(conn, reach, positioned, subscriptions_max);
        self.spend_changes();
        joined
    }

    /// A connection holds a wildcard as it is granted now.
    pub(crate) fn join_again(&mut self, conn: ConnKey, reach: &Reach, subscriptions_max: usize) -> Joined {
        let joined = self.registry.join_again(conn, reach, subscriptions_max);
        self.spend_changes();
        joined
    }

    /// A connection leaves a topic or a wildcard.
    pub(crate) fn leave(&mut self, conn: ConnKey, pattern: Pattern) -> Left {
        let left = self.registry.leave(conn, pattern);
        self.spend_changes();
        left
    }

    /// A connection leaves all its topics.
    pub(crate) fn leave_all(&mut self, conn: ConnKey) {
        self.registry.leave_all(conn);
        self.spend_changes();
    }

    fn spend_changes(&mut self) {
        let work = self.registry.take_work();
        self.spend(work);
    }
}
