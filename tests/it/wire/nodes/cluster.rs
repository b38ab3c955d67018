//! A Redis Cluster: three masters, each with a replica.

use super::super::engine::{Server, skip, started};
use super::{all_come, await_ready, subscribe};
use crate::support::{Hub, ORGANIZATION, asking, free_port, rte};
use crate::wire::since::availability;
use rte::backplane::partition::tag;
use rte::hub::partition::Partition;

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

pub(super) struct Cluster {
    /// The masters, and the replica of each in the same order.
    pub(super) servers: Vec<Server>,
    /// By which nodes reach them.
    pub(super) ports: Vec<u16>,
}

fn await_answer(server: &Server, command: &str, is_good: impl Fn(&str) -> bool) {
    let is_there = asking().any(|()| is_good(&server.ask(command)));
    assert!(is_there, "{command}: {}", server.ask(command));
}

fn done(server: &Server, command: &str) {
    let said = server.ask(command);
    assert!(said.starts_with("+OK"), "{command}: {said}");
}

/// What a server calls itself.
fn id(server: &Server) -> String {
    server.ask("CLUSTER MYID").lines().nth(1).unwrap().to_owned()
}

impl Cluster {
    fn start(name: &str) -> Option<Cluster> {
        Cluster::start_by(name, started)
    }

    /// Of servers that are started so, and reached by the port that is told.
    pub(super) fn start_by(name: &str, start: impl Fn(&str, &[&str]) -> Option<(Server, u16)>) -> Option<Cluster> {
        let (mut servers, mut ports) = (Vec::new(), Vec::new());
        for number in 0..2 * MASTERS {
            let bus = free_port().to_string();
            let arguments = [
                "--appendonly",
                "yes",
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "2000",
                "--repl-diskless-sync-delay",
                "0",
            ];
            let (server, port) = start(&format!("{name}-{number}"), &arguments)?;
            done(&server, &format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
            if let Some(first) = servers.first() {
                let first: &Server = first;
                let own = id(&server);
                // Whoever is slow to answer is asked once more.
                let meet = format!("CLUSTER MEET 127.0.0.1 {port} {bus}");
                await_answer(first, "CLUSTER NODES", |said| {
                    let is_met = said.contains(&own);
                    if !is_met {
                        done(first, &meet);
                    }
                    is_met
                });
            }
            servers.push(server);
            ports.push(port);
        }
        for (number, master) in servers.iter().take(MASTERS).enumerate() {
            let (first, last) = (number * SLOTS / MASTERS, (number + 1) * SLOTS / MASTERS - 1);
            done(master, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        for (master, replica) in servers.iter().zip(&servers[MASTERS..]) {
            let master = id(master);
            await_answer(replica, "CLUSTER NODES", |said| said.contains(&master));
            done(replica, &format!("CLUSTER REPLICATE {master}"));
        }
        for server in &servers {
            await_answer(server, "CLUSTER INFO", |said| {
                said.contains("cluster_state:ok") && said.contains("cluster_known_nodes:6")
            });
        }
        for master in &servers[..MASTERS] {
            await_answer(master, "INFO replication", |said| said.contains("state=online"));
        }
        Some(Cluster { servers, ports })
    }

    fn settings(&self) -> [String; 3] {
        // Some of them are enough.
        let addresses: Vec<String> =
            self.servers[1..4].iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        [
            "journal.engine=redis".to_owned(),
            format!("journal.redis.addresses={}", addresses.join(",")),
            "journal.redis.cluster=true".to_owned(),
        ]
    }

    fn nodes(&self) -> [Hub; 2] {
        let settings = self.settings();
        [(); 2].map(|()| {
            let hub = Hub::start_with(&settings.each_ref().map(String::as_str));
            await_ready(&hub);
            hub
        })
    }

    /// Which of the masters has the log of the organization of the tests.
    pub(super) fn owner(&self) -> usize {
        let slot = slot(&self.servers[0]);
        (0..MASTERS).find(|number| slot < (number + 1) * SLOTS / MASTERS).unwrap()
    }
}

/// The slot of the organization of the tests.
fn slot(server: &Server) -> usize {
    let partition = Partition::of(ORGANIZATION.parse().unwrap());
    let said = server.ask(&format!("CLUSTER KEYSLOT {}", tag("rte", partition)));
    said.lines().next().unwrap().trim_start_matches(':').parse().unwrap()
}

#[test]
fn nothing_that_was_taken_is_lost_or_doubled_where_a_master_of_a_cluster_is_killed() {
    let Some(mut cluster) = Cluster::start("cluster-killed") else { return skip() };
    let nodes = cluster.nodes();
    let owner = cluster.owner();
    all_come(&nodes, || cluster.servers[owner].kill());
    assert!(cluster.servers[MASTERS + owner].ask("ROLE").contains("master"), "another one has taken its place");
    all_come(&nodes, || ());
}

#[test]
fn a_slot_that_is_moved_by_hand_is_followed() {
    let Some(cluster) = Cluster::start("cluster-moved") else { return skip() };
    let nodes = cluster.nodes();
    let owner = cluster.owner();
    let (from, to) = (&cluster.servers[owner], &cluster.servers[(owner + 1) % MASTERS]);
    let (slot, source, target) = (slot(from), id(from), id(to));
    all_come(&nodes, || {
        done(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {source}"));
        done(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {target}"));
        loop {
            let listed = from.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
            let keys: Vec<&str> = listed.lines().filter(|line| line.starts_with('{')).collect();
            if keys.is_empty() {
                break;
            }
            done(from, &format!("MIGRATE 127.0.0.1 {} \"\" 0 5000 KEYS {}", to.port, keys.join(" ")));
        }
        done(to, &format!("CLUSTER SETSLOT {slot} NODE {target}"));
        done(from, &format!("CLUSTER SETSLOT {slot} NODE {target}"));
    });
    let key = format!("EXISTS {}:s", tag("rte", Partition::of(ORGANIZATION.parse().unwrap())));
    assert!(from.ask(&key).starts_with("-MOVED") && to.ask(&key).starts_with(":1"));
}

#[test]
fn a_check_says_who_has_the_logs_and_what_is_no_cluster_is_not_taken_for_one() {
    let Some(cluster) = Cluster::start("cluster-check") else { return skip() };
    let plain = Server::start("cluster-none", true).unwrap();
    let check = |settings: &[String]| {
        let mut command = rte();
        command.args(["check", "--connect"]).args(settings.iter().flat_map(|set| ["--set", set.as_str()]));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout) + &text(output.stderr))
    };
    let (is_good, said) = check(&cluster.settings());
    let all: Vec<u16> = cluster.servers[..MASTERS].iter().map(|server| server.port).collect();
    assert!(is_good && said.contains("is of a Cluster, where 127.0.0.1:"), "{said}");
    assert!(all.iter().all(|port| said.contains(&format!("127.0.0.1:{port} is reached"))), "{said}");
    let [engine, addresses, as_cluster] = cluster.settings();
    let (is_good, said) = check(&[engine.clone(), addresses.clone()]);
    let (clustered, unclustered) = (
        "it is of a Redis Cluster, and journal.redis.cluster is not set",
        "it is of no Redis Cluster, and journal.redis.",
    );
    assert!(!is_good && said.contains(clustered), "{said}");
    let own = format!("journal.redis.addresses=127.0.0.1:{}", plain.port);
    let (is_good, said) = check(&[engine.clone(), own.clone(), as_cluster.clone()]);
    assert!(!is_good && said.contains(unclustered), "{said}");
    let bare =
        Server::start_with("cluster-bare", &["--cluster-enabled", "yes", "--cluster-port", &free_port().to_string()]);
    let of_bare = format!("journal.redis.addresses=127.0.0.1:{}", bare.as_ref().unwrap().port);
    let (is_good, said) = check(&[engine.clone(), of_bare, as_cluster.clone()]);
    assert!(!is_good && said.contains("its Cluster is down, or has slots without a master: nothing, where"), "{said}");
    for (settings, told) in [
        ([engine.clone(), addresses, "server.threads=1".to_owned()], clustered),
        ([engine, own, as_cluster], unclustered),
    ] {
        let hub = Hub::start_with(&settings.each_ref().map(String::as_str));
        hub.await_log(&format!("error=\"{told}"));
        assert!(hub.log().contains(" server=127.0.0.1:"), "{}", hub.log());
        assert_eq!(hub.publish(&availability("refused").to_string()).status, 503);
    }
    assert!(plain.ask("DBSIZE").starts_with(":0"), "nothing is written there");
}

#[test]
fn each_replica_of_a_cluster_is_waited_for_where_that_is_asked() {
    let Some(cluster) = Cluster::start("cluster-replicas") else { return skip() };
    let settings = cluster.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).chain(["journal.redis.wait_replicas=1"]).collect();
    let hub = Hub::start_with(&settings);
    await_ready(&hub);
    let mut peer = hub.client();
    subscribe(&mut peer, "");
    let reply = hub.publish(&availability("taken").to_string());
    assert_eq!(reply.status, 202, "{reply:?} {}", hub.log());
    cluster.servers[MASTERS + cluster.owner()].signal("-STOP");
    let refused = hub.publish(&availability("alone").to_string());
    assert!(refused.status == 503 && refused.body.contains("too few replicas"), "{refused:?}");
    cluster.servers[MASTERS + cluster.owner()].signal("-CONT");
}
