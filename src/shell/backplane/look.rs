//! What an operator should know of an engine before a hub relies on it.

use super::dialed::Address;
use super::faults::{remedy, told};
use super::layout::{Held, agreed, meta};
use super::masters::Masters;
use super::options::Options;
use super::server::ServerFacts;
use super::servers::{find, reach};
use crate::backplane::Fault;
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
    let Masters { all: masters, of_meta, .. } = match find(options, address) {
        Ok(masters) => masters,
        Err(fault) => {
            look.wrong.push(wrong(&shown(address), fault));
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
        look.judge(&shown(master), options, ask(options, master, index == of_meta));
    }
    look
}

fn wrong(server: &str, fault: Fault) -> String {
    format!("{server}: {}: {}", told(fault), remedy(fault))
}

fn shown((host, port): &Address) -> String {
    format!("{host}:{port}")
}

/// Asks a server about itself, and for what all nodes agree upon where that is there.
fn ask(options: &Options, address: &Address, has_meta: bool) -> Result<(ServerFacts, Option<Held>), Fault> {
    let mut connection = reach(options, address)?;
    let server = ServerFacts::ask(&mut connection)?;
    let key = meta(&options.prefix);
    let is_asked = has_meta && !server.is_sentinel() && server.is_clustered() == options.is_cluster;
    let mut ask = |name: &str| connection.ask(redis::cmd("HGET").arg(&key).arg(name));
    let [(format, _), (partitions, _)] = agreed();
    let held = if is_asked { Some([ask(format)?, ask(partitions)?]) } else { None };
    Ok((server, held))
}

impl Look {
    /// What follows from what a server has said.
    fn judge(&mut self, server: &str, options: &Options, said: Result<(ServerFacts, Option<Held>), Fault>) {
        let (facts, held) = match said {
            Ok(said) => said,
            Err(fault) => {
                if fault == Fault::Refused {
                    self.good.push(format!("{server} is reached"));
                }
                return self.wrong.push(wrong(server, fault));
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
            return self.wrong.push(wrong(server, Fault::Clustered));
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
        let options = Options {
            addresses: Vec::new(),
            tls: None,
            sentinel: None,
            is_cluster: false,
            user: None,
            password: None,
            prefix: "rte".to_owned(),
            retain_entries: 1,
            wait_replicas: 0,
            is_passing: false,
            dedupe_ms: 1,
            lanes: crate::backplane::Options::default(),
        };
        let mut look = Look::default();
        let held = held.map(|held| held.map(str::to_owned));
        look.judge("here:1", &options, Ok((ServerFacts::of(info), Some(held))));
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
}
