//! Records as clients write them, and those that end a connection.

use super::*;

const DEPTH_MAX: usize = 64;

/// What a record is read as, in a form that outlives the tape.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    Invocation { id: Option<String>, target: String, count: usize, items: Bound, streams: usize },
    StreamInvocation { id: String, target: String, count: usize, items: Bound },
    Close(Option<String>),
    Numbered(&'static str, u64),
    Other(&'static str),
    Malformed(&'static str),
}

pub type Bound = Result<Vec<(Option<String>, Option<String>)>, BindError>;

fn bound(arguments: JsonArguments<'_, '_>) -> (usize, Bound) {
    let text = |given| match given {
        Given::Text(text) => Some(str::to_owned(text)),
        Given::Missing => None,
    };
    let mut items = SmallVec::new();
    let bound = arguments.items(&mut items);
    (
        arguments.count(),
        bound.map(|()| items.iter().map(|item| (text(item.entity_id), text(item.event_name))).collect()),
    )
}

pub fn read_with(parser: &mut Parser, record: &[u8]) -> Read {
    let read = parser.parse(&mut record.to_vec(), DEPTH_MAX, |message| match message {
        HubMessage::Invocation { id, target, arguments, streams } => {
            let (count, items) = bound(arguments);
            Read::Invocation { id: id.map(str::to_owned), target: target.to_owned(), count, items, streams }
        }
        HubMessage::StreamInvocation { id, target, arguments } => {
            let (count, items) = bound(arguments);
            Read::StreamInvocation { id: id.to_owned(), target: target.to_owned(), count, items }
        }
        HubMessage::StreamItem => Read::Other("StreamItem"),
        HubMessage::Completion => Read::Other("Completion"),
        HubMessage::CancelInvocation => Read::Other("CancelInvocation"),
        HubMessage::Ping => Read::Other("Ping"),
        HubMessage::Close(error) => Read::Close(error.map(str::to_owned)),
        HubMessage::Ack(number) => Read::Numbered("Ack", number),
        HubMessage::Sequence(number) => Read::Numbered("Sequence", number),
        HubMessage::Unknown => Read::Other("Unknown"),
    });
    read.unwrap_or_else(|malformed| Read::Malformed(malformed.message))
}

fn read(record: &str) -> Read {
    read_with(&mut Parser::default(), record.as_bytes())
}

fn invocation(id: Option<&str>, target: &str, items: &[(Option<&str>, Option<&str>)]) -> Read {
    let owned = |text: &Option<&str>| text.map(str::to_owned);
    Read::Invocation {
        id: owned(&id),
        target: target.to_owned(),
        count: 1,
        items: Ok(items.iter().map(|(entity, event)| (owned(entity), owned(event))).collect()),
        streams: 0,
    }
}

// What the clients of the field write.

#[test]
fn javascript_10_writes_the_type_last() {
    assert_eq!(
        read(
            r#"{"target":"Subscribe","arguments":[[{"EntityId":"d3B0","EventName":"QueueStatus"}]],"invocationId":"0","type":1}"#
        ),
        invocation(Some("0"), "Subscribe", &[(Some("d3B0"), Some("QueueStatus"))])
    );
    assert_eq!(read(r#"{"type":6}"#), Read::Other("Ping"));
    assert_eq!(read(r#"{"type":7}"#), Read::Close(None));
}

#[test]
fn javascript_3_1_writes_empty_stream_ids() {
    assert_eq!(
        read(
            r#"{"arguments":[[{"EntityId":"a","EventName":"b"},null]],"invocationId":"1","streamIds":[],"target":"subscribe","type":1}"#
        ),
        invocation(Some("1"), "subscribe", &[(Some("a"), Some("b")), (None, None)])
    );
}

#[test]
fn python_writes_blanks_and_headers() {
    let record = r#"{"type": 1, "headers": {"Authorization": "Bearer x"}, "target": "Subscribe", "arguments": [[{"EntityId": "a", "EventName": "b"}]], "invocationId": "7f9c1a52-93d2-4bd5-a8a4-6a4d1ed2a3f1"}"#;
    assert_eq!(
        read(record),
        invocation(Some("7f9c1a52-93d2-4bd5-a8a4-6a4d1ed2a3f1"), "Subscribe", &[(Some("a"), Some("b"))])
    );
    assert_eq!(read("{\"type\": 6}"), Read::Other("Ping"));
}

#[test]
fn rust_writes_ids_of_its_own_kind() {
    let record = r#"{"type":1,"invocationId":"Subscribe_1","target":"Subscribe","arguments":[[{"entityId":"a","eventName":"b"}]]}"#;
    assert_eq!(read(record), invocation(Some("Subscribe_1"), "Subscribe", &[(Some("a"), Some("b"))]));
}

#[test]
fn an_invocation_without_an_id_or_with_an_empty_one_wants_no_answer() {
    for record in [
        r#"{"type":1,"target":"T","arguments":[[]]}"#,
        r#"{"type":1,"target":"T","arguments":[[]],"invocationId":""}"#,
        r#"{"type":1,"invocationId":"1","target":"T","arguments":[[]],"invocationId":""}"#,
    ] {
        assert_eq!(read(record), invocation(None, "T", &[]), "{record}");
    }
}

#[test]
fn ids_and_targets_come_back_unescaped() {
    assert_eq!(
        read(r#"{"type":1,"invocationId":"\u001e\"\ud83d\ude00","target":"Sub\u0073cribe","arguments":[[]]}"#),
        invocation(Some("\u{1e}\"😀"), "Subscribe", &[])
    );
    assert_eq!(read(r#"{"t\u0079pe":6}"#), Read::Other("Ping"));
}

// The message types.

#[test]
fn every_type_is_known() {
    for (record, expected) in [
        (r#"{"type":2,"invocationId":"1","item":null}"#, "StreamItem"),
        (r#"{"item":{"a":[1]},"invocationId":"1","type":2}"#, "StreamItem"),
        (r#"{"type":3,"invocationId":"1"}"#, "Completion"),
        (r#"{"type":3,"invocationId":"1","result":{}}"#, "Completion"),
        (r#"{"type":3,"invocationId":"1","error":"e"}"#, "Completion"),
        (r#"{"type":5,"invocationId":"1","headers":{}}"#, "CancelInvocation"),
    ] {
        assert_eq!(read(record), Read::Other(expected), "{record}");
    }
    assert_eq!(read(r#"{"type":8,"sequenceId":300}"#), Read::Numbered("Ack", 300));
    assert_eq!(read(r#"{"sequenceId":1,"type":9}"#), Read::Numbered("Sequence", 1));
    assert_eq!(read(r#"{"type":8,"sequenceId":-1}"#), Read::Numbered("Ack", 0), "none has such a number");
    assert_eq!(read(r#"{"type":7,"error":"gone","allowReconnect":false}"#), Read::Close(Some("gone".to_owned())));
    assert_eq!(read(r#"{"type":7,"error":""}"#), Read::Close(Some(String::new())));
    assert_eq!(
        read(r#"{"type":4,"invocationId":"1","target":"T","arguments":[1,2],"streamIds":["s"]}"#),
        Read::StreamInvocation { id: "1".to_owned(), target: "T".to_owned(), count: 2, items: Err(BindError) }
    );
    assert_eq!(
        read(r#"{"type":1,"target":"T","arguments":[],"streamIds":["s","t"]}"#),
        Read::Invocation { id: None, target: "T".to_owned(), count: 0, items: Err(BindError), streams: 2 }
    );
}

#[test]
fn an_unknown_type_is_skipped_whatever_else_it_holds() {
    for record in [
        r#"{"type":10}"#,
        r#"{"type":99,"invocationId":42,"headers":[],"arguments":null}"#,
        r#"{"error":null,"type":0}"#,
        r#"{"type":-1}"#,
        r#"{"type":2147483647}"#,
    ] {
        assert_eq!(read(record), Read::Other("Unknown"), "{record}");
    }
}

#[test]
fn of_a_member_given_twice_the_last_counts() {
    assert_eq!(read(r#"{"type":1,"type":6}"#), Read::Other("Ping"));
    assert_eq!(
        read(
            r#"{"type":1,"target":"A","arguments":[1,2],"target":"B","arguments":[[]],"streamIds":["s"],"streamIds":[]}"#
        ),
        invocation(None, "B", &[])
    );
}

#[test]
fn members_of_no_meaning_are_passed_over() {
    assert_eq!(
        read(r#"{"x":{"type":9},"type":6,"Type":1,"TARGET":3,"extraParameter":[1e5,-0.0,true,"x"]}"#),
        Read::Other("Ping")
    );
}

// The records that end the connection.

#[test]
fn a_malformed_envelope_is_named_in_the_words_of_dotnet() {
    for (record, message) in [
        ("null", "Unexpected JSON Token Type 'Null'. Expected a JSON Object."),
        ("\"foo\"", "Unexpected JSON Token Type 'String'. Expected a JSON Object."),
        ("42", "Unexpected JSON Token Type 'Number'. Expected a JSON Object."),
        ("true", "Unexpected JSON Token Type 'True'. Expected a JSON Object."),
        ("false", "Unexpected JSON Token Type 'False'. Expected a JSON Object."),
        ("[42]", "Unexpected JSON Token Type 'Array'. Expected a JSON Object."),
        ("{}", "Missing required property 'type'."),
        (r#"{"Type":6}"#, "Missing required property 'type'."),
        (r#"{"type":"1"}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":null}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":6.0}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":2147483648}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":99999999999999999999}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":10,"type":[]}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":1,"headers":{"Foo":42},"target":"t","arguments":[]}"#, "Expected header to be of type String."),
        (r#"{"type":1,"headers":{"Foo":true},"target":"t","arguments":[]}"#, "Expected header to be of type String."),
        (r#"{"type":1,"headers":{"Foo":null},"target":"t","arguments":[]}"#, "Expected header to be of type String."),
        (r#"{"type":1,"headers":{"Foo":[]},"target":"t","arguments":[]}"#, "Expected header to be of type String."),
        (r#"{"type":1,"headers":[],"target":"t","arguments":[]}"#, "Expected 'headers' to be of type StartObject."),
        (r#"{"type":1,"headers":null,"target":"t","arguments":[]}"#, "Expected 'headers' to be of type StartObject."),
        (r#"{"type":1}"#, "Missing required property 'target'."),
        (r#"{"type":1,"invocationId":42}"#, "Expected 'invocationId' to be of type String."),
        (r#"{"type":1,"invocationId":null}"#, "Expected 'invocationId' to be of type String."),
        (r#"{"type":1,"invocationId":"42"}"#, "Missing required property 'target'."),
        (r#"{"type":1,"invocationId":"42","target":42}"#, "Expected 'target' to be of type String."),
        (r#"{"type":1,"invocationId":"42","target":null}"#, "Expected 'target' to be of type String."),
        (r#"{"type":1,"target":"","arguments":[]}"#, "Missing required property 'target'."),
        (r#"{"type":1,"invocationId":"42","target":"foo"}"#, "Missing required property 'arguments'."),
        (
            r#"{"type":1,"invocationId":"42","target":"foo","arguments":{}}"#,
            "Expected 'arguments' to be of type Array.",
        ),
        (
            r#"{"type":1,"invocationId":"42","target":"foo","arguments":null}"#,
            "Expected 'arguments' to be of type Array.",
        ),
        (r#"{"type":1,"target":"foo","arguments":[],"streamIds":{}}"#, "Expected 'streamIds' to be of type Array."),
        (r#"{"type":1,"target":"foo","arguments":[],"streamIds":null}"#, "Expected 'streamIds' to be of type Array."),
        (r#"{"type":1,"target":"foo","arguments":[],"streamIds":[1]}"#, "Expected 'streamIds' to be of type String."),
        (r#"{"type":2}"#, "Missing required property 'invocationId'."),
        (r#"{"type":2,"invocationId":42}"#, "Expected 'invocationId' to be of type String."),
        (r#"{"type":2,"invocationId":"","item":1}"#, "Missing required property 'invocationId'."),
        (r#"{"type":2,"invocationId":"42"}"#, "Missing required property 'item'."),
        (r#"{"type":3}"#, "Missing required property 'invocationId'."),
        (r#"{"type":3,"invocationId":42}"#, "Expected 'invocationId' to be of type String."),
        (r#"{"type":3,"invocationId":"42","error":[]}"#, "Expected 'error' to be of type String."),
        (
            r#"{"type":3,"invocationId":"42","error":"foo","result":true}"#,
            "The 'error' and 'result' properties are mutually exclusive.",
        ),
        (r#"{"type":4}"#, "Missing required property 'invocationId'."),
        (r#"{"type":4,"invocationId":42}"#, "Expected 'invocationId' to be of type String."),
        (r#"{"type":4,"invocationId":"42"}"#, "Missing required property 'target'."),
        (r#"{"type":4,"invocationId":"42","target":42}"#, "Expected 'target' to be of type String."),
        (r#"{"type":4,"invocationId":"42","target":"foo"}"#, "Missing required property 'arguments'."),
        (
            r#"{"type":4,"invocationId":"42","target":"foo","arguments":{}}"#,
            "Expected 'arguments' to be of type Array.",
        ),
        (r#"{"type":5}"#, "Missing required property 'invocationId'."),
        (r#"{"type":6,"error":null}"#, "Expected 'error' to be of type String."),
        (r#"{"type":7,"allowReconnect":1}"#, "Expected 'allowReconnect' to be true or false."),
        (r#"{"type":8}"#, "Missing required property 'sequenceId'."),
        (r#"{"type":8,"sequenceId":"1"}"#, "Expected 'sequenceId' to be of type Number."),
        (r#"{"type":9}"#, "Missing required property 'sequenceId'."),
        (r#"{"type":9,"sequenceId":null}"#, "Expected 'sequenceId' to be of type Number."),
        (r#"{"target":3,"type":"1"}"#, "Expected 'target' to be of type String."),
    ] {
        assert_eq!(read(record), Read::Malformed(message), "{record}");
    }
}

#[test]
fn what_is_not_json_is_malformed() {
    let mut parser = Parser::default();
    for record in [
        &b""[..],
        b" ",
        b"{",
        b"}",
        b"{\"type\":6",
        b"{\"type\":6}}",
        b"{\"type\":6}{\"type\":6}",
        b"{\"type\":6} x",
        b"{\"type\":6,}",
        b"{'type':6}",
        b"{type:6}",
        b"{\"type\":06}",
        b"{\"type\":+6}",
        b"{\"type\":6} // x",
        b"{\"type\":6}\0",
        b"\xef\xbb\xbf{\"type\":6}",
        b"{\"type\":6,\"x\":\"\xff\"}",
        b"{\"type\":6,\"x\":\"\xed\xa0\x80\"}",
        b"{\"type\":6,\"x\":\"\xc0\x80\"}",
        b"{\"type\":6,\"x\":\"a\tb\"}",
        b"{\"type\":6,\"x\":\"a\x1eb\"}",
        b"{\"type\":6,\"x\":\"\\x\"}",
        b"{\"type\":6,\"x\":\"\\ud800\"}",
        b"{\"type\":6,\"x\":\"unclosed}",
        b"{\"type\":6,\"x\":\"\\",
        b"{\"type\":6,\"x\":tru}",
        b"{\"type\":6,\"x\":NaN}",
        b"{\"type\":6,\"x\":1.}",
        b"{\"type\":6,\"x\":-}",
        b"{\"type\":6,\"x\":1e400}",
        b"{\"type\":6\x0b}",
        b"{\"type\":6\x0c}",
        b"{\"type\":6\xc2\xa0}",
    ] {
        assert_eq!(read_with(&mut parser, record), Read::Malformed("Error reading JSON."), "{}", record.escape_ascii());
    }
    assert_eq!(read_with(&mut parser, b"{\"type\":6}"), Read::Other("Ping"), "the parser is whole after any record");
}

#[test]
fn numbers_of_any_length_are_json() {
    for number in ["18446744073709551616", "-9223372036854775809", &"9".repeat(300), "1.25e-400", "0e99999999999"] {
        assert_eq!(read(&format!(r#"{{"type":6,"x":[{number}]}}"#)), Read::Other("Ping"), "{number}");
    }
}

#[test]
fn nesting_ends_at_its_bound() {
    let nested = |depth: usize| format!(r#"{{"type":6,"x":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(read(&nested(DEPTH_MAX)), Read::Other("Ping"));
    assert_eq!(read(&nested(DEPTH_MAX + 1)), Read::Malformed("Error reading JSON."));
    assert_eq!(read(&nested(1_000_000)), Read::Malformed("Error reading JSON."));
    assert_eq!(read(&"[".repeat(1_000_000)), Read::Malformed("Error reading JSON."));
    assert_eq!(read(&r#"{"x":"#.repeat(100_000)), Read::Malformed("Error reading JSON."));

    let mut parser = Parser::default();
    let deep = |parser: &mut Parser, depth_max| parser.parse(&mut nested(5).into_bytes(), depth_max, |_| ()).is_ok();
    assert!(deep(&mut parser, 5) && !deep(&mut parser, 4) && deep(&mut parser, 64));
}

// Binding of subscription items.

#[test]
fn items_bind_keys_of_any_case_and_skip_others() {
    let record = r#"{"type":1,"target":"T","arguments":[[
        {"ENTITYID":"a","eventname":"b","Snapshot":true,"x":{"EntityId":"no"}},
        {"entityId":"c"},
        {"EventName":"d","EntityId":null},
        {},
        null,
        {"EntityId":"e","entityid":"f","EventName":null,"eventName":"g"},
        {"EventName":"h","eventName":null,"\u0045ntityId":""}
    ],{"more":"ignored"}]}"#;
    let Read::Invocation { count, items, .. } = read(record) else { panic!("an invocation") };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(count, 2);
    assert_eq!(
        items,
        Ok(vec![
            (text("a"), text("b")),
            (text("c"), None),
            (None, text("d")),
            (None, None),
            (None, None),
            (text("f"), text("g")),
            (text(""), None),
        ])
    );
}

#[test]
fn what_is_no_list_of_items_does_not_bind() {
    for argument in [
        "null",
        "{}",
        "1",
        "\"x\"",
        "[1]",
        "[\"x\"]",
        "[[]]",
        "[true]",
        r#"[{"EntityId":1}]"#,
        r#"[{"EntityId":[]}]"#,
        r#"[{"EventName":{}}]"#,
        r#"[{"EventName":false,"EventName":"b"}]"#,
        r#"[{"EntityId":"a","EventName":"b"},0]"#,
    ] {
        let Read::Invocation { items, .. } = read(&format!(r#"{{"type":1,"target":"T","arguments":[{argument}]}}"#))
        else {
            panic!("an invocation")
        };
        assert_eq!(items, Err(BindError), "{argument}");
    }
}

#[test]
fn an_optional_member_of_a_wrong_type_spoils_its_item_alone() {
    for member in [r#""Snapshot":"yes""#, r#""snapshot":[{}]"#, r#""Since":5"#, r#""SINCE":{"a":[1]},"Since":null"#] {
        let items = format!(r#"[{{{member},"EntityId":"e"}},{{"EntityId":"f","Snapshot":true,"Since":"x"}}]"#);
        let mut record = format!(r#"{{"type":1,"target":"T","arguments":[{items}]}}"#).into_bytes();
        let bound = Parser::default().parse(&mut record, 64, |message| {
            let HubMessage::Invocation { arguments, .. } = message else { panic!("an invocation") };
            let mut items = SmallVec::new();
            arguments.items(&mut items).map(|()| items.iter().map(|item| (item.entity_id, item.is_mistyped)).collect())
                == Ok(vec![(Given::Text("e"), true), (Given::Text("f"), false)])
        });
        assert_eq!(bound, Ok(true), "{member}");
    }
}

#[test]
fn a_list_is_counted_by_its_own_items_before_any_is_bound() {
    for (argument, count) in [("[]", 0), ("[{},[{},{}],1]", 3), ("{\"a\":[{}]}", 0), ("null", 0), ("[{}],[{},{}]", 1)] {
        let mut record = format!(r#"{{"type":1,"target":"T","arguments":[{argument}]}}"#).into_bytes();
        let counted = Parser::default().parse(&mut record, 64, |message| {
            let HubMessage::Invocation { arguments, .. } = message else { panic!("an invocation") };
            arguments.item_count()
        });
        assert_eq!(counted, Ok(count), "{argument}");
    }
}

#[test]
fn memory_is_kept_from_record_to_record() {
    let record = |items: usize| {
        let items =
            vec![r#"{"EntityId":"d3b07384-d9a0-4c9b-8f3e-0a1b2c3d4e5f","EventName":"QueueStatus"}"#; items].join(",");
        format!(r#"{{"target":"Subscribe","arguments":[[{items}]],"invocationId":"0","type":1}}"#)
    };
    let mut parser = Parser::default();
    read_with(&mut parser, record(100).as_bytes());
    let memory = |parser: &Parser| {
        (parser.tape.0.as_ptr(), parser.tape.0.capacity(), parser.buffers.structural_indexes().as_ptr())
    };
    let kept = memory(&parser);
    assert!(kept.1 >= 100);
    for items in [1, 100, 0, 7] {
        read_with(&mut parser, record(items).as_bytes());
        read_with(&mut parser, b"{\"type\":");
        assert_eq!(memory(&parser), kept);
    }
}
