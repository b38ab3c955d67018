//! What a configuration comes to.

use crate::auth::mint::SigningKey;
use crate::auth::token::Verifier;
use crate::conn;
use crate::limits::Limits;
use crate::schema::WireCase;
use crate::shell::current::Settings;
use crate::shell::log::Format;
use crate::shell::tls::Tls;
use crate::shell::{JournalOptions, backplane};
use crate::trace::Level;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The checked configuration. It prints no secret.
#[derive(Debug)]
pub struct Config {
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to listen for the inside, if it has a listener of its own.
    pub internal: Option<SocketAddr>,
    /// What connections are encrypted by, where they are.
    pub tls: Option<Tls>,
    /// Threads, at least one.
    pub(crate) threads: usize,
    /// The form of log lines.
    pub(crate) log: Format,
    /// How much is logged.
    pub(crate) log_level: Level,
    /// How the hub is run, but for the derivations that are switched off: see
    /// [`Config::into_shell`].
    pub(crate) hub: conn::Options,
    /// Every bound.
    pub(crate) limits: Limits,
    /// Where publications are written, if they are.
    pub(crate) journal: Option<JournalOptions>,
    /// The engine that several nodes share, if they do.
    pub(crate) backplane: Option<backplane::Options>,
    /// The folder of a journal to which nothing is written this time.
    pub(crate) journal_left: Option<PathBuf>,
    /// Keys, claims, grants for everybody, tenants.
    pub(crate) verifier: Verifier,
    /// Derived events that are switched on or off by name, as typed.
    pub(crate) derive: BTreeMap<String, bool>,
    /// The spelling on the wire, where it is not the catalogue's.
    pub(crate) wire_case: Option<WireCase>,
    /// Folders of further events, on top of the built-in ones.
    pub(crate) schema_dirs: Vec<PathBuf>,
    /// What is odd but no error.
    pub warnings: Vec<String>,
    /// What was typed, without secrets: by it two configurations are compared.
    pub settings: Settings,
    /// Where the keys come from.
    pub key_sources: KeySources,
    /// The first configured secret.
    pub(super) signing_key: Option<SigningKey>,
}

/// What is different in another configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys whose values can change while the hub runs.
    pub(crate) live: Vec<String>,
    /// Keys whose values can't.
    pub(crate) fixed: Vec<String>,
}

/// Sections and keys that can change while the hub runs, but for [`FIXED`].
const LIVE: [&str; 4] = ["auth", "catalogue.schema_dirs", "server.tls_certificate", "server.tls_key"];
/// What can't change even so: topics are made by it.
const FIXED: &str = "auth.tenancy";

/// Where keys come from, and what is to be said of them without showing one.
#[derive(Clone, Debug, Default)]
pub struct KeySources {
    /// All files.
    pub files: Vec<PathBuf>,
    /// Those that hold a secret, and what whoever has it does.
    pub secrets: Vec<(PathBuf, &'static str)>,
    /// Whether the configuration file holds one.
    pub is_in_config: bool,
    /// The keys of the configuration whose secret is easy to guess.
    pub weak: Vec<String>,
}

impl Config {
    /// The keys whose values are others than in these settings. A secret that changed is not among
    /// them: no value of it is kept.
    pub(crate) fn changes_since(&self, former: &Settings) -> Changes {
        let mut paths = Vec::new();
        differences("", former, &self.settings, &mut paths);
        let is_live = |path: &String| {
            let below =
                |live: &&str| path.strip_prefix(*live).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            path != FIXED && LIVE.iter().any(below)
        };
        let (live, fixed) = paths.into_iter().partition(is_live);
        Changes { live, fixed }
    }

    /// The keys of `[journal.redis]` by which files have been read, where nodes share one.
    pub(crate) fn redis_files(&self) -> Vec<String> {
        let redis = self.settings.pointer("/journal/redis").and_then(Value::as_object);
        let redis = redis.filter(|_| self.backplane.is_some()).into_iter().flatten();
        redis.filter(|(key, file)| key.ends_with("_file") && file.is_string()).map(|(key, _)| key.clone()).collect()
    }

    /// A key that signs tokens which this configuration accepts: its first secret. There is none
    /// where only public keys are configured.
    pub(crate) fn signing_key(&self) -> Option<&SigningKey> {
        self.signing_key.as_ref()
    }
}

/// The paths at which two trees differ; lists are compared whole.
fn differences(path: &str, one: &Value, other: &Value, paths: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) => {
            let keys: BTreeSet<&String> = ones.keys().chain(others.keys()).collect();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |object: &Map<String, Value>| object.get(key).cloned().unwrap_or(Value::Null);
                differences(&below, &of(ones), &of(others), paths);
            }
        }
        (one, other) if one != other => paths.push(path.to_owned()),
        (_, _) => {}
    }
}
