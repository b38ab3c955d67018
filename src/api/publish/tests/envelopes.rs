//! Tests of what is around the data: CloudEvents as SDKs send them, compressed bodies, byte order
//! marks.

use super::super::*;
use crate::limits::Limits;
use crate::proto::Status;
use crate::proto::http::head::parse_head;
use crate::schema::{Catalogue, guid};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::sync::LazyLock;

const ORGANIZATION: &str = "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59";
const QUEUE: &str = "1f0b2a52-4f3a-4f6e-8c8e-2f1a5f4e7d10";
const DATA: &str = r#"{"queueId":"1f0b2a52-4f3a-4f6e-8c8e-2f1a5f4e7d10",
    "organizationId":"0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59","attachedUsers":[]}"#;
/// Names its entity nowhere.
const ALERT: &str = r#"{"queueId":"1f0b2a52-4f3a-4f6e-8c8e-2f1a5f4e7d10","queueName":"Support"}"#;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::built_in(None));

#[derive(Default)]
struct Heard(Vec<(Topic, String)>);

impl Sink for Heard {
    fn publish(&mut self, made: Made<'_>) {
        self.0.push((made.topic, String::from_utf8(made.data.to_vec()).unwrap()));
    }
}

/// Status and body of the reply, and what was delivered.
fn post(headers: &str, body: &[u8]) -> (u16, String, Heard) {
    let principal = Principal {
        user: None,
        organization: guid::parse(ORGANIZATION),
        publisher: None,
        may_publish: true,
        is_admin: false,
        is_backend: false,
        grants: [].into(),
        foreign_grants: 0,
        expires_unix_s: 0,
        marks: crate::auth::marks::Marks::default(),
    };
    let limits = Limits { body_bytes_max: 64 * 1024, ..Limits::DEFAULT };
    let options = Options::default();
    let rules = Rules { catalogue: &CATALOGUE, options: &options, everybody: &[], limits: &limits };
    let text = format!("POST /publish HTTP/1.1\r\nHost: rte\r\n{headers}\r\n").into_bytes();
    let Ok(Status::Complete(head)) = parse_head(&text, 8192, 64) else { panic!("{headers}") };
    let mut kept = Heard::default();
    let outcome = admit(&head, &principal)
        .and_then(|head| publish(Request { head: &head, body }, rules, &principal, &mut Scratch::default(), &mut kept));
    let reply = match outcome {
        Ok(outcome) => outcome.reply(None),
        Err(refusal) => refusal.reply(),
    };
    (reply.status, String::from_utf8(reply.body.bytes().to_vec()).unwrap(), kept)
}

fn binary(ty: &str, more: &str) -> String {
    format!(
        "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /pbx/1\r\nce-type: {ty}\r\ncontent-type: application/json\r\n{more}"
    )
}

/// The rules that the one item breaks.
fn rules_of(reply: &str) -> Vec<(String, String)> {
    let reply: Json = serde_json::from_str(reply).unwrap();
    let errors = reply["results"][0]["errors"].as_array().unwrap().clone();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    errors.iter().map(|error| (text(&error["pointer"]), text(&error["rule"]))).collect()
}

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_attributes_of_a_cloud_event_may_be_headers() {
    let (status, reply, kept) = post(&binary("com.acme.QueueAttachedUsers", ""), DATA.as_bytes());
    assert_eq!((status, kept.0.len()), (202, 1), "{reply}");
    assert_eq!(kept.0[0], (Topic { entity: guid::parse(QUEUE).unwrap(), ..kept.0[0].0 }, DATA.to_owned()));
    // The body is the data and nothing around it; blanks and a mark don't count.
    let padded = format!("\u{FEFF}\r\n {DATA}\n");
    assert_eq!(post(&binary("QueueAttachedUsers", ""), padded.as_bytes()).2.0[0].1, DATA);
    // Quoted and percent-encoded values; an entity by its subject.
    let more = format!("CE-Subject: \"{QUEUE}\"\r\n");
    let (status, reply, kept) = post(&binary("com%2Eacme.UserQueueAlert", &more), ALERT.as_bytes());
    assert_eq!((status, kept.0.len()), (202, 1), "{reply}");
    for (headers, rule) in [
        (binary("QueueStats", ""), ("/type", "unknown-event")),
        (binary("QueueAttachedUsers", "ce-type: QueueStatus\r\n"), ("/type", "duplicate-member")),
        (binary("QueueAttachedUsers", "").replace("1.0", "0.3"), ("/specversion", "cloud-event")),
        (binary("QueueAttachedUsers", "").replace("ce-id: 1", "x: 1"), ("/id", "missing-member")),
        (binary("QueueAttachedUsers", "").replace("ce-specversion", "x"), ("/specversion", "missing-member")),
    ] {
        let (status, reply, kept) = post(&headers, DATA.as_bytes());
        assert_eq!((status, kept.0.len()), (422, 0), "{headers}");
        assert_eq!(rules_of(&reply)[0], (rule.0.to_owned(), rule.1.to_owned()), "{reply}");
    }
    for body in ["", "{", "{} {}", "queueId=1"] {
        assert_eq!(post(&binary("QueueAttachedUsers", ""), body.as_bytes()).0, 400, "{body}");
    }
    // One that is in the body stays there, whatever the headers say.
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "QueueAttachedUsers",
        "data": serde_json::from_str::<Json>(DATA).unwrap() });
    let headers = binary("UserAlert", "").replace("application/json", "application/cloudevents+json");
    assert_eq!(post(&headers, event.to_string().as_bytes()).0, 202);
}

#[test]
fn a_subject_that_is_no_guid_says_nothing_where_the_data_names_the_entity() {
    for subject in ["calls/17", "Support", "", "urn:uuid:6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c77"] {
        let more = format!("ce-subject: {subject}\r\n");
        let (status, reply, kept) = post(&binary("QueueAttachedUsers", &more), DATA.as_bytes());
        assert_eq!((status, kept.0.len()), (202, 1), "{reply}");
        let (status, reply, _) = post(&binary("UserQueueAlert", &more), ALERT.as_bytes());
        assert_eq!(status, 422);
        assert_eq!(rules_of(&reply), [("/subject".to_owned(), "guid".to_owned())], "{reply}");
    }
    let other = "ce-subject: 6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c77\r\n";
    let (_, reply, _) = post(&binary("QueueAttachedUsers", other), DATA.as_bytes());
    assert_eq!(rules_of(&reply), [("/subject".to_owned(), "entity-mismatch".to_owned())]);
    let (_, reply, _) = post(&binary("UserQueueAlert", ""), ALERT.as_bytes());
    assert_eq!(rules_of(&reply), [("/subject".to_owned(), "entity-missing".to_owned())]);
}

#[test]
fn a_type_may_have_a_version() {
    for ty in [
        "com.acme.QueueAttachedUsers.v1",
        "QueueAttachedUsers.v1.2-beta",
        "com.acme.QueueAttachedUsers.2024-05-31",
        "acme/queue/QueueAttachedUsers:2.1",
        "com.acme.QueueAttachedUsersV2",
        "com.acme.v3.queueattachedusers",
        "urn:acme:QueueAttachedUsers@1",
    ] {
        let (status, reply, _) = post(&binary(ty, ""), DATA.as_bytes());
        assert_eq!(status, 202, "{ty}: {reply}");
    }
    for (ty, near) in [("com.acme.QueueAttachedUser.v1", "QueueAttachedUsers"), ("a.QueueStatsuV2", "QueueStatus")] {
        let (status, reply, _) = post(&binary(ty, ""), DATA.as_bytes());
        assert!(status == 422 && reply.contains(&format!("did you mean \\\"{near}\\\"")), "{ty}: {reply}");
    }
    for ty in ["QueueAttachedUsers.created", "v1", "...", "com.acme.v1.2"] {
        assert_eq!(post(&binary(ty, ""), DATA.as_bytes()).0, 422, "{ty}");
    }
}

#[test]
fn data_may_be_base64_of_json() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let event = |data: &[u8]| {
        let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "QueueAttachedUsers",
            "datacontenttype": "application/json", "data_base64": STANDARD.encode(data) });
        post("content-type: application/cloudevents+json\r\n", event.to_string().as_bytes())
    };
    assert_eq!(event(DATA.as_bytes()).2.0[0].1, DATA);
    assert_eq!(event(format!("\u{FEFF}{DATA}\n").as_bytes()).0, 202);
    for wrong in [&b""[..], b"{", b"\xFF", b"{}{}"] {
        let (status, reply, _) = event(wrong);
        assert_eq!(status, 422);
        assert_eq!(rules_of(&reply), [("/data_base64".to_owned(), "cloud-event".to_owned())], "{reply}");
    }
}

#[test]
fn a_compressed_body_is_as_good_as_a_plain_one_up_to_its_bound() {
    let item = format!(r#"{{"eventName":"QueueAttachedUsers","data":{DATA}}}"#);
    let headers = "content-type: application/x-ndjson\r\ncontent-encoding: gzip\r\n";
    let lines = format!("{}\n", item.replace('\n', "")).repeat(3);
    let (status, reply, kept) = post(headers, &gzip(lines.as_bytes()));
    assert_eq!((status, kept.0.len()), (202, 3), "{reply}");
    let zipped = binary("QueueAttachedUsers", "content-encoding: x-gzip\r\n");
    assert_eq!(post(&zipped, &gzip(DATA.as_bytes())).0, 202);
    assert_eq!(post(&zipped, DATA.as_bytes()).0, 400);
    let bomb = gzip(&vec![b' '; 10 << 20]);
    let (status, sentence, _) = post(headers, &bomb);
    assert!(status == 413 && sentence.contains("body_bytes_max = 65536") && bomb.len() < 20_000, "{sentence}");
    for coding in ["deflate", "br", "gzip, gzip"] {
        assert_eq!(post(&format!("content-type: application/json\r\ncontent-encoding: {coding}\r\n"), b"{}").0, 415);
    }
}

#[test]
fn a_byte_order_mark_is_passed_over_in_every_form() {
    let item = format!(r#"{{"eventName":"QueueAttachedUsers","data":{}}}"#, DATA.replace('\n', ""));
    let taken = |content_type: &str, body: String| {
        let (status, reply, kept) = post(&format!("content-type: {content_type}\r\n"), body.as_bytes());
        assert_eq!(status, 202, "{reply}");
        kept.0.len()
    };
    assert_eq!(taken("application/json", format!("\u{FEFF}{item}")), 1);
    assert_eq!(taken("application/json", format!("\u{FEFF} [{item},{item}]\n")), 2);
    assert_eq!(taken("application/x-ndjson", format!("\u{FEFF}{item}\n\n\u{FEFF}{item}\r\n\u{FEFF}\n")), 2);
    let (status, sentence, _) = post("content-type: application/json\r\n", b"\xFF\xFE{\0}\0");
    assert!(status == 400 && sentence.contains("UTF-16"), "{sentence}");
    assert_eq!(post("content-type: application/json\r\n", format!("{item}\u{FEFF}").as_bytes()).0, 400);
}
