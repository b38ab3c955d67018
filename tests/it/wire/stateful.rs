//! Stateful reconnect: a WebSocket is lost, the client opens another one for the same connection,
//! and its page misses nothing and hears nothing twice.

use crate::sim::messagepack;
use crate::support::{Hub, ORGANIZATION, Peer, RS, Reply, UPGRADE, USER, asking, request};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::Shutdown;
use tungstenite::Message;

const QUEUE: &str = "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11";
const THREADS: [&str; 3] = ["server.threads=1", "server.threads=2", "server.threads=4"];
const PROTOCOLS: [&str; 2] = ["json", "messagepack"];
const NEGOTIATE: &str = "POST /rte/negotiate?negotiateVersion=1&useStatefulReconnect=true";

/// A client with stateful reconnect, which counts as the stock one does.
struct Client {
    target: String,
    token: String,
    peer: Peer,
    packs: bool,
    /// What has come in MessagePack and is not taken yet, in JSON.
    records: VecDeque<String>,
    /// The number of the next message that counts, and the highest that has come.
    next: u64,
    latest: u64,
    marks: Vec<String>,
}

impl Client {
    fn connect(hub: &Hub) -> Client {
        Client::connect_with(hub, &hub.client_token(), "json", 2)
    }

    fn connect_with(hub: &Hub, token: &str, protocol: &str, version: u32) -> Client {
        let answer = hub.request(NEGOTIATE, &[&format!("Authorization: Bearer {token}")], "").json();
        assert_eq!(answer["useStatefulReconnect"], true);
        let target = format!("/rte?id={}", answer["connectionToken"].as_str().unwrap());
        // Where there are tickets, stock clients show theirs from here on.
        let token = answer["accessToken"].as_str().unwrap_or(token);
        let mut peer = hub.websocket_with(&target, token);
        peer.send(&format!(r#"{{"protocol":"{protocol}","version":{version}}}"#));
        assert_eq!(peer.next().into_data(), format!("{{}}{RS}"));
        let (token, packs) = (token.to_owned(), protocol == "messagepack");
        Client { target, token, peer, packs, records: VecDeque::new(), next: 1, latest: 0, marks: Vec::new() }
    }

    /// Another WebSocket with the same id.
    fn resume(&mut self, hub: &Hub) {
        self.peer = hub.websocket_with(&self.target, &self.token);
        self.records.clear();
        let record = self.record();
        let message: Value = serde_json::from_str(&record).unwrap();
        assert_eq!(message["type"], 9, "{record}");
        let first = message["sequenceId"].as_u64().unwrap();
        assert!(first <= self.latest + 1, "{record}");
        self.next = first;
    }

    /// Sends a hub message.
    fn say(&mut self, record: &str) {
        match self.packs {
            true => self.peer.send_binary(&messagepack::pack(record.as_bytes())),
            false => self.peer.send(record),
        }
    }

    /// The next hub message.
    fn record(&mut self) -> String {
        if !self.packs {
            return self.peer.record();
        }
        while self.records.is_empty() {
            let next = self.peer.next();
            let Message::Binary(bytes) = &next else { panic!("expected a binary message, got {next:?}") };
            self.records.extend(messagepack::unpack(bytes).unwrap());
        }
        self.records.pop_front().unwrap()
    }

    /// The answer to an attempt to come back.
    fn try_resume(&self, hub: &Hub) -> Reply {
        let authorization = format!("Authorization: Bearer {}", self.token);
        let headers = [&[authorization.as_str()], &UPGRADE[..]].concat();
        let mut wire = hub.connect();
        wire.send(request(&format!("GET {}", self.target), &headers, "").as_bytes());
        wire.reply()
    }

    /// The socket ends without a Close of WebSocket.
    fn cut(&mut self) {
        self.peer.stream().shutdown(Shutdown::Both).unwrap();
    }

    /// The next message that counts and has not come before.
    fn next(&mut self) -> Value {
        loop {
            let message: Value = serde_json::from_str(&self.record()).unwrap();
            if matches!(message["type"].as_u64(), Some(6 | 8)) {
                continue;
            }
            let number = self.next;
            self.next += 1;
            if number > self.latest {
                self.latest = number;
                return message;
            }
        }
    }

    /// Hears publications until that one.
    fn hear(&mut self, last: &str) {
        while self.marks.last().is_none_or(|mark| mark != last) {
            let message = self.next();
            assert_eq!(message["target"], "MessageReceived", "{message}");
            self.marks.push(message["arguments"][0]["data"]["queueName"].as_str().unwrap().to_owned());
        }
    }

    fn acknowledge(&mut self) {
        let latest = self.latest;
        self.say(&format!(r#"{{"type":8,"sequenceId":{latest}}}"#));
    }

    fn subscribe(&mut self) {
        let item = json!({ "EntityId": QUEUE, "EventName": "QueueCallInArrived" });
        let invocation = json!({ "type": 1, "invocationId": "s", "target": "Subscribe", "arguments": [[item]] });
        self.say(&invocation.to_string());
        let completion = self.next();
        assert_eq!(completion["result"][0]["subscribed"], true, "{completion}");
    }

    /// Sends a message that is answered.
    fn ask(&mut self, id: &str) {
        let invocation = json!({ "type": 1, "invocationId": id, "target": "GetActiveSubscriptions", "arguments": [] });
        self.say(&invocation.to_string());
    }
}

fn publish(hub: &Hub, mark: &str) {
    let item = json!({ "eventName": "QueueCallInArrived", "data": {
        "callerNumber": "+358401234501", "callId": QUEUE, "legId": "81f6b2c47d0e9a35",
        "organizationId": ORGANIZATION, "queueId": QUEUE, "queueName": mark,
        "queueNumber": "+358942450100", "targetNumber": "+358942450100",
    }});
    assert_eq!(hub.publish(&item.to_string()).status, 202);
}

fn marks(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| n.to_string()).collect()
}

fn is_unknown(reply: &Reply) -> bool {
    reply.status == 404 && reply.body == "No Connection with that ID"
}

#[test]
fn it_is_granted_to_those_who_ask_where_it_can_be_had() {
    let hub = Hub::start();
    let granted = |query: &str| {
        let body = hub.request_as_client(&format!("POST /rte/negotiate?{query}"), &[]).body;
        assert_eq!(
            body.contains("useStatefulReconnect"),
            body.starts_with(r#"{"useStatefulReconnect":true,"#),
            "{body}"
        );
        body.contains("useStatefulReconnect")
    };
    assert!(granted("negotiateVersion=1&useStatefulReconnect=true"));
    assert!(!granted("negotiateVersion=1") && !granted("negotiateVersion=1&useStatefulReconnect=false"));
    assert!(!granted("useStatefulReconnect=true"), "a version without tokens of connections");
    for setting in ["server.stateful_reconnect=false", "server.transports=LongPolling"] {
        let hub = Hub::start_with(&[setting]);
        let answer = hub.request_as_client(NEGOTIATE, &[]).json();
        assert_eq!(answer.get("useStatefulReconnect"), None, "{setting}");
    }
}

#[test]
fn a_page_whose_socket_is_lost_again_and_again_misses_nothing_on_any_number_of_threads() {
    for (threads, protocol) in THREADS.into_iter().flat_map(|threads| PROTOCOLS.map(|protocol| (threads, protocol))) {
        let hub = Hub::start_with(&[threads]);
        let mut client = Client::connect_with(&hub, &hub.client_token(), protocol, 2);
        client.subscribe();
        for round in 0..6 {
            publish(&hub, &(round * 3).to_string());
            if round % 2 == 0 {
                client.hear(&(round * 3).to_string());
            }
            client.cut();
            publish(&hub, &(round * 3 + 1).to_string());
            client.resume(&hub);
            publish(&hub, &(round * 3 + 2).to_string());
            client.hear(&(round * 3 + 2).to_string());
            if round % 3 == 0 {
                client.acknowledge();
            }
        }
        assert_eq!(client.marks, marks(0..18), "{threads} {protocol}");
        hub.await_metric("rte_resumed_total", |count| count == 6.0);
        assert_eq!(hub.metric("rte_hub_connections"), 1.0);
        client.say(r#"{"type":7}"#);
        hub.await_metric("rte_hub_connections", |count| count == 0.0);
        hub.await_metric("rte_connections{", |_| true);
    }
}

#[test]
fn another_socket_takes_over_where_the_hub_has_not_noticed_that_the_first_is_gone() {
    for threads in THREADS {
        let hub = Hub::start_with(&[threads]);
        let mut client = Client::connect(&hub);
        client.subscribe();
        publish(&hub, "0");
        client.hear("0");
        let former = hub.websocket_with("/rte", &client.token);
        let mut former = std::mem::replace(&mut client.peer, former);
        client.resume(&hub);
        assert_eq!(former.try_record(), None, "the first one is cut");
        publish(&hub, "1");
        client.hear("1");
        assert_eq!(client.marks, ["0", "1"]);
        hub.await_metric(r#"rte_connections_closed_total{reason="link_replaced"}"#, |count| count == 1.0);
    }
}

#[test]
fn what_a_client_sends_again_is_done_once_and_answered_again() {
    let hub = Hub::start();
    for protocol in PROTOCOLS {
        sends_again(&hub, protocol);
    }
}

fn sends_again(hub: &Hub, protocol: &str) {
    let mut client = Client::connect_with(hub, &hub.client_token(), protocol, 2);
    client.ask("1");
    assert_eq!(client.next()["invocationId"], "1");
    let acknowledged = (0..3).map(|_| client.record()).find(|record| record.contains(r#""type":8"#));
    assert_eq!(acknowledged.as_deref(), Some(r#"{"type":8,"sequenceId":1}"#), "within a second");
    let before = hub.metric("rte_hub_messages_total");
    client.ask("2");
    client.cut();
    client.resume(hub);
    // It has acknowledged nothing, so that the first answer comes again, and is not looked at.
    client.say(r#"{"type":9,"sequenceId":2}"#);
    client.ask("2");
    client.ask("3");
    let answers: Vec<Value> = (0..2).map(|_| client.next()["invocationId"].clone()).collect();
    assert_eq!(answers, ["2", "3"]);
    client.ask("4");
    assert_eq!(client.next()["invocationId"], "4", "nothing was answered twice");
    assert!(hub.metric("rte_hub_messages_total") >= before + 4.0);
}

#[test]
fn a_client_that_has_sent_what_never_came_is_told_so_and_its_id_is_dead() {
    let hub = Hub::start_with(&["server.detailed_errors=true"]);
    for protocol in PROTOCOLS {
        let mut client = Client::connect_with(&hub, &hub.client_token(), protocol, 2);
        client.cut();
        client.resume(&hub);
        client.say(r#"{"type":9,"sequenceId":3}"#);
        let close = client.record();
        assert!(close.contains("Sequence ID greater than amount of messages we've received."), "{close}");
        client.peer.assert_closed(1000);
        assert!(is_unknown(&client.try_resume(&hub)));
    }
}

#[test]
fn who_is_not_back_in_time_is_gone() {
    let hub = Hub::start_with(&["limits.disconnect_ms=200"]);
    let mut client = Client::connect(&hub);
    client.subscribe();
    client.cut();
    hub.await_metric(r#"rte_connections_closed_total{reason="not_resumed"}"#, |count| count == 1.0);
    assert!(is_unknown(&client.try_resume(&hub)));
    assert_eq!((hub.metric("rte_hub_connections"), hub.metric("rte_subscriptions")), (0.0, 0.0));
    assert_eq!(hub.metric("rte_detached_connections"), 0.0);
}

#[test]
fn behind_a_close_of_either_side_the_id_is_dead() {
    let hub = Hub::start_with(&["limits.record_bytes_max=300"]);
    for last in ["{\"type\":7}", "no JSON"] {
        let mut client = Client::connect(&hub);
        client.peer.send(last);
        assert!(client.peer.record().starts_with(r#"{"type":7"#));
        assert!(is_unknown(&client.try_resume(&hub)), "while its last bytes are on their way");
        client.peer.assert_closed(1000);
        assert!(is_unknown(&client.try_resume(&hub)));
    }
    let mut client = Client::connect(&hub);
    client.peer.close(1001);
    client.peer.assert_closed(1000);
    assert!(is_unknown(&client.try_resume(&hub)), "a Close of WebSocket is one, too");
}

#[test]
fn who_lacks_what_is_kept_no_longer_is_refused_and_a_connection_that_lives_goes_on() {
    let hub = Hub::start_with(&["limits.unacknowledged_bytes_max=1000"]);
    let mut client = Client::connect(&hub);
    client.subscribe();
    let all = marks(0..20);
    all.iter().for_each(|mark| publish(&hub, mark));
    client.hear("19");
    assert_eq!(client.marks, all, "nothing ends for it");
    assert!(is_unknown(&client.try_resume(&hub)));
    publish(&hub, "20");
    client.hear("20");
    client.acknowledge();
    // It has them all by now.
    client.ask("1");
    assert_eq!(client.next()["invocationId"], "1");
    client.cut();
    client.resume(&hub);
    publish(&hub, "21");
    client.hear("21");
}

#[test]
fn who_does_not_speak_version_2_or_comes_as_another_user_cannot_go_on() {
    let hub = Hub::start();
    let client = Client::connect_with(&hub, &hub.client_token(), "json", 1);
    let refused = client.try_resume(&hub);
    assert_eq!(refused.status, 409, "{refused:?}");
    let mut client = Client::connect(&hub);
    let owner =
        std::mem::replace(&mut client.token, hub.token(json!({ "sub": QUEUE, "org": ORGANIZATION, "rte": ["*"] })));
    assert!(is_unknown(&client.try_resume(&hub)));
    client.token = owner;
    client.subscribe();
}

#[test]
fn those_who_wait_for_a_link_do_not_keep_a_draining_hub_and_are_not_served_by_it() {
    let mut hub = Hub::start_with(&["limits.drain_spread_ms=100"]);
    let mut client = Client::connect(&hub);
    client.cut();
    hub.await_metric("rte_detached_connections", |count| count == 1.0);
    hub.terminate();
    assert_eq!(hub.exit_code(), Some(0));
    let log = hub.log();
    assert!(!log.contains("drain_incomplete"), "{log}");
}

#[test]
fn a_hub_with_one_place_keeps_it_for_the_client_that_comes_back() {
    let hub = Hub::start_with(&["limits.connections_max=1"]);
    let mut client = Client::connect(&hub);
    let is_full = || hub.request_as_client("POST /rte/negotiate?negotiateVersion=1", &[]).status == 503;
    assert!(is_full());
    for _ in 0..3 {
        client.cut();
        assert!(is_full());
        client.resume(&hub);
        assert!(is_full());
    }
    client.peer.send(r#"{"type":7}"#);
    assert!(client.peer.record().starts_with(r#"{"type":7"#));
    client.peer.assert_closed(1000);
    assert!(asking().any(|()| !is_full()));
}

#[test]
fn a_ticket_is_good_for_every_socket_of_its_connection_and_for_no_other() {
    let hub = Hub::start_with(&["auth.tickets=true", "auth.jwt_in_query=refuse"]);
    let mut client = Client::connect(&hub);
    assert_ne!(client.token, hub.client_token(), "a ticket");
    client.subscribe();
    for mark in ["0", "1", "2"] {
        client.cut();
        publish(&hub, mark);
        client.resume(&hub);
        client.hear(mark);
    }
    assert_eq!(client.marks, ["0", "1", "2"]);
    let other = Client::connect(&hub);
    client.target = other.target;
    assert_eq!(client.try_resume(&hub).status, 401);
}

#[test]
fn whose_token_is_revoked_while_it_waits_is_gone() {
    let hub = Hub::start_with(&["server.threads=2"]);
    let mut client = Client::connect(&hub);
    client.subscribe();
    client.cut();
    hub.await_metric("rte_detached_connections", |count| count == 1.0);
    let admin = hub.token(json!({ "scope": "admin", "org": null, "sub": "somebody else" }));
    let revocation = json!({ "sub": USER, "until": 4_102_444_800_u64 }).to_string();
    let reply = hub.request("POST /revoke", &[&format!("Authorization: Bearer {admin}")], &revocation);
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"closed":1}"#));
    hub.await_metric(r#"rte_connections_closed_total{reason="revoked"}"#, |count| count == 1.0);
    assert_eq!((hub.metric("rte_detached_connections"), hub.metric("rte_subscriptions")), (0.0, 0.0));
    assert_eq!(client.try_resume(&hub).status, 401);
}
