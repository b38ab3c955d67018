//! How hub messages are written for a connection: SignalR's hub protocol, and what the transport
//! puts around each message.
//!
//! A further pair is a variant here and an arm in each method. What is made of a publication is
//! made once per [`Form`], and each form has a lane of the arena, so that the frames of a member
//! are adjacent whoever else is served.

use super::position::Stamp;
use super::publication::{EventTraits, Payload};
use super::topic::Topic;
use super::transcode::Transcoded;
use crate::proto::signalr::message::{Place, ServerMessage};
use crate::proto::signalr::protocol::HubProtocol;
use crate::proto::signalr::transport::Transport;
use crate::proto::sse;
use crate::proto::ws::encode::{self, Opcode};

/// A hub protocol and a wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON, each message in a WebSocket text frame.
    #[default]
    JsonText,
    /// JSON records as they are, one behind the other.
    JsonBare,
    /// MessagePack, each message in a WebSocket binary frame.
    MessagePackBinary,
    /// MessagePack as it is, one message behind the other.
    MessagePackBare,
    /// JSON, each message an event of a stream.
    JsonEvent,
}

impl Encoding {
    /// All encodings, in the order of their numbers.
    pub(crate) const ALL: [Encoding; 5] = [
        Encoding::JsonText,
        Encoding::JsonBare,
        Encoding::MessagePackBinary,
        Encoding::MessagePackBare,
        Encoding::JsonEvent,
    ];

    /// Its place in [`Encoding::ALL`], for tables.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The hub protocol.
    pub(crate) fn protocol(self) -> HubProtocol {
        match self {
            Encoding::JsonText | Encoding::JsonBare | Encoding::JsonEvent => HubProtocol::Json,
            Encoding::MessagePackBinary | Encoding::MessagePackBare => HubProtocol::MessagePack,
        }
    }

    /// The transport whose wrapping it is.
    pub(crate) fn transport(self) -> Transport {
        match self {
            Encoding::JsonText | Encoding::MessagePackBinary => Transport::WebSockets,
            Encoding::JsonBare | Encoding::MessagePackBare => Transport::LongPolling,
            Encoding::JsonEvent => Transport::ServerSentEvents,
        }
    }

    /// JSON in the wrapping of a transport.
    pub(crate) fn of(transport: Transport) -> Encoding {
        match transport {
            Transport::WebSockets => Encoding::JsonText,
            Transport::LongPolling => Encoding::JsonBare,
            Transport::ServerSentEvents => Encoding::JsonEvent,
        }
    }

    /// The same transport's wrapping, for another hub protocol; nothing where the transport carries
    /// texts only.
    pub(crate) fn with_protocol(self, protocol: HubProtocol) -> Option<Encoding> {
        match (self.transport(), protocol) {
            (transport, HubProtocol::Json) => Some(Encoding::of(transport)),
            (Transport::WebSockets, HubProtocol::MessagePack) => Some(Encoding::MessagePackBinary),
            (Transport::LongPolling, HubProtocol::MessagePack) => Some(Encoding::MessagePackBare),
            (Transport::ServerSentEvents, HubProtocol::MessagePack) => None,
        }
    }

    /// Appends one hub message.
    pub(crate) fn encode(self, message: &ServerMessage<'_>, out: &mut Vec<u8>) {
        self.wrap(out, |out| self.protocol().encode(message, out));
    }

    /// Appends what `write` writes, in this encoding's wrapping.
    pub(crate) fn wrap(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Encoding::JsonText => encode::frame_around(Opcode::Text, out, write),
            Encoding::MessagePackBinary => encode::frame_around(Opcode::Binary, out, write),
            Encoding::JsonBare | Encoding::MessagePackBare => write(out),
            Encoding::JsonEvent => sse::event_around(out, write),
        }
    }
}

/// What a member is sent of a publication: in which encoding, and whether with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The connection's.
    pub encoding: Encoding,
    /// Whether the subscription asked for positions.
    pub positioned: bool,
}

impl Form {
    /// How many there are.
    pub const COUNT: usize = 2 * Encoding::ALL.len();

    /// Its number, for tables.
    pub fn index(self) -> usize {
        2 * self.encoding.index() + usize::from(self.positioned)
    }

    /// Appends a publication. The same arguments make the same bytes, whenever they are asked for.
    pub fn encode(
        self,
        topic: &Topic,
        event: EventTraits<'_>,
        stamp: Option<Stamp>,
        data: Payload<'_>,
        out: &mut Vec<u8>,
    ) {
        let EventTraits { lower, is_last, instants, .. } = event;
        let stamp = stamp.filter(|_| self.positioned);
        let token = stamp.map(|stamp| stamp.of(topic.organization).token());
        let position = token.as_ref().zip(stamp).map(|(token, stamp)| Place { token, at: stamp.at });
        let message = ServerMessage::MessageReceived {
            entity: topic.entity,
            event_name: lower,
            data: &Transcoded { json: data.bytes(), instants: instants.map(|instants| &**instants) },
            is_last,
            position,
        };
        self.encoding.encode(&message, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::EventId;
    use uuid::Uuid;

    #[test]
    fn every_form_has_its_own_number() {
        let forms =
            Encoding::ALL.into_iter().flat_map(|encoding| [false, true].map(|positioned| (encoding, positioned)));
        let numbers = forms.map(|(encoding, positioned)| Form { encoding, positioned }.index());
        assert!(numbers.eq(0..Form::COUNT));
    }

    #[test]
    fn a_text_frame_is_a_header_before_the_bare_record() {
        let topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };
        let made = |encoding: Encoding| {
            let mut out = b"before".to_vec();
            let form = Form { encoding, positioned: false };
            let event = EventTraits { lower: "useralert", is_state: false, is_last: false, instants: None };
            form.encode(&topic, event, None, Payload::Borrowed(b"{}"), &mut out);
            out
        };
        let mut bare = made(Encoding::JsonBare);
        assert!(bare.ends_with(b"}\x1e"));
        let mut framed = b"before".to_vec();
        encode::frame(Opcode::Text, &bare.split_off(6), &mut framed);
        assert_eq!(made(Encoding::JsonText), framed);
    }
}
