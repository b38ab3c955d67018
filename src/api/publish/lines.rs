//! Bodies of NDJSON.

use super::array;
use super::item::Item;
use super::rule;
use crate::bom;
use crate::broken::broken;

/// The lines of an NDJSON body that hold anything, from there on: their numbers, where the next one
/// begins, and what they hold.
pub(super) fn lines(body: &str, at: usize, number: usize) -> impl Iterator<Item = (usize, usize, &str)> {
    let (mut start, mut number) = (at, number);
    std::iter::from_fn(move || {
        loop {
            let rest = body.get(start..).filter(|rest| !rest.is_empty())?;
            // A body may hold a million blank lines: they are passed over in one go.
            let blank = rest.bytes().take_while(u8::is_ascii_whitespace).count();
            let run = rest.as_bytes().get(..blank).unwrap_or_default();
            let skipped = memchr::memrchr(b'\n', run).map_or(0, |end| end + 1);
            number += memchr::memchr_iter(b'\n', run).count();
            start += skipped;
            let end = memchr::memchr(b'\n', rest.as_bytes().get(blank..)?)
                .map_or(body.len(), |end| start - skipped + blank + end);
            let line = body.get(start..end);
            // Files with a byte order mark, one behind the other, have marks in their midst.
            let line = bom::behind(
                line.unwrap_or_else(|| broken("a line feed is a whole character, and ends come in their order")),
            );
            let found = (number, end + 1, line);
            (start, number) = (end + 1, number + 1);
            if !line.trim_ascii().is_empty() {
                return Some(found);
            }
        }
    })
}

/// An NDJSON line that is no JSON.
pub(super) fn bad_line(number: usize, error: &serde_json::Error) -> Item<'static> {
    // The parser counts lines within the line it was given.
    let reason = array::reason(error);
    Item::refused(rule::JSON, format!("line {number} column {} is no JSON: {reason}", error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_passed_over_and_counted() {
        let text = "\n  \n\u{feff}\n \u{c}\r\n a\r\n\n\tb \n\u{feff}c\n\n \n ";
        let found: Vec<_> = lines(text, 0, 1).collect();
        let end = |word: &str| text.find(word).unwrap() + 1;
        assert_eq!(
            found,
            [(5, end("a") + 2, " a\r"), (7, end("b") + 2, "\tb "), (8, end("c") + 1, "c")],
            "a number, where the next begins, and the line"
        );
        assert_eq!(lines(text, end("a") + 2, 6).collect::<Vec<_>>(), found[1..]);
        assert_eq!((lines("", 0, 1).count(), lines(" ", 0, 1).count(), lines("\n", 0, 1).count()), (0, 0, 0));
    }
}
