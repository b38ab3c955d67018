//! RFC 6455 at the socket: the upgrade, frames in pieces, control frames, violations.

use crate::support::{Hub, Peer, RS, UPGRADE, USER, request};
use tungstenite::Message;

const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
const COUNTED: &str =
    "{\"type\":1,\"invocationId\":\"0\",\"target\":\"GetActiveSubscriptions\",\"arguments\":[]}\u{1e}";
const ANSWER: &str = r#"{"type":3,"invocationId":"0","result":[]}"#;

/// A frame as a client must send it: masked, here by a mask that does nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => bytes.push(0x80 | u8::try_from(length).unwrap()),
        Ok(length) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend(u64::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[test]
fn the_upgrade_answers_with_the_accept_key_of_the_rfc_and_nothing_optional() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    let authorization = format!("Authorization: Bearer {}", hub.client_token());
    let offered = ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", authorization.as_str()];
    wire.send(request("GET /rte", &[&UPGRADE[..], &offered].concat(), "").as_bytes());
    let reply = wire.reply_without_body();
    assert_eq!(reply.status, 101);
    assert_eq!(reply.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(reply.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")));
    assert!(reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    assert_eq!(reply.header("sec-websocket-extensions"), None);
    assert_eq!(reply.header("sec-websocket-protocol"), None);
}

#[test]
fn an_upgrade_that_is_none_is_refused() {
    let hub = Hub::start();
    for (at, instead) in [(3, "Sec-WebSocket-Key: short"), (3, "X-Nothing: x"), (2, "Sec-WebSocket-Version: 12")] {
        let mut headers = UPGRADE;
        headers[at] = instead;
        let reply = hub.request_as_client("GET /rte", &headers);
        assert!([400, 426].contains(&reply.status), "{instead}: {reply:?}");
    }
}

#[test]
fn a_handshake_and_what_is_behind_it_may_come_in_the_same_message() {
    let hub = Hub::start();
    let mut peer = hub.websocket("/rte");
    peer.send_text(&format!("{HANDSHAKE}{COUNTED}{COUNTED}"));
    // The answer to the handshake stands in a message of its own, as some clients read no further.
    assert_eq!(peer.message(), format!("{{}}{RS}"));
    assert_eq!([peer.record(), peer.record()], [ANSWER, ANSWER]);
}

#[test]
fn the_bytes_are_a_stream_whatever_the_messages_and_opcodes() {
    let hub = Hub::start();
    let mut peer = hub.websocket("/rte");
    for piece in HANDSHAKE.as_bytes().chunks(7) {
        peer.send_binary(piece);
    }
    assert_eq!(peer.record(), "{}");
    let (head, tail) = COUNTED.split_at(20);
    peer.send_text(head);
    peer.send_text("");
    peer.send_binary(format!("{tail}{head}").as_bytes());
    peer.send_text(tail);
    assert_eq!([peer.record(), peer.record()], [ANSWER, ANSWER]);
}

#[test]
fn fragments_are_joined_with_control_frames_between_them_and_in_single_bytes() {
    let hub = Hub::start();
    let mut peer = hub.client();
    let text = "{\"type\":1,\"invocationId\":\"ä€🎉\",\"target\":\"GetActiveSubscriptions\",\"arguments\":[]}\u{1e}"
        .as_bytes();
    // Cut within a character, which RFC 6455 section 5.6 allows.
    let cut = text.iter().position(|&byte| byte == 0xe2).unwrap() + 1;
    let bytes =
        [frame(0x01, &text[..cut]), frame(0x89, b"between"), frame(0x00, &[]), frame(0x80, &text[cut..])].concat();
    for byte in bytes {
        peer.send_raw(&[byte]);
    }
    assert_eq!(peer.next(), Message::Pong(b"between".to_vec().into()));
    assert_eq!(peer.record(), r#"{"type":3,"invocationId":"ä€🎉","result":[]}"#);
}

#[test]
fn a_ping_is_answered_with_its_own_payload_even_before_the_handshake() {
    let hub = Hub::start();
    let mut peer = hub.websocket("/rte");
    peer.ping(b"early");
    assert_eq!(peer.next(), Message::Pong(b"early".to_vec().into()));
    peer.send_text(HANDSHAKE);
    assert_eq!(peer.record(), "{}");
    peer.ping(&[7; 125]);
    assert_eq!(peer.next(), Message::Pong(vec![7; 125].into()));
    peer.ping(b"");
    assert_eq!(peer.next(), Message::Pong(Vec::new().into()));
}

#[test]
fn violations_of_the_rfc_are_answered_with_their_close_code() {
    let hub = Hub::start();
    let unmasked = b"\x81\x02{}".to_vec();
    let mut long_ping = frame(0x89, &[0; 126]);
    long_ping.truncate(8);
    let table = [
        ("a frame without a mask", unmasked, 1002),
        ("a reserved bit", frame(0xc1, b"{}"), 1002),
        ("a reserved opcode", frame(0x83, b"{}"), 1002),
        ("a reserved control opcode", frame(0x8b, b""), 1002),
        ("a continuation of nothing", frame(0x80, b"{}"), 1002),
        ("a message within a message", [frame(0x01, b"{"), frame(0x81, b"}")].concat(), 1002),
        ("a control frame in fragments", frame(0x09, b""), 1002),
        ("a control frame of 126 bytes", long_ping, 1002),
        ("a close of one byte", frame(0x88, b"\x03"), 1002),
        ("a close code that nobody sends", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("text that is no UTF-8", frame(0x81, b"\xff"), 1007),
        ("text that ends within a character", frame(0x81, b"\xe2\x82"), 1007),
        ("a surrogate, across fragments", [frame(0x01, b"\xed"), frame(0x80, b"\xa0\x80")].concat(), 1007),
        ("a close reason that is no UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
    ];
    for (what, bytes, code) in table {
        let mut peer = hub.client();
        peer.send_raw(&bytes);
        let closed = close_code(&mut peer);
        assert_eq!(closed, Some(code), "{what}");
    }
    assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
}

/// The code of the close that comes, behind hub messages if there are any.
fn close_code(peer: &mut Peer) -> Option<u16> {
    loop {
        let next = peer.next();
        if let Message::Close(frame) = next {
            return frame.map(|frame| frame.code.into());
        }
        assert!(next.is_text(), "expected a close, got {next:?}");
    }
}

#[test]
fn a_close_of_the_client_is_answered_with_1000_whatever_its_code() {
    let hub = Hub::start();
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe9going", b"\x0f\xa0"] {
        let mut peer = hub.client();
        peer.send_raw(&frame(0x88, payload));
        peer.assert_closed(1000);
    }
}

#[test]
fn a_client_that_vanishes_at_any_byte_leaves_the_hub_whole() {
    let hub = Hub::start();
    let mut watcher = hub.client();
    let pair = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserStatus"}}]]"#);
    let handshake = frame(0x81, HANDSHAKE.as_bytes());
    let subscribe = format!(r#"{{"type":1,"invocationId":"0","target":"Subscribe","arguments":{pair}}}{RS}"#);
    let conversation = [handshake, frame(0x81, subscribe.as_bytes()), frame(0x88, b"\x03\xe8")].concat();
    for length in 0..conversation.len() {
        let mut peer = hub.websocket("/rte");
        peer.send_raw(&conversation[..length]);
    }
    assert_eq!(watcher.invoke("GetActiveSubscriptions", "[]"), r#"{"type":3,"invocationId":"i","result":[]}"#);
    drop(watcher);
    // The ends are noticed when the sockets say so; the last of them is known to be over when
    // nothing is counted any more. The last connection is the one that asks.
    let gone = (0..20_000).any(|_| hub.metric("rte_subscriptions ") < 0.5 && hub.metric("rte_connections ") < 1.5);
    assert!(gone, "{}", hub.request("GET /metrics", &[], "").body);
}
