//! Replies: a value that routes return, and its bytes.

use std::borrow::Cow;
use std::sync::Arc;

/// The bytes of a reply's body.
#[derive(Clone, Debug)]
pub enum Body {
    /// Built into the program.
    Static(&'static [u8]),
    /// Made once and served often.
    Shared(Arc<[u8]>),
    /// Made for this reply.
    Owned(Vec<u8>),
}

impl Body {
    /// Returns the bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Body::Static(bytes) => bytes,
            Body::Shared(bytes) => bytes,
            Body::Owned(bytes) => bytes,
        }
    }
}

/// One reply. `Date`, `Content-Length` and `Connection` are added by [`encode`].
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// `Content-Type`; empty where there is no body to describe.
    pub(crate) content_type: &'static str,
    /// Further headers.
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub(crate) body: Body,
}

impl Reply {
    /// Returns a reply with a body.
    pub(crate) fn new(status: u16, content_type: &'static str, body: Body) -> Reply {
        Reply { status, content_type, headers: Vec::new(), body }
    }

    /// `text/plain` with a sentence, or with nothing.
    pub fn text(status: u16, text: impl Into<String>) -> Reply {
        Reply::new(status, "text/plain", Body::Owned(text.into().into_bytes()))
    }

    /// `application/json` with ready bytes.
    pub(crate) fn json(status: u16, json: impl Into<Vec<u8>>) -> Reply {
        Reply::new(status, "application/json", Body::Owned(json.into()))
    }

    /// Returns the body that follows the head, if one does: not after a HEAD request, nor behind a
    /// status that has none.
    pub fn into_body(self, head_only: bool) -> Option<Body> {
        let is_sent = !head_only && has_body(self.status) && !self.body.bytes().is_empty();
        is_sent.then_some(self.body)
    }

    /// Returns the same with one more header. Values must not hold CR or LF; [`encode`] drops a
    /// header that does.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// The interim reply that a client with `Expect: 100-continue` waits for.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Appends the reply's bytes. `head_only` (a HEAD request) leaves the body out but keeps its
/// length; without `keep_alive` it says `Connection: close`, with it `Connection: keep-alive`, for
/// which HTTP/1.0 clients wait. `date` is what [`Date`](super::date::Date) gives.
pub fn encode(reply: Reply, keep_alive: bool, head_only: bool, date: &str, out: &mut Vec<u8>) {
    encode_head(&reply, keep_alive, date, out);
    if let Some(body) = reply.into_body(head_only) {
        out.extend_from_slice(body.bytes());
    }
}

/// Appends the reply's head; [`Reply::into_body`] is what follows.
///
/// The statuses 1xx, 204 and 304 have neither body nor length (RFC 9110 sections 8.6 and 15.4.5).
pub fn encode_head(reply: &Reply, keep_alive: bool, date: &str, out: &mut Vec<u8>) {
    let length = has_body(reply.status).then(|| reply.body.bytes().len());
    encode_fields(reply, length, keep_alive, date, out);
}

/// Appends the head of a reply whose body ends with its connection (RFC 9112 section 6.3, rule 8):
/// no proxy has to know more than HTTP/1.0 for it.
pub(crate) fn encode_endless_head(reply: &Reply, date: &str, out: &mut Vec<u8>) {
    encode_fields(reply, None, false, date, out);
}

fn encode_fields(reply: &Reply, length: Option<usize>, keep_alive: bool, date: &str, out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(number.format(reply.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason(reply.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    // RFC 9110 section 6.6.1: "An origin server with a clock MUST generate a Date header field in
    // all 2xx (Successful), 3xx (Redirection), and 4xx (Client Error) responses".
    header("Date", date, out);
    if !reply.content_type.is_empty() {
        header("Content-Type", reply.content_type, out);
    }
    for (name, value) in &reply.headers {
        header(name, value, out);
    }
    if let Some(length) = length {
        header("Content-Length", number.format(length), out);
    }
    header("Connection", if keep_alive { "keep-alive" } else { "close" }, out);
    out.extend_from_slice(b"\r\n");
}

fn has_body(status: u16) -> bool {
    !matches!(status, 100..=199 | 204 | 304)
}

/// A value with a line end would let whoever chose it write headers of its own (response
/// splitting); RFC 9110 section 5.5 calls CR, LF and NUL in values "invalid and dangerous".
fn header(name: &str, value: &str, out: &mut Vec<u8>) {
    let is_dangerous = |text: &str| text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    if is_dangerous(name) || is_dangerous(value) {
        return;
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Returns the reason phrase of the status line (RFC 9110 section 15, RFC 4918, RFC 6585); empty
/// for a status that is not used here.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        207 => "Multi-Status",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn text(reply: Reply, keep_alive: bool, head_only: bool) -> String {
        let mut out = Vec::new();
        encode(reply, keep_alive, head_only, DATE, &mut out);
        String::from_utf8(out).expect("replies in these tests are text")
    }

    #[test]
    fn a_reply_has_status_headers_length_and_body() {
        let reply = Reply::json(207, "{}").with("Vary", "Origin");
        assert_eq!(
            text(reply, true, false),
            "HTTP/1.1 207 Multi-Status\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: application/json\r\nVary: Origin\r\n\
             Content-Length: 2\r\nConnection: keep-alive\r\n\r\n{}"
        );
    }

    #[test]
    fn the_end_of_the_connection_is_announced() {
        let reply = Reply::new(404, "", Body::Static(b""));
        assert_eq!(
            text(reply, false, false),
            "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn head_keeps_the_length_and_leaves_the_body_out() {
        let reply = Reply::new(200, "text/plain", Body::Shared(Arc::from(&b"abc"[..])));
        let text = text(reply, true, true);
        assert!(text.contains("Content-Length: 3\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn statuses_without_a_body_have_no_length_either() {
        for status in [101, 204, 304] {
            let text = text(Reply::new(status, "", Body::Static(b"abc")), true, false);
            assert!(!text.contains("Content-Length") && text.ends_with("\r\n\r\n"), "{text}");
        }
    }

    #[test]
    fn values_cannot_add_headers() {
        for value in ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0b"] {
            let text = text(Reply::text(200, "").with("Access-Control-Allow-Origin", value.to_owned()), true, false);
            assert!(!text.contains("Access-Control") && !text.contains("Cookie"), "{text}");
        }
    }

    #[test]
    fn a_reply_reads_back_as_one() {
        let reply = Reply::text(426, "no").with("Sec-WebSocket-Version", "13");
        let text = text(reply, false, false);
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut response = httparse::Response::new(&mut headers);
        assert_eq!(response.parse(text.as_bytes()), Ok(httparse::Status::Complete(text.len() - 2)));
        assert_eq!((response.code, response.reason, response.headers.len()), (Some(426), Some("Upgrade Required"), 5));
    }
}
