//! `POST /publish`: a body of events in, topics with their data out, a verdict for each item.
//!
//! 1. Give the head to [`admit`], which says what the body will be, or that it need not come.
//! 2. Call [`publish`] with the request and the publisher's principal. Whatever is wrong with the request as a whole (rights,
//!    content type, UTF-8, JSON syntax, number of items) comes back as a [`Refusal`]; nothing has been delivered then.
//! 3. Otherwise the accepted items have gone to the [`Sink`] in their order, each followed at once by the events derived from
//!    it, and the [`Outcome`] knows what was accepted and rejected.
//! 4. For a dry run the sink has got nothing; count the members of [`Outcome::topics`].
//! 5. Send [`Outcome::reply`].
//!
//! ```
//! use rte::api::publish::{Options, Provenance, Request, RequestHead, Rules, Scratch, Sink, publish};
//! use rte::auth::principal::Principal;
//! use rte::clock::UnixMs;
//! use rte::hub::topic::Topic;
//! use rte::limits::Limits;
//! use rte::schema::Catalogue;
//! use uuid::uuid;
//!
//! /// In the hub this is the way to the members.
//! struct Told(Vec<Topic>);
//! impl Sink for Told {
//!     fn publish(&mut self, topic: Topic, _data: &[u8], _expires: Option<UnixMs>, _provenance: Provenance) {
//!         self.0.push(topic);
//!     }
//! }
//!
//! let principal = Principal {
//!     user: None,
//!     organization: Some(uuid!("0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59")),
//!     may_publish: true,
//!     is_admin: false,
//!     is_backend: false,
//!     grants: [].into(),
//!     foreign_grants: 0,
//!     expires_unix_s: u64::MAX,
//! };
//! let body = br#"{ "eventName": "QueueAttachedUsers", "data": {
//!     "queueId": "1f0b2a52-4f3a-4f6e-8c8e-2f1a5f4e7d10",
//!     "organizationId": "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59",
//!     "attachedUsers": [] } }"#;
//! let (catalogue, options, limits) = (Catalogue::built_in(None), Options::default(), Limits::DEFAULT);
//! let rules = Rules { catalogue: &catalogue, options: &options, everybody: &[], limits: &limits };
//! let head = RequestHead::of(Some("application/json"), "").unwrap();
//! let request = Request { head: &head, body };
//!
//! let mut told = Told(Vec::new());
//! let outcome = publish(request, rules, &principal, &mut Scratch::default(), &mut told).unwrap();
//! assert_eq!((outcome.accepted, outcome.rejected), (1, 0));
//! assert_eq!(told.0[0].entity, uuid!("1f0b2a52-4f3a-4f6e-8c8e-2f1a5f4e7d10"));
//! assert_eq!(outcome.reply(None).status, 202);
//! ```
//!
//! An item is `{"eventName":…,"entityId":…,"organizationId":…,"data":{…}}`, names without case, null as good as absent. `entityId`
//! is needed only where the data doesn't name the entity, `organizationId` only where neither the data nor the token name the
//! organization; where both name one they must agree. In a CloudEvent (version 1.0, JSON) these are `type` (the event's name, or
//! a reverse-DNS name that ends in it, with or without a version), `subject`, the extension `organizationid`, and `data` or
//! `data_base64`. In binary mode the attributes are headers, `ce-type` and so on, and the body is the data. A subject that is no
//! GUID says nothing where the data names the entity.
//!
//! A JSON body is checked for syntax whole before anything is delivered. In NDJSON each line stands for itself: blank lines don't
//! count, a bad one is a rejected item. Pointers of errors are relative to the item, in the publisher's spelling: `/eventName`,
//! `/data/userId`. The reply lists rejected items only; those that would make it larger than `reply_bytes_max` are listed with
//! an empty array of errors.
//!
//! Not here: tokens (the principal is verified), bodies and their size, members, the mailboxes between shards.

mod attributes;
mod coding;
mod form;
mod head;
mod item;
mod judge;
mod options;
mod outcome;
mod refusal;
pub mod rule;
mod sink;
#[cfg(test)]
mod tests;

pub use head::RequestHead;
pub use options::{Options, Rules};
pub use outcome::Outcome;
pub use refusal::Refusal;
pub use sink::{Provenance, Sink};

use crate::auth::principal::Principal;
use crate::bom;
use crate::broken::broken;
use crate::clock::UnixMs;
use crate::hub::topic::Topic;
use crate::proto::http::head::Head;
use crate::schema::validate::derive::derive;
use coding::{Coding, inflate};
use form::Form;
use item::{Dialect, Field, Item, Reading};
use judge::{Approved, Judge};
use serde_json::value::RawValue;
use uuid::Uuid;

/// What of a request this route reads; the body is complete and within `body_bytes_max`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// What the head says of the body.
    pub head: &'r RequestHead,
    /// The body, as sent.
    pub body: &'r [u8],
}

/// Buffers that live longer than one request, so that an accepted item allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    delivered: Vec<u8>,
    derived: Vec<u8>,
}

/// Reads what the head of a request says, so that a stranger's body need not be read.
///
/// # Errors
///
/// 403 without scope `publish`, 415 for content type or coding, 400 for the query.
pub fn admit(head: &Head<'_>, principal: &Principal) -> Result<RequestHead, Refusal> {
    check_scope(principal)?;
    RequestHead::read(head)
}

fn check_scope(principal: &Principal) -> Result<(), Refusal> {
    if principal.may_publish { Ok(()) } else { Err(Refusal::new(403, "The token has no scope publish")) }
}

/// Takes one request; see the module's head for the order of things.
///
/// # Errors
///
/// A request that is refused as a whole: 403 without scope `publish`; 400 for a body that is no gzip though it is to be, no UTF-8
/// or no JSON, and for one without items; 413 for more than `items_max`, or than `body_bytes_max` once it is inflated.
pub fn publish(
    request: Request<'_>,
    rules: Rules<'_>,
    principal: &Principal,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Result<Outcome, Refusal> {
    check_scope(principal)?;
    let RequestHead { form, coding, terms, attributes } = request.head;
    let inflated;
    let body = match coding {
        Coding::Identity => request.body,
        Coding::Gzip => {
            inflated = inflate(request.body, rules.limits.body_bytes_max)?;
            inflated.as_slice()
        }
    };
    let body = text_of(body)?;
    let dialect = match form {
        Form::Items | Form::Lines => Dialect::Own,
        Form::CloudEvent | Form::CloudEvents | Form::Data => Dialect::CloudEvents,
    };
    let reading = Reading { dialect, errors_max: rules.limits.errors_per_item_max };
    let outcome = Outcome::new(terms.dry_run, rules.limits.reply_bytes_max);
    let judge = Judge { rules, principal, mode: terms.mode.unwrap_or(rules.options.validation), dialect };
    let mut run = Run { judge, scratch, sink, outcome };
    match form {
        Form::Items if body.trim_start().starts_with('[') => run.array(body, reading)?,
        Form::CloudEvents => run.array(body, reading)?,
        Form::Items | Form::CloudEvent => run.take(reading.one(body).map_err(no_json)?),
        Form::Lines => run.lines(body, reading)?,
        Form::Data => {
            let data: &RawValue = serde_json::from_str(body).map_err(no_json)?;
            let mut item = Item::default();
            attributes.iter().for_each(|(field, json)| item.put(dialect, field, json));
            item.put(dialect, Field::Data, data.get());
            run.take(item);
        }
    }
    Ok(run.outcome)
}

/// The body as text, without byte order mark.
fn text_of(body: &[u8]) -> Result<&str, Refusal> {
    if bom::is_utf16(body) {
        return Err(Refusal::new(400, "The body is UTF-16; send UTF-8"));
    }
    simdutf8::compat::from_utf8(bom::behind_bytes(body))
        .map_err(|error| Refusal::new(400, format!("The body is no UTF-8 from byte {} on", error.valid_up_to())))
}

fn no_json(error: serde_json::Error) -> Refusal {
    Refusal::new(400, format!("The body is no JSON of this form: {error}"))
}

fn no_items() -> Refusal {
    Refusal::new(400, "The body holds no items")
}

fn too_many(items_max: usize) -> Refusal {
    Refusal::new(413, format!("The body holds more than {items_max} items"))
}

/// One request under way.
struct Run<'r, S> {
    judge: Judge<'r>,
    scratch: &'r mut Scratch,
    sink: &'r mut S,
    outcome: Outcome,
}

impl<S: Sink> Run<'_, S> {
    fn array(&mut self, body: &str, reading: Reading) -> Result<(), Refusal> {
        let items_max = self.judge.rules.limits.items_max;
        let items = reading.all(body, items_max).map_err(no_json)?.ok_or_else(|| too_many(items_max))?;
        if items.is_empty() {
            return Err(no_items());
        }
        items.into_iter().for_each(|item| self.take(item));
        Ok(())
    }

    fn lines(&mut self, body: &str, reading: Reading) -> Result<(), Refusal> {
        let items_max = self.judge.rules.limits.items_max;
        match lines(body).take(items_max.saturating_add(1)).count() {
            0 => return Err(no_items()),
            count if count > items_max => return Err(too_many(items_max)),
            _ => {}
        }
        for (number, line) in lines(body) {
            self.take(reading.one(line).unwrap_or_else(|error| bad_line(number, &error)));
        }
        Ok(())
    }

    fn take(&mut self, mut sent: Item<'_>) {
        let decoded = self.judge.decode(&mut sent);
        let mut item = sent;
        if let Some(data) = &decoded {
            item.put(self.judge.dialect, Field::Data, data);
        }
        match self.judge.judge(&mut item, &mut self.scratch.delivered) {
            Some(approved) if item.violations.is_empty() => self.deliver(&approved),
            _ => {
                item.violations.truncate(self.judge.rules.limits.errors_per_item_max.max(1));
                self.outcome.reject(&item.violations);
            }
        }
    }

    fn deliver(&mut self, approved: &Approved<'_>) {
        let Rules { catalogue, options, .. } = self.judge.rules;
        let Scratch { delivered, derived } = &mut *self.scratch;
        let Approved { topic, sent, accepted } = *approved;
        let data = if accepted.rewritten { delivered.as_slice() } else { sent.as_bytes() };
        self.outcome.accept(accepted.tolerated);
        let expires = accepted.expires_unix_ms.map(UnixMs::from_ms);
        emit(&mut self.outcome, self.sink, Made { topic, data, expires, provenance: Provenance::Sent });
        let rules = catalogue.derived_from(topic.event);
        if rules.is_empty() {
            return;
        }
        let text = simdutf8::basic::from_utf8(data).unwrap_or_else(|_| no_text());
        for id in rules.iter().filter(|id| !options.not_derived.contains(id)) {
            if let Some(entity) = derive(catalogue.model(), *id, text, derived) {
                let topic = Topic { event: *id, entity: Uuid::from_bytes(entity), ..topic };
                let text = simdutf8::basic::from_utf8(derived).unwrap_or_else(|_| no_text());
                let expires = catalogue.expires(*id, text);
                let made = Made { topic, data: derived, expires, provenance: Provenance::Derived };
                emit(&mut self.outcome, self.sink, made);
            }
        }
    }
}

/// What an item has become.
struct Made<'d> {
    topic: Topic,
    data: &'d [u8],
    expires: Option<UnixMs>,
    provenance: Provenance,
}

fn no_text() -> ! {
    broken("the validator writes text for text")
}

/// Hands a publication on, or notes what a dry run would have.
fn emit(outcome: &mut Outcome, sink: &mut impl Sink, Made { topic, data, expires, provenance }: Made<'_>) {
    if outcome.note(topic, provenance) {
        sink.publish(topic, data, expires, provenance);
    }
}

/// The lines of an NDJSON body that hold anything, with their numbers from 1.
fn lines(body: &str) -> impl Iterator<Item = (usize, &str)> {
    let ends = memchr::memchr_iter(b'\n', body.as_bytes()).chain(std::iter::once(body.len()));
    let mut start = 0;
    let lines = ends.map(move |end| {
        let line = body.get(std::mem::replace(&mut start, end + 1)..end);
        // Files with a byte order mark, one behind the other, have marks in their midst.
        bom::behind(
            line.unwrap_or_else(|| broken("a line feed is a whole character, and ends are found in their order")),
        )
    });
    (1..).zip(lines).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// An NDJSON line that is no JSON.
fn bad_line(number: usize, error: &serde_json::Error) -> Item<'static> {
    let text = error.to_string();
    // The parser counts lines within the line it was given.
    let reason = text.rfind(" at line ").and_then(|end| text.get(..end)).unwrap_or(&text);
    Item::refused(rule::JSON, format!("line {number} column {} is no JSON: {reason}", error.column()))
}
