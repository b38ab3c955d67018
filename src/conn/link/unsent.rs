//! Bytes of an HTTP link that its socket has not taken. Without memory while there are none.

use crate::clock::{Deadline, Instant};
use crate::close::CloseReason;
use crate::conn::turn::Turn;
use crate::hub::backlog::HeldReplies;
use crate::hub::outbox::Writable;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::proto::http::reply::{self, Body, Reply};
use crate::wire::{LinkKey, WireError};

/// Room for a reply without a body, or with a short one.
const REPLY_BYTES: usize = 512;

/// What is still to be sent, in order: bytes, and behind them perhaps a document.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    document: Option<Box<Document>>,
    /// How much of all this has been sent.
    sent: usize,
    /// What the bytes of its own cost, once the socket is full.
    held: Option<HeldReplies>,
    writable: Writable,
    /// Whether the link is on the list of those to flush at the end of the turn.
    pub(super) is_listed: bool,
}

/// A body that others have too. It is never copied: not for the replies behind it either, such as
/// that to a request that is none.
#[derive(Debug)]
struct Document {
    body: Body,
    behind: Vec<u8>,
}

impl Document {
    fn len(&self) -> usize {
        self.body.bytes().len() + self.behind.len()
    }
}

impl Unsent {
    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8], metrics: &mut Metrics) {
        self.append(metrics, |out| {
            out.extend_from_slice(bytes);
            None
        });
    }

    /// Appends a reply.
    pub(super) fn push_reply(
        &mut self,
        reply: Reply,
        keep_alive: bool,
        head_only: bool,
        date: &str,
        metrics: &mut Metrics,
    ) {
        self.append(metrics, |out| {
            reply::encode_head(&reply, keep_alive, date, out);
            match reply.into_body(head_only)? {
                Body::Owned(bytes) => {
                    out.extend_from_slice(&bytes);
                    None
                }
                body @ (Body::Static(_) | Body::Shared(_)) => Some(body),
            }
        });
    }

    fn append(&mut self, metrics: &mut Metrics, write: impl FnOnce(&mut Vec<u8>) -> Option<Body>) {
        let before = self.backlog_bytes();
        self.drop_sent();
        let is_behind = self.document.is_some();
        let out = self.document.as_mut().map_or(&mut self.bytes, |document| &mut document.behind);
        out.reserve(REPLY_BYTES);
        match write(out) {
            // Documents are asked for one by one: what is behind another is a sentence.
            Some(body) if is_behind || body.bytes().len() <= REPLY_BYTES => out.extend_from_slice(body.bytes()),
            Some(body) => self.document = Some(Box::new(Document { body, behind: Vec::new() })),
            None => {}
        }
        let own_bytes = self.own_bytes();
        self.held.iter_mut().for_each(|held| held.set(own_bytes));
        metrics.backlog_bytes += (self.backlog_bytes() - before) as u64;
    }

    /// Forgets what has been sent of the bytes, and a document that is out.
    fn drop_sent(&mut self) {
        let is_out = |document: &mut Box<Document>| self.sent >= self.bytes.len() + document.body.bytes().len();
        if let Some(document) = self.document.take_if(is_out) {
            self.sent -= self.bytes.len() + document.body.bytes().len();
            self.bytes = document.behind;
        }
        if self.document.is_none() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Memory of the bytes that nobody else has.
    fn own_bytes(&self) -> usize {
        self.bytes.capacity() + self.document.as_ref().map_or(0, |document| document.behind.capacity())
    }

    /// Bytes that wait.
    pub(super) fn backlog_bytes(&self) -> usize {
        self.bytes.len() + self.document.as_ref().map_or(0, |document| document.len()) - self.sent
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.backlog_bytes() == 0
    }

    /// Whether a publisher may have further replies before it has read these.
    pub(super) fn takes_more(&self, limits: &Limits) -> bool {
        let is_over = self.held.as_ref().is_some_and(HeldReplies::is_over);
        self.backlog_bytes() < limits.outbox_soft_bytes && !is_over
    }

    /// Whether a flush makes sense.
    pub(super) fn wants_flush(&self) -> bool {
        !self.is_empty() && self.writable.may_write()
    }

    /// Since when the socket has taken nothing, where it is or was full.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        self.writable.stuck_since()
    }

    /// When to look whether the peer still acknowledges something, where the socket is full.
    pub(super) fn next_look(&self, limits: &Limits) -> Deadline {
        self.writable.next_look(limits.write_stuck_ms)
    }

    /// Looks. False where the peer is stuck.
    pub(super) fn look(&mut self, link: LinkKey, turn: &mut Turn<'_>) -> bool {
        let acked = turn.out.wire.acked(link);
        self.writable.look(acked, turn.now.mono, turn.process.limits.write_stuck_ms)
    }

    /// Writes what waits; how many bytes the socket took.
    ///
    /// # Errors
    /// The link is to be given up: its socket has failed, or it is full and the process keeps too
    /// many unread replies already.
    pub(super) fn flush(&mut self, link: LinkKey, turn: &mut Turn<'_>) -> Result<usize, CloseReason> {
        if !self.wants_flush() {
            return Ok(0);
        }
        let offered = self.backlog_bytes();
        let taken = turn.out.wire.write(link, &self.rest()).map_err(|WireError| CloseReason::SocketFailed)?;
        let metrics = &mut turn.books.metrics;
        metrics.bytes_out += taken as u64;
        metrics.backlog_bytes -= taken as u64;
        if taken == offered {
            self.release();
            self.set_writable(Writable::Open, metrics);
            return Ok(taken);
        }
        metrics.short_writes += 1;
        self.sent += taken;
        self.set_writable(self.writable.block(taken, turn.now.mono), metrics);
        let own_bytes = self.own_bytes();
        let held = self.held.get_or_insert_with(|| HeldReplies::new(turn.hub.share()));
        held.set(own_bytes);
        if held.is_over() { Err(CloseReason::BacklogFull) } else { Ok(taken) }
    }

    fn rest(&self) -> [&[u8]; 3] {
        let (body, behind) = self
            .document
            .as_ref()
            .map_or((&[][..], &[][..]), |document| (document.body.bytes(), document.behind.as_slice()));
        let mut sent = self.sent;
        [self.bytes.as_slice(), body, behind].map(|part| {
            let (taken, rest) = part.split_at(sent.min(part.len()));
            sent -= taken.len();
            rest
        })
    }

    /// The socket takes bytes again.
    pub(super) fn unblock(&mut self, metrics: &mut Metrics) {
        self.set_writable(self.writable.retry(), metrics);
    }

    fn set_writable(&mut self, writable: Writable, metrics: &mut Metrics) {
        metrics.blocked += u64::from(!writable.may_write());
        metrics.blocked -= u64::from(!self.writable.may_write());
        self.writable = writable;
    }

    /// Nobody takes what waits.
    pub(super) fn discard(&mut self, metrics: &mut Metrics) {
        let bytes = self.backlog_bytes() as u64;
        metrics.backlog_bytes -= bytes;
        metrics.discarded_bytes += bytes;
        self.release();
        self.set_writable(Writable::Open, metrics);
    }

    fn release(&mut self) {
        (self.bytes, self.document, self.sent, self.held) = (Vec::new(), None, 0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn push(unsent: &mut Unsent, reply: Reply) {
        unsent.push_reply(reply, true, false, "now", &mut Metrics::default());
    }

    fn document() -> Reply {
        Reply::new(200, "text/plain", Body::Shared(Arc::from(vec![b'd'; 100_000])))
    }

    fn bytes(unsent: &Unsent) -> Vec<u8> {
        unsent.rest().concat()
    }

    #[test]
    fn replies_behind_a_document_do_not_copy_it() {
        let mut unsent = Unsent::default();
        push(&mut unsent, Reply::text(200, "before"));
        push(&mut unsent, document());
        let head = unsent.bytes.len();
        unsent.sent = head + 10;
        push(&mut unsent, Reply::text(400, "that is no request"));
        push(&mut unsent, Reply::text(400, "nor that"));
        let rest = bytes(&unsent);
        assert!(rest.starts_with(&[b'd'; 99_990]) && rest.ends_with(b"nor that"));
        assert_eq!((unsent.backlog_bytes(), unsent.sent), (rest.len(), head + 10));
        assert!(unsent.own_bytes() < 8 * REPLY_BYTES, "{}", unsent.own_bytes());
    }

    #[test]
    fn a_document_is_forgotten_once_it_is_out() {
        let mut unsent = Unsent::default();
        push(&mut unsent, document());
        push(&mut unsent, Reply::text(400, "no request"));
        let head = unsent.bytes.len();
        unsent.sent = head + 100_005;
        let rest = bytes(&unsent);
        push(&mut unsent, document());
        assert_eq!(unsent.sent, 0);
        assert!(unsent.document.as_ref().is_some_and(|document| document.behind.is_empty()));
        assert_eq!(bytes(&unsent).len(), rest.len() + head + 100_000);
        assert!(bytes(&unsent).starts_with(&rest));
    }

    #[test]
    fn what_the_socket_has_taken_is_dropped_where_a_reply_follows() {
        let mut unsent = Unsent::default();
        push(&mut unsent, Reply::text(200, "first"));
        unsent.sent = unsent.bytes.len() - 2;
        push(&mut unsent, Reply::text(200, "second"));
        assert!(bytes(&unsent).starts_with(b"stHTTP/1.1 200") && unsent.sent == 0);
    }
}
