//! The servers that have the logs: one master, or those of a Cluster.

use super::cluster;
use super::dialed::{Address, Answered, Dialed, dial};
use super::faults::Complaint;
use super::layout::partitions;
use super::masters::Masters;
use super::options::Options;
use super::sentinel;
use crate::backplane::Fault;
use crate::hub::partition::Partition;
use redis::Cmd;

/// The scripts, in the order of their hashes.
const SCRIPTS: [&str; 4] =
    [include_str!("append.lua"), include_str!("open.lua"), include_str!("newest.lua"), include_str!("restore.lua")];

/// Where the logs are, as whoever is at that address says: the server itself, a Sentinel, or one
/// of a Cluster.
pub(super) fn find(options: &Options, address: &Address) -> Result<Masters, Complaint> {
    match (&options.sentinel, options.is_cluster) {
        (Some(sentinel), _) => sentinel::master(options, sentinel, address).map(Masters::one),
        (None, true) => cluster::masters(options, address),
        (None, false) => Ok(Masters::one(address.clone())),
    }
}

/// Connects to a server that has logs. Where others say which one it is, they say how it is called.
pub(super) fn reach(options: &Options, server: &Address) -> Result<Dialed, Complaint> {
    let announced = |it: Complaint| it.meaning(Fault::Misnamed, Fault::Announced);
    dial(options, server).map_err(|complaint| if options.is_told() { announced(complaint) } else { complaint })
}

/// Connections to all of them.
pub(super) struct Servers {
    masters: Masters,
    all: Vec<Dialed>,
    /// What a server calls the scripts.
    hashes: Vec<String>,
}

impl Servers {
    /// Connects to all.
    pub(super) fn dial(options: &Options, masters: Masters) -> Result<Servers, Complaint> {
        let all = masters.all.iter().map(|master| reach(options, master)).collect::<Result<_, Complaint>>()?;
        Ok(Servers { masters, all, hashes: Vec::new() })
    }

    /// All of them.
    pub(super) fn all(&mut self) -> &mut [Dialed] {
        &mut self.all
    }

    /// The one that has what all processes agree upon.
    pub(super) fn of_meta(&mut self) -> Result<&mut Dialed, Complaint> {
        Ok(self.all.get_mut(self.masters.of_meta).ok_or(Fault::Moved)?)
    }

    /// Which one has the log of a partition.
    pub(super) fn index(&self, partition: Partition) -> usize {
        self.masters.of_partition.get(usize::from(partition.number())).copied().unwrap_or(0)
    }

    /// Where the one is that has the log of a partition.
    pub(super) fn address(&self, partition: Partition) -> Result<&Address, Complaint> {
        Ok(self.masters.all.get(self.index(partition)).ok_or(Fault::Moved)?)
    }

    /// The one that has the log of a partition.
    pub(super) fn of(&mut self, partition: Partition) -> Result<&mut Dialed, Complaint> {
        let index = self.index(partition);
        Ok(self.all.get_mut(index).ok_or(Fault::Moved)?)
    }

    /// What the one is called that has all the logs, if one has.
    pub(super) fn sole(&self) -> Option<&str> {
        if let [dialed] = &*self.all { Some(dialed.server()) } else { None }
    }

    /// The one that is called so, and a partition of which it has the log.
    pub(super) fn named(&mut self, server: Option<&str>) -> Option<(Partition, &mut Dialed)> {
        let index = self.all.iter().position(|dialed| Some(dialed.server()) == server)?;
        let partition = partitions().find(|partition| self.index(*partition) == index)?;
        Some((partition, self.all.get_mut(index)?))
    }

    /// What the servers call a script.
    pub(super) fn hash(&self, script: usize) -> &str {
        self.hashes.get(script).map_or("", String::as_str)
    }

    /// All of them learn the scripts.
    pub(super) fn load(&mut self) -> Result<(), Complaint> {
        for dialed in &mut self.all {
            let load = |script: &&str| dialed.ask(redis::cmd("SCRIPT").arg("LOAD").arg(*script));
            self.hashes = SCRIPTS.iter().map(load).collect::<Result<_, Complaint>>()?;
        }
        Ok(())
    }

    /// Executes commands in one go, each where the partition is; the answers come in their order.
    /// Where a server has forgotten the scripts, all are executed once more: what has been executed
    /// is known by its numbers.
    pub(super) fn run(&mut self, commands: &[(Partition, Cmd)]) -> Result<Vec<Answered>, Complaint> {
        let answers = self.run_once(commands)?;
        if !answers.iter().any(|answer| answer.code() == Some("NOSCRIPT")) {
            return Ok(answers);
        }
        self.load()?;
        self.run_once(commands)
    }

    fn run_once(&mut self, commands: &[(Partition, Cmd)]) -> Result<Vec<Answered>, Complaint> {
        for index in 0..self.all.len() {
            let mut bytes = Vec::new();
            for (_, command) in commands.iter().filter(|(partition, _)| self.index(*partition) == index) {
                command.write_packed_command(&mut bytes);
            }
            if let Some(dialed) = self.all.get_mut(index).filter(|_| !bytes.is_empty()) {
                dialed.send(&bytes)?;
            }
        }
        commands.iter().map(|(partition, _)| self.of(*partition)?.receive()).collect()
    }

    /// What the server answers that has the log of a partition.
    pub(super) fn answer(&mut self, partition: Partition, command: &Cmd) -> Result<Answered, Complaint> {
        self.of(partition)?.answer(command)
    }
}
