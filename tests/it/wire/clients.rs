//! What clients, their pages and the proxies between run into: each is told what is wrong.

use super::tokens::unix_s;
use crate::support::{Hub, RS, Reply, UPGRADE, USER, Wire, request};
use serde_json::json;

const ORIGIN: &str = "Origin: https://app.example";

/// The reply to an upgrade with these headers and this token.
fn upgrade(hub: &Hub, target: &str, headers: &[&str], token: &str) -> Reply {
    let authorization = format!("Authorization: Bearer {token}");
    let mut wire = hub.connect();
    wire.send(request(&format!("GET {target}"), &[headers, &[authorization.as_str()]].concat(), "").as_bytes());
    wire.reply_without_body()
}

fn reply_to(hub: &Hub, bytes: &[u8]) -> (Wire, Reply) {
    let mut wire = hub.connect();
    wire.send(bytes);
    let reply = wire.reply();
    (wire, reply)
}

#[test]
fn a_subscribe_of_as_many_items_as_there_may_be_subscriptions_fits() {
    let hub = Hub::start();
    let mut peer = hub.client();
    let longest = "CallbackRequestReceivedNotification";
    let item = |n: usize| {
        format!(r#"{{"EntityId":"{n:08}-ff4b-ea11-ac9c-00155d4fdcf3","EventName":"{longest}","Snapshot":true}}"#)
    };
    let items: Vec<String> = (0..1_000).map(item).collect();
    let answer = peer.invoke("Subscribe", &format!("[[{}]]", items.join(",")));
    assert_eq!(answer.matches(r#""subscribed":"#).count(), 1_000);
    // What some clients can take in one message.
    assert!(answer.len() < 192 * 1_000, "{} bytes", answer.len());
}

#[test]
fn what_the_hub_says_about_its_catalogue_has_the_bound_of_the_manual() {
    let hub = Hub::start();
    let grants: Vec<String> = (0..100).map(|n| format!("user/{n:08}-7a51-4a0f-9d0e-5d1f2c3b4a59")).collect();
    let mut peer = hub.client_with(&hub.token(json!({ "rte": grants })));
    let longest = format!(r#"{{"queueId":"{USER}","queueName":"{}"}}"#, "x".repeat(65_000));
    peer.invoke("Subscribe", &format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#));
    let item = format!(r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{longest}}}"#);
    assert_eq!(hub.publish(&item).status, 202);
    assert!((65_000..64 * 1024 + 4 * 1024).contains(&peer.record().len()));
    let answer = peer.invoke("Catalogue", "[]");
    let (events, entities) = (answer.matches(r#""eventName":"#).count(), answer.matches("-7a51-4a0f-").count());
    assert!(events > 30 && entities > 1_000, "{events} events, {entities} entities");
    assert!(answer.len() < 350 * events + 40 * entities, "{} bytes", answer.len());
    assert!(peer.invoke("AvailableSubscriptions", "[]").len() < 8 * 1024);
}

#[test]
fn a_token_that_expires_is_told_by_its_word() {
    let hub = Hub::start_with(&["auth.close_on_expiry=true", "auth.leeway_s=0"]);
    let mut peer = hub.client_with(&hub.token(json!({ "exp": unix_s() + 3 })));
    let error = "token_expired: the token expired, and auth.close_on_expiry is set";
    assert_eq!(peer.record(), format!(r#"{{"type":7,"error":"{error}","allowReconnect":true}}"#));
    peer.assert_closed(1000);
}

#[test]
fn a_refusal_says_why_in_its_body_and_a_page_of_the_hub_can_read_it() {
    let hub = Hub::start_with(&["limits.body_bytes_max=70000"]);
    // Alone with that limit: the others may take their time to say a word.
    let hasty = Hub::start_with(&["limits.head_ms=200"]);
    let client = format!("Authorization: Bearer {}", hub.client_token());
    let publisher = format!("Authorization: Bearer {}", hub.publisher_token());
    let mut peer = hub.websocket(&format!("/rte?id={}", hub.negotiate()));
    let line = |line: &str, headers: &[&str]| request(line, &[headers, &[ORIGIN]].concat(), "");
    let long = format!("X: {}", "x".repeat(33_000));
    let many = vec!["X: y"; 100];
    let sent = |line: &str, headers: &[&str], body: &str| request(line, &[headers, &[ORIGIN]].concat(), body);
    let table = [
        (400, line("GET /rte", &[&client]), "Connection ID required"),
        (400, "GET /rte HTTP/1.1\r\nHost: h\r\nOrigin: https://app.example\r\nno header\r\n\r\n".into(), "header name"),
        (400, sent("POST /publish", &[&publisher, "Content-Type: application/json"], "{"), "no JSON of this form"),
        (401, line("POST /rte/negotiate", &[]), "there is no token"),
        (401, line("POST /rte/negotiate", &["Authorization: Bearer x"]), "not a JWT"),
        (403, sent("POST /publish", &[&client, "Content-Type: application/json"], "{}"), "scope"),
        (404, line("GET /nowhere", &[]), "the hub is at /rte"),
        (404, line("GET /rte?id=x", &[&client]), "No Connection with that ID"),
        (405, line("PUT /publish", &[]), "POST"),
        (405, line("PUT /rte", &[&client]), "GET, POST, DELETE"),
        (408, "GET /rte HTTP/1.1\r\nHost: h\r\nOrigin: https://app.example\r\nX".into(), "limits.head_ms"),
        (413, sent("POST /publish", &[&publisher, "Content-Type: application/json"], &"x".repeat(70_001)), "70000"),
        (415, sent("POST /publish", &[&publisher, "Content-Type: text/css"], "x"), "send application/json"),
        (426, line("GET /rte", &[&client, UPGRADE[0], UPGRADE[1], "Sec-WebSocket-Version: 8", UPGRADE[3]]), "13"),
        (431, line("GET /rte", &[&long]), "limits.head_bytes_max"),
        (
            431,
            format!("GET /rte HTTP/1.1\r\nHost: h\r\n{ORIGIN}\r\n{}\r\n\r\n", many.join("\r\n")),
            "limits.headers_max",
        ),
        (501, line("PUT /publish", &["Transfer-Encoding: gzip"]), "chunked"),
        (505, format!("GET /rte HTTP/3.0\r\n{ORIGIN}\r\n\r\n"), "HTTP/1.1"),
    ];
    let mut faults = Vec::new();
    for (status, bytes, part) in table {
        let reply = reply_to(if status == 408 { &hasty } else { &hub }, bytes.as_bytes()).1;
        let is_nowhere = bytes.contains(" /nowhere").then_some("*");
        let reader = bytes.contains(" /rte").then_some("https://app.example").or(is_nowhere);
        let is_readable = reply.header("access-control-allow-origin") == reader;
        let exposed = reply.header("access-control-expose-headers").unwrap_or_default();
        let is_exposed = exposed.contains("WWW-Authenticate") && exposed.contains("Retry-After");
        let is_exposed = is_exposed == reader.is_some();
        let is_dated = reply.header("date").is_some_and(|date| date.ends_with(" GMT"));
        if reply.status != status || !reply.body.contains(part) || !is_readable || !is_exposed || !is_dated {
            faults.push(format!("{status} {part:?} to {:?}: {reply:?}", bytes.get(..60)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    peer.close(1000);
}

#[test]
fn every_answer_has_a_date() {
    let hub = Hub::start();
    for line in ["GET /healthz", "HEAD /healthz", "OPTIONS /rte", "GET /reference", "POST /publish", "BREW /rte"] {
        assert!(hub.request(line, &[], "").header("date").is_some(), "{line}");
    }
    let accepted = upgrade(&hub, "/rte", &UPGRADE, &hub.client_token());
    assert!(accepted.status == 101 && accepted.header("date").is_some(), "{accepted:?}");
}

#[test]
fn the_hubs_own_host_needs_no_entry_and_apps_and_subdomains_can_have_one() {
    let hub = Hub::start_with(&["cors.origins=https://*.example.com,capacitor://localhost,null"]);
    let token = hub.client_token();
    // The Host of these requests is `hub.example`.
    for (origin, status) in [
        ("https://hub.example", 101),
        ("http://HUB.example:80", 101),
        ("https://a.b.example.com", 101),
        ("capacitor://localhost", 101),
        ("null", 101),
        ("https://hub.example:8443", 403),
        ("https://example.com", 403),
        ("https://evil.example", 403),
    ] {
        let header = format!("Origin: {origin}");
        let headers = [&UPGRADE[..], &[header.as_str()]].concat();
        assert_eq!(upgrade(&hub, "/rte", &headers, &token).status, status, "{origin}");
        let negotiated = hub.request_as_client("POST /rte/negotiate", &[&header]);
        let readable = negotiated.header("access-control-allow-origin");
        assert_eq!(readable, (status == 101).then_some(origin), "{origin}");
        assert_eq!(hub.request("OPTIONS /rte", &[&header], "").status == 204, status == 101, "{origin}");
    }
}

#[test]
fn heads_of_ordinary_size_are_taken() {
    let hub = Hub::start();
    let groups: Vec<String> = (0..200).map(|n| format!("{n:08}-7a51-4a0f-9d0e-5d1f2c3b4a59")).collect();
    let token = hub.token(json!({ "rte": ["user/*"], "groups": groups }));
    assert!(token.len() > 10_000, "{}", token.len());
    assert_eq!(upgrade(&hub, "/rte", &UPGRADE, &token).status, 101);
    let cookie = format!("Cookie: site={}", "x".repeat(4_000));
    let headers: Vec<&str> = [vec![cookie.as_str()], vec!["traceparent: 00-x-y-01"; 90]].concat();
    let negotiated = hub.request(&format!("POST /rte/negotiate?access_token={token}"), &headers, "");
    assert_eq!(negotiated.status, 200, "{negotiated:?}");
}

#[test]
fn a_head_in_single_bytes_is_the_same_head() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    for byte in request("GET /healthz", &["X-A: b", ORIGIN], "").bytes() {
        wire.send(&[byte]);
    }
    assert_eq!(wire.reply().status, 200);
}

#[test]
fn an_id_is_good_at_every_hub_with_the_same_key_for_its_bearer_and_once() {
    let (one, two) = (Hub::start(), Hub::start());
    let token = one.client_token();
    let target = format!("/rte?id={}", one.negotiate());
    let other = one.token(json!({ "sub": "00000001-ff4b-ea11-ac9c-00155d4fdcf3", "rte": ["user/*"] }));
    assert_eq!(upgrade(&two, &target, &UPGRADE, &other).status, 404, "an id in somebody else's hands");
    let mut peer = two.websocket(&target);
    assert_eq!(upgrade(&two, &target, &UPGRADE, &token).status, 409);
    peer.close(1000);
    peer.assert_closed(1000);
    assert_eq!(upgrade(&two, &target, &UPGRADE, &token).status, 404);
    // Hubs with other keys know nothing of it.
    let path = std::env::temp_dir().join(format!("rte-id-secret-{}", std::process::id()));
    std::fs::write(&path, "a secret for ids that has more than 32 bytes\n").unwrap();
    let three = Hub::start_with(&[&format!("server.id_secret_file={}", path.display())]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(upgrade(&three, &format!("/rte?id={}", one.negotiate()), &UPGRADE, &token).status, 404);
    assert_eq!(upgrade(&three, &format!("/rte?id={}", three.negotiate()), &UPGRADE, &token).status, 101);
}

#[test]
fn a_proxy_that_loses_the_upgrade_is_told_and_warned_of_once() {
    let hub = Hub::start();
    let [_, _, version, key] = UPGRADE;
    for headers in
        [vec![version, key], vec!["Connection: close", version, key], vec!["Upgrade: websocket", version, key]]
    {
        let reply = hub.request_as_client("GET /rte", &headers);
        assert_eq!((reply.status, reply.header("upgrade")), (426, Some("websocket")), "{headers:?}");
        assert!(reply.body.contains("`Connection: Upgrade`"), "{reply:?}");
    }
    let old = format!(
        "GET /rte HTTP/1.0\r\nAuthorization: Bearer {}\r\n{}\r\n\r\n",
        hub.client_token(),
        UPGRADE.join("\r\n")
    );
    let reply = reply_to(&hub, old.as_bytes()).1;
    assert!(reply.status == 426 && reply.body.contains("HTTP/1.1"), "{reply:?}");
    hub.await_log("warn front_fault");
    assert_eq!(hub.log().matches("warn front_fault").count(), 1, "{}", hub.log());
}

#[test]
fn what_speaks_tls_or_the_proxy_protocol_unasked_is_named() {
    let hub = Hub::start();
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\x01\x02\x03\x04GET / HTTP/1.1\r\n\r\n";
    for (bytes, part) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "TLS ClientHello"),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 5 443\r\nGET / HTTP/1.1\r\n\r\n", "server.trusted_proxies"),
        (binary, "server.trusted_proxies"),
    ] {
        let (mut wire, reply) = reply_to(&hub, bytes);
        assert!(reply.status == 400 && reply.body.contains(part), "{reply:?}");
        wire.assert_ends();
        hub.await_log(part);
    }
    assert_eq!(hub.log().matches("warn front_fault").count(), 2, "{}", hub.log());
}

#[test]
fn a_trusted_proxy_says_whose_bytes_it_passes_on_and_its_client_can_not() {
    let hub = Hub::start_with(&["server.trusted_proxies=127.0.0.1", "server.log_level=debug"]);
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\x0a\0\0\x01\x01\x02\x03\x04";
    for (preamble, client) in [
        (&b"PROXY TCP4 203.0.113.9 192.0.2.1 5 443\r\n"[..], "203.0.113.9"),
        (binary, "203.0.113.8"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (b"", "127.0.0.1"),
    ] {
        // What the client claims itself is not believed once the proxy has spoken.
        let forged = if preamble.is_empty() { "X: y" } else { "X-Forwarded-For: 6.6.6.6" };
        for is_in_pieces in [false, true] {
            let mut wire = hub.connect();
            let bytes = [preamble, request("GET /nowhere", &[forged], "").as_bytes()].concat();
            let pieces = bytes.chunks(if is_in_pieces { 1 } else { bytes.len() });
            pieces.for_each(|piece| wire.send(piece));
            assert_eq!(wire.reply().status, 404, "{client}");
        }
        hub.await_log(&format!("client={client} status=404"));
    }
    for twice in [&b"PROXY UNKNOWN\r\nPROXY TCP4 6.6.6.6 1.1.1.1 1 2\r\n\r\n"[..], b"PROXY TCP4 6.6.6.6\r\n"] {
        assert_eq!(reply_to(&hub, twice).1.status, 400);
    }
    assert!(!hub.log().contains("6.6.6.6"), "{}", hub.log());
}

#[test]
fn a_close_names_the_key_that_a_client_has_run_into() {
    let hub = Hub::start_with(&["limits.record_bytes_max=300", "limits.subscriptions_max=2"]);
    let mut peer = hub.client();
    let item = format!(r#"{{"EntityId":"{USER}","EventName":"UserStatus"}}"#);
    peer.send_text(&format!(
        r#"{{"type":1,"invocationId":"0","target":"Subscribe","arguments":[[{}]]}}{RS}"#,
        [item.as_str(); 4].join(",")
    ));
    let close = peer.record();
    assert!(
        close.contains(r#""error":"message_too_long: "#) && close.contains("limits.record_bytes_max (300 bytes)"),
        "{close}"
    );
    assert!(!close.contains("AddHubOptions"));
}
