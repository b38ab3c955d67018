//! `EntityId: "*"`: every entity of an event, as far as it is granted.

use crate::support::{Hub, ORGANIZATION, Peer, USER};
use serde_json::{Value, json};

const QUEUES: [&str; 3] = [
    "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11",
    "6b2ae7b2-4d20-4d3c-8b63-7e2d3e901c22",
    "7c3bf8c3-5e31-4e4d-9c74-8f3e4fa12d33",
];
const OTHER_ORGANIZATION: &str = "1c0b5f6e-8b62-4b1a-8e1f-6e2a3d4c5b60";

/// A state of a queue with that mark.
fn status(organization: &str, queue: &str, mark: &str) -> Value {
    json!({ "eventName": "QueueStatus", "organizationId": organization, "data": {
        "maxWaitTime": 74, "nbrOfAgentsCheckedInQueue": 5, "nbrOfAgentsImmediatelyFree": 0,
        "nbrOfAgentsLongTermAway": 1, "nbrOfAgentsOnWrapUp": 1, "nbrOfAgentsShortTermAway": 3,
        "nbrOfAllocated": 1, "nbrOfConnected": 3, "nbrOfNotServedRequesters": 3, "nbrOfProviders": 5,
        "nbrOfQueuingRequesters": 2, "nbrOfRequesters": 6, "nbrOfServingAgentsEstimate": 4,
        "openStatus": 5, "organizationId": organization, "queueId": queue, "queueName": mark,
    }})
}

/// An occurrence of a queue with that mark.
fn call(queue: &str, mark: &str) -> Value {
    json!({ "eventName": "QueueCallInArrived", "data": {
        "callerNumber": "+358401234501", "callId": queue, "legId": "81f6b2c47d0e9a35",
        "organizationId": ORGANIZATION, "queueId": queue, "queueName": mark,
        "queueNumber": "+358942450100", "targetNumber": "+358942450100",
    }})
}

fn publish(hub: &Hub, items: &[Value]) {
    let reply = hub.publish(&json!(items).to_string());
    assert_eq!(reply.status, 202, "{reply:?}");
}

/// The answer to an invocation with these items: entity, event, and further members.
fn invoke(peer: &mut Peer, method: &str, items: &[(&str, &str, &str)]) -> Vec<Value> {
    let item = |(entity, event, more): &(&str, &str, &str)| {
        format!(r#"{{"EntityId":"{entity}","EventName":"{event}"{more}}}"#)
    };
    let items: Vec<String> = items.iter().map(item).collect();
    let completion: Value = serde_json::from_str(&peer.invoke(method, &format!("[[{}]]", items.join(",")))).unwrap();
    serde_json::from_value(completion["result"].clone()).unwrap_or_else(|_| panic!("{completion}"))
}

fn subscribe(peer: &mut Peer, entity: &str, event: &str, more: &str) -> Value {
    invoke(peer, "Subscribe", &[(entity, event, more)]).remove(0)
}

/// Entity, mark and position of the next MessageReceived.
fn heard(peer: &mut Peer) -> (String, String, Value) {
    let record: Value = serde_json::from_str(&peer.record()).unwrap();
    let argument = &record["arguments"][0];
    let data = &argument["data"];
    let mark = data.get("note").or(data.get("queueName")).and_then(Value::as_str).expect("a MessageReceived");
    let entity = argument["subscription"]["entityId"].as_str().unwrap();
    (entity.to_owned(), mark.to_owned(), argument["position"].clone())
}

fn marks<const N: usize>(peer: &mut Peer) -> [String; N] {
    std::array::from_fn(|_| heard(peer).1)
}

/// All that this publishes is heard by each of them, on whichever shard, and by no other tenant.
#[test]
fn one_subscription_hears_of_every_entity_of_its_own_organization() {
    for threads in ["server.threads=1", "server.threads=2", "server.threads=4"] {
        let hub = Hub::start_with(&[threads]);
        let foreign = hub.token(json!({ "rte": ["queue/*"], "org": OTHER_ORGANIZATION }));
        let publisher = hub.token(json!({ "sub": null, "scope": "publish", "org": null }));
        let mut members: Vec<Peer> = (0..4).map(|_| hub.client()).collect();
        let mut others: Vec<Peer> = (0..4).map(|_| hub.client_with(&foreign)).collect();
        for peer in members.iter_mut().chain(&mut others) {
            let verdict = subscribe(peer, "*", "QueueStatus", "");
            let expected = json!({"subscribed": true, "message": null, "entityId": "*", "eventName": "queuestatus"});
            assert_eq!(verdict, expected);
        }
        let mine = QUEUES.map(|queue| status(ORGANIZATION, queue, queue));
        let theirs = status(OTHER_ORGANIZATION, QUEUES[0], "theirs");
        let headers = [&*format!("Authorization: Bearer {publisher}"), "Content-Type: application/json"];
        for round in [json!(mine), json!([theirs])] {
            let reply = hub.request("POST /publish", &headers, &round.to_string());
            assert_eq!(reply.status, 202, "{reply:?}");
        }
        for peer in &mut members {
            for queue in QUEUES {
                let (entity, mark, position) = heard(peer);
                assert_eq!((&*entity, &*mark, position), (queue, queue, Value::Null), "{threads}");
            }
        }
        for peer in &mut others {
            assert_eq!(marks(peer), ["theirs"], "{threads}");
        }
        let trial = hub.request("POST /publish?dry_run=1", &headers, &json!(mine).to_string());
        assert!(trial.body.contains(r#""members":12"#), "{}", trial.body);
    }
}

#[test]
fn who_may_have_some_entities_gets_these_and_who_may_have_none_is_refused() {
    let hub = Hub::start();
    let some = [format!("queue/{}", QUEUES[0]), format!("queue/{}/QueueStatus", QUEUES[2])];
    let mut peer = hub.client_with(&hub.token(json!({ "rte": some })));
    let asked = [("*", "QueueStatus", ""), ("*", "QueueCallInArrived", ""), ("*", "UserAvailability", "")];
    let verdicts = invoke(&mut peer, "Subscribe", &asked);
    assert!(verdicts.iter().all(|verdict| verdict["subscribed"] == true && verdict["entityId"] == "*"));
    publish(&hub, &QUEUES.map(|queue| call(queue, "call")));
    publish(&hub, &QUEUES.map(|queue| status(ORGANIZATION, queue, "status")));
    let entities = [0; 3].map(|_| heard(&mut peer)).map(|(entity, mark, _)| (mark, entity));
    let expected = [("call", QUEUES[0]), ("status", QUEUES[0]), ("status", QUEUES[2])];
    assert_eq!(entities, expected.map(|(mark, entity)| (mark.to_owned(), entity.to_owned())));
    let mut stranger = hub.client_with(&hub.token(json!({ "rte": [] })));
    let verdict = subscribe(&mut stranger, "*", "QueueStatus", "");
    let expected = json!({"subscribed": false, "message": "Unauthorized", "entityId": "*", "eventName": "queuestatus"});
    assert_eq!(verdict, expected);
    assert_eq!(subscribe(&mut stranger, "*", "UserAvailability", "")["subscribed"], true, "of itself: {USER}");
    assert_eq!(subscribe(&mut stranger, "**", "UserAvailability", "")["message"], "Invalid EntityId");
    assert_eq!(subscribe(&mut stranger, "*", "Nothing", "")["message"], "Unknown EventName");
}

#[test]
fn an_entity_under_the_wildcard_is_heard_once_and_stays_when_that_goes() {
    let hub = Hub::start();
    let mut peer = hub.client();
    subscribe(&mut peer, QUEUES[0], "QueueStatus", "");
    subscribe(&mut peer, "*", "QueueStatus", "");
    subscribe(&mut peer, QUEUES[1], "QueueStatus", "");
    let all = |mark: &str| QUEUES.map(|queue| status(ORGANIZATION, queue, mark));
    publish(&hub, &all("a"));
    publish(&hub, &all("b"));
    assert_eq!(marks(&mut peer), ["a", "a", "a", "b", "b", "b"], "each once");
    let active = |peer: &mut Peer| {
        let answer = peer.invoke("GetActiveSubscriptions", "[]");
        let completion: Value = serde_json::from_str(&answer).unwrap();
        let verdicts = completion["result"].as_array().unwrap();
        let mut entities: Vec<String> =
            verdicts.iter().map(|verdict| verdict["entityId"].as_str().unwrap().to_owned()).collect();
        entities.sort_unstable();
        entities
    };
    assert_eq!(active(&mut peer), ["*", QUEUES[0], QUEUES[1]]);
    assert_eq!(hub.metric("rte_subscriptions "), 3.0);
    let verdicts = invoke(&mut peer, "Unsubscribe", &[(QUEUES[0], "QueueStatus", ""), (QUEUES[2], "QueueStatus", "")]);
    for verdict in verdicts {
        let told = (&verdict["subscribed"], &verdict["message"]);
        assert_eq!(told, (&json!(true), &json!("Still subscribed by EntityId *")));
    }
    publish(&hub, &all("c"));
    assert_eq!(marks(&mut peer), ["c", "c", "c"]);
    let verdict = invoke(&mut peer, "Unsubscribe", &[("*", "QueueStatus", "")]).remove(0);
    assert_eq!((&verdict["subscribed"], &verdict["message"]), (&json!(false), &Value::Null));
    assert_eq!(active(&mut peer), [QUEUES[1]], "what was unsubscribed meanwhile is gone");
    publish(&hub, &all("d"));
    publish(&hub, &all("e"));
    assert_eq!(marks(&mut peer), ["d", "e"]);
    assert!(peer.invoke("UnsubscribeAll", "[]").contains("true"));
    assert_eq!(hub.metric("rte_subscriptions "), 0.0);
}

#[test]
fn the_wildcard_has_its_own_past_on_whichever_shard() {
    for threads in ["server.threads=1", "server.threads=2", "server.threads=4"] {
        let hub = Hub::start_with(&[threads]);
        let mut gone = hub.client();
        let verdict = subscribe(&mut gone, "*", "QueueStatus", r#","Since":null"#);
        assert_eq!(verdict["position"].as_str().map(str::len), Some(27), "{verdict}");
        publish(&hub, &[status(ORGANIZATION, QUEUES[0], "seen")]);
        let (_, _, seen) = heard(&mut gone);
        publish(&hub, &[status(ORGANIZATION, QUEUES[1], "old"), call(QUEUES[1], "1")]);
        publish(&hub, &[call(QUEUES[0], "2"), status(ORGANIZATION, QUEUES[2], "z"), call(QUEUES[1], "3")]);
        publish(&hub, &[status(ORGANIZATION, QUEUES[1], "new")]);
        // As many as it takes to have one on each shard.
        for _ in 0..8 {
            let mut back = hub.client();
            let since = format!(r#","Since":{seen}"#);
            let asked = [("*", "QueueStatus", &*since), ("*", "QueueCallInArrived", &since)];
            let verdicts = invoke(&mut back, "Subscribe", &asked);
            let told = verdicts.iter().map(|verdict| (&verdict["recovered"], &verdict["replayed"]));
            assert!(told.eq([(&json!(true), &json!(2)), (&json!(true), &json!(3))]), "{verdicts:?}");
            assert_eq!(marks(&mut back), ["1", "2", "z", "3", "new"], "in their order, of a state the newest");
            let again = subscribe(&mut back, "*", "QueueStatus", &since);
            assert_eq!((&again["recovered"], &again["replayed"]), (&json!(true), &json!(0)), "held already");
            let mut fresh = hub.client();
            let verdict = subscribe(&mut fresh, "*", "QueueStatus", r#","Snapshot":true"#);
            assert_eq!(verdict["snapshot"], 3);
            assert_eq!(marks(&mut fresh), ["seen", "z", "new"]);
            let one = hub.token(json!({ "rte": [format!("queue/{}", QUEUES[1])] }));
            let mut narrow = hub.client_with(&one);
            let verdict = subscribe(&mut narrow, "*", "QueueStatus", r#","Snapshot":true"#);
            assert_eq!((&verdict["snapshot"], marks(&mut narrow)), (&json!(1), ["new".to_owned()]));
        }
    }
}

#[test]
fn the_wildcard_of_a_hub_without_tenants_is_everybodys() {
    let hub = Hub::start_with(&["auth.tenancy=single"]);
    let mut peer = hub.client_with(&hub.token(json!({ "rte": ["queue/*"], "org": OTHER_ORGANIZATION })));
    assert_eq!(subscribe(&mut peer, "*", "QueueCallInArrived", "")["subscribed"], true);
    publish(&hub, &[call(QUEUES[0], "heard")]);
    assert_eq!(marks(&mut peer), ["heard"]);
}

const ROWS: usize = 5_000;

/// The snapshot is more than may wait for a reader, whose socket takes nothing while it is written:
/// a live value must not end it, and stays behind it. The others hear at once.
#[test]
fn a_snapshot_that_is_more_than_may_wait_ends_nobody_and_goes_before_what_is_live() {
    let hub = Hub::start_with(&["limits.overrun_ms=1"]);
    let queue = |n: usize| format!("{n:08x}-3c1f-4c2b-9a52-6d1c2d8f0b11");
    for first in (0..ROWS).step_by(1_000) {
        let items = (first..first + 1_000).map(|n| status(ORGANIZATION, &queue(n), &n.to_string()));
        publish(&hub, &items.collect::<Vec<Value>>());
    }
    let (mut living, mut late) = (hub.client(), hub.client());
    subscribe(&mut living, "*", "QueueStatus", "");
    let verdict = subscribe(&mut late, "*", "QueueStatus", r#","Snapshot":true"#);
    assert_eq!(verdict["snapshot"], ROWS);
    assert!(hub.metric("rte_backlog_bytes ") > 1_048_576.0, "more than outbox_hard_bytes waits");
    for mark in ["x", "y"] {
        publish(&hub, &[status(ORGANIZATION, &queue(ROWS), mark), status(ORGANIZATION, &queue(0), mark)]);
    }
    assert_eq!(marks(&mut living), ["x", "x", "y", "y"]);
    for n in 0..ROWS {
        assert_eq!(heard(&mut late).1, n.to_string(), "row {n}");
    }
    let live = [heard(&mut late), heard(&mut late)].map(|(entity, mark, _)| (entity, mark));
    assert_eq!(live, [(queue(ROWS), "y".to_owned()), (queue(0), "y".to_owned())], "conflated, behind the block");
    assert_eq!(hub.metric(r#"rte_connections_closed_total{reason="overrun"}"#), 0.0);
}
