//! Request heads.
//!
//! `httparse` reads the grammar (tokens, line ends, no obs-fold, no space before a colon); this
//! module reads the meaning: the target, the framing of the body, whether the connection persists.
//! Whatever two readers of the same bytes could understand differently (request smuggling, RFC 9112
//! section 11.2) is refused, never repaired.

use super::super::Status;
use super::target;
use crate::limits::{LINE_ENDS_MAX, LIST_ELEMENTS_MAX, QUERY_ENCODED_MAX, QUERY_PARAMETERS_MAX};
use smallvec::SmallVec;
use std::mem::MaybeUninit;

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

impl Method {
    /// The methods that have a name here, in the order in which `Allow` lists them.
    pub(crate) const NAMED: [(Method, &'static str); 7] = [
        (Method::Get, "GET"),
        (Method::Head, "HEAD"),
        (Method::Post, "POST"),
        (Method::Put, "PUT"),
        (Method::Patch, "PATCH"),
        (Method::Delete, "DELETE"),
        (Method::Options, "OPTIONS"),
    ];

    /// Returns the method of that name. RFC 9110 section 9.1: "The method token is case-sensitive".
    pub(crate) fn parse(name: &str) -> Method {
        Method::NAMED.into_iter().find(|(_, known)| *known == name).map_or(Method::Other, |(method, _)| method)
    }
}

/// The versions of HTTP that are spoken; all others are answered 505.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// How long the body behind a head is (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
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
    /// The version of the request line.
    pub(crate) version: Version,
    /// The path of the request target, still percent-encoded, without query. `*` for `OPTIONS *`.
    pub(crate) path: &'b str,
    /// What follows the first `?`, still encoded; empty where there is none. It may hold a token:
    /// never log it.
    pub(crate) query: &'b str,
    /// Whether the connection may serve another request after this one (RFC 9112 section 9.3).
    pub(crate) keep_alive: bool,
    /// The framing of the body.
    pub(crate) body: BodyLength,
    /// The client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    pub(crate) expect_continue: bool,
    /// The headers in order.
    pub(crate) headers: SmallVec<[(&'b str, &'b [u8]); 24]>,
    /// Bytes of the head, the empty line and any empty lines before it included.
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

const fn bad(message: &'static str) -> HeadError {
    HeadError { status: 400, message }
}

const TOO_LARGE: HeadError =
    HeadError { status: 431, message: "The request head has more bytes than limits.head_bytes_max." };
const TOO_MANY: HeadError = HeadError { status: 431, message: "The request has more headers than limits.headers_max." };
const TOO_MANY_PARAMETERS: HeadError = bad("The query has more than 64 parameters.");
const TOO_MANY_ENCODED: HeadError = bad("The query has more than 1024 encoded bytes.");
const TOO_MANY_ELEMENTS: HeadError = bad("The headers of this hop list more than 64 elements.");
const TOO_MANY_LINE_ENDS: HeadError = bad("More than 16 bytes of line ends come before the request.");
const _: () = assert!(QUERY_PARAMETERS_MAX == 64 && QUERY_ENCODED_MAX == 1024, "the sentences say so");
const _: () = assert!(LIST_ELEMENTS_MAX == 64 && LINE_ENDS_MAX == 16, "and these");
/// Headers that are lists, and are looked through for each request.
const LISTS: [&str; 4] = ["connection", "transfer-encoding", "expect", "upgrade"];
const BAD_TARGET: HeadError = bad("The request target is malformed.");

/// Whether these are line ends, of which none is wrong: a bare one is refused as such.
fn are_line_ends(bytes: &[u8]) -> bool {
    bytes.windows(2).all(|pair| matches!(pair, [b'\r', b'\n'] | [b'\n', b'\r' | b'\n']))
}

/// Reads one request head from the start of `bytes`. At most `head_bytes_max` bytes and
/// `headers_max` headers are taken.
///
/// # Errors
/// 431 beyond these bounds, 505 for another version, 501 for a transfer coding other than chunked,
/// 400 for the rest.
pub fn parse_head(bytes: &[u8], head_bytes_max: usize, headers_max: usize) -> Result<Status<Head<'_>>, HeadError> {
    let window = bytes.get(..head_bytes_max).unwrap_or(bytes);
    let mut room: SmallVec<[MaybeUninit<httparse::Header<'_>>; 64]> =
        // A header has bytes of its own, so that a huge bound costs no more than the input is long.
        SmallVec::from_elem(MaybeUninit::uninit(), headers_max.min(bytes.len()));
    let mut request = httparse::Request::new(&mut []);
    if window.get(..=LINE_ENDS_MAX).is_some_and(are_line_ends) {
        return Err(TOO_MANY_LINE_ENDS);
    }
    // RFC 9112 section 2.2: "a server that is expecting to receive and parse a request-line SHOULD
    // ignore at least one empty line (CRLF) received prior to the request-line"; httparse skips
    // them and counts them into the length.
    let len = match request.parse_with_uninit_headers(window, &mut room) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if window.len() < head_bytes_max => return Ok(Status::Partial),
        Ok(httparse::Status::Partial) => return Err(TOO_LARGE),
        Err(error) => return Err(refusal(error, window)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(bad("The request line is malformed."));
    };
    let method = Method::parse(method);
    let (path, query) = target::split(target, method == Method::Options).ok_or(BAD_TARGET)?;
    if memchr::memchr_iter(b'&', query.as_bytes()).nth(QUERY_PARAMETERS_MAX - 1).is_some() {
        return Err(TOO_MANY_PARAMETERS);
    }
    if memchr::memchr2_iter(b'%', b'+', query.as_bytes()).nth(QUERY_ENCODED_MAX).is_some() {
        return Err(TOO_MANY_ENCODED);
    }
    let mut head = Head {
        method,
        version: if minor == 0 { Version::Http10 } else { Version::Http11 },
        path,
        query,
        keep_alive: false,
        body: BodyLength::Sized(0),
        expect_continue: false,
        headers: request.headers.iter().map(|header| (header.name, header.value)).collect(),
        len,
    };
    check_host(&head)?;
    check_lists(&head)?;
    head.body = body_length(&head)?;
    head.keep_alive = persists(&head);
    head.expect_continue = waits_for_continue(&head);
    Ok(Status::Complete(head))
}

fn refusal(error: httparse::Error, window: &[u8]) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => TOO_MANY,
        // Where the version belongs may also stand the rest of a target with a blank in it, which
        // is no version at all.
        httparse::Error::Version
            if window.split(|&byte| byte == b' ').nth(2).is_some_and(|word| word.starts_with(b"HTTP/")) =>
        {
            HeadError { status: 505, message: "The version is neither HTTP/1.0 nor HTTP/1.1." }
        }
        httparse::Error::HeaderName => bad("A header name is malformed."),
        httparse::Error::HeaderValue => bad("A header value is malformed."),
        httparse::Error::NewLine => bad("A line end is malformed."),
        httparse::Error::Version | httparse::Error::Token | httparse::Error::Status => {
            bad("The request line is malformed.")
        }
    }
}

fn check_host(head: &Head<'_>) -> Result<(), HeadError> {
    // RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any
    // HTTP/1.1 request message that lacks a Host header field and to any request message that
    // contains more than one Host header field line or a Host header field with an invalid field
    // value."
    let mut hosts = head.values("host");
    match (hosts.next(), hosts.next()) {
        (None, _) if head.version >= Version::Http11 => Err(bad("The Host header is missing.")),
        (Some(_), Some(_)) => Err(bad("The Host header is given more than once.")),
        (Some(host), None) if !host.iter().all(|&byte| is_host_byte(byte)) => Err(bad("The Host header is malformed.")),
        (None | Some(_), None) | (None, Some(_)) => Ok(()),
    }
}

fn check_lists(head: &Head<'_>) -> Result<(), HeadError> {
    let is_list = |name: &str| LISTS.iter().any(|list| name.eq_ignore_ascii_case(list));
    let lists = head.headers.iter().filter(|(name, _)| is_list(name));
    let elements: usize = lists.map(|(_, value)| 1 + memchr::memchr_iter(b',', value).count()).sum();
    if elements > LIST_ELEMENTS_MAX { Err(TOO_MANY_ELEMENTS) } else { Ok(()) }
}

/// Returns whether `uri-host [ ":" port ]` may have that byte (RFC 3986 section 3.2.2): unreserved,
/// percent-encoded, sub-delims, brackets.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

/// RFC 9112 section 6.3.
fn body_length(head: &Head<'_>) -> Result<BodyLength, HeadError> {
    let length = content_length(head)?;
    let mut codings = head.list("transfer-encoding").peekable();
    if codings.peek().is_none() {
        if head.values("transfer-encoding").next().is_some() {
            return Err(bad("The Transfer-Encoding header is empty."));
        }
        // "If this is a request message and none of the above are true, then the message body
        // length is zero": a POST with neither header is an empty body.
        return Ok(BodyLength::Sized(length.unwrap_or(0)));
    }
    // RFC 9112 section 6.1: "A server or client that receives an HTTP/1.0 message containing a
    // Transfer-Encoding header field MUST treat the message as if the framing is faulty".
    if head.version < Version::Http11 {
        return Err(bad("HTTP/1.0 has no Transfer-Encoding."));
    }
    // RFC 9112 section 6.1: "A server MAY reject a request that contains both Content-Length and
    // Transfer-Encoding".
    if length.is_some() {
        return Err(bad("Content-Length and Transfer-Encoding exclude each other."));
    }
    let mut chunked = 0_usize;
    for coding in codings {
        // RFC 9112 section 6.1: "A server that receives a request message with a transfer coding it
        // does not understand SHOULD respond with 501 (Not Implemented)."
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError { status: 501, message: "The only transfer coding understood is chunked." });
        }
        chunked += 1;
    }
    // RFC 9112 section 6.1: "A sender MUST NOT apply the chunked transfer coding more than once to
    // a message body".
    if chunked == 1 { Ok(BodyLength::Chunked) } else { Err(bad("The body is chunked more than once.")) }
}

fn content_length(head: &Head<'_>) -> Result<Option<u64>, HeadError> {
    let mut length = None;
    for value in head.values("content-length") {
        // RFC 9110 section 8.6: "Content-Length = 1*DIGIT". Signs, blanks inside and lists are
        // none, though str::parse would take a plus sign.
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let parsed = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|value| value.parse::<u64>().ok());
        let Some(parsed) = parsed else {
            return Err(bad("The Content-Length header is no length."));
        };
        // RFC 9112 section 6.3: of several values "all values in the list are the same", else the
        // framing is invalid.
        if length.is_some_and(|length| length != parsed) {
            return Err(bad("Two Content-Length headers differ."));
        }
        length = Some(parsed);
    }
    Ok(length)
}

/// RFC 9112 section 9.3: "close" ends; HTTP/1.1 persists; HTTP/1.0 persists where it asks for
/// "keep-alive".
fn persists(head: &Head<'_>) -> bool {
    if head.has_token("connection", "close") {
        return false;
    }
    match head.version {
        Version::Http11 => true,
        Version::Http10 => head.has_token("connection", "keep-alive"),
    }
}

fn waits_for_continue(head: &Head<'_>) -> bool {
    // RFC 9110 section 10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0
    // request MUST ignore that expectation", and may omit the answer where the framing says that
    // there is no content.
    head.version >= Version::Http11 && head.body != BodyLength::Sized(0) && head.has_token("expect", "100-continue")
}

impl<'b> Head<'b> {
    /// Returns the first header of that name (ASCII case-insensitive) that is visible ASCII or
    /// UTF-8 text, trimmed.
    pub(crate) fn header(&self, name: &str) -> Option<&'b str> {
        self.values(name).find_map(|value| std::str::from_utf8(value).ok())
    }

    /// Returns the values of all headers of that name (ASCII case-insensitive), trimmed, in order.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.headers
            .iter()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_ascii())
    }

    /// Returns whether any header of that name has `token` in its comma-separated list, without
    /// case (`Connection: keep-alive, Upgrade`).
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Returns the elements of the comma-separated lists under that name. RFC 9110 section 5.6.1.2:
    /// "A recipient MUST parse and ignore a reasonable number of empty list elements".
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Status<Head<'_>>, HeadError> {
        parse_head(text.as_bytes(), 8 * 1024, 64)
    }

    #[track_caller]
    fn complete(text: &str) -> Head<'_> {
        match parse(text) {
            Ok(Status::Complete(head)) => head,
            other => panic!("{text:?} is no head: {other:?}"),
        }
    }

    #[track_caller]
    fn refused(text: &str, status: u16) {
        match parse(text) {
            Err(error) => assert_eq!(error.status, status, "{text:?}: {}", error.message),
            Ok(read) => panic!("{text:?} is taken as {read:?}"),
        }
    }

    /// Returns a POST with these header lines beside Host.
    fn post(lines: &str) -> String {
        format!("POST /publish HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
    }

    #[test]
    fn a_head_is_read_whole() {
        let text = "POST /rte/negotiate?a=1&b=?2 HTTP/1.1\r\nHost: h:8080\r\nX-Any:  spaced \t\r\nContent-Length: 3\r\n\r\nabc";
        let head = complete(text);
        assert_eq!((head.method, head.version), (Method::Post, Version::Http11));
        assert_eq!((head.path, head.query), ("/rte/negotiate", "a=1&b=?2"));
        assert_eq!((head.body, head.keep_alive, head.expect_continue), (BodyLength::Sized(3), true, false));
        assert_eq!(head.header("x-any"), Some("spaced"));
        assert_eq!(head.header("absent"), None);
        assert_eq!(text.get(head.len..), Some("abc"));
    }

    #[test]
    fn every_method_is_known_by_its_exact_name() {
        for (name, method) in [
            ("GET", Method::Get),
            ("HEAD", Method::Head),
            ("POST", Method::Post),
            ("PUT", Method::Put),
            ("PATCH", Method::Patch),
            ("DELETE", Method::Delete),
            ("OPTIONS", Method::Options),
            ("get", Method::Other),
            ("TRACE", Method::Other),
        ] {
            assert_eq!(complete(&format!("{name} / HTTP/1.1\r\nHost: h\r\n\r\n")).method, method, "{name}");
        }
    }

    #[test]
    fn targets_come_in_origin_absolute_and_asterisk_form() {
        let target = |target: &str| {
            let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            parse(&text).map(|head| match head {
                Status::Complete(head) => (head.path.to_owned(), head.query.to_owned()),
                Status::Partial => panic!("{text:?} is cut"),
            })
        };
        let is = |path: &str, query: &str| Ok((path.to_owned(), query.to_owned()));
        assert_eq!(target("/"), is("/", ""));
        assert_eq!(target("/?"), is("/", ""));
        assert_eq!(target("//double//"), is("//double//", ""));
        assert_eq!(target("http://h/rte?id=1"), is("/rte", "id=1"));
        assert_eq!(target("HTTPS://user@h:1"), is("/", ""));
        assert_eq!(target("http://h?id=1"), is("/", "id=1"));
        assert_eq!(target("http:///rte"), Err(BAD_TARGET));
        assert_eq!(target("://h/rte"), Err(BAD_TARGET));
        assert_eq!(target("rte"), Err(BAD_TARGET));
        assert_eq!(target("h:443"), Err(BAD_TARGET));
        assert_eq!(target("*"), Err(BAD_TARGET));
        assert_eq!(complete("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").path, "*");
    }

    #[test]
    fn empty_lines_before_the_request_line_are_passed_over() {
        let text = "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
        assert_eq!(complete(text).len, text.len());
        assert!(matches!(parse("\r\n"), Ok(Status::Partial)));
    }

    #[test]
    fn a_huge_bound_of_headers_costs_no_memory() {
        let head = parse_head(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n", 8192, usize::MAX);
        assert!(matches!(head, Ok(Status::Complete(_))), "{head:?}");
    }

    #[test]
    fn what_each_request_is_looked_through_for_has_its_bound() {
        let query = |encoded: usize| {
            let text = format!("GET /?a={}%61 HTTP/1.1\r\nHost: h\r\n\r\n", "+".repeat(encoded - 1));
            parse(&text).map(drop)
        };
        assert_eq!((query(QUERY_ENCODED_MAX), query(QUERY_ENCODED_MAX + 1)), (Ok(()), Err(TOO_MANY_ENCODED)));
        let lists = |elements: usize| {
            let lines = format!("Connection: a{}\r\nEXPECT: b\r\n", ",".repeat(elements - 2));
            parse(&format!("GET / HTTP/1.1\r\nHost: h\r\nAccept: {}\r\n{lines}\r\n", ",".repeat(100))).map(drop)
        };
        assert_eq!((lists(LIST_ELEMENTS_MAX), lists(LIST_ELEMENTS_MAX + 1)), (Ok(()), Err(TOO_MANY_ELEMENTS)));
    }

    #[test]
    fn both_bounds_hold_at_their_edge() {
        let text = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
        let at = |head_bytes_max, headers_max| {
            parse_head(text.as_bytes(), head_bytes_max, headers_max).map(|head| matches!(head, Status::Complete(_)))
        };
        assert_eq!(at(text.len(), 2), Ok(true));
        assert_eq!(at(text.len() - 1, 2), Err(TOO_LARGE));
        assert_eq!(at(text.len(), 1), Err(TOO_MANY));
        let cut = parse_head(text.get(..20).unwrap_or_default().as_bytes(), 20, 2);
        assert!(matches!(cut, Err(TOO_LARGE)), "a head that fills the bound without an end");
        let begins = |line_ends: usize| parse_head("\n".repeat(line_ends).as_bytes(), 100, 2).map(|_| ());
        assert_eq!((begins(LINE_ENDS_MAX), begins(LINE_ENDS_MAX + 1)), (Ok(()), Err(TOO_MANY_LINE_ENDS)));
        assert_eq!(parse_head(&[b'\r'; 99], 99, 2).map(|_| ()), parse_head(b"\r\r", 99, 2).map(|_| ()), "bare");
        let asks = |parameters: usize| {
            let head = format!("GET /?{} HTTP/1.1\r\nHost: h\r\n\r\n", vec!["a"; parameters].join("&"));
            parse_head(head.as_bytes(), 900, 2).map(|_| ())
        };
        assert_eq!((asks(QUERY_PARAMETERS_MAX), asks(QUERY_PARAMETERS_MAX + 1)), (Ok(()), Err(TOO_MANY_PARAMETERS)));
    }

    #[test]
    fn other_versions_are_505() {
        for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/x.y"] {
            refused(&format!("GET / {version}\r\nHost: h\r\n\r\n"), 505);
        }
        refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    }

    #[test]
    fn malformed_lines_are_400() {
        for lines in [
            "A : b\r\n",
            " A: b\r\n",
            "A: b\r\n folded\r\n",
            "A\r: b\r\n",
            "A: b\rc\r\n",
            "A: b\0\r\n",
            "A\r\n",
            ": b\r\n",
        ] {
            refused(&post(lines), 400);
        }
        for line in [
            "GET  / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET / HTTP/1.1x",
            "GET / http/1.1",
            " GET / HTTP/1.1",
            "GET /\x01 HTTP/1.1",
        ] {
            refused(&format!("{line}\r\nHost: h\r\n\r\n"), 400);
        }
        refused("\x16\x03\x01\x02\x00", 400);
    }

    #[test]
    fn host_is_given_once() {
        refused("GET / HTTP/1.1\r\n\r\n", 400);
        refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
        refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400);
        refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
        refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
        complete("GET / HTTP/1.0\r\n\r\n");
        complete("GET / HTTP/1.1\r\nHost:\r\n\r\n");
        complete("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
    }

    #[test]
    fn the_body_is_framed_one_way_or_refused() {
        assert_eq!(complete(&post("")).body, BodyLength::Sized(0), "a POST without any length is empty");
        assert_eq!(complete(&post("Content-Length: 007\r\n")).body, BodyLength::Sized(7));
        assert_eq!(complete(&post("Content-Length: 5\r\nContent-Length: 5\r\n")).body, BodyLength::Sized(5));
        assert_eq!(complete(&post("Transfer-Encoding: Chunked\r\n")).body, BodyLength::Chunked);
        assert_eq!(complete(&post("Transfer-Encoding: , chunked,\r\n")).body, BodyLength::Chunked);
        let max = u64::MAX;
        assert_eq!(complete(&post(&format!("Content-Length: {max}\r\n"))).body, BodyLength::Sized(max));
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length : 5\r\n",
            "Transfer-Encoding:\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ] {
            refused(&post(lines), 400);
        }
        for coding in ["gzip", "gzip, chunked", "chunked, gzip", "identity", "xchunked", "chunked;q=1", "\"chunked\""] {
            refused(&post(&format!("Transfer-Encoding: {coding}\r\n")), 501);
        }
        refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    }

    #[test]
    fn persistence_follows_version_and_connection_header() {
        let persists = |version: &str, lines: &str| {
            complete(&format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n")).keep_alive
        };
        assert!(persists("1.1", ""));
        assert!(persists("1.1", "Connection: upgrade\r\n"));
        assert!(!persists("1.1", "Connection: Close\r\n"));
        assert!(!persists("1.1", "Connection: keep-alive\r\nConnection: x, close\r\n"));
        assert!(!persists("1.0", ""));
        assert!(persists("1.0", "Connection: Keep-Alive\r\n"));
        assert!(!persists("1.0", "Connection: keep-alive, close\r\n"));
    }

    #[test]
    fn only_a_body_is_worth_a_continue() {
        assert!(complete(&post("Content-Length: 1\r\nExpect: 100-Continue\r\n")).expect_continue);
        assert!(!complete(&post("Expect: 100-continue\r\n")).expect_continue);
        assert!(!complete(&post("Content-Length: 1\r\nExpect: other\r\n")).expect_continue);
        let old = "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
        assert!(!complete(old).expect_continue);
    }

    #[test]
    fn headers_that_are_no_text_are_passed_over_by_name() {
        let bytes = b"GET / HTTP/1.1\r\nHost: h\r\nA: \xff\r\nA: caf\xc3\xa9\r\n\r\n";
        let Ok(Status::Complete(head)) = parse_head(bytes, 1024, 8) else { panic!("obs-text is allowed") };
        assert_eq!(head.header("a"), Some("café"));
        assert_eq!(head.headers.len(), 3);
    }

    #[test]
    fn tokens_are_whole_list_elements() {
        let head =
            complete("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nconnection: other\r\n\r\n");
        assert!(head.has_token("Connection", "upgrade") && head.has_token("connection", "OTHER"));
        assert!(!head.has_token("connection", "keep") && !head.has_token("connection", ""));
    }

    proptest! {
        #[test]
        fn a_cut_head_is_partial_and_what_follows_does_not_matter(cut in 0_usize..110, tail in ".{0,20}") {
            let text = post("Content-Length: 3\r\nAuthorization: Bearer abc\r\nConnection: keep-alive\r\n");
            if let Some(start) = text.get(..cut.min(text.len() - 1)) {
                prop_assert!(matches!(parse(start), Ok(Status::Partial)), "cut at {}", cut);
            }
            prop_assert_eq!(complete(&format!("{text}{tail}")).len, text.len());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Status::Complete(head)) = parse_head(&bytes, 100, 4) {
                prop_assert!(head.len <= 100 && head.headers.len() <= 4);
            }
        }
    }
}
