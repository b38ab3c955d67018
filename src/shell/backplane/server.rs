//! What a server says of itself (INFO).

use super::dialed::Dialed;
use super::faults::Complaint;

/// The first version of Redis that counts the ids of a stream as the lanes need it.
const FIRST: u32 = 7;

/// By what an engine may lose something that it has taken, and what to do.
pub(crate) type Risk = (&'static str, &'static str);

/// What a server has said.
#[derive(Debug)]
pub(super) struct ServerFacts(String);

impl ServerFacts {
    pub(super) fn ask(connection: &mut Dialed) -> Result<ServerFacts, Complaint> {
        connection.ask(&redis::cmd("INFO")).map(ServerFacts)
    }

    fn says(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    /// The version of Redis that it is, or is like.
    pub(super) fn version(&self) -> &str {
        self.says("redis_version").unwrap_or("unknown")
    }

    pub(super) fn is_new_enough(&self) -> bool {
        let major = self.version().split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.is_some_and(|major| major >= FIRST)
    }

    pub(super) fn is_sentinel(&self) -> bool {
        self.says("redis_mode") == Some("sentinel")
    }

    pub(super) fn is_clustered(&self) -> bool {
        self.says("cluster_enabled") == Some("1")
    }

    pub(super) fn is_master(&self) -> bool {
        self.says("role") == Some("master")
    }

    /// Replicas that follow it.
    pub(super) fn replicas(&self) -> u32 {
        self.says("connected_slaves").and_then(|replicas| replicas.parse().ok()).unwrap_or(0)
    }

    pub(super) fn risks(&self) -> Vec<Risk> {
        let is_kept = self.says("aof_enabled") == Some("1");
        let loses = (!is_kept).then_some(("what Redis has taken ends with its process", "set appendonly yes there"));
        let policy = self.says("maxmemory_policy").unwrap_or_default();
        let evicted = match policy.split_once('-') {
            Some(("allkeys", _)) => Some("Redis evicts whole logs where its memory is full"),
            // Of all keys, only those of ids expire.
            Some(("volatile", _)) => {
                Some("Redis forgets ids of items where its memory is full, and what is sent again may come twice")
            }
            Some(_) | None => None,
        };
        let evicts = evicted.map(|what| (what, "set maxmemory-policy noeviction there"));
        loses.into_iter().chain(evicts).collect()
    }

    #[cfg(test)]
    pub(super) fn of(text: &str) -> ServerFacts {
        ServerFacts(text.to_owned())
    }
}
