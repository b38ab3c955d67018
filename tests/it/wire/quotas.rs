//! What one user and one address may have.

use crate::support::{Folder, Hub, ORGANIZATION, Reply, UPGRADE, mint_with, request, serve};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use rcgen::KeyPair;
use serde_json::{Value, json};

const PROXY: &str = "server.trusted_proxies=127.0.0.1";

/// Asks to negotiate, or to upgrade without, as that user of theirs, from that address.
fn ask(hub: &Hub, token: &str, line: &str, from: &str) -> Reply {
    let authorization = format!("Authorization: Bearer {token}");
    let from = format!("X-Forwarded-For: {from}");
    let mut headers = vec![authorization.as_str(), from.as_str(), "Origin: https://app.example"];
    if line.starts_with("GET") {
        headers.extend(UPGRADE);
    }
    hub.request(line, &headers, "")
}

const NEGOTIATE: &str = "POST /rte/negotiate?negotiateVersion=1";

fn assert_refused(reply: &Reply, limit: &str) {
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.body.contains(limit), "{reply:?}");
    assert!(reply.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait > 0)));
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
}

#[test]
fn a_user_has_so_many_connections_over_all_threads_and_is_told_before_the_upgrade() {
    for threads in ["server.threads=1", "server.threads=2", "server.threads=4"] {
        let hub = Hub::start_with(&[threads, "limits.user_connections_max=3"]);
        let token = hub.client_token();
        let mut clients: Vec<_> = (0..3).map(|_| hub.client_with(&token)).collect();
        for line in [NEGOTIATE, "GET /rte"] {
            assert_refused(&ask(&hub, &token, line, "192.0.2.1"), "limits.user_connections_max = 3");
        }
        let other = hub.token(json!({ "sub": "00000001-ff4b-ea11-ac9c-00155d4fdcf3", "rte": ["user/*"] }));
        assert_eq!(ask(&hub, &other, NEGOTIATE, "192.0.2.1").status, 200);
        hub.client_with(&other).close(1000);
        assert_eq!(hub.metric("rte_refusals_total{reason=\"user_connections\"} "), 2.0);
        clients.pop().unwrap().close(1000);
        // Its share is free as soon as its end is noticed.
        assert!((0..20_000).any(|_| ask(&hub, &token, NEGOTIATE, "192.0.2.1").status == 200), "{}", hub.log());
        clients.push(hub.client_with(&token));
        drop(clients);
        assert!((0..20_000).any(|_| ask(&hub, &token, NEGOTIATE, "192.0.2.1").status == 200), "{threads}");
    }
}

#[test]
fn an_address_behind_a_trusted_proxy_has_so_many_connections() {
    let hub = Hub::start_with(&[PROXY, "limits.address_connections_max=1"]);
    let token = hub.client_token();
    let negotiated = ask(&hub, &token, NEGOTIATE, "2001:db8::1");
    let id = negotiated.json()["connectionToken"].as_str().unwrap().to_owned();
    let mut wire = hub.connect();
    let headers = [&UPGRADE[..], &["X-Forwarded-For: 2001:db8::1"]].concat();
    let line = format!("GET /rte?id={id}&access_token={token}");
    wire.send(request(&line, &headers, "").as_bytes());
    assert_eq!(wire.reply_without_body().status, 101);
    assert_refused(&ask(&hub, &token, NEGOTIATE, "2001:db8::2"), "limits.address_connections_max = 1");
    assert_refused(&ask(&hub, &token, "GET /rte", "2001:db8::3"), "limits.address_connections_max = 1");
    for other in ["2001:db8:0:1::1", "192.0.2.1"] {
        assert_eq!(ask(&hub, &token, NEGOTIATE, other).status, 200, "{other}");
    }
}

#[test]
fn whoever_connects_too_often_is_told_when_to_come_back_and_nobody_else_is() {
    let hub = Hub::start_with(&[PROXY, "limits.address_connects_per_minute=5", "limits.user_connects_per_minute=3"]);
    let token = hub.client_token();
    let other = hub.token(json!({ "sub": "00000001-ff4b-ea11-ac9c-00155d4fdcf3", "rte": ["user/*"] }));
    for line in [NEGOTIATE, "GET /rte?id=x", NEGOTIATE, NEGOTIATE] {
        let reply = ask(&hub, &token, line, "192.0.2.1");
        assert!(matches!(reply.status, 200 | 404), "an id was counted when it was negotiated: {reply:?}");
    }
    assert_refused(&ask(&hub, &token, NEGOTIATE, "192.0.2.1"), "limits.user_connects_per_minute");
    // Those count who have no token.
    assert_eq!(ask(&hub, "none", NEGOTIATE, "192.0.2.1").status, 401);
    assert_refused(&ask(&hub, "none", NEGOTIATE, "192.0.2.1"), "limits.address_connects_per_minute");
    assert_refused(&ask(&hub, &other, NEGOTIATE, "192.0.2.1"), "limits.address_connects_per_minute");
    assert_eq!(ask(&hub, &other, NEGOTIATE, "192.0.2.2").status, 200);
    let refused = |reason: &str| hub.metric(&format!("rte_refusals_total{{reason=\"{reason}\"}} "));
    assert_eq!((refused("user_rate"), refused("address_rate")), (1.0, 2.0));
}

/// A token of a key that is public, with a signature that is none.
fn forged(sub: usize) -> String {
    let part = |value: Value| BASE64.encode(value.to_string());
    let claims = json!({ "exp": 4_102_444_800_u64, "sub": sub.to_string(), "org": ORGANIZATION });
    format!("{}.{}.{}", part(json!({ "alg": "ES256" })), part(claims), "Q".repeat(86))
}

#[test]
fn of_a_flood_of_forged_tokens_of_a_public_key_most_are_refused_unverified_and_nobody_else_is() {
    let secret = "a secret beside the public key: 32 bytes";
    let keys = format!("[[auth.keys]]\npem_file = \"key.pem\"\n[[auth.keys]]\nid = \"b\"\nsecret = \"{secret}\"\n");
    let public = KeyPair::generate().unwrap();
    let folder = Folder::new("quotas-forged", &[("rte.toml", &keys), ("key.pem", &public.public_key_pem())]);
    let mut command = serve();
    command.env_remove("RTE_AUTH_SECRET").args(["--config", &folder.file("rte.toml")]);
    let hub = Hub::launch(command, &[PROXY, "server.threads=1"]);
    let claims = json!({ "exp": 4_102_444_800_u64, "org": ORGANIZATION, "rte": ["user/*"] });
    let good = mint_with(secret, &json!({ "alg": "HS256", "kid": "b" }), &claims);
    assert_eq!(ask(&hub, &forged(0), NEGOTIATE, "192.0.2.1").status, 401);
    let mut flood = hub.connect();
    let refused = (0..200).find_map(|round| {
        let ask = |n: usize| {
            let authorization = format!("Authorization: Bearer {}", forged(round * 100 + n));
            request(NEGOTIATE, &[&authorization, "X-Forwarded-For: 192.0.2.1"], "")
        };
        flood.send((0..100).map(ask).collect::<String>().as_bytes());
        (0..100).map(|_| flood.reply()).find(|reply| reply.status != 401)
    });
    let refused = refused.expect("more than are verified in a second");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.header("retry-after").is_some() && refused.body.contains("too many tokens"), "{refused:?}");
    assert_eq!(ask(&hub, &good, NEGOTIATE, "192.0.2.2").status, 200);
    assert_eq!(ask(&hub, &forged(1), NEGOTIATE, "192.0.2.2").status, 401);
    assert!(hub.metric("rte_refusals_total{reason=\"address_rate\"} ") >= 1.0);
    // Whoever has shown so many is believed again.
    assert!((0..20_000).any(|_| ask(&hub, &good, NEGOTIATE, "192.0.2.1").status == 200), "{}", hub.log());
}
