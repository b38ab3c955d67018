//! Hub messages in MessagePack: a stream in pieces as whole, and each message as its twin in JSON
//! is read.

use super::hub_json::{DEPTH_MAX, RECORD_BYTES_MAX, Read, read};
use super::pieces::pieces;
use super::transcript::Transcript;
use crate::proto::signalr::codec::Parser;
use crate::proto::signalr::framing::Records;
use crate::proto::signalr::protocol::HubProtocol;

/// Deeper than any message may be.
const TWIN_DEPTH_MAX: usize = 2 * DEPTH_MAX;

/// A stream of messages is cut by their lengths however it arrives. Each is read as the same
/// message in JSON, written by a naive reader.
///
/// # Panics
/// The framing or the parser is wrong.
pub fn hub_messagepack(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((mut whole, pieces)) = pieces(data, transcript) else { return };
    let mut parser = Parser::default();
    let mut records = Records::default();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut rest = piece.as_mut_slice();
        loop {
            let next = HubProtocol::MessagePack.next_message(&mut records, &mut rest, RECORD_BYTES_MAX);
            let Ok(message) = next else {
                assert!(matches!(cut(whole), Cut::TooLong), "a message is short enough");
                return;
            };
            let Some(message) = message else { break };
            let (expected, behind) = match cut(whole) {
                Cut::Whole(expected, behind) => (Some(expected), behind),
                Cut::Partial | Cut::TooLong => (None, whole),
            };
            assert_eq!(Some(&*message), expected, "in pieces and whole");
            whole = behind;
            let twin = twin(message).and_then(|twin| {
                let mut twin = twin.into_bytes();
                parser.parse(HubProtocol::Json, &mut twin, DEPTH_MAX, read).ok()
            });
            let text = message.escape_ascii().to_string();
            let outcome: Option<Read> = parser.parse(HubProtocol::MessagePack, message, DEPTH_MAX, read).ok();
            transcript.say(|| outcome.as_ref().map_or("refused".to_owned(), |read| format!("{read:?}")));
            assert_eq!(outcome, twin, "{text}");
        }
    }
    assert!(matches!(cut(whole), Cut::Partial), "a message has been lost");
    assert_eq!(records.is_partial(), !whole.is_empty());
}

/// What the first bytes of a stream are.
enum Cut<'s> {
    Whole(&'s [u8], &'s [u8]),
    Partial,
    TooLong,
}

fn cut(stream: &[u8]) -> Cut<'_> {
    let head = stream.iter().position(|byte| *byte < 0x80).map_or(stream.len(), |last| last + 1);
    if head > 5 || (stream.len() >= 5 && stream.iter().take(5).all(|byte| *byte >= 0x80)) {
        return Cut::TooLong;
    }
    let Some((length, rest)) = stream.split_at_checked(head).filter(|(length, _)| length.last() < Some(&0x80)) else {
        return Cut::Partial;
    };
    if length.is_empty() {
        return Cut::Partial;
    }
    let len = length.iter().rev().fold(0usize, |len, byte| len << 7 | usize::from(byte & 0x7F));
    if head + len > RECORD_BYTES_MAX {
        return Cut::TooLong;
    }
    rest.split_at_checked(len).map_or(Cut::Partial, |(message, behind)| Cut::Whole(message, behind))
}

/// The message in JSON; nothing where it ends the connection.
fn twin(message: &[u8]) -> Option<String> {
    let (elements, rest) = elements(array(message)?, TWIN_DEPTH_MAX)?;
    let (message_type, elements) = elements.split_first().filter(|_| rest.is_empty())?;
    let names: &[&str] = match message_type.parse::<i32>().ok()? {
        1 | 4 => &["headers", "invocationId", "target", "arguments"],
        2 => &["headers", "invocationId", "item"],
        3 => &["headers", "invocationId", "kind"],
        5 => &["headers", "invocationId"],
        7 => &["error"],
        8 | 9 => &["sequenceId"],
        _ => &[],
    };
    let (given, more) = elements.split_at_checked(names.len())?;
    let mut members: Vec<(&str, &str)> = vec![("type", message_type)];
    members.extend(names.iter().copied().zip(given.iter().map(String::as_str)));
    let (first, behind) = more.split_first().map_or((None, more), |(first, behind)| (Some(first.as_str()), behind));
    let last = match (message_type.as_str(), given.last().map(String::as_str)) {
        ("1" | "4", _) => first.filter(|ids| *ids != "null").map(|ids| ("streamIds", ids)),
        ("3", Some("1")) => Some(("error", first?)),
        ("3", Some("3")) => Some(("result", first?)),
        ("3", Some("2")) => first.map(|more| ("more", more)),
        ("3", _) => return None,
        _ => first.map(|more| ("more", more)),
    };
    if matches!(message_type.as_str(), "1" | "4") && given.last().into_iter().chain(more.first()).any(|it| is_map(it)) {
        return None;
    }
    members.extend(last);
    members.extend(behind.iter().map(|more| ("more", more.as_str())));
    // There is no null in the envelope of a JSON message.
    members.retain(|member| !matches!(member, ("invocationId" | "error", "null")));
    Some(object(members.into_iter().map(|(name, value)| (format!("\"{name}\""), value.to_owned()))))
}

fn object(members: impl Iterator<Item = (String, String)>) -> String {
    format!("{{{}}}", members.map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(","))
}

/// How an array begins that stands for a map with a name that is no text.
const MAP: &str = "[ ";

fn is_map(json: &str) -> bool {
    json.starts_with(MAP)
}

/// How many elements an array has, and what is behind its head.
fn array(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (format, rest) = bytes.split_first()?;
    match format {
        0x90..=0x9F => Some((u64::from(format & 0x0F), rest)),
        0xDC | 0xDD => number(rest, 2 << (format - 0xDC)),
        _ => None,
    }
}

fn number(bytes: &[u8], len: usize) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_at_checked(len)?;
    Some((number.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)), rest))
}

/// One value in JSON, and what is behind it. What JSON has no form for is a fraction, which no
/// member of a message may be.
fn value(bytes: &[u8], depth_left: usize) -> Option<(String, &[u8])> {
    const OTHER: &str = "0.5";
    let (&format, rest) = bytes.split_first()?;
    let opaque = |(len, rest): (u64, &'_ [u8]), more: usize| {
        let behind = usize::try_from(len).ok()?.checked_add(more)?;
        Some((OTHER.to_owned(), bytes.get(bytes.len() - rest.len() + behind..)?))
    };
    let text = |(len, rest): (u64, &'_ [u8])| {
        let start = bytes.len() - rest.len();
        let (text, behind) = bytes.get(start..)?.split_at_checked(usize::try_from(len).ok()?)?;
        Some((serde_json::to_string(std::str::from_utf8(text).ok()?).ok()?, behind))
    };
    let low = |mask: u8| (u64::from(format & mask), rest);
    match format {
        0x00..=0x7F => Some((format.to_string(), rest)),
        0x80..=0x8F => members(low(0x0F), depth_left),
        0xA0..=0xBF => text(low(0x1F)),
        0xC0 => Some(("null".to_owned(), rest)),
        0xC1 => None,
        0xC2 => Some(("false".to_owned(), rest)),
        0xC3 => Some(("true".to_owned(), rest)),
        0xC4..=0xC6 => opaque(number(rest, 1 << (format - 0xC4))?, 0),
        0xC7..=0xC9 => opaque(number(rest, 1 << (format - 0xC7))?, 1),
        0xCA | 0xCB => opaque((0, rest), 4 << (format - 0xCA)),
        0xCC..=0xCF => {
            let (number, rest) = number(rest, 1 << (format - 0xCC))?;
            Some((i64::try_from(number).map_or(OTHER.to_owned(), |number| number.to_string()), rest))
        }
        0xD0..=0xD3 => {
            let len = 1 << (format - 0xD0);
            let (number, rest) = number(rest, len)?;
            let shift = 64 - 8 * len;
            Some((((number << shift).cast_signed() >> shift).to_string(), rest))
        }
        0xD4..=0xD8 => opaque((0, rest), 1 + (1 << (format - 0xD4))),
        0xD9..=0xDB => text(number(rest, 1 << (format - 0xD9))?),
        0xDE | 0xDF => members(number(rest, 2 << (format - 0xDE))?, depth_left),
        0x90..=0x9F | 0xDC | 0xDD => {
            let (elements, rest) = elements(array(bytes)?, depth_left)?;
            Some((format!("[{}]", elements.join(",")), rest))
        }
        0xE0..=0xFF => Some((format.cast_signed().to_string(), rest)),
    }
}

fn elements((len, mut rest): (u64, &[u8]), depth_left: usize) -> Option<(Vec<String>, &[u8])> {
    let depth_left = depth_left.checked_sub(1)?;
    let mut elements = Vec::new();
    for _ in 0..len {
        let (element, behind) = value(rest, depth_left)?;
        elements.push(element);
        rest = behind;
    }
    Some((elements, rest))
}

fn members((len, rest): (u64, &[u8]), depth_left: usize) -> Option<(String, &[u8])> {
    let (values, rest) = elements((len.checked_mul(2)?, rest), depth_left)?;
    let pairs = || values.chunks_exact(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?)));
    // With a name that is no text it is nothing that JSON has, but as deep. No array of a message
    // may be one.
    let text = if pairs().all(|(name, _)| name.starts_with('"')) {
        object(pairs().map(|(name, value)| (name.clone(), value.clone())))
    } else {
        format!("{MAP}{}]", values.join(","))
    };
    Some((text, rest))
}
