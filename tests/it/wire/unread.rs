//! What waits for those whose WebSocket does not get through, where they do not ask for it, cannot
//! have it, or it comes to an end.

use super::messagepack::{invocation, item, messages};
use super::tokens::unix_s;
use super::transports::{Client, Stream};
use crate::support::{Hub, ORGANIZATION, RS, Reply, USER, Wire, request};
use rmpv::Value as Packed;
use serde_json::{Value, json};

const ALLOW: &str = r#""allowReconnect":true}"#;

/// The user's alerts with these numbers: each of them matters.
fn alerts(numbers: std::ops::Range<usize>) -> String {
    let item = |n: usize| {
        json!({ "eventName": "UserAlert", "data": {
            "alertId": "64f2d8b3-90ce-4e17-a5b8-3d1c7f06e92a", "conditionExpression": "x".repeat(600),
            "conditionName": "a", "conditionValue": "5", "organizationId": ORGANIZATION, "userId": USER,
            "value": n.to_string(),
        }})
        .to_string()
    };
    numbers.map(item).collect::<Vec<_>>().join("\n")
}

/// The user's availabilities with these numbers: the last one matters.
fn availabilities(numbers: std::ops::Range<usize>) -> String {
    let item = |n: usize| {
        json!({ "eventName": "UserAvailability", "data": {
            "availability": "Busy", "endTime": "9999-12-31T23:59:59.9999999", "eventSource": "User",
            "note": format!("{n} {}", "x".repeat(500)), "organizationId": ORGANIZATION, "profileId": USER,
            "startTime": "2024-05-31T14:02:11Z", "userId": USER, "userName": "anna.virtanen@example.com",
        }})
        .to_string()
    };
    numbers.map(item).collect::<Vec<_>>().join("\n")
}

fn publish(hub: &Hub, lines: &str) {
    let authorization = format!("Authorization: Bearer {}", hub.publisher_token());
    let reply = hub.request("POST /publish", &[&authorization, "Content-Type: application/x-ndjson"], lines);
    assert_eq!(reply.status, 202, "{reply:?}");
}

fn subscribe(event: &str) -> String {
    let item = format!(r#"{{"EntityId":"{USER}","EventName":"{event}"}}"#);
    format!(r#"{{"type":1,"invocationId":"1","target":"Subscribe","arguments":[[{item}]]}}"#)
}

fn records(text: &str) -> Vec<Value> {
    text.split_terminator(RS).map(|record| serde_json::from_str(record).expect(record)).collect()
}

fn slow_reader(told: &str) -> bool {
    told.starts_with(r#"{"type":7,"error":"slow_reader: "#) && told.ends_with(&format!("{ALLOW}{RS}"))
}

#[test]
fn who_does_not_poll_gets_the_last_value_of_what_has_passed_the_soft_bound() {
    let hub = Hub::start_with(&["limits.overrun_ms=60000"]);
    let mut wire = hub.connect();
    let client = Client::polling(&hub, &mut wire);
    client.says(&mut wire, &subscribe("UserAvailability"));
    assert!(client.poll(&mut wire).contains(r#""subscribed":true"#));
    publish(&hub, &availabilities(0..1_000));
    let mut notes: Vec<usize> = Vec::new();
    while notes.last() != Some(&999) {
        let polled = client.poll(&mut wire);
        let note = |record: &Value| record["arguments"][0]["data"]["note"].as_str().unwrap().to_owned();
        notes.extend(records(&polled).iter().map(|it| note(it).split(' ').next().unwrap().parse::<usize>().unwrap()));
    }
    assert!(notes.is_sorted() && (200..500).contains(&notes.len()), "as much as the soft bound: {}", notes.len());
    assert_eq!(hub.metric("rte_conflated_total"), 1_000.0 - notes.len() as f64);
}

#[test]
fn who_does_not_poll_is_given_up_beyond_the_hard_bound_and_hears_why_by_the_next_poll() {
    let hub = Hub::start_with(&["limits.overrun_ms=1"]);
    let mut wire = hub.connect();
    let client = Client::polling(&hub, &mut wire);
    client.says(&mut wire, &subscribe("UserAlert"));
    assert!(client.poll(&mut wire).contains(r#""subscribed":true"#));
    for _ in 0..2 {
        publish(&hub, &alerts(0..1_000));
    }
    hub.await_metric(r#"rte_connections_closed_total{reason="overrun"}"#, |count| count == 1.0);
    assert!(hub.metric("rte_backlog_bytes ") < 1_000.0, "nothing but its last word is kept");
    let told = client.poll(&mut wire);
    assert!(slow_reader(&told), "{told}");
    assert_eq!(client.ask(&mut wire, "GET", "").status, 204);
    assert_eq!(client.ask(&mut wire, "GET", "").status, 404);
}

#[test]
fn a_stream_that_is_not_read_is_given_up_beyond_the_hard_bound_and_ends_with_the_reason() {
    let hub = Hub::start_with(&["limits.overrun_ms=1", "limits.socket_send_bytes=4096"]);
    let mut posts = hub.connect();
    let (client, mut stream) = Client::negotiated(&hub).streams(hub.connect_with_buffer(4_096), &mut posts);
    client.says(&mut posts, &subscribe("UserAlert"));
    assert!(stream.event().contains(r#""subscribed":true"#));
    for first in [0, 1_000] {
        publish(&hub, &alerts(first..first + 1_000));
    }
    hub.await_metric("rte_hub_connections", |count| count == 0.0);
    let heard = std::iter::repeat_with(|| stream.event()).take_while(|event| !slow_reader(event));
    let numbers: Vec<Value> = heard.map(|event| records(&event)[0]["arguments"][0]["data"]["value"].clone()).collect();
    let all: Vec<Value> = (0..numbers.len()).map(|n| json!(n.to_string())).collect();
    assert!(numbers == all && numbers.len() < 1_000, "whole events, without a gap: {}", numbers.len());
    stream.wire.assert_ends();
    drop(stream);
    hub.await_metric(r#"rte_connections_closed_total{reason="overrun"}"#, |count| count == 1.0);
}

#[test]
fn a_token_that_expires_ends_a_stream_and_a_poll_and_waits_for_who_is_between_two() {
    let hub = Hub::start_with(&["auth.close_on_expiry=true", "auth.leeway_s=0"]);
    let expires = json!({ "exp": unix_s() + 3 });
    let short = || {
        let mut client = Client::negotiated(&hub);
        client.token = hub.token(expires.clone());
        client
    };
    let (mut polls, mut posts) = (hub.connect(), hub.connect());
    let mut away = short().polls(&mut posts);
    let (_, mut stream) = short().streams(hub.connect(), &mut posts);
    let waiting = short().polls(&mut polls);
    polls.send(waiting.request("GET", &[], "").as_bytes());
    let close = format!(
        r#"{{"type":7,"error":"token_expired: the token expired, and auth.close_on_expiry is set",{ALLOW}{RS}"#
    );
    assert_eq!(stream.event(), close);
    stream.wire.assert_ends();
    assert_eq!(polls.reply().body, close);
    assert_eq!(waiting.ask(&mut polls, "GET", "").status, 401, "nobody reads on with a token that has expired");
    let refused = away.ask(&mut posts, "GET", "");
    assert_eq!(refused.status, 401);
    away.token = hub.client_token();
    assert_eq!(away.poll(&mut posts), close, "a poll that is refused takes nothing along");
    assert_eq!(away.ask(&mut posts, "GET", "").status, 204);
}

/// Sends these bytes as a client's messages.
fn post(client: &Client, wire: &mut Wire, body: &[u8]) -> Reply {
    let head = client.request("POST", &[&format!("Content-Length: {}", body.len())], "");
    let head = head.replace("Content-Length: 0\r\n", "");
    wire.send(&[head.as_bytes(), body].concat());
    wire.reply()
}

#[test]
fn polls_bring_messagepack_as_it_is() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    let client = Client::negotiated(&hub);
    assert_eq!(client.ask(&mut wire, "GET", "").body, "");
    client.says(&mut wire, r#"{"protocol":"messagepack","version":1}"#);
    assert_eq!(client.poll(&mut wire), format!("{{}}{RS}"));
    let subscribe = invocation("1", "Subscribe", vec![Packed::Array(vec![item("UserAlert")])]);
    // Cut wherever requests end.
    let (start, end) = subscribe.split_at(subscribe.len() / 2);
    assert_eq!(post(&client, &mut wire, start).status, 200);
    assert_eq!(post(&client, &mut wire, end).status, 200);
    let polled = |wire: &mut Wire| {
        wire.send(client.request("GET", &[], "").as_bytes());
        let (reply, body) = wire.reply_in_bytes();
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/octet-stream")));
        messages(&body)
    };
    let completion = polled(&mut wire);
    assert_eq!((completion.len(), completion[0][0].as_u64(), completion[0][2].as_str()), (1, Some(3), Some("1")));
    publish(&hub, &alerts(0..3));
    let heard = polled(&mut wire);
    assert_eq!(heard.len(), 3);
    assert!(heard.iter().all(|it| it[3].as_str() == Some("MessageReceived")), "{heard:?}");
}

#[test]
fn a_stream_of_texts_carries_no_messagepack() {
    let hub = Hub::start();
    let mut posts = hub.connect();
    let client = Client::negotiated(&hub);
    let mut stream: Stream = client.stream(hub.connect());
    client.says(&mut posts, r#"{"protocol":"messagepack","version":1}"#);
    let error = "Cannot use the 'messagepack' protocol on the current transport. The transport does not support \
                 'Binary' transfer format.";
    assert_eq!(stream.event(), format!(r#"{{"error":"{error}"}}{RS}"#));
    stream.wire.assert_ends();
}

#[test]
fn what_a_client_says_that_does_not_poll_waits_up_to_body_bytes_max() {
    let hub = Hub::start_with(&["limits.event_bytes_max=4096", "limits.body_bytes_max=65536"]);
    let mut wire = hub.connect();
    let client = Client::polling(&hub, &mut wire);
    let asks = |numbers: std::ops::Range<usize>| -> String {
        let ask = |n| format!(r#"{{"type":1,"invocationId":"{n}","target":"Nothing","arguments":[]}}{RS}"#);
        numbers.map(ask).collect()
    };
    // More answers than it gets before it reads: the rest is not looked at.
    assert_eq!(client.ask(&mut wire, "POST", &asks(0..500)).status, 200);
    let long = format!(r#"{{"type":6,"x":"{}"}}{RS}"#, "x".repeat(30_000)) + &asks(500..501);
    assert_eq!(client.ask(&mut wire, "POST", &long).status, 200);
    let refused = client.ask(&mut wire, "POST", &long);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{refused:?}");
    assert!(refused.body.contains("limits.body_bytes_max"), "{}", refused.body);
    let mut answered: Vec<Value> = Vec::new();
    while answered.len() < 501 {
        answered.extend(records(&client.poll(&mut wire)).into_iter().map(|answer| answer["invocationId"].clone()));
    }
    assert_eq!(answered, (0..501).map(|n| json!(n.to_string())).collect::<Vec<_>>(), "in their order, and once");
    // Sent again, as it was told to.
    assert_eq!(client.ask(&mut wire, "POST", &long).status, 200);
    assert_eq!(records(&client.poll(&mut wire))[0]["invocationId"], "500");
}

#[test]
fn polls_that_are_all_answered_at_once_lose_nothing_and_keep_the_order() {
    const POLLS: usize = 300;
    for threads in ["server.threads=1", "server.threads=2"] {
        let hub = Hub::start_with(&[threads]);
        let mut polls: Vec<(Client, Wire)> = (0..POLLS)
            .map(|_| {
                let mut wire = hub.connect();
                let client = Client::polling(&hub, &mut wire);
                client.says(&mut wire, &subscribe("UserAlert"));
                assert!(client.poll(&mut wire).contains(r#""subscribed":true"#));
                wire.send(client.request("GET", &[], "").as_bytes());
                (client, wire)
            })
            .collect();
        hub.await_metric("rte_strangers", |count| count == 1.0);
        let authorization = format!("Authorization: Bearer {}", hub.publisher_token());
        let mut publisher = hub.connect();
        let mut heard = vec![Vec::new(); POLLS];
        for number in 0..5 {
            let headers = [authorization.as_str(), "Content-Type: application/x-ndjson"];
            publisher.send(request("POST /publish", &headers, &alerts(number..number + 1)).as_bytes());
            assert_eq!(publisher.reply().status, 202);
            // Every other round they are not waited for: what is new comes between two polls.
            for ((client, wire), heard) in polls.iter_mut().zip(&mut heard).filter(|_| number % 2 == 0) {
                let polled = wire.reply();
                heard.extend(records(&polled.body).iter().map(|it| it["arguments"][0]["data"]["value"].clone()));
                wire.send(client.request("GET", &[], "").as_bytes());
            }
        }
        let all: Vec<Value> = (0..5).map(|n| json!(n.to_string())).collect();
        for ((client, wire), heard) in polls.iter_mut().zip(&mut heard) {
            while heard.len() < all.len() {
                let polled = wire.reply();
                heard.extend(records(&polled.body).iter().map(|it| it["arguments"][0]["data"]["value"].clone()));
                wire.send(client.request("GET", &[], "").as_bytes());
            }
            assert_eq!(*heard, all, "{threads}");
        }
    }
}
