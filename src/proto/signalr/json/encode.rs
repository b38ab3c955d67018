//! What the hub sends: records as a .NET server writes them, members in its order, absent ones left
//! out. Nothing here allocates but to make `out` longer.

use super::string::encode_str;
use crate::proto::signalr::framing::SEPARATOR;
use crate::proto::signalr::message::{Place, ServerMessage};
use crate::proto::signalr::protocol::HubProtocol;
use crate::proto::signalr::value::{Value, Writer};
use uuid::Uuid;

/// Appends the record of a message, with its separator.
pub(crate) fn encode(message: &ServerMessage<'_>, out: &mut Vec<u8>) {
    match *message {
        ServerMessage::MessageReceived { entity, event_name, data, is_last, position } => {
            encode_message_received(entity, event_name, data, is_last, position, out);
        }
        ServerMessage::Completion { id, result } => {
            out.extend_from_slice(br#"{"type":3,"invocationId":"#);
            encode_str(id, out);
            match result {
                Ok(value) => {
                    out.extend_from_slice(br#","result":"#);
                    value.write(&mut Writer::new(HubProtocol::Json, out));
                }
                Err(error) => {
                    out.extend_from_slice(br#","error":"#);
                    encode_str(error, out);
                }
            }
        }
        ServerMessage::Ping => out.extend_from_slice(br#"{"type":6"#),
        ServerMessage::Close { error, allow_reconnect } => {
            out.extend_from_slice(br#"{"type":7"#);
            if let Some(error) = error {
                out.extend_from_slice(br#","error":"#);
                encode_str(error, out);
            }
            if allow_reconnect {
                out.extend_from_slice(br#","allowReconnect":true"#);
            }
        }
        ServerMessage::Ack(number) => encode_numbered(br#"{"type":8"#, number, out),
        ServerMessage::Sequence(number) => encode_numbered(br#"{"type":9"#, number, out),
    }
    out.extend_from_slice(&[b'}', SEPARATOR]);
}

fn encode_numbered(start: &[u8], number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(start);
    out.extend_from_slice(br#","sequenceId":"#);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn encode_message_received(
    entity: Uuid,
    event_name: &str,
    data: &dyn Value,
    is_last: bool,
    position: Option<Place<'_>>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"type":1,"target":"MessageReceived","arguments":[{"subscription":{"entityId":""#);
    out.extend_from_slice(entity.hyphenated().encode_lower(&mut [0; uuid::fmt::Hyphenated::LENGTH]).as_bytes());
    out.extend_from_slice(br#"","eventName":"#);
    encode_str(event_name, out);
    out.extend_from_slice(br#"},"data":"#);
    data.write(&mut Writer::new(HubProtocol::Json, out));
    if is_last {
        out.extend_from_slice(br#","last":true"#);
    }
    if let Some(Place { token, at }) = position {
        out.extend_from_slice(br#","position":""#);
        out.extend_from_slice(token);
        out.extend_from_slice(br#"","at":""#);
        at.encode_rfc3339(out);
        out.push(b'"');
    }
    out.extend_from_slice(b"}]");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;

    fn text(message: &ServerMessage<'_>) -> String {
        let mut out = Vec::new();
        encode(message, &mut out);
        String::from_utf8(out).expect("a record is text")
    }

    #[test]
    fn records_are_those_of_dotnet() {
        let close = |error, allow_reconnect| text(&ServerMessage::Close { error, allow_reconnect });
        assert_eq!(text(&ServerMessage::Ping), "{\"type\":6}\x1e");
        assert_eq!(
            text(&ServerMessage::Completion { id: "0", result: Ok(&None::<bool>) }),
            "{\"type\":3,\"invocationId\":\"0\",\"result\":null}\x1e"
        );
        assert_eq!(
            text(&ServerMessage::Completion { id: "a\"1", result: Err("Error") }),
            "{\"type\":3,\"invocationId\":\"a\\\"1\",\"error\":\"Error\"}\x1e"
        );
        assert_eq!(text(&ServerMessage::Ack(300)), "{\"type\":8,\"sequenceId\":300}\x1e");
        assert_eq!(text(&ServerMessage::Sequence(1)), "{\"type\":9,\"sequenceId\":1}\x1e");
        assert_eq!(close(None, false), "{\"type\":7}\x1e");
        assert_eq!(close(Some("x"), false), "{\"type\":7,\"error\":\"x\"}\x1e");
        assert_eq!(close(None, true), "{\"type\":7,\"allowReconnect\":true}\x1e");
        assert_eq!(
            close(Some("Connection closed with an error."), true),
            "{\"type\":7,\"error\":\"Connection closed with an error.\",\"allowReconnect\":true}\x1e"
        );
    }

    #[test]
    fn a_publication_is_one_invocation_without_an_id() {
        struct Sample;

        impl Value for Sample {
            fn write(&self, out: &mut Writer<'_>) {
                out.object(&[("a", &1usize)]);
            }
        }

        let entity = Uuid::from_u128(0xABC);
        let message = |is_last, position| {
            text(&ServerMessage::MessageReceived {
                entity,
                event_name: "queuestatus",
                data: &Sample,
                is_last,
                position,
            })
        };
        let received = |position| message(false, position);
        assert_eq!(
            received(None),
            "{\"type\":1,\"target\":\"MessageReceived\",\"arguments\":[{\"subscription\":{\"entityId\":\
             \"00000000-0000-0000-0000-000000000abc\",\"eventName\":\"queuestatus\"},\"data\":{\"a\":1}}]}\x1e"
        );
        assert!(message(true, None).ends_with("\"data\":{\"a\":1},\"last\":true}]}\x1e"));
        let place = Place { token: b"0a1", at: UnixMs::from_ms(951_782_399_999) };
        assert!(
            received(Some(place))
                .ends_with("\"data\":{\"a\":1},\"position\":\"0a1\",\"at\":\"2000-02-28T23:59:59.999Z\"}]}\x1e")
        );
    }
}
