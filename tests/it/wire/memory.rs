//! The bound of all that the process keeps: what fills it, who is told, who is not, and that it is
//! over when the cause is.

use crate::support::{Hub, ORGANIZATION, Peer, Reply, UPGRADE, USER};
use serde_json::json;

const NEGOTIATE: &str = "POST /rte/negotiate?negotiateVersion=1";
/// The past is not what fills it here.
const NO_PAST: &str = "limits.history_bytes_max=0";

fn hub(memory_bytes_max: usize) -> Hub {
    Hub::start_with(&["server.threads=1", NO_PAST, &format!("limits.memory_bytes_max={memory_bytes_max}")])
}

fn assert_refused(hub: &Hub, reply: &Reply) {
    assert_eq!(reply.status, 503, "{reply:?} {}", hub.metric("rte_memory_bytes "));
    assert!(reply.body.contains("limits.memory_bytes_max"), "{reply:?}");
    assert_eq!(reply.header("retry-after"), Some("5"));
}

fn refused(hub: &Hub) -> f64 {
    hub.metric("rte_refusals_total{reason=\"memory\"} ")
}

/// An alert of the user with so much in it.
fn alert(bytes: usize) -> String {
    json!({ "eventName": "UserAlert", "data": {
        "alertId": "64f2d8b3-90ce-4e17-a5b8-3d1c7f06e92a", "conditionExpression": "x".repeat(bytes),
        "conditionName": "a", "conditionValue": "5", "organizationId": ORGANIZATION, "userId": USER, "value": "5",
    }})
    .to_string()
}

/// Subscribes to alerts of so many users from that number on; how many became subscriptions.
fn subscribe(client: &mut Peer, from: usize, count: usize) -> usize {
    let item = |n: usize| format!(r#"{{"EntityId":"00000000-0000-4000-8000-{n:012x}","EventName":"UserAlert"}}"#);
    let items: Vec<String> = (from..from + count).map(item).collect();
    let answer = client.invoke("Subscribe", &format!("[[{}]]", items.join(",")));
    assert_eq!(answer.matches("Too many subscriptions").count(), answer.matches(r#""subscribed":false"#).count());
    answer.matches(r#""subscribed":true"#).count()
}

/// Whoever comes new is refused, with the reason; who may be asked without cost is not.
fn assert_full(hub: &Hub) {
    let before = refused(hub);
    assert_refused(hub, &hub.request_as_client(NEGOTIATE, &[]));
    assert_refused(hub, &hub.request_as_client("GET /rte", &UPGRADE));
    assert_refused(hub, &hub.publish(&alert(60_000)));
    assert_eq!(refused(hub), before + 3.0);
    for path in ["GET /healthz", "GET /readyz", "GET /reference"] {
        assert_eq!(hub.request(path, &[], "").status, 200);
    }
}

/// The cause is gone; its end may be noticed a moment later.
fn assert_recovers(hub: &Hub) {
    assert!((0..20_000).any(|_| hub.request_as_client(NEGOTIATE, &[]).status == 200), "{}", hub.log());
    hub.client().close(1000);
    assert_eq!(hub.publish(&alert(10)).status, 202);
}

#[test]
fn subscriptions_that_fill_the_memory_let_nobody_new_in_until_they_are_gone() {
    let hub = hub(400_000);
    let (mut one, mut other) = (hub.client(), hub.client());
    assert_eq!(subscribe(&mut one, 0, 1_000), 1_000);
    assert_eq!(subscribe(&mut other, 1_000, 960), 960);
    assert_eq!(hub.metric("rte_subscription_bytes "), 1_960.0 * 180.0);
    assert_full(&hub);
    assert_eq!(subscribe(&mut other, 5_000, 1), 0, "nor may those who are there have more");
    assert!(other.invoke("GetActiveSubscriptions", "[]").len() > 960 * 50, "what they have is theirs");
    one.close(1000);
    assert_recovers(&hub);
    assert_eq!(subscribe(&mut other, 5_000, 1), 1);
}

#[test]
fn all_subscriptions_together_have_a_bound_of_their_own() {
    let hub = Hub::start_with(&["server.threads=1", "limits.total_subscriptions_max=5"]);
    let (mut one, mut other) = (hub.client(), hub.client());
    assert_eq!((subscribe(&mut one, 0, 3), subscribe(&mut other, 3, 4)), (3, 2));
    assert_eq!(subscribe(&mut other, 3, 2), 2, "what is held is held");
    assert_eq!(hub.metric("rte_refusals_total{reason=\"subscription_item\"} "), 2.0);
    one.close(1000);
    assert!((0..20_000).any(|_| subscribe(&mut other, 5, 1) == 1), "{}", hub.log());
}

#[test]
fn bodies_that_fill_the_memory_let_nobody_new_in_until_they_are_gone() {
    let hub = hub(400_000);
    let mut client = hub.client();
    assert_eq!(subscribe(&mut client, 0, 1), 1);
    let mut hog = hub.connect();
    let authorization = format!("Authorization: Bearer {}", hub.publisher_token());
    let head = |length: &str| {
        format!(
            "POST /publish HTTP/1.1\r\nHost: hub\r\n{authorization}\r\nContent-Type: application/json\r\n{length}\r\n\r\n["
        )
    };
    hog.send(head("Content-Length: 343000").as_bytes());
    assert!((0..20_000).any(|_| hub.metric("rte_input_bytes ") > 340_000.0), "{}", hub.log());
    assert_full(&hub);
    assert!(client.invoke("GetActiveSubscriptions", "[]").contains("useralert"), "who is there stays");
    // A body whose length nobody has told is refused when it is too much.
    let mut chunked = hub.connect();
    chunked.send(head("Transfer-Encoding: chunked").replace("\r\n\r\n[", "\r\n\r\n").as_bytes());
    chunked.send(format!("2710\r\n{}\r\n", "[".repeat(10_000)).as_bytes());
    assert_refused(&hub, &chunked.reply());
    chunked.assert_ends();
    drop((hog, chunked));
    let ended = "rte_connections_closed_total{reason=\"memory_full\"} ";
    assert!((0..20_000).any(|_| hub.metric(ended) > 0.0), "{}", hub.log());
    assert_recovers(&hub);
}

#[test]
fn of_backlogs_that_fill_the_memory_the_largest_goes_and_nobody_else_is_touched() {
    let limits = ["limits.memory_bytes_max=600000", "limits.socket_send_bytes=4096"];
    let hub = Hub::start_with(&[&["server.threads=1", NO_PAST], &limits[..]].concat());
    let topic = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAlert"}}]]"#);
    let (mut slow, mut prompt) = (hub.client_with_buffer(4_096), hub.client());
    for client in [&mut slow, &mut prompt] {
        assert!(client.invoke("Subscribe", &topic).contains(r#""subscribed":true"#));
    }
    let is_over = |hub: &Hub| hub.metric("rte_connections_closed_total{reason=\"backlog_full\"} ") > 0.0;
    let mut published = 0;
    while !is_over(&hub) {
        assert_eq!(hub.publish(&alert(60_000)).status, 202, "backlogs make room");
        published += 1;
        assert!(prompt.record().contains("useralert"));
        assert!(published < 100, "{} bytes", hub.metric("rte_memory_bytes "));
    }
    assert!(published > 5, "{published}");
    assert!(hub.metric("rte_memory_bytes ") < 100_000.0, "what it held is free");
    assert_recovers(&hub);
    assert!(prompt.record().contains("useralert"));
}

#[test]
fn what_two_wait_for_is_told_for_each_of_them_and_kept_once() {
    let hub = Hub::start_with(&["server.threads=1", NO_PAST, "limits.socket_send_bytes=4096"]);
    let topic = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserAlert"}}]]"#);
    let mut slow = [(); 2].map(|()| hub.client_with_buffer(4_096));
    for client in &mut slow {
        assert!(client.invoke("Subscribe", &topic).contains(r#""subscribed":true"#));
    }
    let mut published = 0;
    while hub.metric("rte_backlog_bytes ") < 1_000_000.0 {
        assert_eq!(hub.publish(&alert(60_000)).status, 202);
        published += 1;
        assert!(published < 100, "{} bytes", hub.metric("rte_backlog_bytes "));
    }
    let (told, kept) = (hub.metric("rte_backlog_bytes "), hub.metric("rte_backlog_kept_bytes "));
    assert!(kept > 0.0 && kept < 0.6 * told, "{kept} of {told}");
}
