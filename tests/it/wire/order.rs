//! One order per organization, whoever publishes where, and snapshots that know all that was
//! acknowledged.

use crate::support::{Hub, ORGANIZATION, Peer, Wire, request};
use serde_json::{Value, json};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

const QUEUE: &str = "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11";
const AGENT: &str = "7e2b8c90-51d4-4f7a-8a63-0c9d1e2f3a44";
const PUBLISHERS: usize = 6;
const ROUNDS: usize = 400;
const SNAPSHOTS: usize = 10_000;

/// A state of the agent, an occurrence of the queue and a state of the queue, all with that mark.
fn items(mark: &str) -> String {
    json!([availability(mark), {
    "eventName": "QueueCallInArrived", "data": {
        "callerNumber": "+358401234501", "callId": QUEUE, "legId": "81f6b2c47d0e9a35",
        "organizationId": ORGANIZATION, "queueId": QUEUE, "queueName": mark,
        "queueNumber": "+358942450100", "targetNumber": "+358942450100",
    }}, {
    "eventName": "QueueStatus", "data": {
        "maxWaitTime": 74, "nbrOfAgentsCheckedInQueue": 5, "nbrOfAgentsImmediatelyFree": 0,
        "nbrOfAgentsLongTermAway": 1, "nbrOfAgentsOnWrapUp": 1, "nbrOfAgentsShortTermAway": 3,
        "nbrOfAllocated": 1, "nbrOfConnected": 3, "nbrOfNotServedRequesters": 3, "nbrOfProviders": 5,
        "nbrOfQueuingRequesters": 2, "nbrOfRequesters": 6, "nbrOfServingAgentsEstimate": 4,
        "openStatus": 5, "organizationId": ORGANIZATION, "queueId": QUEUE, "queueName": mark,
    }}])
    .to_string()
}

fn availability(mark: &str) -> Value {
    json!({ "eventName": "UserAvailability", "data": {
        "availability": "Busy", "endTime": "9999-12-31T23:59:59.9999999", "eventSource": "User", "note": mark,
        "organizationId": ORGANIZATION, "profileId": QUEUE, "startTime": "2024-05-31T14:02:11Z",
        "userId": AGENT, "userName": "anna",
    }})
}

const TOPICS: [(&str, &str); 3] = [(AGENT, "UserAvailability"), (QUEUE, "QueueCallInArrived"), (QUEUE, "QueueStatus")];

fn subscribe(peer: &mut Peer, topics: &[(&str, &str)], more: &str) {
    let items: Vec<String> = topics
        .iter()
        .map(|(entity, event)| format!(r#"{{"EntityId":"{entity}","EventName":"{event}"{more}}}"#))
        .collect();
    let answer = peer.invoke("Subscribe", &format!("[[{}]]", items.join(",")));
    assert_eq!(answer.matches(r#""subscribed":true"#).count(), topics.len(), "{answer}");
}

/// Event and mark of the next MessageReceived.
fn next(peer: &mut Peer) -> (String, String) {
    let record: Value = serde_json::from_str(&peer.record()).unwrap();
    let argument = &record["arguments"][0];
    let event = argument["subscription"]["eventName"].as_str().expect("a MessageReceived").to_owned();
    let data = &argument["data"];
    let mark = data.get("note").or(data.get("queueName")).and_then(Value::as_str).unwrap().to_owned();
    (event, mark)
}

fn post(token: &str, body: &str) -> String {
    let authorization = format!("Authorization: Bearer {token}");
    request("POST /publish", &[&authorization, "Content-Type: application/json"], body)
}

fn publish(wire: &mut Wire, token: &str, body: &str) {
    wire.send(post(token, body).as_bytes());
    let reply = wire.reply();
    assert_eq!(reply.status, 202, "{reply:?}");
}

/// Publishers on all shards publish at the same moment, round after round. Everybody on every shard
/// hears the same.
fn everybody_hears_the_same_order(threads: usize) {
    let hub = Hub::start_with(&[&format!("server.threads={threads}")]);
    // The hub spreads connections evenly, so that members and publishers are on every shard.
    let mut members: Vec<Peer> = (0..2 * threads).map(|_| hub.client()).collect();
    members.iter_mut().for_each(|member| subscribe(member, &TOPICS, ""));
    let token = hub.publisher_token();
    let (start, is_over) = (Barrier::new(PUBLISHERS + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let mut wire = hub.connect();
            let (start, is_over, token) = (&start, &is_over, &token);
            scope.spawn(move || {
                for round in 0.. {
                    let request = post(token, &items(&format!("{round}.{publisher}")));
                    start.wait();
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    wire.send(request.as_bytes());
                    assert_eq!(wire.reply().status, 202);
                }
            });
        }
        for round in 0..ROUNDS {
            start.wait();
            let mut heard = members
                .iter_mut()
                .map(|member| (0..PUBLISHERS * TOPICS.len()).map(|_| next(member)).collect::<Vec<(String, String)>>());
            let first = heard.next().unwrap();
            for other in heard {
                assert_eq!(first, other, "round {round} of {threads} shards");
            }
            if round % 40 == 0 {
                assert_late_values(&hub, &first);
            }
        }
        is_over.store(true, Ordering::SeqCst);
        start.wait();
    });
}

/// Who comes late, on whichever shard, is shown what holds of all that everybody has heard.
fn assert_late_values(hub: &Hub, heard: &[(String, String)]) {
    let last = |event: &str| heard.iter().rfind(|(of, _)| of == event).cloned().unwrap();
    for _ in 0..4 {
        let mut late = hub.client();
        subscribe(&mut late, &TOPICS, r#","Snapshot":true"#);
        assert_eq!(next(&mut late), last("useravailability"));
        assert_eq!(next(&mut late), last("queuecallinarrived"), "the call is open");
        assert_eq!(next(&mut late), last("queuestatus"));
    }
}

#[test]
fn six_publishers_at_once_leave_one_order_on_two_shards() {
    everybody_hears_the_same_order(2);
}

#[test]
fn six_publishers_at_once_leave_one_order_on_four_shards() {
    everybody_hears_the_same_order(4);
}

#[test]
fn whoever_reads_a_202_finds_its_publication_in_every_later_snapshot() {
    let hub = Hub::start_with(&["server.threads=2"]);
    let token = hub.publisher_token();
    // One of each on either shard.
    let mut wires = [hub.connect(), hub.connect()];
    let mut clients = [hub.client(), hub.client()];
    for n in 0..SNAPSHOTS {
        let mark = n.to_string();
        publish(&mut wires[n / 2 % 2], &token, &availability(&mark).to_string());
        let client = &mut clients[n % 2];
        subscribe(client, &TOPICS[..1], r#","Snapshot":true"#);
        assert_eq!(next(client).1, mark, "a stale snapshot");
        let answer = client.invoke("UnsubscribeAll", "[]");
        assert!(answer.contains("true"), "{answer}");
    }
}
