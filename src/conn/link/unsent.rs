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

/// Room for a reply without a body.
const REPLY_BYTES: usize = 512;

/// What is still to be sent, in order: bytes, and behind them perhaps a body that others have too,
/// which is not copied.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    body: Option<Body>,
    /// How much of both has been sent.
    sent: usize,
    /// What `bytes` costs, once the socket is full.
    held: Option<HeldReplies>,
    writable: Writable,
    /// Whether the link is on the list of those to flush at the end of the turn.
    pub(super) is_listed: bool,
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
        // Only a publisher has further replies behind a document that it has not read.
        if let Some(body) = self.body.take() {
            self.bytes.extend_from_slice(body.bytes());
        }
        self.bytes.drain(..self.sent);
        self.sent = 0;
        self.bytes.reserve(REPLY_BYTES);
        self.body = write(&mut self.bytes);
        if let Some(held) = &mut self.held {
            held.set(self.bytes.capacity());
        }
        metrics.backlog_bytes += (self.backlog_bytes() - before) as u64;
    }

    /// Bytes that wait.
    pub(super) fn backlog_bytes(&self) -> usize {
        self.bytes.len() + self.body.as_ref().map_or(0, |body| body.bytes().len()) - self.sent
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
        let held = self.held.get_or_insert_with(|| HeldReplies::new(turn.hub.share()));
        held.set(self.bytes.capacity());
        if held.is_over() { Err(CloseReason::BacklogFull) } else { Ok(taken) }
    }

    fn rest(&self) -> [&[u8]; 2] {
        let bytes = self.bytes.get(self.sent..).unwrap_or_default();
        let body = self.body.as_ref().map(Body::bytes).unwrap_or_default();
        [bytes, body.get(self.sent.saturating_sub(self.bytes.len())..).unwrap_or_default()]
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
        (self.bytes, self.body, self.sent, self.held) = (Vec::new(), None, 0, None);
    }
}
