//! Frames in.

use super::super::Status;

/// One step of the decoder.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// Unmasked payload of a data message, as much as has arrived (never empty unless it ends a message).
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

/// Where the decoder is in the peer's frames. Small, and without heap: an idle connection keeps one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    _place: u8,
}

impl Decoder {
    /// Takes one step over `input`: the event and how many bytes of `input` it used. [`Status::Partial`] means that a frame
    /// header or a control frame is cut: keep the rest (less than 14 + 125 bytes) and come back with more.
    pub fn decode<'b>(&mut self, input: &'b mut [u8]) -> Result<Status<(Event<'b>, usize)>, FrameError> {
        let _ = input;
        Ok(Status::Partial)
    }
}
