//! The bytes of a turn: frames are appended once and shared by everyone they are for.
//!
//! A [`Frame`] is a place in a segment. Frames made one behind the other are adjacent, so that what
//! a connection has to send in a turn is mostly one range. Each encoding writes to segments of its
//! own, and so does what goes to one connection only ([`Lane`]): a reply between two publications
//! would cut the range of every member. A segment knows where its frames end, so that a range cut
//! by a short write still tells what has been begun. It is kept while an outbox holds a range of it
//! (a *pin*); one without pins is reused, so a hub whose peers keep up lives in one segment per
//! lane.

use super::encoding::Form;

/// A segment is left for the next one when it holds this much.
const SEGMENT_BYTES: usize = 256 * 1024;

/// Segments without pins that keep their memory for the next burst; what a larger one has needed is
/// given back.
const SPARE_SEGMENTS: usize = 4;

/// Frame ends that a segment without pins keeps room for.
const SPARE_ENDS: usize = SEGMENT_BYTES / 64;

/// A place in a segment: whole frames, one or several; a cursor where the first one is sent in
/// part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The segment's number.
    pub(crate) segment: u32,
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub(crate) end: u32,
}

impl Frame {
    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it has no bytes.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// All members of a topic that are sent this form.
    Shared(Form),
    /// One connection.
    Own,
}

/// Lanes in all.
const LANES: usize = 1 + Form::COUNT;

impl Lane {
    fn index(self) -> usize {
        match self {
            Lane::Own => 0,
            Lane::Shared(form) => 1 + form.index(),
        }
    }
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    /// Where its frames end, ascending.
    ends: Vec<u32>,
    pins: u32,
}

/// The segments of a shard.
#[derive(Debug)]
pub struct Arena {
    segments: Vec<Segment>,
    /// Segments without bytes and pins.
    free: Vec<u32>,
    /// The segment that each lane writes to.
    current: [u32; LANES],
}

impl Default for Arena {
    fn default() -> Self {
        let segments = (0..LANES).map(|_| Segment::default()).collect();
        Arena { segments, free: Vec::new(), current: std::array::from_fn(offset) }
    }
}

impl Arena {
    /// Appends what `write` writes, as one frame.
    pub(crate) fn append(&mut self, lane: Lane, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        let segment = self.writable(lane);
        let Segment { bytes, ends, .. } = &mut self.segments[segment as usize];
        let start = offset(bytes.len());
        write(bytes);
        let end = offset(bytes.len());
        if end > start {
            ends.push(end);
        }
        Frame { segment, start, end }
    }

    /// The bytes of a frame.
    pub(crate) fn bytes(&self, frame: Frame) -> &[u8] {
        &self.segments[frame.segment as usize].bytes[frame.start as usize..frame.end as usize]
    }

    /// Where the frames of a range end, counted from its first byte.
    pub(crate) fn ends(&self, range: Frame) -> impl Iterator<Item = u32> {
        let ends = &self.segments[range.segment as usize].ends;
        let behind = ends.get(ends.partition_point(|end| *end <= range.start)..).unwrap_or_default();
        behind.iter().take_while(move |end| **end <= range.end).map(move |end| end - range.start)
    }

    /// Bytes at the start of a range that belong to a frame already begun.
    pub(crate) fn begun_bytes(&self, range: Frame) -> usize {
        let ends = &self.segments[range.segment as usize].ends;
        let is_start = range.start == 0 || ends.binary_search(&range.start).is_ok();
        if is_start { 0 } else { self.ends(range).next().unwrap_or(0) as usize }
    }

    /// So many outboxes more hold a range of the segment.
    pub(crate) fn pin(&mut self, segment: u32, pins: u32) {
        self.segments[segment as usize].pins += pins;
    }

    /// One outbox less holds a range of the segment.
    pub(crate) fn unpin(&mut self, segment: u32) {
        let slot = &mut self.segments[segment as usize];
        slot.pins -= 1;
        if slot.pins == 0 && !self.current.contains(&segment) {
            Self::recycle(slot);
            if self.free.len() >= SPARE_SEGMENTS {
                (slot.bytes, slot.ends) = (Vec::new(), Vec::new());
            }
            self.free.push(segment);
        }
    }

    /// Bytes of the segments that pins keep.
    pub(crate) fn pinned_bytes(&self) -> usize {
        self.segments.iter().filter(|segment| segment.pins > 0).map(|segment| segment.bytes.len()).sum()
    }

    /// The turn is over and everybody has been flushed: forget what nobody holds.
    pub(crate) fn end_turn(&mut self) {
        for current in self.current {
            let segment = &mut self.segments[current as usize];
            if segment.pins == 0 {
                Self::recycle(segment);
            }
        }
    }

    /// The segment to write to: the lane's current one, or the next where it is full.
    fn writable(&mut self, lane: Lane) -> u32 {
        let number = self.current[lane.index()];
        let current = &mut self.segments[number as usize];
        if current.bytes.len() < SEGMENT_BYTES {
            return number;
        }
        if current.pins == 0 {
            // Everybody has been sent what is in it, or nobody was there to get it.
            Self::recycle(current);
            return number;
        }
        let next = self.free.pop().unwrap_or_else(|| {
            self.segments.push(Segment::default());
            offset(self.segments.len() - 1)
        });
        self.current[lane.index()] = next;
        next
    }

    /// Empties a segment; one that a huge turn has grown gives its memory back.
    fn recycle(segment: &mut Segment) {
        segment.bytes.clear();
        segment.bytes.shrink_to(2 * SEGMENT_BYTES);
        segment.ends.clear();
        segment.ends.shrink_to(SPARE_ENDS);
    }
}

/// Segments hold at most some 256 KiB and one frame, far below 4 GiB.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::encoding::Encoding;

    const SHARED: Lane = Lane::Shared(Form { encoding: Encoding::JsonText, positioned: false });

    #[test]
    fn frames_of_a_turn_are_adjacent_and_the_segment_is_reused() {
        let mut arena = Arena::default();
        let a = arena.append(Lane::Own, |out| out.extend_from_slice(b"one"));
        let b = arena.append(Lane::Own, |out| out.extend_from_slice(b"two"));
        assert_eq!((a.segment, a.end), (b.segment, b.start));
        assert_eq!(arena.bytes(Frame { end: b.end, ..a }), b"onetwo");
        arena.end_turn();
        let c = arena.append(Lane::Own, |out| out.extend_from_slice(b"three"));
        assert_eq!((c.segment, c.start), (a.segment, 0));
    }

    #[test]
    fn a_reply_does_not_come_between_two_publications() {
        let mut arena = Arena::default();
        let a = arena.append(SHARED, |out| out.extend_from_slice(b"one"));
        let reply = arena.append(Lane::Own, |out| out.extend_from_slice(b"HTTP/1.1 202 Accepted\r\n\r\n"));
        let b = arena.append(SHARED, |out| out.extend_from_slice(b"two"));
        assert_eq!((a.segment, a.end), (b.segment, b.start));
        assert_ne!(reply.segment, a.segment);
    }

    #[test]
    fn each_encoding_has_a_lane_so_that_its_frames_are_adjacent() {
        let mut arena = Arena::default();
        let a = arena.append(SHARED, |out| out.extend_from_slice(b"one"));
        let other = arena.append(Lane::Shared(Form { encoding: Encoding::JsonBare, positioned: false }), |out| {
            out.extend_from_slice(b"one")
        });
        let b = arena.append(SHARED, |out| out.extend_from_slice(b"two"));
        assert_eq!((a.segment, a.end), (b.segment, b.start));
        assert_ne!(other.segment, a.segment);
    }

    #[test]
    fn a_cursor_knows_the_rest_of_its_frame_and_where_the_next_ones_end() {
        let mut arena = Arena::default();
        for text in ["one", "", "three", "four"] {
            arena.append(SHARED, |out| out.extend_from_slice(text.as_bytes()));
        }
        let all = Frame { segment: 1, start: 0, end: 12 };
        assert_eq!(arena.ends(all).collect::<Vec<_>>(), [3, 8, 12]);
        for (start, begun) in [(0, 0), (1, 2), (3, 0), (4, 4), (7, 1), (8, 0), (11, 1)] {
            assert_eq!(arena.begun_bytes(Frame { start, ..all }), begun, "from {start}");
        }
        assert_eq!(arena.ends(Frame { start: 4, end: 8, ..all }).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_pinned_segment_keeps_its_bytes_until_the_last_pin_goes() {
        let mut arena = Arena::default();
        let held = arena.append(Lane::Own, |out| out.resize(SEGMENT_BYTES, b'x'));
        arena.pin(held.segment, 2);
        arena.end_turn();
        let next = arena.append(Lane::Own, |out| out.extend_from_slice(b"next"));
        assert_ne!(next.segment, held.segment);
        assert_eq!(arena.pinned_bytes(), SEGMENT_BYTES);
        arena.unpin(held.segment);
        assert_eq!(arena.bytes(held).len(), SEGMENT_BYTES);
        arena.unpin(held.segment);
        assert_eq!(arena.pinned_bytes(), 0);
        assert_eq!(arena.free, [held.segment]);
    }

    #[test]
    fn what_a_burst_has_needed_is_given_back() {
        let mut arena = Arena::default();
        let frames: Vec<Frame> = (0..100)
            .map(|_| {
                let frame = arena.append(SHARED, |out| out.resize(SEGMENT_BYTES, b'x'));
                arena.pin(frame.segment, 1);
                frame
            })
            .collect();
        frames.iter().for_each(|frame| arena.unpin(frame.segment));
        let kept: usize = arena.segments.iter().map(|segment| segment.bytes.capacity()).sum();
        assert!(kept <= (SPARE_SEGMENTS + 2) * 2 * SEGMENT_BYTES, "{kept} bytes");
        assert_eq!(arena.free.len(), 99, "all but the current ones serve again");
    }
}
