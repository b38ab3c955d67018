//! The hub as a process: how it starts, how it says no, how it ends.

use crate::support::{Hub, USER, serve};

#[test]
fn a_drain_tells_everybody_to_come_back_and_ends_with_0() {
    let mut hub = Hub::start();
    let mut peers = [hub.client(), hub.client(), hub.client()];
    let mut idle = hub.connect();
    hub.terminate();
    for peer in &mut peers {
        assert_eq!(peer.record(), r#"{"type":7,"allowReconnect":true}"#);
        peer.assert_closed(1000);
    }
    drop(peers);
    idle.assert_ends();
    assert_eq!(hub.exit_code(), Some(0), "{}", hub.log());
}

#[test]
fn an_occurrence_reaches_each_member_once_and_nobody_else() {
    let hub = Hub::start();
    let pair = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#);
    let mut members: Vec<_> = (0..5).map(|_| hub.client()).collect();
    for member in &mut members {
        assert!(member.invoke("Subscribe", &pair).contains(r#""subscribed":true"#));
    }
    let mut other = hub.client();
    let queue = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";
    let data = format!(r#"{{"queueId":"{queue}","queueName":"Support"}}"#);
    let reply = hub.publish(&format!(r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{data}}}"#));
    assert_eq!(reply.status, 202, "{reply:?}");
    for member in &mut members {
        assert!(member.record().contains(&data));
        assert_eq!(member.invoke("UnsubscribeAll", "[]"), r#"{"type":3,"invocationId":"i","result":true}"#);
    }
    assert_eq!(other.invoke("UnsubscribeAll", "[]"), r#"{"type":3,"invocationId":"i","result":true}"#);
}

#[test]
fn a_member_that_does_not_read_is_let_go_and_the_others_miss_nothing() {
    let hub = Hub::start_with(&["limits.socket_send_bytes=65536", "limits.close_ms=100", "server.log_level=debug"]);
    let pair = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#);
    let mut slow = hub.client();
    let mut quick = hub.client();
    for member in [&mut slow, &mut quick] {
        assert!(member.invoke("Subscribe", &pair).contains(r#""subscribed":true"#));
    }
    // More than the hub may keep for one connection and the kernels may keep for both ends.
    for number in 0..400 {
        let name = format!("{number} {}", "x".repeat(60_000));
        let data = format!(r#"{{"queueId":"{USER}","queueName":"{name}"}}"#);
        let item = format!(r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{data}}}"#);
        assert_eq!(hub.publish(&item).status, 202);
        assert!(quick.record().contains(&name), "publication {number} is missing or late");
    }
    let is_gone = (0..20_000).any(|_| hub.metric(r#"rte_connections_closed_total{reason="overrun"}"#) > 0.5);
    assert!(is_gone, "{}", hub.request("GET /metrics", &[], "").body);
    hub.await_log("debug closed conn=2 reason=overrun ");
    let log = hub.log();
    let (_, told) = log.split_once("reason=overrun age_s=").unwrap();
    let number = |name: &str| told.split_once(name).unwrap().1.split(' ').next().unwrap().parse::<usize>().unwrap();
    assert!(number("backlog_bytes=") > 1024 * 1024, "more than outbox_hard_bytes waited: {told}");
    assert!((20..=400).contains(&number("delivered=")), "{told}");
    assert!(hub.metric("rte_backlog_bytes ") <= 1024.0 * 1024.0, "more than outbox_hard_bytes is kept");
}

#[test]
fn a_hub_out_of_descriptors_serves_again_when_there_are_some() {
    let hub = Hub::start_with_descriptors(48, &[]);
    let mut first = hub.client();
    // The kernel completes these, whether or not the hub can accept them.
    let crowd: Vec<_> = (0..100).map(|_| hub.connect()).collect();
    assert_eq!(first.invoke("UnsubscribeAll", "[]"), r#"{"type":3,"invocationId":"i","result":true}"#);
    drop(crowd);
    assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
    assert_eq!(first.invoke("UnsubscribeAll", "[]"), r#"{"type":3,"invocationId":"i","result":true}"#);
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_with_the_nearest_key() {
    let output = serve().args(["--set", "server.lissten=127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`server.lissten`: did you mean `server.listen`?"), "{said}");
}
