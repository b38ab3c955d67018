//! What an engine is reached by.

use crate::backplane::Fault;
use crate::limits::BACKPLANE_COMMAND_MS;
use crate::shell::roots::{Identity, Roots};
use core::fmt;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::sync::Arc;

/// Where the engine is, and what is kept there.
#[derive(Clone, Debug)]
pub struct Options {
    /// Host and port of each server that may be the one; they are tried in turn.
    pub addresses: Vec<(String, u16)>,
    /// How the way there is encrypted, where it is.
    pub tls: Option<Encryption>,
    /// Who knows the master, where the addresses are not servers but Sentinels.
    pub sentinel: Option<Sentinel>,
    /// Whether the addresses are of a Cluster, which spreads the logs over its masters.
    pub is_cluster: bool,
    /// Who the hub is to it, unless the default user.
    pub user: Option<String>,
    /// By what it is known.
    pub password: Option<Password>,
    /// What all keys begin with.
    pub prefix: String,
    /// Entries that are retained of each partition.
    pub retain_entries: u64,
    /// Replicas that must have a publication before it is taken.
    pub wait_replicas: u32,
    /// It keeps nothing, and is meant to.
    pub is_passing: bool,
    /// How long the id of an item is known.
    pub dedupe_ms: u64,
    /// How a process writes and reads.
    pub lanes: crate::backplane::Options,
}

impl Options {
    /// Whether others say which servers have the logs.
    pub(super) fn is_told(&self) -> bool {
        self.sentinel.is_some() || self.is_cluster
    }

    /// How long a command that appends may wait at a server, until replicas have what it writes.
    pub(super) fn append_waits_ms(&self) -> u64 {
        if self.wait_replicas > 0 { BACKPLANE_COMMAND_MS } else { 0 }
    }
}

impl fmt::Display for Options {
    /// In a line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "redis at {}", addresses.join(", "))?;
        if let Some(Sentinel { master, .. }) = &self.sentinel {
            write!(f, ", Sentinels that call it {master:?}")?;
        }
        f.write_str(if self.is_cluster { ", a Cluster" } else { "" })?;
        f.write_str(if self.tls.is_some() { ", over TLS" } else { "" })?;
        if let Some(user) = &self.user {
            write!(f, ", as user {user:?}")?;
        }
        write!(f, "; keys begin with {:?}, {} publications of each partition", self.prefix, self.retain_entries)?;
        match self.wait_replicas {
            0 => Ok(()),
            replicas => write!(f, ", each on {replicas} replicas, too"),
        }
    }
}

/// What Sentinels are asked.
#[derive(Clone, Debug)]
pub struct Sentinel {
    /// What they call the master.
    pub master: String,
    /// Who the hub is to them, unless the default user.
    pub user: Option<String>,
    /// By what it is known, where they ask for that.
    pub password: Option<Password>,
}

/// Whom the hub trusts to be the engine, and what it shows of itself. Clones share it.
#[derive(Clone)]
pub struct Encryption(Arc<ClientConfig>);

impl Encryption {
    /// Trusts whom those vouch for, and shows that identity to servers that ask for one.
    ///
    /// # Errors
    ///
    /// The certificate and the key of the identity do not belong together.
    pub fn new(roots: &Roots, identity: Option<Identity>) -> Result<Encryption, rustls::Error> {
        Ok(Encryption(Arc::new(roots.for_streams_as(identity)?)))
    }

    /// A session with a server of that name, whose handshake is still to come.
    pub(super) fn begin(&self, host: &str) -> Result<ClientConnection, Fault> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Fault::Misnamed)?;
        ClientConnection::new(Arc::clone(&self.0), name).map_err(|_| Fault::Unencrypted)
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encryption(redacted)")
    }
}

/// A password, which is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// That one.
    pub fn new(password: String) -> Password {
        Password(password)
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password)")
    }
}
