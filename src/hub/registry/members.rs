//! Connections, and which of them get publications.

use slotmap::new_key_type;

new_key_type! {
    /// A connection of this shard. Carries a generation: the key of a connection that is gone finds
    /// nothing.
    pub struct ConnKey;
}

/// A member of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The connection.
    pub conn: ConnKey,
}

/// Who gets the publications of a topic: its members, and those of its wildcard. No connection is
/// among both.
#[derive(Clone, Copy, Debug, Default)]
pub struct Members<'r> {
    /// The topic's own.
    pub(super) one: Group<'r>,
    /// Those of every topic of the event.
    pub(super) every: Group<'r>,
}

/// The members of a pattern.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group<'r> {
    /// Those that are sent publications as they are.
    pub(super) plain: &'r [Member],
    /// Those that want each publication's position with it.
    pub(super) positioned: &'r [Member],
}

impl Group<'_> {
    pub(super) fn count(&self) -> usize {
        self.plain.len() + self.positioned.len()
    }
}

impl<'r> Members<'r> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.one.count() + self.every.count()
    }

    /// All of them, in lists that each do or don't want positions.
    pub fn lists(&self) -> [(&'r [Member], bool); 4] {
        let Members { one, every } = self;
        [(one.plain, false), (one.positioned, true), (every.plain, false), (every.positioned, true)]
    }
}
