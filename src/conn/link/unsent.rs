//! Bytes of an HTTP link that its socket has not taken. Without memory while there are none.

use crate::clock::Instant;
use crate::conn::turn::Turn;
use crate::hub::outbox::Writable;
use crate::metrics::Metrics;
use crate::wire::{LinkKey, WireError};

/// Room for a reply without a body.
const REPLY_BYTES: usize = 512;

/// What is still to be sent, in order.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    /// How much of `bytes` has been sent.
    sent: usize,
    writable: Writable,
    /// Whether the link is on the list of those to flush at the end of the turn.
    pub(super) is_listed: bool,
}

impl Unsent {
    /// Appends what `write` writes.
    pub(super) fn push(&mut self, turn: &mut Turn<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.drain(..self.sent);
        self.sent = 0;
        let before = self.bytes.len();
        self.bytes.reserve(REPLY_BYTES);
        write(&mut self.bytes);
        turn.books.metrics.backlog_bytes += (self.bytes.len() - before) as u64;
    }

    /// Bytes that wait.
    pub(super) fn backlog_bytes(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether a flush makes sense.
    pub(super) fn wants_flush(&self) -> bool {
        self.backlog_bytes() > 0 && self.writable.may_write()
    }

    /// Since when the socket has taken nothing, where it is or was full.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        self.writable.stuck_since()
    }

    /// Writes what waits; how many bytes the socket took.
    pub(super) fn flush(&mut self, link: LinkKey, turn: &mut Turn<'_>) -> Result<usize, WireError> {
        let rest = self.bytes.get(self.sent..).unwrap_or_default();
        let offered = rest.len();
        if offered == 0 || !self.writable.may_write() {
            return Ok(0);
        }
        let taken = turn.out.wire.write(link, &[rest])?;
        let metrics = &mut turn.books.metrics;
        metrics.bytes_out += taken as u64;
        metrics.backlog_bytes -= taken as u64;
        if taken < offered {
            metrics.short_writes += 1;
            self.sent += taken;
            // An edge that brought no room doesn't restart the clock of a stuck write.
            let since = self.stuck_since().filter(|_| taken == 0).unwrap_or(turn.now.mono);
            self.set_writable(Writable::Blocked { since }, metrics);
        } else {
            self.bytes = Vec::new();
            self.sent = 0;
            self.set_writable(Writable::Open, metrics);
        }
        Ok(taken)
    }

    /// The socket takes bytes again.
    pub(super) fn unblock(&mut self, metrics: &mut Metrics) {
        if let Writable::Blocked { since } = self.writable {
            self.set_writable(Writable::Retrying { since }, metrics);
        }
    }

    fn set_writable(&mut self, writable: Writable, metrics: &mut Metrics) {
        metrics.blocked += u64::from(!writable.may_write());
        metrics.blocked -= u64::from(!self.writable.may_write());
        self.writable = writable;
    }

    /// Another queue takes over: what waits, and how the socket stands.
    pub(super) fn give(&mut self, metrics: &mut Metrics) -> (Vec<u8>, Writable) {
        let writable = self.writable;
        self.set_writable(Writable::Open, metrics);
        metrics.backlog_bytes -= self.backlog_bytes() as u64;
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.drain(..std::mem::take(&mut self.sent));
        (bytes, writable)
    }

    /// Nobody takes what waits.
    pub(super) fn discard(&mut self, metrics: &mut Metrics) {
        let (bytes, _) = self.give(metrics);
        metrics.discarded_bytes += bytes.len() as u64;
    }
}
