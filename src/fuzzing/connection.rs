//! Whole connections: bytes into a shard, through HTTP, upgrade, handshake and hub; what comes out
//! is read by others' readers, and is the same however the bytes arrive.

use super::naive;
use super::pieces::{cut, pieces};
use super::script::{self, Line, Stage};
use super::transcript::Transcript;
use crate::proto::signalr::framing::Records;
use crate::proto::signalr::handshake::ACCEPTED;
use crate::proto::signalr::protocol::HubProtocol;
use crate::proto::sse::MEDIA_TYPE;
use serde_json::Value;
use std::io::{self, Read, Write};
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

const SEPARATOR: char = '\u{1e}';

/// An input is a script, see `script::read`. What each peer hears is replies that `httparse`
/// reads, and behind an upgrade frames that tungstenite reads, with whole records in them, of the
/// types that a hub sends; or the events of a stream, with one record each. Its bytes in pieces
/// have the effect of the whole lines, unless a request or a frame is refused: of what will be,
/// more is known when more of it is there. So is how much a poll is answered.
///
/// # Panics
/// The hub is wrong.
pub fn connection(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((input, _)) = pieces(data, transcript) else { return };
    let script = script::read(input);
    let whole = played(&script, || usize::MAX);
    for peer in whole.peers() {
        transcript.say(|| format!("{} hears: \"{}\"", char::from(peer.letter), peer.heard.escape_ascii()));
        transcript
            .say(|| peer.closed.map_or("and stays connected".to_owned(), |cut| format!("and is closed: {cut:?}")));
    }
    // Of all, so that all is read.
    let mut is_settled = true;
    for peer in whole.peers() {
        is_settled &= !is_refused(&peer.heard) && memchr::memmem::find(&peer.heard, POLLED).is_none();
    }
    if !is_settled {
        return;
    }
    let mut sizes =
        cut(data).into_iter().flat_map(|(_, pieces)| pieces.map(<[u8]>::len)).collect::<Vec<_>>().into_iter().cycle();
    let in_pieces = played(&script, || sizes.next().unwrap_or(1));
    assert_eq!(whole.peers().len(), in_pieces.peers().len(), "in pieces and whole");
    for (one, other) in whole.peers().iter().zip(in_pieces.peers()) {
        assert_eq!(comparable(&one.heard), comparable(&other.heard), "in pieces and whole");
        assert_eq!(one.closed, other.closed, "in pieces and whole");
    }
}

/// What a peer has heard, without the numbers of metrics: what is counted of input that waits
/// depends on how it arrives.
fn comparable(heard: &[u8]) -> String {
    let text = heard.escape_ascii().to_string();
    if !text.contains("rte_build_info") {
        return text;
    }
    let numbered = |line: &&str| line.starts_with("rte_") || line.starts_with("Content-Length:");
    let lines = text.split("\\n").map(|line| match line.rsplit_once(' ').filter(|_| numbered(&line)) {
        Some((name, _)) => name,
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn played(script: &[Line], mut piece_bytes: impl FnMut() -> usize) -> Stage {
    let mut stage = Stage::new(script::small_limits());
    script.iter().for_each(|line| stage.play(line, &mut piece_bytes));
    stage
}

/// What a request is answered that cannot be read, or not in time, before its connection ends.
const REFUSALS: [u16; 6] = [400, 408, 413, 431, 501, 505];

/// What marks the answer to a poll.
const POLLED: &[u8] = b"Content-Type: application/octet-stream";

/// Reads all that a peer has heard; whether a request of it was refused.
fn is_refused(heard: &[u8]) -> bool {
    let (mut rest, mut is_refused) = (heard, false);
    while !rest.is_empty() {
        let mut room = [httparse::EMPTY_HEADER; 32];
        let mut reply = httparse::Response::new(&mut room);
        let Ok(httparse::Status::Complete(len)) = reply.parse(rest) else {
            unreachable!("no reply: {:?}", rest.escape_ascii().to_string());
        };
        rest = rest.get(len..).unwrap_or_default();
        match reply.code {
            Some(101) => return is_refused | ends_refused(rest),
            Some(200) if has_type(&reply, MEDIA_TYPE) => {
                events(rest);
                return is_refused;
            }
            Some(100 | 204 | 304) => {}
            code => {
                is_refused |= code.is_some_and(|code| REFUSALS.contains(&code));
                rest = behind_body(&reply, rest);
            }
        }
    }
    is_refused
}

/// A reply to HEAD has a length and no body: then the next reply follows, or nothing.
fn behind_body<'h>(reply: &httparse::Response<'_, '_>, rest: &'h [u8]) -> &'h [u8] {
    let length = reply.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    assert!(length.is_some(), "a reply without length: {reply:?}");
    let (body, after) = rest.split_at_checked(length.unwrap_or_default()).unwrap_or((b"", rest));
    let is_head = rest.is_empty() || rest.starts_with(b"HTTP/1.1 ");
    assert!(is_head || body.len() == length.unwrap_or_default(), "a body is cut: {reply:?}");
    let is_json = has_type(reply, "application/json");
    assert!(!has_type(reply, "application/octet-stream") || is_polled(body), "half a message: {reply:?}");
    assert!(is_head || !is_json || serde_json::from_slice::<Value>(body).is_ok(), "a body is no JSON: {reply:?}");
    if is_head { rest } else { after }
}

fn has_type(reply: &httparse::Response<'_, '_>, media_type: &str) -> bool {
    let is_it = |value: &[u8]| value.starts_with(media_type.as_bytes());
    reply.headers.iter().any(|header| header.name.eq_ignore_ascii_case("content-type") && is_it(header.value))
}

/// Whether these are whole messages, of whichever protocol.
fn is_polled(body: &[u8]) -> bool {
    let are_objects = |text: &str| text.split_terminator(SEPARATOR).all(|record| naive::members(record).is_some());
    let is_text = |text: &str| text.is_empty() || text.ends_with(SEPARATOR) && are_objects(text);
    if std::str::from_utf8(body).is_ok_and(is_text) {
        return true;
    }
    let mut body = body.strip_prefix(ACCEPTED).unwrap_or(body).to_vec();
    let (mut records, mut rest) = (Records::default(), body.as_mut_slice());
    while let Ok(Some(message)) = HubProtocol::MessagePack.next_message(&mut records, &mut rest, usize::MAX) {
        assert!(matches!(message, [0x90..=0x9F, ..]), "{message:?} is no array");
    }
    !records.is_partial()
}

/// Reads all of a stream: each event has one line, with one record.
fn events(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|_| unreachable!("a stream is text"));
    let mut is_greeted = false;
    let stream = text.strip_prefix(":\r\n");
    assert!(stream.is_some_and(|events| events.is_empty() || events.ends_with("\r\n\r\n")), "half an event: {text:?}");
    for event in stream.unwrap_or_default().split_terminator("\r\n\r\n") {
        let data = event.strip_prefix("data: ").filter(|data| !data.contains(['\r', '\n']));
        assert!(data.is_some(), "no event: {event:?}");
        records(data.unwrap_or_default(), &mut is_greeted);
    }
}

/// A socket from which nothing more comes, and which takes any answer.
struct Silence;

impl Read for Silence {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Silence {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a WebSocket is closed with whose frames cannot be read: protocol error, and text that is no
/// UTF-8. What came before that in the same frame has an effect only where it arrives sooner.
const FAULTS: [u16; 2] = [1002, 1007];

/// Reads all frames; whether those of the peer were refused.
fn ends_refused(bytes: &[u8]) -> bool {
    let config = WebSocketConfig::default();
    let mut socket = WebSocketContext::from_partially_read(bytes.to_vec(), Role::Client, Some(config));
    let mut is_greeted = false;
    loop {
        match socket.read(&mut Silence) {
            Ok(Message::Text(text)) => records(&text, &mut is_greeted),
            Ok(Message::Binary(bytes)) => messages(bytes.to_vec(), &mut is_greeted),
            Ok(Message::Pong(_)) => {}
            Ok(Message::Close(frame)) => return frame.is_some_and(|frame| FAULTS.contains(&frame.code.into())),
            Err(tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                return false;
            }
            other => unreachable!("a hub sends no {other:?}"),
        }
    }
}

/// MessagePack, behind a greeting in JSON: whole messages, each an array.
fn messages(mut bytes: Vec<u8>, is_greeted: &mut bool) {
    if !*is_greeted {
        *is_greeted = true;
        return assert_eq!(bytes, ACCEPTED, "what greets");
    }
    let (mut records, mut rest) = (Records::default(), bytes.as_mut_slice());
    while let Ok(Some(message)) = HubProtocol::MessagePack.next_message(&mut records, &mut rest, usize::MAX) {
        assert!(matches!(message, [0x90..=0x9F, ..]), "{message:?} is no array");
    }
    assert!(!records.is_partial(), "half a message");
}

fn records(text: &str, is_greeted: &mut bool) {
    let records = text.strip_suffix(SEPARATOR);
    assert!(records.is_some(), "half a record: {text:?}");
    for record in records.into_iter().flat_map(|records| records.split(SEPARATOR)) {
        let members = naive::members(record);
        assert!(members.is_some(), "{record:?} is no object");
        let members = members.unwrap_or_default();
        let member = |name: &str| members.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
        if !*is_greeted {
            *is_greeted = true;
            assert!(members.is_empty() || (members.len() == 1 && member("error").is_some()), "{record:?} greets");
            continue;
        }
        match member("type") {
            Some("1") => assert_eq!(member("target"), Some(r#""MessageReceived""#), "{record:?}"),
            Some("3") => assert!(member("invocationId").is_some(), "{record:?}"),
            Some("6" | "7") => {}
            other => unreachable!("a hub sends no {other:?}: {record:?}"),
        }
    }
}
