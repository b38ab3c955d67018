//! Limits that nothing else here reaches: what is answered, what counts it, and that others go on.

use crate::support::{Hub, ORGANIZATION, Peer, UPGRADE, USER, Wire, asking, request};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The state of a user, with so many bytes in its note.
fn availability(user: &str, bytes: usize) -> Value {
    json!({ "eventName": "UserAvailability", "data": {
        "availability": "Busy", "endTime": "9999-12-31T23:59:59.9999999", "eventSource": "User",
        "note": "x".repeat(bytes), "organizationId": ORGANIZATION, "profileId": USER,
        "startTime": "2024-05-31T14:02:11Z", "userId": user, "userName": "anna",
    }})
}

fn subscribe(peer: &mut Peer, user: &str, more: &str) -> Value {
    let items = format!(r#"[[{{"EntityId":"{user}","EventName":"UserAvailability"{more}}}]]"#);
    let completion: Value = serde_json::from_str(&peer.invoke("Subscribe", &items)).unwrap();
    completion["result"][0].clone()
}

/// Whoever keeps to the limits is served as ever.
fn assert_serves(hub: &Hub) {
    assert_eq!(hub.publish(&availability(USER, 1).to_string()).status, 202);
    let mut other = hub.client();
    assert_eq!(subscribe(&mut other, USER, "")["subscribed"], true);
}

#[test]
fn of_an_item_as_many_errors_are_told_as_the_limit_says() {
    let hub = Hub::start_with(&["limits.errors_per_item_max=2"]);
    let reply = hub.publish(r#"{"eventName":"UserAvailability","data":{}}"#);
    assert_eq!(reply.status, 422);
    let text = reply.json().to_string();
    assert_eq!(text.matches(r#""rule":"#).count(), 2, "{text}");
    assert_eq!(hub.metric("rte_publish_items_rejected_total "), 1.0);
    assert_serves(&hub);
}

#[test]
fn json_that_nests_too_deep_is_refused_of_publishers_and_of_clients() {
    let hub = Hub::start_with(&["limits.json_depth_max=8"]);
    let deep = "[".repeat(9) + &"]".repeat(9);
    let reply = hub.publish(&format!(r#"{{"eventName":"UserAvailability","data":{{"a":{deep}}}}}"#));
    assert!(matches!(reply.status, 400 | 422), "{reply:?}");
    let mut client = hub.client();
    client.send(&format!(r#"{{"type":1,"invocationId":"i","target":"Catalogue","arguments":[{deep}]}}"#));
    assert!(client.record().contains("malformed_message"));
    client.assert_closed(1000);
    let malformed = "rte_connections_closed_total{reason=\"malformed_message\"} ";
    assert!((0..20_000).any(|_| hub.metric(malformed) == 1.0), "{}", hub.log());
    assert_serves(&hub);
}

#[test]
fn a_reply_that_would_be_too_long_lists_the_rest_of_its_items_without_their_errors() {
    let hub = Hub::start_with(&["limits.reply_bytes_max=4096"]);
    let bad = vec![r#"{"eventName":"UserAvailability","data":{}}"#; 500].join(",");
    let reply = hub.publish(&format!("[{bad}]"));
    assert_eq!(reply.status, 422);
    assert!(reply.body.len() < 60_000, "{} bytes", reply.body.len());
    assert_eq!(hub.metric("rte_publish_items_rejected_total "), 500.0);
    assert_serves(&hub);
}

#[test]
fn beyond_kept_bytes_max_the_rows_written_longest_ago_go_and_the_newest_stay() {
    let hub = Hub::start_with(&["server.threads=1", "limits.kept_bytes_max=4000"]);
    let users: Vec<String> = (1..=4).map(|n| format!("0000000{n}-ff4b-ea11-ac9c-00155d4fdcf3")).collect();
    for user in &users {
        assert_eq!(hub.publish(&availability(user, 1_000).to_string()).status, 202);
    }
    let mut client = hub.client();
    let rows = |client: &mut Peer, user: &str| {
        let verdict = subscribe(client, user, r#","Snapshot":true"#);
        let rows = verdict["snapshot"].as_u64().unwrap();
        (0..rows).for_each(|_| assert!(client.record().contains(user)));
        rows
    };
    assert_eq!((rows(&mut client, &users[0]), rows(&mut client, &users[3])), (0, 1));
    assert!(hub.metric("rte_kept_rows_evicted_total ") >= 1.0 && hub.metric("rte_kept_bytes ") <= 4_000.0);
}

#[test]
fn what_is_older_than_history_ms_is_not_replayed_and_the_client_is_told_so() {
    let hub = Hub::start_with(&["server.threads=1", "limits.history_ms=1"]);
    let alert = json!({ "eventName": "UserAlert", "data": {
        "alertId": USER, "conditionExpression": "a", "conditionName": "a", "conditionValue": "5",
        "organizationId": ORGANIZATION, "userId": USER, "value": "5",
    }});
    let subscribe = |peer: &mut Peer, since: &str| {
        let items = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAlert","Since":{since}}}]]"#);
        let completion: Value = serde_json::from_str(&peer.invoke("Subscribe", &items)).unwrap();
        completion["result"][0].clone()
    };
    let mut client = hub.client();
    let begun = subscribe(&mut client, "null")["position"].to_string();
    let misses = |hub: &Hub| {
        assert_eq!(hub.publish(&alert.to_string()).status, 202);
        subscribe(&mut hub.client(), &begun)["recovered"] == false
    };
    assert!(asking().any(|()| misses(&hub)), "{}", hub.log());
    assert!(hub.metric("rte_since_total{result=\"trimmed\"} ") >= 1.0);
    assert!(client.record().contains("useralert"), "who was there has all of it");
}

/// Asks for a WebSocket with an id that was negotiated; the status.
fn upgrade(hub: &Hub, id: &str) -> (Wire, u16) {
    let authorization = format!("Authorization: Bearer {}", hub.client_token());
    let mut wire = hub.connect();
    let headers = [&UPGRADE[..], &[authorization.as_str()]].concat();
    wire.send(request(&format!("GET /rte?id={id}"), &headers, "").as_bytes());
    let status = wire.reply_without_body().status;
    (wire, status)
}

#[test]
fn of_ids_whose_connections_are_over_as_many_are_remembered_as_negotiated_max_says() {
    let settings = ["limits.negotiated_max=2", "limits.negotiated_ms=600000"];
    let hub = Hub::start_with(&settings);
    let ids: Vec<String> = (0..3).map(|_| hub.negotiate()).collect();
    for id in &ids {
        assert_eq!(upgrade(&hub, id).1, 101);
        hub.await_metric("rte_hub_connections ", |count| count == 0.0);
    }
    for id in [&ids[2], &ids[1]] {
        assert_eq!(upgrade(&hub, id).1, 404, "its connection is over");
    }
    let (_again, status) = upgrade(&hub, &ids[0]);
    assert_eq!(status, 101, "the oldest is forgotten, and what it says of itself still holds");
    assert_serves(&hub);
}

#[test]
fn publishers_wait_for_a_thread_whose_mailbox_is_full_and_nothing_is_lost_or_out_of_order() {
    // A single publication fills it.
    let hub = Hub::start_with(&["server.threads=3", "limits.mailbox_bytes_max=1"]);
    // The threads take connections by turns.
    let mut members: Vec<Peer> = (0..6).map(|_| hub.client()).collect();
    for member in &mut members {
        let items = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAlert"}}]]"#);
        assert!(member.invoke("Subscribe", &items).contains(r#""subscribed":true"#));
    }
    let (publishers, rounds, token) = (6, 40, hub.publisher_token());
    let authorization = format!("Authorization: Bearer {token}");
    let alert = |mark: String| {
        let data = json!({
            "alertId": USER, "conditionExpression": "x".repeat(2_000), "conditionName": "a", "conditionValue": "5",
            "organizationId": ORGANIZATION, "userId": USER, "value": mark,
        });
        let body = json!({ "eventName": "UserAlert", "data": data }).to_string();
        request("POST /publish", &[&authorization, "Content-Type: application/json"], &body)
    };
    std::thread::scope(|scope| {
        for publisher in 0..publishers {
            let (mut wire, alert) = (hub.connect(), &alert);
            scope.spawn(move || {
                wire.send((0..rounds).map(|n| alert(format!("{publisher}.{n:02}"))).collect::<String>().as_bytes());
                (0..rounds).for_each(|_| assert_eq!(wire.reply().status, 202));
            });
        }
    });
    let heard = |member: &mut Peer| -> Vec<String> {
        let record = |_| serde_json::from_str::<Value>(&member.record()).unwrap();
        let records = (0..publishers * rounds).map(record);
        records.map(|it| it["arguments"][0]["data"]["value"].as_str().unwrap().to_owned()).collect()
    };
    let first = heard(&mut members[0]);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), publishers * rounds);
    members[1..].iter_mut().for_each(|member| assert_eq!(heard(member), first));
    hub.await_metric("rte_mailbox_bytes ", |bytes| bytes == 0.0);
    assert_serves(&hub);
}
