//! Tickets: what stands in for a token behind a negotiation.

use super::tokens::unix_s;
use crate::support::{Hub, ORGANIZATION, Reply, UPGRADE, USER};
use serde_json::json;

const TICKETS: [&str; 2] = ["auth.tickets=true", "auth.jwt_in_query=refuse"];

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// The id and the ticket that a negotiation gives.
fn negotiated(hub: &Hub, token: &str) -> (String, String) {
    let body = hub.request("POST /rte/negotiate?negotiateVersion=1", &[&bearer(token)], "").json();
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    (text("connectionToken"), text("accessToken"))
}

/// What an upgrade is answered, whose ticket stands in the query as browsers have it.
fn upgraded(hub: &Hub, id: &str, ticket: &str) -> Reply {
    let mut wire = hub.connect();
    let target = format!("GET /rte?id={id}&access_token={ticket}");
    wire.send(crate::support::request(&target, &UPGRADE, "").as_bytes());
    wire.reply_without_body()
}

#[test]
fn a_ticket_begins_its_connection_with_the_rights_of_the_token() {
    for threads in ["server.threads=1", "server.threads=4"] {
        let hub = Hub::start_with(&[&TICKETS[..], &[threads]].concat());
        let token = hub.token(json!({ "rte": ["queue/*"] }));
        for _ in 0..4 {
            let (id, ticket) = negotiated(&hub, &token);
            let mut peer = hub.websocket_with(&format!("/rte?id={id}"), &ticket);
            peer.send(r#"{"protocol":"json","version":1}"#);
            assert_eq!(peer.record(), "{}");
            let item = |entity: &str, event: &str| json!({ "EntityId": entity, "EventName": event });
            let items = json!([[item("*", "QueueStatus"), item(USER, "UserStatus"), item(ORGANIZATION, "UserStatus")]]);
            let answer = peer.invoke("Subscribe", &items.to_string());
            assert_eq!(
                (answer.matches(r#""subscribed":true"#).count(), answer.matches("Unauthorized").count()),
                (2, 1)
            );
            assert!(peer.invoke("RefreshToken", &json!([token]).to_string()).contains("tokenLifetimeSeconds"));
            assert!(!hub.log().contains(&ticket));
        }
    }
}

#[test]
fn a_ticket_is_good_once_and_for_its_own_id_only() {
    let hub = Hub::start_with(&TICKETS);
    let token = hub.client_token();
    let (id, ticket) = negotiated(&hub, &token);
    let (other, _) = negotiated(&hub, &token);
    assert_eq!(upgraded(&hub, &other, &ticket).status, 401);
    assert_eq!(upgraded(&hub, "", &ticket).status, 401);
    let mut wire = hub.connect();
    let target = format!("GET /rte?id={id}&access_token={ticket}");
    wire.send(crate::support::request(&target, &UPGRADE, "").as_bytes());
    assert_eq!(wire.reply_without_body().status, 101);
    assert_eq!(upgraded(&hub, &id, &ticket).status, 409, "in use");
    drop(wire);
    assert!((0..20_000).any(|_| upgraded(&hub, &id, &ticket).status == 404), "over, and never again");
    for (line, status) in
        [("POST /rte/negotiate", 401), ("GET /position", 401), ("POST /publish", 401), ("POST /rte/refresh?id=x", 401)]
    {
        assert_eq!(hub.request(line, &[&bearer(&ticket)], "").status, status, "{line}");
    }
}

#[test]
fn a_token_in_a_query_is_refused_where_the_operator_says_so() {
    let hub = Hub::start_with(&TICKETS);
    let token = hub.client_token();
    let (id, _) = negotiated(&hub, &token);
    for (line, takes_ticket) in [
        (format!("POST /rte/negotiate?access_token={token}"), false),
        (format!("GET /rte?id={id}&access_token={token}"), true),
        (format!("GET /position?access_token={token}"), false),
    ] {
        let reply = hub.request(&line, &UPGRADE, "");
        assert!(reply.status == 401 && reply.body.contains("auth.jwt_in_query"), "{reply:?}");
        assert_eq!(reply.body.contains("what negotiate gives as accessToken is taken there"), takes_ticket, "{line}");
    }
    let peer = hub.websocket_with(&format!("/rte?id={id}"), &token);
    drop(peer);
}

#[test]
fn a_ticket_outlives_its_token_no_longer_than_that_is_good() {
    let hub = Hub::start_with(&[&TICKETS[..], &["auth.leeway_s=0"]].concat());
    let (id, ticket) = negotiated(&hub, &hub.token(json!({ "exp": unix_s() + 3 })));
    assert!((0..200_000).any(|_| is_refused(&hub, &id, &ticket)), "it ends");
}

/// Whether the ticket has ended: it is tried with a method that begins no connection.
fn is_refused(hub: &Hub, id: &str, ticket: &str) -> bool {
    hub.request(&format!("POST /rte?id={id}"), &[&bearer(ticket)], "").status == 401
}

#[test]
fn who_does_not_ask_for_tickets_gets_and_takes_none() {
    let with = Hub::start_with(&TICKETS);
    let without = Hub::start();
    let token = without.client_token();
    let reply = without.request("POST /rte/negotiate?negotiateVersion=1", &[&bearer(&token)], "");
    assert!(reply.status == 200 && !reply.body.contains("accessToken"));
    // Both have the same secret.
    let (id, ticket) = negotiated(&with, &token);
    assert_eq!(upgraded(&without, &id, &ticket).status, 401);
    assert_eq!(upgraded(&with, &id, &ticket).status, 101);
}
