//! SignalR's MessagePack hub protocol over a WebSocket, as the stock clients speak it.

use crate::support::{Hub, ORGANIZATION, Peer, RS, USER};
use rmpv::Value;
use serde_json::json;
use tungstenite::Message;

pub fn message(elements: Vec<Value>) -> Vec<u8> {
    let mut body = Vec::new();
    rmpv::encode::write_value(&mut body, &Value::Array(elements)).unwrap();
    let mut bytes = Vec::new();
    let mut left = body.len();
    while left >= 0x80 {
        bytes.push(u8::try_from(left & 0x7F).unwrap() | 0x80);
        left >>= 7;
    }
    bytes.push(u8::try_from(left).unwrap());
    bytes.extend(body);
    bytes
}

/// The messages of one WebSocket message, which holds whole ones.
pub fn messages(bytes: &[u8]) -> Vec<Value> {
    let (mut rest, mut messages) = (bytes, Vec::new());
    while !rest.is_empty() {
        let head = rest.iter().position(|byte| *byte < 0x80).unwrap() + 1;
        let len = rest[..head].iter().rev().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7F));
        let mut body = &rest[head..head + len];
        messages.push(rmpv::decode::read_value(&mut body).unwrap());
        assert!(body.is_empty());
        rest = &rest[head + len..];
    }
    messages
}

fn binary(peer: &mut Peer) -> Vec<u8> {
    let next = peer.next();
    let Message::Binary(bytes) = next else { panic!("expected a binary message, got {next:?}") };
    bytes.to_vec()
}

fn one(peer: &mut Peer) -> Value {
    let messages = messages(&binary(peer));
    let [message] = messages.as_slice() else { panic!("expected one message: {messages:?}") };
    message.clone()
}

fn opened(hub: &Hub) -> Peer {
    let mut peer = hub.websocket("/rte");
    peer.send(r#"{"protocol":"messagepack","version":1}"#);
    assert_eq!(binary(&mut peer), format!("{{}}{RS}").into_bytes(), "an answer in JSON, in a binary message");
    peer
}

pub fn invocation(id: &str, target: &str, arguments: Vec<Value>) -> Vec<u8> {
    message(vec![1.into(), Value::Map(vec![]), id.into(), target.into(), Value::Array(arguments)])
}

pub fn item(event: &str) -> Value {
    Value::Map(vec![("EntityId".into(), USER.into()), ("EventName".into(), event.into())])
}

#[test]
fn verdicts_publications_pings_and_closes_travel_in_messagepack() {
    let hub = Hub::start();
    let mut peer = opened(&hub);
    peer.send_binary(
        &[message(vec![6.into()]), invocation("0", "subscribe", vec![Value::Array(vec![item("UserStatus")])])].concat(),
    );
    let completion = one(&mut peer);
    let verdict = r#"{"subscribed": true, "message": nil, "entityId": "c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3", "eventName": "userstatus"}"#;
    assert_eq!(completion.to_string(), format!(r#"[3, {{}}, "0", 3, [{verdict}]]"#));

    let status = json!({
        "activeQueues": 2, "available": true, "canBeAllocatedTo": false, "organizationId": ORGANIZATION, "parkedCalls": 0,
        "schedule": true, "serviceTerminals": 1, "serving": true, "servingCallback": true, "talking": false,
        "userId": USER, "wrapUpEnd": "2024-05-31T07:09:30.1234567Z",
    });
    let reply = hub.publish(&json!({ "eventName": "UserStatus", "data": status }).to_string());
    assert_eq!(reply.status, 202, "{}", reply.body);
    let received = one(&mut peer);
    let argument = &received[4][0];
    assert_eq!(received[3].as_str(), Some("MessageReceived"));
    assert_eq!(argument["subscription"]["eventName"].as_str(), Some("userstatus"));
    assert_eq!(argument["data"]["activeQueues"].as_u64(), Some(2));
    let instant = (123_456_700_u64 << 34 | 1_717_139_370).to_be_bytes();
    assert_eq!(argument["data"]["wrapUpEnd"], Value::Ext(-1, instant.to_vec()), "a timestamp");

    peer.send_binary(&invocation("1", "Nope", vec![]));
    let error = "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.";
    assert_eq!(one(&mut peer).to_string(), format!(r#"[3, {{}}, "1", 1, "{error}"]"#));
    peer.send_binary(&message(vec![7.into(), Value::Nil]));
    assert_eq!(one(&mut peer).to_string(), "[7, nil, false]");
    peer.assert_closed(1000);
}

#[test]
fn messages_cut_anywhere_and_several_at_once_are_answered_in_order() {
    let hub = Hub::start();
    let mut peer = hub.websocket("/rte");
    let asked = [invocation("a", "UnsubscribeAll", vec![]), invocation("b", "GetActiveSubscriptions", vec![])].concat();
    let stream = [format!("{{\"protocol\":\"messagepack\",\"version\":1}}{RS}").into_bytes(), asked].concat();
    stream.chunks(7).for_each(|piece| peer.send_binary(piece));
    assert_eq!(binary(&mut peer), b"{}\x1e", "alone in its message");
    let mut answers = Vec::new();
    while answers.len() < 2 {
        answers.extend(messages(&binary(&mut peer)).iter().map(Value::to_string));
    }
    assert_eq!(answers, [r#"[3, {}, "a", 3, true]"#, r#"[3, {}, "b", 3, []]"#]);
}

#[test]
fn a_broken_message_and_one_too_long_close_the_connection_with_a_word() {
    let hub = Hub::start_with(&["limits.record_bytes_max=4096"]);
    for (bytes, word) in [
        (message(vec!["Subscribe".into()]), "malformed_message: a record was no hub message"),
        (vec![0xFF, 0xFF, 0x03], "message_too_long: "),
        (vec![0xFF; 5], "message_too_long: "),
    ] {
        let mut peer = opened(&hub);
        peer.send_binary(&bytes);
        let close = one(&mut peer);
        assert_eq!((close[0].as_u64(), close[2].as_bool()), (Some(7), Some(true)), "{close}");
        assert!(close[1].as_str().unwrap().starts_with(word), "{close}");
        peer.assert_closed(1000);
    }
    assert_eq!(hub.metric("rte_connections_closed_total{reason=\"malformed_message\"} "), 1.0);
}
