//! Hub messages in JSON: records in pieces as whole, and each as a naive reader understands it.

use super::naive;
use super::pieces::pieces;
use super::transcript::Transcript;
use crate::limits::Limits;
use crate::proto::signalr::codec::{Arguments, Parser};
use crate::proto::signalr::framing::{Records, SEPARATOR};
use crate::proto::signalr::message::{BindError, Given, HubMessage, Item};
use crate::proto::signalr::protocol::HubProtocol;
use smallvec::SmallVec;

/// Small, so that inputs reach the bound.
pub(super) const RECORD_BYTES_MAX: usize = 512;
pub(super) const DEPTH_MAX: usize = Limits::DEFAULT.json_depth_max;

/// What a hub does with a record, owned.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    kind: &'static str,
    /// The invocation's id.
    id: Option<String>,
    /// The target, or the error text of a Close.
    text: Option<String>,
    arguments: usize,
    streams: usize,
    items: Option<Result<Vec<[Option<String>; 2]>, BindError>>,
}

/// A stream of records is cut at its separators however it arrives. One parser for all reads each
/// record as the naive reader does.
///
/// # Panics
/// The framing or the parser is wrong.
pub fn hub_json(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((input, pieces)) = pieces(data, transcript) else { return };
    let mut whole = input.split(|&byte| byte == SEPARATOR).peekable();
    let mut parser = Parser::default();
    let mut records = Records::default();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut rest = piece.as_mut_slice();
        loop {
            let Ok(record) = HubProtocol::Json.next_message(&mut records, &mut rest, RECORD_BYTES_MAX) else {
                assert!(
                    whole.next().is_some_and(|record| record.len() >= RECORD_BYTES_MAX),
                    "a record is short enough"
                );
                return;
            };
            let Some(record) = record else { break };
            assert_eq!(whole.next(), Some(&*record), "in pieces and whole");
            let naive = read_naively(record);
            let text = record.escape_ascii().to_string();
            let outcome = parser.parse(HubProtocol::Json, record, DEPTH_MAX, read).ok();
            transcript.say(|| outcome.as_ref().map_or("refused".to_owned(), |read| format!("{read:?}")));
            assert_eq!(outcome, naive, "{text}");
        }
    }
    let cut = whole.next().unwrap_or_default();
    assert!(whole.peek().is_none() && cut.len() < RECORD_BYTES_MAX, "a record has been lost");
    assert_eq!(records.is_partial(), !cut.is_empty());
}

/// What becomes of a message.
pub(super) fn read<'r>(message: HubMessage<'r, Arguments<'_, 'r>>) -> Read {
    let owned = |text: &str| Some(text.to_owned());
    let other = |kind| Read { kind, ..Read::default() };
    match message {
        HubMessage::Invocation { id, target, arguments, streams } => Read {
            kind: "Invocation",
            id: id.and_then(owned),
            text: owned(target),
            arguments: arguments.count(),
            streams,
            items: Some(items(&arguments)),
        },
        HubMessage::StreamInvocation { id, target, arguments } => Read {
            kind: "StreamInvocation",
            id: owned(id),
            text: owned(target),
            arguments: arguments.count(),
            streams: 0,
            items: Some(items(&arguments)),
        },
        HubMessage::Close(error) => Read { kind: "Close", text: error.and_then(owned), ..Read::default() },
        HubMessage::StreamItem => other("StreamItem"),
        HubMessage::Completion => other("Completion"),
        HubMessage::CancelInvocation => other("CancelInvocation"),
        HubMessage::Ping => other("Ping"),
        HubMessage::Ack(number) => Read { kind: "Ack", text: Some(number.to_string()), ..Read::default() },
        HubMessage::Sequence(number) => Read { kind: "Sequence", text: Some(number.to_string()), ..Read::default() },
        HubMessage::Unknown => other("Unknown"),
    }
}

fn items<'r>(arguments: &Arguments<'_, 'r>) -> Result<Vec<[Option<String>; 2]>, BindError> {
    let mut items: SmallVec<[Item<'r>; 8]> = SmallVec::new();
    arguments.items(&mut items)?;
    let owned = |given| match given {
        Given::Text(text) => Some(str::to_owned(text)),
        Given::Missing => None,
    };
    Ok(items.iter().map(|item| [owned(item.entity_id), owned(item.event_name)]).collect())
}

/// `None` is a record that ends the connection.
fn read_naively(record: &[u8]) -> Option<Read> {
    let json = std::str::from_utf8(record).ok()?;
    // JSON as a whole first, strings and numbers included, which the pieces looked at below may
    // leave unread.
    let _: serde_json::Value = serde_json::from_str(json).ok()?;
    if naive::depth(json) > DEPTH_MAX {
        return None;
    }
    let members = naive::members(json)?;
    let last = |name: &str| members.iter().rev().find(|(member, _)| member == name).map(|(_, value)| *value);
    let message_type = naive::integer(last("type")?).and_then(|number| i32::try_from(number).ok())?;
    if !(1..=9).contains(&message_type) {
        return Some(Read { kind: "Unknown", ..Read::default() });
    }
    if !members.iter().all(|(name, value)| is_well_typed(name, value)) {
        return None;
    }
    let string = |name: &str| last(name).and_then(naive::string);
    let filled = |name: &str| string(name).filter(|text| !text.is_empty());
    let other = |kind| Some(Read { kind, ..Read::default() });
    let invocation = |kind, id: Option<String>, streams| {
        let arguments = naive::elements(last("arguments")?)?;
        let items = Some(arguments.first().map_or(Err(BindError), |first| read_items(first)));
        Some(Read { kind, id, text: Some(filled("target")?), arguments: arguments.len(), streams, items })
    };
    match message_type {
        1 => {
            let streams = last("streamIds").and_then(naive::elements).map_or(0, |ids| ids.len());
            invocation("Invocation", filled("invocationId"), streams)
        }
        2 => filled("invocationId").and(last("item")).and_then(|_| other("StreamItem")),
        3 if last("error").and(last("result")).is_some() => None,
        3 => filled("invocationId").and_then(|_| other("Completion")),
        4 => invocation("StreamInvocation", Some(filled("invocationId")?), 0),
        5 => filled("invocationId").and_then(|_| other("CancelInvocation")),
        6 => other("Ping"),
        7 => Some(Read { kind: "Close", text: string("error"), ..Read::default() }),
        _ => {
            let number = naive::integer(last("sequenceId")?)?.max(0).to_string();
            let kind = if message_type == 8 { "Ack" } else { "Sequence" };
            Some(Read { kind, text: Some(number), ..Read::default() })
        }
    }
}

fn is_well_typed(name: &str, value: &str) -> bool {
    let is_string = |value: &str| naive::string(value).is_some();
    match name {
        "type" => naive::integer(value).is_some_and(|number| i32::try_from(number).is_ok()),
        "invocationId" | "target" | "error" => is_string(value),
        "arguments" => naive::elements(value).is_some(),
        "streamIds" => naive::elements(value).is_some_and(|ids| ids.iter().all(|id| is_string(id))),
        "headers" => naive::members(value).is_some_and(|headers| headers.iter().all(|(_, header)| is_string(header))),
        "allowReconnect" => matches!(value, "true" | "false"),
        "sequenceId" => naive::integer(value).is_some(),
        _ => true,
    }
}

fn read_items(json: &str) -> Result<Vec<[Option<String>; 2]>, BindError> {
    naive::elements(json).ok_or(BindError)?.into_iter().map(read_item).collect()
}

fn read_item(json: &str) -> Result<[Option<String>; 2], BindError> {
    if json == "null" {
        return Ok([None, None]);
    }
    let mut item = [None, None];
    for (name, value) in naive::members(json).ok_or(BindError)? {
        let place = match name.to_ascii_lowercase().as_str() {
            "entityid" => 0,
            "eventname" => 1,
            _ => continue,
        };
        let given = if value == "null" { None } else { Some(naive::string(value).ok_or(BindError)?) };
        if let Some(slot) = item.get_mut(place) {
            *slot = given;
        }
    }
    Ok(item)
}
