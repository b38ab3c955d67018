//! Messages byte by byte, and any value against an independent implementation.

use super::*;
use crate::clock::UnixMs;
use crate::proto::signalr::framing::{Records, TooLong};
use crate::proto::signalr::message::{BindError, Given, HubMessage, Item, Place, ServerMessage};
use crate::proto::signalr::value::{Value, Writer};
use proptest::prelude::*;
use rmpv::Value as Rmp;
use smallvec::SmallVec;
use uuid::Uuid;

const DEPTH_MAX: usize = 64;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

fn encoded(message: &ServerMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out);
    out
}

/// The message behind its length.
fn decoded(bytes: &[u8]) -> Rmp {
    let mut bytes = bytes.to_vec();
    let mut rest = bytes.as_mut_slice();
    let mut records = Records::default();
    let message = records.next_prefixed(&mut rest, usize::MAX).unwrap().expect("a whole message").to_vec();
    assert!(rest.is_empty());
    let mut message = message.as_slice();
    let value = rmpv::decode::read_value(&mut message).expect("MessagePack");
    assert!(message.is_empty());
    value
}

/// A message of a client, as an independent implementation writes it.
fn message(elements: Vec<Rmp>) -> Vec<u8> {
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &Rmp::Array(elements)).expect("a Vec takes every byte");
    out
}

fn kind(message: &[u8]) -> Result<&'static str, &'static str> {
    let read = parse(message, DEPTH_MAX).map_err(|malformed| malformed.message)?;
    Ok(match read {
        HubMessage::Invocation { .. } => "Invocation",
        HubMessage::StreamInvocation { .. } => "StreamInvocation",
        HubMessage::StreamItem => "StreamItem",
        HubMessage::Completion => "Completion",
        HubMessage::CancelInvocation => "CancelInvocation",
        HubMessage::Ping => "Ping",
        HubMessage::Close(_) => "Close",
        HubMessage::Ack(300) => "Ack 300",
        HubMessage::Ack(_) => "Ack",
        HubMessage::Sequence(1) => "Sequence 1",
        HubMessage::Sequence(_) => "Sequence",
        HubMessage::Unknown => "Unknown",
    })
}

struct Json(serde_json::Value);

impl Value for Json {
    fn write(&self, out: &mut Writer<'_>) {
        match &self.0 {
            serde_json::Value::Bool(value) => value.write(out),
            serde_json::Value::String(text) => text.as_str().write(out),
            serde_json::Value::Number(number) => out.number(usize::try_from(number.as_u64().unwrap()).unwrap()),
            serde_json::Value::Array(items) => out.list(items.iter(), |item, out| Json(item.clone()).write(out)),
            serde_json::Value::Object(members) => {
                let members: Vec<(&str, Json)> =
                    members.iter().map(|(name, value)| (name.as_str(), Json(value.clone()))).collect();
                let members: Vec<(&str, &dyn Value)> =
                    members.iter().map(|(name, value)| (*name, value as &dyn Value)).collect();
                out.object(&members);
            }
            serde_json::Value::Null => out.null(),
        }
    }
}

#[test]
fn messages_to_clients_are_those_of_dotnet() {
    let completion = |result| hex(&encoded(&ServerMessage::Completion { id: "1", result }));
    assert_eq!(hex(&encoded(&ServerMessage::Ping)), "02 91 06");
    assert_eq!(hex(&encoded(&ServerMessage::Close { error: None, allow_reconnect: false })), "04 93 07 C0 C2");
    assert_eq!(hex(&encoded(&ServerMessage::Close { error: None, allow_reconnect: true })), "04 93 07 C0 C3");
    let error = Some("Connection closed with an error.");
    let close = hex(&encoded(&ServerMessage::Close { error, allow_reconnect: true }));
    assert!(close.starts_with("25 93 07 D9 20 43 6F") && close.ends_with("2E C3"), "{close}");
    assert_eq!(completion(Ok(&42usize)), "07 95 03 80 A1 31 03 2A");
    assert_eq!(completion(Ok(&None::<bool>)), "07 95 03 80 A1 31 03 C0");
    assert_eq!(completion(Err("Error")), "0C 95 03 80 A1 31 01 A5 45 72 72 6F 72");
}

#[test]
fn a_publication_is_one_invocation_of_six_elements() {
    let data = Json(serde_json::json!({ "a": 1 }));
    let received = |is_last, position| {
        decoded(&encoded(&ServerMessage::MessageReceived {
            entity: Uuid::from_u128(0xABC),
            event_name: "queuestatus",
            data: &data,
            is_last,
            position,
        }))
        .to_string()
    };
    let envelope = |rest: &str| {
        format!(
            "[1, {{}}, nil, \"MessageReceived\", [{{\"subscription\": {{\"entityId\": \
             \"00000000-0000-0000-0000-000000000abc\", \"eventName\": \"queuestatus\"}}, \"data\": {{\"a\": 1}}{rest}}}], []]"
        )
    };
    assert_eq!(received(false, None), envelope(""));
    assert_eq!(received(true, None), envelope(", \"last\": true"));
    let place = Place { token: b"0a1", at: UnixMs::from_ms(951_782_399_999) };
    // 64 bits: 30 of nanoseconds, 34 of seconds.
    let at = (999_000_000_u64 << 34 | 951_782_399).to_be_bytes();
    let at = Rmp::Ext(-1, at.to_vec());
    assert_eq!(received(false, Some(place)), envelope(&format!(", \"position\": \"0a1\", \"at\": {at}")));
}

#[test]
fn what_clients_send_is_read() {
    let arguments = || Rmp::Array(vec![Rmp::Array(vec![])]);
    let (nil, map, id) = (|| Rmp::Nil, || Rmp::Map(vec![]), || Rmp::from("0"));
    for (elements, expected) in [
        (vec![1.into(), map(), id(), "Subscribe".into(), arguments()], "Invocation"),
        (vec![1.into(), map(), nil(), "Subscribe".into(), arguments(), Rmp::Array(vec!["1".into()])], "Invocation"),
        (vec![Rmp::from(1i64), map(), "".into(), "S".into(), arguments(), nil(), 7.into()], "Invocation"),
        (
            vec![1.into(), Rmp::Map(vec![("Authorization".into(), "…".into())]), id(), "S".into(), arguments()],
            "Invocation",
        ),
        (vec![2.into(), map(), id(), 42.into()], "StreamItem"),
        (vec![3.into(), map(), id(), 1.into(), "Error".into()], "Completion"),
        (vec![3.into(), map(), id(), 2.into()], "Completion"),
        (vec![3.into(), map(), id(), 3.into(), nil()], "Completion"),
        (vec![4.into(), map(), id(), "Counter".into(), arguments(), Rmp::Array(vec![])], "StreamInvocation"),
        (vec![5.into(), map(), id()], "CancelInvocation"),
        (vec![6.into()], "Ping"),
        (vec![7.into(), nil()], "Close"),
        (vec![7.into(), "x".into(), true.into()], "Close"),
        (vec![8.into(), 300.into()], "Ack 300"),
        (vec![8.into(), (-1).into()], "Ack"),
        (vec![9.into(), 1.into()], "Sequence 1"),
        (vec![99.into(), arguments()], "Unknown"),
        (vec![(-1).into()], "Unknown"),
    ] {
        assert_eq!(kind(&message(elements.clone())), Ok(expected), "{elements:?}");
    }
}

#[test]
fn what_is_no_message_ends_the_connection() {
    let arguments = || Rmp::Array(vec![]);
    let map = || Rmp::Map(vec![]);
    for elements in [
        vec![],
        vec!["1".into()],
        vec![(1i64 << 31).into()],
        vec![1.into()],
        vec![1.into(), Rmp::Nil, "0".into(), "S".into(), arguments()],
        vec![1.into(), Rmp::Map(vec![("a".into(), 1.into())]), "0".into(), "S".into(), arguments()],
        vec![1.into(), map(), 0.into(), "S".into(), arguments()],
        vec![1.into(), map(), "0".into(), "".into(), arguments()],
        vec![1.into(), map(), "0".into(), Rmp::Nil, arguments()],
        vec![1.into(), map(), "0".into(), "S".into(), map()],
        vec![1.into(), map(), "0".into(), "S".into()],
        vec![1.into(), map(), "0".into(), "S".into(), arguments(), "x".into()],
        vec![1.into(), map(), "0".into(), "S".into(), arguments(), Rmp::Array(vec![1.into()])],
        vec![2.into(), map(), "0".into()],
        vec![3.into(), map(), "0".into(), 4.into()],
        vec![4.into(), map(), Rmp::Nil, "S".into(), arguments(), arguments()],
        vec![5.into(), map(), "".into()],
        vec![7.into(), 1.into()],
        vec![8.into(), "1".into()],
    ] {
        assert!(kind(&message(elements.clone())).is_err(), "{elements:?}");
    }
    let ping = message(vec![6.into()]);
    assert!(kind(&[]).is_err());
    assert!(kind(&[&ping[..], &ping].concat()).is_err(), "nothing follows a message");
    assert!(kind(&[0x91, 0xC1]).is_err(), "a format that there is not");
    assert!(kind(&[0xDD, 0xFF, 0xFF, 0xFF, 0xFF, 6]).is_err(), "elements that are only claimed");
    assert!(kind(&[0x95, 1, 0x80, 0xA1, 0xFF, 0xA1, b'S', 0x90]).is_err(), "an id that is no UTF-8");
}

#[test]
fn nesting_is_bounded_as_in_json() {
    let nested = |depth| (0..depth).fold(Rmp::Nil, |inner, _| Rmp::Array(vec![inner]));
    let invocation = |depth| message(vec![1.into(), Rmp::Map(vec![]), Rmp::Nil, "S".into(), nested(depth)]);
    assert_eq!(kind(&invocation(DEPTH_MAX - 1)), Ok("Invocation"));
    assert!(kind(&invocation(DEPTH_MAX)).is_err());
}

#[test]
fn items_are_bound_whatever_the_case_of_their_names() {
    let bind = |list: Rmp| {
        let message = message(vec![1.into(), Rmp::Map(vec![]), Rmp::Nil, "S".into(), Rmp::Array(vec![list])]);
        let Ok(HubMessage::Invocation { arguments, .. }) = parse(&message, DEPTH_MAX) else { panic!("an invocation") };
        assert_eq!(arguments.count(), 1);
        let mut items: SmallVec<[Item<'_>; 8]> = SmallVec::new();
        let bound = arguments.items(&mut items);
        bound.map(|()| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>())
    };
    let item =
        |members: Vec<(&str, Rmp)>| Rmp::Map(members.into_iter().map(|(name, value)| (name.into(), value)).collect());
    let given = Item {
        entity_id: Given::Text("e"),
        event_name: Given::Text("n"),
        snapshot: Some(true),
        since: Some(Given::Missing),
        is_mistyped: false,
    };
    let nothing = Item::EMPTY;
    let mistyped = Item { entity_id: Given::Text("e"), is_mistyped: true, ..Item::EMPTY };
    let list = Rmp::Array(vec![
        item(vec![
            ("more", Rmp::Map(vec![(1.into(), Rmp::Array(vec![2.5.into(), Rmp::Binary(vec![1])]))])),
            ("ENTITYID", "e".into()),
            ("eventName", "m".into()),
            ("eventName", "n".into()),
            ("Snapshot", true.into()),
            ("since", Rmp::Nil),
        ]),
        Rmp::Nil,
    ]);
    assert_eq!(bind(list), Ok(vec![format!("{given:?}"), format!("{nothing:?}")]));
    // One that has a wrong type is no good by itself, whatever lies in the value.
    let deep = Rmp::Array(vec![Rmp::Map(vec![(1.into(), 2.5.into())]), "x".into()]);
    for (name, value) in [("Snapshot", "yes".into()), ("Snapshot", deep.clone()), ("Since", 5.into()), ("Since", deep)]
    {
        let list = Rmp::Array(vec![item(vec![(name, value), ("EntityId", "e".into())]), Rmp::Nil]);
        assert_eq!(bind(list), Ok(vec![format!("{mistyped:?}"), format!("{nothing:?}")]), "{name}");
    }
    assert_eq!(bind(Rmp::Nil), Err(BindError));
    assert_eq!(bind(Rmp::Array(vec!["x".into()])), Err(BindError));
    assert_eq!(bind(Rmp::Array(vec![item(vec![("EntityId", 1.into())])])), Err(BindError));
    assert_eq!(bind(Rmp::Array(vec![Rmp::Map(vec![(1.into(), 2.into())])])), Err(BindError));
}

#[test]
fn a_list_is_counted_by_its_own_items_before_any_is_bound() {
    let list = |items: Vec<Rmp>| Rmp::Array(items);
    let nested = list(vec![Rmp::Nil, list(vec![Rmp::Nil, Rmp::Nil]), 1.into()]);
    for (arguments, count) in [
        (vec![], 0),
        (vec![list(vec![])], 0),
        (vec![nested.clone()], 3),
        (vec![list(vec![Rmp::Nil]), nested], 1),
        (vec![Rmp::Map(vec![("a".into(), list(vec![Rmp::Nil]))])], 0),
    ] {
        let message = message(vec![1.into(), Rmp::Map(vec![]), Rmp::Nil, "S".into(), Rmp::Array(arguments)]);
        let Ok(HubMessage::Invocation { arguments, .. }) = parse(&message, DEPTH_MAX) else { panic!("an invocation") };
        assert_eq!(arguments.item_count(), count);
    }
}

#[test]
fn a_length_that_no_message_may_have_is_too_long() {
    let next = |bytes: &[u8], max| {
        let mut bytes = bytes.to_vec();
        Records::default().next_prefixed(&mut bytes.as_mut_slice(), max).map(|message| message.map(|m| m.to_vec()))
    };
    assert_eq!(next(&[2, 0x91, 6], 3), Ok(Some(vec![0x91, 6])), "the bound counts the length");
    assert_eq!(next(&[2, 0x91, 6], 2), Err(TooLong));
    assert_eq!(next(&[3], 3), Err(TooLong), "as soon as it is known");
    assert_eq!(next(&[0xFF; 5], usize::MAX), Err(TooLong));
    assert_eq!(next(&[0xFF; 4], usize::MAX), Ok(None));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (0u64..300).prop_map(Into::into),
        "\\PC{0,40}".prop_map(Into::into),
        (0usize..70_000).prop_map(|len| "x".repeat(len).into()),
    ];
    leaf.prop_recursive(3, 40, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            proptest::collection::btree_map("\\PC{0,20}", inner, 0..20)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What an independent implementation makes of it.
fn rmp(value: &serde_json::Value) -> Rmp {
    match value {
        serde_json::Value::Null => Rmp::Nil,
        serde_json::Value::Bool(value) => (*value).into(),
        serde_json::Value::Number(number) => number.as_u64().map(Rmp::from).unwrap(),
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(items) => Rmp::Array(items.iter().map(rmp).collect()),
        serde_json::Value::Object(members) => {
            Rmp::Map(members.iter().map(|(name, value)| (name.as_str().into(), rmp(value))).collect())
        }
    }
}

proptest! {
    #[test]
    fn results_of_any_shape_are_what_another_implementation_writes(value in json()) {
        let result = Json(value.clone());
        let completion = encoded(&ServerMessage::Completion { id: "7", result: Ok(&result) });
        let elements = vec![3.into(), Rmp::Map(vec![]), "7".into(), 3.into(), rmp(&value)];
        prop_assert_eq!(decoded(&completion), Rmp::Array(elements.clone()));
        prop_assert!(completion.ends_with(&message(elements)), "in the shortest forms");
    }

    #[test]
    fn whole_numbers_have_their_shortest_form(number in any::<i64>(), shift in 0u32..64) {
        let number = number >> shift;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        write::signed(number, &mut ours);
        rmpv::encode::write_value(&mut theirs, &number.into()).unwrap();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn messages_in_pieces_are_those_in_the_whole(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..5),
        cuts in proptest::collection::vec(0usize..600, 0..8),
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            framing::prefixed(&mut stream, |out| out.extend_from_slice(message));
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).chain([0, stream.len()]).collect();
        cuts.sort_unstable();
        let (mut records, mut seen) = (Records::default(), Vec::new());
        for cut in cuts.windows(2) {
            let mut piece = stream[cut[0]..cut[1]].to_vec();
            let mut rest = piece.as_mut_slice();
            while let Some(message) = records.next_prefixed(&mut rest, 400).unwrap() {
                seen.push(message.to_vec());
                message.fill(0xFF); // A parser may spoil what it is given.
            }
        }
        prop_assert_eq!(seen, messages);
        prop_assert!(!records.is_partial());
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let ours = read::Reader::new(&bytes).skip(DEPTH_MAX).map(<[u8]>::len);
        let mut rest = bytes.as_slice();
        let theirs = rmpv::decode::read_value_with_max_depth(&mut rest, DEPTH_MAX + 1);
        if let Some(len) = ours {
            // Text that is no UTF-8 is bytes to the other; whatever is passed over it takes, too.
            prop_assert!(theirs.is_ok(), "{:?}", theirs);
            prop_assert_eq!(len, bytes.len() - rest.len());
        }
        drop(parse(&bytes, DEPTH_MAX));
    }
}

#[test]
fn values_of_a_byte_are_passed_over_like_all_others() {
    let deep = [0x91, 0x91, 0xC0].as_slice();
    let values: [&[u8]; 9] = [&[0x00], &[0xA0], &[0xC2], &[0xFF], deep, &[0xC0], &[0xA1, 0x78], &[0x80], &[0x7F]];
    let bytes = values.concat();
    for count in 0..=values.len() {
        let mut reader = read::Reader::new(&bytes);
        assert_eq!(reader.skip_all(count, 2), Some(()));
        assert_eq!(reader.rest(), values[count..].concat(), "behind {count}");
    }
    let skipped = |count, depth_max| read::Reader::new(&bytes).skip_all(count, depth_max);
    assert_eq!((skipped(values.len() + 1, 2), skipped(usize::MAX, 2), skipped(values.len(), 1)), (None, None, None));
    let texts = [0xA0, 0xA0, 0xA1, 0x78, 0xA0, 0xC0];
    let skipped = |count| read::Reader::new(&texts).skip_texts(count);
    assert_eq!((skipped(4), skipped(5), skipped(usize::MAX)), (Some(()), None, None));
}
