//! What happens to the sockets of a shard: they are accepted, moved and closed; bytes come, or can
//! go.

use super::{SOCKET_COST, Shard};
use crate::api::routes::Entrance;
use crate::clock::Now;
use crate::close::CloseReason;
use crate::conn::{Link, Moved, Whose};
use crate::hub::READ_BYTES_PER_DELIVERY;
use crate::limits::STRANGERS_WARN_MS;
use crate::metrics::Refusal;
use crate::trace::{Fact, Level};
use crate::wire::{Failure, LinkKey, Wire};
use core::net::IpAddr;

impl Shard {
    /// A socket that came in there is about to be opened: the oldest of its kind makes room for it
    /// where this shard has its share of them, or `is_crowded` says that the process has no room.
    pub fn make_room(&mut self, entrance: Entrance, is_crowded: bool, now: Now, wire: &mut dyn Wire) {
        let limits = &self.shared.limits;
        let (arrivals, most) = match entrance {
            // Between two polls their links are strangers, whose connections have a place.
            Entrance::Only | Entrance::Public => {
                (&self.strangers, limits.strangers_max.saturating_add(self.shared.places.linkless()))
            }
            Entrance::Internal => (&self.internal, limits.internal_max),
        };
        let count = arrivals.count();
        let is_full = is_crowded || count >= most.div_ceil(self.shared.shards);
        let Some(oldest) = arrivals.oldest().filter(|_| is_full) else { return };
        if self.strangers_warn_at.is_due(now) {
            self.strangers_warn_at = now.after_ms(STRANGERS_WARN_MS);
            self.books.trace.note(Level::Warn, || Fact::StrangersCrowd { strangers: count });
        }
        self.with(oldest, now, wire, |link, _| link.make_room());
    }

    /// A socket has been accepted.
    pub fn open(&mut self, peer: IpAddr, now: Now) -> LinkKey {
        self.open_at(self.shared.options.entrance(), peer, now)
    }

    /// A socket has been accepted by that listener.
    pub fn open_at(&mut self, entrance: Entrance, peer: IpAddr, now: Now) -> LinkKey {
        self.hub.spend(SOCKET_COST);
        let conn = self.numbers.take();
        let timers = &mut self.timers;
        let accept = |key| Some(Link::accepted(conn, timers.add(Whose::Link(key)), entrance, peer, now));
        let key = self.links.insert_with_key(accept);
        match entrance {
            Entrance::Only | Entrance::Public => self.strangers.enter(key),
            Entrance::Internal => self.internal.enter(key),
        }
        self.note_kept();
        self.books.metrics.accepted += 1;
        self.books.trace.note(Level::Debug, || Fact::Opened { conn, peer });
        self.arm(key);
        key
    }

    /// Counts work of the turn that was done outside, in deliveries.
    pub fn spend(&mut self, deliveries: usize) {
        self.hub.spend(deliveries);
    }

    /// Whether the link can wait: nobody has shown a good token by it, or it only ends.
    pub fn is_guest(&self, key: LinkKey) -> bool {
        self.link(key).is_some_and(Link::is_guest)
    }

    /// Those take their turn from here on who wait for each other; what the others have left of it
    /// is returned, for [`Shard::end_share`].
    pub fn begin_share(&mut self) -> usize {
        self.hub.begin_share()
    }

    /// A share is left from here on at least, whatever the turn has come to before.
    pub fn lend_share(&mut self) {
        self.hub.lend_share();
    }

    /// The others go on with what they had left.
    pub fn end_share(&mut self, left: usize) {
        self.hub.end_share(left);
    }

    /// A link comes from another shard, and is as it was there. Once its socket is in its place,
    /// [`Shard::resume`] lets it look at the bytes that it brought.
    pub fn adopt(&mut self, moved: Moved) -> LinkKey {
        let (timers, is_stranger) = (&mut self.timers, moved.is_stranger);
        let is_internal = moved.entrance == Entrance::Internal;
        let key = self.links.insert_with_key(|key| Some(Link::adopted(moved, timers.add(Whose::Link(key)))));
        if is_internal {
            self.internal.enter(key);
        } else if is_stranger {
            self.strangers.enter(key);
        }
        let input_bytes = self.link(key).map_or(0, |link| link.input_bytes(&self.connections));
        self.note_input(0, input_bytes);
        self.arm(key);
        key
    }

    /// Lets a link go on with the bytes that it brought; ends it in time where the hub drains.
    pub fn resume(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, Link::resume);
        if self.process().drain.has_begun() {
            self.with(key, now, wire, |link, cx| link.drain(0, cx));
        }
    }

    /// A link shall go to another shard, before its next request is looked at:
    /// [`Shard::poll_moved`] names it once nothing is unanswered and nothing unsent. A link that
    /// carries a connection stays.
    pub fn move_link(&mut self, key: LinkKey, shard: usize, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, |link, _| link.move_to(shard));
    }

    /// A link that has gone, to which shard, and what goes with its socket.
    pub fn poll_moved(&mut self) -> Option<(LinkKey, usize, Moved)> {
        self.moved.pop()
    }

    /// A socket that no descriptor is left for has been turned away; so many bytes of it were read.
    pub fn note_full(&mut self, peer: IpAddr, read: usize) {
        self.books.metrics.accepted += 1;
        self.books.metrics.bytes_in += read as u64;
        self.books.metrics.refuse(Refusal::Full);
        self.books.metrics.closed[CloseReason::Full.index()] += 1;
        let fact = || Fact::Refused { conn: 0, client: peer, status: 503, why: "no descriptor is left" };
        self.books.trace.note(Level::Debug, fact);
    }

    /// Bytes have been read; they may be spoilt. False when the link wants no more for now:
    /// [`Shard::poll_resumed`] will name it.
    pub fn handle_bytes(&mut self, key: LinkKey, bytes: &mut [u8], now: Now, wire: &mut dyn Wire) -> bool {
        let Some(link) = self.links.get(key).and_then(Option::as_ref) else {
            // It had to make room while they were read.
            self.books.metrics.bytes_in += bytes.len() as u64;
            return false;
        };
        let connections = &self.connections;
        self.books.trace.note(Level::Trace, || Fact::Read { conn: link.number(connections), bytes: bytes.len() });
        self.hub.begin_portion(bytes.len() / READ_BYTES_PER_DELIVERY);
        self.with(key, now, wire, |link, cx| link.handle_bytes(bytes, cx));
        self.wants_input(key)
    }

    /// The peer sends no more.
    pub fn handle_eof(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, Link::handle_eof);
    }

    /// The socket failed.
    pub fn handle_failure(&mut self, key: LinkKey, failure: Failure, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, |link, cx| link.handle_failure(failure, cx));
    }

    /// The socket takes bytes again.
    pub fn handle_writable(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, Link::handle_writable);
    }

    /// Whether bytes of this link should be read.
    pub fn wants_input(&self, key: LinkKey) -> bool {
        self.link(key).is_some_and(|link| link.wants_input(self.view()))
    }

    /// A link that reads again.
    pub fn poll_resumed(&mut self) -> Option<LinkKey> {
        self.resumed.pop()
    }

    pub(super) fn note_resumed(&mut self, key: LinkKey) {
        if self.wants_input(key) {
            self.resumed.push(key);
        }
    }
}
