//! Tokens that are good no more before their time.

use super::tokens::unix_s;
use crate::support::{Folder, Hub, ORGANIZATION, Reply, USER, asking};
use serde_json::{Value, json};

const OTHER: &str = "d1eeb190-ff4b-ea11-ac9c-00155d4fdcf3";

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Revokes for an hour what these members say.
fn revoke(hub: &Hub, by: &str, mut members: Value) -> Reply {
    members["until"] = (unix_s() + 3_600).into();
    hub.request("POST /revoke", &[&bearer(by)], &members.to_string())
}

fn admin(hub: &Hub) -> String {
    hub.token(json!({ "scope": "admin", "org": null, "sub": "somebody else" }))
}

/// The status of a negotiation.
fn negotiates(hub: &Hub, token: &str) -> u16 {
    hub.request("POST /rte/negotiate?negotiateVersion=1", &[&bearer(token)], "").status
}

const WORD: &str = r#""error":"token_revoked: the token was revoked by POST /revoke""#;

#[test]
fn live_connections_of_a_revoked_user_end_on_all_shards_and_nobody_else_does() {
    for threads in ["server.threads=1", "server.threads=4"] {
        let hub = Hub::start_with(&[threads]);
        let token = hub.client_token();
        let mut gone: Vec<_> = (0..6).map(|_| hub.client_with(&token)).collect();
        let mut stays: Vec<_> = (0..6).map(|_| hub.client_with(&hub.token(json!({ "sub": OTHER })))).collect();
        let reply = revoke(&hub, &admin(&hub), json!({ "sub": USER }));
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"closed":6}"#));
        for peer in &mut gone {
            let close = peer.record();
            assert!(close.contains(WORD) && !close.contains("allowReconnect\":true"), "{close}");
        }
        assert!(stays.iter_mut().all(|peer| peer.invoke("GetActiveSubscriptions", "[]").contains("result")));
        assert_eq!((negotiates(&hub, &token), negotiates(&hub, &hub.token(json!({ "sub": OTHER })))), (401, 200));
        drop(gone);
        hub.await_metric("rte_connections_closed_total{reason=\"revoked\"}", |closed| closed == 6.0);
        assert_eq!(hub.metric("rte_revocations"), 1.0);
    }
}

#[test]
fn a_revoked_token_is_refused_wherever_a_token_is_shown() {
    let hub = Hub::start_with(&["auth.tickets=true"]);
    let named = |claims: Value| {
        let mut claims = claims;
        claims["jti"] = "leaked".into();
        hub.token(claims)
    };
    let (client, publisher) = (named(json!({})), named(json!({ "scope": "publish" })));
    let negotiated = hub.request("POST /rte/negotiate?negotiateVersion=1", &[&bearer(&client)], "").json();
    let (id, ticket) = (negotiated["connectionToken"].as_str().unwrap(), negotiated["accessToken"].as_str().unwrap());
    // A publisher's link remembers that its token was good.
    let mut kept = hub.connect();
    let publish =
        crate::support::request("POST /publish", &[&bearer(&publisher), "Content-Type: application/json"], "[]");
    kept.send(publish.as_bytes());
    assert_ne!(kept.reply().status, 401);
    let mut goes_on = hub.client_with(&hub.client_token());
    assert_eq!(revoke(&hub, &admin(&hub), json!({ "jti": "leaked" })).body, r#"{"closed":0}"#);
    kept.send(publish.as_bytes());
    assert_eq!(kept.reply().status, 401, "what is remembered of it does not outlive it");
    assert!(goes_on.invoke("RefreshToken", &json!([client]).to_string()).contains("The token has been revoked"));
    for (line, token) in [
        ("POST /rte/negotiate", &*client),
        ("GET /position", &client),
        ("POST /publish", &publisher),
        ("POST /rte/refresh?id=x", &client),
        (&format!("POST /rte?id={id}"), ticket),
    ] {
        let reply = hub.request(line, &[&bearer(token)], "");
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        assert!(reply.status == 401 && challenge.contains("The token has been revoked"), "{line}: {reply:?}");
    }
    hub.await_log("revoked claim=jti value=leaked");
    assert!(!hub.log().contains(&client), "{}", hub.log());
}

#[test]
fn what_was_issued_since_is_good() {
    let hub = Hub::start();
    let issued = |iat: u64| hub.token(json!({ "iat": iat }));
    let (old, new) = (issued(unix_s() - 60), issued(unix_s()));
    let mut peers = [hub.client_with(&old), hub.client_with(&new), hub.client_with(&old)];
    assert!(peers[2].invoke("RefreshToken", &json!([new]).to_string()).contains("tokenLifetimeSeconds"));
    let reply = revoke(&hub, &admin(&hub), json!({ "org": ORGANIZATION, "issued_before": unix_s() - 30 }));
    assert_eq!(reply.body, r#"{"closed":1}"#);
    assert!(peers[0].record().contains(WORD));
    assert_eq!(
        [negotiates(&hub, &old), negotiates(&hub, &new), negotiates(&hub, &hub.token(json!({})))],
        [401, 200, 401]
    );
}

#[test]
fn only_administrators_revoke_and_those_of_an_organization_within_it() {
    let hub = Hub::start();
    let token = hub.client_token();
    for (by, status) in [
        (token.clone(), 403),
        (hub.token(json!({ "scope": "publish" })), 403),
        (hub.token(json!({ "scope": "admin", "exp": 7 })), 401),
        (hub.token(json!({ "scope": "admin", "org": OTHER })), 403),
    ] {
        assert_eq!(revoke(&hub, &by, json!({ "org": ORGANIZATION })).status, status);
    }
    let others = hub.token(json!({ "scope": "admin", "org": OTHER }));
    assert_eq!(revoke(&hub, &others, json!({ "sub": USER })).body, r#"{"closed":0}"#);
    assert_eq!(negotiates(&hub, &token), 200, "it is no user of that organization");
    assert_eq!(hub.request(&format!("GET /revoke?access_token={}", admin(&hub)), &[], "").status, 401);
    assert_eq!(revoke(&hub, &admin(&hub), json!({})).status, 400);
    assert_eq!(hub.request("DELETE /revoke", &[], "").status, 405);
}

#[test]
fn revocations_are_listed_and_a_later_word_lifts_one() {
    let hub = Hub::start();
    let (by, token) = (admin(&hub), hub.client_token());
    let list = || hub.request("GET /revoke", &[&bearer(&by)], "").json();
    let until = unix_s() + 60;
    let told = json!({ "sub": USER, "issued_before": until, "until": until });
    assert_eq!(hub.request("POST /revoke", &[&bearer(&by)], &told.to_string()).status, 200);
    assert_eq!((list(), negotiates(&hub, &token)), (json!([told]), 401));
    let lifted = json!({ "sub": USER, "until": 1 });
    assert_eq!(hub.request("POST /revoke", &[&bearer(&by)], &lifted.to_string()).status, 200);
    assert_eq!((list(), negotiates(&hub, &token)), (json!([]), 200));
}

#[test]
fn there_are_so_many_revocations_and_one_more_is_refused() {
    let hub = Hub::start_with(&["limits.revocations_max=2"]);
    let by = admin(&hub);
    let statuses = ["a", "b", "c", "a"].map(|jti| revoke(&hub, &by, json!({ "jti": jti })).status);
    assert_eq!(statuses, [200, 200, 503, 200]);
}

#[test]
fn a_client_that_polls_hears_that_its_token_is_revoked() {
    let hub = Hub::start();
    let token = hub.client_token();
    let authorization = bearer(&token);
    let ask = |line: &str, body: &str| hub.request(line, &[&authorization], body);
    let negotiated = ask("POST /rte/negotiate?negotiateVersion=1", "").json();
    let hub_path = format!("/rte?id={}", negotiated["connectionToken"].as_str().unwrap());
    assert_eq!(ask(&format!("GET {hub_path}"), "").status, 200);
    assert_eq!(ask(&format!("POST {hub_path}"), "{\"protocol\":\"json\",\"version\":1}\u{1e}").status, 200);
    assert_eq!(ask(&format!("GET {hub_path}"), "").body, "{}\u{1e}");
    assert_eq!(revoke(&hub, &admin(&hub), json!({ "sub": USER })).body, r#"{"closed":1}"#);
    let last = ask(&format!("GET {hub_path}"), "");
    assert!(last.status == 200 && last.body.contains(WORD), "{last:?}");
}

#[test]
fn what_was_revoked_outlives_a_hub_that_is_killed_where_it_has_a_journal_in_files() {
    let folder = Folder::new("revoked", &[("journal/.keep", "")]);
    // Each start begins a file, and those that are old go once a snapshot has taken their place.
    let settings = [folder.journal(), vec!["limits.history_ms=1".to_owned(), "server.threads=2".to_owned()]].concat();
    let start = || Hub::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>());
    let list = |hub: &Hub| hub.request("GET /revoke", &[&bearer(&admin(hub))], "").json();
    let mut hub = start();
    let by = admin(&hub);
    for members in
        [json!({ "sub": USER, "issued_before": unix_s() + 1 }), json!({ "jti": "leaked" }), json!({ "org": OTHER })]
    {
        assert_eq!(revoke(&hub, &by, members).status, 200);
    }
    let lifted = json!({ "org": OTHER, "until": 1 }).to_string();
    assert_eq!(hub.request("POST /revoke", &[&bearer(&by)], &lifted).status, 200);
    let told = list(&hub);
    assert_eq!(told.as_array().unwrap().len(), 2, "{told}");
    for _ in 0..12 {
        hub.kill();
        hub = start();
        assert_eq!(list(&hub), told);
    }
    hub.await_log("listening");
    let first = folder.file("journal/0000000001.log");
    let is_gone = asking().any(|()| list(&hub) == told && !std::path::Path::new(&first).exists());
    assert!(is_gone, "a snapshot has taken its place");
    hub.kill();
    hub = start();
    assert_eq!(list(&hub), told);
    assert_eq!(negotiates(&hub, &hub.client_token()), 401);
    assert_eq!(negotiates(&hub, &hub.token(json!({ "sub": OTHER }))), 200);
    assert_eq!(negotiates(&hub, &hub.token(json!({ "sub": OTHER, "jti": "leaked" }))), 401);
}
