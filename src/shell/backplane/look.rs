//! What an operator should know of an engine before a hub relies on it.

use super::dialed::{Address, Dialed, Manners};
use super::faults::Complaint;
use super::layout::{Held, agreed, meta, partitions};
use super::masters::Masters;
use super::options::{Encryption, Options};
use super::rights::lacks;
use super::server::{REPLICA_SILENT_S_MAX, ServerFacts};
use super::servers::{find, reach};
use crate::backplane::Fault;
use crate::backplane::partition::tag;
use crate::hub::partition::Partition;
use crate::shell::roots::Roots;
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
    /// That it is a replica: no hub works with it, and nothing is wrong where its master is there.
    replica: Option<String>,
}

/// Connects to each of the servers once, in their order, and writes nothing there. A hub works
/// where one of them has nothing wrong.
pub(crate) fn look(options: &Options) -> Vec<Look> {
    let mut looks: Vec<Look> = options.addresses.iter().map(|address| look_at(options, address)).collect();
    judge_replicas(&mut looks);
    // Several Sentinels know the same master.
    let mut told = BTreeSet::new();
    for look in &mut looks {
        look.good.retain(|sentence| told.insert(sentence.clone()));
        look.risks.retain(|sentence| told.insert(sentence.clone()));
    }
    looks
}

/// A replica is to be there beside its master, whose place it may take.
fn judge_replicas(looks: &mut [Look]) {
    let has_master = looks.iter().any(|look| look.wrong.is_empty() && look.replica.is_none());
    for look in looks {
        let Some(replica) = look.replica.take() else { continue };
        if has_master {
            look.good.push(replica);
        } else {
            look.wrong.push(format!("{replica}: its master belongs into journal.redis.addresses, too"));
        }
    }
}

fn look_at(options: &Options, address: &Address) -> Look {
    let mut look = Look::default();
    let found = find(options, address).map_err(|complaint| of_plain(options, address, complaint));
    let Masters { all: masters, of_partition, of_meta } = match found {
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
        let said = ask(options, master, index == of_meta, partition);
        look.judge(&shown(master), options, said.map_err(|complaint| of_plain(options, master, complaint)));
    }
    look
}

/// What it means that a connection without TLS was cut: whoever takes only TLS says nothing then.
fn of_plain(options: &Options, (host, port): &Address, complaint: Complaint) -> Complaint {
    if complaint.fault != Fault::Away || options.tls.is_some() {
        return complaint;
    }
    let Ok(tls) = Encryption::new(&Roots::default(), None) else { return complaint };
    let manners = Manners { tls: Some(&tls), user: None, password: None };
    match Dialed::dial(host, *port, manners) {
        Err(Complaint { fault, .. }) if fault.is_silence() || fault == Fault::Unencrypted => complaint,
        // Nobody is trusted here: it has shown a certificate, or asked for one.
        Ok(_) | Err(_) => Fault::Encrypted.into(),
    }
}

fn wrong(server: &str, complaint: Complaint) -> String {
    let (told, remedy) = (complaint.told(), complaint.fault.remedy());
    let said = complaint.words.map_or_else(String::new, |words| format!("; it says {words:?}"));
    format!("{server}: {told}: {remedy}{said}")
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
    if said.facts.misfit(options).is_some() {
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
                if matches!(complaint.fault, Fault::NoPassword | Fault::WrongPassword | Fault::Forbidden) {
                    self.good.push(format!("{server} is reached"));
                }
                return self.wrong.push(wrong(server, complaint));
            }
        };
        let password = if options.password.is_some() { "takes the password" } else { "asks for no password" };
        let encrypted = if options.tls.is_some() { ", over TLS" } else { "" };
        self.good.push(format!("{server} is reached and {password}{encrypted}"));
        if let Some(misfit) = facts.misfit(options) {
            return self.wrong.push(wrong(server, misfit.into()));
        }
        if facts.is_new_enough() {
            self.good.push(format!("{server} has version {}, which is new enough", facts.version()));
        } else {
            self.wrong.push(format!("{server} has version {}: {}", facts.version(), Fault::Outdated.remedy()));
        }
        if let Some(replica) = facts.replica() {
            self.judge_replica(server, options, &replica);
        }
        if lacks.as_ref().is_some_and(Vec::is_empty) {
            self.good.push(format!("{server} allows its user what a hub does"));
        } else if let Some(lacks) = lacks {
            self.wrong.push(wrong(server, Complaint { detail: Some(lacks.join(", ")), ..Fault::Forbidden.into() }));
        }
        self.wrong.extend(refusal.map(|complaint| wrong(server, complaint)));
        if facts.is_master() {
            self.judge_replicas_of(server, options.wait_replicas, &facts);
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

    /// What it means that the server is a replica.
    fn judge_replica(&mut self, server: &str, options: &Options, replica: &str) {
        // Whoever knows the master is about to name another one.
        if options.is_told() {
            return self.wrong.push(wrong(server, Complaint::replica(replica)));
        }
        self.replica = Some(format!("{server} {replica}"));
    }

    /// Whether so many replicas as are waited for would have a publication.
    fn judge_replicas_of(&mut self, server: &str, wanted: u32, facts: &ServerFacts) {
        let (connected, keeping_up) = facts.replicas();
        if (keeping_up as u64) < u64::from(wanted) {
            self.wrong.push(format!(
                "{server} has {connected} replicas, of which {keeping_up} have said within {REPLICA_SILENT_S_MAX} s what they \
                 have, and a publication is to be on {wanted} (journal.redis.wait_replicas), so that none would be taken: {}",
                Fault::Unreplicated.remedy()
            ));
        }
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
                    "{server} has {name} {theirs:?} in {meta}, and this program writes {ours:?}: {}",
                    Fault::Foreign.remedy()
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
        wrong(&format!("{GOOD}cluster_enabled:1\r\n"), [None, None], "set journal.redis.cluster = true");
        wrong(&format!("{GOOD}redis_mode:sentinel\r\n"), [None, None], "is a Sentinel: set journal.redis.sentinel");
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
        let refusal = Some(Complaint { words, ..Fault::DiskFailed.into() });
        for (said, wait_replicas, told) in [
            (
                said(vec!["XADD {rte:0.4}:s".to_owned(), "WAIT".to_owned()], None),
                0,
                "a hub does: XADD {rte:0.4}:s, WAIT: ",
            ),
            (said(Vec::new(), refusal), 0, "its log says what failed; it says \"MISCONF its disk\""),
            (said(Vec::new(), None), 2, "has 0 replicas, of which 0 have said"),
        ] {
            let look = judged_of(said, wait_replicas);
            assert!(look.wrong.len() == 1 && look.wrong[0].contains(told), "{told}: {look:?}");
        }
    }

    #[test]
    fn a_replica_counts_that_says_what_it_has_and_not_one_that_is_connected_only() {
        let judged = |replicas: [&str; 2]| {
            let [one, other] = replicas.map(|replica| format!("ip=here,port=1,{replica}"));
            let info = format!("{GOOD}connected_slaves:2\r\nslave0:{one}\r\nslave1:{other}\r\n");
            judged_of(Said { facts: ServerFacts::of(&info), held: None, lacks: None, refusal: None }, 2)
        };
        let good = "state=online,offset=7,lag=1,type=replica";
        assert!(judged([good, "state=online,offset=7,lag=3"]).wrong.is_empty());
        for bad in ["state=online,offset=7,lag=4", "state=wait_bgsave,offset=0,lag=0", "state=online"] {
            let look = judged([good, bad]);
            assert!(look.wrong.len() == 1 && look.wrong[0].contains("has 2 replicas, of which 1 have"), "{look:?}");
        }
    }

    #[test]
    fn a_replica_is_nothing_wrong_where_a_master_serves_beside_it() {
        let replica =
            || judged("redis_version:7.0.0\r\nrole:slave\r\nmaster_host:there\r\nmaster_port:7\r\n", [None, None]);
        let mut looks = [replica(), judged(GOOD, [None, None])];
        judge_replicas(&mut looks);
        assert!(looks.iter().all(|look| look.wrong.is_empty()), "{looks:?}");
        assert!(looks[0].good.iter().any(|good| good.contains("is a replica of there:7")), "{looks:?}");
        let bad = judged(&GOOD.replace("7.0.0", "6.2.14"), [None, None]);
        for mut looks in [vec![replica()], vec![replica(), bad]] {
            judge_replicas(&mut looks);
            let told = "is a replica of there:7, and takes nothing unless it becomes the master: its master belongs";
            assert!(looks[0].wrong.len() == 1 && looks[0].wrong[0].contains(told), "{looks:?}");
        }
    }
}
