//! The parser against a twin: serde_json, and a reading of the rules that goes from type to
//! members, not from member to type.

use std::collections::BTreeMap;
use std::fmt;

use proptest::prelude::*;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::tests::{Read, read_with};
use super::*;

/// An object's members in order, duplicates and all.
struct Pairs(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

/// `None` is a record that ends the connection.
fn naive(record: &[u8]) -> Option<Read> {
    let Pairs(pairs) = serde_json::from_slice(record).ok()?;
    let last: BTreeMap<&str, &Json> = pairs.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let message_type = i32::try_from(last.get("type")?.as_i64()?).ok()?;
    if !(1..=9).contains(&message_type) {
        return Some(Read::Other("Unknown"));
    }
    let well_typed = |(name, value): &(String, Json)| match name.as_str() {
        "type" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "invocationId" | "target" | "error" => value.is_string(),
        "arguments" => value.is_array(),
        "streamIds" => value.as_array().is_some_and(|ids| ids.iter().all(Json::is_string)),
        "headers" => value.as_object().is_some_and(|headers| headers.values().all(Json::is_string)),
        "allowReconnect" => value.is_boolean(),
        "sequenceId" => value.as_i64().is_some(),
        _ => true,
    };
    if !pairs.iter().all(well_typed) {
        return None;
    }
    let text = |name: &str| last.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let filled = |name: &str| text(name).filter(|text| !text.is_empty());
    let arguments = || {
        let arguments = last.get("arguments")?.as_array()?;
        let items = arguments.first().and_then(Json::as_array).ok_or(BindError);
        let items = items.and_then(|items| items.iter().map(naive_item).collect());
        Some((arguments.len(), items))
    };
    match message_type {
        1 => {
            let ((count, items), target) = (arguments()?, filled("target")?);
            let streams = last.get("streamIds").and_then(|ids| ids.as_array()).map_or(0, Vec::len);
            Some(Read::Invocation { id: filled("invocationId"), target, count, items, streams })
        }
        2 => filled("invocationId").and(last.get("item")).map(|_| Read::Other("StreamItem")),
        3 => {
            filled("invocationId")?;
            let both = last.contains_key("error") && last.contains_key("result");
            (!both).then_some(Read::Other("Completion"))
        }
        4 => {
            let ((count, items), target) = (arguments()?, filled("target")?);
            Some(Read::StreamInvocation { id: filled("invocationId")?, target, count, items })
        }
        5 => filled("invocationId").map(|_| Read::Other("CancelInvocation")),
        6 => Some(Read::Other("Ping")),
        7 => Some(Read::Close(text("error"))),
        _ => {
            let number = last.get("sequenceId")?.as_i64()?;
            let kind = if message_type == 8 { "Ack" } else { "Sequence" };
            Some(Read::Numbered(kind, u64::try_from(number).unwrap_or_default()))
        }
    }
}

/// Items are generated without a key given twice, which `Json` can't hold.
fn naive_item(item: &Json) -> Result<(Option<String>, Option<String>), BindError> {
    if item.is_null() {
        return Ok((None, None));
    }
    let item = item.as_object().ok_or(BindError)?;
    let member = |wanted: &str| match item.iter().find(|(name, _)| name.to_ascii_lowercase() == wanted) {
        None | Some((_, Json::Null)) => Ok(None),
        Some((_, Json::String(text))) => Ok(Some(text.clone())),
        Some(_) => Err(BindError),
    };
    let (entity_id, event_name) = (member("entityid"), member("eventname"));
    Ok((entity_id?, event_name?))
}

fn agrees(record: &[u8]) {
    let read = read_with(&mut Parser::default(), record);
    match naive(record) {
        Some(naive) => assert_eq!(read, naive, "{}", record.escape_ascii()),
        None => assert!(matches!(read, Read::Malformed(_)), "{read:?} of {}", record.escape_ascii()),
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("Subscribe".to_owned()),
        Just("a\"\\\u{1e}é😀\u{7f}".to_owned()),
        "[a-z0-9-]{1,40}"
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3i64..14).prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e9f64..1e9).prop_map(Json::from),
        any_text().prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn any_item() -> impl Strategy<Value = Json> {
    let member = || prop_oneof![4 => any_text().prop_map(Json::from), 1 => Just(Json::Null), 1 => any_json()];
    let key = |lower: &'static str, upper: &'static str| prop_oneof![Just(lower), Just(upper)];
    let item = (key("entityId", "ENTITYID"), member(), key("EventName", "eventname"), member()).prop_map(
        |(entity_key, entity_id, event_key, event_name)| serde_json::json!({ entity_key: entity_id, event_key: event_name, "Snapshot": true }),
    );
    prop_oneof![6 => item, 1 => Just(Json::Null), 1 => any_json()]
}

/// A member of an envelope: mostly what belongs there.
fn any_member() -> impl Strategy<Value = (String, Json)> {
    let text = |name: &'static str| (Just(name.to_owned()), any_text().prop_map(Json::from));
    let items = proptest::collection::vec(any_item(), 0..4).prop_map(Json::from);
    let texts = proptest::collection::vec(any_text().prop_map(Json::from), 0..3).prop_map(Json::from);
    let headers = proptest::collection::btree_map(any_text(), any_text().prop_map(Json::from), 0..3);
    let name = proptest::sample::select(vec![
        "type",
        "invocationId",
        "target",
        "arguments",
        "streamIds",
        "headers",
        "error",
        "allowReconnect",
        "item",
        "result",
        "sequenceId",
        "Type",
        "other",
    ]);
    prop_oneof![
        4 => (Just("type".to_owned()), (0i64..11).prop_map(Json::from)),
        4 => text("invocationId"),
        4 => text("target"),
        4 => (Just("arguments".to_owned()), proptest::collection::vec(prop_oneof![items, any_json()], 0..3).prop_map(Json::from)),
        1 => (Just("streamIds".to_owned()), texts),
        1 => (Just("headers".to_owned()), headers.prop_map(|members| Json::Object(members.into_iter().collect()))),
        1 => text("error"),
        1 => (Just("item".to_owned()), any_json()),
        1 => (Just("result".to_owned()), any_json()),
        1 => (Just("sequenceId".to_owned()), any::<u32>().prop_map(Json::from)),
        1 => (name.prop_map(str::to_owned), any_json()),
    ]
}

fn any_record() -> impl Strategy<Value = String> {
    let blank = proptest::sample::select(vec!["", "", " ", "\r\n\t "]);
    let members = proptest::collection::vec((any_member(), blank.clone()), 0..8);
    (members, blank).prop_map(|(members, blank)| {
        let members: Vec<String> = members
            .iter()
            .map(|((name, value), blank)| format!("{blank}{}{blank}:{blank}{value}{blank}", Json::from(name.as_str())))
            .collect();
        format!("{blank}{{{blank}{}}}{blank}", members.join(","))
    })
}

proptest! {
    #[test]
    fn records_read_as_a_naive_reader_reads_them(record in any_record()) {
        agrees(record.as_bytes());
    }

    #[test]
    fn broken_records_break_for_both_readers(
        record in any_record(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0u8..3), 1..4),
    ) {
        let mut record = record.into_bytes();
        for (at, byte, change) in changes {
            let at = at.index(record.len());
            match change {
                0 => record[at] = byte,
                1 => record.insert(at, byte),
                _ => record.truncate(at + 1),
            }
        }
        agrees(&record);
    }

    #[test]
    fn any_bytes_are_read_or_refused(record in proptest::collection::vec(any::<u8>(), 0..200)) {
        agrees(&record);
    }
}
