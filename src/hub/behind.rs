//! Readers that have fallen behind and go on reading: publications of a topic of which many members
//! are such wait for them, a while. A reader is waited for once, until it has caught up; one that
//! takes nothing is not waited for at all.

use super::outbox::{Outbox, OutboxBounds, Stride};
use super::registry::{ConnKey, Member, Members};
use crate::clock::{Deadline, Instant};
use slotmap::SecondaryMap;

/// So many members of a topic must be behind: a few slow readers never delay others.
const MANY: usize = 8;
/// And one of so many.
const ONE_IN: usize = 4;

/// Those who are behind, in the order in which they fell behind.
#[derive(Debug, Default)]
pub(super) struct Behind(Vec<(ConnKey, Instant)>);

impl Behind {
    /// A publication has been queued for a connection.
    pub(super) fn note(&mut self, conn: ConnKey, outbox: &mut Outbox, bounds: OutboxBounds, now: Instant) {
        if outbox.stride == Stride::Keeps && outbox.is_behind(bounds, now) {
            outbox.stride = Stride::Behind;
            self.0.push((conn, now));
        }
    }

    /// Looks at all of them again.
    pub(super) fn review(&mut self, outboxes: &mut SecondaryMap<ConnKey, Outbox>, bounds: OutboxBounds, now: Instant) {
        self.0.retain(|(conn, since)| {
            let Some(outbox) = outboxes.get_mut(*conn) else { return false };
            outbox.stride = if !outbox.is_behind(bounds, now) {
                Stride::Keeps
            } else if now.ms_since(*since) >= bounds.overrun_ms {
                Stride::Excused
            } else {
                Stride::Behind
            };
            outbox.stride == Stride::Behind
        });
    }

    /// Whether a publication to these members should wait.
    pub(super) fn are_many(&self, members: &Members<'_>, outboxes: &SecondaryMap<ConnKey, Outbox>) -> bool {
        if self.0.len() < MANY {
            return false;
        }
        let is_behind =
            |member: &&Member| outboxes.get(member.conn).is_some_and(|outbox| outbox.stride == Stride::Behind);
        let count = members.lists().iter().flat_map(|(list, _)| *list).filter(is_behind).count();
        count >= MANY && count * ONE_IN >= members.count()
    }

    /// When the next of them is no longer waited for.
    pub(super) fn deadline(&self, bounds: OutboxBounds) -> Deadline {
        self.0.first().map_or(Deadline::NEVER, |(_, since)| since.after_ms(bounds.overrun_ms))
    }
}
