//! Holds every example against the model, by the validator that holds publishers to it.

use super::finding::{Findings, Rule};
use super::model::{EventId, Model};
use super::source::At;
use super::syntax::{Declarations, ExampleDecl};
use super::validate::{Bounds, Mode, validate};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What an example may cost: as an event that is published with the default limits.
const BOUNDS: Bounds = Bounds { depth_max: 64, errors_max: 50, suggestions_max: 50 };

/// Checks all examples and notes in the model how each is delivered.
pub fn check(model: &mut Model, declarations: &Declarations, findings: &mut Findings<'_>) {
    let mut delivered: Vec<Vec<String>> = Vec::with_capacity(model.events.len());
    for (event, number) in model.events.iter().zip(0..=u16::MAX) {
        let decl = declarations.events.iter().find(|decl| decl.name.value == event.name);
        let examples = decl.map(|decl| decl.examples.as_slice()).unwrap_or_default();
        let texts = examples.iter().map(|example| check_one(model, EventId(number), &event.name, example, findings));
        delivered.push(texts.collect());
    }
    for (event, texts) in model.events.iter_mut().zip(delivered) {
        for (example, text) in event.examples.iter_mut().zip(texts) {
            example.delivered = text;
        }
    }
}

/// Checks one example; returns the text that is delivered for it.
fn check_one(model: &Model, id: EventId, event: &str, example: &ExampleDecl, findings: &mut Findings<'_>) -> String {
    let ExampleDecl { title, json } = example;
    if let Err(error) = serde_json::from_str::<&RawValue>(&json.value) {
        let offset = offset_of(&json.value, error.line(), error.column());
        let message = format!("example \"{title}\" of {event} is no JSON: {}", reason(&error));
        findings.report(in_file(json.at, &json.value, offset, findings), Rule::ExampleJson, message);
        return String::new();
    }
    let mut out = Vec::new();
    match validate(model, id, &json.value, Mode::Strict, BOUNDS, &mut out) {
        Ok(accepted) if accepted.rewritten => String::from_utf8_lossy(&out).into_owned(),
        Ok(_) => json.value.clone(),
        Err(violations) => {
            for violation in violations {
                let offset = locate(&json.value, &violation.pointer);
                let colon = if violation.pointer.is_empty() { "" } else { ": " };
                let message =
                    format!("example \"{title}\" of {event}: {}{colon}{}", violation.pointer, violation.message);
                findings.report(in_file(json.at, &json.value, offset, findings), Rule::ExampleInvalid, message);
            }
            String::new()
        }
    }
}

/// The parser's reason without its line and column, which would be the example's and not the
/// file's.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// The byte that serde_json means by a line and a column: both from 1, the column in bytes, 0 for
/// the line break before.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// The place in the file of a byte in the value of the string that starts at `at`. Where the string
/// is written with escapes the offsets differ, and its start has to do.
fn in_file(at: At, value: &str, offset: usize, findings: &Findings<'_>) -> At {
    let source = findings.sources().0.get(at.file).and_then(|source| source.text.get(at.offset..));
    // The quotes, and a line break that TOML drops, stand before the value.
    let lead = source.and_then(|source| {
        (1..=5).find(|lead| source.get(*lead..).is_some_and(|inner| !value.is_empty() && inner.starts_with(value)))
    });
    At { file: at.file, offset: at.offset + lead.map_or(0, |lead| lead + offset) }
}

/// The offset in `text` of the value that a JSON pointer (RFC 6901) names, or of the innermost one
/// around it that is there.
fn locate(text: &str, pointer: &str) -> usize {
    let mut here = text;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let Some(next) = child(here, &token) else { break };
        here = next;
    }
    // `here` is a slice of `text`, so that the difference of the addresses is an offset.
    let leading_space = here.len() - here.trim_start().len();
    here.as_ptr().addr().saturating_sub(text.as_ptr().addr()) + leading_space
}

/// The text of the member or element of that name.
fn child<'t>(text: &'t str, token: &str) -> Option<&'t str> {
    if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
        return members.get(token).map(|value| value.get());
    }
    let elements = serde_json::from_str::<Vec<&RawValue>>(text).ok()?;
    elements.get(token.parse::<usize>().ok()?).map(|value| value.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_located_in_the_text() {
        let text = "\n{ \"a\": [1, { \"b/c\": \"x\" }], \"d\": null }";
        let at = |pointer| text.get(locate(text, pointer)..).and_then(|rest| rest.chars().next());
        assert_eq!(at(""), Some('{'));
        assert_eq!(at("/a"), Some('['));
        assert_eq!(at("/a/0"), Some('1'));
        assert_eq!(at("/a/1/b~1c"), Some('"'));
        assert_eq!(at("/d"), Some('n'));
    }

    #[test]
    fn a_pointer_to_what_is_missing_stops_at_what_should_hold_it() {
        let text = "{ \"a\": { \"b\": 1 } }";
        assert_eq!(locate(text, "/a/nothing"), text.find("{ \"b\"").unwrap());
        assert_eq!(locate(text, "/nothing"), 0);
    }

    #[test]
    fn the_parsers_line_and_column_become_an_offset() {
        assert_eq!(offset_of("ab\ncd", 2, 1), 3);
        assert_eq!(offset_of("ab\ncd", 1, 2), 1);
        assert_eq!(offset_of("ab\n", 2, 0), 3);
        assert_eq!(offset_of("", 9, 9), 0);
    }
}
