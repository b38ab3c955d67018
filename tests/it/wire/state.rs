//! Last values behind a Subscribe, and what the hub says of its catalogue.

use crate::support::{Hub, ORGANIZATION, Peer, USER};
use serde_json::{Value, json};

const OTHER_ORGANIZATION: &str = "11111111-2222-4333-8444-555555555555";

/// A UserAvailability with this note, stale from `end` on.
fn availability(note: &str, end: &str) -> String {
    json!({ "eventName": "UserAvailability", "data": {
        "availability": "Busy", "endTime": end, "eventSource": "User", "note": note,
        "organizationId": ORGANIZATION, "profileId": USER, "startTime": "2024-05-31T14:02:11Z",
        "userId": USER, "userName": "anna.virtanen@example.com",
    }})
    .to_string()
}

const NEVER: &str = "9999-12-31T23:59:59.9999999";

fn subscribe(peer: &mut Peer, snapshot: &str) -> String {
    let item = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAvailability"{snapshot}}}]]"#);
    peer.invoke("Subscribe", &item)
}

/// The note of the next MessageReceived.
fn next_note(peer: &mut Peer) -> Value {
    let record: Value = serde_json::from_str(&peer.record()).unwrap();
    assert_eq!(record["target"], "MessageReceived", "{record}");
    record["arguments"][0]["data"]["note"].clone()
}

#[test]
fn a_snapshot_follows_the_completion_and_comes_before_later_values() {
    for threads in ["server.threads=1", "server.threads=3"] {
        let hub = Hub::start_with(&[threads]);
        assert_eq!(hub.publish(&availability("first", NEVER)).status, 202);
        assert_eq!(hub.publish(&availability("second", NEVER)).status, 202);
        // Several connections, so that every shard is asked.
        for _ in 0..4 {
            let mut peer = hub.client();
            let answer = subscribe(&mut peer, r#","Snapshot":true"#);
            assert!(answer.contains(r#""subscribed":true"#), "{answer}");
            assert_eq!(next_note(&mut peer), "second");
            assert!(subscribe(&mut peer, r#","snapshot":true"#).contains(r#""subscribed":true"#));
            assert_eq!(next_note(&mut peer), "second", "asked again, sent again");
            assert_eq!(hub.publish(&availability("third", NEVER)).status, 202);
            assert_eq!(next_note(&mut peer), "third", "delivered once, though subscribed twice");
            assert_eq!(hub.publish(&availability("second", NEVER)).status, 202);
            assert_eq!(next_note(&mut peer), "second");
        }
    }
}

#[test]
fn the_end_of_a_connection_tells_of_a_snapshot_that_it_was_sent() {
    let hub = Hub::start_with(&["server.log_level=debug"]);
    assert_eq!(hub.publish(&availability("kept", NEVER)).status, 202);
    let mut peer = hub.client();
    subscribe(&mut peer, r#","Snapshot":true"#);
    assert_eq!(next_note(&mut peer), "kept");
    drop(peer);
    hub.await_log(" delivered=1 ");
}

#[test]
fn without_asking_there_is_no_snapshot_unless_the_operator_says_so() {
    let hub = Hub::start();
    assert_eq!(hub.publish(&availability("kept", NEVER)).status, 202);
    let mut peer = hub.client();
    subscribe(&mut peer, "");
    assert_eq!(hub.publish(&availability("live", NEVER)).status, 202);
    assert_eq!(next_note(&mut peer), "live");

    let hub = Hub::start_with(&["server.snapshots=true"]);
    assert_eq!(hub.publish(&availability("kept", NEVER)).status, 202);
    let mut peer = hub.client();
    subscribe(&mut peer, "");
    assert_eq!(next_note(&mut peer), "kept");
    subscribe(&mut peer, r#","Snapshot":false"#);
    assert_eq!(hub.publish(&availability("live", NEVER)).status, 202);
    assert_eq!(next_note(&mut peer), "live");
}

#[test]
fn a_stale_value_and_another_tenants_are_not_sent() {
    let hub = Hub::start();
    assert_eq!(hub.publish(&availability("stale", "2024-05-31T15:00:00Z")).status, 202);
    let mut peer = hub.client();
    subscribe(&mut peer, r#","Snapshot":true"#);
    assert_eq!(hub.publish(&availability("fresh", NEVER)).status, 202);
    assert_eq!(next_note(&mut peer), "fresh");

    let stranger = hub.token(json!({ "org": OTHER_ORGANIZATION, "rte": ["user/*"] }));
    let mut stranger = hub.client_with(&stranger);
    subscribe(&mut stranger, r#","Snapshot":true"#);
    let answer = stranger.invoke("GetActiveSubscriptions", "[]");
    assert!(answer.contains(r#""type":3"#), "nothing came between: {answer}");
}

#[test]
fn a_snapshot_that_is_no_flag_is_an_invalid_item() {
    let hub = Hub::start();
    let answer = subscribe(&mut hub.client(), r#","Snapshot":"yes""#);
    assert!(answer.contains(r#""subscribed":false,"message":"Invalid item""#), "{answer}");
}

#[test]
fn kept_rows_are_bounded_and_the_oldest_goes_first() {
    let hub = Hub::start_with(&["server.threads=1", "limits.kept_rows_max=1"]);
    assert_eq!(hub.publish(&availability("kept", NEVER)).status, 202);
    let other = availability("newer", NEVER).replace(USER, "b2eeb030-ff4b-ea11-ac9c-00155d4fdcf3");
    assert_eq!(hub.publish(&other).status, 202);
    assert_eq!((hub.metric("rte_kept_rows "), hub.metric("rte_kept_rows_evicted_total ")), (1.0, 1.0));
    let mut peer = hub.client();
    subscribe(&mut peer, r#","Snapshot":true"#);
    assert!(peer.invoke("GetActiveSubscriptions", "[]").contains(r#""type":3"#));
}

#[test]
fn the_catalogue_says_what_this_token_may_have_and_why() {
    let hub = Hub::start();
    let token = hub.token(json!({ "rte": ["queue/*", "calllist/e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11"] }));
    let answer = hub.client_with(&token).invoke("Catalogue", "[]");
    assert!(answer.contains(concat!(
        r#"{"allowed":true,"entities":null,"entityProperty":"queueId","eventName":"QueueStatus","family":"Queue","#,
        r#""kind":"state","reason":"granted for every queue","schema":"/schemas/v1/QueueStatus.json"}"#
    )));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let events = answer["result"].as_array().unwrap();
    assert_eq!(events.len(), 41);
    let find = |name: &str| events.iter().find(|event| event["eventName"] == name).unwrap();
    assert_eq!(
        *find("QueueStatus"),
        json!({ "eventName": "QueueStatus", "family": "Queue", "kind": "state", "entityProperty": "queueId",
            "schema": "/schemas/v1/QueueStatus.json", "allowed": true, "reason": "granted for every queue", "entities": null })
    );
    assert_eq!(find("UserAvailability")["entities"], json!([USER]));
    assert_eq!(find("CallbackChanged")["entities"], json!(["e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11"]));
    let job = find("CallbackRequestNotification");
    assert_eq!(job["allowed"], false);
    assert!(job["reason"].as_str().unwrap().contains("backend"), "{job}");
    assert_eq!(hub.request("GET /schemas/v1/QueueStatus.json", &[], "").status, 200);
}
