//! What the hub sends: records as a .NET server writes them, members in its order, absent ones left
//! out. Nothing here allocates but to make `out` longer.

use crate::proto::signalr::framing::SEPARATOR;

/// What follows the result of a completion.
pub const COMPLETION_END: &[u8] = b"}\x1e";

/// The ping record.
pub const PING: &[u8] = b"{\"type\":6}\x1e";

/// Appends `text` as a JSON string with its quotes.
///
/// Escapes what RFC 8259 section 7 demands (quote, backslash, U+0000 to U+001F) and nothing else,
/// as .NET's relaxed encoder does; the separator 0x1E therefore never stands inside a record.
pub fn encode_str(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, tail)) = tail.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            0x08 => out.extend_from_slice(br"\b"),
            0x0C => out.extend_from_slice(br"\f"),
            control => {
                out.extend_from_slice(br"\u00");
                out.extend([control >> 4, control & 0xF].map(|digit| HEX[usize::from(digit & 0xF)]));
            }
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends `{"type":3,"invocationId":ID,"result":`; the caller appends the JSON of the result and
/// then [`COMPLETION_END`].
pub fn encode_completion_start(id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":3,"invocationId":"#);
    encode_str(id, out);
    out.extend_from_slice(br#","result":"#);
}

/// Appends a whole error completion.
pub fn encode_completion_error(id: &str, error: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":3,"invocationId":"#);
    encode_str(id, out);
    out.extend_from_slice(br#","error":"#);
    encode_str(error, out);
    out.extend_from_slice(COMPLETION_END);
}

/// Appends one item of the result of `Subscribe`, `Unsubscribe` or `GetActiveSubscriptions`; here
/// absent parts are null.
pub fn encode_verdict(
    subscribed: bool,
    message: Option<&str>,
    entity_id: Option<&str>,
    event_name: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(if subscribed {
        br#"{"subscribed":true,"message":"#
    } else {
        br#"{"subscribed":false,"message":"#
    });
    encode_str_or_null(message, out);
    out.extend_from_slice(br#","entityId":"#);
    encode_str_or_null(entity_id, out);
    out.extend_from_slice(br#","eventName":"#);
    encode_str_or_null(event_name, out);
    out.push(b'}');
}

/// Appends the whole invocation that carries a publication to its members. `data` is a JSON value
/// without a raw 0x1E, which is what every validated event is.
pub fn encode_message_received(entity_id: &str, event_name: &str, data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":1,"target":"MessageReceived","arguments":[{"subscription":{"entityId":"#);
    encode_str(entity_id, out);
    out.extend_from_slice(br#","eventName":"#);
    encode_str(event_name, out);
    out.extend_from_slice(br#"},"data":"#);
    out.extend_from_slice(data);
    out.extend_from_slice(b"}]}\x1e");
}

/// Appends a Close record; absent parts are left out, never null.
pub fn encode_close(error: Option<&str>, allow_reconnect: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":7"#);
    if let Some(error) = error {
        out.extend_from_slice(br#","error":"#);
        encode_str(error, out);
    }
    if allow_reconnect {
        out.extend_from_slice(br#","allowReconnect":true"#);
    }
    out.extend_from_slice(&[b'}', SEPARATOR]);
}

fn encode_str_or_null(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => encode_str(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(encode: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        encode(&mut out);
        String::from_utf8(out).expect("a record is text")
    }

    #[test]
    fn strings_escape_what_must_be_and_nothing_else() {
        assert_eq!(text(|out| encode_str("", out)), r#""""#);
        assert_eq!(
            text(|out| encode_str("a\"b\\c/é<>&'+\u{7f}\u{2028}😀", out)),
            "\"a\\\"b\\\\c/é<>&'+\u{7f}\u{2028}😀\""
        );
        assert_eq!(
            text(|out| encode_str("\0\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1e}\u{1f}", out)),
            r#""\u0000\u0001\b\t\n\u000B\f\r\u001E\u001F""#
        );
    }

    #[test]
    fn records_are_those_of_dotnet() {
        assert_eq!(PING, b"{\"type\":6}\x1e");
        assert_eq!(
            text(|out| {
                encode_completion_start("0", out);
                out.extend_from_slice(b"null");
                out.extend_from_slice(COMPLETION_END);
            }),
            "{\"type\":3,\"invocationId\":\"0\",\"result\":null}\x1e"
        );
        assert_eq!(
            text(|out| encode_completion_error("a\"1", "Error", out)),
            "{\"type\":3,\"invocationId\":\"a\\\"1\",\"error\":\"Error\"}\x1e"
        );
        assert_eq!(text(|out| encode_close(None, false, out)), "{\"type\":7}\x1e");
        assert_eq!(text(|out| encode_close(Some("x"), false, out)), "{\"type\":7,\"error\":\"x\"}\x1e");
        assert_eq!(text(|out| encode_close(None, true, out)), "{\"type\":7,\"allowReconnect\":true}\x1e");
        assert_eq!(
            text(|out| encode_close(Some("Connection closed with an error."), true, out)),
            "{\"type\":7,\"error\":\"Connection closed with an error.\",\"allowReconnect\":true}\x1e"
        );
    }

    #[test]
    fn a_publication_is_one_invocation_without_an_id() {
        assert_eq!(
            text(|out| encode_message_received("an-id", "queuestatus", br#"{"a":1}"#, out)),
            "{\"type\":1,\"target\":\"MessageReceived\",\"arguments\":[{\"subscription\":{\"entityId\":\"an-id\",\"eventName\":\
             \"queuestatus\"},\"data\":{\"a\":1}}]}\x1e"
        );
    }

    #[test]
    fn a_verdict_writes_its_nulls() {
        assert_eq!(
            text(|out| encode_verdict(true, None, Some("id"), Some("name"), out)),
            r#"{"subscribed":true,"message":null,"entityId":"id","eventName":"name"}"#
        );
        assert_eq!(
            text(|out| encode_verdict(false, Some("Invalid item"), None, None, out)),
            r#"{"subscribed":false,"message":"Invalid item","entityId":null,"eventName":null}"#
        );
    }

    proptest! {
        #[test]
        fn any_string_comes_back_and_never_holds_a_separator(
            given in proptest::collection::vec(prop_oneof![any::<char>(), (0u8..0x24).prop_map(char::from)], 0..40),
        ) {
            let given = String::from_iter(given);
            let encoded = text(|out| encode_str(&given, out));
            prop_assert!(encoded.bytes().all(|byte| byte >= 0x20));
            prop_assert_eq!(serde_json::from_str::<String>(&encoded).ok(), Some(given));
        }
    }
}
