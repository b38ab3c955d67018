//! Request heads: in pieces as whole, and never more lenient than `httparse`.

use super::pieces::pieces;
use super::transcript::Transcript;
use crate::limits::{LINE_ENDS_MAX, LIST_ELEMENTS_MAX, QUERY_PARAMETERS_MAX};
use crate::proto::Status;
use crate::proto::http::head::{BodyLength, Head, HeadError, Version, parse_head};

/// Small, so that inputs reach the bounds.
const HEAD_BYTES_MAX: usize = 512;
const HEADERS_MAX: usize = 8;

type Outcome<'b> = Result<Status<Head<'b>>, HeadError>;

/// A head that arrives in pieces is judged as the whole is; what is accepted is what `httparse`
/// reads and has one meaning only; what is refused though `httparse` reads it has a reason that can
/// be seen in its headers.
///
/// # Panics
/// The parser is wrong.
pub fn http_head(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((input, pieces)) = pieces(data, transcript) else { return };
    let whole = parse_head(input, HEAD_BYTES_MAX, HEADERS_MAX);
    transcript.say(|| told(&whole));
    let mut arrived = 0;
    for piece in pieces {
        arrived += piece.len();
        let outcome = parse_head(input.get(..arrived).unwrap_or_default(), HEAD_BYTES_MAX, HEADERS_MAX);
        if !matches!(outcome, Ok(Status::Partial)) {
            assert_same(&outcome, &whole);
            break;
        }
        assert!(
            arrived < input.len() || matches!(whole, Ok(Status::Partial)),
            "pieces end partial, the whole does not"
        );
    }
    agrees_with_httparse(input, &whole);
}

/// Without values of headers and query, where tokens are.
fn told(outcome: &Outcome<'_>) -> String {
    match outcome {
        Ok(Status::Complete(Head { method, version, path, query, body, keep_alive, headers, .. })) => {
            let names = headers.iter().map(|(name, _)| format!("\n  {name}"));
            let line = format!("{method:?} {path:?} {version:?}, a query of {} bytes, {body:?}, ", query.len());
            names.fold(format!("{line}keep-alive {keep_alive}, with"), |text, name| text + &name)
        }
        Ok(Status::Partial) => "partial: more, please".to_owned(),
        Err(error) => format!("refused: {error:?}"),
    }
}

fn assert_same(pieces: &Outcome<'_>, whole: &Outcome<'_>) {
    // Every part of a head has Debug, and its text is the parts' text.
    assert_eq!(format!("{pieces:?}"), format!("{whole:?}"), "in pieces and whole");
}

fn agrees_with_httparse(input: &[u8], outcome: &Outcome<'_>) {
    let window = input.get(..HEAD_BYTES_MAX).unwrap_or(input);
    let mut room = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut room);
    if window.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count() > LINE_ENDS_MAX {
        return assert!(matches!(outcome, Err(HeadError { status: 400, .. })), "{outcome:?}");
    }
    match (request.parse(window), outcome) {
        (Ok(httparse::Status::Complete(len)), Ok(Status::Complete(head))) => {
            assert_eq!(len, head.len);
            accepted(head, &request);
        }
        (Ok(httparse::Status::Complete(_)), Err(error)) => assert!(
            has_reason(&request),
            "{request:?} is refused without a reason that can be seen: {} {}",
            error.status,
            error.message
        ),
        (Ok(httparse::Status::Partial), Ok(Status::Partial)) => assert!(input.len() < HEAD_BYTES_MAX),
        (Ok(httparse::Status::Partial), Err(error)) => assert_eq!(error.status, 431),
        (Err(httparse::Error::TooManyHeaders), Err(error)) => assert_eq!(error.status, 431),
        (Err(_), Err(error)) => assert!(matches!(error.status, 400 | 505), "{error:?}"),
        (parsed, outcome) => unreachable!("httparse says {parsed:?}, the head is {outcome:?}"),
    }
}

/// Returns the values under a name, found the slow way.
fn values<'b>(request: &httparse::Request<'_, 'b>, name: &str) -> Vec<&'b [u8]> {
    let named = request.headers.iter().filter(|header| header.name.to_ascii_lowercase() == name);
    named.map(|header| header.value).collect()
}

fn accepted(head: &Head<'_>, request: &httparse::Request<'_, '_>) {
    let target = request.path.unwrap_or_default();
    assert!(head.path.starts_with('/') || head.path == "*", "{head:?}");
    assert!(target.contains(head.query) && (target.contains(head.path) || head.path == "/"), "{head:?}");
    assert!(!head.path.contains('?'), "{head:?}");
    assert_eq!(head.headers.len(), request.headers.len());
    assert_eq!(head.version == Version::Http11, request.version == Some(1));
    let (hosts, lengths, codings) =
        (values(request, "host"), values(request, "content-length"), values(request, "transfer-encoding"));
    assert!(hosts.len() == 1 || hosts.is_empty() && head.version == Version::Http10, "{head:?}");
    assert!(lengths.is_empty() || codings.is_empty(), "two framings: {head:?}");
    assert_eq!(head.body == BodyLength::Chunked, !codings.is_empty(), "{head:?}");
    for length in lengths {
        let digits = String::from_utf8_lossy(length);
        let number: Option<u128> = digits.trim_start_matches('0').parse().ok();
        assert_eq!(head.body, BodyLength::Sized(number.map_or(0, |number| u64::try_from(number).unwrap_or_default())));
    }
}

/// Returns whether a request that `httparse` reads holds something that may be refused.
fn has_reason(request: &httparse::Request<'_, '_>) -> bool {
    let target = request.path.unwrap_or_default();
    let parameters = target.split_once('?').map_or(0, |(_, query)| query.split('&').count());
    let hosts = values(request, "host");
    let lists = ["connection", "transfer-encoding", "expect", "upgrade"].map(|name| values(request, name));
    let elements = |value: &&[u8]| value.split(|byte| *byte == b',').count();
    let plain_host = |host: &&[u8]| host.iter().all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(byte));
    !target.starts_with('/')
        || parameters > QUERY_PARAMETERS_MAX
        || lists.iter().flatten().map(elements).sum::<usize>() > LIST_ELEMENTS_MAX
        || hosts.len() != 1
        || !hosts.iter().all(plain_host)
        || !values(request, "transfer-encoding").is_empty()
        || values(request, "content-length").iter().any(|length| *length != b"0")
}
