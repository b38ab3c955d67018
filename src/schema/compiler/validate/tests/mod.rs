use super::super::model::WireCase;
mod agreement;
mod mending;
mod rows;

use super::derive::{Derived, derive};
use super::fixture::*;
use super::*;
use crate::schema::Catalogue;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::sync::LazyLock;

const BOUNDS: Bounds = Bounds { depth_max: 64, errors_max: 50, suggestions_max: 2 };

/// What is delivered, or the violations.
fn run(event: EventId, text: &str, mode: Mode) -> Result<(Accepted, String), Vec<Violation>> {
    let mut out = b"left over".to_vec();
    let accepted = validate(&model(), event, text, mode, BOUNDS, &mut out)?;
    let delivered = if accepted.rewritten { String::from_utf8(out).unwrap() } else { text.to_owned() };
    Ok((accepted, delivered))
}

/// Pointer and rule of each violation.
fn refused(event: EventId, text: &str, mode: Mode) -> Vec<(String, &'static str)> {
    run(event, text, mode).unwrap_err().into_iter().map(|violation| (violation.pointer, violation.rule)).collect()
}

fn message(event: EventId, text: &str) -> String {
    let violations = run(event, text, Mode::Strict).unwrap_err();
    let [violation] = violations.as_slice() else { panic!("{violations:?}") };
    format!("{}: {}", violation.pointer, violation.message)
}

/// [`AVAILABILITY_TEXT`] with one piece replaced.
fn availability(old: &str, new: &str) -> String {
    assert!(AVAILABILITY_TEXT.contains(old), "{old}");
    AVAILABILITY_TEXT.replace(old, new)
}

fn both(event: EventId, text: &str, expected: &[(&str, &str)]) {
    for mode in [Mode::Strict, Mode::Lenient] {
        let refused = refused(event, text, mode);
        let refused: Vec<_> = refused.iter().map(|(pointer, rule)| (pointer.as_str(), *rule)).collect();
        assert_eq!(refused, expected, "{mode:?} {text}");
    }
}

/// Strict refuses with this one violation; lenient delivers this and counts so many.
fn only_lenient(event: EventId, text: &str, expected: (&str, &str), delivered: &str, tolerated: u32) {
    assert_eq!(refused(event, text, Mode::Strict), [(expected.0.to_owned(), expected.1)], "{text}");
    let (accepted, out) = run(event, text, Mode::Lenient).unwrap();
    assert_eq!((out.as_str(), accepted.tolerated), (delivered, tolerated), "{text}");
}

#[test]
fn what_needs_no_change_is_delivered_byte_for_byte() {
    for (event, text) in [
        (AVAILABILITY, AVAILABILITY_TEXT),
        (QUEUE_STATUS, QUEUE_STATUS_TEXT),
        (CALLBACK_CHANGED, CALLBACK_CHANGED_TEXT),
        (QUEUE_STATUS, &QUEUE_STATUS_TEXT.replace("Support", r"S\u0075\ud83d\ude00\n")),
        (AVAILABILITY, &availability("9999-12-31T23:59:59.9999999Z", "2024-02-29T00:00:00.1+02:00")),
        (AVAILABILITY, &availability("OffWork", r"\u004fffWork")),
    ] {
        for mode in [Mode::Strict, Mode::Lenient] {
            let (accepted, delivered) = run(event, text, mode).unwrap();
            assert!(!accepted.rewritten && accepted.tolerated == 0, "{text}");
            assert_eq!(delivered, text);
        }
    }
}

#[test]
fn an_accepted_event_tells_its_entity_and_organization() {
    let (accepted, _) = run(AVAILABILITY, AVAILABILITY_TEXT, Mode::Strict).unwrap();
    assert_eq!(accepted.entity, scalar::guid(USER.as_bytes()).map(|guid| guid.bytes));
    assert_eq!(accepted.organization, scalar::guid(ORGANIZATION.as_bytes()).map(|guid| guid.bytes));
    let (accepted, _) = run(CALLBACK_REQUEST, r#"{"emailTo":null,"listId":null}"#, Mode::Strict).unwrap();
    assert_eq!((accepted.entity, accepted.organization), (None, None));
    let with_list = format!(r#"{{"emailTo":null,"listId":"{CALL_LIST}"}}"#);
    let (accepted, _) = run(CALLBACK_REQUEST, &with_list, Mode::Strict).unwrap();
    assert_eq!(accepted.entity, scalar::guid(CALL_LIST.as_bytes()).map(|guid| guid.bytes));
    // QueueId of this event is the subject, not the addressee.
    for queue in [QUEUE, ZERO] {
        let alert = format!(r#"{{"alert":"x","queueId":"{queue}"}}"#);
        assert_eq!(run(QUEUE_ALERT, &alert, Mode::Strict).unwrap().0.entity, None);
    }
}

#[test]
fn documented_spelling_becomes_the_wires() {
    let text = CALLBACK_CHANGED_TEXT.replace("\"callListId\"", "\"CallListId\"").replace("\"note\"", "\"Note\"");
    let (accepted, delivered) = run(CALLBACK_CHANGED, &text, Mode::Strict).unwrap();
    assert!(accepted.rewritten && accepted.tolerated == 0);
    assert_eq!(delivered, CALLBACK_CHANGED_TEXT);
    let escaped = QUEUE_STATUS_TEXT.replace("\"queueId\"", r#""\u0051ueueId""#);
    assert_eq!(run(QUEUE_STATUS, &escaped, Mode::Strict).unwrap().1, QUEUE_STATUS_TEXT);
}

#[test]
fn both_spellings_are_read_whatever_the_wire_case_is() {
    let documented = Catalogue::built_in(Some(WireCase::Documented));
    let camel = Catalogue::built_in(None);
    for ((id, event), (_, twin)) in documented.events().zip(camel.events()) {
        let mut out = Vec::new();
        let sent = &twin.examples[0].delivered;
        let accepted = validate(documented.model(), id, sent, Mode::Strict, BOUNDS, &mut out).unwrap();
        assert!(accepted.rewritten, "{}", event.name);
        let delivered: Json = serde_json::from_slice(&out).unwrap();
        assert_eq!(delivered, serde_json::from_str::<Json>(&event.examples[0].delivered).unwrap());
        assert!(
            validate(camel.model(), id, &event.examples[0].delivered, Mode::Strict, BOUNDS, &mut out)
                .unwrap()
                .rewritten
        );
    }
}

#[test]
fn absent_nullable_properties_are_filled_with_null() {
    let text = availability("  \"note\": null,\n", "");
    let (_, delivered) = run(AVAILABILITY, &text, Mode::Strict).unwrap();
    assert_eq!(delivered, text.replace("com\"", "com\",\"note\":null"));
    let text = CALLBACK_CHANGED_TEXT.replace(r#","note":null,"timestamp":null"#, " ");
    let (_, delivered) = run(CALLBACK_CHANGED, &text, Mode::Strict).unwrap();
    assert_eq!(delivered, CALLBACK_CHANGED_TEXT.replace(r#""timestamp":null}"#, r#""timestamp":null }"#));
    assert_eq!(run(CALLBACK_REQUEST, "{ }", Mode::Strict).unwrap().1, r#"{ "emailTo":null,"listId":null}"#);
    assert_eq!(run(CALLBACK_REQUEST, " {}\n", Mode::Strict).unwrap().1, " {\"emailTo\":null,\"listId\":null}\n");
}

#[test]
fn guids_are_delivered_in_lower_case() {
    for organization in [r"0B\u0039a", r"\u0030b9a"] {
        let text = AVAILABILITY_TEXT.replace(USER, &USER.to_uppercase()).replace("0b9a", organization);
        let (accepted, delivered) = run(AVAILABILITY, &text, Mode::Strict).unwrap();
        assert!(accepted.rewritten && accepted.tolerated == 0);
        assert_eq!(delivered, AVAILABILITY_TEXT);
    }
}

#[test]
fn a_date_time_without_offset_is_delivered_as_utc_with_its_digits() {
    for mode in [Mode::Strict, Mode::Lenient] {
        for text in [availability("9999999Z", "9999999"), availability("9999999Z", r"999999\u0039")] {
            let (accepted, delivered) = run(AVAILABILITY, &text, mode).unwrap();
            assert_eq!((delivered.as_str(), accepted.tolerated), (AVAILABILITY_TEXT, 0), "{text}");
        }
    }
}

#[test]
fn lenient_mode_takes_dates_alone() {
    let text = availability("9999-12-31T23:59:59.9999999Z", "2024-05-31");
    let delivered = availability("9999-12-31T23:59:59.9999999Z", "2024-05-31T00:00:00Z");
    only_lenient(AVAILABILITY, &text, ("/endTime", "date-time"), &delivered, 1);
}

#[test]
fn both_modes_refuse_what_no_typed_client_survives() {
    for (old, new, pointer, rule) in [
        ("\"9999-12-31T23:59:59.9999999Z\"", "17", "/endTime", "type"),
        ("\"9999-12-31T23:59:59.9999999Z\"", "null", "/endTime", "null"),
        ("9999-12-31", "2023-02-29", "/endTime", "date-time"),
        ("\"a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3\"", "null", "/userId", "null"),
        ("a1eeb030-ff4b", "{a1eeb030ff4b", "/userId", "guid"),
        ("a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3", "a1eeb030ff4bea11ac9c00155d4fdcf3", "/userId", "guid"),
        ("a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3", ZERO, "/userId", "entity-zero"),
        ("\"OffWork\"", "[\"OffWork\"]", "/availability", "type"),
        ("\"OffWork\"", "{\"a\":1}", "/availability", "type"),
        ("  \"userName\": \"anna.virtanen@example.com\"", "  \"note \": 1", "/userName", "missing-property"),
    ] {
        let text = availability(old, new);
        for mode in [Mode::Strict, Mode::Lenient] {
            assert!(refused(AVAILABILITY, &text, mode).contains(&(pointer.to_owned(), rule)), "{mode:?} {text}");
        }
    }
    for (number, rule) in [
        ("1.5", "integer"),
        ("1e-3", "integer"),
        ("1e10", "range"),
        ("\"1\"", "type"),
        ("2147483648", "range"),
        ("-2147483649", "range"),
        ("99999999999999999999999", "range"),
        ("true", "type"),
        ("null", "null"),
    ] {
        both(QUEUE_STATUS, &QUEUE_STATUS_TEXT.replace("-2147483648", number), &[("/nbr", rule)]);
    }
    both(
        QUEUE_STATUS,
        &QUEUE_STATUS_TEXT.replace("9007199254740993", "9223372036854775808"),
        &[("/maxWaitTime", "range")],
    );
    both(CALLBACK_CHANGED, &CALLBACK_CHANGED_TEXT.replace("\"typeId\":2", "\"typeId\":32768"), &[("/typeId", "range")]);
    both(CALLBACK_CHANGED, &CALLBACK_CHANGED_TEXT.replace("true", "\"true\""), &[("/isOpen", "type")]);
    for (text, found) in [("[]", "a list"), ("null", "null"), ("1", "1"), ("\"x\"", "\"x\"")] {
        both(AVAILABILITY, text, &[("", "type")]);
        assert_eq!(message(AVAILABILITY, text), format!(": found {found}, expected an object"));
    }
}

#[test]
fn integers_reach_to_the_ends_of_their_types() {
    for number in ["9223372036854775807", "-9223372036854775808", "0"] {
        let text = QUEUE_STATUS_TEXT.replace("9007199254740993", number);
        assert_eq!(run(QUEUE_STATUS, &text, Mode::Strict).unwrap().1, text);
    }
    let text = QUEUE_STATUS_TEXT.replace("-2147483648", "2147483647");
    assert_eq!(run(QUEUE_STATUS, &text, Mode::Strict).unwrap().1, text);
}

#[test]
fn unknown_properties_are_refused_with_the_nearest_or_delivered_unchanged() {
    let text = availability("\"userName\"", "\"user_name\": {\"a\": [1.50, \"\\u0041\"]}, \"userName\"");
    only_lenient(AVAILABILITY, &text, ("/user_name", "unknown-property"), &text, 1);
    assert_eq!(message(AVAILABILITY, &text), "/user_name: unknown property \"user_name\"; did you mean \"userName\"?");
    let text = availability("\"userName\"", "\"a/b~\": 1, \"userName\"");
    assert_eq!(message(AVAILABILITY, &text), "/a~1b~0: unknown property \"a/b~\"");
}

#[test]
fn the_nearest_property_is_searched_for_the_first_violations_only() {
    let text = availability("\"userName\"", "\"user_name\": 1, \"user__name\": 1, \"user_nam\": 1, \"userName\"");
    let told = run(AVAILABILITY, &text, Mode::Strict).unwrap_err();
    let hints: Vec<bool> = told.iter().map(|violation| violation.message.contains("did you mean")).collect();
    assert_eq!(hints, [true, true, false]);
}

#[test]
fn lenient_mode_takes_any_case_and_delivers_the_wires() {
    let text = availability("\"userId\"", "\"USERID\"");
    only_lenient(AVAILABILITY, &text, ("/USERID", "unknown-property"), AVAILABILITY_TEXT, 1);
    assert_eq!(message(AVAILABILITY, &text), "/USERID: unknown property \"USERID\"; did you mean \"userId\"?");
}

#[test]
fn null_texts_and_lists_pass_lenient_mode() {
    let text = availability("\"anna.virtanen@example.com\"", "null");
    only_lenient(AVAILABILITY, &text, ("/userName", "null"), &text, 1);
    let text = CALLBACK_CHANGED_TEXT.replace(r#"["a","b"]"#, "null");
    only_lenient(CALLBACK_CHANGED, &text, ("/tags", "null"), &CALLBACK_CHANGED_TEXT.replace(r#"["a","b"]"#, "[]"), 1);
    let text = CALLBACK_CHANGED_TEXT.replace(r#"["a","b"]"#, r#"["a",null]"#);
    only_lenient(CALLBACK_CHANGED, &text, ("/tags/1", "null"), &text, 1);
    let text = CALLBACK_CHANGED_TEXT.replace(r#"{"id":1,"name":"customerNumber"}"#, "null");
    both(CALLBACK_CHANGED, &text, &[("/callbackExtras/0", "null")]);
}

#[test]
fn values_outside_a_closed_set_pass_lenient_mode() {
    let text = availability("OffWork", "Availble");
    only_lenient(AVAILABILITY, &text, ("/availability", "values"), &text, 1);
    assert_eq!(
        message(AVAILABILITY, &text),
        "/availability: \"Availble\" is none of Available, Busy, DoNotDisturb, OffWork"
    );
    let text = CALLBACK_CHANGED_TEXT.replace("\"typeId\":2", "\"typeId\":4");
    only_lenient(CALLBACK_CHANGED, &text, ("/typeId", "values"), &text, 1);
    let text = QUEUE_STATUS_TEXT.replace("\"queueName\"", "\"techReason\":\"anything\",\"queueName\"");
    assert_eq!(run(QUEUE_STATUS, &text, Mode::Strict).unwrap().1, text, "an open set takes all");
}

#[test]
fn of_names_there_twice_the_last_one_wins_in_lenient_mode() {
    let zero_first = availability("  \"availability\"", &format!("  \"userId\": \"{ZERO}\", \"availability\""));
    assert_eq!(
        refused(AVAILABILITY, &zero_first, Mode::Strict),
        [("/userId".to_owned(), "entity-zero"), ("/userId".to_owned(), "duplicate-property")]
    );
    let (accepted, delivered) = run(AVAILABILITY, &zero_first, Mode::Lenient).unwrap();
    assert_eq!(
        serde_json::from_str::<Json>(&delivered).unwrap(),
        serde_json::from_str::<Json>(AVAILABILITY_TEXT).unwrap()
    );
    assert_eq!((accepted.tolerated, accepted.entity.is_some()), (1, true));
    assert_eq!(delivered.matches("userId").count(), 1);

    let nested = CALLBACK_CHANGED_TEXT.replace("\"id\":1,", "\"id\":1,\"Id\":2,");
    let delivered = CALLBACK_CHANGED_TEXT.replace("\"id\":1,", "\"id\":2,");
    only_lenient(CALLBACK_CHANGED, &nested, ("/callbackExtras/0/Id", "duplicate-property"), &delivered, 1);
    let by_case = CALLBACK_CHANGED_TEXT.replace("\"isOpen\":true", "\"isOpen\":true,\"ISOPEN\":false");
    let (accepted, out) = run(CALLBACK_CHANGED, &by_case, Mode::Lenient).unwrap();
    assert_eq!((accepted.tolerated, out), (2, CALLBACK_CHANGED_TEXT.replace("true", "false")));
}

#[test]
fn unknown_names_there_twice_are_delivered_once() {
    let (head, tail) = QUEUE_STATUS_TEXT.split_at(1);
    let twice = format!(r#"{head}"x":1,"y":2,"x":3,{tail}"#);
    let (accepted, delivered) = run(QUEUE_STATUS, &twice, Mode::Lenient).unwrap();
    assert_eq!((delivered, accepted.tolerated), (format!(r#"{head}"y":2,"x":3,{tail}"#), 3));
    // More than the short list of the fast way holds, all different: nothing changes.
    let many: String = (0..20).map(|n| format!("\"x{n}\": {n},")).collect();
    let many = format!("{head}{many}{tail}");
    let (accepted, delivered) = run(QUEUE_STATUS, &many, Mode::Lenient).unwrap();
    assert_eq!((delivered, accepted.tolerated, accepted.rewritten), (many, 20, false));
    let escaped = format!(r#"{head}"x":1,"\u0078":2,{tail}"#);
    let (_, delivered) = run(QUEUE_STATUS, &escaped, Mode::Lenient).unwrap();
    assert_eq!(delivered, format!(r#"{head}"\u0078":2,{tail}"#));
}

#[test]
fn all_errors_are_told_in_the_order_of_the_text_up_to_the_bound() {
    let text = r#"{"CallListId":"x","CallbackAttempts":[{"id":1},{"Id":"y","timestamp":"z"}],"isOpen":2,"Nonsense":3}"#;
    let expected = [
        ("/CallListId", "guid"),
        ("/CallbackAttempts/0/id", "type"),
        ("/CallbackAttempts/1/Id", "guid"),
        ("/CallbackAttempts/1/timestamp", "date-time"),
        ("/isOpen", "type"),
        ("/Nonsense", "unknown-property"),
        ("/CallbackExtras", "missing-property"),
        ("/OrganizationId", "missing-property"),
        ("/Tags", "missing-property"),
        ("/TypeId", "missing-property"),
    ];
    let refused = refused(CALLBACK_CHANGED, text, Mode::Strict);
    assert_eq!(refused, expected.map(|(pointer, rule)| (pointer.to_owned(), rule)));
    for errors_max in 0..10 {
        let mut out = Vec::new();
        let bounds = Bounds { errors_max, ..BOUNDS };
        let told = validate(&model(), CALLBACK_CHANGED, text, Mode::Strict, bounds, &mut out).unwrap_err();
        assert_eq!(told.len(), errors_max.max(1));
        assert!(out.is_empty());
    }
}

#[test]
fn text_that_is_no_json_yields_one_violation_with_its_place() {
    for text in ["{\"userId\":1,\n \"x\" 2}", "", "{", "{}}", "{\"userId\":01}", "{'a':1}"] {
        both(AVAILABILITY, text, &[("", "json")]);
    }
    assert_eq!(message(AVAILABILITY, "{\"userId\":1,\n \"x\" 2}"), ": no JSON at line 2 column 6: expected a colon");
}

#[test]
fn nesting_beyond_the_bound_is_refused_and_within_it_is_not() {
    let nested = |levels: usize| {
        availability("\"userName\"", &format!("\"x\": {}{}, \"userName\"", "[".repeat(levels), "]".repeat(levels)))
    };
    assert!(run(AVAILABILITY, &nested(63), Mode::Lenient).is_ok());
    both(AVAILABILITY, &nested(64).replace("\"x\"", "\"note\"").replace("\"note\": null,", ""), &[("/note", "depth")]);
    assert_eq!(refused(AVAILABILITY, &nested(64), Mode::Lenient), [("/x".to_owned(), "depth")]);
    assert_eq!(refused(AVAILABILITY, &nested(300_000), Mode::Lenient), [("/x".to_owned(), "depth")]);
    let mut out = Vec::new();
    let flat = Bounds { depth_max: 1, ..BOUNDS };
    assert!(validate(&model(), AVAILABILITY, AVAILABILITY_TEXT, Mode::Strict, flat, &mut out).is_ok());
    let refused =
        validate(&model(), CALLBACK_CHANGED, CALLBACK_CHANGED_TEXT, Mode::Strict, flat, &mut out).unwrap_err();
    assert_eq!((refused[0].pointer.as_str(), refused[0].rule), ("/callbackAttempts", "depth"));
}

#[test]
fn a_message_repeats_only_so_much_of_what_was_sent() {
    let long = "ä".repeat(10_000);
    for text in [availability("OffWork", &long), availability("\"note\"", &format!("\"{long}\""))] {
        for violation in run(AVAILABILITY, &text, Mode::Strict).unwrap_err() {
            assert!(violation.message.len() < 300, "{}", violation.message.len());
        }
    }
}

#[test]
fn an_object_of_more_than_256_properties_works_the_same() {
    let mut model = model();
    let names: Vec<String> = (0..400).map(|n| format!("P{n:03}")).collect();
    let list: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "int")).collect();
    model.events[1].properties = properties(&list);
    let members = |range: std::ops::Range<usize>| -> String {
        let members: Vec<String> = range.map(|n| format!("\"p{n:03}\":{n}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let run = |text: &str| validate(&model, QUEUE_ALERT, text, Mode::Strict, BOUNDS, &mut Vec::new());
    assert!(run(&members(0..400)).is_ok());
    let missing = run(&members(0..399)).unwrap_err();
    assert_eq!((missing.len(), missing[0].pointer.as_str()), (1, "/p399"));
    let twice = run(&members(0..400).replace("\"p399\"", "\"p300\"")).unwrap_err();
    assert_eq!((twice[0].rule, twice[1].pointer.as_str()), ("duplicate-property", "/p399"));
}

#[test]
fn every_rule_told_is_a_listed_one() {
    let names: Vec<&str> = rule::ALL.iter().map(|(name, _)| *name).collect();
    let kebab = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    assert!(names.iter().all(kebab));
    let text = r#"{"CallListId":"x","isOpen":2,"isOpen":true,"typeId":9,"Nonsense":"\u0000","tags":null}"#;
    for (_, rule) in refused(CALLBACK_CHANGED, text, Mode::Strict) {
        assert!(names.contains(&rule), "{rule}");
    }
}

#[test]
fn a_derived_event_follows_its_source_where_somebody_is_assigned() {
    let model = model();
    let mut out = Vec::new();
    let Derived { entity, entity_at } = derive(&model, USER_CALLBACK_CHANGED, CALLBACK_CHANGED_TEXT, &mut out).unwrap();
    assert_eq!(Some(entity), scalar::guid(USER.as_bytes()).map(|guid| guid.bytes));
    let place = entity_at.unwrap() as usize;
    assert_eq!(&out[place..place + 36], USER.as_bytes());
    let made = String::from_utf8(out.clone()).unwrap();
    let mut expected: Json = serde_json::from_str(CALLBACK_CHANGED_TEXT).unwrap();
    expected["targetUser"] = USER.into();
    assert_eq!(serde_json::from_str::<Json>(&made).unwrap(), expected);
    let (accepted, _) = run(USER_CALLBACK_CHANGED, &made, Mode::Strict).unwrap();
    assert!(!accepted.rewritten && accepted.entity == Some(entity));

    for nobody in ["null".to_owned(), format!("\"{ZERO}\"")] {
        let text = CALLBACK_CHANGED_TEXT.replace(&format!("\"{USER}\""), &nobody);
        assert_eq!(derive(&model, USER_CALLBACK_CHANGED, &text, &mut out), None);
    }
    assert_eq!(derive(&model, AVAILABILITY, AVAILABILITY_TEXT, &mut out), None, "has no rule");
}

#[test]
fn a_derived_event_overrules_a_stranger_of_the_same_name() {
    let mut out = Vec::new();
    let text = CALLBACK_CHANGED_TEXT.replace("\"isOpen\"", "\"targetUser\":7,\"isOpen\"");
    assert!(derive(&model(), USER_CALLBACK_CHANGED, &text, &mut out).is_some());
    assert!(run(USER_CALLBACK_CHANGED, std::str::from_utf8(&out).unwrap(), Mode::Strict).is_ok());
}

/// Texts of all events of the fixture, complete.
const TEXTS: [(EventId, &str); 3] =
    [(AVAILABILITY, AVAILABILITY_TEXT), (QUEUE_STATUS, QUEUE_STATUS_TEXT), (CALLBACK_CHANGED, CALLBACK_CHANGED_TEXT)];

/// Values that some type takes, or nearly.
const PIECES: [&str; 25] = [
    "null",
    "1",
    "-0",
    "1.0",
    "1e2",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"x\"",
    "32768",
    "2147483648",
    "9223372036854775808",
    "\"2024-05-31\"",
    "\"2024-05-31T01:02:03\"",
    "\"2024-02-30T01:02:03Z\"",
    "\"2024-05-31T01:02:03.123456789+05:30\"",
    "\"A1EEB030-FF4B-EA11-AC9C-00155D4FDCF3\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"Busy\"",
    "[null]",
    "[{\"id\":1}]",
    "[{\"Id\":\"6F1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c77\",\"id\":1}]",
    "\"\\ud800\"",
    "\"\\u0000\"",
];

/// Names that may be another member's, in several spellings.
const NAMES: [&str; 12] =
    ["userId", "UserId", "USERID", "queueId", "note", "Note", "typeId", "tags", "x", "isOpen", "callListId", "nbr"];

/// What to do to a member: which one, what, with which piece, with which name.
type Mutation = (usize, usize, usize, usize);

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    prop::collection::vec((0usize..40, 0usize..5, 0..PIECES.len(), 0..NAMES.len()), 1..3)
}

/// `text` with members replaced, dropped, renamed, doubled or added.
fn mutated(text: &str, mutations: &[Mutation]) -> String {
    let object: serde_json::Map<String, Json> = serde_json::from_str(text).unwrap();
    // Texts of names and values, so that a name may stand twice.
    let mut members: Vec<(String, String)> =
        object.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
    for &(at, kind, piece, name) in mutations {
        let at = at % members.len().max(1);
        let piece = PIECES[piece].to_owned();
        match (kind, members.get_mut(at)) {
            (0, Some(member)) => member.1 = piece,
            (1, Some(_)) => drop(members.remove(at)),
            (2, Some(member)) => member.0 = NAMES[name].into(),
            (3, Some(member)) => {
                let upper = member.0.to_uppercase();
                members.push((upper, piece));
            }
            _ => members.insert(at, (NAMES[name].into(), piece)),
        }
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Holds the invariant for one text, in both modes.
fn hold(model: &Model, event: EventId, text: &str, schema: &jsonschema::Validator) -> Result<(), TestCaseError> {
    let run = |text: &str, mode| -> Result<(Accepted, String), Vec<Violation>> {
        let mut out = Vec::new();
        let accepted = validate(model, event, text, mode, BOUNDS, &mut out)?;
        Ok((accepted, if accepted.rewritten { String::from_utf8(out).unwrap() } else { text.to_owned() }))
    };
    let strict = run(text, Mode::Strict);
    if let Ok((accepted, delivered)) = &strict {
        let value: Json = serde_json::from_str(delivered).unwrap();
        prop_assert!(schema.is_valid(&value), "{}", delivered);
        prop_assert_eq!(accepted.tolerated, 0);
        prop_assert_eq!(accepted.rewritten, delivered != text);
    }
    match run(text, Mode::Lenient) {
        Ok((accepted, delivered)) => {
            let value: Json = serde_json::from_str(&delivered).unwrap();
            prop_assert!(accepted.tolerated > 0 || schema.is_valid(&value), "{}", delivered);
            prop_assert_eq!(strict.is_ok(), accepted.tolerated == 0, "{}", text);
            // What has been delivered once is delivered unchanged.
            let (again, unchanged) = run(&delivered, Mode::Lenient).unwrap();
            prop_assert!(!again.rewritten && unchanged == delivered && again.entity == accepted.entity);
        }
        Err(_) => prop_assert!(strict.is_err(), "lenient refuses what strict takes: {}", text),
    }
    Ok(())
}

fn compiled(schema: &Json) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// The built-in catalogue with its published schemas, by event number.
static PUBLISHED: LazyLock<(Catalogue, Vec<jsonschema::Validator>)> = LazyLock::new(|| {
    let catalogue = Catalogue::built_in(None);
    let schemas = catalogue.events().map(|(id, _)| serde_json::from_str(&catalogue.json_schema(id, false)).unwrap());
    let schemas = schemas.map(|schema| compiled(&schema)).collect();
    (catalogue, schemas)
});

#[test]
fn every_example_of_the_catalogue_is_delivered_as_its_schema_says() {
    let (catalogue, schemas) = &*PUBLISHED;
    for ((id, event), schema) in catalogue.events().zip(schemas) {
        for example in &event.examples {
            hold(catalogue.model(), id, &example.json, schema).unwrap();
            let mut out = Vec::new();
            assert!(validate(catalogue.model(), id, &example.json, Mode::Strict, BOUNDS, &mut out).is_ok());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The invariant, on a small catalogue with every type.
    #[test]
    fn whatever_is_delivered_validates((event, text) in prop::sample::select(TEXTS.to_vec()), mutations in mutations()) {
        let model = model();
        hold(&model, event, &mutated(text, &mutations), &compiled(&schema(&model, event)))?;
    }

    /// The invariant, on the catalogue and the schemas that the hub publishes.
    #[test]
    fn whatever_is_delivered_validates_against_the_published_schema(event in 0usize..41, mutations in mutations()) {
        let (catalogue, schemas) = &*PUBLISHED;
        let (id, declared) = catalogue.events().nth(event).unwrap();
        let text = mutated(&declared.examples[0].delivered, &mutations);
        hold(catalogue.model(), id, &text, &schemas[event])?;
    }

    #[test]
    fn no_bytes_make_it_panic_and_json_is_what_serde_json_says(head in ".{0,20}", at in 0usize..500, put in "[\\x00-\\x7f]{0,3}") {
        for (event, text) in TEXTS {
            let at = at % text.len();
            let mutant = format!("{}{put}{}", &text[..at], text.get(at + 1..).unwrap_or_default());
            for text in [head.as_str(), &mutant] {
                let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                for mode in [Mode::Strict, Mode::Lenient] {
                    let said = run(event, text, mode).err().and_then(|errors| errors.first().map(|error| error.rule));
                    prop_assert_eq!(said == Some("json"), !is_json, "{:?}", text);
                }
            }
        }
    }
}
