//! What a server says of itself (INFO).

use super::dialed::Dialed;
use super::faults::Complaint;
use super::options::Options;
use crate::backplane::Fault;

/// The first version of Redis that counts the ids of a stream as the lanes need it.
const FIRST: u32 = 7;

/// A replica says each second what it has. One that has said nothing for longer is frozen, or the
/// way to it is cut.
pub(super) const REPLICA_SILENT_S_MAX: u64 = 3;

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

    /// Why it is another kind of server than a hub with these options takes it for, if it is.
    pub(super) fn misfit(&self, options: &Options) -> Option<Fault> {
        if self.says("redis_mode") == Some("sentinel") {
            return Some(Fault::Sentinel);
        }
        match (self.says("cluster_enabled") == Some("1"), options.is_cluster) {
            (true, false) => Some(Fault::Clustered),
            (false, true) => Some(Fault::Unclustered),
            (true, true) | (false, false) => None,
        }
    }

    pub(super) fn is_master(&self) -> bool {
        self.says("role") == Some("master")
    }

    /// What it means where it is a replica, of the server that is named before it.
    pub(super) fn replica(&self) -> Option<String> {
        if self.is_master() {
            return None;
        }
        let master = || Some(format!("{}:{}", self.says("master_host")?, self.says("master_port")?));
        let master = master().unwrap_or_else(|| "another server".to_owned());
        Some(format!("is a replica of {master}, and takes nothing unless it becomes the master"))
    }

    /// Replicas that are connected, and how many of these keep up. A frozen one stays connected for
    /// a minute.
    pub(super) fn replicas(&self) -> (usize, usize) {
        let replicas = self.0.lines().filter_map(|line| {
            let (number, replica) = line.strip_prefix("slave")?.split_once(':')?;
            number.parse::<u32>().ok().map(|_| replica)
        });
        let keeps_up = |replica: &&str| {
            let says = |name| replica.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            let silent_s = says("lag").and_then(|lag_s| lag_s.parse::<u64>().ok());
            says("state") == Some("online") && silent_s.is_some_and(|silent_s| silent_s <= REPLICA_SILENT_S_MAX)
        };
        (replicas.clone().count(), replicas.filter(keeps_up).count())
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
