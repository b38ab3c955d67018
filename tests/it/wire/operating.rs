//! What an operator sees of a hub: its log and its metrics.

use crate::support::{Hub, USER};
use std::collections::BTreeSet;

/// An alert of no meaning for the user of these tests.
fn alert() -> String {
    let data = format!(r#"{{"queueId":"{USER}","queueName":"Support"}}"#);
    format!(r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{data}}}"#)
}

/// More lines than a pipe of 64 KiB and a queue of 10 KB hold.
fn fill_log(hub: &Hub) {
    for _ in 0..1_500 {
        assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
    }
}

#[test]
fn a_reader_of_the_log_that_stalls_stops_nobody_and_is_told_what_it_missed() {
    let hub = Hub::start_unread(&["server.log_level=debug", "limits.log_bytes_max=10000"]);
    let mut client = hub.client();
    let pair = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#);
    assert!(client.invoke("Subscribe", &pair).contains(r#""subscribed":true"#));
    fill_log(&hub);
    assert_eq!(hub.publish(&alert()).status, 202);
    assert!(client.record().contains("userqueuealert"), "it is delivered while nobody reads the log");
    let dropped = hub.metric("rte_log_dropped_total ");
    assert!(dropped > 100.0, "{dropped}");
    hub.read_log();
    hub.await_log("warn log_dropped lines=");
    let log = hub.log();
    let (before, _) = log.split_once("warn log_dropped").unwrap();
    assert!(before.lines().all(|line| line.starts_with("info ") || line.starts_with("debug ")), "whole lines only");
}

#[test]
fn a_hub_ends_in_time_though_nobody_reads_its_log() {
    let mut hub =
        Hub::start_unread(&["server.log_level=debug", "limits.log_bytes_max=10000", "limits.drain_spread_ms=0"]);
    fill_log(&hub);
    hub.terminate();
    assert_eq!(hub.exit_code_unread(), Some(0));
}

#[test]
fn the_metrics_tell_of_the_process_and_of_the_last_publication() {
    let hub = Hub::start_with(&["limits.connections_max=77"]);
    let version = format!("rte_build_info{{version=\"{}\"}} ", env!("CARGO_PKG_VERSION"));
    assert_eq!(hub.metric(&version), 1.0);
    assert_eq!((hub.metric("rte_connections_max "), hub.metric("rte_last_reload_successful ")), (77.0, 1.0));
    assert_eq!(hub.metric("rte_last_publication_timestamp_seconds "), 0.0);
    let mut client = hub.client();
    let pair = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#);
    assert!(client.invoke("Subscribe", &pair).contains(r#""subscribed":true"#));
    assert_eq!(hub.publish(&alert()).status, 202);
    assert!(client.record().contains("userqueuealert"));
    let started = hub.metric("process_start_time_seconds ");
    assert!(hub.metric("rte_last_publication_timestamp_seconds ") >= started && started > 1_700_000_000.0);
    assert_eq!(hub.metric("rte_last_reload_timestamp_seconds "), started);
    assert_eq!((hub.metric("rte_delivery_seconds_count "), hub.metric("rte_oldest_backlog_seconds ")), (1.0, 0.0));
    if cfg!(target_os = "linux") {
        assert!(hub.metric("process_resident_memory_bytes ") > 1_000_000.0);
        let open = hub.metric("process_open_fds ");
        assert!(open > 5.0 && open < hub.metric("process_max_fds "), "{open}");
        let crowd: Vec<_> = (0..50).map(|_| hub.client()).collect();
        assert!(hub.metric("process_open_fds ") >= 50.0, "{}", crowd.len());
    }
}

#[test]
fn no_series_appears_later_so_that_the_first_count_is_a_rise() {
    let hub = Hub::start_with(&["server.threads=2"]);
    let series = || -> BTreeSet<String> {
        let text = hub.request("GET /metrics", &[], "").body;
        text.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let fresh = series();
    assert_eq!(hub.publish(&alert()).status, 202);
    assert_eq!(hub.request("GET /nowhere", &[], "").status, 404);
    drop(hub.client());
    assert_eq!(series(), fresh);
}
