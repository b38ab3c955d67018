//! What became of a publish request.

use super::sink::Provenance;
use crate::echo::echo;
use crate::hub::topic::Topic;
use crate::proto::http::reply::Reply;
use crate::schema::validate::Violation;

/// What became of the items of one request, and the reply that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Items accepted.
    pub accepted: usize,
    /// Items rejected.
    pub rejected: usize,
    /// Events derived from accepted items.
    pub(crate) derived: usize,
    /// Things that lenient mode let through in accepted items.
    pub tolerated: u64,
    /// Indices of accepted items that had been taken before, by their ids.
    duplicates: Vec<u32>,
    /// The first of the items rejected.
    pub first_rejected: Option<FirstRejected>,
    /// The topics that a dry run would have published on; `None` if the request was no dry run.
    topics: Option<Vec<Topic>>,
    /// The elements of `results`, as JSON.
    results: Vec<u8>,
    reply_bytes_max: usize,
    /// The errors of an item did not fit: none are told from there on.
    is_full: bool,
}

/// An item that was rejected, for the log: nothing of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstRejected {
    /// Its place in the request.
    pub index: usize,
    /// The first rule that it breaks.
    pub rule: &'static str,
    /// The event that it names, cut short; empty where it names none.
    pub event: Box<str>,
}

impl FirstRejected {
    fn new(index: usize, violations: &[Violation], event: Option<&str>) -> FirstRejected {
        let event = event.and_then(|json| json.strip_prefix('"')?.strip_suffix('"')).unwrap_or_default();
        FirstRejected {
            index,
            rule: violations.first().map_or("", |violation| violation.rule),
            event: echo(event).into(),
        }
    }
}

impl Outcome {
    pub(super) fn new(is_dry_run: bool, reply_bytes_max: usize) -> Outcome {
        let topics = is_dry_run.then(Vec::new);
        Outcome {
            accepted: 0,
            rejected: 0,
            derived: 0,
            tolerated: 0,
            duplicates: Vec::new(),
            first_rejected: None,
            topics,
            results: Vec::new(),
            reply_bytes_max,
            is_full: false,
        }
    }

    /// The topics that a dry run would have published on, in order, derived ones included; `None`
    /// if it was no dry run, and the sink has them.
    pub fn topics(&self) -> Option<&[Topic]> {
        self.topics.as_deref()
    }

    /// Whether nothing is really to be published.
    pub(super) fn is_dry_run(&self) -> bool {
        self.topics.is_some()
    }

    /// A home has seen these items before.
    pub(crate) fn add_duplicates(&mut self, items: &[u32]) {
        self.duplicates.extend_from_slice(items);
    }

    /// Bytes that it holds for the reply.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.results.len()
    }

    /// Items so far.
    pub(super) fn judged(&self) -> usize {
        self.accepted + self.rejected
    }

    pub(super) fn accept(&mut self, tolerated: u32) {
        self.accepted += 1;
        self.tolerated = self.tolerated.saturating_add(u64::from(tolerated));
    }

    /// Counts a publication; says whether it is really to be made.
    pub(super) fn note(&mut self, topic: Topic, provenance: Provenance) -> bool {
        self.derived += usize::from(provenance == Provenance::Derived);
        let Some(topics) = &mut self.topics else { return true };
        topics.extend((provenance != Provenance::Withdrawn).then_some(topic));
        false
    }

    /// Lists the next item as rejected; items are told in their order, so its index is the number
    /// of those before it. `event` is what the item names, as JSON.
    pub(super) fn reject(&mut self, violations: &[Violation], event: Option<&str>) {
        let index = self.judged();
        self.first_rejected.get_or_insert_with(|| FirstRejected::new(index, violations, event));
        self.rejected += 1;
        let before = self.results.len();
        self.list(index, if self.is_full { &[] } else { violations });
        if !self.is_full && self.results.len() > self.reply_bytes_max {
            self.is_full = true;
            self.results.truncate(before);
            self.list(index, &[]);
        }
    }

    /// Whether nobody will be told of further errors.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    fn list_duplicates(&mut self) {
        let mut duplicates = std::mem::take(&mut self.duplicates);
        duplicates.sort_unstable();
        for index in duplicates {
            let comma = if self.results.is_empty() { "" } else { "," };
            self.write(&format!("{comma}{{\"index\":{index},\"duplicate\":true}}"));
        }
    }

    fn list(&mut self, index: usize, violations: &[Violation]) {
        let comma = if self.results.is_empty() { "" } else { "," };
        self.write(&format!("{comma}{{\"index\":{index},\"errors\":["));
        for (n, Violation { pointer, rule, message }) in violations.iter().enumerate() {
            self.write(if n == 0 { "{\"pointer\":" } else { ",{\"pointer\":" });
            self.write_text(pointer);
            self.write(",\"rule\":");
            self.write_text(rule);
            self.write(",\"message\":");
            self.write_text(message);
            self.write("}");
        }
        self.write("]}");
    }

    fn write(&mut self, text: &str) {
        self.results.extend_from_slice(text.as_bytes());
    }

    fn write_text(&mut self, text: &str) {
        // A string into a growing buffer: neither can fail.
        drop(serde_json::to_writer(&mut self.results, text));
    }

    /// The reply: 202 where all items were accepted, 207 where some, 422 where none, with
    /// the members `accepted`, `rejected` and `results`, a list of `{"index":i,"errors":[…]}` and
    /// behind these, of accepted items that had been taken before, `{"index":i,"duplicate":true}`.
    /// Two members more tell what is rarely so: `tolerated`, how many things lenient mode let
    /// through, and `members`, how many members a dry run would have reached (the caller has
    /// counted them).
    pub fn reply(mut self, members: Option<u64>) -> Reply {
        self.list_duplicates();
        let status = match (self.accepted, self.rejected) {
            (_, 0) => 202,
            (0, _) => 422,
            _ => 207,
        };
        let mut body = format!("{{\"accepted\":{},\"rejected\":{}", self.accepted, self.rejected).into_bytes();
        if self.tolerated > 0 {
            body.extend_from_slice(format!(",\"tolerated\":{}", self.tolerated).as_bytes());
        }
        if let Some(members) = members {
            body.extend_from_slice(format!(",\"members\":{members}").as_bytes());
        }
        body.extend_from_slice(b",\"results\":[");
        body.extend_from_slice(&self.results);
        body.extend_from_slice(b"]}");
        Reply::json(status, body)
    }
}
