//! Chunked bodies (RFC 9112 section 7.1), decoded as they arrive.
//!
//! ```text
//!   Size --size 0--> Trailer --empty line--> Done
//!    ^  \
//!    |   size n--> Data --n bytes--> DataEnd
//!    +------------- CRLF ---------------'
//! ```
//!
//! Lines end with CRLF and nothing else: a bare LF that one reader takes for a line end and the
//! next one does not is how requests are smuggled through chunk extensions.

use super::super::Status;
use crate::broken::broken;

/// Bytes of one chunk-size line or one trailer line, without its CRLF.
pub(crate) const LINE_BYTES_MAX: usize = 1024;
/// Bytes of all chunk extensions and trailers of one body. RFC 9112 section 7.1.1: a server "ought
/// to limit the total length of chunk extensions received in a request".
pub(crate) const EXTRA_BYTES_MAX: usize = 8 * 1024;

/// The decoder's place in a chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunked {
    place: Place,
    /// Bytes of extensions and trailers so far.
    extra_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before a chunk-size line.
    #[default]
    Size,
    /// So many bytes of a chunk are missing, at least one.
    Data(usize),
    /// Before the CRLF that ends a chunk.
    DataEnd,
    /// Before a line of the trailer section.
    Trailer,
    /// Behind the body.
    Done,
}

/// Why a chunked body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// The framing is broken (400).
    Malformed(&'static str),
    /// More than the bound (413).
    TooLarge,
}

impl Chunked {
    /// Takes what it can from `input`, appends decoded bytes to `body` (at most `body_bytes_max` in
    /// all) and says how many bytes of `input` it used. [`Status::Complete`] when the last chunk
    /// and its trailer section have been read. Bytes that it can't use yet (a cut chunk-size line)
    /// are left for the next call and are few (at most [`LINE_BYTES_MAX`] and one).
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] as soon as a chunk announces more than the bound allows, before its
    /// bytes have come.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        body_bytes_max: usize,
    ) -> Result<(Status<()>, usize), BodyError> {
        let mut rest = input;
        loop {
            match self.place {
                Place::Size => {
                    let Status::Complete((line, after)) = line(rest)? else { break };
                    let (size, extension) = chunk_size(line)?;
                    self.count_extra(extension.len())?;
                    if size > body_bytes_max.saturating_sub(body.len()) {
                        return Err(BodyError::TooLarge);
                    }
                    self.place = if size == 0 { Place::Trailer } else { Place::Data(size) };
                    rest = after;
                }
                Place::Data(missing) => {
                    let (data, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
                    body.extend_from_slice(data);
                    rest = after;
                    match missing - data.len() {
                        0 => self.place = Place::DataEnd,
                        missing => {
                            self.place = Place::Data(missing);
                            break;
                        }
                    }
                }
                Place::DataEnd => match rest {
                    [b'\r', b'\n', after @ ..] => {
                        self.place = Place::Size;
                        rest = after;
                    }
                    [] | [b'\r'] => break,
                    [..] => return Err(BodyError::Malformed("A chunk is longer than its size.")),
                },
                Place::Trailer => {
                    let Status::Complete((line, after)) = line(rest)? else { break };
                    self.count_extra(line.len())?;
                    // RFC 9112 section 7.1.2: a recipient "MAY selectively retain or discard the
                    // received trailer fields". Merged into the head they could override what has
                    // been checked there, so they are dropped.
                    self.place = if line.is_empty() { Place::Done } else { Place::Trailer };
                    rest = after;
                }
                Place::Done => return Ok((Status::Complete(()), input.len() - rest.len())),
            }
        }
        Ok((Status::Partial, input.len() - rest.len()))
    }

    fn count_extra(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.extra_bytes = self.extra_bytes.saturating_add(bytes);
        if self.extra_bytes > EXTRA_BYTES_MAX {
            return Err(BodyError::Malformed("The chunk extensions and trailers are too long."));
        }
        Ok(())
    }
}

/// A line without its CRLF, and what follows.
type Line<'i> = (&'i [u8], &'i [u8]);

fn line(rest: &[u8]) -> Result<Status<Line<'_>>, BodyError> {
    // The line's longest form, its CRLF included, is all that is ever searched.
    let window = rest.get(..LINE_BYTES_MAX + 2).unwrap_or(rest);
    let Some(end) = memchr::memchr(b'\n', window) else {
        if window.len() < LINE_BYTES_MAX + 2 {
            return Ok(Status::Partial);
        }
        return Err(BodyError::Malformed("A line of the chunked body is too long."));
    };
    let (Some((line, _)), Some(after)) = (rest.split_at_checked(end), rest.get(end + 1..)) else {
        broken("the line feed is where it was found");
    };
    let Some((b'\r', line)) = line.split_last() else {
        return Err(BodyError::Malformed("A line of the chunked body does not end with CRLF."));
    };
    if line.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(BodyError::Malformed("A line of the chunked body has a control character."));
    }
    Ok(Status::Complete((line, after)))
}

/// `chunk-size [ chunk-ext ]`: the size, and the bytes of the extension, which no route looks at.
fn chunk_size(line: &[u8]) -> Result<(usize, &[u8]), BodyError> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at_checked(digits).unwrap_or((line, &[]));
    if size.is_empty() {
        return Err(BodyError::Malformed("A chunk has no size."));
    }
    // RFC 9112 section 7.1.1: an extension is `BWS ";" BWS chunk-ext-name`; blanks without an
    // extension are none.
    if !extension.is_empty() && extension.trim_ascii_start().first() != Some(&b';') {
        return Err(BodyError::Malformed("A chunk size is malformed."));
    }
    let size = std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
    // RFC 9112 section 7.1: "a recipient MUST anticipate potentially large hexadecimal numerals and
    // prevent parsing errors due to integer conversion overflows".
    Ok((size.ok_or(BodyError::TooLarge)?, extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `pieces` as a connection does: what was not used is kept in front of the next piece.
    fn feed<'p>(
        pieces: impl IntoIterator<Item = &'p [u8]>,
        max: usize,
    ) -> Result<(Status<()>, Vec<u8>, usize), BodyError> {
        let (mut decoder, mut body, mut kept, mut used) = (Chunked::default(), Vec::new(), Vec::new(), 0);
        let mut status = Status::Partial;
        for piece in pieces {
            kept.extend_from_slice(piece);
            let (now, taken) = decoder.decode(&kept, &mut body, max)?;
            status = now;
            used += taken;
            kept.drain(..taken);
            assert!(status == Status::Complete(()) || kept.len() <= LINE_BYTES_MAX + 1, "too much is left over");
        }
        Ok((status, body, used))
    }

    fn whole(text: &str) -> Result<(Status<()>, Vec<u8>, usize), BodyError> {
        feed([text.as_bytes()], 1024)
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let body = "4\r\nWiki\r\n6;a=\"b;c\" ; d\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nA: b\r\n\r\n";
        let (status, bytes, used) = whole(&format!("{body}GET /")).expect("the body is well formed");
        assert_eq!(
            (status, bytes.as_slice(), used),
            (Status::Complete(()), &b"Wikipedia in \r\n\r\nchunks."[..], body.len())
        );
    }

    #[test]
    fn broken_framing_is_refused() {
        for text in [
            "x\r\n",
            "\r\n",
            ";a\r\n",
            "4 \r\nWiki\r\n",
            "4\nWiki\r\n",
            "4\r\nWikis\r\n",
            "4\r\nWiki\n",
            "-4\r\n",
            "+4\r\n",
            "0x4\r\n",
            "4;a\nb\r\n",
            "4;\rb\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\n\n",
            "4\r\nWiki0\r\n\r\n",
            "4;\0\r\n",
        ] {
            assert!(matches!(whole(text), Err(BodyError::Malformed(_))), "{text:?} gives {:?}", whole(text));
        }
    }

    #[test]
    fn the_bound_holds_before_the_bytes_come() {
        assert_eq!(feed([&b"5\r\n"[..]], 4), Err(BodyError::TooLarge));
        assert_eq!(feed([&b"3\r\nabc\r\n2\r\n"[..]], 4), Err(BodyError::TooLarge));
        assert_eq!(feed([&b"fffffffffffffffffff\r\n"[..]], 4), Err(BodyError::TooLarge));
        assert_eq!(feed([&b"4\r\nabcd\r\n0\r\n\r\n"[..]], 4).map(|read| read.0), Ok(Status::Complete(())));
    }

    #[test]
    fn lines_and_extras_are_bounded() {
        let long = "0".repeat(LINE_BYTES_MAX);
        assert_eq!(whole(&format!("{long}\r\n\r\n")).map(|read| read.0), Ok(Status::Complete(())));
        assert!(matches!(whole(&format!("0{long}\r\n")), Err(BodyError::Malformed(_))));
        assert!(matches!(whole(&format!("00{long}")), Err(BodyError::Malformed(_))), "an endless line");
        let extension = format!("1;{}\r\na\r\n", "x".repeat(1000));
        assert!(whole(&extension.repeat(8)).is_ok());
        assert!(matches!(whole(&extension.repeat(9)), Err(BodyError::Malformed(_))));
        let trailer = format!("A: {}\r\n", "x".repeat(1000));
        assert!(matches!(whole(&format!("0\r\n{}", trailer.repeat(9))), Err(BodyError::Malformed(_))));
    }

    #[test]
    fn nothing_is_taken_behind_the_end() {
        let mut decoder = Chunked::default();
        let mut body = Vec::new();
        assert_eq!(decoder.decode(b"0\r\n\r\n", &mut body, 9), Ok((Status::Complete(()), 5)));
        assert_eq!(decoder.decode(b"1\r\na\r\n", &mut body, 9), Ok((Status::Complete(()), 0)));
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            text in "(([0-3]|[0-9a-f]{1,2})(;[a-z]{0,3})?(\r\n|\n|\r)([a-z]{0,3}|\r\n){0,2}){0,5}(0\r\n(A: b\r\n)?\r\n)?",
            sizes in proptest::collection::vec(1_usize..5, 0..60),
        ) {
            let mut rest = text.as_bytes();
            let mut pieces = Vec::new();
            for size in sizes {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(feed(pieces, 64), feed([text.as_bytes()], 64));
        }
    }
}
