//! Fresh tokens for connections that go on: by the hub method, and by a request beside it.

use super::tokens::unix_s;
use crate::support::{Hub, ORGANIZATION, Peer, Reply, USER};
use serde_json::{Value, json};

const QUEUE: &str = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";
const OTHER: &str = "d1eeb190-ff4b-ea11-ac9c-00155d4fdcf3";

fn with(hub: &Hub, rte: Value) -> String {
    hub.token(json!({ "rte": rte, "exp": unix_s() + 3_600 }))
}

fn subscribe(peer: &mut Peer, pairs: &[(&str, &str)]) {
    let items = pairs.iter().map(|(entity, event)| json!({ "EntityId": entity, "EventName": event }));
    let answer = peer.invoke("Subscribe", &json!([items.collect::<Vec<_>>()]).to_string());
    assert_eq!(answer.matches(r#""subscribed":true"#).count(), pairs.len(), "{answer}");
}

/// What `RefreshToken` answers.
fn refreshed(peer: &mut Peer, token: &str) -> Value {
    let completion = peer.invoke("RefreshToken", &json!([token]).to_string());
    let completion: Value = serde_json::from_str(&completion).unwrap();
    assert_eq!(completion["error"], Value::Null);
    completion["result"].clone()
}

fn held(peer: &mut Peer) -> Vec<(String, String)> {
    let completion: Value = serde_json::from_str(&peer.invoke("GetActiveSubscriptions", "[]")).unwrap();
    let pairs = completion["result"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut pairs: Vec<_> = pairs.map(|pair| (text(&pair["entityId"]), text(&pair["eventName"]))).collect();
    pairs.sort();
    pairs
}

fn status_of(queue: &str) -> String {
    json!({ "eventName": "QueueAttachedUsers", "data": { "queueId": queue, "organizationId": ORGANIZATION, "attachedUsers": [] } })
        .to_string()
}

#[test]
fn a_fresh_token_takes_away_what_it_does_not_grant_and_says_so() {
    for threads in ["server.threads=1", "server.threads=4"] {
        let hub = Hub::start_with(&[threads]);
        let mut peer = hub.client_with(&with(&hub, json!(["queue/*", "user/*"])));
        subscribe(
            &mut peer,
            &[("*", "QueueAttachedUsers"), (QUEUE, "QueueStatus"), (OTHER, "QueueStatus"), (USER, "UserStatus")],
        );
        subscribe(&mut peer, &[(OTHER, "QueueAttachedUsers")]);
        let narrow = with(&hub, json!([format!("queue/{QUEUE}")]));
        let answer = refreshed(&mut peer, &narrow);
        let lifetime_s = answer["tokenLifetimeSeconds"].as_u64().unwrap();
        assert!((3_500..=3_600).contains(&lifetime_s), "{answer}");
        let mut removed: Vec<String> = answer["removed"].as_array().unwrap().iter().map(Value::to_string).collect();
        removed.sort();
        let gone = |event: &str| json!({ "entityId": OTHER, "eventName": event }).to_string();
        assert_eq!(removed, [gone("queueattachedusers"), gone("queuestatus")]);
        assert_eq!(answer["changed"], json!([{ "entityId": "*", "eventName": "queueattachedusers" }]));
        // What is left is delivered, and nothing else: the second publication would come first.
        assert_eq!(hub.publish(&status_of(OTHER)).status, 202);
        assert_eq!(hub.publish(&status_of(QUEUE)).status, 202);
        assert!(peer.record().contains(&format!(r#""entityId":"{QUEUE}""#)));
        let wide = refreshed(&mut peer, &with(&hub, json!(["queue/*"])));
        assert_eq!((&wide["removed"], wide["changed"].as_array().unwrap().len()), (&json!([]), 1));
        assert_eq!(hub.publish(&status_of(OTHER)).status, 202);
        assert!(peer.record().contains(&format!(r#""entityId":"{OTHER}""#)), "the wildcard has it again");
        let again = refreshed(&mut peer, &with(&hub, json!(["queue/*"])));
        assert_eq!((&again["removed"], &again["changed"]), (&json!([]), &json!([])));
        assert_eq!(hub.metric("rte_token_refreshes_total"), 3.0);
    }
}

#[test]
fn the_catalogue_is_that_of_the_fresh_token() {
    let hub = Hub::start();
    let mut peer = hub.client_with(&with(&hub, json!(["queue/*"])));
    let granted = "granted for every queue";
    assert!(peer.invoke("Catalogue", "[]").contains(granted));
    refreshed(&mut peer, &with(&hub, json!([])));
    assert!(!peer.invoke("Catalogue", "[]").contains(granted));
    refreshed(&mut peer, &with(&hub, json!(["queue/*"])));
    assert!(peer.invoke("Catalogue", "[]").contains(granted));
}

#[test]
fn a_token_that_is_bad_or_of_somebody_else_leaves_the_one_before() {
    let hub = Hub::start();
    let mut peer = hub.client_with(&with(&hub, json!(["queue/*"])));
    subscribe(&mut peer, &[(QUEUE, "QueueStatus")]);
    let others = [json!({ "sub": OTHER }), json!({ "org": OTHER }), json!({ "sub": null }), json!({ "sub": "alice" })];
    let others = others.map(|claims| (hub.token(claims), "another user or organization"));
    let bad = [
        (hub.token(json!({ "exp": 7 })), "The token expired"),
        (hub.token(json!({ "org": null })), "no organization claim"),
        ("x".to_owned(), "not a JWT"),
        (String::new(), "not a JWT"),
    ];
    for (token, why) in others.into_iter().chain(bad) {
        let answer = peer.invoke("refreshtoken", &json!([token]).to_string());
        let start = "An unexpected error occurred invoking 'refreshtoken' on the server. HubException: ";
        assert!(answer.contains(start) && answer.contains(why), "{answer}");
        assert!(token.len() < 9 || !hub.log().contains(&token));
    }
    for arguments in ["[]", "[7]", "[[]]", "[null]", "[\"a\",\"b\"]"] {
        assert!(peer.invoke("RefreshToken", arguments).contains("Failed to invoke 'RefreshToken'"), "{arguments}");
    }
    assert_eq!(held(&mut peer).len(), 1);
}

#[test]
fn a_subject_that_is_no_guid_is_told_from_another() {
    let hub = Hub::start();
    let token = |subject: &str| hub.token(json!({ "sub": subject }));
    let mut peer = hub.client_with(&token("alice"));
    refreshed(&mut peer, &token("alice"));
    assert!(peer.invoke("RefreshToken", &json!([token("bob")]).to_string()).contains("another user"));
}

#[test]
fn a_connection_with_a_fresh_token_outlives_the_one_before() {
    let hub = Hub::start_with(&["auth.close_on_expiry=true", "auth.leeway_s=0"]);
    let short = || hub.token(json!({ "exp": unix_s() + 3 }));
    let (mut stays, mut goes) = (hub.client_with(&short()), hub.client_with(&short()));
    refreshed(&mut stays, &hub.token(json!({})));
    assert!(goes.record().contains("token_expired"));
    // It would have ended at the same instant.
    assert!(held(&mut stays).is_empty());
    // A token with less time ends it sooner.
    refreshed(&mut stays, &hub.token(json!({ "exp": unix_s() + 3 })));
    assert!(stays.record().contains("token_expired"));
}

/// A connection, and what it negotiated.
fn negotiated(hub: &Hub, token: &str) -> (String, Value, Peer) {
    let authorization = format!("Authorization: Bearer {token}");
    let body = hub.request("POST /rte/negotiate?negotiateVersion=1", &[&authorization], "").json();
    let id = body["connectionToken"].as_str().unwrap().to_owned();
    let mut peer = hub.websocket_with(&format!("/rte?id={id}"), token);
    peer.send(r#"{"protocol":"json","version":1}"#);
    assert_eq!(peer.record(), "{}");
    (id, body, peer)
}

fn post(hub: &Hub, id: &str, token: &str) -> Reply {
    hub.request(&format!("POST /rte/refresh?id={id}"), &[&format!("Authorization: Bearer {token}")], "")
}

#[test]
fn a_request_beside_the_connection_refreshes_it_on_whichever_shard() {
    for threads in ["server.threads=1", "server.threads=4"] {
        let hub = Hub::start_with(&[threads]);
        let wide = with(&hub, json!(["queue/*"]));
        let mut connections: Vec<_> = (0..6).map(|_| negotiated(&hub, &wide)).collect();
        for (id, body, peer) in &mut connections {
            assert!((3_500..=3_600).contains(&body["tokenLifetimeSeconds"].as_u64().unwrap()), "{body}");
            subscribe(peer, &[(QUEUE, "QueueStatus"), (OTHER, "QueueStatus")]);
            for _ in 0..4 {
                let reply = post(&hub, id, &with(&hub, json!([format!("queue/{QUEUE}")])));
                assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")), "{reply:?}");
                assert!(reply.json()["tokenLifetimeSeconds"].as_u64().unwrap() > 3_000, "{reply:?}");
            }
            assert_eq!(held(peer), [(QUEUE.to_owned(), "queuestatus".to_owned())]);
        }
    }
}

#[test]
fn each_error_of_a_refresh_has_its_status_and_word() {
    let hub = Hub::start();
    let token = hub.client_token();
    let (id, _, peer) = negotiated(&hub, &token);
    let other = hub.token(json!({ "sub": OTHER }));
    let waiting = hub.negotiate();
    let expired = hub.token(json!({ "exp": 7 }));
    for (id, token, status, word) in [
        (&*id, &*expired, 401, "invalid_token"),
        (&*id, "x", 401, "invalid_token"),
        ("", &*token, 400, "missing_connection_token"),
        ("x", &*token, 404, "connection_not_found"),
        (&*waiting, &*token, 404, "connection_not_found"),
        (&*id, &*other, 403, "permission_change_rejected"),
    ] {
        let reply = post(&hub, id, token);
        assert_eq!((reply.status, reply.body.as_str()), (status, &*format!(r#"{{"error":"{word}"}}"#)), "{reply:?}");
        assert_eq!(reply.header("www-authenticate").is_some(), status == 401);
    }
    assert_eq!(hub.request(&format!("GET /rte/refresh?id={id}&access_token={token}"), &[], "").status, 405);
    drop(peer);
    assert!((0..20_000).any(|_| post(&hub, &id, &token).status == 404), "its connection is over");
    let off = Hub::start_with(&["auth.refresh=false"]);
    let (id, body, _peer) = negotiated(&off, &token);
    assert_eq!(body.get("tokenLifetimeSeconds"), None);
    assert_eq!(post(&off, &id, &token).body, r#"{"error":"refresh_disabled"}"#);
}
