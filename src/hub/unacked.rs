//! What a stateful connection was sent and its client has not acknowledged: on another link it is
//! sent again.
//!
//! ```text
//!   first               sent              frames.len()
//!     │ handed to the link │ to be sent again │            what is published meanwhile waits behind them
//! ```
//!
//! A frame has its number once it can't be replaced any more: when it is queued as bytes, or when a
//! socket takes it of those that are late. Publications are references, shared with all who have
//! them to send or to keep. Beyond the bound the oldest frames go, and a client that lacks one of
//! them can't go on.

use super::backlog::{Held, Share};
use super::late::Late;
use std::collections::VecDeque;
use std::sync::Arc;

/// One that has nothing to keep has room for so many frames.
const SPARE_FRAMES: usize = 64;

/// The frames that count, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Unacked {
    frames: VecDeque<Arc<Late>>,
    /// The number of the first of them, or of the next where there is none.
    first: u64,
    /// The highest number that the client has acknowledged on the link that is there now.
    acked: u64,
    /// The highest number of a former link.
    former: u64,
    /// So many of them have been handed to the link.
    sent: usize,
    bytes: usize,
    bytes_max: usize,
    /// Bytes of those that are to be sent again.
    again_bytes: usize,
    held: Held,
}

impl Unacked {
    /// Nothing yet: the first frame has number 1.
    pub(super) fn new(bytes_max: usize, share: &Arc<Share>) -> Unacked {
        let held = Held::new(size_of::<Unacked>(), share);
        let (frames, first, acked, former) = (VecDeque::new(), 1, 0, 0);
        Unacked { frames, first, acked, former, sent: 0, bytes: 0, bytes_max, again_bytes: 0, held }
    }

    /// A frame has been handed to the link; none is to be sent again before it.
    pub(super) fn push(&mut self, late: Arc<Late>) {
        debug_assert_eq!(self.sent, self.frames.len(), "what is sent again goes first");
        self.bytes += late.frame_bytes();
        self.frames.push_back(late);
        self.sent += 1;
        self.trim();
    }

    /// The client has all up to that number. Where it may have got that one on a former link,
    /// nothing goes: stock clients count again what is sent again, and break off when the next link
    /// begins beyond what they have counted on this one.
    pub(super) fn ack(&mut self, number: u64) {
        let number = number.min(self.last());
        if number > self.former {
            self.acked = self.acked.max(number);
            self.trim();
        }
    }

    fn last(&self) -> u64 {
        self.first + self.frames.len() as u64 - 1
    }

    /// Lets go what is acknowledged, and what is too much. What is to be sent again stays: the
    /// client counts it.
    fn trim(&mut self) {
        while self.sent > 0 && (self.first <= self.acked || self.bytes > self.bytes_max) {
            let Some(late) = self.frames.pop_front() else { break };
            self.bytes -= late.frame_bytes();
            self.first += 1;
            self.sent -= 1;
        }
        if self.frames.is_empty() {
            self.frames.shrink_to(SPARE_FRAMES);
        }
        self.held.set(size_of::<Unacked>() + self.frames.capacity() * size_of::<Arc<Late>>());
    }

    /// Whether the client can go on: nothing is gone that it may lack.
    pub(super) fn is_whole(&self) -> bool {
        self.first <= self.acked + 1
    }

    /// The number of the frame that is sent next on another link.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The link is gone: all are to be sent again. How many bytes more than before those are.
    pub(super) fn rewind(&mut self) -> usize {
        (self.sent, self.former) = (0, self.last());
        self.bytes - std::mem::replace(&mut self.again_bytes, self.bytes)
    }

    /// Bytes that are to be sent again.
    pub(super) fn again_bytes(&self) -> usize {
        self.again_bytes
    }

    /// Bytes of all that is kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets go all that has been handed to the link.
    pub(super) fn forget(&mut self) {
        let bytes_max = std::mem::take(&mut self.bytes_max);
        self.trim();
        self.bytes_max = bytes_max;
    }

    /// Appends the frames that are sent again: whole ones, until they make `bytes`.
    pub(super) fn encode(&self, bytes: usize, out: &mut Vec<u8>) {
        for late in self.frames.iter().skip(self.sent) {
            if out.len() >= bytes {
                return;
            }
            late.encode(out);
        }
    }

    /// The socket took so many bytes, of frames that are sent again first. How many were others',
    /// and the frame that it took in part, with how much that was.
    pub(super) fn take_sent(&mut self, sent: usize) -> (usize, Option<(Arc<Late>, usize)>) {
        let (mut left, mut cut) = (sent, None);
        while left > 0
            && let Some(late) = self.frames.get(self.sent)
        {
            let len = late.frame_bytes();
            cut = (left < len).then(|| (Arc::clone(late), left));
            left = left.saturating_sub(len);
            self.sent += 1;
            self.again_bytes -= len;
        }
        self.trim();
        (left, cut)
    }
}
