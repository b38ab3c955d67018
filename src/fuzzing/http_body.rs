//! Chunked bodies: in pieces as whole, never more lenient than a decoder around `httparse`, and the
//! same as the body with a length.

use super::pieces::{cut, pieces};
use super::transcript::Transcript;
use crate::proto::Status;
use crate::proto::http::body::{BodyError, Chunked, LINE_BYTES_MAX};

/// Small, so that inputs reach it.
const BODY_BYTES_MAX: usize = 2 * 1024;

/// How a body ends: complete with its bytes and how many were used of the input, in the middle with
/// what there is so far, or refused.
type End = Result<(Status<()>, Vec<u8>, usize), BodyError>;

/// A chunked body that arrives in pieces comes to what the whole comes to. One that is complete is
/// so for the naive decoder too, with the same bytes and the same end. Any bytes, cut into chunks
/// by us, come to themselves.
///
/// # Panics
/// The decoder is wrong.
pub fn http_body(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((input, in_pieces)) = pieces(data, transcript) else { return };
    let whole = decode([input].into_iter());
    transcript.say(|| match &whole {
        Ok((status, body, used)) => format!("{status:?}, {used} bytes used: \"{}\"", body.escape_ascii()),
        Err(error) => format!("refused: {error:?}"),
    });
    assert_eq!(decode(in_pieces), whole, "in pieces and whole");
    let naive = naively(input);
    match &whole {
        Ok((Status::Complete(()), body, used)) => {
            assert_eq!(naive, Naive::Done(body.clone(), *used));
        }
        Ok((Status::Partial, ..)) => assert!(!matches!(naive, Naive::Done(..)), "{naive:?} is partial"),
        Err(BodyError::TooLarge) => {
            assert!(!matches!(&naive, Naive::Done(body, _) if body.len() <= BODY_BYTES_MAX), "{naive:?} is too large")
        }
        // Stricter than httparse in extensions, trailers and lengths of lines: never the other way.
        Err(BodyError::Malformed(_)) => {}
    }
    let chunks = chunked(data);
    let sized = if input.len() <= BODY_BYTES_MAX {
        Ok((Status::Complete(()), input.to_vec(), chunks.len()))
    } else {
        Err(BodyError::TooLarge)
    };
    assert_eq!(decode([chunks.as_slice()].into_iter()), sized, "in chunks and with a length");
}

/// Feeds pieces as a link does: what was not used stands before the next piece.
fn decode<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> End {
    let (mut decoder, mut body, mut kept, mut used) = (Chunked::default(), Vec::new(), Vec::new(), 0);
    for piece in pieces {
        kept.extend_from_slice(piece);
        let (status, taken) = decoder.decode(&kept, &mut body, BODY_BYTES_MAX)?;
        used += taken;
        if status == Status::Complete(()) {
            return Ok((status, body, used));
        }
        kept.drain(..taken);
        assert!(kept.len() <= LINE_BYTES_MAX + 1, "more is kept than a line");
    }
    Ok((Status::Partial, body, used))
}

#[derive(Debug, PartialEq, Eq)]
enum Naive {
    Open,
    Done(Vec<u8>, usize),
    Refused,
}

/// Sizes by `httparse`, and everything else by looking for the next line.
fn naively(input: &[u8]) -> Naive {
    let (mut rest, mut body) = (input, Vec::new());
    loop {
        // RFC 9112 section 7.1 has `1*HEXDIG`; httparse counts zeros in front, too.
        let zeros = rest.iter().take_while(|byte| **byte == b'0').count();
        rest = rest.get(zeros.saturating_sub(1)..).unwrap_or_default();
        let (used, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Naive::Open,
            Err(_) => return Naive::Refused,
        };
        rest = rest.get(used..).unwrap_or_default();
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some((data, after)) = rest.split_at_checked(size) else { return Naive::Open };
        body.extend_from_slice(data);
        match after {
            [b'\r', b'\n', after @ ..] => rest = after,
            [] | [b'\r'] => return Naive::Open,
            [..] => return Naive::Refused,
        }
    }
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Naive::Open };
        rest = rest.get(end + 2..).unwrap_or_default();
        if end == 0 {
            return Naive::Done(body, input.len() - rest.len());
        }
    }
}

/// The input as a body of chunks as large as its pieces.
fn chunked(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in cut(data).into_iter().flat_map(|(_, pieces)| pieces) {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}
