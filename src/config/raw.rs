//! `rte.toml` as typed. These docs, names and defaults are the reference: the JSON Schema, the
//! table in the manual and the errors are all made from them.

use crate::auth::token::{ClaimNames, OneOrMany, Tenancy};
use crate::conn;
use crate::limits::{Limits, THREADS_MAX};
use crate::proto::signalr::transport::Transport;
use crate::schema::WireCase;
use crate::schema::validate::Mode;
use crate::shell::log::Format;
use crate::trace::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

/// The configuration of `rte`, by default in `rte.toml`. Everything but a key has a default.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "rte.toml")]
pub(super) struct Raw {
    /// How the hub is reached and what it says about itself.
    pub(super) server: Server,
    /// Who may do what.
    pub(super) auth: Auth,
    /// Which web pages may use the hub.
    pub(super) cors: Cors,
    /// Pages to look at.
    pub(super) pages: Pages,
    /// How publications are taken.
    pub(super) publish: Publish,
    /// What is kept of publications beyond the process.
    pub(super) journal: JournalKeys,
    /// Derived events by name; `false` switches one off, such as `UserCallbackChanged = false`.
    pub(super) derive: BTreeMap<String, bool>,
    /// How events look.
    pub(super) catalogue: Catalogue,
    /// Bounds; every wait is in milliseconds.
    pub(super) limits: Limits,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    /// Address and port to listen at. Without TLS of its own the hub is behind a proxy, so the
    /// default is for this machine only.
    pub(super) listen: String,
    /// Address and port of a second listener, for back ends and operators: `/publish`, `/metrics`
    /// and the documents are there only, and the public one has the hub alone. It has room of its
    /// own, so that it is reached when the public side is full. It speaks TLS where that does,
    /// unless it is on a loopback address. By default one listener has everything.
    pub(super) internal: Option<String>,
    /// Serves the documents at the public listener, too, where there are two.
    pub(super) public_documents: bool,
    /// A file with the certificate of this server and those of its issuers, in PEM: the hub speaks
    /// TLS (https, wss), and nothing else. Read again at SIGHUP.
    pub(super) tls_certificate: Option<String>,
    /// The file with the private key of that certificate, in PEM.
    pub(super) tls_key: Option<String>,
    /// Path of the hub; clients negotiate below it.
    pub(super) path: String,
    /// The URL of this very hub, `https://node-1.example.com/rte`, behind a balancer that spreads
    /// clients over several: who negotiates by another name is sent there first, and needs no
    /// sticky balancer for event streams and long polling.
    pub(super) public_url: Option<String>,
    /// How clients may be served, where each has a last resort: `WebSockets`, then
    /// `ServerSentEvents`, then `LongPolling`. They are offered in that order.
    pub(super) transports: Vec<Transport>,
    /// Lets a client that asks for it (`withStatefulReconnect()`) go on with its connection on
    /// another WebSocket, within `limits.disconnect_ms` after the loss of one: nothing is lost, and
    /// its page does not notice.
    pub(super) stateful_reconnect: bool,
    /// Threads, each with its own share of the connections. By default one per core, at most 8.
    #[schemars(range(max = THREADS_MAX))]
    pub(super) threads: Option<NonZeroU16>,
    /// A file with a secret of at least 32 bytes that negotiated connection ids are signed with,
    /// the same on all hubs behind a balancer. By default it is derived from the first secret in
    /// `[auth]`; without one, only the hub that has negotiated an id takes it, or all that share a
    /// Redis.
    pub(super) id_secret_file: Option<String>,
    /// Reverse proxies, as addresses or networks (`10.0.0.0/8`), whose `Forwarded` or
    /// `X-Forwarded-For` names the client. A header of the PROXY protocol (1 or 2) is taken from
    /// them, too.
    pub(super) trusted_proxies: Vec<String>,
    /// Form of the log lines on standard error.
    pub(super) log: Format,
    /// What is logged at the least.
    pub(super) log_level: Level,
    /// Tells clients the cause of an internal error (SignalR: EnableDetailedErrors). Not for
    /// production.
    pub(super) detailed_errors: bool,
    /// Sends what holds of a state event behind every Subscribe. By default only items with
    /// `Snapshot: true` get it; open calls are told to those alone.
    pub(super) snapshots: bool,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: "127.0.0.1:8080".to_owned(),
            internal: None,
            public_documents: false,
            tls_certificate: None,
            tls_key: None,
            path: "/rte".to_owned(),
            public_url: None,
            transports: Transport::ALL.to_vec(),
            stateful_reconnect: true,
            threads: None,
            id_secret_file: None,
            trusted_proxies: Vec::new(),
            log: Format::default(),
            log_level: Level::default(),
            detailed_errors: false,
            snapshots: false,
        }
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Auth {
    /// A secret of at least 32 bytes that tokens are signed with (HS256): short for a lone
    /// `[[auth.keys]]` without id.
    #[serde(skip_serializing)]
    pub(super) secret: Option<Secret>,
    /// A file that holds such a secret; a line end at its end does not count.
    pub(super) secret_file: Option<String>,
    /// A file with the public key of the issuer in PEM: RSA (RS256), P-256 (ES256), P-384 (ES384)
    /// or Ed25519 (EdDSA).
    pub(super) pem_file: Option<String>,
    /// A file with the JWK set of the issuer.
    pub(super) jwks_file: Option<String>,
    /// The address of the JWK set of the issuer: `https`, or `http` on this machine. It is fetched
    /// at the start, every 15 minutes, and where a token names a key that nobody has, at most every
    /// 30 seconds.
    pub(super) jwks_url: Option<String>,
    /// What that key is for: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256,
    /// ES384 or EdDSA. By default the one that stands in parentheses; in a JWK set it is for keys
    /// that don't say it themselves.
    pub(super) algorithm: Option<String>,
    /// Several keys; a token chooses by its `kid`.
    pub(super) keys: Vec<Key>,
    /// What `iss` of a token must be, one or a list; for keys that name no issuer of their own. By
    /// default it is not looked at.
    pub(super) issuer: Option<OneOrMany>,
    /// What `aud` of a token must have, one or a list of which one is enough. By default it is not
    /// looked at.
    pub(super) audience: Option<OneOrMany>,
    /// How far the clocks of issuer and hub may be apart, in seconds, at most 300.
    pub(super) leeway_s: u64,
    /// The names of the claims.
    pub(super) claims: ClaimNames,
    /// Grants that everybody has beside those in the token, such as `user/*/UserAvailability`.
    pub(super) default_grants: Vec<String>,
    /// Whether organizations are kept apart.
    pub(super) tenancy: Tenancy,
    /// Ends a live connection when its token expires, unless it has a fresh one by then.
    pub(super) close_on_expiry: bool,
    /// Takes fresh tokens by `POST /rte/refresh`, too, and tells clients in negotiate how long
    /// theirs is good, so that those of .NET 11 send one in time. Not where a balancer may lead
    /// that request to a hub that has not the connection.
    pub(super) refresh: bool,
    /// Answers a negotiation with a ticket (`accessToken`), which clients show in the place of
    /// their token in all later requests of the connection: no token stands in a URL.
    pub(super) tickets: bool,
    /// Whether a client's token may come in the query, as browsers send it that have no ticket.
    pub(super) jwt_in_query: JwtInQuery,
}

impl Default for Auth {
    fn default() -> Self {
        Auth {
            secret: None,
            secret_file: None,
            pem_file: None,
            jwks_file: None,
            jwks_url: None,
            algorithm: None,
            keys: Vec::new(),
            issuer: None,
            audience: None,
            leeway_s: 5,
            claims: ClaimNames::default(),
            default_grants: Vec::new(),
            tenancy: Tenancy::default(),
            close_on_expiry: false,
            refresh: true,
            tickets: false,
            jwt_in_query: JwtInQuery::default(),
        }
    }
}

/// What becomes of a token in a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum JwtInQuery {
    /// It is taken.
    #[default]
    Accept,
    /// It is a 401.
    Refuse,
}

/// Exactly one of `secret`, `secret_file`, `pem_file`, `jwks_file` and `jwks_url`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Key {
    /// What tokens name in `kid`; a JWK set brings its own.
    pub(super) id: Option<String>,
    /// As `auth.algorithm`. One key, one algorithm: for two, give the key twice.
    pub(super) algorithm: Option<String>,
    /// Whose tokens the key is for (`iss`), one or a list, instead of `auth.issuer`.
    pub(super) issuer: Option<OneOrMany>,
    /// As `auth.secret`.
    #[serde(skip_serializing)]
    pub(super) secret: Option<Secret>,
    /// As `auth.secret_file`.
    pub(super) secret_file: Option<String>,
    /// As `auth.pem_file`.
    pub(super) pem_file: Option<String>,
    /// As `auth.jwks_file`.
    pub(super) jwks_file: Option<String>,
    /// As `auth.jwks_url`.
    pub(super) jwks_url: Option<String>,
}

/// A secret in the configuration. It can't be printed.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cors {
    /// Origins whose pages may use the hub: `https://app.example.com`, `https://*.example.com`,
    /// `capacitor://localhost`, `null`; others are refused (403), but for the hub's own host. By
    /// default any may: no cookie is ever read, and a page without a token gets nowhere.
    pub(super) origins: Option<Vec<String>>,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pages {
    /// Serves the pages at the public listener: `/` with links, `/wall` the wallboard, `/desk` that
    /// of an agent, `/try` the playground. Everybody may load them; they show what the token allows
    /// that is given to them.
    pub(super) enabled: bool,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Publish {
    /// How strictly events are held to their schema.
    pub(super) validation: Mode,
    /// Takes a publisher's token from the query (`access_token`), too, where proxies and callers
    /// write it into their logs. By default only the header `Authorization` may hold it.
    pub(super) query_token: bool,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct JournalKeys {
    /// Where publications are kept: in `memory`, or in a `file` as well, which the next start of
    /// the hub reads, or in a `redis`, by which several nodes are one hub.
    pub(super) engine: Engine,
    /// The folder of the files, which is there and this hub's own. Relative to this file.
    pub(super) dir: Option<String>,
    /// Whether each publication is on the disk before anybody hears of it. By default it survives
    /// the end of the process, and `always` that of the machine.
    pub(super) sync: Sync,
    /// The Redis that all nodes of the hub share, where that is the engine.
    pub(super) redis: Redis,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Redis {
    /// Host and port of Redis 7 or later, or Valkey: `10.0.0.7:6379`. Of several the master is
    /// found.
    pub(super) addresses: Vec<String>,
    /// What Sentinels call the master; `addresses` are then those of the Sentinels.
    pub(super) sentinel: Option<String>,
    /// The user that the nodes are to the Sentinels, unless the default one.
    pub(super) sentinel_user: Option<String>,
    /// A file that holds the password for the Sentinels, where they ask for one. Read again at
    /// SIGHUP.
    pub(super) sentinel_password_file: Option<String>,
    /// Whether it is a Redis Cluster; `addresses` are then some of its servers.
    pub(super) cluster: bool,
    /// Speaks TLS with it. Its certificate must be for what `addresses` call it.
    pub(super) tls: bool,
    /// The certificates of those who may vouch for it, in place of those that this machine trusts.
    /// Read again at SIGHUP.
    pub(super) ca_file: Option<String>,
    /// The certificate that the nodes show it, where it asks for one, and behind it those of its
    /// issuers. Read again at SIGHUP.
    pub(super) cert_file: Option<String>,
    /// The private key of that certificate.
    pub(super) key_file: Option<String>,
    /// The user that the nodes are there, unless the default one.
    pub(super) user: Option<String>,
    /// A file that holds its password; a line end at its end does not count. Read again at SIGHUP.
    pub(super) password_file: Option<String>,
    /// What the keys of this hub begin with there. Nodes with the same one are one hub.
    pub(super) prefix: String,
    /// Publications that are kept there of each of 16 partitions, for nodes that start and for
    /// those that were away.
    #[schemars(range(min = 100))]
    pub(super) retain_entries: u64,
    /// Replicas of Redis that must have a publication, too, before its publisher is told that it is
    /// taken. Where fewer have it, it is told to try again.
    #[schemars(range(max = 16))]
    pub(super) wait_replicas: u32,
    /// For how many days a state is kept that nobody has told anew. What is older goes when a node
    /// starts.
    #[schemars(range(min = 1, max = 36_500))]
    pub(super) values_days: u32,
    /// How long a publisher waits, in milliseconds, before it is told to try again.
    #[schemars(range(min = 100, max = 60_000))]
    pub(super) append_timeout_ms: u64,
    /// For how many milliseconds a node keeps what it has written, to write it again where Redis
    /// has lost it.
    pub(super) repair_ms: u64,
    /// How often a node that has nothing to write shows that it lives, in milliseconds.
    #[schemars(range(min = 100, max = 20_000))]
    pub(super) beat_ms: u64,
}

impl Default for Redis {
    fn default() -> Self {
        let lanes = crate::backplane::Options::default();
        Redis {
            addresses: Vec::new(),
            sentinel: None,
            sentinel_user: None,
            sentinel_password_file: None,
            cluster: false,
            tls: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            user: None,
            password_file: None,
            prefix: "rte".to_owned(),
            retain_entries: 20_000,
            wait_replicas: 0,
            values_days: 7,
            append_timeout_ms: conn::Options::default().append_timeout_ms,
            repair_ms: lanes.repair_ms,
            beat_ms: lanes.beat_ms,
        }
    }
}

/// What keeps publications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Engine {
    #[default]
    Memory,
    File,
    Redis,
}

/// When what is written goes to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sync {
    #[default]
    No,
    Always,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Catalogue {
    /// How property names are spelled on the wire. By default as the catalogue says.
    pub(super) wire_case: Option<WireCase>,
    /// Folders of further events, on top of the built-in ones; relative to this file. What they add
    /// is served like the rest.
    pub(super) schema_dirs: Vec<String>,
}
