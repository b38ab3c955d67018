//! Requests and replies: statuses, negotiate, tokens, CORS, keep-alive and pipelining.

use crate::support::{Hub, ORGANIZATION, UPGRADE, USER, mint, request};
use serde_json::json;

#[test]
fn the_endpoint_pair_answers_with_the_statuses_and_texts_of_asp_net() {
    let hub = Hub::start();
    let attached = hub.negotiate();
    let mut peer = hub.websocket(&format!("/rte?id={attached}"));
    let with_id = |method: &str| format!("{method} /rte?id={attached}");
    let table = [
        ("GET /rte/negotiate".to_owned(), 405, "this path serves POST, OPTIONS"),
        ("PUT /rte/negotiate".to_owned(), 405, "this path serves POST, OPTIONS"),
        ("DELETE /rte/negotiate".to_owned(), 405, "this path serves POST, OPTIONS"),
        ("PUT /rte".to_owned(), 405, "this path serves GET, POST, DELETE, OPTIONS"),
        ("PATCH /rte".to_owned(), 405, "this path serves GET, POST, DELETE, OPTIONS"),
        ("HEAD /rte".to_owned(), 405, ""),
        ("GET /rte".to_owned(), 400, "Connection ID required"),
        ("POST /rte".to_owned(), 400, "Connection ID required"),
        ("DELETE /rte".to_owned(), 400, "Connection ID required"),
        ("GET /rte?id=unknown".to_owned(), 404, "No Connection with that ID"),
        ("POST /rte?id=unknown".to_owned(), 404, "No Connection with that ID"),
        ("DELETE /rte?id=unknown".to_owned(), 404, "No Connection with that ID"),
        (with_id("POST"), 405, "POST requests are not allowed for WebSocket connections."),
        (with_id("DELETE"), 400, "Cannot terminate this connection using the DELETE endpoint."),
    ];
    let mut faults = Vec::new();
    for (line, status, text) in table {
        let reply = hub.request_as_client(&line, &[]);
        if reply.status != status || reply.body != text || reply.header("content-type") != Some("text/plain") {
            faults.push(format!("{line}: expected {status} {text:?}, got {reply:?}"));
        }
        if reply.header("allow").is_some() {
            faults.push(format!("{line}: ASP.NET sends no Allow"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    peer.close(1000);
}

#[test]
fn an_upgrade_takes_its_id_once() {
    let hub = Hub::start();
    let unknown = hub.request_as_client("GET /rte?id=unknown", &UPGRADE);
    assert_eq!((unknown.status, unknown.body.as_str()), (404, "No Connection with that ID"));
    let token = hub.negotiate();
    let mut first = hub.websocket(&format!("/rte?id={token}"));
    let second = hub.request_as_client(&format!("GET /rte?id={token}"), &UPGRADE);
    assert_eq!((second.status, second.body.as_str()), (409, "This connection ID is in use: negotiate again"));
    first.close(1000);
    first.assert_closed(1000);
    let third = hub.request_as_client(&format!("GET /rte?id={token}"), &UPGRADE);
    assert_eq!((third.status, third.body.as_str()), (404, "No Connection with that ID"));
}

#[test]
fn the_public_connection_id_opens_nothing() {
    let hub = Hub::start();
    let negotiated = hub.request_as_client("POST /rte/negotiate?negotiateVersion=1", &[]).json();
    let id = negotiated["connectionId"].as_str().unwrap();
    assert_eq!(hub.request_as_client(&format!("GET /rte?id={id}"), &UPGRADE).status, 404);
}

#[test]
fn negotiate_speaks_versions_0_and_1() {
    let hub = Hub::start();
    let offers = [("WebSockets", r#","Binary""#), ("ServerSentEvents", ""), ("LongPolling", r#","Binary""#)]
        .map(|(name, binary)| format!(r#"{{"transport":"{name}","transferFormats":["Text"{binary}]}}"#));
    let transports = format!(r#""availableTransports":[{}]"#, offers.join(","));
    let table = [
        ("", 0),
        ("?negotiateVersion=0", 0),
        ("?negotiateVersion=1", 1),
        ("?NegotiateVersion=1&tenant=x", 1),
        ("?negotiateVersion=99&useStatefulReconnect=false", 1),
    ];
    for (query, version) in table {
        let reply = hub.request_as_client(&format!("POST /rte/negotiate{query}"), &[]);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")), "{query}");
        let body = reply.json();
        let id = body["connectionId"].as_str().unwrap();
        // Base64url, letter for letter in .NET's order of properties. With version 0 the id is the
        // signed token.
        assert_eq!(id.len(), if version == 0 { 43 } else { 22 });
        let token = body["connectionToken"].as_str().map(|token| {
            assert!(token.len() == 43 && token != id, "{token}");
            let lifetime_s = body["tokenLifetimeSeconds"].as_u64().expect("how long the token is good");
            format!(r#""connectionToken":"{token}","tokenLifetimeSeconds":{lifetime_s},"#)
        });
        assert_eq!(token.is_some(), version == 1, "{query}");
        let token = token.unwrap_or_default();
        assert_eq!(
            reply.body,
            format!(r#"{{"negotiateVersion":{version},"connectionId":"{id}",{token}{transports}}}"#)
        );
    }
    let odd = hub.request_as_client("POST /rte/negotiate?negotiateVersion=one", &[]);
    assert_eq!(odd.status, 200);
    assert_eq!(odd.body, r#"{"error":"The client requested a non-integer protocol version."}"#);
}

#[test]
fn a_negotiate_without_any_length_is_one_without_a_body() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    let head =
        format!("POST /rte/negotiate HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\n\r\n", hub.client_token());
    wire.send(head.as_bytes());
    assert_eq!(wire.reply().status, 200);
}

#[test]
fn a_version_0_id_opens_its_connection() {
    let hub = Hub::start();
    let id = hub.request_as_client("POST /rte/negotiate", &[]).json()["connectionId"].as_str().unwrap().to_owned();
    let mut peer = hub.websocket(&format!("/rte?id={id}"));
    // signalrcore's handshake: blanks, and version 0 behind a version 0 negotiate.
    peer.send(r#"{"protocol": "json", "version": 0}"#);
    assert_eq!(peer.record(), "{}");
}

#[test]
fn every_hub_route_wants_a_good_token_before_anything_else() {
    let hub = Hub::start();
    let stranger =
        mint("another secret that has more than 32 bytes", &json!({ "exp": 4_102_444_800_u64, "org": ORGANIZATION }));
    let bad = [
        ("no token at all", "not.a.token".to_owned()),
        ("of a stranger", stranger),
        ("expired", hub.token(json!({ "exp": 1_500_000_000 }))),
        ("without an end", hub.token(json!({ "exp": null }))),
        ("not valid yet", hub.token(json!({ "nbf": 4_102_444_000_u64 }))),
        ("without organization", hub.token(json!({ "org": null }))),
        ("of the organization that is none", hub.token(json!({ "org": "00000000-0000-0000-0000-000000000000" }))),
        ("with an end that is no number", hub.token(json!({ "exp": "4102444800" }))),
    ];
    let mut faults = Vec::new();
    for line in ["POST /rte/negotiate", "GET /rte?id=unknown", "POST /rte?id=unknown", "DELETE /rte"] {
        let reply = hub.request(line, &[], "");
        let is_told = reply.body.starts_with("there is no token: ");
        if (reply.status, reply.header("www-authenticate"), is_told) != (401, Some("Bearer"), true) {
            faults.push(format!("{line} without a token: {reply:?}"));
        }
        for (what, token) in &bad {
            let reply = hub.request(line, &[&format!("Authorization: Bearer {token}")], "");
            let challenge = reply.header("www-authenticate").unwrap_or_default();
            // Stock clients show the body, and nothing of the headers.
            let is_told = !reply.body.is_empty() && challenge.contains(&reply.body);
            if reply.status != 401 || !challenge.starts_with(r#"Bearer error="invalid_token""#) || !is_told {
                faults.push(format!("{line} with a token {what}: {reply:?}"));
            }
        }
    }
    let upgrade = hub.request("GET /rte", &UPGRADE, "");
    if upgrade.status != 401 {
        faults.push(format!("an upgrade without a token: {upgrade:?}"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(!hub.log().contains("eyJ"), "a token is in the log:\n{}", hub.log());
}

#[test]
fn a_missing_organization_is_named() {
    let hub = Hub::start();
    let token = hub.token(json!({ "org": null }));
    let reply = hub.request("POST /rte/negotiate", &[&format!("Authorization: Bearer {token}")], "");
    assert!(reply.header("www-authenticate").is_some_and(|challenge| challenge.contains("org")), "{reply:?}");
}

#[test]
fn the_token_comes_by_header_or_query_and_never_as_two() {
    let hub = Hub::start();
    let (token, other) = (hub.client_token(), hub.token(json!({ "rte": ["queue/*"] })));
    let header = format!("Authorization: Bearer {token}");
    let lower = format!("authorization: bearer {token}");
    let table = [
        (format!("POST /rte/negotiate?access_token={token}"), vec![], 200),
        ("POST /rte/negotiate".to_owned(), vec![lower.as_str()], 200),
        (format!("POST /rte/negotiate?access_token={token}"), vec![header.as_str()], 200),
        (format!("POST /rte/negotiate?access_token={other}"), vec![header.as_str()], 401),
        (format!("POST /rte/negotiate?access_token={token}&access_token={token}"), vec![], 200),
        (format!("POST /rte/negotiate?access_token={token}&access_token={other}"), vec![], 401),
    ];
    for (line, headers, status) in table {
        assert_eq!(hub.request(&line, &headers, "").status, status, "{line} {headers:?}");
    }
    assert!(!hub.log().contains("eyJ"), "a token is in the log:\n{}", hub.log());
}

#[test]
fn a_preflight_needs_no_token_and_names_its_own_origin() {
    let hub = Hub::start();
    for path in ["/rte/negotiate", "/rte"] {
        let asked = "Access-Control-Request-Headers: authorization,x-requested-with,x-signalr-user-agent";
        let origin = "Origin: https://app.example";
        let reply =
            hub.request(&format!("OPTIONS {path}"), &[origin, "Access-Control-Request-Method: POST", asked], "");
        assert!((200..300).contains(&reply.status), "{path}: {reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
        let headers = reply.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        assert!(
            ["authorization", "x-requested-with", "x-signalr-user-agent"].iter().all(|name| headers.contains(name))
        );
        assert!(reply.header("access-control-allow-methods").unwrap().contains("POST"));
        assert_eq!(reply.header("allow"), reply.header("access-control-allow-methods"));
        assert!(reply.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
    }
}

#[test]
fn a_preflight_names_the_methods_of_its_route() {
    let hub = Hub::start();
    let table = [
        ("/rte", "GET, POST, DELETE, OPTIONS"),
        ("/rte/negotiate", "POST, OPTIONS"),
        ("/publish", "POST, OPTIONS"),
        ("/reference", "GET, HEAD, OPTIONS"),
        ("/nowhere", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("*", "GET, HEAD, POST, DELETE, OPTIONS"),
    ];
    for (path, methods) in table {
        let reply = hub.request(&format!("OPTIONS {path}"), &["Origin: https://app.example"], "");
        assert_eq!((reply.status, reply.header("allow")), (204, Some(methods)), "{path}");
        let is_for_pages = path != "/publish";
        let allowed = reply.header("access-control-allow-methods");
        assert_eq!(allowed, is_for_pages.then_some(methods), "{path}");
    }
}

#[test]
fn a_page_with_a_wrong_path_is_told_the_right_one() {
    let hub = Hub::start_with(&["cors.origins=https://app.example"]);
    for line in ["GET /hub", "POST /hub/negotiate"] {
        let reply = hub.request(line, &["Origin: https://other.example"], "");
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (404, Some("*")), "{line}");
        assert_eq!(reply.header("access-control-allow-credentials"), None, "{line}");
        assert!(reply.body.contains("the hub is at /rte"), "{line}: {}", reply.body);
        // Without a preflight that is good the browser does not even ask.
        let preflight = hub.request("OPTIONS /hub/negotiate", &["Origin: https://other.example"], "");
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("*")));
    }
}

#[test]
fn paths_match_as_in_asp_net() {
    let hub = Hub::start();
    for line in ["POST /RTE/Negotiate/", "POST /r%74e/negotiate"] {
        assert_eq!(hub.request_as_client(line, &[]).status, 200, "{line}");
    }
    for (line, status) in [("GET /Healthz/", 200), ("GET /healthz//", 404), ("GET /rte/../healthz", 404)] {
        assert_eq!(hub.request(line, &[], "").status, status, "{line}");
    }
}

#[test]
fn a_page_can_read_every_answer_of_the_hub_and_none_where_it_has_no_business() {
    let hub = Hub::start();
    for (line, status) in [("POST /rte/negotiate", 401), ("GET /rte", 401), ("PUT /rte/negotiate", 401)] {
        let reply = hub.request(line, &["Origin: https://app.example"], "");
        assert_eq!(reply.status, status, "{line}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"), "{line}");
        assert_eq!(reply.header("access-control-allow-credentials"), Some("true"), "{line}");
        assert!(reply.header("vary").unwrap().to_ascii_lowercase().contains("origin"), "{line}");
    }
    for (line, status) in [
        ("GET /healthz", 200),
        ("GET /readyz", 200),
        ("GET /metrics", 200),
        ("OPTIONS /metrics", 204),
        ("POST /publish", 401),
        ("OPTIONS /publish", 204),
        ("PUT /publish", 405),
    ] {
        let reply = hub.request(line, &["Origin: https://app.example"], "");
        assert_eq!(reply.status, status, "{line}");
        for name in ["allow-origin", "allow-credentials", "allow-methods", "expose-headers"] {
            assert_eq!(reply.header(&format!("access-control-{name}")), None, "{line}: {name}");
        }
    }
}

#[test]
fn a_publishers_token_in_the_query_is_refused_unless_the_operator_allows_it() {
    let line = |hub: &Hub| format!("POST /publish?access_token={}", hub.publisher_token());
    let json = ["Content-Type: application/json"];
    let hub = Hub::start();
    let header = format!("Authorization: Bearer {}", hub.publisher_token());
    for headers in [vec![json[0]], vec![json[0], header.as_str()]] {
        let reply = hub.request(&line(&hub), &headers, "[]");
        let is_told = reply.body.contains("header Authorization") && reply.body.contains("publish.query_token");
        assert!(reply.status == 401 && is_told && reply.header("www-authenticate") == Some("Bearer"), "{reply:?}");
    }
    assert!(!hub.log().contains("eyJ"), "a token is in the log:\n{}", hub.log());
    let hub = Hub::start_with(&["publish.query_token=true"]);
    let item = format!(
        r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{{"queueId":"{USER}","queueName":"S"}}}}"#
    );
    assert_eq!(hub.request(&line(&hub), &json, &item).status, 202);
}

#[test]
fn who_comes_without_a_token_is_told_only_of_places_where_one_is_taken() {
    const IN_QUERY: &str = "in the query as access_token";
    let [all, of_user] = ["in the query", "that of a user in the query"];
    let [of_publisher, ticket] =
        ["one with the scope publish in the query", "what negotiate gives as accessToken in the query"];
    let (refuse, query_token) = ("auth.jwt_in_query=refuse", "publish.query_token=true");
    // At the hub, negotiate, publish, revoke and position.
    let table: [(&[&str], [&str; 5]); 5] = [
        (&[], [all, all, "", "", of_user]),
        (&[query_token], [all; 5]),
        (&[refuse], [""; 5]),
        (&[refuse, query_token], ["", "", all, all, of_publisher]),
        (&[refuse, "auth.tickets=true"], [ticket, "", "", "", ""]),
    ];
    let lines = ["GET /rte", "POST /rte/negotiate", "POST /publish", "GET /revoke", "GET /position"];
    for (settings, places) in table {
        let hub = Hub::start_with(settings);
        for (line, place) in lines.into_iter().zip(places) {
            let in_query = if place.is_empty() { String::new() } else { format!(", or {place} as access_token") };
            let told = format!("there is no token: send it in the header Authorization (Bearer){in_query}");
            let reply = hub.request(line, &[], "");
            assert_eq!((reply.status, &reply.body), (401, &told), "{line} with {settings:?}");
            // And it is so.
            let of = |token: String| hub.request(&format!("{line}?access_token={token}"), &[], "");
            let publisher = of(hub.token(json!({ "scope": "publish admin" })));
            let client = of(hub.client_token());
            let is_taken = client.status != 401 || publisher.status != 401;
            assert_eq!(is_taken, place != ticket && told.contains(IN_QUERY), "{line} with {settings:?}: {client:?}");
        }
    }
}

#[test]
fn configured_origins_narrow_cors_and_upgrades() {
    let hub = Hub::start_with(&["cors.origins=https://app.example", "server.log_level=debug"]);
    let upgrade = |origin: &'static str| {
        let mut wire = hub.connect();
        let authorization = format!("Authorization: Bearer {}", hub.client_token());
        let headers = [&UPGRADE[..], &[authorization.as_str()], &[origin]].concat();
        wire.send(request("GET /rte", &headers, "").as_bytes());
        wire.reply_without_body().status
    };
    assert_eq!(upgrade("Origin: https://app.example"), 101);
    assert_eq!(upgrade("Origin: https://evil.example"), 403);
    // What is no browser sends none.
    assert_eq!(upgrade("X-Nothing: x"), 101);
    let strange = hub.request_as_client("POST /rte/negotiate", &["Origin: https://evil.example"]);
    assert_eq!((strange.status, strange.header("access-control-allow-origin")), (403, None));
    assert!(strange.body.contains("cors.origins"), "{strange:?}");
    let own = hub.request_as_client("POST /rte/negotiate", &["Origin: https://app.example"]);
    assert_eq!((own.status, own.header("access-control-allow-origin")), (200, Some("https://app.example")));
    let preflight = hub.request("OPTIONS /rte/negotiate", &["Origin: https://evil.example"], "");
    assert_eq!(preflight.status, 403);
    // The operator sees each of the three.
    assert_eq!(hub.metric("rte_refusals_total{reason=\"origin\"} "), 3.0);
    // The log is written in its order, if somewhat later.
    assert_eq!(hub.request("GET /nowhere", &[], "").status, 404);
    hub.await_log("status=404");
    assert_eq!(hub.log().matches("status=403 why=\"the Origin").count(), 3, "{}", hub.log());
    assert_eq!(hub.log().matches("warn origin_refused origin=").count(), 1, "{}", hub.log());
    // A stranger that makes origins up does not fill the log.
    for n in 0..20 {
        let strange = format!("Origin: https://{n}.example");
        assert_eq!(hub.request_as_client("POST /rte/negotiate", &[&strange]).status, 403);
    }
    assert_eq!(hub.request("POST /healthz", &[], "").status, 405);
    hub.await_log("status=405");
    assert!(hub.log().matches("warn origin_refused origin=").count() <= 4, "{}", hub.log());
}

#[test]
fn requests_in_one_segment_are_answered_in_their_order_and_requests_in_single_bytes_too() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    let three = ["GET /healthz", "GET /nowhere", "GET /readyz"].map(|line| request(line, &[], ""));
    wire.send(three.concat().as_bytes());
    assert_eq!([200, 404, 200], [(); 3].map(|()| wire.reply().status));
    for byte in three.concat().bytes() {
        wire.send(&[byte]);
    }
    assert_eq!([200, 404, 200], [(); 3].map(|()| wire.reply().status));
}

#[test]
fn a_connection_ends_when_its_client_asks_for_it() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    wire.send(request("GET /healthz", &["Connection: close"], "").as_bytes());
    assert_eq!(wire.reply().status, 200);
    wire.assert_ends();
}

#[test]
fn bytes_that_are_no_http_are_refused_and_the_hub_lives_on() {
    let hub = Hub::start();
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(33_000));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(101));
    let both = "POST /publish HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
    let table = [
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost h\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (both, 400),
        (long.as_str(), 431),
        (many.as_str(), 431),
    ];
    for (bytes, status) in table {
        let mut wire = hub.connect();
        wire.send(bytes.as_bytes());
        assert_eq!(wire.reply().status, status, "{:?}", bytes.get(..60));
        wire.assert_ends();
    }
    assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
}

#[test]
fn health_readiness_and_metrics_answer_without_a_token() {
    let hub = Hub::start();
    let mut peer = hub.client();
    peer.invoke("Subscribe", &format!(r#"[[{{"EntityId":"{USER}","EventName":"UserStatus"}}]]"#));
    for path in ["/healthz", "/readyz"] {
        assert_eq!(hub.request(&format!("GET {path}"), &[], "").status, 200, "{path}");
    }
    let reply = hub.request("GET /metrics", &[], "");
    assert_eq!(reply.status, 200);
    assert!(
        reply.header("content-type").is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")),
        "{reply:?}"
    );
    let samples = samples(&reply.body);
    let value =
        |name: &str| samples.iter().filter(|(sample, _)| sample.starts_with(name)).map(|(_, value)| value).sum::<f64>();
    assert!((value("rte_subscriptions") - 1.0).abs() < f64::EPSILON, "{}", reply.body);
    assert!(value("rte_connections") >= 1.0, "{}", reply.body);
}

/// The samples of the text format; every line must be one, a comment, or empty, and every family
/// must be announced.
fn samples(text: &str) -> Vec<(String, f64)> {
    let mut families = Vec::new();
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            if let ["TYPE", name, kind] = words[..] {
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                families.push(name.to_owned());
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
        let family = name.split('{').next().unwrap();
        let is_announced = families.iter().any(|known| {
            family
                .strip_prefix(known.as_str())
                .is_some_and(|suffix| ["", "_bucket", "_sum", "_count"].contains(&suffix))
        });
        assert!(is_announced, "{line}: no TYPE line before it");
        samples.push((name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line:?}"))));
    }
    samples
}
