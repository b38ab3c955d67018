//! What a shard counts: plain numbers, added up over the shards when somebody asks. Labels come
//! from closed enums and event names only; nothing that a peer can name is ever one.
//!
//! A metric is one row of a table here: its field, its type, its name and its meaning. The sum over
//! shards, `GET /metrics`, the dashboard and the manual are made from the rows. Only what counts it
//! is elsewhere.

use crate::close::CloseReason;
use crate::proto::signalr::transport::Transport;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// How a number is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It comes and goes; those of the shards are added up.
    Gauge,
    /// It comes and goes; of those of the shards the highest counts.
    Highest,
}

impl Kind {
    /// What it is for Prometheus.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge | Kind::Highest => "gauge",
        }
    }

    fn add(self, sum: &mut u64, other: u64) {
        match self {
            Kind::Counter | Kind::Gauge => *sum += other,
            Kind::Highest => *sum = other.max(*sum),
        }
    }
}

/// One number of `M`, as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Metric<M> {
    /// Its name for Prometheus.
    pub name: &'static str,
    /// The name of its field: what ends in `_ms` is shown in seconds, Prometheus' unit of time.
    pub field: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// What it counts.
    pub help: &'static str,
    /// The number.
    pub value: fn(&M) -> u64,
}

/// A number for each reason why a connection ends.
#[derive(Clone, Copy, Debug)]
pub struct ByReason([u64; CloseReason::ALL.len()]);

impl Default for ByReason {
    // Not derived: the standard library knows the default of arrays up to 32 only.
    fn default() -> ByReason {
        ByReason([0; CloseReason::ALL.len()])
    }
}

impl Deref for ByReason {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0
    }
}

impl DerefMut for ByReason {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.0
    }
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
                $(Metric {
                    name: $name,
                    field: stringify!($field),
                    kind: Kind::$Kind,
                    help: $help,
                    value: |numbers| numbers.$field,
                },)*
            ];

            /// Adds those of another shard.
            pub fn add_numbers(&mut self, other: &$Numbers) {
                $(Kind::$Kind.add(&mut self.$field, other.$field);)*
            }
        }
    };
}

/// Makes an enum from rows of its variants and their labels.
macro_rules! labels {
    ($(#[$doc:meta])* pub enum $Name:ident; $($Variant:ident $label:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the labels say it")]
        pub enum $Name {
            $($Variant,)*
        }

        impl $Name {
            /// All, in the order of their numbers, with their labels.
            pub const ALL: [($Name, &'static str); [$($label),*].len()] = [$(($Name::$Variant, $label)),*];

            /// Returns its place in the list of all.
            pub fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// Why a request or an item of an invocation was refused.
    pub enum Refusal;

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
    UserConnections "user_connections";
    UserRate "user_rate";
    AddressConnections "address_connections";
    AddressRate "address_rate";
    Memory "memory";
    Draining "draining";
    Starting "starting";
    Engine "engine";
    Item "subscription_item";
}

labels! {
    /// What became of an item of a Subscribe that said since when.
    pub enum Recovery;

    Recovered "recovered";
    Unreadable "unreadable";
    Epoch "epoch";
    Partition "partition";
    Ahead "ahead";
    Trimmed "trimmed";
    TooMuch "too_much";
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
        pub closed: ByReason,
        /// SignalR clients connected, by transport.
        pub by_transport: [u64; Transport::ALL.len()],
        /// Requests and items refused, by reason.
        pub refused: [u64; Refusal::ALL.len()],
        /// Items that said since when, by what became of them.
        pub recoveries: [u64; Recovery::ALL.len()],
        /// By event, in catalogue order.
        pub events: Vec<EventCounts>,
        /// How long it took from the place in the order to the socket.
        pub written: Histogram,
        /// How long the turns of threads took, from the poll to the last write.
        pub turns: Histogram,
        /// And for how long of it the threads were at work.
        pub work: Histogram,
    }

    accepted: Counter "rte_connections_accepted_total" "Connections accepted.";
    open: Gauge "rte_connections" "Connections open, whatever they speak.";
    strangers: Gauge "rte_strangers" "Those of them that have shown no token yet.";
    internal: Gauge "rte_internal_connections" "Those of them that came in by server.internal.";
    hub_open: Gauge "rte_hub_connections" "SignalR clients connected.";
    subscriptions: Gauge "rte_subscriptions" "Subscriptions in force.";
    topics: Gauge "rte_topics" "Topics with members, counted per shard.";
    requests: Counter "rte_http_requests_total" "HTTP requests answered or upgraded.";
    hub_messages: Counter "rte_hub_messages_total" "Hub messages received from clients.";
    revocations: Highest "rte_revocations" "Revocations of tokens in force.";
    refreshes: Counter "rte_token_refreshes_total" "Connections that went on with a fresh token.";
    detached: Gauge "rte_detached_connections" "Connections that have lost their link and wait for another one: stateful reconnect.";
    resumed: Counter "rte_resumed_total" "Times that a connection went on on another link: stateful reconnect.";
    rests: Counter "rte_rests_total" "Times that a connection was not read on, since it had used up its allowance of work.";
    rested_ms: Counter "rte_rested_seconds_total" "How long they were, together.";
    items_rejected: Counter "rte_publish_items_rejected_total" "Items rejected by POST /publish.";
    tolerated: Counter "rte_publish_tolerated_total" "Faults that lenient validation let through.";
    duplicates: Counter "rte_publish_duplicates_total" "Publications not delivered again, for the id of their item had been seen.";
    lag_ms: Highest "rte_backplane_lag_seconds" "How old the publication was that was read last of the log of the nodes.";
    unknown_entries: Counter "rte_backplane_unknown_event_total" "Entries read of the log of the nodes whose event is not known here.";
    ids: Gauge "rte_publish_ids" "Ids of items known.";
    ids_evicted: Counter "rte_publish_ids_evicted_total" "Ids of items forgotten before their time, for the bound's sake.";
    from_siblings: Counter "rte_shard_publications_total" "Publications that shards got from their homes.";
    bytes_in: Counter "rte_received_bytes_total" "Bytes read from sockets.";
    bytes_out: Counter "rte_sent_bytes_total" "Bytes that sockets took.";
    short_writes: Counter "rte_short_writes_total" "Writes of which a full socket took only a part.";
    conflated: Counter "rte_conflated_total" "State events that replaced an older value in a backlog.";
    dropped: Counter "rte_dropped_total" "Frames not queued because their connection was ending.";
    discarded_bytes: Counter "rte_discarded_bytes_total" "Bytes discarded with connections that ended.";
    unchanged: Counter "rte_unchanged_total" "State values equal to the one before and not delivered.";
    snapshots: Counter "rte_snapshots_total" "Rows sent behind a Subscribe.";
    snapshots_partial: Counter "rte_snapshots_partial_total" "Snapshots that said that there may be more rows.";
    replayed: Counter "rte_replayed_total" "Publications that were missed and sent behind a Subscribe.";
    ahead: Gauge "rte_subscribes_waiting" "Subscribes that wait until the hub has come to their `Since`.";
    logged: Gauge "rte_history_publications" "Recent publications kept for those who come back.";
    logged_bytes: Gauge "rte_history_bytes" "Memory of those.";
    kept_rows: Gauge "rte_kept_rows" "Rows kept for snapshots: values of states and keys, words of open calls.";
    kept_bytes: Gauge "rte_kept_bytes" "Bytes of their data.";
    kept_evicted: Counter "rte_kept_rows_evicted_total" "Rows let go for the bounds' sake.";
    late_call_events: Counter "rte_late_call_events_total" "Events of calls that came behind the end of their leg.";
    memory_bytes: Highest "rte_memory_bytes" "Memory that the process keeps for its peers, backlogs and all else, by its own count: what limits.memory_bytes_max bounds.";
    input_bytes: Gauge "rte_input_bytes" "Memory of requests and messages that have come and are not done with.";
    intake_bytes: Gauge "rte_intake_bytes" "Memory of publications that wait for their place in the order, or for room in a turn.";
    mail_bytes: Highest "rte_mailbox_bytes" "Memory of publications that wait in the mailboxes of threads.";
    subscription_bytes: Gauge "rte_subscription_bytes" "Memory of subscriptions, at the most.";
    backlog_bytes: Gauge "rte_backlog_bytes" "Bytes that sockets are still to take: what several of them wait for counts for each, and once in rte_backlog_kept_bytes.";
    backlog_kept_bytes: Highest "rte_backlog_kept_bytes" "Memory that they keep, of the whole process: what limits.backlog_bytes_max bounds.";
    blocked: Gauge "rte_blocked_connections" "Connections whose socket is full.";
    oldest_backlog_ms: Highest "rte_oldest_backlog_seconds" "How long the member has been behind that has been so longest.";
    published_ms: Highest "rte_last_publication_timestamp_seconds" "When the last publication was taken; 0 before the first.";
}

numbers! {
    /// The numbers that only the process as a whole has. Those of the system are Linux's, and 0
    /// elsewhere.
    #[derive(Clone, Debug, Default)]
    pub struct ProcessNumbers besides {}

    started_ms: Gauge "process_start_time_seconds" "When the process started.";
    cpu_ms: Counter "process_cpu_seconds_total" "CPU time of all its threads.";
    resident_bytes: Gauge "process_resident_memory_bytes" "Memory that it holds.";
    descriptors: Gauge "process_open_fds" "File descriptors that are open.";
    descriptors_max: Gauge "process_max_fds" "File descriptors that may be open.";
    connections_max: Gauge "rte_connections_max" "What limits.connections_max is.";
    memory_bytes_max: Gauge "rte_memory_bytes_max" "What limits.memory_bytes_max comes to; 0 is no bound.";
    backlog_bytes_max: Gauge "rte_backlog_bytes_max" "What limits.backlog_bytes_max is.";
    reloads: Counter "rte_reloads_total" "Reloads that came into force.";
    reloads_refused: Counter "rte_reloads_refused_total" "Reloads that changed nothing, for something is wrong.";
    last_reload: Gauge "rte_last_reload_successful" "1 where the last reload came into force, or there was none; else 0.";
    reloaded_ms: Gauge "rte_last_reload_timestamp_seconds" "When what is in force was read.";
    log_dropped: Counter "rte_log_dropped_total" "Lines of the log dropped because nobody read it.";
    journal_bytes: Gauge "rte_journal_bytes" "Bytes that the journal has on disk.";
    journal_written_bytes: Counter "rte_journal_written_bytes_total" "Bytes of publications written to the journal.";
    journal_writes: Counter "rte_journal_writes_total" "Writes to the journal: each has all that had come meanwhile.";
    journal_losses: Counter "rte_journal_losses_total" "Times that the journal could not be written, and the hub went on in memory.";
    backplane_away: Gauge "rte_backplane_away" "Lanes to the engine that the nodes share which are away, of two; where nothing is published they notice it some seconds later.";
    backplane_reconnects: Counter "rte_backplane_reconnects_total" "Times that a lane has reached the engine.";
    backplane_queue_bytes: Gauge "rte_backplane_queue_bytes" "Bytes of publications that wait for the engine.";
    backplane_appended: Counter "rte_backplane_append_total" "Entries that this node has appended, beats among them.";
    backplane_repaired: Counter "rte_backplane_repaired_total" "Publications appended again, for the engine had lost them.";
    backplane_unrepaired: Counter "rte_backplane_unrepaired_total" "Publications that the engine had lost, and this node had no more.";
    backplane_read: Counter "rte_backplane_read_total" "Publications read, those of this node among them.";
    backplane_gaps: Counter "rte_backplane_gaps_total" "Gaps in the logs of the nodes that were told.";
    backplane_missed: Counter "rte_backplane_missed_total" "Entries missing in those gaps, as far as it is known.";
    backplane_origins: Gauge "rte_backplane_origins" "Runs of nodes that have been heard of.";
}

/// Where the numbers of the process come from: only the shell can ask the system.
pub struct Vitals(pub Box<dyn Fn() -> ProcessNumbers + Send + Sync>);

impl Default for Vitals {
    /// Nothing is known.
    fn default() -> Vitals {
        Vitals(Box::new(ProcessNumbers::default))
    }
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vitals")
    }
}

/// How often something took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How often it took as long as the bound of that place and longer than the one before; the
    /// last place is beyond all bounds.
    pub counts: [u64; Histogram::BOUNDS_MS.len() + 1],
    /// All together.
    pub sum_ms: u64,
}

impl Histogram {
    /// The bounds. Time in the core is told in milliseconds: nothing is finer.
    pub const BOUNDS_MS: [u64; 13] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000];

    /// It took so long once more.
    pub fn observe(&mut self, ms: u64) {
        let place = Histogram::BOUNDS_MS.partition_point(|bound| *bound < ms);
        self.counts[place] += 1;
        self.sum_ms += ms;
    }

    fn add(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.sum_ms += other.sum_ms;
    }
}

impl Metrics {
    /// One more item that said since when.
    pub fn recover(&mut self, recovery: Recovery) {
        self.recoveries[recovery.index()] += 1;
    }

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
        self.written.add(&other.written);
        self.turns.add(&other.turns);
        self.work.add(&other.work);
        let Metrics { closed, by_transport, refused, recoveries, events, .. } = other;
        let labelled = self.closed.iter_mut().zip(closed.iter()).chain(self.refused.iter_mut().zip(refused));
        let labelled = labelled.chain(self.by_transport.iter_mut().zip(by_transport));
        for (mine, theirs) in labelled.chain(self.recoveries.iter_mut().zip(recoveries)) {
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

    #[test]
    fn of_several_shards_the_oldest_backlog_and_the_last_publication_count() {
        let metrics =
            |oldest_backlog_ms, published_ms| Metrics { oldest_backlog_ms, published_ms, ..Metrics::default() };
        let mut sum = metrics(5, 1_000);
        sum.add(&metrics(7, 10));
        sum.add(&metrics(0, 0));
        assert_eq!((sum.oldest_backlog_ms, sum.published_ms), (7, 1_000));
    }

    #[test]
    fn a_duration_counts_at_the_first_bound_that_holds_it() {
        let mut histogram = Histogram::default();
        [0, 1, 2, 3, 60_000, 60_001, u64::from(u32::MAX)].into_iter().for_each(|ms| histogram.observe(ms));
        let mut wanted = [0; Histogram::BOUNDS_MS.len() + 1];
        (wanted[0], wanted[1], wanted[2], wanted[12], wanted[13]) = (2, 1, 1, 1, 2);
        assert_eq!(histogram.counts, wanted);
        let mut sum = histogram.clone();
        sum.add(&histogram);
        assert_eq!((sum.counts[0], sum.sum_ms), (4, 2 * histogram.sum_ms));
    }
}
