//! What an operator sees of a hub: its log and its metrics.

use crate::support::{Hub, ORGANIZATION, USER, mint_with, request};
use serde_json::json;
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
    let is_whole = |line: &str| ["info ", "debug ", "warn warning "].iter().any(|start| line.starts_with(start));
    assert!(before.lines().all(is_whole), "whole lines only");
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
    let turns = hub.metric("rte_turn_seconds_count ");
    assert!(hub.metric("rte_turn_seconds_count ") > turns && turns > 1.0);
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

/// One user's desktop gets nothing: what the log says of it.
#[test]
fn the_log_tells_who_came_what_was_refused_and_how_it_ended_and_never_a_token() {
    let hub = Hub::start_with(&["server.log_level=debug"]);
    let line = |parts: &[&str]| {
        hub.await_log(parts[0]);
        let log = hub.log();
        let mut lines = log.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.next().unwrap_or_else(|| panic!("no {parts:?} in {log}")).to_owned()
    };
    let claims = json!({ "exp": 4_102_444_800_u64, "sub": USER, "org": ORGANIZATION, "rte": ["queue/*", "admins"] });
    let token =
        mint_with("the secret of the tests has more than 32 bytes", &json!({ "alg": "HS256", "kid": "a" }), &claims);
    let mut client = hub.client_with(&token);
    let bearer = line(&["debug authenticated "]);
    for part in [USER, ORGANIZATION, "kid=a ", "grants=1 ", "foreign=1"] {
        assert!(bearer.contains(part), "{part}: {bearer}");
    }

    let (queue, other) = ("cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3", "aaeeb190-ff4b-ea11-ac9c-00155d4fdcf3");
    let items = [(USER, "UserQueueAlert"), (other, "UserStatus"), (queue, "QueueStatos"), ("x\\ny", "QueueStatus")];
    let items = items.map(|(entity, event)| format!(r#"{{"EntityId":"{entity}","EventName":"{event}"}}"#));
    client.invoke("Subscribe", &format!("[[{}]]", items.join(",")));
    for parts in [
        ["event=userstatus", other, "why=Unauthorized"],
        ["event=queuestatos", queue, r#"why="Unknown EventName""#],
        ["event=queuestatus", r#"entity="x\ny""#, r#"why="Invalid EntityId""#],
    ] {
        assert!(line(&parts).starts_with("debug item_refused conn="), "{parts:?}");
    }
    assert_eq!(hub.publish(&alert()).status, 202);
    client.record();
    drop(client);
    let end = line(&["reason=peer_gone"]);
    for part in ["delivered=1 ", "backlog_bytes=0 ", "age_s=0 "] {
        assert!(end.contains(part), "{part}: {end}");
    }

    let expired = hub.token(json!({ "exp": 1, "sub": "auth0|alice" }));
    let authorization = format!("Authorization: Bearer {expired}");
    assert_eq!(hub.request("POST /rte/negotiate", &[&authorization], "").status, 401);
    assert!(line(&["debug token_refused ", "auth0|alice", "expired"]).contains(ORGANIZATION));
    let publisher = hub.token(json!({ "exp": 1, "sub": "auth0|bob" }));
    let authorization = format!("Authorization: Bearer {publisher}");
    assert_eq!(hub.request("POST /publish", &[&authorization], "{}").status, 401);
    line(&["sub=auth0|bob", "debug token_refused "]);
    let log = hub.log();
    for token in [&token, &expired, &publisher] {
        assert!(token.split('.').all(|part| !log.contains(part)), "a part of a token is in the log: {log}");
    }
}

/// An event is not heard by anybody: what the log says of its publisher.
#[test]
fn the_log_tells_who_publishes_and_what_was_rejected_and_nothing_of_the_data() {
    let hub = Hub::start_with(&["server.log_level=debug"]);
    let bearer = |claims| format!("Authorization: Bearer {}", hub.token(claims));
    let publisher = bearer(json!({ "sub": "auth0|bob", "scope": "publish" }));
    let other = bearer(json!({ "sub": "auth0|carol", "scope": "publish" }));
    let nobody = bearer(json!({ "sub": "auth0|dave" }));
    let mut wire = hub.connect();
    let mut publish = |bearer: &str, body: &str| {
        let headers = [bearer, "Content-Type: application/json"];
        wire.send(request("POST /publish", &headers, body).as_bytes());
        wire.reply().status
    };
    let bad = r#"{"eventName":"UserQueueAlert","data":{"secret":1}}"#;
    let nameless = r#"{"data":{"secret":1}}"#;
    assert_eq!(publish(&publisher, &alert()), 202);
    assert_eq!(publish(&publisher, &format!("[{},{bad},{nameless}]", alert())), 207);
    assert_eq!(publish(&publisher, r#"["secret"#), 400);
    assert_eq!(publish(&other, &alert()), 202);
    assert_eq!(hub.request("POST /publish", &[&nobody, "Content-Type: application/json"], &alert()).status, 403);
    for line in [
        " rejected=2 index=1 rule=",
        " event=UserQueueAlert",
        "status=400 why=\"The body is no JSON of this form\"",
        "status=403 why=\"The token has no scope publish: ask its issuer, or rte token --scope publish\"",
    ] {
        hub.await_log(line);
    }
    let log = hub.log();
    let counts = ["sub=auth0|bob ", "sub=auth0|carol ", "debug items_rejected "].map(|part| log.matches(part).count());
    assert_eq!(counts, [1, 1, 1], "each token once on its link: {log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn an_invocation_that_reaches_no_method_is_a_line_that_says_why_and_nothing_of_its_arguments() {
    let hub = Hub::start_with(&["server.log_level=debug"]);
    let mut client = hub.client();
    let long = "m".repeat(1_000);
    for (method, arguments, why) in [
        ("Subscribe", r#"["cbeeb190-secret","QueueStatus"]"#, "2 arguments were given, it takes 1"),
        ("Subscribe", "[]", "0 arguments were given"),
        ("Unsubscribe", r#"[{"EntityId":"secret"}]"#, "must be an array of objects"),
        ("Subscribe", r#"[[{"EntityId":7,"EventName":"secret"}]]"#, "must be an array of objects"),
        ("subscribe_to", r#"["secret"]"#, "there is no such method"),
        (&long, "[]", "there is no such method"),
    ] {
        assert!(client.invoke(method, arguments).contains("due to an error on the server."), "{method}");
        hub.await_log(&format!("method={} why=\"", &method[..method.len().min(128)]));
        hub.await_log(why);
    }
    let log = hub.log();
    assert_eq!(log.matches("debug invocation_failed conn=").count(), 6, "{log}");
    assert!(!log.contains("secret"), "{log}");
    assert!(client.invoke("UnsubscribeAll", "[]").contains(r#""result":true"#), "it goes on");
}

#[test]
fn what_cannot_hold_is_a_warning_of_the_log_and_stops_nobody() {
    let hub = Hub::start_with(&["limits.connections_max=9000000", "auth.default_grants=user/*/UserStatos"]);
    hub.await_log(
        "warn warning name=descriptors why=\"limits.connections_max = 9000000 and limits.strangers_max = 8192 need ",
    );
    hub.await_log("warn warning name=default_grants why=\"user/*/userstatos covers nothing");
    hub.await_log("info listening");
    assert!(hub.log().find("info listening") > hub.log().find("name=descriptors"), "before anybody comes");
}

#[test]
fn nothing_of_a_connection_is_logged_where_nobody_asks_for_it() {
    let hub = Hub::start();
    let mut client = hub.client();
    client.invoke("Subscribe", r#"[[{"EntityId":"x","EventName":"y"}]]"#);
    drop(client);
    assert_eq!(hub.request("POST /rte/negotiate", &["Authorization: Bearer x"], "").status, 401);
    let log = hub.log();
    let is_told = |line: &&str| !line.starts_with("warn warning ");
    assert_eq!(log.lines().filter(is_told).count(), 1, "{log}");
}
