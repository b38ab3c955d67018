//! Where outboxes are written, and where the hub parts with those that are given up.

use super::arena::Arena;
use super::backlog::Share;
use super::outbox::{Dirty, Outbox, PORTION_BYTES, Slices, Writable};
use super::registry::ConnKey;
use crate::clock::Now;
use crate::close::CloseReason;
use crate::metrics::Histogram;
use crate::wire::{Wire, WireError};
use slotmap::SecondaryMap;
use std::sync::Arc;

/// Bytes of late records that a turn writes to one connection, before the others get theirs.
const LATE_BYTES: usize = 4 * PORTION_BYTES;
/// And to all: what is left waits for the next turn, so that nobody waits for those who load a lot.
pub(super) const LATE_TURN_BYTES: usize = 4 * LATE_BYTES;

/// Counters of the fan-out; plain numbers of one shard.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Frames of publications that replaced an older one in a backlog.
    pub conflated: u64,
    /// Frames of publications that nobody took because their connection was closing.
    pub dropped: u64,
    /// Bytes discarded when a slow consumer was given up.
    pub discarded_bytes: u64,
    /// Bytes that sockets took.
    pub sent_bytes: u64,
    /// Writes that sockets took less of than offered.
    pub short_writes: u64,
    /// How long publications took from the place in the order to the socket: of each write that
    /// left nothing waiting, the first that had to wait.
    pub written: Histogram,
}

/// A connection that must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Which.
    pub conn: ConnKey,
    /// Why.
    pub reason: CloseReason,
    /// What waited for it and is gone.
    pub lost_bytes: usize,
}

/// What it takes to write an outbox, or to give it up.
pub(super) struct Exit<'h> {
    pub(super) arena: &'h mut Arena,
    pub(super) share: &'h Arc<Share>,
    pub(super) scratch: &'h mut Vec<u8>,
    pub(super) tally: &'h mut Tally,
    pub(super) doomed: &'h mut Vec<Doomed>,
    /// Connections whose late records wait for the next turn, though their sockets would take them.
    pub(super) paced: &'h mut Vec<ConnKey>,
    /// Bytes of late records that this turn may still write.
    pub(super) late_left: &'h mut usize,
    pub(super) now: Now,
    pub(super) wire: &'h mut dyn Wire,
}

impl Exit<'_> {
    /// Writes what waits for a connection that has something new, unless its socket is known to be
    /// full.
    pub(super) fn flush_dirty(
        &mut self,
        conn: ConnKey,
        outbox: &mut Outbox,
        flushed: &mut impl FnMut(ConnKey, usize, usize),
    ) {
        let was_now = std::mem::take(&mut outbox.dirty) == Dirty::Now;
        if outbox.writable().may_write() {
            let taken = self.flush(conn, outbox);
            flushed(conn, taken, outbox.backlog_bytes());
        } else if was_now || outbox.writable() == Writable::Polled {
            // It got stuck on the way through the turn, or too much waits for it by now, and nobody
            // has been told; or a poll waits for what has come.
            flushed(conn, 0, outbox.backlog_bytes());
        }
    }

    /// Writes what waits until the socket is full, or until it has had its part of the late
    /// records; how many bytes it took.
    pub(super) fn flush(&mut self, conn: ConnKey, outbox: &mut Outbox) -> usize {
        let (mut total, mut late_left) = (0, LATE_BYTES.min(*self.late_left));
        loop {
            let is_late = outbox.is_late();
            if is_late && late_left == 0 {
                self.paced.push(conn);
                outbox.set_writable(Writable::Open);
                return total;
            }
            let (offered, written) = {
                let mut slices: Slices<'_> = Slices::new();
                outbox.slices(self.arena, self.scratch, &mut slices);
                let offered: usize = slices.iter().map(|slice| slice.len()).sum();
                if offered == 0 {
                    break;
                }
                let Some(link) = outbox.link else { return total };
                (offered, self.wire.write(link, &slices))
            };
            match written {
                Ok(taken) => {
                    outbox.sent(self.arena, taken);
                    total += taken;
                    if is_late {
                        late_left = late_left.saturating_sub(taken);
                        *self.late_left = self.late_left.saturating_sub(taken);
                    }
                    self.tally.sent_bytes += taken as u64;
                    if taken < offered {
                        self.tally.short_writes += 1;
                        outbox.set_writable(outbox.writable().block(total, self.now.mono));
                        return total;
                    }
                }
                Err(WireError) => {
                    if outbox.is_stateful() {
                        // What it is sent until its link is parted with is for the next one.
                        outbox.set_writable(Writable::Away { since: self.now.mono });
                    } else {
                        outbox.seal();
                    }
                    self.doomed.push(Doomed { conn, reason: CloseReason::SocketFailed, lost_bytes: 0 });
                    return total;
                }
            }
        }
        outbox.set_writable(Writable::Open);
        if let Some(ms) = outbox.note_written(self.now.mono) {
            self.tally.written.observe(ms);
        }
        total
    }

    /// Drops what waits for a slow consumer; its connection ends.
    pub(super) fn give_up(&mut self, conn: ConnKey, outbox: &mut Outbox) {
        let lost_bytes = outbox.discard(self.arena, self.share);
        self.tally.discarded_bytes += lost_bytes as u64;
        outbox.seal();
        self.doomed.push(Doomed { conn, reason: CloseReason::Overrun, lost_bytes });
    }

    /// While the process keeps too much for slow readers: what clients have not acknowledged goes
    /// first, which ends nobody. Then the largest backlog does, and its connection without a last
    /// word, which would wait for the same socket.
    pub(super) fn relieve_process(&mut self, outboxes: &mut SecondaryMap<ConnKey, Outbox>) {
        while self.share.is_over() {
            let unacked = outboxes.values_mut().filter(|outbox| outbox.unacked_bytes() > outbox.again_bytes());
            if let Some(largest) = unacked.max_by_key(|outbox| outbox.unacked_bytes()) {
                largest.forget();
                continue;
            }
            let slow = outboxes.iter_mut().filter(|(_, outbox)| outbox.is_slow() && !outbox.is_sealed());
            let Some((conn, outbox)) = slow.max_by_key(|(_, outbox)| outbox.backlog_bytes()) else { return };
            let lost_bytes = outbox.backlog_bytes();
            self.tally.discarded_bytes += lost_bytes as u64;
            outbox.release(self.arena);
            outbox.cut();
            self.doomed.push(Doomed { conn, reason: CloseReason::BacklogFull, lost_bytes });
        }
    }
}
