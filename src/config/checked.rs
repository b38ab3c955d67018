//! What a configuration comes to.

use crate::auth::mint::SigningKey;
use crate::auth::token::Verifier;
use crate::conn;
use crate::limits::Limits;
use crate::schema::WireCase;
use crate::shell::log::Format;
use crate::trace::Level;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The checked configuration. It prints no secret.
#[derive(Debug)]
pub struct Config {
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Threads, at least one.
    pub threads: usize,
    /// The form of log lines.
    pub log: Format,
    /// How much is logged.
    pub log_level: Level,
    /// How the hub is run, but for the derivations that are switched off: see [`Config::into_shell`].
    pub hub: conn::Options,
    /// Every bound.
    pub limits: Limits,
    /// Keys, claims, grants for everybody, tenants.
    pub verifier: Verifier,
    /// Derived events that are switched on or off by name, as typed.
    pub derive: BTreeMap<String, bool>,
    /// The spelling on the wire, where it is not the catalogue's.
    pub wire_case: Option<WireCase>,
    /// Folders of further events, on top of the built-in ones.
    pub schema_dirs: Vec<PathBuf>,
    /// What is odd but no error.
    pub warnings: Vec<String>,
    /// The first configured secret.
    pub(super) signing_key: Option<SigningKey>,
}

impl Config {
    /// A key that signs tokens which this configuration accepts: its first secret. There is none where only public keys are
    /// configured.
    pub fn signing_key(&self) -> Option<&SigningKey> {
        self.signing_key.as_ref()
    }
}
