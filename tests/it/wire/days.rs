//! What months bring, compressed: connections that come and go, reloads, drains with stuck peers.

use crate::support::{Hub, ORGANIZATION, Peer, USER, request};
use serde_json::json;

fn subscribe(peer: &mut Peer) {
    let items = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAlert"}}]]"#);
    assert!(peer.invoke("Subscribe", &items).contains(r#""subscribed":true"#));
}

/// So many alerts of about 1 KB.
fn alerts(count: usize) -> String {
    let item = json!({ "eventName": "UserAlert", "data": {
        "alertId": "64f2d8b3-90ce-4e17-a5b8-3d1c7f06e92a", "conditionExpression": "x".repeat(700),
        "conditionName": "a", "conditionValue": "5", "organizationId": ORGANIZATION, "userId": USER, "value": "1",
    }});
    json!(vec![item; count]).to_string()
}

/// Everybody who may be met in a day, and who goes in every way.
fn come_and_go(hub: &Hub, rounds: usize) {
    for _ in 0..rounds {
        let mut leaves = hub.client();
        subscribe(&mut leaves);
        assert_eq!(hub.publish(&alerts(1)).status, 202);
        assert!(leaves.record().contains("MessageReceived"));
        leaves.close(1000);
        subscribe(&mut hub.client());
        hub.negotiate();
        let (_silent, mut half, mut wrong) = (hub.connect(), hub.connect(), hub.connect());
        half.send(b"POST /publish HTTP/1.1\r\nHost: hub\r\nContent-Le");
        wrong.send(b"\x16\x03\x01 what?\r\n\r\n");
        let _ = hub.request("GET /reference", &[], "");
    }
}

/// Waits until nobody is there but who asks.
fn await_empty(hub: &Hub) {
    hub.await_metric("rte_connections ", |count| count <= 1.0);
    for name in ["rte_hub_connections ", "rte_subscriptions ", "rte_topics ", "rte_backlog_bytes "] {
        assert_eq!(hub.metric(name), 0.0, "{name}");
    }
}

/// How many descriptors are open while nobody is there but who asks. Who has asked before may not
/// be gone yet, so that the lowest of some answers counts.
fn descriptors(hub: &Hub) -> f64 {
    (0..20).map(|_| hub.metric("process_open_fds ")).fold(f64::INFINITY, f64::min)
}

#[test]
fn connections_that_come_and_go_leave_no_memory_no_subscription_and_no_descriptor() {
    let hub = Hub::start_with(&[
        "server.threads=2",
        "limits.user_connects_per_minute=0",
        // The bounds of what is kept of publications are reached soon.
        "limits.history_bytes_max=10000",
        "limits.negotiated_max=10",
    ]);
    come_and_go(&hub, 5);
    await_empty(&hub);
    let before = descriptors(&hub);
    come_and_go(&hub, 120);
    await_empty(&hub);
    let resident = hub.metric("process_resident_memory_bytes ");
    come_and_go(&hub, 60);
    await_empty(&hub);
    let grown = hub.metric("process_resident_memory_bytes ") - resident;
    // 300 connections that left a kibibyte each would be more.
    assert!(grown < 256.0 * 1024.0, "{grown} bytes more");
    assert_eq!(descriptors(&hub), before);
}

#[test]
fn a_storm_of_reloads_drops_nobody_and_leaves_no_descriptor() {
    let hub = Hub::start_with(&["server.threads=2"]);
    let mut member = hub.client();
    subscribe(&mut member);
    let before = descriptors(&hub);
    for _ in 0..100 {
        hub.reload();
        assert_eq!(hub.publish(&alerts(1)).status, 202);
        assert!(member.record().contains("MessageReceived"));
    }
    while hub.metric("rte_reloads_total ") < 1.0 {}
    // The last reload may still read its files.
    while descriptors(&hub) > before {}
    assert_eq!(hub.publish(&alerts(1)).status, 202);
    assert!(member.record().contains("MessageReceived"));
}

#[test]
fn a_drain_with_publishers_at_work_and_readers_that_are_stuck_ends_in_time() {
    let settings = ["limits.drain_ms=2000", "limits.drain_spread_ms=500", "limits.socket_send_bytes=4096"];
    let mut hub = Hub::start_with(&[&settings[..], &["server.threads=2"]].concat());
    let mut stuck: Vec<Peer> = (0..20).map(|_| hub.client_with_buffer(4096)).collect();
    stuck.iter_mut().for_each(subscribe);
    let mut half = hub.connect();
    half.send(&request("POST /publish", &[], "{}").as_bytes()[..40]);
    while hub.metric("rte_blocked_connections ") < 20.0 {
        assert_eq!(hub.publish(&alerts(50)).status, 202);
    }
    let mut good = hub.client();
    hub.terminate();
    assert_eq!(good.record(), r#"{"type":7,"allowReconnect":true}"#);
    good.assert_closed(1000);
    assert_eq!(hub.exit_code(), Some(0), "{}", hub.log());
    let log = hub.log();
    let took_ms = log.split_once(" took_ms=").and_then(|(_, rest)| rest.lines().next()?.parse::<u64>().ok());
    assert!(took_ms.is_some_and(|ms| ms < 5_000), "drain_ms, and 3 s for a machine that is busy: {log}");
}
