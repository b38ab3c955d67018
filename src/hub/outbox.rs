//! The send queue of one connection.
//!
//! ```text
//!   keeps up          ranges of shared segments, merged where adjacent          no bytes of its own
//!   short write       the same ranges, the first one cut: a cursor              pins its segments
//!   evicted           its own bytes, then ranges                                pins nothing but what came since
//!   over soft bound   …, then one entry per record, with its topic              a state replaces its value since the last answer
//!   over hard bound   the verdict Overrun; its connection is given up           all dropped but the frame already begun
//! ```
//!
//! Order is kept: own bytes, ranges, late records. A record partly sent is never replaced or dropped, since the peer would
//! read the next frame's bytes as its rest.

use super::arena::{Arena, Frame};
use super::registry::TopicId;
use crate::clock::Instant;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// An outbox that holds this much, or its soft bound, is flushed before the turn ends.
pub const FLUSH_BYTES: usize = 128 * 1024;

/// Own bytes are filled from late records up to this much at a time.
const REFILL_BYTES: usize = 64 * 1024;

/// What one write offers, in order.
pub type Slices<'a> = SmallVec<[&'a [u8]; 64]>;

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It waits for the next flush.
    Queued,
    /// It took the place of an older value of its topic.
    Conflated,
    /// The connection ends; nothing more is queued for it.
    Dropped,
    /// The backlog would pass the hard bound; the connection must be given up.
    Overrun,
}

/// How an outbox stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writable {
    /// The socket took all so far; bytes wait for the end of the turn at the most.
    #[default]
    Open,
    /// The socket is full; an edge will come.
    Blocked {
        /// Since when it has taken nothing.
        since: Instant,
    },
    /// An edge has come; the next write tells what it was worth.
    Retrying {
        /// Since when the socket has taken nothing.
        since: Instant,
    },
}

impl Writable {
    /// Whether a write makes sense.
    pub fn may_write(self) -> bool {
        match self {
            Writable::Open | Writable::Retrying { .. } => true,
            Writable::Blocked { .. } => false,
        }
    }

    /// Since when the socket has taken nothing, where it is or was full.
    pub fn stuck_since(self) -> Option<Instant> {
        match self {
            Writable::Open => None,
            Writable::Blocked { since } | Writable::Retrying { since } => Some(since),
        }
    }
}

/// Where a frame came from, as far as conflation cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// An answer, a ping, a Close, a reply: never conflated, never refused for the bound.
    Own,
    /// A publication of which every one matters.
    Occurrence(TopicId),
    /// A publication of which only the newest per topic matters.
    State(TopicId),
}

#[derive(Debug)]
struct LateRecord {
    delivery: Delivery,
    bytes: Box<[u8]>,
}

/// What only a connection that doesn't keep up has.
#[derive(Debug, Default)]
struct Slow {
    /// Copied out of segments; sent before the ranges.
    own: Vec<u8>,
    /// How much of `own` has been sent.
    own_sent: usize,
    /// Behind the ranges.
    late: VecDeque<LateRecord>,
}

/// The send queue. Made once per connection; without heap while the peer keeps up.
#[derive(Debug, Default)]
pub struct Outbox {
    ranges: SmallVec<[Frame; 2]>,
    slow: Option<Box<Slow>>,
    backlog_bytes: usize,
    /// Bytes at the front that belong to a frame (or an HTTP reply) already begun.
    begun_bytes: usize,
    /// Bytes at the front that are HTTP, not WebSocket frames.
    raw_bytes: usize,
    writable: Writable,
    /// Whether it is on the list of those to flush at the end of the turn.
    pub(super) is_dirty: bool,
    is_sealed: bool,
}

/// Bounds of all outboxes of a shard.
#[derive(Clone, Copy, Debug)]
pub struct OutboxBounds {
    /// From here on records are kept one by one and state events conflated.
    pub soft_bytes: usize,
    /// From here on the connection is given up.
    pub hard_bytes: usize,
}

impl OutboxBounds {
    /// What an outbox may hold before it is flushed without waiting for the end of the turn: nothing is late, conflated or too
    /// much before the socket has been asked.
    pub(super) fn flush_bytes(&self) -> usize {
        FLUSH_BYTES.min(self.soft_bytes)
    }
}

impl Outbox {
    /// Queues a frame. Without allocation while the peer keeps up.
    pub fn push(&mut self, arena: &mut Arena, frame: Frame, delivery: Delivery, bounds: OutboxBounds) -> Push {
        if self.is_sealed {
            return Push::Dropped;
        }
        if self.backlog_bytes >= bounds.soft_bytes && delivery != Delivery::Own {
            return self.push_late(arena, frame, delivery, bounds);
        }
        if self.slow.as_ref().is_some_and(|slow| !slow.late.is_empty()) {
            // Behind late records only a late record keeps the order.
            return self.push_late(arena, frame, delivery, bounds);
        }
        self.backlog_bytes += frame.len();
        match self.ranges.last_mut() {
            Some(last) if last.segment == frame.segment && last.end == frame.start => last.end = frame.end,
            _ => {
                arena.pin(frame.segment, 1);
                self.ranges.push(frame);
            }
        }
        Push::Queued
    }

    /// Queues bytes of an HTTP reply.
    pub fn push_raw(&mut self, arena: &mut Arena, frame: Frame, bounds: OutboxBounds) -> Push {
        let before = self.backlog_bytes;
        let push = self.push(arena, frame, Delivery::Own, bounds);
        if push == Push::Queued && self.raw_bytes == before {
            self.raw_bytes += frame.len();
        }
        push
    }

    fn push_late(&mut self, arena: &Arena, frame: Frame, delivery: Delivery, bounds: OutboxBounds) -> Push {
        let slow = self.slow.get_or_insert_default();
        // Not past an answer: behind the completion of a Subscribe, a value must not take a place in front of it.
        let mut since_answer = slow.late.iter_mut().rev().take_while(|record| record.delivery != Delivery::Own);
        if let Delivery::State(_) = delivery
            && let Some(older) = since_answer.find(|record| record.delivery == delivery)
        {
            let backlog_bytes = self.backlog_bytes - older.bytes.len() + frame.len();
            if backlog_bytes > bounds.hard_bytes {
                return Push::Overrun;
            }
            self.backlog_bytes = backlog_bytes;
            older.bytes = arena.bytes(frame).into();
            return Push::Conflated;
        }
        if delivery != Delivery::Own && self.backlog_bytes + frame.len() > bounds.hard_bytes {
            return Push::Overrun;
        }
        self.backlog_bytes += frame.len();
        slow.late.push_back(LateRecord { delivery, bytes: arena.bytes(frame).into() });
        Push::Queued
    }

    /// What to write next, in order: pushed to `slices`, at most as many as it has room for without growing.
    pub fn slices<'a>(&'a self, arena: &'a Arena, slices: &mut Slices<'a>) {
        if let Some(slow) = &self.slow
            && let Some(rest) = slow.own.get(slow.own_sent..)
            && !rest.is_empty()
        {
            slices.push(rest);
        }
        for range in self.ranges.iter().take(slices.inline_size() - slices.len()) {
            slices.push(arena.bytes(*range));
        }
    }

    /// The socket took `sent` bytes of what [`Outbox::slices`] showed.
    pub fn sent(&mut self, arena: &mut Arena, sent: usize) {
        self.follow_frames(arena, sent);
        self.backlog_bytes -= sent;
        self.raw_bytes = self.raw_bytes.saturating_sub(sent);
        let mut left = sent;
        if let Some(slow) = &mut self.slow {
            let of_own = left.min(slow.own.len() - slow.own_sent);
            slow.own_sent += of_own;
            left -= of_own;
        }
        let mut gone = 0;
        for range in &mut self.ranges {
            let of_range = left.min(range.len());
            // A range is less than 4 GiB, so the cast back cannot fail.
            range.start += u32::try_from(of_range).unwrap_or(0);
            left -= of_range;
            if !range.is_empty() {
                break;
            }
            arena.unpin(range.segment);
            gone += 1;
        }
        self.ranges.drain(..gone);
        self.refill();
    }

    /// Own bytes and ranges are all sent: late records become own bytes, or the memory is given back.
    fn refill(&mut self) {
        let Some(slow) = &mut self.slow else { return };
        if slow.own_sent < slow.own.len() || !self.ranges.is_empty() {
            return;
        }
        slow.own.clear();
        slow.own_sent = 0;
        while slow.own.len() < REFILL_BYTES
            && let Some(record) = slow.late.pop_front()
        {
            slow.own.extend_from_slice(&record.bytes);
        }
        if slow.own.is_empty() {
            self.slow = None;
        }
    }

    /// Keeps `begun_bytes` true: walks the frames that `sent` bytes cover. Called before the cursors move.
    fn follow_frames(&mut self, arena: &Arena, sent: usize) {
        if sent >= self.front_bytes() {
            self.begun_bytes = 0;
            return;
        }
        let mut passed = self.begun_bytes;
        if passed == 0 {
            passed = self.raw_bytes;
        }
        while passed < sent {
            let mut header = [0u8; 10];
            self.peek(arena, passed, &mut header);
            passed += frame_bytes(header);
        }
        self.begun_bytes = if sent == 0 && self.begun_bytes == 0 { 0 } else { passed - sent };
    }

    /// Bytes of own and ranges.
    fn front_bytes(&self) -> usize {
        let own = self.slow.as_ref().map_or(0, |slow| slow.own.len() - slow.own_sent);
        own + self.ranges.iter().map(Frame::len).sum::<usize>()
    }

    /// Copies bytes from `at`, counted from the front, as far as there are any.
    fn peek(&self, arena: &Arena, at: usize, into: &mut [u8]) {
        let mut skip = at;
        let mut filled = 0;
        let own = self.slow.as_ref().and_then(|slow| slow.own.get(slow.own_sent..)).unwrap_or_default();
        for slice in std::iter::once(own).chain(self.ranges.iter().map(|range| arena.bytes(*range))) {
            let Some(slice) = slice.get(skip..) else {
                skip -= slice.len();
                continue;
            };
            let n = slice.len().min(into.len() - filled);
            into[filled..filled + n].copy_from_slice(&slice[..n]);
            filled += n;
            skip = 0;
        }
    }

    /// Copies its ranges to bytes of its own, so that it pins nothing.
    pub fn evict(&mut self, arena: &mut Arena) {
        if self.ranges.is_empty() {
            return;
        }
        let slow = self.slow.get_or_insert_default();
        slow.own.drain(..slow.own_sent);
        slow.own_sent = 0;
        for range in self.ranges.drain(..) {
            slow.own.extend_from_slice(arena.bytes(range));
            arena.unpin(range.segment);
        }
    }

    /// Drops all that waits but the rest of a frame already begun; answers how many bytes were dropped.
    pub fn discard(&mut self, arena: &mut Arena) -> usize {
        self.evict(arena);
        let before = self.backlog_bytes;
        if let Some(slow) = &mut self.slow {
            slow.late.clear();
            slow.own.truncate(slow.own_sent + self.begun_bytes);
            self.backlog_bytes = self.begun_bytes;
            if self.begun_bytes == 0 {
                self.slow = None;
            }
        }
        before - self.backlog_bytes
    }

    /// Nothing more is taken; what waits is still sent.
    pub fn seal(&mut self) {
        self.is_sealed = true;
    }

    /// Whether nothing more is taken.
    pub(super) fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Takes bytes again, for a last word.
    pub(super) fn unseal(&mut self) {
        self.is_sealed = false;
    }

    /// Gives back all it holds.
    pub fn release(&mut self, arena: &mut Arena) {
        for range in self.ranges.drain(..) {
            arena.unpin(range.segment);
        }
        self.slow = None;
        self.backlog_bytes = 0;
    }

    /// Bytes that wait.
    pub fn backlog_bytes(&self) -> usize {
        self.backlog_bytes
    }

    /// How the socket stands.
    pub fn writable(&self) -> Writable {
        self.writable
    }

    /// Notes how the socket stands.
    pub fn set_writable(&mut self, writable: Writable) {
        self.writable = writable;
    }

    /// Whether it holds ranges of segments.
    pub fn pins(&self) -> bool {
        !self.ranges.is_empty()
    }
}

/// The length of a whole server frame by its header (RFC 6455 section 5.2; server frames are not masked).
fn frame_bytes(header: [u8; 10]) -> usize {
    let [_, len, a, b, c, d, e, f, g, h] = header;
    match len & 0x7F {
        126 => 4 + usize::from(u16::from_be_bytes([a, b])),
        127 => {
            10usize.saturating_add(usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).unwrap_or(usize::MAX))
        }
        len => 2 + usize::from(len),
    }
}

#[cfg(test)]
mod tests {
    use super::super::arena::Lane;
    use super::*;
    use proptest::prelude::*;
    use slotmap::SlotMap;

    const BOUNDS: OutboxBounds = OutboxBounds { soft_bytes: 60, hard_bytes: 120 };

    #[derive(Clone, Debug)]
    enum Step {
        /// A frame with this payload length: an answer, an occurrence, or a state of one of two topics.
        Push(usize, u8),
        Send(usize),
        Evict,
        EndTurn,
        Discard,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0usize..40, 0u8..4).prop_map(|(len, what)| Step::Push(len, what)),
            4 => (0usize..90).prop_map(Step::Send),
            1 => Just(Step::Evict),
            2 => Just(Step::EndTurn),
            1 => Just(Step::Discard),
        ]
    }

    /// Queue of whole frames with their delivery, the first one perhaps partly sent.
    #[derive(Default)]
    struct Twin {
        waiting: VecDeque<(Delivery, Vec<u8>)>,
        first_sent: usize,
        /// How many of `waiting` are past conflation: they were queued below the soft bound, or moved up since.
        settled: usize,
    }

    impl Twin {
        fn backlog(&self) -> usize {
            self.waiting.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() - self.first_sent
        }

        fn send(&mut self, mut n: usize) -> Vec<u8> {
            let mut taken = Vec::new();
            while n > 0 {
                let (_, first) = &self.waiting[0];
                let part = n.min(first.len() - self.first_sent);
                taken.extend_from_slice(&first[self.first_sent..self.first_sent + part]);
                self.first_sent += part;
                n -= part;
                if self.first_sent == first.len() {
                    self.waiting.pop_front();
                    self.settled -= 1;
                    self.first_sent = 0;
                }
            }
            if self.settled == 0 {
                let mut moved = 0;
                while moved < REFILL_BYTES && self.settled < self.waiting.len() {
                    moved += self.waiting[self.settled].1.len();
                    self.settled += 1;
                }
            }
            taken
        }
    }

    /// All bytes that an outbox would write next.
    fn shown(outbox: &Outbox, arena: &Arena) -> Vec<u8> {
        let mut slices = Slices::new();
        outbox.slices(arena, &mut slices);
        slices.concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
        #[test]
        fn sends_what_a_queue_of_frames_would(steps in proptest::collection::vec(step(), 1..60)) {
            let mut topics: SlotMap<TopicId, ()> = SlotMap::with_key();
            let (one, two) = (topics.insert(()), topics.insert(()));
            let (mut arena, mut outbox, mut twin) = (Arena::default(), Outbox::default(), Twin::default());
            let mut serial = 0u8;
            for step in steps {
                match step {
                    Step::Push(len, what) => {
                        serial = serial.wrapping_add(1);
                        let frame = arena.append_text(Lane::Own, |out| out.resize(out.len() + len, serial));
                        let bytes = arena.bytes(frame).to_vec();
                        let delivery = match what {
                            0 => Delivery::Own,
                            1 => Delivery::Occurrence(one),
                            2 => Delivery::State(one),
                            _ => Delivery::State(two),
                        };
                        let is_late = twin.settled < twin.waiting.len()
                            || (twin.backlog() >= BOUNDS.soft_bytes && delivery != Delivery::Own);
                        let is_answer = |at: &usize| twin.waiting[*at].0 == Delivery::Own;
                        let since = (twin.settled..twin.waiting.len()).rfind(is_answer).map_or(twin.settled, |at| at + 1);
                        let older = (since..twin.waiting.len())
                            .find(|at| matches!(delivery, Delivery::State(_)) && twin.waiting[*at].0 == delivery);
                        let expected = if let Some(at) = older {
                            if twin.backlog() - twin.waiting[at].1.len() + bytes.len() > BOUNDS.hard_bytes {
                                Push::Overrun
                            } else {
                                twin.waiting[at].1 = bytes;
                                Push::Conflated
                            }
                        } else if is_late && delivery != Delivery::Own && twin.backlog() + bytes.len() > BOUNDS.hard_bytes {
                            Push::Overrun
                        } else {
                            twin.waiting.push_back((delivery, bytes));
                            if !is_late { twin.settled += 1; }
                            Push::Queued
                        };
                        prop_assert_eq!(outbox.push(&mut arena, frame, delivery, BOUNDS), expected);
                    }
                    Step::Send(n) => {
                        let offered = shown(&outbox, &arena);
                        let n = n.min(offered.len());
                        prop_assert_eq!(&offered[..n], twin.send(n));
                        outbox.sent(&mut arena, n);
                    }
                    Step::Evict => {
                        outbox.evict(&mut arena);
                        prop_assert_eq!(arena.pinned_bytes(), 0);
                    }
                    Step::EndTurn => arena.end_turn(),
                    Step::Discard => {
                        let before = twin.backlog();
                        twin.waiting.truncate(usize::from(twin.first_sent > 0));
                        twin.settled = twin.waiting.len();
                        prop_assert_eq!(outbox.discard(&mut arena), before - twin.backlog());
                    }
                }
                prop_assert_eq!(outbox.backlog_bytes(), twin.backlog());
            }
            outbox.release(&mut arena);
            arena.end_turn();
            prop_assert_eq!(arena.pinned_bytes(), 0);
        }
    }

    #[test]
    fn a_reply_before_the_first_frame_is_no_frame() {
        let mut arena = Arena::default();
        let mut outbox = Outbox::default();
        let reply = arena.append(Lane::Own, |out| out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"));
        outbox.push_raw(&mut arena, reply, BOUNDS);
        let frame = arena.append_text(Lane::Own, |out| out.extend_from_slice(b"{}\x1e"));
        outbox.push(&mut arena, frame, Delivery::Own, BOUNDS);
        outbox.sent(&mut arena, 10);
        assert_eq!(outbox.discard(&mut arena), frame.len());
        assert_eq!(shown(&outbox, &arena), b"01 Switching Protocols\r\n\r\n");
    }

    #[test]
    fn an_outbox_that_keeps_up_has_no_heap() {
        let mut arena = Arena::default();
        let mut outbox = Outbox::default();
        for _ in 0..100 {
            let frame = arena.append_text(Lane::Own, |out| out.extend_from_slice(b"{}\x1e"));
            outbox.push(&mut arena, frame, Delivery::Own, BOUNDS);
            outbox.sent(&mut arena, frame.len());
            arena.end_turn();
        }
        assert!(!outbox.ranges.spilled() && outbox.slow.is_none());
        assert!(size_of::<Outbox>() <= 96, "{}", size_of::<Outbox>());
    }
}
