//! Connections that go on on another link where theirs is lost: SignalR's stateful reconnect.

use super::arena::Lane;
use super::outbox::Outbox;
use super::registry::ConnKey;
use super::{FREED_BYTES_PER_DELIVERY, Hub};
use crate::clock::{Deadline, Instant};
use crate::proto::signalr::message::{Malformed, ServerMessage};
use crate::wire::LinkKey;

impl Hub {
    /// The connection can go on on another link from now on; so many bytes are kept for that.
    pub(crate) fn begin_stateful(&mut self, conn: ConnKey, bytes_max: usize) {
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            outbox.begin_stateful(bytes_max.min(self.bounds.hard_bytes), &self.share);
        }
    }

    /// Whether a connection can go on on another link as long as nothing is gone that its client
    /// may lack.
    pub(crate) fn is_stateful(&self, conn: ConnKey) -> bool {
        self.outboxes.get(conn).is_some_and(Outbox::is_stateful)
    }

    /// Whether it can.
    pub(crate) fn can_resume(&self, conn: ConnKey) -> bool {
        self.outboxes.get(conn).is_some_and(Outbox::can_resume)
    }

    /// Whether a connection has no link of its own: it polls, or waits for another link.
    pub(crate) fn is_linkless(&self, conn: ConnKey) -> bool {
        self.polls(conn) || self.outboxes.get(conn).is_some_and(|outbox| outbox.link.is_none())
    }

    /// Connections that wait for another link.
    pub(crate) fn detached_count(&self) -> usize {
        self.outboxes.values().filter(|outbox| outbox.is_detached()).count()
    }

    /// The link of a connection is gone.
    pub(crate) fn detach(&mut self, conn: ConnKey, now: Instant) {
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            outbox.detach(&mut self.arena, now);
        }
    }

    /// Another link carries a connection's bytes out from now on: behind these, which accept it,
    /// goes a Sequence, and all that its client has not acknowledged.
    pub(crate) fn attach(&mut self, conn: ConnKey, link: LinkKey, accept: &[u8]) {
        let Some(outbox) = self.outboxes.get_mut(conn) else { return };
        let (encoding, first) = (outbox.encoding(), outbox.attach(link).unwrap_or_default());
        let frame = self.arena.append(Lane::Own, |out| {
            out.extend_from_slice(accept);
            encoding.encode(&ServerMessage::Sequence(first), out);
        });
        outbox.push_first(&mut self.arena, frame);
        self.mark_dirty(conn);
    }

    /// Nothing is kept for another link any more: the connection is over.
    pub(crate) fn end_stateful(&mut self, conn: ConnKey) {
        self.let_go(conn, Outbox::forget);
    }

    /// The client of a connection has all that counts, up to that number.
    pub(crate) fn handle_ack(&mut self, conn: ConnKey, number: u64) {
        self.let_go(conn, |outbox| outbox.ack(number));
    }

    /// Lets go of what is kept for another link, which is work, too.
    fn let_go(&mut self, conn: ConnKey, let_go: impl FnOnce(&mut Outbox)) {
        let Some(outbox) = self.outboxes.get_mut(conn) else { return };
        let before = outbox.unacked_bytes();
        let_go(outbox);
        let freed = before - outbox.unacked_bytes();
        self.spend_bytes(freed, FREED_BYTES_PER_DELIVERY);
    }

    /// The client's next message that counts has that number.
    ///
    /// # Errors
    /// One before it is missing.
    pub(crate) fn handle_sequence(&mut self, conn: ConnKey, number: u64) -> Result<(), Malformed> {
        match self.outboxes.get_mut(conn).is_none_or(|outbox| outbox.reset_received(number)) {
            true => Ok(()),
            false => Err(Malformed { message: "Sequence ID greater than amount of messages we've received." }),
        }
    }

    /// A message of the client that counts has come. False where it had come before.
    pub(crate) fn take_received(&mut self, conn: ConnKey, now: Instant) -> bool {
        self.outboxes.get_mut(conn).is_none_or(|outbox| outbox.take_received(now))
    }

    /// When to acknowledge what a client has sent.
    pub(crate) fn acknowledge_due(&self, conn: ConnKey) -> Deadline {
        self.outboxes.get(conn).map_or(Deadline::NEVER, Outbox::acknowledge_due)
    }

    /// Acknowledges what a client has sent.
    pub(crate) fn acknowledge(&mut self, conn: ConnKey) {
        if let Some(number) = self.outboxes.get_mut(conn).and_then(Outbox::acknowledge) {
            self.send_message(conn, &ServerMessage::Ack(number));
        }
    }
}

#[cfg(test)]
mod tests;
