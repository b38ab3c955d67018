//! Topics and their members, publications, outboxes: the fan-out of one shard.
//!
//! A publication is encoded into the turn's [`Arena`], once for each [`Encoding`] that its members
//! have; each member's [`Outbox`] gets a range of it. One that is far behind gets a reference
//! instead ([`late`]). Nothing is written until the turn ends, except that an outbox which a single
//! turn fills beyond [`outbox::FLUSH_BYTES`] is flushed on the way, so that a peer which keeps up
//! is never mistaken for a slow one. Nobody is freed here: who has to go is put on a list.
//!
//! A turn has room for so many deliveries, and of the members of large topics a slice is written in
//! each. [`Hub::is_spent`] and [`Hub::takes`] tell whoever publishes when to go on later: after the
//! next poll, once most of a crowd has been written, or once members have read that are behind.
//! Those are waited for where they are many, read on, and not longer than `overrun_ms`; then they
//! count as slow until they have caught up. One that takes nothing is never waited for.

pub mod arena;
pub mod backlog;
mod behind;
pub mod block;
mod copied;
pub mod encoding;
mod exit;
mod frames;
pub mod home;
pub mod homes;
mod joining;
pub mod kept;
pub mod late;
pub mod log;
pub mod outbox;
mod own;
pub mod partition;
pub mod past;
mod polled;
pub mod position;
pub mod publication;
mod received;
pub mod record;
pub mod registry;
pub mod seen;
mod spread;
mod stateful;
pub mod telling;
pub mod topic;
mod transcode;
mod unacked;

use crate::clock::{Deadline, Instant, Now};
use crate::close::CloseReason;
use crate::limits::Limits;
use crate::wire::{LinkKey, Wire};
use arena::Arena;
use backlog::{Backlog, Share};
use behind::Behind;
use encoding::{Encoding, Form};
pub use exit::{Doomed, Tally};
use exit::{Exit, LATE_TURN_BYTES};
use frames::Frames;
pub(crate) use outbox::Room;
use outbox::{Dirty, Outbox, OutboxBounds, Push, Writable};
use position::Stamp;
use publication::{EventTraits, Payload};
use registry::{ConnKey, HashSeed, Registry};
use slotmap::SecondaryMap;
use std::collections::VecDeque;
use std::sync::Arc;
use topic::Topic;

/// Members of large topics that are written in one turn. A topic that has no more is not large.
const SLICE: usize = 256;
/// What a write at the end of the turn costs, in deliveries.
const SEND_COST: usize = 128;
/// So many bytes that are copied cost as much as a delivery.
const BYTES_PER_DELIVERY: usize = 256;
/// And so many of an answer, which is made for one peer and written to it.
pub(crate) const ANSWER_BYTES_PER_DELIVERY: usize = 96;
/// And so many that are read, parsed and answered.
pub(crate) const READ_BYTES_PER_DELIVERY: usize = 4;
/// And so many that were kept for one peer, in frames, and are let go of.
const FREED_BYTES_PER_DELIVERY: usize = 1024;
/// So many links together have all of a turn's work.
const PORTIONS: usize = 8;
/// No portion has fewer deliveries, however short the turns are: the poll between costs as much.
const PORTION_MIN: usize = 8 * 1024;

/// The fan-out of one shard.
///
/// ```
/// use rte::clock::Now;
/// use rte::hub::backlog::Backlog;
/// use rte::hub::outbox::Writable;
/// use rte::hub::registry::{ConnKey, HashSeed};
/// use rte::hub::publication::{EventTraits, Payload};
/// use rte::hub::{Hub, topic::Topic};
/// use rte::wire::LinkKey;
/// use rte::{limits::Limits, schema::EventId};
/// use slotmap::SlotMap;
/// use uuid::Uuid;
///
/// let (mut links, mut conns) = (SlotMap::<LinkKey, ()>::with_key(), SlotMap::<ConnKey, ()>::with_key());
/// let (link, conn) = (links.insert(()), conns.insert(()));
/// let mut hub = Hub::new(HashSeed(1, 2), &Limits::DEFAULT, Backlog::new(usize::MAX, 1).into());
/// let topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };
/// let event = EventTraits { lower: "queuestatus", is_state: true, is_last: false, instants: None };
///
/// let (now, mut wire) = (Now::from_ms(0, 0), Vec::new());
/// hub.open(conn, link, Writable::Open, now);
/// hub.registry.join(conn, topic, false, 100);
/// assert_eq!(hub.publish(&topic, event, None, Payload::Borrowed(b"{}"), now, &mut wire), 1);
/// assert!(wire.is_empty() && hub.backlog_bytes(conn) > 0, "written when the turn ends");
/// hub.flush(now, &mut wire, |written, taken, left| assert!((written, left) == (conn, 0) && taken > 0));
/// assert!(String::from_utf8_lossy(&wire).contains("MessageReceived"));
/// ```
#[derive(Debug)]
pub struct Hub {
    /// Who is a member of what.
    pub registry: Registry,
    arena: Arena,
    outboxes: SecondaryMap<ConnKey, Outbox>,
    dirty: Vec<ConnKey>,
    /// Members of large topics with something to send, in the order in which they got it.
    crowd: VecDeque<ConnKey>,
    doomed: Vec<Doomed>,
    /// Go on with late records in the next turn.
    paced: Vec<ConnKey>,
    late_left: usize,
    behind: Behind,
    /// Work of all turns so far, in deliveries; wraps around.
    work: usize,
    /// Deliveries that this turn has room for.
    deliveries_left: usize,
    deliveries_max: usize,
    /// And of them for the link whose bytes are looked at.
    portion_left: usize,
    bounds: OutboxBounds,
    pinned_bytes_max: usize,
    share: Arc<Share>,
    /// The instant of the turn, as far as it has been told.
    now: Instant,
    /// Late records on their way to a socket; nothing between writes.
    scratch: Vec<u8>,
    /// What happened so far.
    pub(crate) tally: Tally,
}

impl Hub {
    /// An empty hub; what waits for its slow readers counts in `backlog`.
    pub fn new(seed: HashSeed, limits: &Limits, backlog: Arc<Backlog>) -> Hub {
        let bounds = OutboxBounds {
            soft_bytes: limits.outbox_soft_bytes,
            hard_bytes: limits.outbox_hard_bytes,
            overrun_ms: limits.overrun_ms,
        };
        Hub {
            registry: Registry::new(seed),
            arena: Arena::default(),
            outboxes: SecondaryMap::new(),
            dirty: Vec::new(),
            crowd: VecDeque::new(),
            doomed: Vec::new(),
            paced: Vec::new(),
            late_left: LATE_TURN_BYTES,
            behind: Behind::default(),
            deliveries_left: limits.turn_deliveries_max.max(1).div_ceil(2),
            deliveries_max: limits.turn_deliveries_max.max(1),
            work: 0,
            portion_left: 0,
            bounds,
            pinned_bytes_max: limits.pinned_bytes_max,
            share: Arc::new(Share::new(backlog)),
            now: Instant::default(),
            scratch: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// A connection begins, whose bytes a link carries out that stands so.
    pub fn open(&mut self, conn: ConnKey, link: LinkKey, writable: Writable, now: Now) {
        self.begin(conn, Some(link), writable, now);
    }

    fn begin(&mut self, conn: ConnKey, link: Option<LinkKey>, writable: Writable, now: Now) {
        let mut outbox = Outbox::default();
        outbox.link = link;
        outbox.opened_s = u32::try_from(now.mono.ms() / 1_000).unwrap_or(u32::MAX);
        outbox.set_writable(writable);
        self.outboxes.insert(conn, outbox);
    }

    /// The link that carries a connection's bytes out.
    pub(crate) fn link(&self, conn: ConnKey) -> Option<LinkKey> {
        self.outboxes.get(conn)?.link
    }

    /// How the connection's hub messages are written.
    pub(crate) fn encoding(&self, conn: ConnKey) -> Encoding {
        self.outboxes.get(conn).map(Outbox::encoding).unwrap_or_default()
    }

    /// When a connection began, to the second.
    pub fn opened(&self, conn: ConnKey) -> Instant {
        Instant::from_ms(self.outboxes.get(conn).map_or(0, |outbox| u64::from(outbox.opened_s) * 1_000))
    }

    /// The connection's hub messages are written so from now on; [`Encoding::default`] before.
    pub(crate) fn set_encoding(&mut self, conn: ConnKey, encoding: Encoding) {
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            outbox.set_encoding(encoding);
        }
    }

    /// A connection is gone: its memberships and what it was still to be sent go with it.
    pub(crate) fn close(&mut self, conn: ConnKey) {
        self.leave_all(conn);
        if let Some(mut outbox) = self.outboxes.remove(conn) {
            self.tally.discarded_bytes += outbox.backlog_bytes() as u64;
            let kept = outbox.backlog_bytes() - outbox.again_bytes() + outbox.unacked_bytes();
            self.spend_bytes(kept, FREED_BYTES_PER_DELIVERY);
            outbox.release(&mut self.arena);
        }
    }

    /// Delivers a publication, taken at that instant, to the members of its topic: encodes it once,
    /// queues it for each. How many members there are.
    pub fn publish(
        &mut self,
        topic: &Topic,
        event: EventTraits<'_>,
        stamp: Option<Stamp>,
        data: Payload<'_>,
        now: Now,
        wire: &mut dyn Wire,
    ) -> usize {
        self.now = now.mono;
        let members = self.registry.members(topic);
        let count = members.count();
        if count == 0 {
            return 0;
        }
        let is_large = count > SLICE;
        let taken = stamp.map_or(now.mono, |stamp| stamp.taken(now));
        let mut frames = Frames::new(topic, event, stamp, data);
        let flush_bytes = self.bounds.flush_bytes();
        let (sent_before, dirty_before) = (self.tally.sent_bytes, self.dirty.len());
        let mut exit = Exit {
            arena: &mut self.arena,
            share: &self.share,
            scratch: &mut self.scratch,
            tally: &mut self.tally,
            doomed: &mut self.doomed,
            paced: &mut self.paced,
            late_left: &mut self.late_left,
            now,
            wire,
        };
        for (list, positioned) in members.lists() {
            for member in list {
                let Some(outbox) = self.outboxes.get_mut(member.conn) else { continue };
                let form = Form { encoding: outbox.encoding(), positioned };
                let frame = frames.frame(form, exit.arena);
                let late = || frames.late(form, frame.len(), exit.share);
                match outbox.push(exit.arena, frame, self.bounds, now.mono, late) {
                    Push::Queued => outbox.note_taken(taken),
                    Push::Conflated => exit.tally.conflated += 1,
                    Push::Dropped => exit.tally.dropped += 1,
                    Push::Overrun => exit.give_up(member.conn, outbox),
                }
                let live_bytes = outbox.live_bytes();
                if live_bytes >= self.bounds.soft_bytes {
                    self.behind.note(member.conn, outbox, self.bounds, now.mono);
                }
                if live_bytes > self.bounds.hard_bytes || !is_large {
                    // Whoever watches over stuck sockets is told in this turn.
                    mark_now(&mut self.dirty, member.conn, outbox);
                } else {
                    mark_in_slices(&mut self.crowd, member.conn, outbox);
                }
                if live_bytes >= flush_bytes && outbox.writable().may_write() {
                    exit.flush(member.conn, outbox);
                    // Whoever watches over stuck sockets is told in this turn.
                    mark_now(&mut self.dirty, member.conn, outbox);
                }
            }
        }
        drop(frames);
        exit.relieve_process(&mut self.outboxes);
        let sent_bytes = usize::try_from(self.tally.sent_bytes - sent_before).unwrap_or(usize::MAX);
        let sends = self.dirty.len() - dirty_before;
        self.spend(1 + count + SEND_COST * sends + sent_bytes / BYTES_PER_DELIVERY);
        count
    }

    /// Counts work of this turn, in deliveries.
    pub fn spend(&mut self, deliveries: usize) {
        self.work = self.work.wrapping_add(deliveries);
        self.deliveries_left = self.deliveries_left.saturating_sub(deliveries);
        self.portion_left = self.portion_left.saturating_sub(deliveries);
    }

    /// What the links with bytes of their own may cost at the end of a turn, in deliveries, if they
    /// are no guests.
    pub(crate) fn writes_max(&self) -> usize {
        self.deliveries_max.div_ceil(4)
    }

    /// What it costs to write so many bytes, in deliveries.
    pub(crate) fn write_cost(&self, bytes: u64) -> usize {
        SEND_COST + usize::try_from(bytes).unwrap_or(usize::MAX) / ANSWER_BYTES_PER_DELIVERY
    }

    /// A count of all work, which wraps around: what something has cost is the difference.
    pub fn work(&self) -> usize {
        self.work
    }

    /// From here on work is that of another link, which has a portion of the turn's. To read of it
    /// has cost so many deliveries.
    pub fn begin_portion(&mut self, read: usize) {
        self.spend(read);
        self.portion_left = self.portion_max();
    }

    /// What a link may do at once, in deliveries, before others have their turn.
    pub(crate) fn portion_max(&self) -> usize {
        (self.deliveries_max / PORTIONS).max(PORTION_MIN)
    }

    /// Whether what else the link has brought should wait for the next turn.
    pub fn is_portion_over(&self) -> bool {
        self.portion_left == 0
    }

    /// Counts the work of so many bytes that have been read or made.
    pub fn spend_bytes(&mut self, bytes: usize, per_delivery: usize) {
        self.spend(bytes / per_delivery);
    }

    /// Whether what else there is should wait for the next turn.
    pub fn is_spent(&self) -> bool {
        self.deliveries_left == 0
    }

    /// From here on it is the turn of those who wait for each other, who together have an eighth of
    /// a turn, whatever else there is. What the others had left is returned, for
    /// [`Hub::end_share`].
    pub(crate) fn begin_share(&mut self) -> usize {
        let share = self.share_max();
        std::mem::replace(&mut self.deliveries_left, share)
    }

    /// A share is left from here on at least, whatever the turn has come to before.
    pub(crate) fn lend_share(&mut self) {
        self.deliveries_left = self.deliveries_left.max(self.share_max());
    }

    /// What such a share is at the most, in deliveries.
    pub(crate) fn share_max(&self) -> usize {
        (self.deliveries_max / PORTIONS).max(1)
    }

    /// The others go on with what they had left.
    pub(crate) fn end_share(&mut self, left: usize) {
        self.deliveries_left = left;
    }

    /// All that is ready has had its turn, or this turn's half of it; the other half is for what
    /// has waited.
    pub fn begin_second_half(&mut self, now: Now) {
        self.deliveries_left += (self.deliveries_max / 2).max(1);
        self.behind.review(&mut self.outboxes, self.bounds, now.mono);
    }

    /// Whether a publication of this topic may be delivered now: not where many members are behind
    /// and read on, nor where it would be the next of many for a crowd that has not been written
    /// yet.
    pub fn takes(&self, topic: &Topic) -> bool {
        let members = self.registry.members(topic);
        !self.is_crowded(topic) && !self.behind.are_many(&members, &self.outboxes)
    }

    /// Whether the topic is large, and much waits to be written to the members of large topics.
    pub fn is_crowded(&self, topic: &Topic) -> bool {
        // The first of them has waited longest.
        let first = self.crowd.front().and_then(|conn| self.outboxes.get(*conn));
        let is_full = |outbox: &Outbox| {
            let waits = outbox.dirty == Dirty::InSlices && outbox.writable().may_write();
            waits && outbox.backlog_bytes() >= self.bounds.flush_bytes() / 2
        };
        first.is_some_and(is_full) && self.registry.member_count(topic) > SLICE
    }

    /// When publications stop to wait for the next reader that is behind.
    pub fn next_excuse(&self) -> Deadline {
        self.behind.deadline(self.bounds)
    }

    /// The socket takes bytes again.
    pub(crate) fn unblock(&mut self, conn: ConnKey) {
        if let Some(outbox) = self.outboxes.get_mut(conn)
            && !outbox.writable().may_write()
        {
            outbox.set_writable(outbox.writable().retry());
            self.mark_dirty(conn);
        }
    }

    /// The next connection that must end, and why.
    pub fn poll_doomed(&mut self) -> Option<Doomed> {
        self.doomed.pop()
    }

    /// End of the turn: connections with something to send are written, each once. Answers, and
    /// publications that have few members, go out in any case; of the members of large topics a
    /// slice does, and the others after the next poll, so that nobody waits for a crowd. `flushed`
    /// is told of every connection that was written to, how many bytes its socket took, and how
    /// many wait.
    pub fn flush(&mut self, now: Now, wire: &mut dyn Wire, mut flushed: impl FnMut(ConnKey, usize, usize)) {
        let (mut dirty, mut crowd) = (std::mem::take(&mut self.dirty), std::mem::take(&mut self.crowd));
        let pinned_bytes_max = self.pinned_bytes_max;
        let (mut exit, outboxes) = self.exit(now, wire);
        for conn in dirty.drain(..) {
            if let Some(outbox) = outboxes.get_mut(conn) {
                exit.flush_dirty(conn, outbox, &mut flushed);
            }
        }
        // Whoever waits for its slice pins segments, too. They must not be taken for slow ones.
        let is_urgent = exit.arena.pinned_bytes() > pinned_bytes_max;
        let mut sends = if is_urgent { usize::MAX } else { SLICE };
        while sends > 0
            && let Some(conn) = crowd.pop_front()
        {
            if let Some(outbox) = outboxes.get_mut(conn)
                && outbox.dirty == Dirty::InSlices
            {
                exit.flush_dirty(conn, outbox, &mut flushed);
                sends -= 1;
            }
        }
        let paced = std::mem::take(exit.paced);
        if is_urgent && exit.arena.pinned_bytes() > pinned_bytes_max {
            // Each pays with a copy of its own. A look at every outbox is cheap against the
            // `pinned_bytes_max` of traffic that must pass before the next one.
            for outbox in outboxes.values_mut().filter(|outbox| outbox.pins()) {
                outbox.evict(exit.arena, exit.share);
            }
        }
        exit.relieve_process(outboxes);
        *exit.late_left = LATE_TURN_BYTES;
        for conn in &paced {
            if let Some(outbox) = outboxes.get_mut(*conn) {
                mark_now(&mut dirty, *conn, outbox);
            }
        }
        self.arena.end_turn();
        self.deliveries_left = self.deliveries_max.div_ceil(2);
        (self.dirty, self.crowd) = (dirty, crowd);
    }

    /// The way out, and those who may take it.
    fn exit<'h>(&'h mut self, now: Now, wire: &'h mut dyn Wire) -> (Exit<'h>, &'h mut SecondaryMap<ConnKey, Outbox>) {
        let exit = Exit {
            arena: &mut self.arena,
            share: &self.share,
            scratch: &mut self.scratch,
            tally: &mut self.tally,
            doomed: &mut self.doomed,
            paced: &mut self.paced,
            late_left: &mut self.late_left,
            now,
            wire,
        };
        (exit, &mut self.outboxes)
    }

    /// What this shard keeps for slow readers.
    pub(crate) fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// Whether bytes wait for the end of the turn, or of one of the next.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.crowd.is_empty()
    }

    /// Bytes that wait for a connection.
    pub fn backlog_bytes(&self, conn: ConnKey) -> usize {
        self.outboxes.get(conn).map_or(0, Outbox::backlog_bytes)
    }

    /// Those of them that count for its bounds: all but what it gets of the past.
    pub fn live_bytes(&self, conn: ConnKey) -> usize {
        self.outboxes.get(conn).map_or(0, Outbox::live_bytes)
    }

    /// When a connection is looked at whose socket goes on taking nothing, and why it is given up
    /// then.
    pub(crate) fn next_give_up(&self, conn: ConnKey, write_stuck_ms: u64) -> Option<(Deadline, CloseReason)> {
        let outbox = self.outboxes.get(conn)?;
        let since = outbox.writable().stuck_since()?;
        let stuck = (outbox.writable().next_look(write_stuck_ms), CloseReason::WriteStuck);
        let overrun = (since.after_ms(self.bounds.overrun_ms), outbox.given_up_for());
        let is_too_much = outbox.live_bytes() > self.bounds.hard_bytes && !outbox.is_sealed();
        Some(if is_too_much { overrun.min(stuck) } else { stuck })
    }

    /// When to look whether the peer of a full socket still acknowledges something.
    pub(crate) fn next_look(&self, conn: ConnKey, write_stuck_ms: u64) -> Deadline {
        self.outboxes.get(conn).map_or(Deadline::NEVER, |outbox| outbox.writable().next_look(write_stuck_ms))
    }

    /// Looks whether the peer of a full socket still acknowledges something. False where it is
    /// stuck.
    pub(crate) fn look(&mut self, conn: ConnKey, write_stuck_ms: u64, now: Now, wire: &mut dyn Wire) -> bool {
        let Some(outbox) = self.outboxes.get_mut(conn) else { return false };
        let mut writable = outbox.writable();
        let is_alive = writable.look(outbox.link.and_then(|link| wire.acked(link)), now.mono, write_stuck_ms);
        outbox.set_writable(writable);
        is_alive
    }

    /// Whether all that waited for a connection was dropped, in the midst of a frame: only a reset
    /// is an honest end.
    pub fn is_cut(&self, conn: ConnKey) -> bool {
        self.outboxes.get(conn).is_some_and(Outbox::is_cut)
    }

    /// Drops what waits for a slow consumer, which is given up; only a last word is taken for it.
    /// How many bytes that were.
    pub fn discard(&mut self, conn: ConnKey) -> usize {
        let Some(outbox) = self.outboxes.get_mut(conn) else { return 0 };
        let lost_bytes = outbox.discard(&mut self.arena, &self.share);
        self.tally.discarded_bytes += lost_bytes as u64;
        outbox.seal();
        lost_bytes
    }

    /// Publications that were queued for a connection.
    pub fn delivered(&self, conn: ConnKey) -> u32 {
        self.outboxes.get(conn).map_or(0, Outbox::delivered)
    }

    /// Since when a connection's socket has taken nothing, where it is full.
    pub(crate) fn blocked_since(&self, conn: ConnKey) -> Option<Instant> {
        self.outboxes.get(conn)?.writable().stuck_since()
    }

    /// Whether nothing more is taken for a connection: it is given up, or its socket has failed.
    pub(crate) fn is_sealed(&self, conn: ConnKey) -> bool {
        self.outboxes.get(conn).is_some_and(Outbox::is_sealed)
    }

    /// Bytes that wait for all connections of the shard.
    pub fn backlog_bytes_total(&self) -> usize {
        self.outboxes.values().map(Outbox::backlog_bytes).sum()
    }

    /// How long the member has been behind that has been so longest.
    pub fn oldest_backlog_ms(&self, now: Instant) -> u64 {
        self.outboxes.values().filter_map(|outbox| outbox.behind_ms(now)).max().unwrap_or(0)
    }

    /// Bytes of shared segments that slow connections keep.
    pub fn pinned_bytes(&self) -> usize {
        self.arena.pinned_bytes()
    }

    /// Connections whose socket is full.
    pub(crate) fn blocked_count(&self) -> usize {
        self.outboxes.values().filter(|outbox| outbox.writable().is_blocked()).count()
    }
}

/// The connection is written at the end of this turn.
fn mark_now(dirty: &mut Vec<ConnKey>, conn: ConnKey, outbox: &mut Outbox) {
    if outbox.dirty != Dirty::Now {
        // One that waited for its slice stays on that list too, and is passed over there.
        outbox.dirty = Dirty::Now;
        dirty.push(conn);
    }
}

/// The connection is written when its turn among the members of large topics has come.
fn mark_in_slices(crowd: &mut VecDeque<ConnKey>, conn: ConnKey, outbox: &mut Outbox) {
    if outbox.dirty == Dirty::No {
        outbox.dirty = Dirty::InSlices;
        crowd.push_back(conn);
    }
}

#[cfg(test)]
mod tests;
