//! What a shard counts: plain numbers, added up over the shards when somebody asks. Labels come
//! from closed enums and event names only; nothing that a peer can name is ever one.
//!
//! A metric is one row of a table here: its field, its type, its name and its meaning. The sum over
//! shards, `GET /metrics` and the manual are made from the rows. Only what counts it is elsewhere.

use crate::close::CloseReason;

/// How a number is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It comes and goes.
    Gauge,
}

/// One number of `M`, as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Metric<M> {
    /// Its name for Prometheus.
    pub name: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// What it counts.
    pub help: &'static str,
    /// The number.
    pub value: fn(&M) -> u64,
}

/// Makes a struct of numbers from their rows, with what shows and what sums them; what stands in
/// `besides` is no such number.
macro_rules! numbers {
    (
        $(#[$doc:meta])*
        pub struct $Numbers:ident besides { $($(#[$other_doc:meta])* pub $other:ident: $Other:ty,)* }
        $($field:ident: $Kind:ident $name:literal $help:literal;)*
    ) => {
        $(#[$doc])*
        pub struct $Numbers {
            $(#[doc = $help] pub $field: u64,)*
            $($(#[$other_doc])* pub $other: $Other,)*
        }

        impl $Numbers {
            /// The rows, in the order in which they are shown.
            pub const ROWS: &[Metric<$Numbers>] = &[
                $(Metric { name: $name, kind: Kind::$Kind, help: $help, value: |numbers| numbers.$field },)*
            ];

            fn add_numbers(&mut self, other: &$Numbers) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

/// Makes the enum of refusals from their rows.
macro_rules! refusals {
    ($($Refusal:ident $label:literal;)*) => {
        /// Why a request or an item of an invocation was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the labels say it")]
        pub enum Refusal {
            $($Refusal,)*
        }

        impl Refusal {
            /// All, in the order of their numbers, with their labels.
            pub const ALL: [(Refusal, &'static str); [$($label),*].len()] = [$((Refusal::$Refusal, $label)),*];
        }
    };
}

refusals! {
    BadRequest "bad_request";
    NoToken "no_token";
    BadToken "bad_token";
    Forbidden "forbidden";
    Origin "origin";
    NotFound "not_found";
    Method "method";
    TooLarge "too_large";
    MediaType "media_type";
    Timeout "timeout";
    Full "full";
    Draining "draining";
    Item "subscription_item";
}

impl Refusal {
    /// Returns its place in [`Refusal::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

numbers! {
    /// Counters of one event.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EventCounts besides {}

    published: Counter "rte_publications_total" "Publications taken, by event.";
    derived: Counter "rte_derived_publications_total" "Publications derived from another event, by event.";
    delivered: Counter "rte_deliveries_total" "Publications times members, by event.";
}

numbers! {
    /// The numbers of one shard, or the sum of several.
    #[derive(Clone, Debug, Default)]
    pub struct Metrics besides {
        /// Connections ended, by reason.
        pub closed: [u64; CloseReason::ALL.len()],
        /// Requests and items refused, by reason.
        pub refused: [u64; Refusal::ALL.len()],
        /// By event, in catalogue order.
        pub events: Vec<EventCounts>,
    }

    accepted: Counter "rte_connections_accepted_total" "Connections accepted.";
    open: Gauge "rte_connections" "Connections open, whatever they speak.";
    hub_open: Gauge "rte_hub_connections" "SignalR clients connected.";
    subscriptions: Gauge "rte_subscriptions" "Subscriptions in force.";
    topics: Gauge "rte_topics" "Topics with members, counted per shard.";
    requests: Counter "rte_http_requests_total" "HTTP requests answered or upgraded.";
    hub_messages: Counter "rte_hub_messages_total" "Hub messages received from clients.";
    items_rejected: Counter "rte_publish_items_rejected_total" "Items rejected by POST /publish.";
    tolerated: Counter "rte_publish_tolerated_total" "Faults that lenient validation let through.";
    from_siblings: Counter "rte_shard_publications_total" "Publications that shards got from their homes.";
    bytes_in: Counter "rte_received_bytes_total" "Bytes read from sockets.";
    bytes_out: Counter "rte_sent_bytes_total" "Bytes that sockets took.";
    short_writes: Counter "rte_short_writes_total" "Writes of which a full socket took only a part.";
    conflated: Counter "rte_conflated_total" "State events that replaced an older value in a backlog.";
    dropped: Counter "rte_dropped_total" "Frames not queued because their connection was ending.";
    discarded_bytes: Counter "rte_discarded_bytes_total" "Bytes discarded with connections that ended.";
    unchanged: Counter "rte_unchanged_total" "State values equal to the one before and not delivered.";
    snapshots: Counter "rte_snapshots_total" "Last values sent behind a Subscribe.";
    last_values: Gauge "rte_last_values" "Last values of state topics kept.";
    last_values_evicted: Counter "rte_last_values_evicted_total" "Last values let go for the bounds' sake.";
    backlog_bytes: Gauge "rte_backlog_bytes" "Bytes that wait for sockets.";
    blocked: Gauge "rte_blocked_connections" "Connections whose socket is full.";
}

impl Metrics {
    /// One more refusal.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refused[refusal.index()] += 1;
    }

    /// Returns the counters of an event; they begin at zero.
    pub fn event(&mut self, index: usize) -> &mut EventCounts {
        if self.events.len() <= index {
            self.events.resize(index + 1, EventCounts::default());
        }
        &mut self.events[index]
    }

    /// Adds a sibling's numbers.
    pub fn add(&mut self, other: &Metrics) {
        self.add_numbers(other);
        let Metrics { closed, refused, events, .. } = other;
        for (mine, theirs) in self.closed.iter_mut().zip(closed).chain(self.refused.iter_mut().zip(refused)) {
            *mine += theirs;
        }
        for (index, theirs) in events.iter().enumerate() {
            self.event(index).add_numbers(theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
