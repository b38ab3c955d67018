//! What the hub sends: messages as a .NET server writes them.

use super::framing::prefixed;
use super::write;
use crate::proto::signalr::message::{Place, ServerMessage};
use crate::proto::signalr::protocol::HubProtocol;
use crate::proto::signalr::value::{Value, Writer};
use uuid::Uuid;

/// Appends a message, behind its length.
pub(crate) fn encode(message: &ServerMessage<'_>, out: &mut Vec<u8>) {
    prefixed(out, |out| match *message {
        ServerMessage::MessageReceived { entity, event_name, data, is_last, position } => {
            encode_message_received(entity, event_name, data, is_last, position, out);
        }
        ServerMessage::Completion { id, result } => {
            write::array(5, out);
            write::unsigned(3, out);
            write::map(0, out);
            write::text(id, out);
            match result {
                Ok(value) => {
                    write::unsigned(3, out);
                    value.write(&mut Writer::new(HubProtocol::MessagePack, out));
                }
                Err(error) => {
                    write::unsigned(1, out);
                    write::text(error, out);
                }
            }
        }
        ServerMessage::Ping => {
            write::array(1, out);
            write::unsigned(6, out);
        }
        ServerMessage::Close { error, allow_reconnect } => {
            write::array(3, out);
            write::unsigned(7, out);
            match error {
                Some(error) => write::text(error, out),
                None => write::nil(out),
            }
            write::bool(allow_reconnect, out);
        }
        ServerMessage::Ack(number) => encode_numbered(8, number, out),
        ServerMessage::Sequence(number) => encode_numbered(9, number, out),
    });
}

fn encode_numbered(message_type: u64, number: u64, out: &mut Vec<u8>) {
    write::array(2, out);
    write::unsigned(message_type, out);
    write::unsigned(number, out);
}

/// Six elements, without an id: signalrcore looks at the sixth.
fn encode_message_received(
    entity: Uuid,
    event_name: &str,
    data: &dyn Value,
    is_last: bool,
    position: Option<Place<'_>>,
    out: &mut Vec<u8>,
) {
    write::array(6, out);
    write::unsigned(1, out);
    write::map(0, out);
    write::nil(out);
    write::text("MessageReceived", out);
    write::array(1, out);
    write::map(2 + usize::from(is_last) + 2 * usize::from(position.is_some()), out);
    write::text("subscription", out);
    write::map(2, out);
    write::text("entityId", out);
    write::text(entity.hyphenated().encode_lower(&mut [0; uuid::fmt::Hyphenated::LENGTH]), out);
    write::text("eventName", out);
    write::text(event_name, out);
    write::text("data", out);
    data.write(&mut Writer::new(HubProtocol::MessagePack, out));
    if is_last {
        write::text("last", out);
        write::bool(true, out);
    }
    if let Some(Place { token, at }) = position {
        write::text("position", out);
        write::text(std::str::from_utf8(token).unwrap_or_default(), out);
        write::text("at", out);
        let nanos = u32::try_from(at.ms() % 1_000).unwrap_or_default() * 1_000_000;
        write::timestamp(i64::try_from(at.ms() / 1_000).unwrap_or(i64::MAX), nanos, out);
    }
    write::array(0, out);
}
