//! Publish requests in their envelopes: compressed bodies, and CloudEvents whose attributes are
//! headers.

use crate::api::publish::{Made, Options, Outcome, Request, Rules, Scratch, Sink, admit, publish as take};
use crate::auth::principal::Principal;
use crate::hub::topic::Topic;
use crate::limits::Limits;
use crate::proto::Status;
use crate::proto::http::head::parse_head;
use crate::schema::Catalogue;
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::LazyLock;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::built_in(None));

/// Small, so that inputs reach it.
const BODY_BYTES_MAX: usize = 4 * 1024;

#[derive(Default)]
struct Heard(Vec<(Topic, Vec<u8>)>);

impl Sink for Heard {
    fn publish(&mut self, made: Made<'_>) {
        self.0.push((made.topic, made.data.to_vec()));
    }
}

/// What a request comes to: its status, and what was delivered.
type End = (u16, Vec<(Topic, Vec<u8>)>);

fn send(headers: &str, body: &[u8]) -> Option<End> {
    let head = format!("POST /publish HTTP/1.1\r\nHost: rte\r\n{headers}\r\n").into_bytes();
    let Ok(Status::Complete(head)) = parse_head(&head, Limits::DEFAULT.head_bytes_max, Limits::DEFAULT.headers_max)
    else {
        return None;
    };
    let limits = Limits { body_bytes_max: BODY_BYTES_MAX, event_bytes_max: 2 * 1024, ..Limits::DEFAULT };
    let options = Options::default();
    let rules = Rules { catalogue: &CATALOGUE, options: &options, everybody: &[], limits: &limits };
    let principal = Principal {
        user: None,
        organization: None,
        publisher: None,
        may_publish: true,
        is_admin: false,
        is_backend: false,
        grants: [].into(),
        foreign_grants: 0,
        expires_unix_s: u64::MAX,
    };
    let mut kept = Heard::default();
    let taken = admit(&head, &principal)
        .and_then(|head| take(Request { head: &head, body }, rules, &principal, &mut Scratch::default(), &mut kept));
    let status = match taken {
        Ok(outcome) => Outcome::reply(outcome, None).status,
        Err(refusal) => refusal.status,
    };
    Some((status, kept.0))
}

/// An input is a letter and bytes. `z`: the bytes are a gzip body; what comes of it is what a
/// reader without bound makes of the bytes, and the same bytes packed by us are as good as plain.
/// `c`: lines `name value`, an empty line, and data; the attributes as headers come to the same as
/// in one JSON document.
///
/// # Panics
/// The route is wrong.
pub fn publish(data: &[u8]) {
    match data.split_first() {
        Some((b'z', body)) => compressed(body),
        Some((b'c', rest)) => {
            if let Ok(text) = std::str::from_utf8(rest) {
                binary(text);
            }
        }
        _ => {}
    }
}

fn compressed(body: &[u8]) {
    const PLAIN: &str = "Content-Type: application/x-ndjson\r\n";
    let zipped = format!("{PLAIN}Content-Encoding: gzip\r\n");
    // A bomb of a few bytes more than the bound is as good as one of many.
    let mut inflated = Vec::new();
    let read = MultiGzDecoder::new(body).take(BODY_BYTES_MAX as u64 + 1).read_to_end(&mut inflated);
    let expected = match read {
        Err(_) if inflated.len() <= BODY_BYTES_MAX => Some((400, Vec::new())),
        _ if inflated.len() > BODY_BYTES_MAX => Some((413, Vec::new())),
        _ => send(PLAIN, &inflated),
    };
    assert_eq!(send(&zipped, body), expected, "as a gzip body");
    let mut packed = Vec::new();
    if GzEncoder::new(body, Compression::fast()).read_to_end(&mut packed).is_ok() {
        let plain = if body.len() > BODY_BYTES_MAX { Some((413, Vec::new())) } else { send(PLAIN, body) };
        assert_eq!(send(&zipped, &packed), plain, "packed and plain");
    }
}

fn binary(text: &str) {
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
    let Some(as_headers) = values(send(&headers, data.as_bytes())) else { return };
    event.insert("data".to_owned(), parsed);
    let document = Value::Object(event).to_string();
    let Some(as_document) = values(send("Content-Type: application/cloudevents+json\r\n", document.as_bytes())) else {
        return;
    };
    assert_eq!(as_headers, as_document, "as headers and as a document");
}
