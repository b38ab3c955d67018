//! What editors and shells add to texts: a byte order mark at the front, a blank or a line end
//! behind.
//!
//! JSON must not begin with a mark, and a reader may pass over one (RFC 8259 section 8.1). Notepad,
//! PowerShell and Excel write it.

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text behind a byte order mark, where there is one.
pub(crate) fn behind(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

/// The same of bytes that are still to be read as text.
pub(crate) fn behind_bytes(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// A secret or a token as it was meant: without mark, and without the blanks and line ends that
/// `echo`, editors and stores of secrets leave behind it. A blank at its front is its own.
pub(crate) fn secret(text: &str) -> &str {
    behind(text).trim_end()
}

/// Whether the bytes are UTF-16, which Windows calls "Unicode": they begin with its mark.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mark_at_the_front_is_passed_over() {
        assert_eq!(behind("\u{FEFF}{}"), "{}");
        assert_eq!(behind("{}\u{FEFF}"), "{}\u{FEFF}");
        assert_eq!(behind("\u{FEFF}\u{FEFF}"), "\u{FEFF}");
        assert_eq!(behind_bytes(b"\xEF\xBB\xBF[1]"), b"[1]");
        assert_eq!(behind_bytes(b"\xEF\xBB"), b"\xEF\xBB");
        assert!(is_utf16(b"\xFF\xFE{\0") && !is_utf16(b"\xEF\xBB\xBF{"));
    }

    #[test]
    fn a_secret_ends_where_its_author_ended_it() {
        for text in ["s e", "s e\n", "s e\r\n", "s e \t\n\n", "\u{FEFF}s e\n"] {
            assert_eq!(secret(text), "s e", "{text:?}");
        }
        assert_eq!(secret(" s"), " s");
    }
}
