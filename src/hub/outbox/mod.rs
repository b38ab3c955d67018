//! The send queue of one connection.
//!
//! ```text
//!   keeps up          ranges of shared segments, merged where adjacent          no bytes of its own
//!   short write       the same ranges, the first one cut: a cursor              pins its segments
//!   evicted           its own bytes, then ranges                                pins nothing but what came since
//!   over soft bound   …, then references to publications, and answers           a state replaces its value since the last answer
//!   over hard bound   the verdict Overrun; its connection is given up           all dropped but the frame already begun
//! ```
//!
//! Order is kept: own bytes, ranges, late records. A late record becomes bytes when a socket takes
//! them, a portion at a time; what the socket leaves still waits as a reference, but for the rest
//! of the record that it took in part. So does all of a block but its beginning, however much that
//! is: it is paced by the socket, and no reason to give its reader up. A record partly sent is
//! never replaced or dropped, since the peer would read the next frame's bytes as its rest.
//!
//! That of a stateful connection has references to all frames that its client has not acknowledged,
//! too. On another link they go first; without a link everything is late.

mod rare;
mod stateful;
mod writable;

use super::arena::{Arena, Frame};
use super::backlog::Share;
use super::encoding::Encoding;
use super::late::{Late, Part};
use super::publication::EventTraits;
use crate::broken::broken;
use crate::clock::Instant;
use crate::close::CloseReason;
use crate::wire::LinkKey;
use core::num::NonZeroU32;
use rare::Rare;
use smallvec::SmallVec;
use std::sync::Arc;
pub use writable::{Acked, Writable};

/// Late records are offered to a socket up to this much at a time.
pub(super) const PORTION_BYTES: usize = 32 * 1024;

/// An outbox that holds this much, or its soft bound, is flushed before the turn ends.
pub const FLUSH_BYTES: usize = 128 * 1024;

/// What one write offers, in order.
pub(crate) type Slices<'a> = SmallVec<[&'a [u8]; 64]>;

/// Answers that wait for a full socket: with more of them their client has no further question
/// answered before it has read. So it is with blocks, of which another one may wait behind that
/// much.
const ANSWERS_BYTES: usize = 16 * 1024;

/// Whether a client should get a further answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Free,
    /// Once it has read some of those that wait.
    Full,
    /// It is given up, and nothing is taken for it.
    Gone,
}

/// What became of a pushed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// It waits for the next flush.
    Queued,
    /// It took the place of an older value of its topic.
    Conflated,
    /// The connection ends; nothing more is queued for it.
    Dropped,
    /// The backlog would pass the hard bound; the connection must be given up.
    Overrun,
}

/// The send queue. Made once per connection; without heap while the peer keeps up.
#[derive(Debug, Default)]
pub struct Outbox {
    ranges: SmallVec<[Frame; 2]>,
    rare: Option<Box<Rare>>,
    backlog_bytes: usize,
    /// Bytes of answers that wait, at the least: whatever the socket takes counts as theirs.
    answer_bytes: usize,
    writable: Writable,
    /// When its connection began, in seconds.
    pub(super) opened_s: u32,
    /// Publications queued so far.
    delivered: u32,
    /// When the publication was taken that was the first to wait since all had been written: the
    /// low bits of the instant.
    behind_since: Option<NonZeroU32>,
    encoding: Encoding,
    /// Who carries its bytes out.
    pub(super) link: Option<LinkKey>,
    /// Which list of those to flush it is on.
    pub(super) dirty: Dirty,
    /// Whether publications wait for it.
    pub(super) stride: Stride,
    seal: Seal,
}

/// The low bits of an instant: they repeat after 49 days, which nothing waits for.
fn low_bits(instant: Instant) -> u32 {
    u32::try_from(instant.ms() & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// How a reader is thought of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stride {
    /// It keeps up, or takes nothing.
    #[default]
    Keeps,
    /// Its backlog is over the soft bound, and it reads on.
    Behind,
    /// It has been waited for, and has not caught up since.
    Excused,
}

/// Whether an outbox takes anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seal {
    #[default]
    Open,
    /// Nothing more; what waits is still sent.
    Sealed,
    /// Nothing more, and what waited is gone, in the midst of a frame.
    Cut,
}

/// When an outbox with bytes is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dirty {
    /// It has nothing new.
    #[default]
    No,
    /// In its turn among the members of large topics.
    InSlices,
    /// At the end of this turn.
    Now,
}

/// Bounds of all outboxes of a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxBounds {
    /// From here on records are kept one by one and state events conflated.
    pub soft_bytes: usize,
    /// From here on the connection is given up, if its socket has also taken nothing for
    /// `overrun_ms`.
    pub hard_bytes: usize,
    /// How long a socket may take nothing while more waits for it than that.
    pub(crate) overrun_ms: u64,
}

impl OutboxBounds {
    /// What an outbox may hold before it is flushed without waiting for the end of the turn:
    /// nothing is late, conflated or too much before the socket has been asked.
    pub(super) fn flush_bytes(&self) -> usize {
        FLUSH_BYTES.min(self.soft_bytes)
    }
}

impl Outbox {
    /// Queues the frame of a publication, or what a slow reader holds instead. Without allocation
    /// while the peer keeps up.
    pub(crate) fn push(
        &mut self,
        arena: &mut Arena,
        frame: Frame,
        bounds: OutboxBounds,
        now: Instant,
        late: impl FnOnce() -> Arc<Late>,
    ) -> Push {
        if self.is_sealed() {
            return Push::Dropped;
        }
        // Behind late records only a late record keeps the order.
        if self.backlog_bytes >= bounds.soft_bytes || self.has_late() {
            return self.push_late(late(), bounds, now);
        }
        if let Some(stateful) = self.stateful_mut() {
            stateful.unacked.push(late());
        }
        self.push_range(arena, frame);
        Push::Queued
    }

    /// A publication that was taken then has been queued.
    pub fn note_taken(&mut self, taken: Instant) {
        self.note_sent();
        if self.behind_since.is_none() {
            self.behind_since = NonZeroU32::new(low_bits(taken)).or(Some(NonZeroU32::MIN));
        }
    }

    /// One has been queued, now or of the past.
    pub fn note_sent(&mut self) {
        self.delivered = self.delivered.wrapping_add(1);
    }

    /// Publications queued so far, snapshots and replays among them, of which some may have been
    /// replaced or dropped.
    pub fn delivered(&self) -> u32 {
        self.delivered
    }

    /// How long publications have been waiting, where one does.
    pub fn behind_ms(&self, now: Instant) -> Option<u64> {
        let age_ms = low_bits(now).wrapping_sub(self.behind_since?.get());
        // What seems to be older than the half of what can be told was taken after `now`.
        Some(if age_ms > u32::MAX / 2 { 0 } else { u64::from(age_ms) })
    }

    /// All has been written: returns how long publications have waited, where there was one.
    pub(super) fn note_written(&mut self, now: Instant) -> Option<u64> {
        let age_ms = self.behind_ms(now);
        self.behind_since = None;
        age_ms
    }

    /// Queues an answer, a ping, a Close, a reply: never conflated, never refused for the bound.
    /// Whether it counts is for those that go on on another link.
    pub(crate) fn push_own(&mut self, arena: &mut Arena, frame: Frame, counts: bool, share: &Arc<Share>) -> Push {
        if self.is_sealed() {
            return Push::Dropped;
        }
        self.answer_bytes += frame.len();
        let late = || Arc::new(Late::answer(arena.bytes(frame), counts, share));
        if self.has_late() {
            self.backlog_bytes += frame.len();
            let rare = self.rare.get_or_insert_with(|| Rare::new(share));
            rare.late.push(late());
            rare.weigh();
        } else {
            if let Some(stateful) = self.stateful_mut().filter(|_| counts) {
                stateful.unacked.push(late());
            }
            self.push_range(arena, frame);
        }
        Push::Queued
    }

    /// Whether the socket has taken nothing for so long that a backlog beyond the hard bound is the
    /// peer's fault: one that has just been filled is not, before its peer has had the time to
    /// read.
    fn is_stuck(&self, bounds: OutboxBounds, now: Instant) -> bool {
        self.writable.stuck_since().is_some_and(|since| now.ms_since(since) >= bounds.overrun_ms)
    }

    /// Whether it holds more than the soft bound while its socket takes something from time to
    /// time.
    pub(super) fn is_behind(&self, bounds: OutboxBounds, now: Instant) -> bool {
        let is_full = self.live_bytes() >= bounds.soft_bytes && self.writable.stuck_since().is_some();
        is_full && !self.is_sealed() && !self.is_stuck(bounds, now)
    }

    /// Why an answer of so many bytes is one too many: the client asks and does not read, or it is
    /// a slow reader all the same.
    pub(crate) fn is_too_much(&self, bytes: usize, bounds: OutboxBounds, now: Instant) -> Option<CloseReason> {
        let is_over = |waiting: usize| waiting + bytes > bounds.hard_bytes;
        if self.writable.may_write() {
            return None;
        }
        if is_over(self.answer_bytes) {
            return Some(CloseReason::OwnAnswers);
        }
        (is_over(self.live_bytes()) && self.is_stuck(bounds, now)).then(|| self.given_up_for())
    }

    /// Why a connection is given up that takes nothing: for its own answers, where they are most of
    /// what waits.
    pub fn given_up_for(&self) -> CloseReason {
        if self.answer_bytes > self.live_bytes() / 2 { CloseReason::OwnAnswers } else { CloseReason::Overrun }
    }

    /// Whether so many answers wait that they should be written.
    pub(super) fn has_many_answers(&self) -> bool {
        self.answer_bytes >= ANSWERS_BYTES
    }

    /// Whether so much of a block waits that behind the one after it there is to be no further one.
    fn has_many_blocks(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.late.former_bytes() >= ANSWERS_BYTES)
    }

    /// Whether its client should get a further answer.
    pub(super) fn room(&self) -> Room {
        if self.is_sealed() {
            Room::Gone
        } else if self.has_many_blocks() || !self.writable.may_write() && self.has_many_answers() {
            Room::Full
        } else {
            Room::Free
        }
    }

    /// Whether late records wait, behind which all others do.
    pub(super) fn has_late(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.has_late()) || self.is_detached()
    }

    fn push_range(&mut self, arena: &mut Arena, frame: Frame) {
        self.backlog_bytes += frame.len();
        match self.ranges.last_mut() {
            Some(last) if last.segment == frame.segment && last.end == frame.start => last.end = frame.end,
            _ => {
                arena.pin(frame.segment, 1);
                self.ranges.push(frame);
            }
        }
    }

    fn push_late(&mut self, late: Arc<Late>, bounds: OutboxBounds, now: Instant) -> Push {
        let (place, replaced_bytes) = self.place(&late);
        let grown = self.backlog_bytes - replaced_bytes + late.frame_bytes();
        if grown.saturating_sub(self.block_bytes()) > bounds.hard_bytes && self.is_stuck(bounds, now) {
            return Push::Overrun;
        }
        self.backlog_bytes = grown;
        self.put_late(late, place)
    }

    /// What is queued next are the parts of a block.
    pub(super) fn begin_block(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.late.begin_block();
        }
    }

    /// Queues a part of a block, which waits for the socket as long as that takes something.
    pub(super) fn push_part(&mut self, part: Part, event: EventTraits<'_>, share: &Arc<Share>) -> Push {
        if self.is_sealed() {
            return Push::Dropped;
        }
        self.backlog_bytes += part.len as usize;
        let rare = self.rare.get_or_insert_with(|| Rare::new(share));
        rare.late.push_part(part, event);
        rare.weigh();
        Push::Queued
    }

    /// The place of the value that a late record replaces, and how many bytes go with it.
    fn place(&mut self, late: &Late) -> (Option<u64>, usize) {
        let queue = self.rare.as_mut().map(|rare| &mut rare.late);
        let found = queue.and_then(|queue| queue.place(late).map(|place| (place, queue.bytes_at(place))));
        (found.map(|(place, _)| place), found.map_or(0, |(_, bytes)| bytes))
    }

    /// Queues the frame of a part of a block.
    pub(super) fn push_frame(&mut self, arena: &mut Arena, frame: Frame) -> Push {
        if self.is_sealed() {
            return Push::Dropped;
        }
        self.push_range(arena, frame);
        Push::Queued
    }

    fn put_late(&mut self, late: Arc<Late>, place: Option<u64>) -> Push {
        let rare = self.rare.get_or_insert_with(|| Rare::new(late.share()));
        let push = match place {
            Some(place) => {
                rare.late.replace(place, late);
                Push::Conflated
            }
            None => {
                rare.late.push(late);
                Push::Queued
            }
        };
        rare.weigh();
        push
    }

    /// What to write next, in order: pushed to `slices`, at most as many as it has room for without
    /// growing. Late records are made into bytes in `scratch`, once nothing is before them.
    pub fn slices<'a>(&'a self, arena: &'a Arena, scratch: &'a mut Vec<u8>, slices: &mut Slices<'a>) {
        if let Some(rare) = &self.rare {
            slices.extend(rare.copied.slices().take(slices.inline_size()));
        }
        for range in self.ranges.iter().take(slices.inline_size() - slices.len()) {
            slices.push(arena.bytes(*range));
        }
        if slices.is_empty()
            && let Some(rare) = &self.rare
        {
            scratch.clear();
            rare.encode(PORTION_BYTES, scratch);
            slices.push(scratch);
        }
    }

    /// The socket took `sent` bytes of what [`Outbox::slices`] showed.
    pub(crate) fn sent(&mut self, arena: &mut Arena, sent: usize) {
        self.answer_bytes = self.answer_bytes.saturating_sub(sent);
        self.backlog_bytes -= sent;
        if self.backlog_bytes == 0 && self.stride == Stride::Excused {
            self.stride = Stride::Keeps;
        }
        let mut left = sent;
        if let Some(rare) = &mut self.rare {
            left -= rare.copied.advance(left);
        }
        let mut gone = 0;
        for range in &mut self.ranges {
            let of_range = left.min(range.len());
            range.start += u32::try_from(of_range).unwrap_or_else(|_| broken("a range has less than 4 GiB"));
            left -= of_range;
            if !range.is_empty() {
                break;
            }
            arena.unpin(range.segment);
            gone += 1;
        }
        self.ranges.drain(..gone);
        if let Some(rare) = &mut self.rare {
            rare.late_sent(left);
            rare.weigh();
        }
        self.drop_empty();
    }

    /// Nothing is left of what only few have.
    fn drop_empty(&mut self) {
        if !self.is_slow() && !self.is_stateful() {
            self.rare = None;
        }
    }

    /// Copies its ranges to bytes of its own, so that it pins nothing.
    pub(crate) fn evict(&mut self, arena: &mut Arena, share: &Arc<Share>) {
        if self.ranges.is_empty() {
            return;
        }
        let rare = self.rare.get_or_insert_with(|| Rare::new(share));
        rare.copied.append(arena, &self.ranges);
        for range in self.ranges.drain(..) {
            arena.unpin(range.segment);
        }
        self.ranges.shrink_to_fit();
        rare.weigh();
    }

    /// Drops all that waits but the rest of a frame already begun; answers how many bytes were
    /// dropped.
    pub(crate) fn discard(&mut self, arena: &mut Arena, share: &Arc<Share>) -> usize {
        let before = self.backlog_bytes;
        if let Some(first) = self.ranges.first()
            && self.rare.as_ref().is_none_or(|rare| rare.copied.is_empty())
            && arena.begun_bytes(*first) > 0
        {
            // The frame begun is in it; the rest of it goes below.
            self.rare.get_or_insert_with(|| Rare::new(share)).copied.append(arena, &[*first]);
        }
        for range in self.ranges.drain(..) {
            arena.unpin(range.segment);
        }
        self.ranges.shrink_to_fit();
        (self.backlog_bytes, self.answer_bytes) = (0, 0);
        if let Some(rare) = &mut self.rare {
            self.backlog_bytes = rare.copied.keep_begun();
            rare.late.clear();
            rare.stateful = None;
            rare.weigh();
        }
        if self.backlog_bytes == 0 {
            self.rare = None;
        }
        self.behind_since = None;
        before - self.backlog_bytes
    }

    /// Nothing more is queued, and what waited is gone whole, whatever had begun.
    pub fn cut(&mut self) {
        self.seal = Seal::Cut;
    }

    /// Whether it was cut.
    pub fn is_cut(&self) -> bool {
        self.seal == Seal::Cut
    }

    /// Nothing more is taken; what waits is still sent.
    pub fn seal(&mut self) {
        if self.seal == Seal::Open {
            self.seal = Seal::Sealed;
        }
    }

    /// Whether nothing more is taken.
    pub(super) fn is_sealed(&self) -> bool {
        self.seal != Seal::Open
    }

    /// Takes bytes again, for a last word.
    pub(super) fn unseal(&mut self) {
        if self.seal == Seal::Sealed {
            self.seal = Seal::Open;
        }
    }

    /// Gives back all it holds.
    pub(crate) fn release(&mut self, arena: &mut Arena) {
        for range in self.ranges.drain(..) {
            arena.unpin(range.segment);
        }
        self.rare = None;
        self.behind_since = None;
        self.backlog_bytes = 0;
    }

    /// How its hub messages are written.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Its hub messages are written so from now on.
    pub(super) fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    /// Whether it keeps memory of its own: what giving it up would free.
    pub(super) fn is_slow(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.copied.is_empty() || rare.has_late())
    }

    /// Bytes that wait.
    pub(crate) fn backlog_bytes(&self) -> usize {
        self.backlog_bytes
    }

    /// Bytes of a block that wait, or are sent again.
    fn block_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.late.block_bytes() + rare.again_bytes())
    }

    /// Bytes that wait without those of a block: what the reader has let come together.
    pub(super) fn live_bytes(&self) -> usize {
        self.backlog_bytes - self.block_bytes()
    }

    /// Whether what it is to send next are late records.
    pub(super) fn is_late(&self) -> bool {
        self.ranges.is_empty() && self.rare.as_ref().is_some_and(|rare| rare.copied.is_empty() && rare.has_late())
    }

    /// How the socket stands.
    pub(crate) fn writable(&self) -> Writable {
        self.writable
    }

    /// Notes how the socket stands.
    pub(crate) fn set_writable(&mut self, writable: Writable) {
        self.writable = writable;
    }

    /// Whether it holds ranges of segments.
    pub(crate) fn pins(&self) -> bool {
        !self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests;
