//! What is mended rather than refused.

use super::super::bounds::Mode;
use super::super::fixture::*;
use super::{availability, only_lenient, run};
use serde_json::Value as Json;

#[test]
fn digits_that_nobody_holds_are_cut_and_no_end_has_one_spelling() {
    for mode in [Mode::Strict, Mode::Lenient] {
        for (sent, delivered) in [
            ("2024-05-31T14:02:11.123456789Z", "2024-05-31T14:02:11.1234567Z"),
            (r"2024-05-31T14:02:11.12345678\u0039+02:00", "2024-05-31T14:02:11.1234567+02:00"),
            ("2024-05-31t14:02:11z", "2024-05-31T14:02:11Z"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.9999999Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.9999999Z"),
            ("9999-12-31T23:59:59.9999999-05:00", "9999-12-31T23:59:59.9999999Z"),
        ] {
            let (accepted, out) = run(AVAILABILITY, &availability("9999-12-31T23:59:59.9999999Z", sent), mode).unwrap();
            assert_eq!(accepted.tolerated, 0);
            assert_eq!(out, availability("9999-12-31T23:59:59.9999999Z", delivered), "{sent}");
        }
    }
}

#[test]
fn integers_are_taken_by_value_and_delivered_as_integers() {
    for (sent, delivered) in
        [("1.0", "1"), ("1e3", "1000"), ("-0", "0"), ("-0.0", "0"), ("2147483647.000", "2147483647")]
    {
        for mode in [Mode::Strict, Mode::Lenient] {
            let (accepted, out) = run(QUEUE_STATUS, &QUEUE_STATUS_TEXT.replace("-2147483648", sent), mode).unwrap();
            assert_eq!(accepted.tolerated, 0);
            assert_eq!(out, QUEUE_STATUS_TEXT.replace("-2147483648", delivered), "{sent}");
        }
    }
    let text = CALLBACK_CHANGED_TEXT.replace("\"typeId\":2", "\"typeId\":2.0");
    assert_eq!(run(CALLBACK_CHANGED, &text, Mode::Strict).unwrap().1, CALLBACK_CHANGED_TEXT, "a value of its set");
}

#[test]
fn lenient_mode_mends_half_a_surrogate_pair_wherever_a_text_stands() {
    for (name, sent, delivered, count) in [
        ("anna", r"a\ud800b", r"a\ufffdb", 1),
        ("anna", r"\udc00\ud83d\ude00\ud83d", r"\ufffd\ud83d\ude00\ufffd", 2),
        ("anna", r"\u0000\\u0000\ud83dd", r"\ufffd\\u0000\ufffdd", 2),
        ("anna", r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00", 1),
        ("OffWork", r"Off\udfff", r"Off\ufffd", 2),
    ] {
        let text = availability(name, sent);
        let rule = if name == "anna" { ("/userName", "text") } else { ("/availability", "text") };
        only_lenient(AVAILABILITY, &text, rule, &availability(name, delivered), count);
    }
    // In a name and in the value of a property that nobody declared: mended, and the property
    // counted.
    let with = |member: &str| availability("\"userName\"", &format!("{member}, \"userName\""));
    let sent = with(r#""\ud800": {"a\udc00": ["\u0000", 1.50]}"#);
    let delivered = with(r#""\ufffd": {"a\ufffd": ["\ufffd", 1.50]}"#);
    let (accepted, out) = run(AVAILABILITY, &sent, Mode::Lenient).unwrap();
    assert_eq!((out, accepted.tolerated), (delivered, 4));
    // Two names that become one: the last one wins.
    let sent = with(r#""\ud800": 1, "\u0000": 2"#);
    let (accepted, out) = run(AVAILABILITY, &sent, Mode::Lenient).unwrap();
    let delivered: Json = serde_json::from_str(&out).unwrap();
    assert_eq!((&delivered["\u{fffd}"], accepted.tolerated), (&Json::from(2), 3), "{out}");
}
