//! Questions that are ahead of the home they ask: it has not come yet to what their connection has
//! seen. They wait until it has, or their time is over.

use super::ask::Caller;
use crate::clock::{Deadline, Now};
use crate::hub::block::Wanted;
use crate::hub::position::Position;
use std::sync::Arc;
use uuid::Uuid;

/// Such a question.
#[derive(Clone, Debug)]
pub(crate) struct AheadQuestion {
    /// The shard that asks.
    pub(crate) from: usize,
    pub(crate) caller: Caller,
    pub(crate) organization: Uuid,
    pub(crate) wanted: Arc<[Wanted]>,
    /// Where the home must have come.
    pub(crate) place: Position,
    pub(crate) until: Deadline,
}

/// All of them, of one home. A connection has one question at a time, and takes it back when it
/// ends: there are no more than connections.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Vec<AheadQuestion>);

impl Ahead {
    /// A question waits.
    pub(crate) fn push(&mut self, question: AheadQuestion) {
        self.0.push(question);
    }

    /// A question that waits no longer, of a home that has come there.
    pub(crate) fn take(&mut self, place: impl Fn(Uuid) -> Position, now: Now) -> Option<AheadQuestion> {
        let is_there = |question: &AheadQuestion| question.place <= place(question.organization);
        let waits_no_more = |question: &AheadQuestion| is_there(question) || question.until.is_due(now);
        let at = self.0.iter().position(waits_no_more)?;
        Some(self.0.swap_remove(at))
    }

    /// Nobody waits for the answer to this one.
    pub(crate) fn withdraw(&mut self, from: usize, caller: Caller) {
        self.0.retain(|question| (question.from, question.caller) != (from, caller));
    }

    /// Questions that wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the first has waited long enough.
    pub(crate) fn next_deadline(&self) -> Deadline {
        self.0.iter().map(|question| question.until).min().unwrap_or(Deadline::NEVER)
    }
}
