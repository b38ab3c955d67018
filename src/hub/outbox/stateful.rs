//! The outbox of a stateful connection, whose links come and go.

use super::rare::{Rare, Stateful};
use super::{Outbox, Writable};
use crate::clock::{Deadline, Instant};
use crate::hub::arena::{Arena, Frame};
use crate::hub::backlog::Share;
use crate::hub::received::Received;
use crate::hub::unacked::Unacked;
use crate::wire::LinkKey;
use std::sync::Arc;

impl Outbox {
    /// Its connection can go on on another link from now on; so many bytes are kept for that.
    pub(in super::super) fn begin_stateful(&mut self, bytes_max: usize, share: &Arc<Share>) {
        let unacked = Unacked::new(bytes_max, share);
        let rare = self.rare.get_or_insert_with(|| Rare::new(share));
        rare.stateful = Some(Box::new(Stateful { unacked, received: Received::new() }));
    }

    fn stateful(&self) -> Option<&Stateful> {
        self.rare.as_ref()?.stateful.as_deref()
    }

    pub(super) fn stateful_mut(&mut self) -> Option<&mut Stateful> {
        self.rare.as_mut()?.stateful.as_deref_mut()
    }

    /// Whether its connection can go on on another link: all is there that its client may lack.
    pub(in super::super) fn can_resume(&self) -> bool {
        self.stateful().is_some_and(|stateful| stateful.unacked.is_whole()) && !self.is_sealed()
    }

    /// Whether its connection could, as long as all was there.
    pub(in super::super) fn is_stateful(&self) -> bool {
        self.stateful().is_some()
    }

    /// Whether its connection waits for another link.
    pub(in super::super) fn is_detached(&self) -> bool {
        self.stateful().is_some() && self.writable.away_since().is_some()
    }

    /// Its link is gone, or takes nothing any more. What has not been taken is sent again with all
    /// that is not acknowledged.
    pub(in super::super) fn detach(&mut self, arena: &mut Arena, now: Instant) {
        let Some(rare) = &mut self.rare else { return };
        let Some(stateful) = &mut rare.stateful else { return };
        let ranges: usize = self.ranges.iter().map(Frame::len).sum();
        let copied: usize = rare.copied.take().slices().map(<[u8]>::len).sum();
        self.backlog_bytes = self.backlog_bytes - ranges - copied + stateful.unacked.rewind();
        stateful.received.lose_link(now);
        rare.weigh();
        self.answer_bytes = 0;
        for range in self.ranges.drain(..) {
            arena.unpin(range.segment);
        }
        self.link = None;
        self.writable = Writable::Away { since: now };
    }

    /// Another link carries its bytes out. Returns the number of the first frame that is sent
    /// again, or of the next.
    pub(in super::super) fn attach(&mut self, link: LinkKey) -> Option<u64> {
        self.link = Some(link);
        self.writable = Writable::Open;
        self.stateful().map(|stateful| stateful.unacked.first())
    }

    /// Queues the frame that another link begins with, before all that waits.
    pub(in super::super) fn push_first(&mut self, arena: &mut Arena, frame: Frame) {
        debug_assert!(self.ranges.is_empty(), "what its former link has not taken is sent again");
        self.push_range(arena, frame);
    }

    /// Bytes that are to be sent again.
    pub(in super::super) fn again_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.again_bytes())
    }

    /// Bytes of what its client has not acknowledged.
    pub(in super::super) fn unacked_bytes(&self) -> usize {
        self.stateful().map_or(0, |stateful| stateful.unacked.bytes())
    }

    /// Keeps nothing for another link.
    pub(in super::super) fn forget(&mut self) {
        if let Some(stateful) = self.stateful_mut() {
            stateful.unacked.forget();
        }
    }

    /// The client has all up to that number.
    pub(in super::super) fn ack(&mut self, number: u64) {
        if let Some(stateful) = self.stateful_mut() {
            stateful.unacked.ack(number);
        }
    }

    /// A message that counts has come. False where it had come before.
    pub(in super::super) fn take_received(&mut self, now: Instant) -> bool {
        self.stateful_mut().is_none_or(|stateful| stateful.received.take(now))
    }

    /// The client's next message has that number. False where it lacks one before that.
    pub(in super::super) fn reset_received(&mut self, number: u64) -> bool {
        self.stateful_mut().is_none_or(|stateful| stateful.received.reset(number))
    }

    /// When to acknowledge what has come.
    pub(in super::super) fn acknowledge_due(&self) -> Deadline {
        let stateful = self.stateful().filter(|_| !self.is_detached());
        stateful.map_or(Deadline::NEVER, |stateful| stateful.received.due())
    }

    /// The number to acknowledge, which is done now.
    pub(in super::super) fn acknowledge(&mut self) -> Option<u64> {
        self.stateful_mut().map(|stateful| stateful.received.acknowledge())
    }
}
