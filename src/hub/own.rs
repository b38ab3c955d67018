//! What is queued for one connection only: the answers to its questions, and the past.

use super::arena::{Frame, Lane};
use super::encoding::Form;
use super::exit::Doomed;
use super::kept::retained::Retained;
use super::late::Part;
use super::outbox::{Dirty, Outbox, Push, Room};
use super::publication::{EventTraits, Payload, Publication};
use super::registry::ConnKey;
use super::{ANSWER_BYTES_PER_DELIVERY, BYTES_PER_DELIVERY, Hub, SEND_COST, mark_now};
use crate::broken::broken;
use crate::clock::Now;
use crate::proto::signalr::message::ServerMessage;
use crate::wire::Wire;
use std::sync::Arc;

/// What it costs to queue a publication of a block, in deliveries: it is found to be wanted, and
/// encoded for one reader.
const PART_COST: usize = 6;

impl Hub {
    /// Queues the block of a Subscribe: publications of the past, each with its position where that
    /// is wanted. What would be more than a write waits as references, paced by the socket.
    pub(crate) fn send_block<'p>(
        &mut self,
        conn: ConnKey,
        block: impl IntoIterator<Item = (&'p Arc<Retained>, EventTraits<'p>, bool)>,
    ) {
        let Some(outbox) = self.outboxes.get_mut(conn) else { return };
        let (encoding, flush_bytes, mut work) = (outbox.encoding(), self.bounds.flush_bytes(), 0);
        outbox.begin_block();
        for (publication, event, positioned) in block {
            let form = Form { encoding, positioned };
            let Publication { topic, stamp, data, .. } = &***publication;
            let encode = |out: &mut Vec<u8>| form.encode(topic, event, *stamp, Payload::Shared(data), out);
            let is_late = outbox.has_late() || outbox.backlog_bytes() >= flush_bytes || outbox.is_stateful();
            let push = if is_late {
                self.scratch.clear();
                encode(&mut self.scratch);
                let len = u32::try_from(self.scratch.len()).unwrap_or_else(|_| broken("a frame has less than 4 GiB"));
                let part = Part { publication: Arc::clone(publication), form, len };
                outbox.push_part(part, event, &self.share)
            } else {
                let frame = self.arena.append(Lane::Own, encode);
                outbox.push_frame(&mut self.arena, frame)
            };
            match push {
                Push::Queued => outbox.note_sent(),
                Push::Conflated => self.tally.conflated += 1,
                Push::Dropped | Push::Overrun => self.tally.dropped += 1,
            }
            work += PART_COST + data.len() / BYTES_PER_DELIVERY;
        }
        self.mark_dirty(conn);
        self.spend(work);
    }

    /// Writes what waits for a connection where that is much already: between the questions of a
    /// client that asks a lot, so that one that reads its answers is not mistaken for one that
    /// doesn't, and one that doesn't is found out.
    pub(crate) fn relieve(&mut self, conn: ConnKey, now: Now, wire: &mut dyn Wire) -> Room {
        self.now = now.mono;
        let flush_bytes = self.bounds.flush_bytes();
        let (mut exit, outboxes) = self.exit(now, wire);
        let Some(outbox) = outboxes.get_mut(conn) else { return Room::Gone };
        let is_much = outbox.backlog_bytes() >= flush_bytes || outbox.has_many_answers();
        if is_much && outbox.writable().may_write() {
            exit.flush(conn, outbox);
        }
        outbox.room()
    }

    /// Whether an answer should be made.
    pub(crate) fn room(&self, conn: ConnKey) -> Room {
        self.outboxes.get(conn).map_or(Room::Gone, Outbox::room)
    }

    /// Queues one hub message of the connection's own.
    pub(crate) fn send_message(&mut self, conn: ConnKey, message: &ServerMessage<'_>) {
        let encoding = self.encoding(conn);
        let frame = self.arena.append(Lane::Own, |out| encoding.encode(message, out));
        self.queue(conn, frame, message.counts());
    }

    /// Queues one frame of the connection's own, as it is. It is no message that counts.
    pub(crate) fn send_frame(&mut self, conn: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.arena.append(Lane::Own, write);
        self.queue(conn, frame, false);
    }

    /// Queues an HTTP reply, whatever its length; it counts as one frame.
    pub(crate) fn send_raw(&mut self, conn: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.arena.append(Lane::Own, write);
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            outbox.push_own(&mut self.arena, frame, false, &self.share);
            self.mark_dirty(conn);
        }
    }

    fn queue(&mut self, conn: ConnKey, frame: Frame, counts: bool) {
        let is_written = self.outboxes.get(conn).is_some_and(|outbox| outbox.dirty == Dirty::Now);
        let send = if is_written { 0 } else { SEND_COST };
        self.spend(send + frame.len() / ANSWER_BYTES_PER_DELIVERY);
        let Some(outbox) = self.outboxes.get_mut(conn) else { return };
        if let Some(reason) = outbox.is_too_much(frame.len(), self.bounds, self.now) {
            let lost_bytes = outbox.discard(&mut self.arena, &self.share);
            self.tally.discarded_bytes += lost_bytes as u64;
            outbox.seal();
            self.doomed.push(Doomed { conn, reason, lost_bytes });
        } else if outbox.push_own(&mut self.arena, frame, counts, &self.share) == Push::Dropped {
            self.tally.dropped += 1;
        }
        self.mark_dirty(conn);
    }

    pub(super) fn mark_dirty(&mut self, conn: ConnKey) {
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            mark_now(&mut self.dirty, conn, outbox);
        }
    }

    /// Queues last bytes and nothing after them, whatever was said before: a connection that was
    /// given up may still be told why.
    pub fn send_last(&mut self, conn: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.arena.append(Lane::Own, write);
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            outbox.unseal();
            outbox.push_own(&mut self.arena, frame, false, &self.share);
            outbox.seal();
            self.mark_dirty(conn);
        }
    }
}
