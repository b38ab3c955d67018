//! Slow links over the kernel's own sockets.

use crate::support::{Hub, ORGANIZATION, Peer, USER};
use serde_json::json;
use std::time::{Duration, Instant};

const ITEMS: usize = 300;

/// Some 200 KB of alerts.
fn body() -> String {
    let item = |n: usize| {
        json!({ "eventName": "UserAlert", "data": {
            "alertId": "64f2d8b3-90ce-4e17-a5b8-3d1c7f06e92a", "conditionExpression": "x".repeat(400),
            "conditionName": "a", "conditionValue": "5", "organizationId": ORGANIZATION, "userId": USER,
            "value": format!("#{n}#"),
        }})
    };
    json!((0..ITEMS).map(item).collect::<Vec<_>>()).to_string()
}

/// A hub that gives up soon, and a client with a small receive buffer that has subscribed.
fn slow_client() -> (Hub, Peer) {
    // The system tells of room when a third of twice that is free.
    let hub = Hub::start_with(&["limits.write_stuck_ms=1000", "limits.socket_send_bytes=65536"]);
    let mut peer = hub.client_with_buffer(4096);
    let items = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAlert"}}]]"#);
    assert!(peer.invoke("Subscribe", &items).contains(r#""subscribed":true"#));
    (hub, peer)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the pace of the link is what the test is about")]
fn a_reader_of_a_few_kilobytes_a_second_gets_all_that_waits() {
    let (hub, mut peer) = slow_client();
    assert_eq!(hub.publish(&body()).status, 202);
    let start = Instant::now();
    for n in 0..ITEMS {
        let record = peer.record();
        assert_eq!(record.split('#').nth(1), Some(n.to_string().as_str()), "an alert, and no Close");
        let due = Duration::from_millis(27 * n as u64);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    assert!(start.elapsed() > Duration::from_secs(8), "much longer than the patience");
    assert!(hub.metric("rte_connections_closed_total{reason=\"write_stuck\"}") < 1.0);
}

#[test]
fn a_reader_of_nothing_goes() {
    let (hub, _peer) = slow_client();
    assert_eq!(hub.publish(&body()).status, 202);
    while hub.metric("rte_connections_closed_total{reason=\"write_stuck\"}") < 1.0 {}
}
