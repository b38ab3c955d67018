//! From a file of items to request bodies: pure. Every item keeps the line it stands on, so that a
//! rejection can name it.

use crate::bom;
use crate::limits::Limits;
use serde_json::value::RawValue;

/// Bytes of one request body that a hub with default limits takes.
pub(crate) const BODY_BYTES_MAX: usize = Limits::DEFAULT.body_bytes_max;
/// Items of one request that a hub with default limits takes.
pub(crate) const ITEMS_MAX: usize = Limits::DEFAULT.items_max;

/// How items are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One item, or an array of items.
    Json,
    /// One item per line.
    Ndjson,
}

impl Form {
    /// Returns the media type of a request with such a body.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Ndjson => "application/x-ndjson",
        }
    }

    /// Returns the form that a file name promises.
    pub(crate) fn by_extension(extension: &str) -> Option<Form> {
        match extension.to_ascii_lowercase().as_str() {
            "json" => Some(Form::Json),
            "ndjson" | "jsonl" => Some(Form::Ndjson),
            _ => None,
        }
    }

    /// Returns the form by the start of the text: a first line that is a whole object is one item
    /// per line. `None` while the first line is still coming; give what there is with `is_all` when
    /// nothing more comes.
    pub(crate) fn by_start(text: &[u8], is_all: bool) -> Option<Form> {
        let text = bom::behind_bytes(text).trim_ascii_start();
        let first_line = match text.iter().position(|&byte| byte == b'\n') {
            Some(at) => text.get(..at)?,
            None if is_all || text.first() == Some(&b'[') => text,
            None => return None,
        };
        let is_object = first_line.first() == Some(&b'{') && serde_json::from_slice::<&RawValue>(first_line).is_ok();
        Some(if is_object { Form::Ndjson } else { Form::Json })
    }
}

/// Items on their way into one request.
#[derive(Debug)]
pub(crate) struct Batch {
    form: Form,
    body: Vec<u8>,
    is_closed: bool,
    lines: Vec<u64>,
}

impl Batch {
    /// Returns an empty one.
    pub(crate) fn new(form: Form) -> Batch {
        Batch { form, body: Vec::new(), is_closed: false, lines: Vec::new() }
    }

    /// Returns the form of its body.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Returns whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the line of each item, in order.
    pub(crate) fn lines(&self) -> &[u64] {
        &self.lines
    }

    /// Returns whether an item of `item_bytes` still fits. One that is too long for any request
    /// fits an empty batch, and is the hub's to refuse.
    pub(crate) fn has_room(&self, item_bytes: usize) -> bool {
        // A separator before it, and the brackets of an array around all.
        self.is_empty() || (self.lines.len() < ITEMS_MAX && self.body.len() + item_bytes + 3 <= BODY_BYTES_MAX)
    }

    /// Appends an item.
    pub(crate) fn push(&mut self, line: u64, item: &[u8]) {
        match (self.form, self.is_empty()) {
            (Form::Json, true) => self.body.push(b'['),
            (Form::Json, false) => self.body.push(b','),
            (Form::Ndjson, true) => {}
            (Form::Ndjson, false) => self.body.push(b'\n'),
        }
        self.body.extend_from_slice(item);
        self.lines.push(line);
    }

    /// Returns the request body; the batch takes no more items until it is [cleared](Batch::clear).
    pub(crate) fn body(&mut self) -> &[u8] {
        if self.form == Form::Json && !self.is_closed {
            self.body.push(b']');
            self.is_closed = true;
        }
        &self.body
    }

    /// Empties it for the next request.
    pub(crate) fn clear(&mut self) {
        self.body.clear();
        self.is_closed = false;
        self.lines.clear();
    }
}

/// Returns a whole JSON text as its items, each with its line.
///
/// # Errors
/// What `serde_json` says about the syntax, with its line and column.
pub(crate) fn items_of_json(text: &str) -> Result<Vec<(u64, &str)>, serde_json::Error> {
    let text = bom::behind(text);
    let items: Vec<&RawValue> = if text.trim_ascii_start().starts_with('[') {
        serde_json::from_str(text)?
    } else {
        vec![serde_json::from_str(text)?]
    };
    let (mut line, mut seen) = (1, 0);
    let with_lines = items.into_iter().map(|item| {
        // A raw value borrows from the text: how far it lies from the start is where it stands.
        let at = item.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
        let between = text.as_bytes().get(seen..at).unwrap_or_default();
        line += u64::try_from(memchr::memchr_iter(b'\n', between).count()).unwrap_or(0);
        seen = at;
        (line, item.get())
    });
    Ok(with_lines.collect())
}

/// Splits a stream of bytes into lines, whatever pieces it comes in.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    number: u64,
    is_overlong: bool,
}

/// A line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'b> {
    /// Its number from 1, and its text without the line end.
    Item(u64, &'b [u8]),
    /// The number of a line that is too long for any request.
    TooLong(u64),
}

impl Lines {
    /// Takes the next piece and gives each line that ends in it to `each`.
    ///
    /// # Errors
    /// The first one of `each`; the rest of the piece is lost then.
    pub(crate) fn push<E>(
        &mut self,
        mut piece: &[u8],
        mut each: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some((line, rest)) = memchr::memchr(b'\n', piece).and_then(|at| piece.split_at_checked(at)) {
            if self.partial.is_empty() && !self.is_overlong {
                self.number += 1;
                give(self.number, line, &mut each)?;
            } else {
                self.keep(line);
                self.finish(&mut each)?;
            }
            piece = rest.get(1..).unwrap_or_default();
        }
        self.keep(piece);
        Ok(())
    }

    /// Gives the last line, which may lack its line end.
    ///
    /// # Errors
    /// That of `each`.
    pub(crate) fn finish<E>(&mut self, mut each: impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        self.number += 1;
        let given = if self.is_overlong {
            each(Line::TooLong(self.number))
        } else {
            give(self.number, &self.partial, &mut each)
        };
        self.partial.clear();
        self.is_overlong = false;
        given
    }

    /// Keeps a piece of a line, unless the line is longer than any request.
    fn keep(&mut self, piece: &[u8]) {
        if self.partial.len() + piece.len() > BODY_BYTES_MAX {
            self.is_overlong = true;
            self.partial.clear();
        }
        if !self.is_overlong {
            self.partial.extend_from_slice(piece);
        }
    }
}

fn give<E>(number: u64, line: &[u8], each: &mut impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
    // Files with a mark, one behind the other, have marks in their midst.
    match bom::behind_bytes(line).trim_ascii() {
        [] => Ok(()),
        item if item.len() > BODY_BYTES_MAX => each(Line::TooLong(number)),
        item => each(Line::Item(number, item)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn lines_of(pieces: &[&[u8]]) -> Vec<(u64, Option<Vec<u8>>)> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        let mut each = |line: Line<'_>| {
            found.push(match line {
                Line::Item(number, item) => (number, Some(item.to_vec())),
                Line::TooLong(number) => (number, None),
            });
            Ok::<(), Infallible>(())
        };
        for piece in pieces {
            lines.push(piece, &mut each).unwrap();
        }
        lines.finish(&mut each).unwrap();
        found
    }

    #[test]
    fn lines_keep_their_numbers_over_blank_ones_and_need_no_last_line_end() {
        let found = lines_of(&[b"{}\r\n\n  \n{\"a\"", b":1}"]);
        assert_eq!(found, [(1, Some(b"{}".to_vec())), (4, Some(b"{\"a\":1}".to_vec()))]);
    }

    #[test]
    fn an_overlong_line_costs_no_memory_and_spares_its_neighbours() {
        let long = vec![b'x'; BODY_BYTES_MAX / 2 + 1];
        let found = lines_of(&[b"1\n", &long, &long, &long, b"\n2\n"]);
        assert_eq!(found, [(1, Some(b"1".to_vec())), (2, None), (3, Some(b"2".to_vec()))]);
        let whole = vec![b'x'; BODY_BYTES_MAX + 1];
        assert_eq!(lines_of(&[&whole]), [(1, None)]);
        assert_eq!(lines_of(&[&whole, b"\n"]), [(1, None)]);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[ab\n\r ]{0,40}", cut in 0_usize..40) {
            let bytes = text.as_bytes();
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(lines_of(&[a, b]), lines_of(&[bytes]));
        }
    }

    #[test]
    fn items_of_an_array_know_their_lines() {
        let text = "[\n  {\"a\":\n 1},\n\n {\"b\":2}, 3]\n";
        assert_eq!(items_of_json(text).unwrap(), [(2, "{\"a\":\n 1}"), (5, "{\"b\":2}"), (5, "3")]);
        assert_eq!(items_of_json("\n{\"a\":1}").unwrap(), [(2, "{\"a\":1}")]);
        let error = items_of_json("[\n{},\n{]").unwrap_err();
        assert_eq!(error.line(), 3);
    }

    #[test]
    fn the_form_shows_in_the_first_line() {
        for (text, is_all, form) in [
            ("[\n{}]", false, Some(Form::Json)),
            ("[", false, Some(Form::Json)),
            ("{\n \"a\":1}", false, Some(Form::Json)),
            ("{\"a\":1}\n{\"a\":2}\n", false, Some(Form::Ndjson)),
            ("\n {\"a\":1}\n", false, Some(Form::Ndjson)),
            ("{\"a\":1}", false, None),
            ("{\"a\":1}", true, Some(Form::Ndjson)),
            ("{\"a\"", false, None),
            ("", true, Some(Form::Json)),
        ] {
            assert_eq!(Form::by_start(text.as_bytes(), is_all), form, "{text:?}");
        }
    }

    #[test]
    fn a_batch_ends_at_the_bounds_of_a_hub() {
        let item = vec![b'1'; BODY_BYTES_MAX / 2];
        for form in [Form::Json, Form::Ndjson] {
            let mut batch = Batch::new(form);
            batch.push(1, &item);
            assert!(!batch.has_room(item.len()));
            let room = BODY_BYTES_MAX - item.len() - 4;
            assert!(batch.has_room(room));
            batch.push(2, &vec![b'2'; room]);
            assert!(batch.body().len() <= BODY_BYTES_MAX);
            batch.clear();
            for line in 0..10_000 {
                assert!(batch.has_room(1));
                batch.push(line, b"1");
            }
            assert!(!batch.has_room(1));
        }
    }

    #[test]
    fn bodies_are_what_their_content_type_says() {
        let mut batch = Batch::new(Form::Json);
        batch.push(1, b"{}");
        batch.push(2, b"{}");
        assert_eq!(batch.body(), b"[{},{}]");
        let mut batch = Batch::new(Form::Ndjson);
        batch.push(1, b"{}");
        batch.push(2, b"{}");
        assert_eq!(batch.body(), b"{}\n{}");
    }
}
