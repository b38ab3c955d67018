//! What only the outboxes of slow readers have, and those of stateful connections.

use crate::hub::backlog::{Held, Share};
use crate::hub::copied::Copied;
use crate::hub::late::{Late, LateQueue};
use crate::hub::received::Received;
use crate::hub::unacked::Unacked;
use std::sync::Arc;

/// What only a connection has that doesn't keep up, or can go on on another link.
#[derive(Debug)]
pub(super) struct Rare {
    /// Sent before the ranges.
    pub(super) copied: Copied,
    /// Behind the ranges.
    pub(super) late: LateQueue,
    /// The memory of the two.
    pub(super) held: Held,
    pub(super) stateful: Option<Box<Stateful>>,
}

impl Rare {
    pub(super) fn new(share: &Arc<Share>) -> Box<Rare> {
        let (copied, late) = (Copied::default(), LateQueue::default());
        Box::new(Rare { copied, late, held: Held::new(0, share), stateful: None })
    }

    /// Whether late records wait, those that are sent again among them.
    pub(super) fn has_late(&self) -> bool {
        !self.late.is_empty() || self.again_bytes() > 0
    }

    /// Bytes that are sent again on another link.
    pub(super) fn again_bytes(&self) -> usize {
        self.stateful.as_ref().map_or(0, |stateful| stateful.unacked.again_bytes())
    }

    /// Appends the frames of the first records, whole ones, until they make `bytes`.
    pub(super) fn encode(&self, bytes: usize, out: &mut Vec<u8>) {
        if let Some(stateful) = &self.stateful {
            stateful.unacked.encode(bytes, out);
        }
        self.late.encode(bytes, out);
    }

    pub(super) fn weigh(&mut self) {
        self.held.set(size_of::<Rare>() + self.copied.heap_bytes() + self.late.heap_bytes());
    }

    /// The socket took so many bytes of the late records, which were all there was to offer.
    pub(super) fn late_sent(&mut self, sent: usize) {
        let mut left = self.sent_again(sent);
        while left > 0
            && let Some(frame_bytes) = self.late.first_bytes()
        {
            if left < frame_bytes {
                let mut frame = Vec::with_capacity(frame_bytes);
                self.late.encode(frame_bytes, &mut frame);
                self.copied.begin(&frame, left);
            }
            if let Some(stateful) = &mut self.stateful
                && let Some(late) = self.late.first(self.held.share()).filter(|late| late.counts())
            {
                stateful.unacked.push(late);
            }
            self.late.pop();
            left = left.saturating_sub(frame_bytes);
        }
    }

    /// The same of those that are sent again; how many bytes were others'.
    fn sent_again(&mut self, sent: usize) -> usize {
        let Some(stateful) = &mut self.stateful else { return sent };
        let (left, cut) = stateful.unacked.take_sent(sent);
        if let Some((late, sent)) = cut {
            self.begin(&late, sent);
        }
        left
    }

    /// The socket took the first bytes of a record.
    fn begin(&mut self, late: &Late, sent: usize) {
        let mut frame = Vec::with_capacity(late.frame_bytes());
        late.encode(&mut frame);
        self.copied.begin(&frame, sent);
    }
}

/// What only a connection has that can go on on another link.
#[derive(Debug)]
pub(super) struct Stateful {
    pub(super) unacked: Unacked,
    pub(super) received: Received,
}
