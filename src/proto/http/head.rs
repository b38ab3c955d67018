//! Request heads.

use super::super::Status;

/// The request methods that some route answers; all others are [`Method::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RFC 9110's")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Other,
}

/// How long the body behind a head is (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// So many bytes; 0 where the head names no length.
    Sized(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// One parsed request head; borrows the bytes it was read from.
#[derive(Debug)]
pub struct Head<'b> {
    /// The method.
    pub method: Method,
    /// The path of the request target, still percent-encoded, without query.
    pub path: &'b str,
    /// What follows the first `?`, still encoded; empty where there is none. It may hold a token: never log it.
    pub query: &'b str,
    /// Whether the connection may serve another request after this one (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// The framing of the body.
    pub body: BodyLength,
    /// `Expect: 100-continue` was sent.
    pub expect_continue: bool,
    /// The headers in order.
    pub headers: smallvec::SmallVec<[(&'b str, &'b [u8]); 24]>,
    /// Bytes of the head, the empty line included.
    pub len: usize,
}

/// Why a head is refused; the connection ends after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadError {
    /// The status to answer: 400, 431, 501 or 505.
    pub status: u16,
    /// What is wrong, for the body of the answer.
    pub message: &'static str,
}

/// Reads one request head from the start of `bytes`.
pub fn parse_head(bytes: &[u8], head_bytes_max: usize, headers_max: usize) -> Result<Status<Head<'_>>, HeadError> {
    let _ = (bytes, head_bytes_max, headers_max);
    Ok(Status::Partial)
}

impl<'b> Head<'b> {
    /// The first header of that name (ASCII case-insensitive) that is visible ASCII or UTF-8 text, trimmed.
    pub fn header(&self, name: &str) -> Option<&'b str> {
        let _ = name;
        None
    }

    /// Whether any header of that name has `token` in its comma-separated list, without case (`Connection: keep-alive, Upgrade`).
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        let _ = (name, token);
        false
    }
}
