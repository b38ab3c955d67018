//! Every bound of the hub in one place, with its default.
//!
//! What one connection may cost at the most, as a sum (defaults):
//!
//! ```text
//!   slab entry, timer, socket entry                                     ~0.3 KiB
//!   partial input:   head_bytes_max  or  record_bytes_max + one frame   128 KiB  (nothing while nothing is partial)
//!   request body:    body_bytes_max, publishers only                     1 MiB   (nothing between requests;
//!                                                                                until its items are judged)
//!                    and as much for what it inflates to              1 MiB   (gzip only)
//!                    and as much for items that wait for their turn   1 MiB   (nothing while there is room)
//!   backlog:         outbox_hard_bytes                                    1 MiB   (nothing while the peer keeps up)
//!   snapshot:        LATE_PART_BYTES for each of kept_rows_max, or twice    3 MiB   (nothing while the peer keeps up;
//!   replay:          as much, and outbox_hard_bytes of data               1 MiB    outbox_hard_bytes counts neither)
//!                    and as much for another block                       4 MiB   (a third waits until the first has left)
//!   unacknowledged:  unacknowledged_bytes_max                             1 MiB   (stateful reconnect; in backlog_bytes_max)
//!   TLS, if any:     session and read buffer                             ~8 KiB
//!                    and one record, TLS_SEND_BYTES_MAX                48 KiB   (nothing while nothing is partial)
//!   kernel buffers:  socket_send_bytes                                  208 KiB   (STRANGER_SEND_BYTES before a good token)
//! ```
//!
//! All of it together has one bound, `memory_bytes_max`; `rte check` prints the sum by its parts.
//!
//! What the process keeps of the past: `kept_bytes_max` and 512 bytes for each of `kept_rows_max`,
//! `history_bytes_max`, about 10 MiB of newest positions, and for each of `dedupe_max` ids of items
//! at most 96 bytes. Of `revocations_max` revocations each takes at most 512; they are not in the
//! printed sum.
//!
//! Where publications are written to files, those that wait for the disk keep `mailbox_bytes_max`
//! of each shard, and their records as much. Where nodes share an engine, what waits for it, and
//! what it may lose, keep `backplane_queue_bytes_max` and `backplane_repair_bytes_max`. Neither is
//! in the printed sum.
//!
//! All connections of a shard together pin at most `pinned_bytes_max` of shared segments; beyond
//! that a slow connection pays with a copy in its own backlog. The backlogs of the process together
//! keep at most `backlog_bytes_max`, however many connections there are: data that several of them
//! wait for are kept once, and beyond it the largest backlog goes. A quarter of it is for HTTP
//! replies that nobody reads; documents among them are not copied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes the bounds from their rows: meaning, name, type and default.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $Number:ty = $default:expr;)*) => {
        /// All bounds. The fields are public: the configuration builds them, [`Limits::check`]
        /// proves the relations between them. Section `[limits]` of the configuration has these
        /// very fields, and these docs are its reference.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        #[schemars(transform = add_ends)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $Number,)*
        }

        impl Limits {
            /// The defaults, as `src/guide/reference.md` lists them.
            pub const DEFAULT: Limits = Limits { $($name: $default,)* };

            /// All bounds by their names.
            fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name as u64)),*].into_iter()
            }
        }
    };
}

limits! {
    /// Connections past their upgrade, and publishers that have shown their token, over all shards;
    /// one more client is answered 503 when it negotiates and at its upgrade.
    connections_max: usize = 50_000;
    /// Strangers, which are links that have shown no token of a publisher and are not past their
    /// upgrade; each thread has its share of them. One more, and the oldest makes room. Those who
    /// poll are strangers between two polls, for which each of their connections has one more. All
    /// who come back at once are strangers until their upgrade or their first poll.
    strangers_max: usize = 8_192;
    /// Connections of one user, over all threads (429 at negotiate and upgrade beyond); 0, which is
    /// the default, counts none: one account may serve all wallboards. A browser has one for each
    /// tab; who has no GUID in `auth.claims.user` is not counted.
    user_connections_max: usize = 0;
    /// How often a user may negotiate, or upgrade without, in a minute (429 beyond); 0, which is
    /// the default, does not count.
    user_connects_per_minute: usize = 0;
    /// Connections of one client address, or one /64 of IPv6 (429 beyond); 0, which is the default,
    /// counts none: an office may be one address, and so are all clients of a proxy that is not in
    /// `server.trusted_proxies`.
    address_connections_max: usize = 0;
    /// How often those at one address may negotiate, or upgrade without, in a minute, with a token
    /// or without one (429 beyond); 0, which is the default, does not count.
    address_connects_per_minute: usize = 0;
    /// Connections of `server.internal`, over all shards, where each thread has its share of them.
    /// One more, and the one that has not published for longest makes room.
    internal_max: usize = 256;
    /// Bytes of a request head, request line and headers (431 beyond). A token is a part of it.
    head_bytes_max: usize = 32 * 1024;
    /// Headers in a request head (431 beyond).
    headers_max: usize = 100;
    /// Time for a whole request head, from the first byte (or from the accept, for the first
    /// request).
    head_ms: u64 = 10_000;
    /// Time that a connection may rest between two requests.
    idle_ms: u64 = 75_000;
    /// Bytes of a request body, as sent and inflated (413 beyond); with messages of a client in it
    /// no more than twice the largest.
    body_bytes_max: usize = 1024 * 1024;
    /// Time for a whole request body.
    body_ms: u64 = 30_000;
    /// Items in one publish request (413 beyond).
    items_max: usize = 10_000;
    /// Bytes of the `data` of one event (item rule `too-large` beyond); an item around it may have
    /// four times as many.
    event_bytes_max: usize = 64 * 1024;
    /// Nesting of JSON, in what clients send and in what publishers send (SignalR's MaxDepth).
    json_depth_max: usize = 64;
    /// Errors told about one item.
    errors_per_item_max: usize = 50;
    /// Bytes of the answer to a publish; items rejected beyond it are counted, and listed without
    /// their errors.
    reply_bytes_max: usize = 4 * 1024 * 1024;
    /// Negotiated connection tokens that are remembered because their connection is over and they
    /// have not expired, over all shards; the oldest is forgotten beyond.
    negotiated_max: usize = 10_000;
    /// Revocations that are in force (`POST /revoke`; 503 beyond). Each takes up to 512 bytes.
    revocations_max: usize = 1_000;
    /// How long a negotiated token is good for a connection (SignalR's DisconnectTimeout), and 5 s
    /// for clocks that differ.
    negotiated_ms: u64 = 15_000;
    /// How long a poll is held that has nothing to get (LongPolling.PollTimeout).
    poll_ms: u64 = 90_000;
    /// How long a client of long polling may take until its next poll, and one with stateful
    /// reconnect until it is back (SignalR's DisconnectTimeout).
    disconnect_ms: u64 = 15_000;
    /// Bytes that are kept of what a client with stateful reconnect was sent and has not
    /// acknowledged (StatefulReconnectBufferSize), and no more than `outbox_hard_bytes`. Beyond it
    /// the oldest go: a client that loses its link before it acknowledges them can't go on, and
    /// connects anew. What others are sent, too, is kept once.
    unacknowledged_bytes_max: usize = 1024 * 1024;
    /// Time for the SignalR handshake (SignalR's HandshakeTimeout).
    handshake_ms: u64 = 15_000;
    /// A ping is sent when no byte went out for this long (KeepAliveInterval).
    ping_every_ms: u64 = 15_000;
    /// A client that has pinged once is given up after this long without a byte from it
    /// (ClientTimeoutInterval); one that never pings, when its machine acknowledges no ping of the
    /// hub for as long.
    client_timeout_ms: u64 = 30_000;
    /// Bytes of one hub message from a client, with its separator (MaximumReceiveMessageSize). A
    /// Subscribe needs 128 for each item.
    record_bytes_max: usize = 128 * 1024;
    /// Time for a whole hub message, from its first byte.
    record_ms: u64 = 60_000;
    /// Subscriptions of one connection (item message `Too many subscriptions` beyond). One
    /// Subscribe or Unsubscribe takes twice as many items, and 1,000 at least; one with more is
    /// answered with an error, and none of its items is looked at.
    subscriptions_max: usize = 1_000;
    /// Subscriptions of all connections together; each thread has its share of them (the same
    /// message beyond).
    total_subscriptions_max: usize = 2_000_000;
    /// Backlog of one connection from which on state events are conflated.
    outbox_soft_bytes: usize = 256 * 1024;
    /// Backlog of one connection beyond which it is given up, unless its socket has taken something
    /// of late. What a Subscribe gets of the past is not counted.
    outbox_hard_bytes: usize = 1024 * 1024;
    /// How long the socket of a connection with a larger backlog may take nothing before it is
    /// given up.
    overrun_ms: u64 = 1_000;
    /// Memory that the backlogs of all connections keep together, over all shards; beyond it the
    /// largest is given up. Unread HTTP replies get a quarter of it at most.
    backlog_bytes_max: usize = 256 * 1024 * 1024;
    /// Memory that the process keeps for its peers, by its own count; 0, which is the default, is
    /// three quarters of what the machine or the control group has. Beyond it the largest backlog
    /// goes. Where all but backlogs take seven eighths of it, new clients, negotiates and publishes
    /// are answered 503, further subscriptions are refused, and whoever sends more than 4 KiB of an
    /// unfinished request or message is closed.
    memory_bytes_max: usize = 0;
    /// Shared segment bytes that slow connections of a shard may pin together.
    pinned_bytes_max: usize = 8 * 1024 * 1024;
    /// A connection whose peer takes nothing for this long is reset (TransportSendTimeout); less
    /// than 240 bytes a second count as nothing. What counts is what the peer acknowledges, which a
    /// link of 4 KB/s may do every 25 s.
    write_stuck_ms: u64 = 30_000;
    /// Rows that all shards together keep for snapshots: values of states and of keys, and what
    /// open calls have come to. What was written longest ago goes first.
    kept_rows_max: usize = 100_000;
    /// Bytes of the data of those rows.
    kept_bytes_max: usize = 64 * 1024 * 1024;
    /// How long the row of a key is kept after its last change.
    keep_ms: u64 = 7 * 24 * 3_600_000;
    /// How long a leg of a call counts as open after its last event, where its end never comes.
    open_call_ms: u64 = 4 * 3_600_000;
    /// How long a leg that is over stays so: an event of it that comes late does not open it.
    linger_ms: u64 = 30_000;
    /// Memory of the recent publications that all shards together keep, for those who come back and
    /// say since when; 0 keeps none.
    history_bytes_max: usize = 16 * 1024 * 1024;
    /// How long they are kept.
    history_ms: u64 = 5 * 60_000;
    /// Publications that one item of a Subscribe gets replayed; where it missed more, it is told so
    /// (`recovered: false`).
    replay_items_max: usize = 1_000;
    /// How long a Subscribe that is ahead of its home waits until that has come there; then it is
    /// told so (`recovered: false`).
    since_wait_ms: u64 = 2_000;
    /// How long the id of an item is known: who sends it again meanwhile is told so, and nothing is
    /// delivered twice; 0 knows none.
    dedupe_ms: u64 = 5 * 60_000;
    /// Ids that all shards together know; the oldest is forgotten beyond.
    dedupe_max: usize = 250_000;
    /// How long the disk may take nothing, where publications are written (`journal.engine`),
    /// before the hub goes on without it.
    journal_stall_ms: u64 = 1_000;
    /// The closes of a gap in the log that nodes share are spread over this long, so that the
    /// clients don't come back all at once.
    gap_spread_ms: u64 = 10_000;
    /// Bytes of publications that wait for the engine that nodes share, more than one request may
    /// have; one more is answered 503.
    backplane_queue_bytes_max: usize = 16 * 1024 * 1024;
    /// Bytes of publications that are kept for `journal.redis.repair_ms`, to be written again where
    /// that engine has lost them. What was written first goes first.
    backplane_repair_bytes_max: usize = 16 * 1024 * 1024;
    /// How long a closing connection waits for the peer's Close (WebSockets.CloseTimeout).
    close_ms: u64 = 5_000;
    /// Bytes read from one connection before the others get their turn; 16 KiB of one that had
    /// nothing to read before.
    read_budget_bytes: usize = 256 * 1024;
    /// Deliveries to members that a thread makes between two polls, other work counted as
    /// deliveries that take as long; what is left waits for the next turn, so that nobody waits for
    /// a crowd. One connection has an eighth of it for what it has sent.
    turn_deliveries_max: usize = 64 * 1024;
    /// Work that one connection may cause at once, counted in deliveries like that of a turn: what
    /// it sends, and what its answers cost. Beyond it the connection is not read on until as much
    /// has come back. Publishes don't count.
    connection_deliveries_max: usize = 1024 * 1024;
    /// How much of it comes back in a second: a hundredth of a core.
    connection_deliveries_per_s: usize = 128 * 1024;
    /// A client that would not be read on for longer than this is closed.
    rest_ms: u64 = 30_000;
    /// Kernel send buffer asked for a socket behind a good token (SO_SNDBUF), so that the kernel
    /// doesn't hide a slow consumer. The default is what Linux gives without further settings
    /// (net.core.wmem_max).
    socket_send_bytes: usize = 208 * 1024;
    /// How long `/readyz` says that the hub will drain before it does; nothing else changes
    /// meanwhile. More than a load balancer needs to notice.
    drain_delay_ms: u64 = 0;
    /// A drain ends after this long, whoever is still there; the default lets the process be gone
    /// within ten seconds.
    drain_ms: u64 = 9_500;
    /// The closes of a drain are spread over this long, so that the clients don't come back all at
    /// once.
    drain_spread_ms: u64 = 3_000;
    /// After a failed accept (no file descriptors) the next try waits this long.
    accept_retry_ms: u64 = 100;
    /// Bytes of publications that wait in one shard's mailbox; beyond it the publishers' shard
    /// stops reading.
    mailbox_bytes_max: usize = 16 * 1024 * 1024;
    /// Bytes of log lines that wait for a reader of standard error that stalls; further ones are
    /// dropped and counted.
    log_bytes_max: usize = 1024 * 1024;
}

/// The least and the most of each limit whose ends are not those of its unit. Below them the hub
/// could not work, beyond them the limit would be none, or what relies on it would not hold.
const ENDS: [(&str, u64, u64); 21] = [
    ("connections_max", 1, CONNECTIONS_MAX as u64),
    // Requests that browsers send at a time must fit.
    ("strangers_max", 8, CONNECTIONS_MAX as u64),
    ("internal_max", 8, 1 << 16),
    ("user_connections_max", 0, CONNECTIONS_MAX as u64),
    ("address_connections_max", 0, CONNECTIONS_MAX as u64),
    ("user_connects_per_minute", 0, 1_000_000),
    ("address_connects_per_minute", 0, 1_000_000),
    ("subscriptions_max", 1, SUBSCRIPTIONS_MAX as u64),
    // An upgrade with its token must fit.
    ("head_bytes_max", 1024, 16 << 20),
    ("headers_max", 16, 10_000),
    // Readers go as deep by calling themselves.
    ("json_depth_max", 8, 256),
    ("record_bytes_max", 256, 1 << 30),
    ("ping_every_ms", 100, 60 * 60_000),
    ("history_bytes_max", 0, BYTES_MAX),
    ("memory_bytes_max", 0, BYTES_MAX),
    // A callback may be open for weeks.
    ("keep_ms", 1, 366 * MS_MAX),
    ("turn_deliveries_max", 64, 1 << 30),
    // What setsockopt takes.
    ("socket_send_bytes", 2048, 1 << 30),
    ("drain_delay_ms", 0, MS_MAX),
    ("drain_spread_ms", 0, MS_MAX),
    ("gap_spread_ms", 0, MS_MAX),
];
/// The most of a limit in bytes, of a wait (a day), and of a number of anything.
const BYTES_MAX: u64 = 1 << 40;
const MS_MAX: u64 = 24 * 60 * 60_000;
const COUNT_MAX: u64 = 1 << 32;

/// Returns the least and the most that an operator may set a limit to.
fn ends(name: &str) -> (u64, u64) {
    if let Some((_, least, most)) = ENDS.iter().find(|(other, ..)| *other == name) {
        return (*least, *most);
    }
    let most = match name {
        name if name.ends_with("_ms") => MS_MAX,
        name if name.contains("bytes") => BYTES_MAX,
        _ => COUNT_MAX,
    };
    (1, most)
}

/// Says in the schema of the limits where each of them ends: what is typed is held to it.
fn add_ends(schema: &mut schemars::Schema) {
    let limits = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut);
    for (name, limit) in limits.into_iter().flatten() {
        let (least, most) = ends(name);
        limit["minimum"] = least.into();
        limit["maximum"] = most.into();
    }
}

/// The most that `server.threads` may be: more than there are cores make nothing faster.
pub const THREADS_MAX: u16 = 256;
/// The most that `connections_max` may be: what counts and numbers connections relies on it.
pub const CONNECTIONS_MAX: usize = 1 << 24;
/// The most that `subscriptions_max` may be, for the same reason.
pub const SUBSCRIPTIONS_MAX: usize = 1 << 20;
/// Items that one Subscribe or Unsubscribe takes at least, however few a connection may have.
const CALL_ITEMS_MIN: usize = 1_000;
/// Topics of which the newest position is known, over all shards, beyond those whose publications
/// are kept: whoever has seen that one is told that nothing was missed.
pub const HEADS_MAX: usize = 100_000;
/// Bytes of one file of a journal; the next one follows.
pub const JOURNAL_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// A journal that could not be written is begun again after this long, at first.
pub const JOURNAL_RETRY_MS: u64 = 1_000;
/// Tries that go on failing are this far apart at the most.
pub const JOURNAL_RETRY_MS_MAX: u64 = 60_000;
/// A command that reads waits so long for entries.
pub const BACKPLANE_BLOCK_MS: u64 = 1_000;
/// An engine that has not answered after this long, and where it waits after that in addition, is
/// asked anew on another connection.
pub const BACKPLANE_COMMAND_MS: u64 = 500;
/// Entries that one command reads of each partition.
pub const BACKPLANE_READ_ENTRIES: usize = 512;
/// Last values that one command reads or keeps, more or less.
pub const BACKPLANE_SCAN_VALUES: usize = 512;
/// Entries that one command appends to a partition, and their bytes.
pub const BACKPLANE_BATCH_ENTRIES: usize = 256;
/// Bytes of those, unless a single one has more.
pub const BACKPLANE_BATCH_BYTES: usize = 256 * 1024;
/// Runs of processes whose numbers are known in a partition; whoever has been silent for longest is
/// forgotten beyond.
pub const BACKPLANE_MARKS_MAX: usize = 4_096;
/// Whoever wrote so shortly before an engine has lost something may have lost something with it.
pub const BACKPLANE_RECENT_MS: u64 = 60_000;
/// By so long after it, all have appended again what is missing.
pub const BACKPLANE_SETTLE_MS: u64 = 10_000;
/// What was appended is read within this time, or the two connections lead to two servers.
pub const BACKPLANE_OWN_MS: u64 = 3_000;
/// Others that have been heard are heard again within this time, or so it may be.
pub const BACKPLANE_SILENCE_MS: u64 = 30_000;
/// An engine that does not answer is tried again after this long at most, at first.
pub const BACKPLANE_RETRY_MS: u64 = 100;
/// And later: publishers wait so long for it once it answers again, or another server does.
pub const BACKPLANE_RETRY_MS_MAX: u64 = 250;
/// Bytes of a key set at an address.
pub const KEY_SET_BYTES_MAX: u64 = 1024 * 1024;
/// How long the fetch of a key set may take, from the name to the last byte.
pub const KEY_SET_MS: u64 = 10_000;
/// A key set is fetched again after this long, so that a key that its issuer withdrew is not taken
/// for longer.
pub const KEY_SET_EVERY_MS: u64 = 15 * 60_000;
/// A token with a key that nobody has lets a set be fetched at most this often; so does a fetch
/// that failed, at first.
pub const KEY_SET_AGAIN_MS: u64 = 30_000;
/// Fetches that go on failing are this far apart at the most.
pub const KEY_SET_RETRY_MS_MAX: u64 = 5 * 60_000;
/// How long a connection waits for an answer of other shards before it is given up. They answer
/// within a turn; this is for the one that is stuck.
pub const ASK_MS: u64 = 30_000;
/// Buckets of a table of rates, in each of its two rows: it has 128 KiB, however many come.
pub const RATE_SLOTS: usize = 8 * 1024;
/// Bad tokens of public keys that are verified in a second: a hundredth of a core.
pub const BAD_TOKENS_PER_S: u64 = 200;
/// And beyond that, of one address in a minute (429 beyond).
pub const ADDRESS_BAD_TOKENS_PER_MINUTE: u64 = 60;
/// Kernel send buffer asked for the socket of a stranger (SO_SNDBUF), unless `socket_send_bytes` is
/// less: so much of a page, and as much again for Linux, waits there when it does not read.
pub const STRANGER_SEND_BYTES: usize = 16 * 1024;
/// That strangers make room is warned of this often at the most, since strangers are the cause.
pub const STRANGERS_WARN_MS: u64 = 10 * 60_000;
/// Bytes that are read of a connection that ends, looking for its Close or its end; what it sends
/// beyond stays in the kernel.
pub const ENDING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a drain waits for the first request of a connection that has just been accepted.
pub const DRAIN_FIRST_MS: u64 = 1_000;
/// Bytes of a TLS handshake from a client, which shows no certificate.
pub const TLS_HANDSHAKE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a connection that are encrypted and wait for its socket.
pub const TLS_SEND_BYTES_MAX: usize = 32 * 1024;
/// Publish requests of one connection that may wait for other shards at a time; the next one waits
/// in the kernel.
pub const PIPELINE_MAX: usize = 64;
/// Items of a publish request, from the first, whose unknown names are told with the nearest known
/// one: it is searched for among all.
pub const SUGGEST_ITEMS_MAX: usize = 20;
/// Errors of such an item, from the first, that may have one.
pub const SUGGESTIONS_MAX: usize = 8;
/// An item of a publish request has no more bytes than so many of the largest data (item rule
/// `too-large` beyond; 413 where it stands in an array): it is read in one piece, and its data may
/// be in base64 or be written with escapes.
const ITEM_DATA: usize = 4;
/// A body with a client's messages, as long polling and Server-Sent Events have them, has no more
/// bytes than so many of the largest (413 beyond): one that subscribes to all that may be
/// subscribed, and another.
pub const POSTED_RECORDS: usize = 2;
/// Bytes of a gzip body that may give nothing, one behind the other: blocks and members that are
/// empty take far longer than their bytes do, and who packs what there is to say writes none.
pub const GZIP_BARREN_BYTES_MAX: usize = 1024;
/// What is packed may be larger than what it holds by the so manieth part of that: a byte has nine
/// bits at worst with the fixed codes, and a few more for a while with others.
pub const GZIP_EXCESS_DIVISOR: usize = 4;
/// Bytes of the answers to `Catalogue` that a thread keeps: they are made once for each principal,
/// and the oldest goes first.
pub const DESCRIPTIONS_BYTES_MAX: usize = 1024 * 1024;
/// How long the process waits at its end until the log is written: with `drain_ms` it is gone
/// within ten seconds.
pub const LOG_END_MS: u64 = 400;
/// Bytes of a name that a peer has made up which are repeated in answers, errors and the log.
pub const ECHO_BYTES_MAX: usize = 128;
/// Origins that are refused and warned of in the life of the process: a stranger makes up as many
/// as it likes.
pub const ORIGINS_TOLD_MAX: u8 = 4;
/// Bytes of a claim by which tokens are revoked.
pub const REVOKED_BYTES_MAX: usize = 256;
/// Bytes of a ticket as it stands in a URL: who has more grants than fit gets none.
pub const TICKET_BYTES_MAX: usize = 4 * 1024;
/// Bytes of the header of a token (its first part) as it is written: what a hub reads of it has a
/// fraction of that, and it is read before anything is proven.
pub const TOKEN_HEADER_BYTES_MAX: usize = 4 * 1024;
/// Parameters of a query string: what a hub reads of it are a handful.
pub const QUERY_PARAMETERS_MAX: usize = 64;
/// Bytes of a query string that are encoded, `%41` or `+`: tokens and what else a hub reads of it
/// need none.
pub const QUERY_ENCODED_MAX: usize = 1024;
/// Elements of the lists in those headers of a request that are for this hop, such as `Connection`;
/// and of the tags that a client has of a document, from the first, that are looked at.
pub const LIST_ELEMENTS_MAX: usize = 64;
/// Bytes of line ends before a request line; RFC 9112 wants one empty line to be passed over.
pub const LINE_ENDS_MAX: usize = 16;
/// Bytes of a path below a folder of documents, as they are written; names there have a tenth.
pub const DOCUMENT_NAME_BYTES_MAX: usize = 1024;
/// Hops of trusted proxies, from the last one, that are looked at for the address of a client.
pub const PROXY_HOPS_MAX: usize = 32;
/// Bytes that are read first of a client that has something new, before all that have waited: an
/// ordinary message or request has fewer.
pub const FRESH_READ_BYTES: usize = 16 * 1024;
/// Bytes that are read at once of a stranger, who may send more than one request and read no
/// answer. Two reads have more than the largest head by default, so that a page whose head is too
/// large can be told so: its `Origin` is among them.
pub const STRANGER_READ_BYTES: usize = 24 * 1024;
/// Bytes of a header of the PROXY protocol.
pub const PROXY_BYTES_MAX: usize = 2 * 1024;
/// Bytes of a WebSocket control frame's payload (RFC 6455 section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Bytes of an unfinished request or message that are kept all the same where the process keeps
/// `memory_bytes_max`: as much as an ordinary one has that came in two segments.
pub const SMALL_INPUT_BYTES: usize = 4 * 1024;
/// What an idle connection keeps, with its first subscriptions.
pub const CONNECTION_BYTES: usize = 1024;
/// What its TLS session keeps, where there is one.
pub const TLS_SESSION_BYTES: usize = 8 * 1024;
/// What a subscription keeps, to a topic that nobody else has.
pub const SUBSCRIPTION_BYTES: usize = 180;
/// What the newest position of a topic keeps.
const HEAD_BYTES: usize = 128;
/// What the id of an item keeps, where the tables that hold it have just grown.
pub const ID_BYTES: usize = 96;
/// What each publication of a block keeps beside its data, which is the row's, while it waits.
pub const LATE_PART_BYTES: usize = 16;
/// What a row keeps beside its data: its places in the table, its leg and its notes.
pub const KEPT_ROW_BYTES: usize = 512;
/// Bytes of an item of a Subscribe as clients write them, with the longest name of an event.
pub const ITEM_BYTES: usize = 128;
/// Bytes of the verdict over an ordinary item.
pub const VERDICT_BYTES: usize = 192;

/// What an idle link keeps, and its connection where it carries one.
pub fn link_bytes(has_tls: bool) -> usize {
    CONNECTION_BYTES + if has_tls { TLS_SESSION_BYTES } else { 0 }
}

impl Limits {
    /// What the process takes at the worst, with so many threads, by what takes it. What the kernel
    /// keeps is not in it, and `memory_bytes_max` may be less.
    pub fn memory_parts(&self, threads: usize, has_tls: bool) -> [(&'static str, u64); 9] {
        let thread = self.pinned_bytes_max
            + self.mailbox_bytes_max
            + 2 * self.body_bytes_max
            + self.read_budget_bytes
            + DESCRIPTIONS_BYTES_MAX;
        let [rows, history, ids] = self.past_parts();
        let links = [self.connections_max, self.strangers_max, self.internal_max].into_iter();
        let links = links.fold(0, usize::saturating_add);
        let input = self.head_bytes_max.max(self.record_bytes_max);
        let parts = [
            ("connections", links.saturating_mul(link_bytes(has_tls))),
            ("unfinished requests and messages", links.saturating_mul(input)),
            ("subscriptions", self.total_subscriptions_max.saturating_mul(SUBSCRIPTION_BYTES)),
            ("threads", threads.saturating_mul(thread)),
            ("backlogs", self.backlog_bytes_max),
            ("rows for snapshots", rows),
            ("history", history),
            ("ids of items", ids),
            ("log", 2 * self.log_bytes_max),
        ];
        parts.map(|(name, bytes)| (name, bytes as u64))
    }

    /// Items that one Subscribe or Unsubscribe takes. A connection can't have more subscriptions
    /// than `subscriptions_max`, but a client may name some of them twice, and whoever is told that
    /// there are too many shall hear which.
    pub(crate) fn call_items_max(&self) -> usize {
        self.subscriptions_max.saturating_mul(2).max(CALL_ITEMS_MIN)
    }

    /// Bytes of an item of a publish request, as it is written.
    pub(crate) fn item_bytes_max(&self) -> usize {
        self.event_bytes_max.saturating_mul(ITEM_DATA)
    }

    /// What of it is kept of the past: rows for snapshots, history, ids of items.
    pub(crate) fn past_bytes_max(&self) -> u64 {
        self.past_parts().into_iter().fold(0, |sum: u64, bytes| sum.saturating_add(bytes as u64))
    }

    fn past_parts(&self) -> [usize; 3] {
        [
            self.kept_bytes_max.saturating_add(self.kept_rows_max.saturating_mul(KEPT_ROW_BYTES)),
            self.history_bytes_max.saturating_add(HEADS_MAX * HEAD_BYTES),
            self.dedupe_max.saturating_mul(ID_BYTES),
        ]
    }

    /// Proves the relations that the code relies on; the error names both limits.
    pub fn check(&self) -> Result<(), String> {
        let ordered = [
            ("event_bytes_max", self.event_bytes_max, "outbox_soft_bytes", self.outbox_soft_bytes),
            ("outbox_soft_bytes", self.outbox_soft_bytes, "outbox_hard_bytes", self.outbox_hard_bytes),
            ("event_bytes_max", self.event_bytes_max, "body_bytes_max", self.body_bytes_max),
            ("outbox_hard_bytes", self.outbox_hard_bytes, "backlog_bytes_max", self.backlog_bytes_max),
        ];
        for (small, a, large, b) in ordered {
            if a >= b {
                return Err(format!("{small} ({a}) must be less than {large} ({b})"));
            }
        }
        if let Some((name, value)) = self.values().find(|(name, value)| *value > ends(name).1) {
            return Err(format!("{name} ({value}) must be at most {}", ends(name).1));
        }
        if self.ping_every_ms >= self.client_timeout_ms {
            return Err(format!(
                "ping_every_ms ({}) must be less than client_timeout_ms ({})",
                self.ping_every_ms, self.client_timeout_ms
            ));
        }
        // Its connection is not read meanwhile.
        for (name, most_ms) in [("client_timeout_ms", self.client_timeout_ms), ("its answer's time", ASK_MS)] {
            if self.since_wait_ms >= most_ms {
                return Err(format!("since_wait_ms ({}) must be less than {name} ({most_ms})", self.since_wait_ms));
            }
        }
        if self.drain_spread_ms >= self.drain_ms {
            return Err(format!(
                "drain_spread_ms ({}) must be less than drain_ms ({})",
                self.drain_spread_ms, self.drain_ms
            ));
        }
        Ok(())
    }

    /// Returns, in a sentence each, which limits go together and do not serve: some client will run
    /// into one of them for ever.
    pub fn misfits(&self) -> Vec<String> {
        let Limits { subscriptions_max, record_bytes_max, outbox_hard_bytes, .. } = self;
        let Limits { ping_every_ms, client_timeout_ms, drain_spread_ms, close_ms, drain_ms, .. } = self;
        let mut misfits = Vec::new();
        let question = subscriptions_max.saturating_mul(ITEM_BYTES);
        if question > *record_bytes_max {
            misfits.push(format!(
                "a Subscribe of limits.subscriptions_max ({subscriptions_max}) items has up to {question} bytes and does not \
                 fit into limits.record_bytes_max ({record_bytes_max}): raise that, or tell clients to send portions"
            ));
        }
        let answer = subscriptions_max.saturating_mul(VERDICT_BYTES);
        if answer > *outbox_hard_bytes {
            misfits.push(format!(
                "the list of limits.subscriptions_max ({subscriptions_max}) subscriptions has up to {answer} bytes, more than \
                 limits.outbox_hard_bytes ({outbox_hard_bytes}): who asks for it and is slow is given up"
            ));
        }
        if ping_every_ms.saturating_mul(2) > *client_timeout_ms {
            misfits.push(format!(
                "limits.client_timeout_ms ({client_timeout_ms}) is less than twice limits.ping_every_ms ({ping_every_ms}): \
                 JavaScript clients ping only when they hear the hub, and one late ping ends them"
            ));
        }
        if drain_spread_ms.saturating_add(*close_ms) > *drain_ms {
            misfits.push(format!(
                "limits.drain_ms ({drain_ms}) is less than limits.drain_spread_ms ({drain_spread_ms}) and limits.close_ms \
                 ({close_ms}) together: the last connections of a drain are cut"
            ));
        }
        misfits
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}

const _: () = {
    let l = Limits::DEFAULT;
    assert!(l.event_bytes_max < l.outbox_soft_bytes && l.outbox_soft_bytes < l.outbox_hard_bytes);
    assert!(l.event_bytes_max < l.body_bytes_max && l.record_bytes_max < l.outbox_soft_bytes);
    assert!(l.ping_every_ms < l.client_timeout_ms && l.drain_spread_ms < l.drain_ms && l.close_ms < l.drain_ms);
    assert!(l.subscriptions_max * ITEM_BYTES <= l.record_bytes_max);
    // A seventh of all may come back at once, and both fit into the descriptors that are usual.
    assert!(7 * l.strangers_max >= l.connections_max && l.connections_max + l.strangers_max < 65_536);
    assert!(DRAIN_FIRST_MS < l.head_ms && DRAIN_FIRST_MS < l.drain_ms);
    assert!(l.body_bytes_max < l.backplane_queue_bytes_max);
    assert!(CONTROL_BYTES_MAX < l.record_bytes_max && l.outbox_hard_bytes < l.backlog_bytes_max);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_do_not_go_together_are_refused_by_name() {
        let refused = |limits: Limits| limits.check().unwrap_err();
        let most = |connections_max| Limits { connections_max, ..Limits::DEFAULT };
        assert_eq!(most(CONNECTIONS_MAX).check(), Ok(()));
        assert_eq!(refused(most(CONNECTIONS_MAX + 1)), "connections_max (16777217) must be at most 16777216");
        let subscriptions_max = SUBSCRIPTIONS_MAX + 1;
        let limits = Limits { subscriptions_max, ..Limits::DEFAULT };
        assert_eq!(refused(limits), "subscriptions_max (1048577) must be at most 1048576");
        let limits = Limits { ping_every_ms: 30_000, ..Limits::DEFAULT };
        assert_eq!(refused(limits), "ping_every_ms (30000) must be less than client_timeout_ms (30000)");
        let limits = Limits { since_wait_ms: 30_000, ..Limits::DEFAULT };
        assert_eq!(refused(limits), "since_wait_ms (30000) must be less than client_timeout_ms (30000)");
    }

    #[test]
    fn every_limit_has_a_least_and_a_most_and_its_default_lies_between() {
        for (name, value) in Limits::DEFAULT.values() {
            let (least, most) = ends(name);
            assert!((least..=most).contains(&value) && most < u64::MAX >> 16, "{name}: {least} to {most}");
        }
        for (name, ..) in ENDS {
            assert!(Limits::DEFAULT.values().any(|(other, _)| other == name), "{name} is no limit");
        }
        let most: serde_json::Map<_, _> =
            Limits::DEFAULT.values().map(|(name, _)| (name.to_owned(), ends(name).1.into())).collect();
        let most: Limits = serde_json::from_value(most.into()).unwrap();
        let parts = most.memory_parts(usize::from(THREADS_MAX), true);
        assert!(parts.into_iter().all(|(_, bytes)| bytes > 1 << 30), "and no sum wraps: {parts:?}");
        assert!(!most.misfits().is_empty());
    }

    #[test]
    fn limits_that_some_client_runs_into_for_ever_are_told_by_name() {
        assert_eq!(Limits::DEFAULT.misfits(), Vec::<String>::new());
        let table: [(Limits, [&str; 2]); 4] = [
            (Limits { record_bytes_max: 32 * 1024, ..Limits::DEFAULT }, ["subscriptions_max (1000)", "(32768)"]),
            (
                Limits { outbox_hard_bytes: 128 * 1024, ..Limits::DEFAULT },
                ["192000 bytes", "outbox_hard_bytes (131072)"],
            ),
            (Limits { client_timeout_ms: 20_000, ..Limits::DEFAULT }, ["(20000)", "ping_every_ms (15000)"]),
            (Limits { drain_spread_ms: 9_000, ..Limits::DEFAULT }, ["drain_ms (9500)", "close_ms (5000)"]),
        ];
        for (limits, names) in table {
            let told = limits.misfits();
            assert!(told.len() == 1 && names.iter().all(|name| told[0].contains(name)), "{told:?}");
        }
    }
}
