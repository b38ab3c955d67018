//! Sentinels, and a Cluster, that are reached over TLS by names that they announce.

use super::super::engine::{Server, skip};
use super::cluster::Cluster;
use super::sentinel::Estate;
use super::tls::Authority;
use super::{all_come, await_ready};
use crate::support::{Hub, free_port};

/// What servers speak among each other.
const AMONG: [&str; 4] = ["--tls-replication", "yes", "--tls-auth-clients", "no"];
const CA: [(&str, &str); 1] = [("ca_file", "ca.pem")];

fn authority(name: &str) -> Authority {
    let authority = Authority::new(name);
    authority.certify("redis", "localhost", |_| ());
    authority
}

fn nodes(settings: &[String]) -> [Hub; 2] {
    [(); 2].map(|()| {
        let hub = Hub::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>());
        await_ready(&hub);
        hub
    })
}

/// What is told where addresses are announced, by what is done there to announce no names any more.
fn tells_who_is_to_announce_names(authority: &Authority, settings: &[String], told: &str) {
    let (is_good, said) = authority.check(settings);
    let expected = "its certificate is for another name than the one that it is announced by";
    assert!(!is_good && said.contains(expected) && said.contains(told), "{said}");
    let hub = Hub::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>());
    hub.await_log(expected);
}

#[test]
fn sentinels_and_their_servers_are_reached_over_tls_by_the_names_that_they_announce() {
    let authority = authority("secure-sentinel");
    let start = |name: &str, more: &[&str]| authority.start(name, "redis", &[more, &AMONG].concat());
    let port = free_port();
    let lines = authority.lines("redis", port)
        + "tls-replication yes\ntls-auth-clients no\nsentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n";
    let Some(mut estate) = Estate::start_by("secure-sentinel", "localhost", start, &lines) else { return skip() };
    let settings = [authority.settings(port, &CA), vec!["journal.redis.sentinel=hub".to_owned()]].concat();
    let (is_good, said) = authority.check(&settings);
    assert!(is_good && said.contains("which knows \"hub\" at localhost:"), "{said}");
    let nodes = nodes(&settings);
    all_come(&nodes, || estate.master.kill());
    estate.await_takeover();
    all_come(&nodes, || ());
    assert!(estate.sentinel.ask("SENTINEL CONFIG SET announce-hostnames no").contains("OK"));
    tells_who_is_to_announce_names(&authority, &settings, "sentinel announce-hostnames yes");
}

#[test]
fn a_cluster_is_reached_over_tls_by_the_names_that_its_servers_announce() {
    let authority = authority("secure-cluster");
    let names = ["--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname"];
    let more = [&names[..], &["--tls-cluster", "yes"], &AMONG].concat();
    let start = |name: &str, own: &[&str]| authority.start(name, "redis", &[own, &more].concat());
    let Some(mut cluster) = Cluster::start_by("secure-cluster", start) else { return skip() };
    let (owner, ports) = (cluster.owner(), cluster.ports.clone());
    let mut settings = authority.settings(ports[0], &CA);
    settings.push("journal.redis.cluster=true".to_owned());
    let (is_good, said) = authority.check(&settings);
    assert!(is_good && ports[..3].iter().all(|port| said.contains(&format!("localhost:{port} is reached"))), "{said}");
    let servers: &mut [Server] = &mut cluster.servers;
    settings[1] = format!("journal.redis.addresses=localhost:{},localhost:{}", ports[0], ports[1]);
    let nodes = nodes(&settings);
    all_come(&nodes, || servers[owner].kill());
    all_come(&nodes, || ());
    let other = (owner + 1) % 3;
    assert!(servers[other].ask("CONFIG SET cluster-preferred-endpoint-type ip").starts_with("+OK"));
    settings[1] = format!("journal.redis.addresses=localhost:{}", ports[other]);
    tells_who_is_to_announce_names(&authority, &settings, "cluster-announce-hostname");
}
