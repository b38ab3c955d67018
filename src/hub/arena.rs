//! The bytes of a turn: frames are appended once and shared by everyone they are for.
//!
//! A [`Frame`] is a place in a segment. Frames made one behind the other are adjacent, so that what a connection has to send in
//! a turn is mostly one range. What goes to one connection only is written to a segment of its own ([`Lane`]): a reply between
//! two publications would cut the range of every member. A segment is kept while an outbox holds a range of it (a *pin*); one without pins is reused, so a
//! hub whose peers keep up lives in one segment.

use crate::proto::ws::encode::{self, Opcode};

/// A segment is left for the next one when it holds this much.
const SEGMENT_BYTES: usize = 256 * 1024;

/// Segments without pins that keep their memory for the next burst; what a larger one has needed is given back.
const SPARE_SEGMENTS: usize = 8;

/// A place in a segment: whole frames of a transport, one or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The segment's number.
    pub segment: u32,
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl Frame {
    /// Bytes.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// All members of a topic.
    Shared,
    /// One connection.
    Own,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    pins: u32,
}

/// The segments of a shard.
#[derive(Debug)]
pub struct Arena {
    segments: Vec<Segment>,
    /// Segments without bytes and pins.
    free: Vec<u32>,
    /// The segment that each lane writes to.
    current: [u32; 2],
}

impl Default for Arena {
    fn default() -> Self {
        Arena { segments: vec![Segment::default(), Segment::default()], free: Vec::new(), current: [0, 1] }
    }
}

impl Arena {
    /// Appends what `write` writes, as one frame.
    pub fn append(&mut self, lane: Lane, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        let segment = self.writable(lane);
        let bytes = &mut self.segments[segment as usize].bytes;
        let start = bytes.len();
        write(bytes);
        Frame { segment, start: offset(start), end: offset(bytes.len()) }
    }

    /// Appends a WebSocket text frame around what `write` writes. The header is put before the payload once its length is
    /// known: the common form has four bytes, which are kept free; the others move the payload.
    pub fn append_text(&mut self, lane: Lane, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        const ROOM: usize = 4;
        self.append(lane, |out| {
            let start = out.len();
            out.extend_from_slice(&[0; ROOM]);
            write(out);
            let payload_len = out.len() - start - ROOM;
            let end = out.len();
            encode::header(Opcode::Text, payload_len, out);
            let header_len = out.len() - end;
            let mut header = [0u8; 10];
            header[..header_len].copy_from_slice(&out[end..]);
            out.truncate(end);
            if header_len < ROOM {
                out.copy_within(start + ROOM.., start + header_len);
                out.truncate(start + header_len + payload_len);
            } else if header_len > ROOM {
                out.resize(start + header_len + payload_len, 0);
                out.copy_within(start + ROOM..start + ROOM + payload_len, start + header_len);
            }
            out[start..start + header_len].copy_from_slice(&header[..header_len]);
        })
    }

    /// The bytes of a frame.
    pub fn bytes(&self, frame: Frame) -> &[u8] {
        &self.segments[frame.segment as usize].bytes[frame.start as usize..frame.end as usize]
    }

    /// So many outboxes more hold a range of the segment.
    pub fn pin(&mut self, segment: u32, pins: u32) {
        self.segments[segment as usize].pins += pins;
    }

    /// One outbox less holds a range of the segment.
    pub fn unpin(&mut self, segment: u32) {
        let slot = &mut self.segments[segment as usize];
        slot.pins -= 1;
        if slot.pins == 0 && !self.current.contains(&segment) {
            Self::recycle(slot);
            if self.free.len() >= SPARE_SEGMENTS {
                slot.bytes = Vec::new();
            }
            self.free.push(segment);
        }
    }

    /// Bytes of the segments that pins keep.
    pub fn pinned_bytes(&self) -> usize {
        self.segments.iter().filter(|segment| segment.pins > 0).map(|segment| segment.bytes.len()).sum()
    }

    /// The turn is over and everybody has been flushed: forget what nobody holds.
    pub fn end_turn(&mut self) {
        for current in self.current {
            let segment = &mut self.segments[current as usize];
            if segment.pins == 0 {
                Self::recycle(segment);
            }
        }
    }

    /// The segment to write to: the lane's current one, or the next where it is full.
    fn writable(&mut self, lane: Lane) -> u32 {
        let number = self.current[lane as usize];
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
        self.current[lane as usize] = next;
        next
    }

    /// Empties a segment; one that a huge turn has grown gives its memory back.
    fn recycle(segment: &mut Segment) {
        segment.bytes.clear();
        segment.bytes.shrink_to(2 * SEGMENT_BYTES);
    }
}

/// Segments hold at most some 256 KiB and one frame, far below 4 GiB.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let a = arena.append(Lane::Shared, |out| out.extend_from_slice(b"one"));
        let reply = arena.append(Lane::Own, |out| out.extend_from_slice(b"HTTP/1.1 202 Accepted\r\n\r\n"));
        let b = arena.append(Lane::Shared, |out| out.extend_from_slice(b"two"));
        assert_eq!((a.segment, a.end), (b.segment, b.start));
        assert_ne!(reply.segment, a.segment);
    }

    #[test]
    fn a_text_frame_has_the_minimal_header_whatever_its_length() {
        for len in [0usize, 1, 125, 126, 127, 65535, 65536, 70000] {
            let mut arena = Arena::default();
            let payload: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let before = arena.append(Lane::Own, |out| out.extend_from_slice(b"before"));
            let frame = arena.append_text(Lane::Own, |out| out.extend_from_slice(&payload));
            let mut expected = Vec::new();
            encode::frame(Opcode::Text, &payload, &mut expected);
            assert_eq!(arena.bytes(frame), expected, "length {len}");
            assert_eq!(frame.start, before.end);
        }
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
                let frame = arena.append(Lane::Shared, |out| out.resize(SEGMENT_BYTES, b'x'));
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
