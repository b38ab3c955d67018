//! Readers that read: whatever is published at once, none of them is taken for a slow one.

use crate::support::{Hub, ORGANIZATION, Wire, request};
use serde_json::json;
use std::sync::Barrier;

const USER: &str = "7e2b8c90-51d4-4f7a-8a63-0c9d1e2f3a44";
const READERS: usize = 100;
const PUBLISHERS: usize = 2;
const ITEMS: usize = 1_000;

/// About 1 MiB of alerts, all to one topic.
fn body(publisher: usize) -> String {
    let item = |n: usize| {
        json!({ "eventName": "UserAlert", "data": {
            "alertId": "64f2d8b3-90ce-4e17-a5b8-3d1c7f06e92a", "conditionExpression": "x".repeat(600),
            "conditionName": "a", "conditionValue": "5", "organizationId": ORGANIZATION, "userId": USER,
            "value": format!("#{publisher}.{n}#"),
        }})
        .to_string()
    };
    (0..ITEMS).map(item).collect::<Vec<_>>().join("\n")
}

/// The marks that a reader finds, in their order, until it has them all.
fn read_all(reader: &mut crate::support::Peer) -> Vec<String> {
    (0..PUBLISHERS * ITEMS)
        .map(|_| reader.record().split('#').nth(1).expect("an alert, and no Close").to_owned())
        .collect()
}

fn publish(wire: &mut Wire, token: &str, body: &str) -> u16 {
    let authorization = format!("Authorization: Bearer {token}");
    let headers = [authorization.as_str(), "Content-Type: application/x-ndjson"];
    wire.send(request("POST /publish", &headers, body).as_bytes());
    wire.reply().status
}

/// Two publishers send 1 MiB each, at the same time, to a topic of 100 readers.
fn nobody_who_reads_is_closed(threads: usize) {
    let hub = Hub::start_with(&[&format!("server.threads={threads}")]);
    let mut readers: Vec<_> = (0..READERS).map(|_| hub.client()).collect();
    for reader in &mut readers {
        let items = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAlert"}}]]"#);
        assert!(reader.invoke("Subscribe", &items).contains(r#""subscribed":true"#));
    }
    let (token, start) = (hub.publisher_token(), Barrier::new(PUBLISHERS));
    std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (mut wire, token, start) = (hub.connect(), &token, &start);
            scope.spawn(move || {
                let body = body(publisher);
                start.wait();
                assert_eq!(publish(&mut wire, token, &body), 202);
            });
        }
        let heard: Vec<_> = readers.iter_mut().map(|reader| scope.spawn(|| read_all(reader))).collect();
        let heard: Vec<Vec<String>> = heard.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(heard.iter().all(|marks| *marks == heard[0]), "one order");
    });
    assert!(hub.metric("rte_connections_closed_total{reason=\"overrun\"}") < 1.0);
}

#[test]
fn a_large_publish_closes_no_reader_on_one_shard() {
    nobody_who_reads_is_closed(1);
}

#[test]
fn a_large_publish_closes_no_reader_on_two_shards() {
    nobody_who_reads_is_closed(2);
}

const LIST: &str = "3c9d6b70-2f14-4f0e-9b35-8a4f1de2c611";
const CALLBACKS: usize = 1_100;
const MANY_READERS: usize = 300;

/// 1.0 MB of callbacks that are assigned to the user: each of them is two events.
fn callbacks() -> String {
    let item = |n: usize| {
        json!({ "eventName": "CallbackChanged", "data": {
            "assignedUserId": USER, "calculatedPriority": "100", "callbackAttempts": [], "callbackExtras": [],
            "callBackId": "5c1f1d0a-91f1-4b53-8f39-0f6a3c2b7e10", "callbackRelatedItems": [], "callId": null,
            "callListId": LIST, "channelIn": "Support", "classificationId": null, "contactMessage": null,
            "contactName": null, "contactNumber": "+358401234567", "creationTime": "2024-05-31T07:01:22.1170000Z",
            "dueDate": null, "expiryDate": null, "lastAttemptNote": null, "lastAttemptTimestamp": null,
            "lastAttemptTypeId": null, "lastAttemptUserId": null, "lastModifiedUserId": null,
            "modified": "2024-05-31T07:01:22.1170000Z", "notBefore": null, "note": format!("#{n}#{}", "x".repeat(100)),
            "organizationId": ORGANIZATION, "recordingId": null, "transcriptId": null, "typeId": 2,
        }})
        .to_string()
    };
    (0..CALLBACKS).map(item).collect::<Vec<_>>().join("\n")
}

/// One ordinary publish, and a client on each desk that has both events.
fn callbacks_close_no_reader(threads: usize) {
    let hub = Hub::start_with(&[&format!("server.threads={threads}")]);
    let mut readers: Vec<_> = (0..MANY_READERS).map(|_| hub.client()).collect();
    for reader in &mut readers {
        let items = format!(
            r#"[[{{"EntityId":"{LIST}","EventName":"CallbackChanged"}},{{"EntityId":"{USER}","EventName":"UserCallbackChanged"}}]]"#
        );
        assert_eq!(reader.invoke("Subscribe", &items).matches(r#""subscribed":true"#).count(), 2);
    }
    let (token, body) = (hub.publisher_token(), callbacks());
    assert!(body.len() > 1_000_000 && body.len() < 1024 * 1024, "{} bytes", body.len());
    let expected: Vec<String> = (0..2 * CALLBACKS).map(|n| (n / 2).to_string()).collect();
    std::thread::scope(|scope| {
        let mut wire = hub.connect();
        scope.spawn(move || assert_eq!(publish(&mut wire, &token, &body), 202));
        for reader in &mut readers {
            let expected = &expected;
            scope.spawn(move || {
                for mark in expected {
                    assert_eq!(reader.record().split('#').nth(1), Some(mark.as_str()), "a callback, and no Close");
                }
            });
        }
    });
    assert!(hub.metric("rte_connections_closed_total{reason=\"overrun\"}") < 1.0);
}

#[test]
fn a_publish_of_callbacks_closes_none_of_many_readers_on_one_shard() {
    callbacks_close_no_reader(1);
}

#[test]
fn a_publish_of_callbacks_closes_none_of_many_readers_on_two_shards() {
    callbacks_close_no_reader(2);
}
