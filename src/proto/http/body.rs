//! Chunked bodies (RFC 9112 section 7.1), decoded as they arrive.

use super::super::Status;

/// The decoder's place in a chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunked {
    _place: u8,
}

/// Why a chunked body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The framing is broken (400).
    Malformed(&'static str),
    /// More than the bound (413).
    TooLarge,
}

impl Chunked {
    /// Takes what it can from `input`, appends decoded bytes to `body` (at most `body_bytes_max` in all) and says how many
    /// bytes of `input` it used. [`Status::Complete`] when the last chunk and its trailer section have been read. Bytes that
    /// it can't use yet (a cut chunk-size line) are left for the next call and are few (bounded by a line limit).
    pub fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        body_bytes_max: usize,
    ) -> Result<(Status<()>, usize), BodyError> {
        let _ = (input, body, body_bytes_max);
        Ok((Status::Partial, 0))
    }
}
