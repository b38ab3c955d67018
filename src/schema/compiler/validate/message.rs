//! Pieces of messages: what was found, cut to a bearable length, and what may have been meant.

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

/// The name most like `name`, if any is alike enough to be meant; without case.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // The distance costs the product of the lengths, and a publisher chooses one of them.
    if name.len() > SHOWN_BYTES_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase();
    known
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_ascii_lowercase()), known))
        .filter(|(distance, known)| *distance <= known.len().min(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
