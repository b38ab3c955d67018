//! Hubs that share a Redis of their own: they are one hub, whatever happens to it or to one of
//! them.

mod checking;
mod cluster;
mod refusing;
mod secure;
mod sentinel;
mod tls;

use super::engine::{Server, skip};
use super::keys::{Issuer, set};
use super::since::availability;
use crate::support::{Folder, Hub, ORGANIZATION, Peer, Reply, USER, asking, rte, serve};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const QUEUE: &str = "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11";
/// How often all of something has come; each time has ids of its own.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// A node of the hub on that server, once it is ready.
fn node(server: &Server, more: &[&str]) -> Hub {
    let hub = starting(server, more);
    await_ready(&hub);
    hub
}

fn starting(server: &Server, more: &[&str]) -> Hub {
    let address = format!("journal.redis.addresses=127.0.0.1:{}", server.port);
    Hub::start_with(&[&["journal.engine=redis", &address, "server.threads=2"], more].concat())
}

fn await_ready(hub: &Hub) {
    await_reply(hub, "GET /readyz", |reply| reply.status == 200);
}

fn await_reply(hub: &Hub, line: &str, is_good: impl Fn(&Reply) -> bool) {
    let is_there = asking().any(|()| is_good(&hub.request(line, &[], "")));
    assert!(is_there, "{line}: {:?}\n{}", hub.request(line, &[], ""), hub.log());
}

/// An event of a call in the queue, with that mark.
fn call(event: &str, mark: &str) -> Value {
    let catalogue = rte::schema::Catalogue::built_in(None);
    let event = catalogue.event(catalogue.find(event).unwrap());
    let mut data: Value = serde_json::from_str(&event.examples[0].delivered).unwrap();
    for (name, value) in [("organizationId", ORGANIZATION), ("queueId", QUEUE), ("queueName", mark)] {
        data[name] = value.into();
    }
    json!({ "eventName": event.name, "data": data })
}

/// Subscribes to calls of the queue and to the user's availability; the verdicts.
fn subscribe(peer: &mut Peer, more: &str) -> [Value; 2] {
    let items = format!(
        r#"[[{{"EntityId":"{QUEUE}","EventName":"QueueCallInArrived"{more}}},{{"EntityId":"{USER}","EventName":"UserAvailability"{more}}}]]"#
    );
    let completion: Value = serde_json::from_str(&peer.invoke("Subscribe", &items)).unwrap();
    serde_json::from_value(completion["result"].clone()).unwrap_or_else(|_| panic!("{completion}"))
}

/// Mark and position of the next message.
fn next(peer: &mut Peer) -> (String, String) {
    let record: Value = serde_json::from_str(&peer.record()).unwrap();
    let argument = &record["arguments"][0];
    let mark = argument["data"].get("note").or(argument["data"].get("queueName")).and_then(Value::as_str);
    let mark = mark.unwrap_or_else(|| panic!("{record}"));
    (mark.to_owned(), argument["position"].as_str().unwrap_or_default().to_owned())
}

fn publish(hub: &Hub, item: &Value) -> Reply {
    let reply = hub.publish(&item.to_string());
    assert_eq!(reply.status, 202, "{reply:?} {}", hub.log());
    reply
}

const POSITIONED: &str = r#","Since":null"#;

fn since(position: &str) -> String {
    format!(r#","Since":"{position}""#)
}

#[test]
fn what_is_published_at_any_node_is_heard_at_all_in_one_order_with_the_same_positions() {
    let Some(server) = Server::start("nodes-order", true) else { return skip() };
    let nodes = [node(&server, &[]), node(&server, &[])];
    let mut peers = [nodes[0].client(), nodes[1].client(), nodes[1].client()];
    peers.iter_mut().for_each(|peer| drop(subscribe(peer, POSITIONED)));
    let mut told = Vec::new();
    for number in 0..40 {
        let mark = number.to_string();
        let item = if number % 3 == 0 { availability(&mark) } else { call("QueueCallInArrived", &mark) };
        let reply = publish(&nodes[number % 2], &item);
        told.push((mark, reply.header("rte-position").unwrap().to_owned()));
    }
    for peer in &mut peers {
        let heard: Vec<_> = (0..40).map(|_| next(peer)).collect();
        assert_eq!(heard, told, "what the publisher is told is where it stands");
    }
}

#[test]
fn a_client_that_goes_to_another_node_gets_what_it_has_missed_and_so_at_one_that_comes_later() {
    let Some(server) = Server::start("nodes-moves", true) else { return skip() };
    let (mut first, second) = (node(&server, &[]), node(&server, &[]));
    let mut peer = first.client();
    let verdicts = subscribe(&mut peer, POSITIONED);
    assert!(verdicts.iter().all(|verdict| verdict["subscribed"] == true), "{verdicts:?}");
    publish(&first, &call("QueueCallInArrived", "seen"));
    let (_, seen) = next(&mut peer);
    drop(peer);
    publish(&second, &call("QueueCallInArrived", "1"));
    publish(&first, &availability("2"));
    first.kill();
    publish(&second, &call("QueueCallInArrived", "3"));
    // It is not there when anything of it is published.
    let third = node(&server, &[]);
    for hub in [&second, &third] {
        let mut back = hub.client();
        let verdicts = subscribe(&mut back, &since(&seen));
        let told = verdicts.map(|verdict| (verdict["recovered"].clone(), verdict["replayed"].clone()));
        assert_eq!(told, [(json!(true), json!(2)), (json!(true), json!(1))]);
        assert_eq!([next(&mut back).0, next(&mut back).0, next(&mut back).0], ["1", "2", "3"]);
        let mut fresh = hub.client();
        let verdicts = subscribe(&mut fresh, r#","Snapshot":true"#);
        assert_eq!(verdicts.map(|verdict| verdict["snapshot"].clone()), [json!(1), json!(1)]);
        assert_eq!([next(&mut fresh).0, next(&mut fresh).0], ["2", "3"], "the call is open still");
    }
    publish(&third, &call("QueueCallInDisconnected", "over"));
    let fourth = node(&server, &[]);
    let mut fresh = fourth.client();
    assert_eq!(subscribe(&mut fresh, r#","Snapshot":true"#)[0]["snapshot"], json!(0));
}

#[test]
fn a_replica_that_is_named_beside_its_master_is_passed_over_without_a_word() {
    let Some(master) = Server::start("nodes-beside", true) else { return skip() };
    let port = master.port.to_string();
    let replica = Server::start_with("nodes-beside-replica", &["--replicaof", "127.0.0.1", &port]).unwrap();
    let both = format!("journal.redis.addresses=127.0.0.1:{},127.0.0.1:{port}", replica.port);
    let hub = Hub::start_with(&["journal.engine=redis", &both]);
    await_ready(&hub);
    publish(&hub, &availability("taken"));
    assert!(!hub.log().contains("backplane_away"), "{}", hub.log());
}

#[test]
fn what_holds_is_taken_over_where_the_log_reaches_back_no_more() {
    let Some(server) = Server::start("nodes-rows", true) else { return skip() };
    let small = ["journal.redis.retain_entries=100"];
    let first = node(&server, &small);
    publish(&first, &call("QueueCallInArrived", "open"));
    for number in 0..400 {
        publish(&first, &availability(&number.to_string()));
    }
    let second = node(&server, &small);
    let mut fresh = second.client();
    let verdicts = subscribe(&mut fresh, r#","Snapshot":true"#);
    assert_eq!(verdicts.map(|verdict| verdict["snapshot"].clone()), [json!(1), json!(1)]);
    assert_eq!([next(&mut fresh).0, next(&mut fresh).0], ["open", "399"]);
}

/// Publishes at both nodes in turn, with ids, and again where it is refused; all that was taken has
/// come to both, once.
fn all_come(nodes: &[Hub; 2], fault: impl FnOnce()) {
    let mut peers = [nodes[0].client(), nodes[1].client()];
    peers.iter_mut().for_each(|peer| drop(subscribe(peer, POSITIONED)));
    let (mut fault, run) = (Some(fault), RUNS.fetch_add(1, Ordering::Relaxed));
    for number in 0..40 {
        if number == 20 {
            fault.take().unwrap()();
        }
        let mut item = call("QueueCallInArrived", &number.to_string());
        item["id"] = format!("id {run}.{number}").into();
        let is_taken = asking().any(|()| nodes[number % 2].publish(&item.to_string()).status == 202);
        assert!(is_taken, "{}", nodes[number % 2].log());
    }
    for peer in &mut peers {
        let mut heard: Vec<usize> = (0..40).map(|_| next(peer).0.parse().unwrap()).collect();
        heard.sort_unstable();
        assert_eq!(heard, Vec::from_iter(0..40));
    }
    let last = publish(&nodes[0], &call("QueueCallInArrived", "last"));
    for peer in &mut peers {
        assert_eq!(next(peer), ("last".to_owned(), last.header("rte-position").unwrap().to_owned()), "none is doubled");
    }
    for absent in ["backplane_gap", "can't be understood"] {
        assert!(nodes.iter().all(|hub| !hub.log().contains(absent)), "{}", nodes[0].log());
    }
}

/// The nodes that have endured it, where there is a server.
fn endures(name: &str, is_kept: bool, fault: impl FnOnce(&mut Server)) -> Vec<Hub> {
    let Some(mut server) = Server::start(name, is_kept) else {
        skip();
        return Vec::new();
    };
    let nodes = [node(&server, &[]), node(&server, &[])];
    all_come(&nodes, || fault(&mut server));
    assert!(nodes.iter().all(|hub| hub.log().contains("backplane_unsafe") != is_kept), "{}", nodes[0].log());
    nodes.into()
}

#[test]
fn nothing_that_was_taken_is_lost_or_doubled_where_the_engine_is_killed() {
    endures("nodes-killed", true, Server::kill_and_restart);
}

#[test]
fn nothing_that_was_taken_is_lost_or_doubled_where_the_engine_comes_back_empty() {
    let emptied = endures("nodes-empty", false, Server::kill_and_restart);
    let flushed = endures("nodes-flushed", true, |server| assert!(server.ask("FLUSHALL").starts_with("+OK")));
    for hub in emptied.iter().chain(&flushed) {
        hub.await_log("backplane_repaired repaired=");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a publisher waits for the real server")]
fn while_the_engine_is_away_publishers_are_refused_and_clients_stay() {
    let Some(server) = Server::start("nodes-away", true) else { return skip() };
    let hub = node(&server, &["journal.redis.append_timeout_ms=1000"]);
    let mut peer = hub.client();
    subscribe(&mut peer, POSITIONED);
    publish(&hub, &availability("before"));
    assert_eq!(next(&mut peer).0, "before");
    server.signal("-STOP");
    let asked = Instant::now();
    let refused = hub.publish(&availability("away").to_string());
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert!(asked.elapsed() < Duration::from_millis(1_000 + 1_500), "{:?}", asked.elapsed());
    await_reply(&hub, "GET /readyz?publish=1", |reply| reply.status == 503);
    let ready = hub.request("GET /readyz", &[], "");
    assert!(ready.status == 200 && ready.body.contains("away"), "{ready:?}");
    let mut fresh = hub.client();
    assert_eq!(subscribe(&mut fresh, r#","Snapshot":true"#)[1]["snapshot"], json!(1), "snapshots go on");
    server.signal("-CONT");
    await_reply(&hub, "GET /readyz?publish=1", |reply| reply.status == 200);
    publish(&hub, &availability("after"));
    let marks: Vec<String> = std::iter::repeat_with(|| next(&mut peer).0).take_while(|mark| mark != "after").collect();
    assert!(marks.iter().all(|mark| mark == "away"), "at most what was on its way: {marks:?}");
    hub.await_log("backplane_away");
    hub.await_log("backplane_back");
}

#[test]
fn a_node_is_not_ready_before_it_has_read_what_the_others_know() {
    let Some(mut server) = Server::start("nodes-absent", true) else { return skip() };
    server.signal("-STOP");
    let hub = starting(&server, &[]);
    assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
    let ready = hub.request("GET /readyz", &[], "");
    assert!(ready.status == 503 && ready.body.starts_with("starting"), "{ready:?}");
    let refused = hub.publish(&availability("early").to_string());
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert_eq!(hub.request_as_client("POST /rte/negotiate?negotiateVersion=1", &[]).status, 503);
    server.kill_and_restart();
    await_ready(&hub);
    publish(&hub, &availability("late"));
}

#[test]
fn a_gap_closes_those_who_must_have_every_event_and_states_are_set_right() {
    let Some(server) = Server::start("nodes-gap", true) else { return skip() };
    let small = ["journal.redis.retain_entries=100", "limits.gap_spread_ms=0"];
    let (behind, other) = (node(&server, &small), node(&server, &small));
    let mut calls = behind.client();
    let [verdict, _] = subscribe(&mut calls, POSITIONED);
    let mut states = behind.client();
    let items = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAvailability"}}]]"#);
    assert!(states.invoke("Subscribe", &items).contains(r#""subscribed":true"#));
    behind.signal("-STOP");
    for number in 0..400 {
        publish(&other, &availability(&number.to_string()));
    }
    behind.signal("-CONT");
    let marks = std::iter::repeat_with(|| next(&mut states).0).take_while(|mark| mark != "399").count();
    assert!(marks < 300, "they were missed");
    let closed = std::iter::repeat_with(|| calls.record()).find(|record| record.contains(r#""type":7"#)).unwrap();
    assert!(closed.contains("gap:") && closed.contains(r#""allowReconnect":true"#), "{closed}");
    behind.await_log("backplane_gap");
    let [again, _] = subscribe(&mut behind.client(), &since(verdict["position"].as_str().unwrap()));
    assert_eq!(again["recovered"], json!(false), "{again}");
}

#[test]
fn who_has_missed_something_gets_no_more_of_it_until_it_is_closed_and_is_told_so_when_it_comes_back() {
    let Some(server) = Server::start("nodes-gap-spread", true) else { return skip() };
    let small = ["journal.redis.retain_entries=100", "limits.gap_spread_ms=3600000"];
    let (behind, other) = (node(&server, &small), node(&server, &small));
    let mut peer = behind.client();
    subscribe(&mut peer, POSITIONED);
    let mut at = String::new();
    for number in 0..3 {
        publish(&other, &call("QueueCallInArrived", &number.to_string()));
        at = next(&mut peer).1;
    }
    behind.signal("-STOP");
    for number in 0..400 {
        publish(&other, &availability(&number.to_string()));
    }
    behind.signal("-CONT");
    assert!(std::iter::repeat_with(|| next(&mut peer).0).any(|mark| mark == "399"), "states go on");
    publish(&behind, &call("QueueCallInArrived", "behind the gap"));
    publish(&behind, &availability("last"));
    assert_eq!(next(&mut peer).0, "last", "its cursor for calls stays in front of the gap");
    let mut back = behind.client();
    assert_eq!(
        subscribe(&mut back, &since(&at)).map(|verdict| verdict["recovered"].clone()),
        [json!(false), json!(true)]
    );
}

/// Nodes without a secret, of whose tokens others have the keys.
struct Keyless {
    issuer: Issuer,
    folder: Folder,
}

impl Keyless {
    fn new(name: &str, server: &Server, more: &str) -> Keyless {
        let issuer = Issuer::new(1);
        let text = format!(
            "[auth]\njwks_file = \"jwks.json\"\n[journal]\nengine = \"redis\"\n\
             [journal.redis]\naddresses = [\"127.0.0.1:{}\"]\n{more}",
            server.port
        );
        let files = [("rte.toml", &*text), ("jwks.json", &set(&[&issuer])), ("word", "sesame\n")];
        let folder = Folder::new(name, &files);
        Keyless { issuer, folder }
    }

    /// A node, once it is ready.
    fn node(&self) -> Hub {
        let mut command = serve();
        command.env_remove("RTE_AUTH_SECRET").args(["--config", &self.folder.file("rte.toml")]);
        let hub = Hub::launch(command, &[]);
        await_ready(&hub);
        hub
    }

    fn assert_ids_hold(&self, from: &Hub, at: &Hub) {
        let token = self.issuer.token();
        let authorization = format!("Authorization: Bearer {token}");
        for _ in 0..4 {
            let reply = from.request("POST /rte/negotiate?negotiateVersion=1", &[&authorization], "");
            let id = reply.json()["connectionToken"].as_str().unwrap().to_owned();
            at.websocket_with(&format!("/rte?id={id}"), &token);
        }
    }
}

#[test]
fn what_one_node_has_negotiated_holds_at_another_though_no_secret_is_configured() {
    let Some(server) = Server::start("nodes-ids", true) else { return skip() };
    assert!(server.ask("CONFIG SET requirepass sesame").starts_with("+OK"));
    let keyless = Keyless::new("nodes-keys", &server, "password_file = \"word\"\n");
    let (first, second) = (keyless.node(), keyless.node());
    keyless.assert_ids_hold(&first, &second);
    assert!(!first.log().contains("sesame"), "{}", first.log());
}

/// What nodes have negotiated holds at one that comes after that fault.
fn assert_ids_outlive(name: &str, fault: impl FnOnce(&mut Server)) {
    let Some(mut server) = Server::start(name, false) else { return skip() };
    let keyless = Keyless::new(name, &server, "");
    let (first, second) = (keyless.node(), keyless.node());
    let before = server.ask("HGET rte:meta secret");
    fault(&mut server);
    assert!(asking().any(|()| server.ask("HGET rte:meta secret") == before), "{}", first.log());
    let third = keyless.node();
    keyless.assert_ids_hold(&first, &third);
    keyless.assert_ids_hold(&third, &second);
    assert!(!first.log().contains("another secret"), "{}", first.log());
}

#[test]
fn what_one_node_has_negotiated_holds_at_one_that_comes_after_the_engine_has_lost_everything() {
    assert_ids_outlive("nodes-ids-flushed", |server| assert!(server.ask("FLUSHALL").starts_with("+OK")));
    assert_ids_outlive("nodes-ids-empty", Server::kill_and_restart);
}

#[test]
fn a_node_whose_secret_for_ids_another_one_has_replaced_says_who_must_do_what() {
    let Some(server) = Server::start("nodes-ids-other", false) else { return skip() };
    let hub = Keyless::new("nodes-ids-other", &server, "").node();
    // As a node does that starts in the moment between.
    assert!(server.ask("HSET rte:meta secret other").starts_with(":0"));
    assert!(server.ask("CLIENT KILL TYPE normal").starts_with(':'));
    hub.await_log("server.id_secret_file");
    assert_eq!(hub.log().matches("another secret").count(), 1, "{}", hub.log());
}

#[test]
fn what_is_revoked_at_one_node_is_at_all_and_at_those_that_come_later() {
    let Some(server) = Server::start("nodes-revoked", true) else { return skip() };
    let (first, second) = (node(&server, &[]), node(&server, &[]));
    let token = first.client_token();
    let mut peers = [first.client_with(&token), second.client_with(&token)];
    let admin = format!(
        "Authorization: Bearer {}",
        first.token(json!({ "sub": "somebody else", "org": null, "scope": "admin" }))
    );
    let body = json!({ "sub": USER, "until": 4_102_444_800_u64 }).to_string();
    let reply = first.request("POST /revoke", &[&admin, "Content-Type: application/json"], &body);
    assert_eq!((reply.status, reply.json()["closed"].clone()), (200, json!(1)), "at this node: {reply:?}");
    for peer in &mut peers {
        assert!(peer.record().contains("token_revoked"));
    }
    let third = node(&server, &[]);
    for hub in [&first, &second, &third] {
        let bearer = format!("Authorization: Bearer {token}");
        assert_eq!(hub.request("POST /rte/negotiate?negotiateVersion=1", &[&bearer], "").status, 401);
    }
}

#[test]
fn the_demo_of_two_nodes_runs_on_a_redis_of_its_own_and_takes_a_node_away_and_back() {
    if Server::start("nodes-demo", false).is_none() {
        return skip();
    }
    let arguments = "demo --nodes 2 --listen 127.0.0.1:0 --seed 7 --speed 20 --restart 1 --for 3";
    let output = rte().args(arguments.split(' ')).output().unwrap();
    let [said, noted] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{said}{noted}");
    assert!(noted.contains("the first node ends"), "{said}{noted}");
    let lines: Vec<&str> = said.lines().collect();
    let hub = lines.iter().position(|line| line.starts_with("  hub         http://127.0.0.1:")).unwrap();
    assert!(lines[hub + 1].starts_with("  node 2      http://127.0.0.1:"), "{said}");
    let sections = lines.windows(2).filter(|two| two[1].ends_with(':'));
    assert!(sections.clone().count() == 3 && sections.clone().all(|two| two[0].is_empty()), "{said}");
    assert!(!noted.contains("backplane_unsafe"), "its Redis keeps nothing, and is meant to: {noted}");
}
