//! Publish requests in their envelopes: compressed bodies, and CloudEvents whose attributes are
//! headers.

use super::fixtures::{CATALOGUE, publisher};
use super::transcript::Transcript;
use crate::api::publish::{Made, Options, Request, Rules, Scratch, Sink, admit, publish as take};
use crate::hub::topic::Topic;
use crate::limits::{GZIP_BARREN_BYTES_MAX, Limits};
use crate::proto::Status;
use crate::proto::http::head::parse_head;
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::Read;

/// Small, so that inputs reach it.
const BODY_BYTES_MAX: usize = 4 * 1024;

#[derive(Default)]
struct Heard {
    publications: Vec<(Topic, Vec<u8>)>,
    /// Whether each item is a portion of its own.
    in_portions: bool,
}

impl Sink for Heard {
    fn publish(&mut self, made: Made<'_>) {
        self.publications.push((made.topic, made.data.to_vec()));
    }

    fn takes_more(&mut self, _: usize) -> bool {
        !self.in_portions
    }
}

/// What a request comes to: its status, and what was delivered.
type End = (u16, Vec<(Topic, Vec<u8>)>);

/// Status and body of the reply, and what was delivered.
type Replied = ((u16, Value), Vec<(Topic, Vec<u8>)>);

fn send(headers: &str, body: &[u8]) -> Option<End> {
    answered(headers, body, false).map(|((status, _), heard)| (status, heard))
}

fn answered(headers: &str, body: &[u8], in_portions: bool) -> Option<Replied> {
    let head = format!("POST /publish HTTP/1.1\r\nHost: rte\r\n{headers}\r\n").into_bytes();
    let Ok(Status::Complete(head)) = parse_head(&head, Limits::DEFAULT.head_bytes_max, Limits::DEFAULT.headers_max)
    else {
        return None;
    };
    let limits = Limits { body_bytes_max: BODY_BYTES_MAX, event_bytes_max: 2 * 1024, ..Limits::DEFAULT };
    let options = Options::default();
    let rules = Rules { catalogue: &CATALOGUE, options: &options, everybody: &[], limits: &limits };
    let (principal, mut heard) = (publisher(), Heard { in_portions, ..Heard::default() });
    let taken = admit(&head, &principal)
        .and_then(|head| take(Request { head: &head, body }, rules, &principal, &mut Scratch::default(), &mut heard));
    let reply = match taken {
        Ok(outcome) => outcome.reply(None),
        Err(refusal) => refusal.reply(),
    };
    let body = reply.body.bytes();
    let text = String::from_utf8_lossy(body).into_owned();
    let body = serde_json::from_slice(body).unwrap_or(Value::String(text));
    Some(((reply.status, body), heard.publications))
}

/// An input is a letter and bytes.
///
/// - `z`: the bytes are a gzip body; what comes of it is what a reader without bound makes of the
///   bytes, unless they hold next to nothing, and the same bytes packed by us are as good as plain.
/// - `c`: lines `name value`, an empty line, and data; the attributes as headers come to the same
///   as in one JSON document.
/// - `i` and `e`: lines, each an item or a CloudEvent; together, as NDJSON or as an array, at once
///   or in portions, they come to what they come to one by one.
/// - `j`, `n`, `s` and `b`: a body, as JSON, NDJSON, a CloudEvent or a batch; its reply counts what
///   was delivered.
///
/// # Panics
/// The route is wrong.
pub fn publish(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((letter, rest)) = data.split_first() else { return };
    match letter {
        b'z' => compressed(rest, transcript),
        b'c' => binary(&String::from_utf8_lossy(rest), transcript),
        b'i' => together(&String::from_utf8_lossy(rest), JSON, transcript),
        b'e' => together(&String::from_utf8_lossy(rest), EVENT, transcript),
        b'j' => counted(JSON, rest, transcript),
        b'n' => counted(LINES, rest, transcript),
        b's' => counted(EVENT, rest, transcript),
        b'b' => counted(EVENTS, rest, transcript),
        _ => {}
    }
}

const JSON: &str = "Content-Type: application/json\r\n";
const LINES: &str = "Content-Type: application/x-ndjson\r\n";
const EVENT: &str = "Content-Type: application/cloudevents+json\r\n";
const EVENTS: &str = "Content-Type: application/cloudevents-batch+json\r\n";

/// An array of more bytes than this is judged in portions.
const AT_ONCE_BYTES: usize = 32 * 1024;

/// The statuses of a publish whose head is good.
const STATUSES: [u16; 5] = [202, 207, 422, 400, 413];

fn told(transcript: &mut Transcript<'_>, name: &str, answer: Option<&Replied>) {
    transcript.say(|| {
        let Some(((status, reply), publications)) = answer else { return format!("{name}: no request") };
        let line = |(topic, data): &(Topic, Vec<u8>)| {
            let event = &CATALOGUE.event(topic.event).name;
            format!("\n  {event} of {}: {}", topic.entity, data.escape_ascii())
        };
        publications.iter().map(line).fold(format!("{name}: {status} {reply}"), |text, line| text + &line)
    });
}

fn counted(content_type: &str, body: &[u8], transcript: &mut Transcript<'_>) {
    let answer = answered(content_type, body, false);
    told(transcript, content_type.trim_end(), answer.as_ref());
    assert_eq!(answered(content_type, body, true), answer, "at once and in portions");
    let Some(((status, reply), publications)) = answer else { return };
    assert!(STATUSES.contains(&status), "{status}");
    let count = |name: &str| reply.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    match (status, count("accepted"), count("rejected")) {
        (400 | 413, None, None) => assert!(publications.is_empty(), "refused, and delivered all the same"),
        (202, Some(accepted), Some(0)) => assert!(accepted > 0 && publications.len() >= accepted),
        (207, Some(accepted @ 1..), Some(1..)) => assert!(publications.len() >= accepted),
        (422, Some(0), Some(1..)) => assert!(publications.is_empty()),
        (_, accepted, rejected) => assert_eq!((accepted, rejected), (None, None), "{status} {reply}"),
    }
}

/// Lines one by one, and together.
fn together(text: &str, content_type: &str, transcript: &mut Transcript<'_>) {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_ascii().is_empty()).take(8).collect();
    let is_object = |line: &&str| line.starts_with('{') && serde_json::from_str::<IgnoredAny>(line).is_ok();
    if lines.is_empty() || !lines.iter().all(is_object) {
        return;
    }
    let (mut accepted, mut publications) = (0, Vec::new());
    for line in &lines {
        let answer = answered(content_type, line.as_bytes(), false);
        told(transcript, line, answer.as_ref());
        match answer {
            Some(((202, _), more)) => {
                accepted += 1;
                publications.extend(more);
            }
            Some(((422, _), _)) => {}
            // JSON beyond a bound of the route.
            Some(_) | None => return,
        }
    }
    let status = match accepted {
        0 => 422,
        all if all == lines.len() => 202,
        _ => 207,
    };
    let expected = Some((status, publications));
    let (items, blanks) = (lines.join(","), " ".repeat(AT_ONCE_BYTES));
    let array_type = if content_type == EVENT { EVENTS } else { JSON };
    assert_eq!(send(array_type, format!("[{items}]").as_bytes()), expected, "as an array");
    let large = answered(array_type, format!("[{blanks}{items}]").as_bytes(), true);
    assert_eq!(large.map(|((status, _), heard)| (status, heard)), expected, "as an array, in portions");
    if content_type == JSON {
        assert_eq!(send(LINES, lines.join("\n").as_bytes()), expected, "as lines");
    }
}

fn compressed(body: &[u8], transcript: &mut Transcript<'_>) {
    let zipped = format!("{LINES}Content-Encoding: gzip\r\n");
    // A bomb of a few bytes more than the bound is as good as one of many.
    let mut inflated = Vec::new();
    let read = MultiGzDecoder::new(body).take(BODY_BYTES_MAX as u64 + 1).read_to_end(&mut inflated);
    let expected = match &read {
        Err(_) if inflated.len() <= BODY_BYTES_MAX => Some((400, Vec::new())),
        _ if inflated.len() > BODY_BYTES_MAX => Some((413, Vec::new())),
        _ => send(LINES, &inflated),
    };
    let answer = answered(&zipped, body, false);
    told(transcript, "gzip", answer.as_ref());
    assert_eq!(answered(&zipped, body, true), answer, "at once and in portions");
    let is_barren = |((_, reply), _): &Replied| reply.as_str().is_some_and(|sentence| sentence.contains("are empty"));
    if answer.as_ref().is_some_and(is_barren) {
        assert!(body.len() > GZIP_BARREN_BYTES_MAX, "a small body is refused for what it does not hold");
        return;
    }
    if read.is_err() && matches!(answer, Some(((413, _), _))) {
        // A reader that fails does not tell how much it has made in that step.
        return;
    }
    assert_eq!(answer.map(|((status, _), heard)| (status, heard)), expected, "as a gzip body");
    let mut packed = Vec::new();
    if GzEncoder::new(body, Compression::fast()).read_to_end(&mut packed).is_ok() {
        let plain = if body.len() > BODY_BYTES_MAX { Some((413, Vec::new())) } else { send(LINES, body) };
        assert_eq!(send(&zipped, &packed), plain, "packed and plain");
    }
}

fn binary(text: &str, transcript: &mut Transcript<'_>) {
    let (attributes, data) = text.split_once("\n\n").unwrap_or((text, ""));
    let Ok(parsed) = serde_json::from_str::<Value>(data) else { return };
    let mut headers = "Content-Type: application/json\r\n".to_owned();
    let mut event = Map::new();
    let mut names = BTreeSet::new();
    for line in attributes.lines() {
        let Some((name, value)) = line.split_once(' ') else { return };
        let name = name.to_ascii_lowercase();
        // What is there twice, or has a meaning in the other form only, is not comparable.
        let is_plain = names.insert(name.clone()) && !name.starts_with("data");
        if !is_plain || !value.is_ascii() || value.contains(['%', '"', '\\']) {
            return;
        }
        headers.push_str(&format!("Ce-{name}: {value}\r\n"));
        event.insert(name, json!(value.trim()));
    }
    if !names.contains("specversion") && !names.contains("type") {
        return;
    }
    // The order of the members and the spelling of numbers may differ after a parse: what is
    // delivered is compared by value.
    let values = |end: Option<End>| {
        end.map(|(status, kept)| {
            let value = |data: Vec<u8>| serde_json::from_slice::<Value>(&data).unwrap_or_default();
            (status, kept.into_iter().map(|(topic, data)| (topic, value(data))).collect::<Vec<_>>())
        })
    };
    let answer = answered(&headers, data.as_bytes(), false);
    told(transcript, "as headers", answer.as_ref());
    let Some(as_headers) = values(answer.map(|((status, _), heard)| (status, heard))) else { return };
    event.insert("data".to_owned(), parsed);
    let document = Value::Object(event).to_string();
    let Some(as_document) = values(send("Content-Type: application/cloudevents+json\r\n", document.as_bytes())) else {
        return;
    };
    assert_eq!(as_headers, as_document, "as headers and as a document");
}
