//! What an operator should know of an engine before a hub relies on it.

use super::dialed::{Address, Dialed};
use super::faults::{Complaint, remedy, told};
use super::layout::{Held, agreed, meta, partitions};
use super::masters::Masters;
use super::options::Options;
use super::server::ServerFacts;
use super::servers::{find, reach};
use crate::backplane::Fault;
use crate::backplane::partition::tag;
use crate::hub::partition::Partition;
use std::collections::BTreeSet;

/// What a look at one of the servers has found, in a sentence each.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// What is as it should be.
    pub(crate) good: Vec<String>,
    /// By what it may lose something that it has taken, and what to do.
    pub(crate) risks: Vec<String>,
    /// Why no hub works with it, and what to do.
    pub(crate) wrong: Vec<String>,
}

/// Connects to each of the servers once, in their order, and writes nothing there. A hub works
/// where one of them has nothing wrong.
pub(crate) fn look(options: &Options) -> Vec<Look> {
    let mut looks: Vec<Look> = options.addresses.iter().map(|address| look_at(options, address)).collect();
    // Several Sentinels know the same master.
    let mut told = BTreeSet::new();
    for look in &mut looks {
        look.good.retain(|sentence| told.insert(sentence.clone()));
        look.risks.retain(|sentence| told.insert(sentence.clone()));
    }
    looks
}

fn look_at(options: &Options, address: &Address) -> Look {
    let mut look = Look::default();
    let Masters { all: masters, of_partition, of_meta } = match find(options, address) {
        Ok(masters) => masters,
        Err(complaint) => {
            look.wrong.push(wrong(&shown(address), complaint));
            return look;
        }
    };
    let all: Vec<String> = masters.iter().map(shown).collect();
    if let Some(sentinel) = &options.sentinel {
        look.good.push(format!(
            "{} is a Sentinel, which knows {:?} at {}",
            shown(address),
            sentinel.master,
            all.join("")
        ));
    } else if options.is_cluster {
        look.good.push(format!("{} is of a Cluster, where {} have the logs", shown(address), all.join(", ")));
    }
    for (index, master) in masters.iter().enumerate() {
        // A key of a partition that this server has.
        let partition =
            partitions().find(|it| of_partition.get(usize::from(it.number())).is_none_or(|of| *of == index));
        look.judge(&shown(master), options, ask(options, master, index == of_meta, partition));
    }
    look
}

fn wrong(server: &str, Complaint { fault, words }: Complaint) -> String {
    let said = words.map_or_else(String::new, |words| format!("; it says {words:?}"));
    format!("{server}: {}: {}{said}", told(fault), remedy(fault))
}

fn shown((host, port): &Address) -> String {
    format!("{host}:{port}")
}

/// What a server has said.
struct Said {
    facts: ServerFacts,
    /// What all nodes agree upon, where the server is to have that.
    held: Option<Held>,
    /// What the user may not do that a hub does, where it is known.
    lacks: Option<Vec<String>>,
    /// Why nothing can be written.
    refusal: Option<Complaint>,
}

impl Said {
    /// Whether its user may do what a hub does, as far as it is known.
    fn may_all(&self) -> bool {
        self.lacks.as_ref().is_none_or(Vec::is_empty)
    }
}

/// Asks a server about itself, for what all nodes agree upon where that is there, and whether a hub
/// could write there.
fn ask(options: &Options, address: &Address, has_meta: bool, partition: Option<Partition>) -> Result<Said, Complaint> {
    let mut connection = reach(options, address)?;
    let mut said = Said { facts: ServerFacts::ask(&mut connection)?, held: None, lacks: None, refusal: None };
    if said.facts.is_sentinel() || said.facts.is_clustered() != options.is_cluster {
        return Ok(said);
    }
    if let Some(partition) = partition.filter(|_| said.facts.is_new_enough()) {
        let tag = tag(&options.prefix, partition);
        said.lacks = lacks(options, &tag, &mut connection)?;
        if said.may_all() && said.facts.is_master() {
            said.refusal = refusal(&tag, &mut connection);
        }
    }
    if has_meta && said.may_all() {
        let key = meta(&options.prefix);
        let mut ask = |name: &str| connection.ask(redis::cmd("HGET").arg(&key).arg(name));
        let [(format, _), (partitions, _)] = agreed();
        said.held = Some([ask(format)?, ask(partitions)?]);
    }
    Ok(said)
}

/// What the user may not do there that a hub does. A server that does not tell is no worse for
/// that.
fn lacks(options: &Options, tag: &str, connection: &mut Dialed) -> Result<Option<Vec<String>>, Complaint> {
    let hash: String = connection.ask(redis::cmd("SCRIPT").arg("LOAD").arg(include_str!("rights.lua")))?;
    let mut command = redis::cmd("EVALSHA");
    command.arg(hash).arg(0);
    ["s", "o", "v", "i:check"].iter().for_each(|what| _ = command.arg(format!("{tag}:{what}")));
    command.arg(meta(&options.prefix)).arg(options.wait_replicas);
    match connection.ask(&command) {
        Err(complaint) if complaint.fault != Fault::Refused => Ok(None),
        lacks => lacks.map(Some),
    }
}

/// Why the server takes nothing that is to be written. Of a log that is not there nothing is.
fn refusal(tag: &str, connection: &mut Dialed) -> Option<Complaint> {
    let mut command = redis::cmd("XADD");
    command.arg(format!("{tag}:check")).arg("NOMKSTREAM").arg("*").arg("h").arg("");
    connection.ask::<Option<String>>(&command).err()
}

impl Look {
    /// What follows from what a server has said.
    fn judge(&mut self, server: &str, options: &Options, said: Result<Said, Complaint>) {
        let Said { facts, held, lacks, refusal } = match said {
            Ok(said) => said,
            Err(complaint) => {
                if complaint.fault == Fault::Refused {
                    self.good.push(format!("{server} is reached"));
                }
                return self.wrong.push(wrong(server, complaint));
            }
        };
        let password = if options.password.is_some() { "takes the password" } else { "asks for no password" };
        let encrypted = if options.tls.is_some() { ", over TLS" } else { "" };
        self.good.push(format!("{server} is reached and {password}{encrypted}"));
        if facts.is_sentinel() {
            return self
                .wrong
                .push(format!("{server} is a Sentinel: set journal.redis.sentinel to what it calls its master"));
        }
        if facts.is_clustered() != options.is_cluster {
            return self.wrong.push(wrong(server, Fault::Clustered.into()));
        }
        if facts.is_new_enough() {
            self.good.push(format!("{server} has version {}, which is new enough", facts.version()));
        } else {
            self.wrong
                .push(format!("{server} has version {}: it takes Redis 7.0 or later, or Valkey", facts.version()));
        }
        if !facts.is_master() {
            self.wrong.push(format!("{server} is a replica: its master belongs into journal.redis.addresses, too"));
        }
        if lacks.as_ref().is_some_and(Vec::is_empty) {
            self.good.push(format!("{server} allows its user what a hub does"));
        } else if let Some(lacks) = lacks {
            self.wrong.push(format!(
                "{server}: its user may not do what a hub does: {}: give it the rights of the line in `rte help nodes` \
                 (ACL SETUSER, then ACL SAVE or a line in redis.conf)",
                lacks.join(", ")
            ));
        }
        self.wrong.extend(refusal.map(|complaint| wrong(server, complaint)));
        let (replicas, wanted) = (facts.replicas(), options.wait_replicas);
        if facts.is_master() && replicas < wanted {
            self.wrong.push(format!(
                "{server} has {replicas} replicas, and a publication is to be on {wanted} (journal.redis.wait_replicas), so \
                 that none would be taken: start more, or wait for fewer"
            ));
        }
        if let Some(held) = held {
            self.judge_held(server, &meta(&options.prefix), &held);
        }
        let risks = facts.risks();
        if risks.is_empty() {
            self.good
                .push(format!("{server} keeps what it has taken (appendonly), and evicts nothing (maxmemory-policy)"));
        }
        self.risks.extend(risks.into_iter().map(|(what, action)| format!("{server}: {what}: {action}")));
    }

    /// Whether what the nodes agree upon there is what this one writes.
    fn judge_held(&mut self, server: &str, meta: &str, held: &Held) {
        if held.iter().all(Option::is_none) {
            self.good.push(format!("{server} has no {meta}: the first node begins it"));
            return;
        }
        for ((name, ours), held) in agreed().into_iter().zip(held) {
            match held {
                Some(theirs) if *theirs != ours => self.wrong.push(format!(
                    "{server} has {name} {theirs:?} in {meta}, and this program writes {ours:?}: give its nodes one \
                     version, or this one another journal.redis.prefix"
                )),
                Some(_) | None => {
                    self.good.push(format!("{server} has {name} {ours:?} in {meta}, as this program writes"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "redis_version:7.0.0\r\nrole:master\r\naof_enabled:1\r\nmaxmemory_policy:noeviction\r\n";

    fn judged(info: &str, held: [Option<&str>; 2]) -> Look {
        let held = Some(held.map(|held| held.map(str::to_owned)));
        judged_of(Said { facts: ServerFacts::of(info), held, lacks: None, refusal: None }, 0)
    }

    fn judged_of(said: Said, wait_replicas: u32) -> Look {
        let options = Options {
            addresses: Vec::new(),
            tls: None,
            sentinel: None,
            is_cluster: false,
            user: None,
            password: None,
            prefix: "rte".to_owned(),
            retain_entries: 1,
            wait_replicas,
            is_passing: false,
            dedupe_ms: 1,
            lanes: crate::backplane::Options::default(),
        };
        let mut look = Look::default();
        look.judge("here:1", &options, Ok(said));
        look
    }

    #[test]
    fn a_server_of_another_version_role_or_format_serves_no_hub() {
        for held in [[None, None], [Some("1"), Some("16")]] {
            let look = judged(GOOD, held);
            assert!(look.wrong.is_empty() && look.risks.is_empty() && look.good.len() >= 4, "{look:?}");
        }
        let wrong = |info: &str, held, told: &str| {
            let look = judged(info, held);
            assert!(look.wrong.len() == 1 && look.wrong[0].contains(told), "{told}: {look:?}");
        };
        wrong(&GOOD.replace("7.0.0", "6.2.14"), [None, None], "has version 6.2.14");
        wrong(&GOOD.replace("redis_version", "version"), [None, None], "has version unknown");
        wrong(&GOOD.replace("master", "slave"), [None, None], "is a replica");
        wrong(&format!("{GOOD}cluster_enabled:1\r\n"), [None, None], "is a Redis Cluster, or it is none");
        wrong(GOOD, [Some("2"), Some("16")], "has format \"2\" in rte:meta");
        wrong(GOOD, [Some("1"), Some("8")], "has partitions \"8\"");
    }

    #[test]
    fn a_server_that_may_lose_something_serves_all_the_same() {
        let look = judged(&GOOD.replace("enabled:1", "enabled:0").replace("noeviction", "allkeys-lru"), [None, None]);
        assert!(look.wrong.is_empty() && look.risks.len() == 2, "{look:?}");
        assert!(look.risks[0].contains("appendonly") && look.risks[1].contains("evicts whole logs"), "{look:?}");
        let look = judged(&GOOD.replace("noeviction", "volatile-ttl"), [None, None]);
        assert!(look.risks.len() == 1 && look.risks[0].contains("may come twice"), "{look:?}");
    }

    #[test]
    fn a_server_that_would_take_no_publication_serves_no_hub_and_its_own_words_are_repeated() {
        let said = |lacks, refusal| Said { facts: ServerFacts::of(GOOD), held: None, lacks: Some(lacks), refusal };
        let words = Some("MISCONF its disk".to_owned());
        let refusal = Some(Complaint { fault: Fault::Unwritable, words });
        for (said, wait_replicas, told) in [
            (
                said(vec!["XADD {rte:0.4}:s".to_owned(), "WAIT".to_owned()], None),
                0,
                "a hub does: XADD {rte:0.4}:s, WAIT: ",
            ),
            (said(Vec::new(), refusal), 0, "min-replicas-to-write; it says \"MISCONF its disk\""),
            (said(Vec::new(), None), 2, "has 0 replicas, and a publication is to be on 2"),
        ] {
            let look = judged_of(said, wait_replicas);
            assert!(look.wrong.len() == 1 && look.wrong[0].contains(told), "{told}: {look:?}");
        }
        let facts = ServerFacts::of(&format!("{GOOD}connected_slaves:2\r\n"));
        let look = judged_of(Said { facts, held: None, lacks: None, refusal: None }, 2);
        assert!(look.wrong.is_empty(), "{look:?}");
    }
}
