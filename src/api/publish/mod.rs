//! `POST /publish`: a body of events in, topics with their data out, a verdict for each item.
//!
//! 1. Give the head to [`admit`], which says what the body will be, or that it need not come.
//! 2. Call [`publish`] with the request and the publisher's principal. Whatever is wrong with the
//!    request as a whole (rights, content type, UTF-8, JSON syntax, number of items) comes back as
//!    a [`Refusal`]; nothing has been delivered then.
//! 3. Otherwise the accepted items have gone to the [`Sink`] in their order, each followed at once
//!    by the events derived from it, and the [`Outcome`] knows what was accepted and rejected.
//! 4. For a dry run the sink has got nothing; count the members of [`Outcome::topics`].
//! 5. Send [`Outcome::reply`].
//!
//! ```
//! use rte::api::publish::{Made, Options, Request, RequestHead, Rules, Scratch, Sink, publish};
//! use rte::auth::principal::Principal;
//! use rte::hub::topic::Topic;
//! use rte::limits::Limits;
//! use rte::schema::Catalogue;
//! use uuid::uuid;
//!
//! /// In the hub this is the way to the members.
//! struct Told(Vec<Topic>);
//! impl Sink for Told {
//!     fn publish(&mut self, made: Made<'_>) {
//!         self.0.push(made.topic);
//!     }
//! }
//!
//! let principal = Principal {
//!     user: None,
//!     organization: Some(uuid!("0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59")),
//!     publisher: None,
//!     may_publish: true,
//!     is_admin: false,
//!     is_backend: false,
//!     grants: [].into(),
//!     foreign_grants: 0,
//!     marks: rte::auth::marks::Marks::default(),
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
//! An item is `{"id":…,"eventName":…,"entityId":…,"organizationId":…,"data":{…}}`, names without
//! case, null as good as absent. `id` is the publisher's own: an item that comes again with it is
//! accepted and goes nowhere. `entityId` is needed only where the data doesn't name the entity,
//! `organizationId` only where neither the data nor the token name the organization; where both
//! name one they must agree. In a CloudEvent (version 1.0, JSON) these are `id` with `source`,
//! `type` (the event's name, or a reverse-DNS name that ends in it, with or without a version),
//! `subject`, the extension `organizationid`, and `data` or `data_base64`. In binary mode the
//! attributes are headers, `ce-type` and so on, and the body is the data. A subject that is no GUID
//! says nothing where the data names the entity.
//!
//! A JSON body is checked for syntax whole before anything is delivered. In NDJSON each line stands
//! for itself: blank lines don't count, a bad one is a rejected item. Pointers of errors are
//! relative to the item, in the publisher's spelling: `/eventName`, `/data/userId`. The reply lists
//! rejected items only; from the first on that would make it larger than `reply_bytes_max` they are
//! listed with an empty array of errors, of which no more than one is made.
//!
//! Not here: tokens (the principal is verified), bodies and their size, members, the mailboxes
//! between shards.

mod array;
mod attributes;
mod coding;
mod effect;
mod form;
mod head;
mod identity;
mod item;
mod judge;
mod lines;
mod options;
mod outcome;
mod refusal;
pub mod rule;
mod sink;
#[cfg(test)]
mod tests;

pub use head::RequestHead;
pub use options::{Options, Rules};
pub use outcome::{FirstRejected, Outcome};
pub use refusal::Refusal;
pub use sink::{Made, Provenance, Sink};

use crate::auth::principal::Principal;
use crate::bom;
use crate::broken::broken;
use crate::clock::UnixMs;
use crate::hub::publication::Effect;
use crate::hub::seen::Identity;
use crate::hub::topic::Topic;
use crate::limits::{Limits, SUGGEST_ITEMS_MAX, SUGGESTIONS_MAX};
use crate::proto::Status;
use crate::proto::http::head::Head;
use crate::schema::EventId;
use crate::schema::validate::Mode;
use crate::schema::validate::derive::{Derived, derive};
use crate::schema::validate::key::keys;
use array::{Next, Wrong};
use attributes::Attributes;
use coding::{Coding, Inflation};
use form::Form;
use item::{Dialect, Field, Item, Reading};
use judge::{Approved, Judge};
use lines::{bad_line, lines};
use refusal::{no_items, too_large, too_many};
use serde_json::value::RawValue;
use std::borrow::Cow;
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

/// For a token that may not publish at all.
const NO_SCOPE: &str = "The token has no scope publish: ask its issuer, or rte token --scope publish";

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
    if principal.may_publish { Ok(()) } else { Err(Refusal::new(403, NO_SCOPE)) }
}

/// Takes one request; see the module's head for the order of things.
///
/// # Errors
///
/// A request that is refused as a whole: 403 without scope `publish`; 400 for a body that is no
/// gzip though it is to be, no UTF-8 or no JSON, and for one without items; 413 for more than
/// `items_max`, or than `body_bytes_max` once it is inflated.
pub fn publish(
    request: Request<'_>,
    rules: Rules<'_>,
    principal: &Principal,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Result<Outcome, Refusal> {
    let mut judgement = Judgement::new(request, rules, principal)?;
    while judgement.proceed(rules, principal, scratch, sink)?.is_partial() {}
    Ok(judgement.outcome)
}

/// A request while its items are judged. One that is large is judged in portions, so that others
/// come in between:
///
/// 1. [`Judgement::proceed`] inflates the body and judges items until [`Sink::takes_more`] says
///    that this is enough. Before the first item it may refuse the whole.
/// 2. While that is partial, [`Judgement::into_owned`] keeps the body where it must outlive what
///    was read.
/// 3. [`Judgement::outcome`] has what became of it.
#[derive(Debug)]
pub struct Judgement<'b> {
    head: Cow<'b, RequestHead>,
    /// Empty while it is being inflated.
    body: Cow<'b, str>,
    inflation: Option<Box<Inflation<'b>>>,
    place: Place,
    /// What has become of the items so far.
    pub outcome: Outcome,
}

/// How far a body has been judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing has been looked at.
    Whole,
    /// Before an item of an array whose form is checked, which has so many before it.
    Form(usize, usize),
    /// Before an item of an array, which is known to be JSON.
    Item(usize),
    /// Before a line, which has that number.
    Line(usize, usize),
    /// Behind the last.
    Over,
}

/// An array of fewer bytes is judged at once: reading it twice would cost more than it saves.
const AT_ONCE_BYTES: usize = 32 * 1024;
/// But not one of more commas, which may be as many items that are next to nothing.
const AT_ONCE_COMMAS: usize = 2 * 1024;
/// So many bytes whose form is checked are one unit of work: short names, nested arrays and empty
/// lines take as long and longer, others less.
const CHECKED_BYTES_PER_WORK: usize = 16;
/// So many bytes of an item that is judged are.
const JUDGED_BYTES_PER_WORK: usize = 32;
/// In lenient mode it is of fewer: what nobody knows is looked through, too.
const LENIENT_BYTES_PER_WORK: usize = 12;
/// The work of an event that is derived, for which the data is read anew.
const DERIVED_WORK: usize = 64;
/// The work of a publication that changes what is kept for snapshots.
const KEPT_WORK: usize = 24;
/// The work of what lenient mode lets through: a name that nobody knows is compared with all
/// others.
const TOLERATED_WORK: usize = 6;
/// The work of an error that is found, with its sentence.
const ERROR_WORK: usize = 16;
/// And of one that may have the nearest name, for which the search is most of it.
const SUGGESTION_WORK: usize = 100;

impl<'b> Judgement<'b> {
    /// Nothing is judged yet.
    ///
    /// # Errors
    ///
    /// Those of [`publish`] that don't concern the items.
    pub fn new(request: Request<'b>, rules: Rules<'_>, principal: &Principal) -> Result<Judgement<'b>, Refusal> {
        check_scope(principal)?;
        let Request { head, body } = request;
        let (body, inflation) = match head.coding {
            Coding::Identity => (text_of(body)?, None),
            Coding::Gzip => ("", Some(Box::new(Inflation::new(body)))),
        };
        let outcome = Outcome::new(head.terms.dry_run, rules.limits.reply_bytes_max);
        Ok(Judgement { head: Cow::Borrowed(head), body: Cow::Borrowed(body), inflation, place: Place::Whole, outcome })
    }

    /// Inflates some of the body, or judges the next items, at least one. Partial where some are
    /// left.
    ///
    /// # Errors
    ///
    /// The request is refused as a whole; nothing of it has been delivered.
    pub fn proceed(
        &mut self,
        rules: Rules<'_>,
        principal: &Principal,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
    ) -> Result<Status<()>, Refusal> {
        if self.inflate(rules.limits, sink)?.is_partial() {
            return Ok(Status::Partial);
        }
        let RequestHead { form, terms, attributes, .. } = &*self.head;
        let dialect = match form {
            Form::Items | Form::Lines => Dialect::Own,
            Form::CloudEvent | Form::CloudEvents | Form::Data => Dialect::CloudEvents,
        };
        let mode = terms.mode.unwrap_or(rules.options.validation);
        let errors_max = rules.limits.errors_per_item_max;
        let judge = Judge { rules, principal, mode, dialect, errors_max, suggestions_max: SUGGESTIONS_MAX };
        let body = &*self.body;
        let mut run = Run { judge, scratch, sink, outcome: &mut self.outcome };
        self.place = match (self.place, form) {
            (Place::Over, _) => Place::Over,
            (Place::Form(at, count), _) => run.form(body, at, count)?,
            (Place::Item(at), _) => run.items(body, at),
            (Place::Line(at, number), _) => run.lines(body, at, number),
            (Place::Whole, Form::Items) if body.trim_start().starts_with('[') => run.array(body)?,
            (Place::Whole, Form::CloudEvents) => run.array(body)?,
            (Place::Whole, Form::Items | Form::CloudEvent) => run.one(body)?,
            (Place::Whole, Form::Lines) => run.first_lines(body)?,
            (Place::Whole, Form::Data) => run.data(body, attributes)?,
        };
        Ok(if self.place == Place::Over { Status::Complete(()) } else { Status::Partial })
    }

    /// Inflates the body as far as this portion goes. Partial where nothing is to be judged yet.
    fn inflate(&mut self, limits: &Limits, sink: &mut impl Sink) -> Result<Status<()>, Refusal> {
        while let Some(inflation) = &mut self.inflation {
            let (status, work) = inflation.advance(limits.body_bytes_max)?;
            if !status.is_partial() {
                self.body = Cow::Owned(text_of(&inflation.inflated)?.to_owned());
                self.inflation = None;
            }
            if !sink.takes_more(work) {
                return Ok(Status::Partial);
            }
        }
        Ok(Status::Complete(()))
    }

    /// Bytes of the body.
    pub fn body_bytes(&self) -> usize {
        self.body.len() + self.inflation.as_ref().map_or(0, |inflation| inflation.bytes())
    }

    /// The same, with a body of its own.
    pub fn into_owned(self) -> Judgement<'static> {
        let Judgement { head, body, inflation, place, outcome } = self;
        let inflation = inflation.map(|inflation| Box::new(inflation.into_owned()));
        let (head, body) = (Cow::Owned(head.into_owned()), Cow::Owned(body.into_owned()));
        Judgement { head, body, inflation, place, outcome }
    }
}

/// The body as text, without byte order mark.
fn text_of(body: &[u8]) -> Result<&str, Refusal> {
    if bom::is_utf16(body) {
        return Err(Refusal::new(400, "The body is UTF-16; send UTF-8"));
    }
    simdutf8::compat::from_utf8(bom::behind_bytes(body)).map_err(|error| {
        let sentence = format!("The body is no UTF-8 from byte {} on", error.valid_up_to());
        Refusal::new(400, "The body is no UTF-8").told(sentence)
    })
}

fn no_json(error: serde_json::Error) -> Refusal {
    no_form(&error.to_string())
}

fn no_form(reason: &str) -> Refusal {
    let why = "The body is no JSON of this form";
    Refusal::new(400, why).told(format!("{why}: {reason}"))
}

fn is_judged_at_once(array: &str) -> bool {
    array.len() < AT_ONCE_BYTES && memchr::memchr_iter(b',', array.as_bytes()).count() < AT_ONCE_COMMAS
}

/// A portion of a request under way.
struct Run<'r, S> {
    judge: Judge<'r>,
    scratch: &'r mut Scratch,
    sink: &'r mut S,
    outcome: &'r mut Outcome,
}

impl<S: Sink> Run<'_, S> {
    /// How the next item is read.
    fn reading(&self) -> Reading {
        let (errors_max, suggestions_max) = (self.errors_max(), self.suggestions_max(self.outcome.judged()));
        Reading { dialect: self.judge.dialect, errors_max, suggestions_max }
    }

    /// So many errors of the next item are told. Of one that nobody is told of, the first is made:
    /// that it is there decides.
    fn errors_max(&self) -> usize {
        if self.outcome.is_full() { 1 } else { self.judge.errors_max }
    }

    /// So many errors of the item of that index are told with the nearest name.
    fn suggestions_max(&self, index: usize) -> usize {
        if index < SUGGEST_ITEMS_MAX { self.judge.suggestions_max } else { 0 }
    }

    /// The refusal of an item that can't be read in one piece, by its length alone. Its data could
    /// not be taken either.
    fn huge(&self, text: &str) -> Option<Item<'static>> {
        let most = self.judge.rules.limits.item_bytes_max();
        let message = || format!("the item has {} bytes; at most {most} are read", text.len());
        (text.len() > most).then(|| Item::refused(rule::TOO_LARGE, message()))
    }

    /// The form of so many bytes is checked. Whether items may follow in this portion.
    fn check(&mut self, bytes: usize) -> bool {
        self.sink.takes_more(bytes / CHECKED_BYTES_PER_WORK)
    }

    fn one(&mut self, body: &str) -> Result<Place, Refusal> {
        let item = match self.huge(body) {
            Some(item) => item,
            None => {
                self.check(body.len());
                self.reading().one(body).map_err(no_json)?
            }
        };
        self.take(item, body.len());
        Ok(Place::Over)
    }

    fn data(&mut self, body: &str, attributes: &Attributes) -> Result<Place, Refusal> {
        if let Some(item) = self.huge(body) {
            self.take(item, body.len());
            return Ok(Place::Over);
        }
        self.check(body.len());
        let data: &RawValue = serde_json::from_str(body).map_err(no_json)?;
        let (dialect, mut item) = (self.judge.dialect, Item::default());
        attributes.iter().for_each(|(field, json)| item.put(dialect, field, json));
        item.put(dialect, Field::Data, data.get());
        self.take(item, body.len());
        Ok(Place::Over)
    }

    /// A small array is judged at once. Of a larger one the form is checked, and its items are read
    /// when they are judged.
    fn array(&mut self, body: &str) -> Result<Place, Refusal> {
        if !is_judged_at_once(body)
            && let Some(first) = array::first(body)
        {
            return self.form(body, first, 0);
        }
        let (items_max, reading) = (self.judge.rules.limits.items_max, self.reading());
        let suggestions_max = |index| self.suggestions_max(index);
        let items =
            reading.all(body, items_max, suggestions_max).map_err(no_json)?.ok_or_else(|| too_many(items_max))?;
        if items.is_empty() {
            return Err(no_items());
        }
        let bytes = body.len() / items.len();
        for item in items {
            self.take(item, bytes);
        }
        Ok(Place::Over)
    }

    /// Checks the form of an array from an item on, which has so many before it. Then its items are
    /// judged.
    fn form(&mut self, body: &str, mut at: usize, mut count: usize) -> Result<Place, Refusal> {
        let Limits { items_max, .. } = *self.judge.rules.limits;
        let bytes_max = self.judge.rules.limits.item_bytes_max();
        let unread = Reading { errors_max: 0, suggestions_max: 0, ..self.reading() };
        loop {
            let next = array::next(body, at, bytes_max, unread).map_err(|wrong| {
                // Where it is wrong shows when what is before has been read.
                self.check((body.len() - at).min(bytes_max));
                match wrong {
                    Wrong::Form(reason) => no_form(&reason),
                    Wrong::Huge => too_large(bytes_max),
                }
            })?;
            let (end, is_last) = match next {
                Next::Item(end) => (end, false),
                Next::Last(end) => (end, true),
                Next::Nothing => return Err(no_items()),
            };
            count += 1;
            if count > items_max {
                return Err(too_many(items_max));
            }
            let takes_more = self.sink.takes_more(1 + (end - at) / CHECKED_BYTES_PER_WORK);
            at = end;
            if is_last {
                let first = array::first(body).unwrap_or_else(|| no_text());
                return Ok(if takes_more { self.items(body, first) } else { Place::Item(first) });
            }
            if !takes_more {
                return Ok(Place::Form(at, count));
            }
        }
    }

    /// Items of an array from there on.
    fn items(&mut self, body: &str, mut at: usize) -> Place {
        loop {
            let rest = body.get(at..).unwrap_or_else(|| no_text());
            let item = self.reading().first(rest);
            let (item, bytes) = item.unwrap_or_else(|_| broken("what was read once is read again"));
            at += bytes;
            let takes_more = self.take(item, bytes);
            // A comma, or the end.
            let behind = body.get(at..).and_then(|rest| rest.find([',', ']'])).unwrap_or_else(|| no_text());
            at += behind + 1;
            if body.as_bytes().get(at - 1) == Some(&b']') {
                return Place::Over;
            }
            if !takes_more {
                return Place::Item(at);
            }
        }
    }

    fn first_lines(&mut self, body: &str) -> Result<Place, Refusal> {
        let items_max = self.judge.rules.limits.items_max;
        let takes_more = self.check(body.len());
        match lines(body, 0, 1).take(items_max.saturating_add(1)).count() {
            0 => Err(no_items()),
            count if count > items_max => Err(too_many(items_max)),
            _ if takes_more => Ok(self.lines(body, 0, 1)),
            _ => Ok(Place::Line(0, 1)),
        }
    }

    /// Lines from there on, of which the first has that number.
    fn lines(&mut self, body: &str, at: usize, number: usize) -> Place {
        let mut before = at;
        for (number, end, line) in lines(body, at, number) {
            let read = || self.reading().one(line).unwrap_or_else(|error| bad_line(number, &error));
            let item = self.huge(line).unwrap_or_else(read);
            // The blank lines before it have been looked at, too.
            if !self.take(item, end - std::mem::replace(&mut before, end)) {
                return if end < body.len() { Place::Line(end, number + 1) } else { Place::Over };
            }
        }
        Place::Over
    }

    /// Judges an item, which was written in so many bytes. Whether another may follow in this
    /// portion.
    fn take(&mut self, mut sent: Item<'_>, bytes: usize) -> bool {
        let (errors_max, suggestions_max) = (self.errors_max(), self.suggestions_max(self.outcome.judged()));
        let judge = Judge { errors_max, suggestions_max, ..self.judge };
        let decoded = judge.decode(&mut sent);
        let mut item = sent;
        if let Some(data) = &decoded {
            item.put(judge.dialect, Field::Data, data);
        }
        let error_work = if judge.suggestions_max > 0 { SUGGESTION_WORK } else { ERROR_WORK };
        let found = match judge.judge(&mut item, &mut self.scratch.delivered) {
            Some(approved) if item.violations.is_empty() => {
                let tolerated = usize::try_from(approved.accepted.tolerated).unwrap_or(usize::MAX);
                self.deliver(&approved).saturating_add(tolerated.saturating_mul(TOLERATED_WORK))
            }
            _ => {
                let errors = item.violations.len();
                item.violations.truncate(errors_max.max(1));
                self.outcome.reject(&item.violations, item.value(Field::EventName));
                errors * error_work
            }
        };
        let per_work = if judge.mode == Mode::Lenient { LENIENT_BYTES_PER_WORK } else { JUDGED_BYTES_PER_WORK };
        self.sink.takes_more((1 + bytes / per_work).saturating_add(found))
    }

    /// Hands on what an item has become; what work that was beside reading it.
    fn deliver(&mut self, approved: &Approved<'_>) -> usize {
        let Rules { catalogue, options, .. } = self.judge.rules;
        let index = u32::try_from(self.outcome.judged()).ok();
        let Scratch { delivered, derived } = &mut *self.scratch;
        let Approved { topic, sent, accepted, is_last, ref id } = *approved;
        let publisher = self.judge.principal.publisher.as_deref().map(String::as_str);
        // A dry run is nobody's first try.
        let id = id.as_ref().filter(|_| !self.outcome.is_dry_run());
        let identity = |item, derived: Option<EventId>| {
            let name = derived.map(|event| catalogue.event(event).lower.as_str());
            id.map(|id| Identity { key: id.key(topic.organization, publisher, name), item })
        };
        let data = if accepted.rewritten { delivered.as_slice() } else { sent.as_bytes() };
        self.outcome.accept(accepted.tolerated);
        let expires = accepted.expires_unix_ms.map(UnixMs::from_ms);
        let effect = effect::of(catalogue, topic.event, accepted.keys, is_last, None);
        let made = Made { topic, data, expires, effect, provenance: Provenance::Sent, identity: identity(index, None) };
        let mut work = emit(self.outcome, self.sink, made);
        let rules = catalogue.derived_from(topic.event);
        if rules.is_empty() {
            return work;
        }
        let text = simdutf8::basic::from_utf8(data).unwrap_or_else(|_| no_text());
        for event in rules.iter().filter(|event| !options.not_derived.contains(event)) {
            if let Some(Derived { entity, entity_at }) = derive(catalogue.model(), *event, text, derived) {
                let topic = Topic { event: *event, entity: Uuid::from_bytes(entity), ..topic };
                let text = simdutf8::basic::from_utf8(derived).unwrap_or_else(|_| no_text());
                let expires = catalogue.expires(*event, text);
                let effect = effect::of(catalogue, *event, keys(catalogue.model(), *event, text), is_last, entity_at);
                let provenance = if topic.entity.is_nil() { Provenance::Withdrawn } else { Provenance::Derived };
                let identity = identity(None, Some(*event));
                let made = Made { topic, data: derived, expires, effect, provenance, identity };
                work += DERIVED_WORK + emit(self.outcome, self.sink, made);
            }
        }
        work
    }
}

fn no_text() -> ! {
    broken("the validator writes text for text")
}

/// Hands a publication on, or notes what a dry run would have; what work it is to keep it.
fn emit(outcome: &mut Outcome, sink: &mut impl Sink, made: Made<'_>) -> usize {
    let is_kept = made.effect != Effect::None;
    if outcome.note(made.topic, made.provenance) {
        sink.publish(made);
    }
    if is_kept { KEPT_WORK } else { 0 }
}
