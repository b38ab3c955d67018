//! Strangers at the door: whoever shows no token keeps nobody out.

use crate::support::{Hub, UPGRADE, request};

const EVENT: &str = r#"{"eventName":"UserQueueAlert","entityId":"c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3","data":{"queueId":"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3","queueName":"Support"}}"#;

#[test]
fn a_thousand_sockets_without_a_token_keep_nobody_out() {
    for threads in ["server.threads=1", "server.threads=2", "server.threads=4"] {
        let hub = Hub::start_with(&[threads, "limits.connections_max=9", "limits.strangers_max=64"]);
        let mut first = hub.client();
        // 28 bytes, and nothing more.
        let mut crowd: Vec<_> = (0..1_000).map(|_| hub.connect()).collect();
        let _ = crowd
            .iter_mut()
            .map(|wire| std::io::Write::write(wire.stream(), b"GET /healthz HTTP/1.1\r\nHost: "))
            .count();
        assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
        assert_eq!(hub.request("GET /metrics", &[], "").status, 200);
        assert_eq!(hub.publish(EVENT).status, 202);
        let id = hub.negotiate();
        let mut clients: Vec<_> = (0..6).map(|_| hub.client()).collect();
        hub.websocket(&format!("/rte?id={id}")).close(1000);
        clients.push(hub.client());
        assert!(clients.iter_mut().all(|client| client.invoke("UnsubscribeAll", "[]").contains("true")), "{threads}");
        assert!(first.invoke("UnsubscribeAll", "[]").contains("true"));
        assert!(hub.metric("rte_strangers ") <= 64.0 + 4.0);
        // Another thread may take in the last of the crowd when these are served already.
        hub.await_metric("rte_connections_closed_total{reason=\"made_room\"}", |count| count >= 900.0);
        hub.await_log("warn strangers_crowd");
        assert!((1..=4).contains(&hub.log().matches("warn strangers_crowd").count()), "{}", hub.log());
        assert_eq!(hub.log().matches("made_room").count(), 0, "{}", hub.log());
    }
}

#[test]
fn little_of_what_a_stranger_does_not_read_waits_in_the_kernel() {
    let hub = Hub::start();
    let page = hub.request("GET /reference", &[], "").body.len() as f64;
    let mut wire = hub.connect_with_buffer(4_096);
    std::io::Write::write_all(wire.stream(), "GET /reference HTTP/1.1\r\nHost: h\r\n\r\n".repeat(20).as_bytes())
        .unwrap();
    // What is not in the kernel is with the hub, which has it once for all.
    hub.await_metric("rte_backlog_bytes ", |bytes| bytes > page / 2.0);
    let backlog = hub.metric("rte_backlog_bytes ");
    assert!((page / 2.0..page + 1_000.0).contains(&backlog), "{backlog} bytes of a page of {page} wait in the hub");
}

#[test]
fn a_hub_with_few_descriptors_and_many_peers_goes_on_serving() {
    let hub = Hub::start_with_descriptors(256, &[]);
    let mut clients: Vec<_> = (0..20).map(|_| hub.client()).collect();
    let crowd: Vec<_> = (0..400).map(|_| hub.connect()).collect();
    assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
    assert_eq!(hub.publish(EVENT).status, 202);
    clients.extend((0..20).map(|_| hub.client()));
    assert!(clients.iter_mut().all(|client| client.invoke("UnsubscribeAll", "[]").contains("true")));
    drop(crowd);
}

#[test]
fn one_client_too_many_is_told_before_its_upgrade_and_a_page_can_read_it() {
    let hub = Hub::start_with(&["limits.connections_max=2"]);
    let (_first, second) = (hub.client(), hub.client());
    let origin = "Origin: https://app.example";
    let upgrade = [&UPGRADE[..], &[origin]].concat();
    for (line, headers) in [("POST /rte/negotiate?negotiateVersion=1", vec![origin]), ("GET /rte", upgrade)] {
        let reply = hub.request_as_client(line, &headers);
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")), "{line}");
        assert!(reply.body.contains("limits.connections_max"), "{reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"), "{line}");
    }
    assert_eq!(hub.publish(EVENT).status, 202);
    assert_eq!(hub.metric("rte_refusals_total{reason=\"full\"} "), 2.0);
    drop(second);
    // Its place is free as soon as its end is noticed.
    let is_free = (0..20_000).any(|_| hub.request_as_client("POST /rte/negotiate", &[]).status == 200);
    assert!(is_free, "{}", hub.log());
    let mut wire = hub.connect();
    wire.send(request("GET /healthz", &[], "").as_bytes());
    assert_eq!(wire.reply().status, 200);
}
