//! Bytes that one connection has for itself: copied out of segments that it pinned for too long, or
//! what is left of a record that its socket took in part. They are sent before all else.
//!
//! Each copy is a chunk of its own that is never grown and is freed when it is sent: growing one by
//! little steps, for a thousand slow readers at once, left holes between them that made up a third
//! of the heap.

use super::arena::{Arena, Frame};
use std::collections::VecDeque;

/// Whole frames; the first one perhaps cut at its front.
#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    /// Where frames end, ascending.
    ends: Box<[u32]>,
    /// Whether the first byte is not the first of its frame.
    is_cut: bool,
}

impl Chunk {
    fn heap_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.ends) + size_of::<Chunk>()
    }
}

/// The chunks, in order; the first one perhaps sent in part.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    chunks: VecDeque<Chunk>,
    /// How much of the first chunk has been sent; never all of it.
    sent: usize,
    heap_bytes: usize,
}

impl Copied {
    /// What is left to send.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(self.sent).chain(std::iter::repeat(0));
        self.chunks.iter().zip(starts).filter_map(|(chunk, start)| chunk.bytes.get(start..))
    }

    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Copies ranges behind what is there.
    pub(crate) fn append(&mut self, arena: &Arena, ranges: &[Frame]) {
        let Some(first) = ranges.first() else { return };
        let is_cut = arena.begun_bytes(*first) > 0;
        let mut bytes = Vec::with_capacity(ranges.iter().map(Frame::len).sum());
        let mut ends = Vec::new();
        for range in ranges {
            let start = offset(bytes.len());
            ends.extend(arena.ends(*range).map(|end| start + end));
            bytes.extend_from_slice(arena.bytes(*range));
        }
        self.push(Chunk { bytes: bytes.into(), ends: ends.into(), is_cut });
    }

    /// Takes over a record of which the socket took the first `sent` bytes; nothing is before it.
    pub(crate) fn begin(&mut self, frame: &[u8], sent: usize) {
        if let Some(rest) = frame.get(sent..)
            && !rest.is_empty()
        {
            self.push(Chunk { bytes: rest.into(), ends: [offset(rest.len())].into(), is_cut: sent > 0 });
        }
    }

    /// The socket took so many bytes, or all there are; how many that were.
    pub(crate) fn advance(&mut self, sent: usize) -> usize {
        let mut taken = 0;
        while let Some(first) = self.chunks.front() {
            let left = first.bytes.len() - self.sent;
            if sent - taken < left {
                self.sent += sent - taken;
                return sent;
            }
            taken += left;
            self.sent = 0;
            self.heap_bytes -= first.heap_bytes();
            self.chunks.pop_front();
        }
        taken
    }

    /// Bytes at the front that belong to a frame already begun.
    pub(crate) fn begun_bytes(&self) -> usize {
        let Some(first) = self.chunks.front() else { return 0 };
        let sent = offset(self.sent);
        let ended = first.ends.partition_point(|end| *end <= sent);
        let is_start = match ended.checked_sub(1).and_then(|last| first.ends.get(last)) {
            Some(end) => *end == sent,
            None => sent == 0 && !first.is_cut,
        };
        let end = first.ends.get(ended).copied().unwrap_or(sent);
        if is_start { 0 } else { (end - sent) as usize }
    }

    /// Drops all but the rest of a frame already begun; how many bytes that is.
    pub(crate) fn keep_begun(&mut self) -> usize {
        let begun = self.begun_bytes();
        let before = std::mem::take(self);
        if begun > 0
            && let Some(rest) = before.slices().next().and_then(|rest| rest.get(..begun))
        {
            self.push(Chunk { bytes: rest.into(), ends: [offset(begun)].into(), is_cut: true });
        }
        begun
    }

    /// Takes all that is left.
    pub(crate) fn take(&mut self) -> Copied {
        std::mem::take(self)
    }

    /// Memory of its own.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    fn push(&mut self, chunk: Chunk) {
        self.heap_bytes += chunk.heap_bytes();
        self.chunks.push_back(chunk);
    }
}

/// A chunk holds less than a backlog, far below 4 GiB.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
