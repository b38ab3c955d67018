//! Notable facts: a closed list, emitted by the core, printed by the shell, compared by tests. No
//! fact prints a token, a query string, or what an event says.

mod claimed;
mod front_fault;
mod level;

use crate::broken::broken;
use crate::close::{Blame, CloseReason};
pub use claimed::Claimed;
use core::net::IpAddr;
pub use front_fault::FrontFault;
pub use level::Level;
use std::borrow::Cow;
use std::fmt::{self, Write};
use uuid::Uuid;

/// One notable fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The hub takes connections.
    Listening {
        /// The address, with the port in force.
        address: String,
        /// The same of the listener for the inside.
        internal: Option<String>,
        /// The hub's path.
        path: String,
        /// Shards.
        shards: usize,
        /// Events in the catalogue.
        events: usize,
        /// From start to here.
        startup_ms: u64,
    },
    /// No connection can be accepted; tried again by timer.
    AcceptFailed {
        /// The system's words.
        error: String,
    },
    /// A stranger had to make room for another; noted once in a while.
    StrangersCrowd {
        /// How many the shard has.
        strangers: usize,
    },
    /// The poll of a shard failed; the process ends.
    PollFailed {
        /// The system's words.
        error: String,
    },
    /// The files on disk are in force.
    Reloaded {
        /// Events in it.
        events: usize,
        /// Events that came.
        added: usize,
        /// Keys to verify tokens with.
        keys: usize,
        /// Those that came.
        new_keys: usize,
        /// Those that went.
        gone_keys: usize,
        /// The keys of the configuration that changed, separated by commas.
        changed: String,
        /// Those of `[journal.redis]` by which passwords and certificates were read anew, which
        /// hold from the next connection on; separated by commas.
        redis_files: String,
    },
    /// A key set has been fetched, and has other keys than before.
    KeysFetched {
        /// Where it is.
        url: String,
        /// Keys to verify tokens with, all in all.
        keys: usize,
        /// Those that came.
        new: usize,
        /// Those that went.
        gone: usize,
    },
    /// A key set can't be fetched, or is none; the present keys stay.
    KeysNotFetched {
        /// Where it is.
        url: String,
        /// What is wrong.
        why: String,
        /// When it is tried again.
        retry_s: u64,
    },
    /// A key of a fetched set can't be used.
    KeyPassedOver {
        /// Where the set is.
        url: String,
        /// Which key, and what is wrong with it.
        why: String,
    },
    /// The files on disk can't take the place of what is in force.
    ReloadRefused {
        /// What is wrong, and where.
        why: String,
    },
    /// A drain is to come; `/readyz` tells it.
    DrainAnnounced {
        /// How long until then.
        delay_ms: u64,
    },
    /// The drain begins.
    Draining {
        /// Connections to close.
        connections: usize,
    },
    /// The drain is over.
    Drained {
        /// Connections that had to be cut.
        left: usize,
        /// How long it took.
        took_ms: u64,
    },
    /// What was kept on disk is back.
    JournalRestored {
        /// Publications that still hold.
        rows: usize,
        /// Recent publications.
        publications: usize,
        /// Publications of events that are no more, or that do not fit their schema any more.
        lost: usize,
        /// Bytes that the end of the former process has cut short.
        torn_bytes: u64,
        /// Whether positions of before are still good.
        is_continuous: bool,
        /// How long it took.
        took_ms: u64,
    },
    /// The folder of the journal is another process'; it is waited for.
    JournalAwaited {
        /// The folder.
        folder: String,
        /// How long, at the most.
        within_ms: u64,
    },
    /// Nothing more can be written; publications are kept in memory from now on.
    JournalLost {
        /// Why.
        why: String,
        /// The time of continuity that has begun.
        epoch: String,
    },
    /// Publications are written again.
    JournalResumed {
        /// The first file.
        file: String,
    },
    /// All that the nodes have in common has been taken over.
    BackplaneReady,
    /// The engine may lose what it has taken.
    BackplaneUnsafe {
        /// Which server.
        server: String,
        /// What is so.
        what: &'static str,
        /// Who must do what.
        action: &'static str,
    },
    /// A lane to the engine is away.
    BackplaneAway {
        /// Which.
        lane: &'static str,
        /// What happened.
        error: String,
        /// Which server was asked, where it was one alone.
        server: Option<String>,
        /// By which words the engine has told of it.
        words: Option<String>,
        /// Who must do what.
        action: &'static str,
    },
    /// It is there, or there again.
    BackplaneBack {
        /// Which.
        lane: &'static str,
        /// How long it was not.
        away_ms: u64,
    },
    /// The engine had lost something that it had taken, and has again what could be repaired.
    BackplaneRepaired {
        /// Publications that this node has appended again.
        repaired: u64,
        /// Those that it had no more.
        lost: u64,
    },
    /// Entries of the log are missing, and nobody has them any more.
    BackplaneGap {
        /// In which partitions.
        partitions: String,
        /// Why.
        reason: &'static str,
        /// How many, as far as it is known.
        missed: u64,
        /// Who must do what.
        action: &'static str,
    },
    /// Something of the configuration cannot hold on this machine, or is not meant.
    Warning {
        /// Its stable name.
        name: &'static str,
        /// What is so, what follows, and what to do.
        why: String,
    },
    /// Nobody has read the log, and lines had to be dropped here.
    LogDropped {
        /// How many.
        lines: u64,
    },
    /// A thread has panicked, and the process is about to end.
    Panicked {
        /// File and line.
        place: String,
        /// What it said.
        message: String,
    },
    /// A claim that the configuration names was in none of the first good tokens.
    ClaimAbsent {
        /// The key that names it, below `auth.claims`.
        key: &'static str,
        /// Its name.
        name: String,
        /// How many tokens.
        tokens: u32,
    },
    /// Something in front of the hub does not what it should; noted once for each fault.
    FrontFault {
        /// What.
        fault: FrontFault,
        /// The other end of the socket.
        peer: IpAddr,
    },
    /// A page of an origin that is not allowed was refused.
    OriginRefused {
        /// As much of the origin as is repeated.
        origin: String,
        /// The other end of the socket.
        peer: IpAddr,
    },
    /// A connection came.
    Opened {
        /// Its number.
        conn: u64,
        /// The peer, as the socket says.
        peer: IpAddr,
    },
    /// A request was answered with an error.
    Refused {
        /// Its connection.
        conn: u64,
        /// The client, behind trusted proxies.
        client: IpAddr,
        /// The status.
        status: u16,
        /// Why.
        why: &'static str,
    },
    /// A client's token is good.
    Authenticated {
        /// Its connection.
        conn: u64,
        /// The client, behind trusted proxies.
        client: IpAddr,
        /// Whose it is.
        claimed: Claimed,
        /// Grants in it.
        grants: usize,
        /// Entries among them that are none.
        foreign: usize,
    },
    /// A token is none, or not good for this.
    TokenRefused {
        /// Its connection.
        conn: u64,
        /// The client, behind trusted proxies.
        client: IpAddr,
        /// Whose it says that it is.
        claimed: Claimed,
        /// Why.
        why: &'static str,
    },
    /// A SignalR client is connected.
    Connected {
        /// Its connection.
        conn: u64,
        /// The client, behind trusted proxies.
        client: IpAddr,
    },
    /// Tokens are good no more before their time.
    Revoked {
        /// The claim that names them.
        claim: &'static str,
        /// What it is, as far as it is repeated.
        value: String,
        /// For how long that is kept.
        until_unix_s: u64,
    },
    /// A connection goes on with a fresh token.
    TokenRefreshed {
        /// Its number.
        conn: u64,
    },
    /// A connection goes on on another link.
    Resumed {
        /// Its number.
        conn: u64,
        /// That of the link.
        link: u64,
    },
    /// Bytes of a connection have been read, and are looked at next.
    Read {
        /// Its number.
        conn: u64,
        /// How many.
        bytes: usize,
    },
    /// Items of a Subscribe have become subscriptions; noted before the answer is queued.
    Subscribed {
        /// Its connection.
        conn: u64,
        /// Items asked for.
        items: usize,
        /// Items that are subscriptions now.
        subscribed: usize,
    },
    /// Another invocation than a Subscribe has been served or refused; its answer, if it asked for
    /// one, is the last thing queued.
    Invoked {
        /// Its connection.
        conn: u64,
    },
    /// An item of a Subscribe or an Unsubscribe was refused.
    ItemRefused {
        /// Its connection.
        conn: u64,
        /// What was asked for, as far as it was told.
        event: Option<Box<str>>,
        /// About whom.
        entity: Option<Box<str>>,
        /// Why.
        why: &'static str,
    },
    /// An invocation has reached no method.
    InvocationFailed {
        /// Its connection.
        conn: u64,
        /// The method that was named, cut short.
        method: Box<str>,
        /// Why; nothing of the arguments.
        why: Cow<'static, str>,
    },
    /// Items of a publish request were rejected.
    ItemsRejected {
        /// Its connection.
        conn: u64,
        /// The publisher, behind trusted proxies.
        client: IpAddr,
        /// How many.
        rejected: usize,
        /// The place of the first in its request.
        index: usize,
        /// The first rule that it breaks.
        rule: &'static str,
        /// The event that it names, cut short.
        event: Box<str>,
    },
    /// A shard has handed a publication to its members.
    Delivered {
        /// The shard.
        shard: usize,
        /// Its position, as it is told outside.
        position: Box<str>,
        /// Whose it is.
        organization: Uuid,
        /// The event's name.
        event: Box<str>,
        /// What it is about.
        entity: Uuid,
        /// Members on this shard.
        members: usize,
        /// The event's data: for simulations. It is never printed.
        data: Box<[u8]>,
    },
    /// A connection ended.
    Closed {
        /// Its number.
        conn: u64,
        /// Why.
        reason: CloseReason,
        /// What exactly the peer did, where it is to blame.
        detail: Option<&'static str>,
        /// How long it was there.
        age_s: u64,
        /// Bytes that waited for its socket when its end was decided.
        backlog_bytes: usize,
        /// Publications that were queued for it.
        delivered: u32,
    },
}

impl Fact {
    /// Returns how much it matters.
    pub(crate) fn level(&self) -> Level {
        match self {
            Fact::AcceptFailed { .. }
            | Fact::JournalLost { .. }
            | Fact::BackplaneGap { .. }
            | Fact::PollFailed { .. }
            | Fact::Panicked { .. }
            | Fact::ReloadRefused { .. } => Level::Error,
            Fact::Listening { .. }
            | Fact::Reloaded { .. }
            | Fact::KeysFetched { .. }
            | Fact::DrainAnnounced { .. }
            | Fact::BackplaneReady
            | Fact::BackplaneBack { .. }
            | Fact::Draining { .. }
            | Fact::JournalRestored { .. }
            | Fact::Revoked { .. }
            | Fact::Drained { .. } => Level::Info,
            Fact::JournalAwaited { .. }
            | Fact::JournalResumed { .. }
            | Fact::BackplaneAway { .. }
            | Fact::BackplaneUnsafe { .. }
            | Fact::BackplaneRepaired { .. }
            | Fact::ClaimAbsent { .. }
            | Fact::Warning { .. }
            | Fact::LogDropped { .. }
            | Fact::StrangersCrowd { .. }
            | Fact::KeysNotFetched { .. }
            | Fact::KeyPassedOver { .. }
            | Fact::FrontFault { .. }
            | Fact::OriginRefused { .. } => Level::Warn,
            Fact::Opened { .. }
            | Fact::Refused { .. }
            | Fact::Authenticated { .. }
            | Fact::TokenRefused { .. }
            | Fact::ItemRefused { .. }
            | Fact::InvocationFailed { .. }
            | Fact::TokenRefreshed { .. }
            | Fact::Resumed { .. }
            | Fact::ItemsRejected { .. }
            | Fact::Connected { .. } => Level::Debug,
            Fact::Read { .. } | Fact::Subscribed { .. } | Fact::Invoked { .. } | Fact::Delivered { .. } => Level::Trace,
            Fact::Closed { reason, .. } => match reason.blame() {
                Blame::Operator | Blame::Us => Level::Warn,
                Blame::Nobody | Blame::Peer => Level::Debug,
            },
        }
    }

    /// Returns its name, for machines.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Fact::Listening { .. } => "listening",
            Fact::AcceptFailed { .. } => "accept_failed",
            Fact::StrangersCrowd { .. } => "strangers_crowd",
            Fact::PollFailed { .. } => "poll_failed",
            Fact::Reloaded { .. } => "reloaded",
            Fact::ReloadRefused { .. } => "reload_refused",
            Fact::KeysFetched { .. } => "keys_fetched",
            Fact::KeysNotFetched { .. } => "keys_not_fetched",
            Fact::KeyPassedOver { .. } => "key_passed_over",
            Fact::DrainAnnounced { .. } => "drain_announced",
            Fact::Draining { .. } => "draining",
            Fact::Drained { .. } => "drained",
            Fact::JournalRestored { .. } => "journal_restored",
            Fact::JournalAwaited { .. } => "journal_awaited",
            Fact::JournalLost { .. } => "journal_lost",
            Fact::JournalResumed { .. } => "journal_resumed",
            Fact::BackplaneReady => "backplane_ready",
            Fact::BackplaneUnsafe { .. } => "backplane_unsafe",
            Fact::BackplaneAway { .. } => "backplane_away",
            Fact::BackplaneBack { .. } => "backplane_back",
            Fact::BackplaneRepaired { .. } => "backplane_repaired",
            Fact::BackplaneGap { .. } => "backplane_gap",
            Fact::Warning { .. } => "warning",
            Fact::LogDropped { .. } => "log_dropped",
            Fact::Panicked { .. } => "panicked",
            Fact::ClaimAbsent { .. } => "claim_absent",
            Fact::FrontFault { .. } => "front_fault",
            Fact::OriginRefused { .. } => "origin_refused",
            Fact::Opened { .. } => "opened",
            Fact::Refused { .. } => "refused",
            Fact::Authenticated { .. } => "authenticated",
            Fact::TokenRefused { .. } => "token_refused",
            Fact::ItemRefused { .. } => "item_refused",
            Fact::InvocationFailed { .. } => "invocation_failed",
            Fact::ItemsRejected { .. } => "items_rejected",
            Fact::Connected { .. } => "connected",
            Fact::TokenRefreshed { .. } => "token_refreshed",
            Fact::Resumed { .. } => "resumed",
            Fact::Revoked { .. } => "revoked",
            Fact::Read { .. } => "read",
            Fact::Subscribed { .. } => "subscribed",
            Fact::Invoked { .. } => "invoked",
            Fact::Delivered { .. } => "delivered",
            Fact::Closed { .. } => "closed",
        }
    }

    /// Its members, name and value in turn.
    fn fields(&self, mut field: impl FnMut(&'static str, &dyn fmt::Display)) {
        match self {
            Fact::Listening { address, internal, path, shards, events, startup_ms } => {
                field("address", address);
                if let Some(internal) = internal {
                    field("internal", internal);
                }
                field("path", path);
                field("shards", shards);
                field("events", events);
                field("startup_ms", startup_ms);
            }
            Fact::AcceptFailed { error } => {
                field("error", error);
                field(
                    "do",
                    &"raise the limit of open files (ulimit -n, LimitNOFILE=) or lower limits.connections_max and limits.strangers_max",
                );
            }
            Fact::StrangersCrowd { strangers } => {
                field("strangers", strangers);
                field(
                    "do",
                    &"find out who opens connections and shows no token (server.log_level = \"debug\"), or set server.internal",
                );
            }
            Fact::PollFailed { error } => field("error", error),
            Fact::Reloaded { events, added, keys, new_keys, gone_keys, changed, redis_files } => {
                field("events", events);
                field("added", added);
                field("keys", keys);
                field("new_keys", new_keys);
                field("gone_keys", gone_keys);
                if !changed.is_empty() {
                    field("changed", changed);
                }
                if !redis_files.is_empty() {
                    field("redis_files", redis_files);
                }
            }
            Fact::KeysFetched { url, keys, new, gone } => {
                field("url", url);
                field("keys", keys);
                field("new", new);
                field("gone", gone);
            }
            Fact::KeysNotFetched { url, why, retry_s } => {
                field("url", url);
                field("why", why);
                field("retry_s", retry_s);
            }
            Fact::KeyPassedOver { url, why } => {
                field("url", url);
                field("why", why);
            }
            Fact::ReloadRefused { why } => field("why", why),
            Fact::DrainAnnounced { delay_ms } => field("delay_ms", delay_ms),
            Fact::Draining { connections } => field("connections", connections),
            Fact::Drained { left, took_ms } => {
                field("left", left);
                field("took_ms", took_ms);
            }
            Fact::JournalRestored { rows, publications, lost, torn_bytes, is_continuous, took_ms } => {
                field("rows", rows);
                field("publications", publications);
                field("lost", lost);
                field("torn_bytes", torn_bytes);
                field("continuous", is_continuous);
                field("took_ms", took_ms);
            }
            Fact::JournalAwaited { folder, within_ms } => {
                field("folder", folder);
                field("within_ms", within_ms);
                field(
                    "do",
                    &"nothing, where the hub that has it is about to end; else give each hub its own journal.dir",
                );
            }
            Fact::JournalLost { why, epoch } => {
                field("why", why);
                field("epoch", epoch);
                field("do", &"look at the disk of journal.dir; the hub tries again by itself");
            }
            Fact::JournalResumed { file } => field("file", file),
            Fact::BackplaneReady => {}
            Fact::BackplaneUnsafe { server, what, action } => {
                field("server", server);
                field("what", what);
                field("do", action);
            }
            Fact::BackplaneAway { lane, error, server, words, action } => {
                field("lane", lane);
                field("error", error);
                server.iter().for_each(|server| field("server", server));
                words.iter().for_each(|words| field("said", words));
                field("do", action);
            }
            Fact::BackplaneBack { lane, away_ms } => {
                field("lane", lane);
                field("away_ms", away_ms);
            }
            Fact::BackplaneRepaired { repaired, lost } => {
                field("repaired", repaired);
                field("lost", lost);
                field("do", &"find out why Redis has lost what it had taken, and keep what it has: appendonly yes");
            }
            Fact::BackplaneGap { partitions, reason, missed, action } => {
                field("partitions", partitions);
                field("reason", reason);
                field("missed", missed);
                field("do", action);
            }
            Fact::Warning { name, why } => {
                field("name", name);
                field("why", why);
            }
            Fact::LogDropped { lines } => {
                field("lines", lines);
                field("do", &"read standard error faster, or log less");
            }
            Fact::Panicked { place, message } => {
                field("place", place);
                field("message", message);
            }
            Fact::ClaimAbsent { key, name, tokens } => {
                field("key", &format_args!("auth.claims.{key}"));
                field("claim", name);
                field("tokens", tokens);
                field("do", &"name the claim that the issuer writes; `rte token --inspect` shows what a token has");
            }
            Fact::FrontFault { fault, peer } => {
                field("what", &fault.sentence());
                field("peer", peer);
                field("do", &fault.advice());
            }
            Fact::OriginRefused { origin, peer } => {
                field("origin", origin);
                field("peer", peer);
                field("do", &"list it in cors.origins, if its pages may use this hub");
            }
            Fact::Opened { conn, peer } => {
                field("conn", conn);
                field("peer", peer);
            }
            Fact::Refused { conn, client, status, why } => {
                field("conn", conn);
                field("client", client);
                field("status", status);
                field("why", why);
            }
            Fact::Authenticated { conn, client, claimed, grants, foreign } => {
                field("conn", conn);
                field("client", client);
                claimed.fields(&mut field);
                field("grants", grants);
                field("foreign", foreign);
            }
            Fact::TokenRefused { conn, client, claimed, why } => {
                field("conn", conn);
                field("client", client);
                claimed.fields(&mut field);
                field("why", why);
            }
            Fact::ItemRefused { conn, event, entity, why } => {
                field("conn", conn);
                field("event", &event.as_deref().unwrap_or_default());
                field("entity", &entity.as_deref().unwrap_or_default());
                field("why", why);
            }
            Fact::InvocationFailed { conn, method, why } => {
                field("conn", conn);
                field("method", method);
                field("why", why);
            }
            Fact::ItemsRejected { conn, client, rejected, index, rule, event } => {
                field("conn", conn);
                field("client", client);
                field("rejected", rejected);
                field("index", index);
                field("rule", rule);
                field("event", event);
            }
            Fact::Connected { conn, client } => {
                field("conn", conn);
                field("client", client);
            }
            Fact::Read { conn, bytes } => {
                field("conn", conn);
                field("bytes", bytes);
            }
            Fact::Subscribed { conn, items, subscribed } => {
                field("conn", conn);
                field("items", items);
                field("subscribed", subscribed);
            }
            Fact::Invoked { conn } | Fact::TokenRefreshed { conn } => field("conn", conn),
            Fact::Resumed { conn, link } => {
                field("conn", conn);
                field("link", link);
            }
            Fact::Revoked { claim, value, until_unix_s } => {
                field("claim", claim);
                field("value", value);
                field("until", until_unix_s);
            }
            Fact::Delivered { shard, position, organization, event, entity, members, data: _ } => {
                field("shard", shard);
                field("position", position);
                field("organization", organization);
                field("event", event);
                field("entity", entity);
                field("members", members);
            }
            Fact::Closed { conn, reason, detail, age_s, backlog_bytes, delivered } => {
                field("conn", conn);
                field("reason", &reason.label());
                field("age_s", age_s);
                field("backlog_bytes", backlog_bytes);
                field("delivered", delivered);
                field("sentence", &reason.sentence());
                if let Some(detail) = detail {
                    field("detail", detail);
                }
            }
        }
    }

    /// Returns one line for people: `info listening address=127.0.0.1:8080 …`.
    pub fn human(&self) -> String {
        let mut line = format!("{} {}", self.level().name(), self.name());
        self.fields(|name, value| {
            let value = value.to_string();
            let written = if value.contains(|c: char| c.is_whitespace() || c == '"' || c.is_control()) {
                write!(line, " {name}={value:?}")
            } else {
                write!(line, " {name}={value}")
            };
            if written.is_err() {
                broken("a String takes every text");
            }
        });
        line
    }

    /// Returns one line for machines: a JSON object, with the time in milliseconds since the Unix
    /// epoch.
    pub(crate) fn json(&self, unix_ms: u64) -> String {
        let mut object = serde_json::Map::new();
        object.insert("ts".into(), unix_ms.into());
        object.insert("level".into(), self.level().name().into());
        object.insert("fact".into(), self.name().into());
        self.fields(|name, value| {
            let text = value.to_string();
            let value = text.parse::<u64>().map_or_else(|_| text.into(), serde_json::Value::from);
            object.insert(name.into(), value);
        });
        serde_json::Value::Object(object).to_string()
    }
}

/// Facts of a turn, as far as the level asks for them.
#[derive(Debug, Default)]
pub struct Trace {
    level: Level,
    facts: Vec<Fact>,
}

impl Trace {
    /// Keeps facts down to that level.
    pub fn new(level: Level) -> Trace {
        Trace { level, facts: Vec::new() }
    }

    /// Notes a fact, which is only made where somebody will read it.
    pub(crate) fn note(&mut self, level: Level, fact: impl FnOnce() -> Fact) {
        if level <= self.level {
            self.facts.push(fact());
        }
    }

    /// Returns the facts noted since the last call.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Fact> {
        self.facts.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_one_line_whatever_its_values_hold() {
        let fact = Fact::AcceptFailed { error: "too many\nopen files".into() };
        assert_eq!(fact.human().lines().count(), 1);
        assert!(fact.human().starts_with(r#"error accept_failed error="too many\nopen files" do="raise"#));
        let json: serde_json::Value = serde_json::from_str(&fact.json(7)).unwrap();
        assert_eq!((json["ts"].as_u64(), json["error"].as_str()), (Some(7), Some("too many\nopen files")));
    }

    #[test]
    fn what_a_stranger_can_cause_is_not_noted_by_default() {
        let mut trace = Trace::default();
        let peer = IpAddr::from([127, 0, 0, 1]);
        trace.note(Level::Debug, || Fact::Opened { conn: 1, peer });
        assert_eq!(trace.drain().count(), 0);
        for reason in CloseReason::ALL {
            let fact = Fact::Closed { conn: 1, reason, detail: None, age_s: 0, backlog_bytes: 0, delivered: 0 };
            let is_ours = matches!(reason.blame(), Blame::Operator | Blame::Us);
            assert_eq!(fact.level() < Level::Debug, is_ours, "{reason:?}");
        }
    }
}
