//! The scanner against `serde_json`, and by example.

use super::*;
use proptest::prelude::*;

fn accepts(text: &str) -> bool {
    let mut scan = Scanner::new(text);
    scan.skip(1000).is_ok() && scan.end().is_ok()
}

fn oracle(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn scanned(text: &str) -> Text<'_> {
    Scanner::new(text).text().unwrap()
}

#[test]
fn agrees_with_serde_json_on_the_corners_of_the_grammar() {
    for text in [
        "",
        " ",
        "{}",
        "[]",
        "[,]",
        "{,}",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "01",
        "-01",
        "-",
        "-0",
        "1.",
        ".1",
        "1e",
        "1e+",
        "1E-2",
        "1.5e3",
        "+1",
        "tru",
        "true",
        "truex",
        "nul",
        "null ",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\u{1f}\"",
        "\"",
        "\"\\\"",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":}",
        "\u{feff}{}",
        "{} {}",
        "[[[[[]]]]]",
        "\"\\ud800\"",
        "\"\\ud800\\n\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\\u0061\"",
        "NaN",
        "Infinity",
        "'a'",
        "//",
        "\"a\\/b\"",
        "1 ",
        "\t\r\n1",
        "\u{b}1",
        "\"12345678",
    ] {
        assert_eq!(accepts(text), oracle(text), "{text:?}");
    }
}

#[test]
fn nesting_stops_at_the_levels_given() {
    assert_eq!(Scanner::new("[[{}]]").skip(3), Ok(None));
    assert_eq!(Scanner::new("[[{}]]").skip(2), Err(Halt::Depth));
    assert_eq!(Scanner::new("1").skip(0), Ok(None));
}

#[test]
fn flaws_are_found_wherever_they_stand() {
    for (text, flaw) in [
        (r#""\ud800""#, Some(Flaw::LoneSurrogate)),
        (r#""\udc00\ud800""#, Some(Flaw::LoneSurrogate)),
        (r#""\ud800\ud83d\ude00""#, Some(Flaw::LoneSurrogate)),
        (r#""\ud83d\ude00""#, None),
        (r#""a\u0000""#, Some(Flaw::Nul)),
        (r#"{"a\udfff":1}"#, Some(Flaw::LoneSurrogate)),
        (r#"[1,{"a":["\u0000"]}]"#, Some(Flaw::Nul)),
        (r#""\\u0000""#, None),
    ] {
        assert_eq!(Scanner::new(text).skip(9), Ok(flaw), "{text}");
    }
}

#[test]
fn escapes_mean_what_serde_json_reads() {
    for text in [r#""a\"\\\/\b\f\n\r\t""#, r#""\u00e4\u20AC\ud83d\ude00z""#, "\"ä\"", r#""""#] {
        assert_eq!(scanned(text).chars().collect::<String>(), serde_json::from_str::<String>(text).unwrap());
    }
    assert_eq!(scanned(r#""\ud800\ud83d\ude00""#).chars().collect::<String>(), "\u{FFFD}😀");
    assert!(scanned(r#""\u0075serId""#).means("userId") && scanned(r#""\u0075serid""#).means_without_case("UserId"));
    assert_eq!(scanned(r#""\u0041b""#).bytes(&mut [0; 2]), Some(&b"Ab"[..]));
    assert_eq!(scanned(r#""\u0041b""#).bytes(&mut [0; 1]), None);
}

#[test]
fn an_error_names_line_and_column_in_characters() {
    let text = "{\n \"ä\": x}";
    let Err(Halt::Syntax(error)) = Scanner::new(text).skip(9) else { panic!("accepted") };
    assert_eq!(error.describe(text), "no JSON at line 2 column 7: expected a value");
}

/// Pieces that make JSON, nearly JSON, and rubbish.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("\\"),
        Just("\"a\""),
        Just("\\u"),
        Just("d800"),
        Just("0"),
        Just("1"),
        Just("-"),
        Just("."),
        Just("e"),
        Just("+"),
        Just("true"),
        Just("null"),
        Just(" "),
        Just("\n"),
        Just("ä"),
        Just("\u{1}"),
        Just("abcdefgh")
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn accepts_what_serde_json_accepts(text in nearly_json()) {
        prop_assert_eq!(accepts(&text), oracle(&text), "{:?}", text);
    }

    #[test]
    fn agrees_with_serde_json_on_mutated_json(depth in 0usize..4, cut in 0usize..200, put in "[\\x00-\\x7f]?") {
        let mut text = String::from(r#"{"a":"b\u00e4\n","c":[1,-2.5e+3,true,null,{"d":{}}],"äö":"0123456789abcdef"}"#);
        for _ in 0..depth { text = format!("[{text}]"); }
        prop_assert!(accepts(&text));
        let cut = cut % (text.len() + 1);
        if text.is_char_boundary(cut) {
            let (head, tail) = text.split_at(cut);
            let mut rest = tail.chars();
            rest.next();
            for mutant in [format!("{head}{put}{tail}"), format!("{head}{put}{}", rest.as_str()), head.to_owned()] {
                prop_assert_eq!(accepts(&mutant), oracle(&mutant), "{:?}", mutant);
            }
        }
    }

    #[test]
    fn plain_bytes_agrees_with_a_byte_by_byte_search(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let naive = bytes.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\').unwrap_or(bytes.len());
        prop_assert_eq!(plain_bytes(&bytes), naive);
    }
}
