//! Connections that poll: what waits for them is taken by requests.

use super::Hub;
use super::outbox::{Slices, Writable};
use super::registry::ConnKey;
use crate::clock::{Instant, Now};
use crate::proto::signalr::transport::Transport;
use crate::wire::LinkKey;

/// An answer to a poll is whole once it holds so much.
const POLL_BYTES: usize = 64 * 1024;

impl Hub {
    /// A connection begins that polls.
    pub(crate) fn open_polled(&mut self, conn: ConnKey, now: Now) {
        self.begin(conn, None, Writable::Away { since: now.mono }, now);
    }

    /// A poll of a connection waits with that link for whatever comes.
    pub(crate) fn begin_poll(&mut self, conn: ConnKey, link: LinkKey) {
        if let Some(outbox) = self.outboxes.get_mut(conn) {
            outbox.link = Some(link);
            outbox.set_writable(Writable::Polled);
        }
    }

    /// The poll with that link waits no longer, unless another one has taken its place before.
    pub(crate) fn end_poll(&mut self, conn: ConnKey, link: LinkKey, now: Now) {
        if let Some(outbox) = self.outboxes.get_mut(conn).filter(|outbox| outbox.link == Some(link)) {
            outbox.link = None;
            outbox.set_writable(Writable::Away { since: now.mono });
        }
    }

    /// Whether a connection has no link of its own: what waits for it is for its polls.
    pub(crate) fn polls(&self, conn: ConnKey) -> bool {
        self.encoding(conn).transport() == Transport::LongPolling
    }

    /// Since when no poll of a connection has waited, where it polls and none does.
    pub(crate) fn away_since(&self, conn: ConnKey) -> Option<Instant> {
        self.outboxes.get(conn)?.writable().away_since()
    }

    /// Takes what waits for a connection that polls: whole messages, as many as go into one answer.
    pub(crate) fn take(&mut self, conn: ConnKey, now: Now) -> Vec<u8> {
        let mut body = Vec::new();
        let Some(outbox) = self.outboxes.get_mut(conn) else { return body };
        body.reserve_exact(outbox.backlog_bytes().min(2 * POLL_BYTES));
        while body.len() < POLL_BYTES && outbox.backlog_bytes() > 0 {
            let before = body.len();
            let mut slices: Slices<'_> = Slices::new();
            outbox.slices(&self.arena, &mut self.scratch, &mut slices);
            slices.iter().for_each(|slice| body.extend_from_slice(slice));
            drop(slices);
            outbox.sent(&mut self.arena, body.len() - before);
        }
        if outbox.backlog_bytes() == 0
            && let Some(ms) = outbox.note_written(now.mono)
        {
            self.tally.written.observe(ms);
        }
        body
    }
}
