//! Strings in JSON.

/// Appends `text` as a JSON string with its quotes.
///
/// Escapes what RFC 8259 section 7 demands (quote, backslash, U+0000 to U+001F) and nothing else,
/// as .NET's relaxed encoder does; the separator 0x1E therefore never stands inside a record.
pub(crate) fn encode_str(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, tail)) = tail.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            0x08 => out.extend_from_slice(br"\b"),
            0x0C => out.extend_from_slice(br"\f"),
            control => {
                out.extend_from_slice(br"\u00");
                out.extend([control >> 4, control & 0xF].map(|digit| HEX[usize::from(digit & 0xF)]));
            }
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(encode: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        encode(&mut out);
        String::from_utf8(out).expect("a record is text")
    }

    #[test]
    fn strings_escape_what_must_be_and_nothing_else() {
        assert_eq!(text(|out| encode_str("", out)), r#""""#);
        assert_eq!(
            text(|out| encode_str("a\"b\\c/é<>&'+\u{7f}\u{2028}😀", out)),
            "\"a\\\"b\\\\c/é<>&'+\u{7f}\u{2028}😀\""
        );
        assert_eq!(
            text(|out| encode_str("\0\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1e}\u{1f}", out)),
            r#""\u0000\u0001\b\t\n\u000B\f\r\u001E\u001F""#
        );
    }

    proptest! {
        #[test]
        fn any_string_comes_back_and_never_holds_a_separator(
            given in proptest::collection::vec(prop_oneof![any::<char>(), (0u8..0x24).prop_map(char::from)], 0..40),
        ) {
            let given = String::from_iter(given);
            let encoded = text(|out| encode_str(&given, out));
            prop_assert!(encoded.bytes().all(|byte| byte >= 0x20));
            prop_assert_eq!(serde_json::from_str::<String>(&encoded).ok(), Some(given));
        }
    }
}
