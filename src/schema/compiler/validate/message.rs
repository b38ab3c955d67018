//! Pieces of messages: what was found, cut to a bearable length.

use super::scan::Text;
use std::borrow::Cow;

/// A text as a message shows it.
pub(super) fn found(text: &Text<'_>) -> String {
    let read: String = text.chars().take(SHOWN_BYTES_MAX + 1).collect();
    format!("\"{}\"", cut(&read))
}

/// Bytes of the publisher's own text that a message repeats.
pub const SHOWN_BYTES_MAX: usize = 128;

/// `text`, cut where it is too long to be repeated in a message.
pub fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(SHOWN_BYTES_MAX);
    Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default()))
}
