//! Topics and their members, publications, outboxes: the fan-out of one shard.
//!
//! A publication is encoded once into the turn's [`Arena`]; each member's [`Outbox`] gets a range of it. Nothing is written
//! until the turn ends, except that an outbox which a single turn fills beyond [`outbox::FLUSH_BYTES`] is flushed on the way, so that a
//! peer which keeps up is never mistaken for a slow one. Nobody is freed here: who has to go is put on a list.

pub mod arena;
pub mod home;
pub mod kept;
pub mod outbox;
pub mod partition;
pub mod publication;
pub mod registry;
pub mod topic;

use crate::clock::{Instant, Now};
use crate::close::CloseReason;
use crate::limits::Limits;
use crate::proto::signalr::json;
use crate::wire::{ConnKey, Wire, WireError};
use arena::{Arena, Frame, Lane};
use outbox::{Delivery, Outbox, OutboxBounds, Push, Slices, Writable};
use publication::Publication;
use registry::{HashSeed, Registry};
use slotmap::SecondaryMap;
use topic::Topic;

/// What every member of a publication's topic needs to know of its event.
#[derive(Clone, Copy, Debug)]
pub struct EventTraits<'e> {
    /// The name in lower case, for the envelope.
    pub lower: &'e str,
    /// Whether only the newest value of a topic matters.
    pub is_state: bool,
}

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
}

/// The fan-out of one shard.
#[derive(Debug)]
pub struct Hub {
    /// Who is a member of what.
    pub registry: Registry,
    arena: Arena,
    outboxes: SecondaryMap<ConnKey, Outbox>,
    dirty: Vec<ConnKey>,
    doomed: Vec<(ConnKey, CloseReason)>,
    bounds: OutboxBounds,
    pinned_bytes_max: usize,
    /// What happened so far.
    pub tally: Tally,
}

impl Hub {
    /// An empty hub.
    pub fn new(seed: HashSeed, limits: &Limits) -> Hub {
        let bounds = OutboxBounds { soft_bytes: limits.outbox_soft_bytes, hard_bytes: limits.outbox_hard_bytes };
        Hub {
            registry: Registry::new(seed),
            arena: Arena::default(),
            outboxes: SecondaryMap::new(),
            dirty: Vec::new(),
            doomed: Vec::new(),
            bounds,
            pinned_bytes_max: limits.pinned_bytes_max,
            tally: Tally::default(),
        }
    }

    /// A connection begins.
    pub fn open(&mut self, conn: ConnKey) {
        self.outboxes.insert(conn, Outbox::default());
    }

    /// A connection is gone: its memberships and what it was still to be sent go with it.
    pub fn close(&mut self, conn: ConnKey) {
        self.registry.leave_all(conn);
        if let Some(mut outbox) = self.outboxes.remove(conn) {
            self.tally.discarded_bytes += outbox.backlog_bytes() as u64;
            outbox.release(&mut self.arena);
        }
    }

    /// Delivers a publication to the members of its topic: encodes it once, queues it for each. How many members there are.
    pub fn publish(
        &mut self,
        topic: &Topic,
        event: EventTraits<'_>,
        data: &[u8],
        now: Now,
        wire: &mut dyn Wire,
    ) -> usize {
        let Some((id, members)) = self.registry.members(topic) else { return 0 };
        let mut entity = [0u8; uuid::fmt::Hyphenated::LENGTH];
        let entity: &str = topic.entity.hyphenated().encode_lower(&mut entity);
        let frame =
            self.arena.append_text(Lane::Shared, |out| json::encode_message_received(entity, event.lower, data, out));
        let delivery = if event.is_state { Delivery::State(id) } else { Delivery::Occurrence(id) };
        let flush_bytes = self.bounds.flush_bytes();
        for member in members {
            let Some(outbox) = self.outboxes.get_mut(member.conn) else { continue };
            match outbox.push(&mut self.arena, frame, delivery, self.bounds) {
                Push::Queued => {}
                Push::Conflated => self.tally.conflated += 1,
                Push::Dropped => self.tally.dropped += 1,
                Push::Overrun => {
                    self.tally.discarded_bytes += outbox.discard(&mut self.arena) as u64;
                    outbox.seal();
                    self.doomed.push((member.conn, CloseReason::Overrun));
                }
            }
            if !outbox.is_dirty {
                outbox.is_dirty = true;
                self.dirty.push(member.conn);
            }
            if outbox.backlog_bytes() >= flush_bytes && outbox.writable().may_write() {
                Self::flush_one(&mut self.arena, &mut self.tally, &mut self.doomed, member.conn, outbox, now, wire);
            }
        }
        members.len()
    }

    /// Sends a publication to one connection only, whether or not it is a member.
    pub fn send_publication(&mut self, conn: ConnKey, publication: &Publication, lower: &str) {
        let mut entity = [0u8; uuid::fmt::Hyphenated::LENGTH];
        let entity: &str = publication.topic.entity.hyphenated().encode_lower(&mut entity);
        let data = &publication.data;
        let frame = self.arena.append_text(Lane::Own, |out| json::encode_message_received(entity, lower, data, out));
        self.queue(conn, frame);
    }

    /// Writes what waits for a connection where that is much already: between the questions of a client that asks a lot, so
    /// that one that reads its answers is not mistaken for one that doesn't, and one that doesn't is found out. Whether
    /// further answers would be taken.
    #[must_use]
    pub fn relieve(&mut self, conn: ConnKey, now: Now, wire: &mut dyn Wire) -> bool {
        let Some(outbox) = self.outboxes.get_mut(conn) else { return false };
        if outbox.backlog_bytes() >= self.bounds.flush_bytes() && outbox.writable().may_write() {
            Self::flush_one(&mut self.arena, &mut self.tally, &mut self.doomed, conn, outbox, now, wire);
        }
        !outbox.is_sealed()
    }

    /// Queues one text message of the connection's own.
    pub fn send_text(&mut self, conn: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.arena.append_text(Lane::Own, write);
        self.queue(conn, frame);
    }

    /// Queues one WebSocket frame of the connection's own.
    pub fn send_frame(&mut self, conn: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.arena.append(Lane::Own, write);
        self.queue(conn, frame);
    }

    /// Queues bytes of an HTTP reply.
    pub fn send_raw(&mut self, conn: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.arena.append(Lane::Own, write);
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            outbox.push_raw(&mut self.arena, frame, self.bounds);
            self.mark_dirty(conn);
        }
    }

    fn queue(&mut self, conn: ConnKey, frame: Frame) {
        let Some(outbox) = self.outboxes.get_mut(conn) else { return };
        if outbox.backlog_bytes() + frame.len() > self.bounds.hard_bytes && !outbox.writable().may_write() {
            // A client that asks and asks and never reads its answers.
            self.tally.discarded_bytes += outbox.discard(&mut self.arena) as u64;
            outbox.seal();
            self.doomed.push((conn, CloseReason::Overrun));
        } else if outbox.push(&mut self.arena, frame, Delivery::Own, self.bounds) == Push::Dropped {
            self.tally.dropped += 1;
        }
        self.mark_dirty(conn);
    }

    fn mark_dirty(&mut self, conn: ConnKey) {
        if let Some(outbox) = self.outboxes.get_mut(conn)
            && !outbox.is_dirty
        {
            outbox.is_dirty = true;
            self.dirty.push(conn);
        }
    }

    /// Queues a last text message and nothing after it, whatever was said before: a connection that was given up may still be
    /// told why.
    pub fn send_last(&mut self, conn: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.arena.append(Lane::Own, write);
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            outbox.unseal();
            outbox.push(&mut self.arena, frame, Delivery::Own, self.bounds);
            outbox.seal();
            self.mark_dirty(conn);
        }
    }

    /// The socket takes bytes again.
    pub fn unblock(&mut self, conn: ConnKey) {
        if let Some(outbox) = self.outboxes.get_mut(conn)
            && let Writable::Blocked { since } = outbox.writable()
        {
            outbox.set_writable(Writable::Retrying { since });
            self.mark_dirty(conn);
        }
    }

    /// The connection must end; it is freed when the turn ends.
    pub fn doom(&mut self, conn: ConnKey, reason: CloseReason) {
        self.doomed.push((conn, reason));
    }

    /// The next connection that must end, and why.
    pub fn poll_doomed(&mut self) -> Option<(ConnKey, CloseReason)> {
        self.doomed.pop()
    }

    /// End of the turn: each connection with something to send is written once. `flushed` is told of every connection that was
    /// written to, how many bytes its socket took, and how many wait.
    pub fn flush(&mut self, now: Now, wire: &mut dyn Wire, mut flushed: impl FnMut(ConnKey, usize, usize)) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for conn in dirty.drain(..) {
            let Some(outbox) = self.outboxes.get_mut(conn) else { continue };
            outbox.is_dirty = false;
            if outbox.writable().may_write() {
                let taken =
                    Self::flush_one(&mut self.arena, &mut self.tally, &mut self.doomed, conn, outbox, now, wire);
                flushed(conn, taken, outbox.backlog_bytes());
            } else if outbox.writable() == (Writable::Blocked { since: now.mono }) {
                // It got stuck on the way through the turn, and nobody has been told.
                flushed(conn, 0, outbox.backlog_bytes());
            }
        }
        self.dirty = dirty;
        if self.arena.pinned_bytes() > self.pinned_bytes_max {
            self.evict();
        }
        self.arena.end_turn();
    }

    /// Slow connections pin too much of the shared segments: each pays with a copy of its own. A look at every outbox is
    /// cheap against the `pinned_bytes_max` of traffic that must pass before the next one.
    fn evict(&mut self) {
        for outbox in self.outboxes.values_mut().filter(|outbox| outbox.pins()) {
            outbox.evict(&mut self.arena);
        }
    }

    fn flush_one(
        arena: &mut Arena,
        tally: &mut Tally,
        doomed: &mut Vec<(ConnKey, CloseReason)>,
        conn: ConnKey,
        outbox: &mut Outbox,
        now: Now,
        wire: &mut dyn Wire,
    ) -> usize {
        let mut total = 0;
        loop {
            let (offered, written) = {
                let mut slices: Slices<'_> = Slices::new();
                outbox.slices(arena, &mut slices);
                let offered: usize = slices.iter().map(|slice| slice.len()).sum();
                if offered == 0 {
                    break;
                }
                (offered, wire.write(conn, &slices))
            };
            match written {
                Ok(taken) => {
                    outbox.sent(arena, taken);
                    total += taken;
                    tally.sent_bytes += taken as u64;
                    if taken < offered {
                        tally.short_writes += 1;
                        // An edge that brought no room doesn't restart the clock of a stuck write.
                        let since = outbox.writable().stuck_since().filter(|_| total == 0);
                        outbox.set_writable(Writable::Blocked { since: since.unwrap_or(now.mono) });
                        return total;
                    }
                }
                Err(WireError) => {
                    outbox.seal();
                    doomed.push((conn, CloseReason::SocketFailed));
                    return total;
                }
            }
        }
        outbox.set_writable(Writable::Open);
        total
    }

    /// Whether bytes wait for the end of the turn.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Bytes that wait for a connection.
    pub fn backlog_bytes(&self, conn: ConnKey) -> usize {
        self.outboxes.get(conn).map_or(0, Outbox::backlog_bytes)
    }

    /// Since when a connection's socket has taken nothing, where it is full.
    pub fn blocked_since(&self, conn: ConnKey) -> Option<Instant> {
        self.outboxes.get(conn)?.writable().stuck_since()
    }

    /// Whether nothing more is taken for a connection: it is given up, or its socket has failed.
    pub fn is_sealed(&self, conn: ConnKey) -> bool {
        self.outboxes.get(conn).is_some_and(Outbox::is_sealed)
    }

    /// Bytes that wait for all connections of the shard.
    pub fn backlog_bytes_total(&self) -> usize {
        self.outboxes.values().map(Outbox::backlog_bytes).sum()
    }

    /// Bytes of shared segments that slow connections keep.
    pub fn pinned_bytes(&self) -> usize {
        self.arena.pinned_bytes()
    }

    /// Connections whose socket is full.
    pub fn blocked_count(&self) -> usize {
        self.outboxes.values().filter(|outbox| !outbox.writable().may_write()).count()
    }
}
