//! WebSocket frames: in pieces as whole, and as tungstenite reads them.

use super::pieces::pieces;
use super::transcript::Transcript;
use crate::proto::Status;
use crate::proto::ws::decode::{Decoder, FrameError, Piece};
use std::io::{self, Read, Write};
use tungstenite::Error;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

/// What a peer said, message by message.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// How a peer's bytes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// In the middle, or between two messages.
    Open,
    Closed,
    Refused(FrameError),
}

/// Frames that arrive in pieces say what the whole says, and what tungstenite hears in the same
/// bytes, or both refuse them.
///
/// # Panics
/// The decoder is wrong.
pub fn ws_frames(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((input, pieces)) = pieces(data, transcript) else { return };
    let whole = hear([input].into_iter());
    transcript.say(|| format!("{whole:#?}"));
    assert_eq!(hear(pieces), whole, "in pieces and whole");
    let (mut said, end) = whole;
    // Registered with IANA after the RFC; tungstenite takes it for a violation, and says so by 1002
    // in its place.
    if let Some(Said::Close(code @ Some(1014))) = said.last_mut() {
        *code = Some(1002);
    }
    let (heard, heard_end) = hear_by_tungstenite(input);
    match end {
        // Three rules of the RFC that tungstenite leaves alone.
        End::Refused(FrameError {
            message:
                "payload length not in its shortest form" | "payload length out of range" | "close code not allowed",
            ..
        }) => assert!(heard.starts_with(&said), "{said:?} {heard:?}"),
        // tungstenite waits for a whole frame before it judges it.
        End::Refused(error) => {
            assert_eq!(said, heard);
            assert!(heard_end != Some(End::Closed), "{error:?} is no error to tungstenite");
        }
        End::Open | End::Closed => {
            assert_eq!(said, heard);
            assert_eq!(Some(end), heard_end, "{heard:?}");
        }
    }
}

fn hear<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> (Vec<Said>, End) {
    let (mut decoder, mut said, mut kept, mut message) = (Decoder::default(), Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut rest = kept.as_mut_slice();
        loop {
            let used = match decoder.decode(rest) {
                Err(error) => return (said, End::Refused(error)),
                Ok(Status::Partial) => break,
                Ok(Status::Complete((piece, used))) => {
                    said.extend(take(piece, &mut message));
                    used
                }
            };
            if let Some(Said::Close(_)) = said.last() {
                return (said, End::Closed);
            }
            assert!(used > 0, "a step without progress");
            rest = rest.get_mut(used..).unwrap_or_default();
        }
        assert!(rest.len() < 14 + 125, "more is kept than a header and a control frame");
        kept = rest.to_vec();
    }
    (said, End::Open)
}

/// Returns what a piece completes, given what came of its message so far.
fn take(piece: Piece<'_>, message: &mut Vec<u8>) -> Option<Said> {
    match piece {
        Piece::Data { payload, text, end } => {
            message.extend_from_slice(payload);
            let said = if text { Said::Text } else { Said::Binary };
            end.then(|| said(std::mem::take(message)))
        }
        Piece::Ping(payload) => Some(Said::Ping(payload.to_vec())),
        Piece::Pong => Some(Said::Pong),
        Piece::Close(code) => Some(Said::Close(code)),
    }
}

/// A peer whose bytes are all there, and who takes any answer.
struct Peer<'i>(&'i [u8]);

impl Read for Peer<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the same by tungstenite; no end where it refuses.
fn hear_by_tungstenite(input: &[u8]) -> (Vec<Said>, Option<End>) {
    // A frame or message beyond the input's own length never becomes whole, so these bounds change
    // no verdict.
    let bound = Some(input.len());
    let config = WebSocketConfig::default().read_buffer_size(64).max_frame_size(bound).max_message_size(bound);
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut peer = Peer(input);
    let mut heard = Vec::new();
    loop {
        match context.read(&mut peer) {
            Ok(Message::Text(text)) => heard.push(Said::Text(text.as_bytes().to_vec())),
            Ok(Message::Binary(bytes)) => heard.push(Said::Binary(bytes.to_vec())),
            Ok(Message::Ping(payload)) => heard.push(Said::Ping(payload.to_vec())),
            Ok(Message::Pong(_)) => heard.push(Said::Pong),
            Ok(Message::Close(frame)) => {
                heard.push(Said::Close(frame.map(|frame| frame.code.into())));
                return (heard, Some(End::Closed));
            }
            Err(
                Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
                | Error::Capacity(CapacityError::MessageTooLong { .. }),
            ) => return (heard, Some(End::Open)),
            Ok(Message::Frame(_)) | Err(_) => return (heard, None),
        }
    }
}
