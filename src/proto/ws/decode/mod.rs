//! Frames in.
//!
//! Call [`Decoder::decode`] until it is [`Status::Partial`] or has used all its input; drop what it
//! used; come back when more has arrived. After [`Piece::Close`] or an error nothing more is read
//! (RFC 6455 section 1.4: "After receiving a control frame indicating the connection should be
//! closed, a peer discards any further data received").
//!
//! The header codec is tungstenite's. It reads what the bits say and refuses reserved opcodes only;
//! every rule about what they may say is checked here.

use super::super::Status;
use super::utf8::Utf8;
use crate::broken::broken;
use crate::limits::CONTROL_BYTES_MAX;
use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What one step of the decoder yields.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// Unmasked payload of a data message, as much as has arrived. Empty only for a frame that is
    /// empty itself.
    Data {
        /// The payload; the hub may spoil it.
        payload: &'b mut [u8],
        /// Whether the message was opened as text (opcode 1). Its UTF-8 has been checked so far.
        text: bool,
        /// Whether this is the end of the message.
        end: bool,
    },
    /// A ping; its payload must come back in a pong.
    Ping(&'b [u8]),
    /// A pong, asked for or not.
    Pong,
    /// The peer closes; the code it gave, if any.
    Close(Option<u16>),
}

/// A violation of RFC 6455 by the peer; the connection is failed with `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// 1002 (protocol error) or 1007 (no UTF-8); see RFC 6455 section 7.4.1.
    pub code: u16,
    /// What is wrong, for logs and for the close frame's reason.
    pub message: &'static str,
}

const fn violation(message: &'static str) -> FrameError {
    FrameError { code: 1002, message }
}

const NOT_UTF8: FrameError = FrameError { code: 1007, message: "text is not UTF-8" };

/// Where the decoder is in the peer's frames. Small, and without heap: an idle connection keeps
/// one.
///
/// ```
/// use rte::proto::Status;
/// use rte::proto::ws::decode::{Decoder, Piece};
///
/// // RFC 6455 section 5.7: "Hello" as a masked text frame, and behind it the first byte of another frame.
/// let mut input = vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x81];
/// let mut decoder = Decoder::default();
///
/// let Ok(Status::Complete((event, used))) = decoder.decode(&mut input) else { panic!("a whole frame") };
/// assert_eq!(event, Piece::Data { payload: &mut *b"Hello".to_vec(), text: true, end: true });
/// input.drain(..used);
///
/// // A cut header: keep the byte, and come back when more has arrived.
/// assert!(matches!(decoder.decode(&mut input), Ok(Status::Partial)));
///
/// // A client's frame that is not masked: section 5.1 has the connection failed.
/// let error = Decoder::default().decode(&mut [0x81, 0x01, b'!']).unwrap_err();
/// assert_eq!(error.code, 1002);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    place: Place,
    message: Message,
}

/// An idle connection costs this much, fifty thousand times.
const _: () = assert!(size_of::<Decoder>() <= 32);

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// Before a frame header.
    #[default]
    Header,
    /// Inside the payload of a data frame.
    Payload(Payload),
}

#[derive(Clone, Copy, Debug)]
struct Payload {
    /// Bytes that have not come yet; 0 only in an empty frame that has just been opened.
    missing_bytes: u64,
    /// The masking key, turned so that its first byte is for the next byte of the payload.
    mask: [u8; 4],
    /// Whether the message ends with this frame.
    is_final: bool,
}

/// The data message whose fragments are being read.
#[derive(Clone, Copy, Debug, Default)]
enum Message {
    #[default]
    None,
    Text(Utf8),
    Binary,
}

/// A frame header that has passed every check that needs no knowledge of the frames before it.
struct Header {
    opcode: OpCode,
    payload: Payload,
    /// Bytes of the header itself.
    len: usize,
}

impl Decoder {
    /// Returns whether no frame and no message has begun: it knows nothing that a fresh one
    /// doesn't.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!((self.place, self.message), (Place::Header, Message::None))
    }

    /// Takes one step over `input`: the piece and how many bytes of `input` it used.
    /// [`Status::Partial`] means that a frame header, without a byte of its payload, or a control
    /// frame is cut: keep the rest (at most 14 + 125 bytes) and come back with more.
    ///
    /// # Errors
    /// The peer broke RFC 6455; the decoder must not be used any more.
    pub fn decode<'b>(&mut self, input: &'b mut [u8]) -> Result<Status<(Piece<'b>, usize)>, FrameError> {
        match self.place {
            Place::Payload(payload) => self.data(self.message, payload, input, 0),
            Place::Header => {
                let Status::Complete(header) = parse_header(input)? else { return Ok(Status::Partial) };
                match header.opcode {
                    OpCode::Control(control) => decode_control(control, &header, input),
                    OpCode::Data(data) => self.data(self.open(data)?, header.payload, input, header.len),
                }
            }
        }
    }

    /// Returns the message that a data frame belongs to.
    fn open(&self, opcode: Data) -> Result<Message, FrameError> {
        // RFC 6455 section 5.4: "A fragmented message consists of a single frame with the FIN bit
        // clear and an opcode other than 0, followed by zero or more frames with the FIN bit clear
        // and the opcode set to 0, and terminated by a single frame with the FIN bit set and an
        // opcode of 0."
        match (opcode, self.message) {
            (Data::Text, Message::None) => Ok(Message::Text(Utf8::default())),
            (Data::Binary, Message::None) => Ok(Message::Binary),
            (Data::Continue, Message::None) => Err(violation("continuation without a message")),
            (Data::Continue, message) => Ok(message),
            (Data::Text | Data::Binary, Message::Text(_) | Message::Binary) => {
                Err(violation("message inside a fragmented message"))
            }
            (Data::Reserved(_), _) => Err(RESERVED_OPCODE),
        }
    }

    /// Takes what has arrived of a data frame's payload, behind `header_len` bytes of header in
    /// `input`.
    fn data<'b>(
        &mut self,
        mut message: Message,
        mut payload: Payload,
        input: &'b mut [u8],
        header_len: usize,
    ) -> Result<Status<(Piece<'b>, usize)>, FrameError> {
        let arrived = input.get_mut(header_len..).unwrap_or_else(|| broken("a header that was read is in the input"));
        if arrived.is_empty() && payload.missing_bytes > 0 {
            return Ok(Status::Partial);
        }
        let len = usize::try_from(payload.missing_bytes).map_or(arrived.len(), |missing| missing.min(arrived.len()));
        let bytes = arrived.get_mut(..len).unwrap_or_else(|| broken("no more is taken than has arrived"));
        // RFC 6455 section 6.2: "A server MUST remove masking for data frames received from a
        // client".
        unmask(bytes, payload.mask);
        payload.mask.rotate_left(len % 4);
        payload.missing_bytes = payload.missing_bytes.saturating_sub(len as u64);
        let ends_frame = payload.missing_bytes == 0;
        let end = ends_frame && payload.is_final;
        // RFC 6455 section 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds
        // that the byte stream is not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the
        // WebSocket Connection_." Section 5.6: "a particular text frame might include a partial
        // UTF-8 sequence; however, the whole message MUST contain valid UTF-8."
        if let Message::Text(utf8) = &mut message
            && (!utf8.extend(bytes) || end && !utf8.is_complete())
        {
            return Err(NOT_UTF8);
        }
        let text = matches!(message, Message::Text(_));
        self.place = if ends_frame { Place::Header } else { Place::Payload(payload) };
        self.message = if end { Message::None } else { message };
        Ok(Status::Complete((Piece::Data { payload: bytes, text, end }, header_len + len)))
    }
}

const RESERVED_OPCODE: FrameError = violation("reserved opcode");

fn parse_header(input: &[u8]) -> Result<Status<Header>, FrameError> {
    let mut cursor = Cursor::new(input);
    let (header, payload_len) = match FrameHeader::parse(&mut cursor) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return Ok(Status::Partial),
        // RFC 6455 section 5.2: "If an unknown opcode is received, the receiving endpoint MUST
        // _Fail the WebSocket Connection_." Nothing else makes the codec fail.
        Err(_) => return Err(RESERVED_OPCODE),
    };
    // RFC 6455 section 5.2: "MUST be 0 unless an extension is negotiated that defines meanings for
    // non-zero values."
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(violation("reserved bit set"));
    }
    // RFC 6455 section 5.1: "The server MUST close the connection upon receiving a frame that is
    // not masked."
    let Some(mask) = header.mask else {
        return Err(violation("frame without a mask"));
    };
    // RFC 6455 section 5.2: "the following 8 bytes interpreted as a 64-bit unsigned integer (the
    // most significant bit MUST be 0) are the payload length."
    if payload_len > i64::MAX as u64 {
        return Err(violation("payload length out of range"));
    }
    // RFC 6455 section 5.2: "in all cases, the minimal number of bytes MUST be used to encode the
    // length".
    let len = header.len(payload_len);
    if cursor.position() != len as u64 {
        return Err(violation("payload length not in its shortest form"));
    }
    let payload = Payload { missing_bytes: payload_len, mask, is_final: header.is_final };
    Ok(Status::Complete(Header { opcode: header.opcode, payload, len }))
}

fn decode_control<'b>(
    control: Control,
    header: &Header,
    input: &'b mut [u8],
) -> Result<Status<(Piece<'b>, usize)>, FrameError> {
    // RFC 6455 section 5.5: "All control frames MUST have a payload length of 125 bytes or less and
    // MUST NOT be fragmented."
    if !header.payload.is_final {
        return Err(violation("fragmented control frame"));
    }
    let Some(payload_len) =
        usize::try_from(header.payload.missing_bytes).ok().filter(|&payload_len| payload_len <= CONTROL_BYTES_MAX)
    else {
        return Err(violation("control frame too long"));
    };
    let used = header.len + payload_len;
    let Some(payload) = input.get_mut(header.len..used) else { return Ok(Status::Partial) };
    unmask(payload, header.payload.mask);
    let piece = match control {
        Control::Ping => Piece::Ping(payload),
        Control::Pong => Piece::Pong,
        Control::Close => Piece::Close(close_code(payload)?),
        Control::Reserved(_) => return Err(RESERVED_OPCODE),
    };
    Ok(Status::Complete((piece, used)))
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameError> {
    // RFC 6455 section 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte
    // unsigned integer (in network byte order) representing a status code". "Following the 2-byte
    // integer, the body MAY contain UTF-8-encoded data".
    match payload {
        [] => Ok(None),
        [_] => Err(violation("close code cut")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_close_code(code) {
                return Err(violation("close code not allowed"));
            }
            if simdutf8::basic::from_utf8(reason).is_err() {
                return Err(NOT_UTF8);
            }
            Ok(Some(code))
        }
    }
}

/// Returns whether the code may stand in a close frame. RFC 6455 section 7.4: 0-999 "are not used",
/// 1004 is reserved, 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control
/// frame", 1016-2999 are reserved, 3000-4999 are for libraries and applications. 1012 to 1014 came
/// later, through the IANA registry that the RFC founds.
fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// RFC 6455 section 5.3: each byte is XORed with the byte of the masking key "at index i modulo 4".
/// Sixteen bytes at a time become one vector instruction.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u128::from_ne_bytes([a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]);
    let (chunks, tail) = payload.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests;
