//! The form of a large array, checked item by item: a portion of a request ends behind any of them.

use super::item::Reading;

/// What stands in an array at a place before an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An item, and the next is to begin there.
    Item(usize),
    /// The last item; there the body ends.
    Last(usize),
    /// No item at all.
    Nothing,
}

/// What is wrong with an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is no JSON: why, with the place in the body.
    Form(String),
    /// An item has not ended where it must.
    Huge,
}

/// Where the first item is to begin; nothing where the body is no array.
pub(super) fn first(body: &str) -> Option<usize> {
    let open = skipped(body, 0);
    (body.as_bytes().get(open) == Some(&b'[')).then_some(open + 1)
}

/// Checks the item that begins there, of no more bytes than that, and what separates it from the
/// next one. Of a larger one no more is read: it is one piece of work, however long.
///
/// # Errors
///
/// It is no JSON, or too large.
pub(super) fn next(body: &str, at: usize, bytes_max: usize, item: Reading) -> Result<Next, Wrong> {
    let start = skipped(body, at);
    if body.as_bytes().get(start) == Some(&b']') && first(body) == Some(at) {
        return end(body, start).map(|_| Next::Nothing);
    }
    let rest = body.get(start..).unwrap_or_default();
    let read = rest.get(..rest.floor_char_boundary(bytes_max)).unwrap_or(rest);
    let (_, bytes) = item.first(read).map_err(|error| match error.is_eof() && read.len() < rest.len() {
        true => Wrong::Huge,
        false => Wrong::Form(format!("{} at {}", reason(&error), place(body, start, error.line(), error.column()))),
    })?;
    let behind = skipped(body, start + bytes);
    match body.as_bytes().get(behind) {
        Some(b',') => Ok(Next::Item(behind + 1)),
        Some(b']') => end(body, behind).map(Next::Last),
        Some(_) => Err(Wrong::Form(format!("expected , or ] at {}", place(body, behind, 1, 1)))),
        None => Err(Wrong::Form(format!("the array has no end at {}", place(body, behind, 1, 0)))),
    }
}

/// Where the body ends, behind that bracket.
fn end(body: &str, bracket: usize) -> Result<usize, Wrong> {
    let end = skipped(body, bracket + 1);
    let more = || Wrong::Form(format!("expected nothing more at {}", place(body, end, 1, 1)));
    if end == body.len() { Ok(end) } else { Err(more()) }
}

/// The place behind what JSON calls white space.
fn skipped(body: &str, at: usize) -> usize {
    let rest = body.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// A place that was counted from `at` on, in the body.
fn place(body: &str, at: usize, line: usize, column: usize) -> String {
    let before = body.as_bytes().get(..at).unwrap_or_default();
    let lines = memchr::memchr_iter(b'\n', before).count();
    let begun = if line > 1 { 0 } else { at - memchr::memrchr(b'\n', before).map_or(0, |end| end + 1) };
    format!("line {} column {}", lines + line, begun + column)
}

/// Why a text is no JSON, without the place in it.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    text.truncate(text.rfind(" at line ").unwrap_or(text.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::super::item::Dialect;
    use super::*;
    use crate::broken::broken;

    const READING: Reading = Reading { dialect: Dialect::Own, errors_max: 0, suggestions_max: 0 };

    /// The number of items of no more bytes than that, or what is wrong.
    fn count_up_to(bytes_max: usize, body: &str) -> Result<usize, Wrong> {
        let none = || Wrong::Form("no array".to_owned());
        let (mut at, mut count) = (first(body).ok_or_else(none)?, 0);
        loop {
            match next(body, at, bytes_max, READING)? {
                Next::Nothing => return Ok(0),
                Next::Item(next) => (at, count) = (next, count + 1),
                Next::Last(end) => {
                    assert_eq!(end, body.len());
                    return Ok(count + 1);
                }
            }
        }
    }

    fn count(body: &str) -> Result<usize, String> {
        count_up_to(usize::MAX, body).map_err(|wrong| match wrong {
            Wrong::Form(reason) => reason,
            Wrong::Huge => broken("no item is too large"),
        })
    }

    #[test]
    fn an_item_that_does_not_end_in_time_is_not_read_on() {
        let deep = format!("[{{}}, {}{}]", "[".repeat(50), "]".repeat(50));
        assert_eq!((count_up_to(100, &deep), count_up_to(99, &deep)), (Ok(2), Err(Wrong::Huge)));
        let endless = format!("[{}", "[".repeat(200));
        assert_eq!(count_up_to(100, &endless), Err(Wrong::Huge));
        // What is cut within a character is no text that is wrong.
        assert_eq!(count_up_to(4, "[\"\u{e9}\u{e9}\u{e9}\"]"), Err(Wrong::Huge));
        assert!(matches!(count_up_to(100, "[{]"), Err(Wrong::Form(_))));
    }

    #[test]
    fn an_array_has_the_items_that_a_reader_of_all_of_it_finds_and_is_wrong_where_that_says() {
        let object = r#"{"a":[1,"],"]}"#;
        let pieces = ["[", "]", ",", object, "1.5", " ", "\r\n", "null", "{", r#""\""#, r#""\ud800""#, "1e999"];
        let place = |text: &str| text.rfind(" at line ").map(|at| text[at..].to_owned());
        let mut bodies: Vec<String> = vec![String::new()];
        for _ in 0..5 {
            let longer = bodies.iter().flat_map(|body| pieces.map(|piece| format!("{body}{piece}")));
            bodies = longer.filter(|body| body.trim_start().starts_with('[') || body.trim().is_empty()).collect();
            for body in &bodies {
                let whole = READING.all(body, usize::MAX, |_| 0);
                let whole = whole.map(|items| items.map_or(0, |items| items.len()));
                let found = count(body);
                assert_eq!(found.as_ref().ok(), whole.as_ref().ok(), "{body}");
                if let (Err(error), Some(_)) = (whole, first(body)) {
                    assert_eq!(place(&found.unwrap_err()), place(&error.to_string()), "{body:?} {error}");
                }
            }
        }
    }
}
