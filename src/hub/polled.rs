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

    /// A connection is over that no poll waits for: how long ago the last one was is no matter now.
    pub(crate) fn await_last_polls(&mut self, conn: ConnKey, now: Now) {
        if let Some(outbox) = self.outboxes.get_mut(conn) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::backlog::Backlog;
    use crate::hub::encoding::Encoding;
    use crate::hub::outbox::Outbox;
    use crate::hub::registry::HashSeed;
    use crate::limits::Limits;
    use slotmap::SlotMap;

    fn at(ms: u64) -> Now {
        Now::from_ms(ms, 0)
    }

    /// A hub with a connection that polls, and the links of two polls.
    fn bench() -> (Hub, ConnKey, [LinkKey; 2]) {
        let mut hub = Hub::new(HashSeed(1, 2), &Limits::DEFAULT, Backlog::new(usize::MAX, 1).into());
        let (mut conns, mut links) = (SlotMap::<ConnKey, ()>::with_key(), SlotMap::with_key());
        let conn = conns.insert(());
        hub.open_polled(conn, at(0));
        hub.set_encoding(conn, Encoding::of(Transport::LongPolling));
        (hub, conn, [links.insert(()), links.insert(())])
    }

    #[test]
    fn a_poll_that_was_replaced_leaves_the_one_in_its_place_and_the_last_leaves_nobody() {
        let (mut hub, conn, [first, second]) = bench();
        assert_eq!(hub.away_since(conn), Some(at(0).mono), "since it began");
        hub.begin_poll(conn, first);
        hub.begin_poll(conn, second);
        hub.end_poll(conn, first, at(5));
        assert_eq!((hub.link(conn), hub.away_since(conn)), (Some(second), None));
        hub.end_poll(conn, second, at(7));
        assert_eq!((hub.link(conn), hub.away_since(conn)), (None, Some(at(7).mono)));
        assert!(hub.polls(conn) && hub.is_linkless(conn));
    }

    #[test]
    fn an_answer_has_whole_messages_and_what_is_more_waits_for_the_next() {
        let (mut hub, conn, _) = bench();
        let long = "x".repeat(POLL_BYTES / 4);
        let messages: Vec<String> = (0..6).map(|n| format!("{n}{long}\u{1e}")).collect();
        for message in &messages {
            hub.send_frame(conn, |out| out.extend_from_slice(message.as_bytes()));
        }
        hub.outboxes.values_mut().for_each(|outbox: &mut Outbox| outbox.evict(&mut hub.arena, &hub.share));
        for message in &messages {
            hub.send_frame(conn, |out| out.extend_from_slice(message.as_bytes()));
        }
        let mut taken = Vec::new();
        while hub.backlog_bytes(conn) > 0 {
            let body = hub.take(conn, at(0));
            assert!(body.ends_with(b"\x1e") && body.len() >= POLL_BYTES / 4, "{}", body.len());
            taken.extend_from_slice(&body);
        }
        assert_eq!(taken, [messages.concat(), messages.concat()].concat().as_bytes());
        assert_eq!((hub.take(conn, at(0)).len(), hub.pinned_bytes()), (0, 0), "nothing is left");
    }
}
