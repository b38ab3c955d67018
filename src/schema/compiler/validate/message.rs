//! Pieces of messages: what was found, cut to a bearable length, and what was expected.

use super::super::model::{Model, Type};
use super::scan::Text;
use std::borrow::Cow;

/// A text as a message shows it.
pub(super) fn found(text: &Text<'_>) -> String {
    format!("\"{}\"", shown(text))
}

/// As much of a text as is repeated.
pub(super) fn shown(text: &Text<'_>) -> String {
    let read: String = text.chars().take(SHOWN_BYTES_MAX + 1).collect();
    cut(&read).into_owned()
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

/// What a type takes, for messages.
pub(super) fn expected(model: &Model, ty: &Type) -> Cow<'static, str> {
    Cow::Borrowed(match ty {
        Type::Guid => "a GUID in quotes",
        Type::String => "a string",
        Type::Bool => "true or false",
        Type::Short => "a whole number (short)",
        Type::Int => "a whole number (int)",
        Type::Long => "a whole number (long)",
        Type::DateTime => "a date and time in quotes",
        Type::List(element) => return Cow::Owned(format!("a list, each element {}", expected(model, element))),
        Type::Object(index) => match model.types.get(*index) {
            Some(object) => return Cow::Owned(format!("an object ({})", object.name)),
            None => "an object",
        },
        Type::Set(index) => match model.sets.get(*index) {
            Some(set) => return expected(model, &set.base),
            None => "a value",
        },
    })
}
