//! What a shard counts: plain numbers, added up over the shards when somebody asks. Labels come from closed enums and event
//! names only; nothing that a peer can name is ever one.

use crate::close::CloseReason;

/// Why a request or an item of an invocation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the labels say it")]
pub enum Refusal {
    BadRequest,
    NoToken,
    BadToken,
    Forbidden,
    Origin,
    NotFound,
    Method,
    TooLarge,
    MediaType,
    Timeout,
    Full,
    Draining,
    Item,
}

impl Refusal {
    /// All, in the order of their numbers, with their labels.
    pub const ALL: [(Refusal, &'static str); 13] = [
        (Refusal::BadRequest, "bad_request"),
        (Refusal::NoToken, "no_token"),
        (Refusal::BadToken, "bad_token"),
        (Refusal::Forbidden, "forbidden"),
        (Refusal::Origin, "origin"),
        (Refusal::NotFound, "not_found"),
        (Refusal::Method, "method"),
        (Refusal::TooLarge, "too_large"),
        (Refusal::MediaType, "media_type"),
        (Refusal::Timeout, "timeout"),
        (Refusal::Full, "full"),
        (Refusal::Draining, "draining"),
        (Refusal::Item, "subscription_item"),
    ];

    /// Its place in [`Refusal::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Counters of one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Publications taken as sent.
    pub published: u64,
    /// Publications derived from another event.
    pub derived: u64,
    /// Deliveries: publications times members, on all shards.
    pub delivered: u64,
}

/// The numbers of one shard, or the sum of several.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that are open, whatever they speak.
    pub open: u64,
    /// Connections that have finished the SignalR handshake.
    pub hub_open: u64,
    /// Subscriptions in force.
    pub subscriptions: u64,
    /// Topics with members.
    pub topics: u64,
    /// Connections ended, by reason.
    pub closed: [u64; CloseReason::ALL.len()],
    /// Requests and items refused, by reason.
    pub refused: [u64; Refusal::ALL.len()],
    /// HTTP requests answered or upgraded.
    pub requests: u64,
    /// Hub messages received.
    pub hub_messages: u64,
    /// Items rejected by the publish route.
    pub items_rejected: u64,
    /// Things that lenient validation let through.
    pub tolerated: u64,
    /// By event, in catalogue order.
    pub events: Vec<EventCounts>,
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Bytes that sockets took.
    pub bytes_out: u64,
    /// Writes that sockets took less of than offered.
    pub short_writes: u64,
    /// Frames that replaced an older value in a backlog.
    pub conflated: u64,
    /// Frames not queued because their connection was ending.
    pub dropped: u64,
    /// Bytes discarded with connections that ended.
    pub discarded_bytes: u64,
    /// Bytes that wait in outboxes.
    pub backlog_bytes: u64,
    /// Connections whose socket is full.
    pub blocked: u64,
    /// Publications that shards got from their homes.
    pub from_siblings: u64,
    /// State values not delivered because they equal the one before (`on_change`).
    pub unchanged: u64,
    /// Snapshots sent behind a Subscribe.
    pub snapshots: u64,
    /// Last values kept.
    pub last_values: u64,
    /// Last values that went for the bounds' sake.
    pub last_values_evicted: u64,
}

impl Metrics {
    /// One more refusal.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refused[refusal.index()] += 1;
    }

    /// The counters of an event; they begin at zero.
    pub fn event(&mut self, index: usize) -> &mut EventCounts {
        if self.events.len() <= index {
            self.events.resize(index + 1, EventCounts::default());
        }
        &mut self.events[index]
    }

    /// Adds a sibling's numbers.
    pub fn add(&mut self, other: &Metrics) {
        let Metrics {
            accepted,
            open,
            hub_open,
            subscriptions,
            topics,
            closed,
            refused,
            requests,
            hub_messages,
            items_rejected,
            tolerated,
            events,
            bytes_in,
            bytes_out,
            short_writes,
            conflated,
            dropped,
            discarded_bytes,
            backlog_bytes,
            blocked,
            from_siblings,
            unchanged,
            snapshots,
            last_values,
            last_values_evicted,
        } = other;
        let pairs = [
            (&mut self.accepted, accepted),
            (&mut self.open, open),
            (&mut self.hub_open, hub_open),
            (&mut self.subscriptions, subscriptions),
            (&mut self.topics, topics),
            (&mut self.requests, requests),
            (&mut self.hub_messages, hub_messages),
            (&mut self.items_rejected, items_rejected),
            (&mut self.tolerated, tolerated),
            (&mut self.bytes_in, bytes_in),
            (&mut self.bytes_out, bytes_out),
            (&mut self.short_writes, short_writes),
            (&mut self.conflated, conflated),
            (&mut self.dropped, dropped),
            (&mut self.discarded_bytes, discarded_bytes),
            (&mut self.backlog_bytes, backlog_bytes),
            (&mut self.blocked, blocked),
            (&mut self.from_siblings, from_siblings),
            (&mut self.unchanged, unchanged),
            (&mut self.snapshots, snapshots),
            (&mut self.last_values, last_values),
            (&mut self.last_values_evicted, last_values_evicted),
        ];
        for (mine, theirs) in pairs {
            *mine += theirs;
        }
        for (mine, theirs) in self.closed.iter_mut().zip(closed).chain(self.refused.iter_mut().zip(refused)) {
            *mine += theirs;
        }
        for (index, theirs) in events.iter().enumerate() {
            let mine = self.event(index);
            mine.published += theirs.published;
            mine.derived += theirs.derived;
            mine.delivered += theirs.delivered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_numbered_as_listed() {
        for (number, (refusal, _)) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal.index(), number);
        }
    }

    #[test]
    fn adding_sums_every_number() {
        let mut a = Metrics { accepted: 1, ..Metrics::default() };
        a.event(2).delivered = 5;
        a.refuse(Refusal::Full);
        let mut sum = a.clone();
        sum.add(&a);
        assert_eq!((sum.accepted, sum.events[2].delivered, sum.refused[Refusal::Full.index()]), (2, 10, 2));
    }
}
