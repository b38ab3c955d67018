//! Tokens as clients and identity providers have them: claims, clocks, keys, and what a 401 says.

use crate::support::{Folder, Hub, ORGANIZATION, Reply, USER, mint_with, rte};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What negotiate says to these claims.
fn negotiated(hub: &Hub, claims: Value) -> Reply {
    let authorization = format!("Authorization: Bearer {}", hub.token(claims));
    hub.request("POST /rte/negotiate?negotiateVersion=1", &[&authorization], "")
}

/// The verdict over one event of one entity.
fn subscribed(hub: &Hub, claims: Value, entity: &str, event: &str) -> String {
    let mut peer = hub.client_with(&hub.token(claims));
    peer.invoke("Subscribe", &format!(r#"[[{{"EntityId":"{entity}","EventName":"{event}"}}]]"#))
}

#[expect(clippy::disallowed_methods, reason = "a hub of these tests runs by the real clock")]
pub(super) fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

const QUEUE: &str = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";

#[test]
fn a_clock_that_is_off_is_told_by_how_much_in_body_and_challenge() {
    let hub = Hub::start();
    let table = [
        (json!({ "exp": unix_s() - 7_200 }), "The token expired 7,20", " s ago (exp)"),
        (json!({ "exp": unix_s() - 60 }), "The token expired 6", " s ago (exp)"),
        (json!({ "nbf": unix_s() + 7_300 }), "The token is valid in 7,", " s and not before (nbf)"),
        (json!({ "exp": 0 }), "The token expired 1,", " s ago (exp)"),
    ];
    for (claims, start, end) in table {
        let reply = negotiated(&hub, claims.clone());
        assert!(reply.body.starts_with(start) && reply.body.ends_with(end), "{claims}: {reply:?}");
        let challenge = format!(r#"Bearer error="invalid_token", error_description="{}""#, reply.body);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some(&*challenge)));
    }
    assert_eq!(negotiated(&hub, json!({ "exp": unix_s() - 3 })).status, 200, "within the leeway");
}

#[test]
fn foreign_entries_and_null_change_nothing_for_a_client() {
    let hub = Hub::start();
    for rte in [
        json!(["queue/*"]),
        json!(["offline_access", "queue/*", 7, null, { "x": 1 }, "a/b/c/d"]),
        json!("default-roles queue/* uma_authorization"),
    ] {
        let verdict = subscribed(&hub, json!({ "rte": rte, "scope": null, "nbf": null }), QUEUE, "QueueStatus");
        assert!(verdict.contains(r#""subscribed":true"#), "{rte}: {verdict}");
        let verdict = subscribed(&hub, json!({ "rte": rte }), ORGANIZATION, "UserStatus");
        assert!(verdict.contains("Unauthorized"), "{rte}: {verdict}");
    }
    let own = subscribed(&hub, json!({ "rte": ["nonsense"], "scope": [1, "x"] }), USER, "UserStatus");
    assert!(own.contains(r#""subscribed":true"#), "{own}");
    assert_eq!(negotiated(&hub, json!({ "rte": 5 })).status, 401);
}

#[test]
fn roles_of_a_provider_are_found_by_their_way() {
    let hub = Hub::start_with(&["auth.claims.grants=realm_access,roles", "auth.claims.organization=ext.org"]);
    let org = ORGANIZATION;
    for claims in [
        json!({ "realm_access": { "roles": ["offline_access", "queue/*"] }, "ext": { "org": org } }),
        json!({ "realm_access.roles": ["queue/*"], "realm_access": { "roles": ["x"] }, "ext.org": org }),
    ] {
        let mut claims = claims;
        claims["org"] = Value::Null;
        let verdict = subscribed(&hub, claims.clone(), QUEUE, "QueueStatus");
        assert!(verdict.contains(r#""subscribed":true"#), "{claims}: {verdict}");
    }
    assert_eq!(negotiated(&hub, json!({ "ext": { "org": "acme" }, "org": null })).status, 401);
    assert_eq!(negotiated(&hub, json!({})).status, 401, "`org` is not where the organization is looked up");
}

#[test]
fn one_of_several_issuers_and_audiences_is_enough() {
    let hub = Hub::start_with(&["auth.issuer=https://a.example,https://b.example/", "auth.audience=rte,api://rte"]);
    let status = |iss: Value, aud: Value| negotiated(&hub, json!({ "iss": iss, "aud": aud })).status;
    for aud in [json!("rte"), json!("api://rte"), json!(["account", "rte"]), json!(["rte", 1])] {
        assert_eq!(status(json!("https://a.example"), aud.clone()), 200, "{aud}");
        assert_eq!(status(json!("https://b.example/"), aud), 200);
    }
    for iss in [Value::Null, json!("https://b.example"), json!(["https://a.example"])] {
        assert_eq!(status(iss.clone(), json!("rte")), 401, "{iss}");
    }
    for aud in [Value::Null, json!("RTE"), json!(["account"]), json!({ "rte": 1 })] {
        assert_eq!(status(json!("https://a.example"), aud.clone()), 401, "{aud}");
    }
}

#[test]
fn a_claim_that_nobody_has_is_told_once() {
    let hub = Hub::start_with(&["auth.claims.grants=realm_access,rolls"]);
    for _ in 0..120 {
        assert_eq!(negotiated(&hub, json!({ "realm_access": { "roles": [] }, "scope": "" })).status, 200);
    }
    hub.await_log("warn claim_absent key=auth.claims.grants claim=realm_access.rolls tokens=100");
    assert_eq!(hub.log().matches("claim_absent").count(), 1, "{}", hub.log());
}

#[test]
fn a_subject_that_is_no_guid_may_have_what_grants_name() {
    let hub = Hub::start_with(&["auth.default_grants=user/*/UserAvailability"]);
    let claims = json!({ "sub": "auth0|alice", "rte": ["queue/*"] });
    let verdict = |entity: &str, event: &str| subscribed(&hub, claims.clone(), entity, event);
    assert!(verdict(QUEUE, "QueueStatus").contains(r#""subscribed":true"#));
    assert!(verdict(USER, "UserAvailability").contains(r#""subscribed":true"#));
    assert!(verdict(USER, "UserStatus").contains("Unauthorized"), "nothing is its own");
}

#[test]
fn a_token_of_any_key_id_is_taken_by_the_lone_key_without_one() {
    let hub = Hub::start();
    let secret = "the secret of the tests has more than 32 bytes";
    let claims = json!({ "exp": 4_102_444_800_u64, "org": ORGANIZATION });
    let token = mint_with(secret, &json!({ "alg": "HS256", "kid": "2026-b" }), &claims);
    let reply = hub.request("POST /rte/negotiate", &[&format!("Authorization: Bearer {token}")], "");
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// What `rte` says to these words, with its exit code.
fn said(words: &[&str]) -> (Option<i32>, String) {
    let output = rte().args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn why_tells_each_rule_and_what_the_hub_says_and_counts() {
    let hub = Hub::start_with(&["auth.default_grants=user/*/UserAvailability"]);
    let token = hub.token(json!({ "rte": ["queue/*", "offline_access"], "sub": "alice" }));
    let folder = Folder::new("why", &[("client.jwt", &token), ("publisher.jwt", &hub.publisher_token())]);
    let (client, publisher) = (folder.file("client.jwt"), folder.file("publisher.jwt"));
    let mut members = [hub.client(), hub.client()];
    for member in &mut members {
        let pair = format!(r#"[[{{"EntityId":"{QUEUE}","EventName":"QueueStatus"}}]]"#);
        assert!(member.invoke("Subscribe", &pair).contains(r#""subscribed":true"#));
    }
    let url = hub.url();
    let topics = [format!("{QUEUE}:queuestatus"), format!("{USER}:UserStatus"), format!("{USER}:UserAvailability")];
    let defaults = "auth.default_grants=user/*/UserAvailability";
    let words =
        ["why", "--set", defaults, "--token-file", &client, "--url", &url, "--publisher-token-file", &publisher];
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let (code, text) = said(&[&words[..], &topics].concat());
    let expected = [
        format!("{QUEUE}:queuestatus  yes"),
        "  token         proven by a configured key".to_owned(),
        "  organization  0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59 (org): what is published for it, and nothing else".to_owned(),
        "  event         QueueStatus, state of a queue, for clients".to_owned(),
        "  grant         allowed by queue/*/* in the token".to_owned(),
        "  hub           takes the subscription".to_owned(),
        "  members       2".to_owned(),
        format!("{USER}:UserStatus  no"),
        "  grant         denied: none of 1 grants covers it (1 entries are no grants, `rte token --inspect` says why); \
         the user is no GUID, so that nothing is its own"
            .to_owned(),
        "  hub           refuses it: Unauthorized".to_owned(),
        format!("{USER}:UserAvailability  yes"),
        "  grant         allowed by user/*/useravailability, which everybody has (auth.default_grants)".to_owned(),
        "rte: 1 of 3 not allowed".to_owned(),
    ];
    for line in &expected {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains(&token), "{text}");
}

#[test]
fn why_answers_without_a_hub_and_names_what_is_wrong() {
    let hub = Hub::start();
    let topic = format!("{QUEUE}:QueueStatus");
    for (claims, words, lines) in [
        (
            json!({ "exp": unix_s() - 7_200, "rte": ["queue/*"] }),
            vec![],
            ["token         refused: The token expired 7,20", "expiry        7,20"],
        ),
        (
            json!({ "org": null, "rte": ["queue/*"] }),
            vec![],
            ["organization  none, and clients need one (org)", "grant         allowed by"],
        ),
        (
            json!({ "sub": USER }),
            vec![],
            ["event         QueueStatus", "grant         denied: none of 0 grants covers it\n"],
        ),
        (
            json!({ "rte": ["queue/*"] }),
            vec!["--set", "auth.audience=x"],
            ["token         refused: The audience (aud)", "grant         allowed"],
        ),
        (
            json!({ "scope": "publish", "rte": ["queue:*"] }),
            vec![],
            ["publishing    denied: none of 1 entries is a grant", "grant         denied"],
        ),
    ] {
        let folder = Folder::new("why-alone", &[("t", &hub.token(claims.clone()))]);
        let file = folder.file("t");
        let (code, text) = said(&[&["why", "--token-file", &file, &topic], &words[..]].concat());
        for line in lines {
            assert!(text.contains(&format!("  {line}")), "{claims}: {line}\n{text}");
        }
        assert_eq!(code, Some(1), "{text}");
    }
    let folder = Folder::new("why-names", &[("t", &hub.client_token())]);
    let file = folder.file("t");
    let (code, text) = said(&["why", "--token-file", &file, &format!("{QUEUE}:QueueStatu")]);
    assert!(code == Some(1) && text.contains("did you mean QueueStatus?"), "{text}");
    let (code, text) = said(&["why", "--token-file", &file, "queue:QueueStatus"]);
    assert!(code == Some(2) && text.contains("GUID of 36 characters"), "{text}");
    let (code, text) = said(&["why", "--token-file", &file, "--url", "http://127.0.0.1:1", &topic]);
    assert_eq!(code, Some(3), "{text}");
}

#[test]
fn inspect_shows_what_a_provider_has_written() {
    let hub = Hub::start();
    let claims = json!({ "realm_access": { "roles": ["offline_access"] }, "email": "a@example.com", "jti": "x" });
    let folder = Folder::new("inspect", &[("t", &hub.token(claims))]);
    let (code, text) = said(&["token", "--inspect", "--token-file", &folder.file("t")]);
    assert_eq!(code, Some(0), "{text}");
    for line in ["verdict       the hub takes it", "grant         none (rte)", "not looked at email, jti, realm_access"]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("a@example.com"), "what is not looked at is not shown: {text}");
    let (code, text) = said(&["token", "--inspect", "--token", "no.token"]);
    assert!(code == Some(2) && !text.contains("no.token"), "{text}");
}
