//! `POST /publish`: a body of events in, topics with their data out, a verdict for each item.
//!
//! 1. Call [`publish`] with the request and the publisher's principal. Whatever is wrong with the request as a whole (rights,
//!    content type, UTF-8, JSON syntax, number of items) comes back as a finished [`Reply`]; nothing has been delivered then.
//! 2. Otherwise the accepted items have gone to the [`Sink`] in their order, each followed at once by the events derived from
//!    it, and the [`Outcome`] knows what was accepted and rejected.
//! 3. For a dry run the sink has got nothing; count the members of [`Outcome::topics`].
//! 4. Send [`Outcome::reply`].
//!
//! An item is `{"eventName":…,"entityId":…,"organizationId":…,"data":{…}}`, names without case, null as good as absent. `entityId`
//! is needed only where the data doesn't name the entity, `organizationId` only where neither the data nor the token name the
//! organization; where both name one they must agree. In a CloudEvent (version 1.0, JSON) these are `type` (the event's name, or
//! a reverse-DNS name that ends in it), `subject`, the extension `organizationid`, and `data`.
//!
//! A JSON body is checked for syntax whole before anything is delivered. In NDJSON each line stands for itself: blank lines don't
//! count, a bad one is a rejected item. Pointers of errors are relative to the item, in the publisher's spelling: `/eventName`,
//! `/data/userId`. The reply lists rejected items only; those that would make it larger than `reply_bytes_max` are listed with
//! an empty array of errors.
//!
//! Not here: tokens (the principal is verified), bodies and their size, members, the mailboxes between shards.

mod form;
mod item;
mod outcome;
pub mod rule;
#[cfg(test)]
mod tests;

pub use outcome::Outcome;

use crate::auth::grant::{Action, Grant, may};
use crate::auth::principal::Principal;
use crate::auth::token::Tenancy;
use crate::hub::topic::Topic;
use crate::limits::Limits;
use crate::proto::http::reply::Reply;
use crate::schema::compiler::model::{EntityRule, Event};
use crate::schema::compiler::validate::derive::derive;
use crate::schema::compiler::validate::message::{SHOWN_BYTES_MAX, cut};
use crate::schema::compiler::validate::{Accepted, Bounds, Mode, validate};
use crate::schema::{Catalogue, EventId, guid};
use form::{Form, Wish};
use item::{Dialect, Item, Member, Reading};
use uuid::Uuid;

/// What of a request this route reads; the body is complete and within `body_bytes_max`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The value of `Content-Type`.
    pub content_type: Option<&'r str>,
    /// The query, still encoded.
    pub query: &'r str,
    /// The body.
    pub body: &'r [u8],
}

/// What the operator decides about publishing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `[publish] validation`.
    pub validation: Mode,
    /// Whether organizations are kept apart; in single tenancy every topic has the nil one.
    pub tenancy: Tenancy,
    /// Derived events that are switched off (`[derive] UserCallbackChanged = false`).
    pub not_derived: Vec<EventId>,
}

/// What requests are judged by: all that outlives one request.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'r> {
    /// The events.
    pub catalogue: &'r Catalogue,
    /// The operator's choices.
    pub options: &'r Options,
    /// The grants that everybody has.
    pub everybody: &'r [Grant],
    /// The bounds.
    pub limits: &'r Limits,
}

/// How a publication came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// A publisher sent it.
    Sent,
    /// The hub made it from one that was sent (Q24).
    Derived,
}

/// Where accepted events go.
pub trait Sink {
    /// Takes one publication: where it goes, and the event's data as it is delivered. Calls come in the order of the items.
    fn publish(&mut self, topic: Topic, data: &[u8], provenance: Provenance);
}

/// Buffers that live longer than one request, so that an accepted item allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    delivered: Vec<u8>,
    derived: Vec<u8>,
}

/// What can be said of a request by its head, so that a stranger's body need not be read.
///
/// # Errors
///
/// The reply: 403 without scope `publish`, 415 for the content type, 400 for the query.
pub fn admit(content_type: Option<&str>, query: &str, principal: &Principal) -> Result<(), Reply> {
    read_head(content_type, query, principal, Mode::default()).map(|_| ())
}

fn read_head(
    content_type: Option<&str>,
    query: &str,
    principal: &Principal,
    configured: Mode,
) -> Result<(Form, Wish), Reply> {
    if !principal.may_publish {
        return Err(Reply::text(403, "The token has no scope publish"));
    }
    Ok((form::form(content_type)?, form::wish(query, configured)?))
}

/// Takes one request; see the module's head for the order of things.
///
/// # Errors
///
/// The reply to a request that is refused as a whole: 403 without scope `publish`; 415 for the content type; 400 for the query,
/// for a body that is no UTF-8 or no JSON, and for one without items; 413 for more than `items_max`.
pub fn publish(
    request: Request<'_>,
    rules: Rules<'_>,
    principal: &Principal,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Result<Outcome, Reply> {
    let (form, wish) = read_head(request.content_type, request.query, principal, rules.options.validation)?;
    let body = text_of(request.body)?;
    let dialect = match form {
        Form::Items | Form::Lines => Dialect::Own,
        Form::CloudEvent | Form::CloudEvents => Dialect::CloudEvents,
    };
    let reading = Reading { dialect, errors_max: rules.limits.errors_per_item_max };
    let outcome = Outcome::new(wish.dry_run, rules.limits.reply_bytes_max);
    let mut run = Run { rules, wish, dialect, principal, scratch, sink, outcome };
    match form {
        Form::Items if body.trim_start().starts_with('[') => run.array(body, reading)?,
        Form::CloudEvents => run.array(body, reading)?,
        Form::Items | Form::CloudEvent => run.take(reading.one(body).map_err(no_json)?),
        Form::Lines => run.lines(body, reading)?,
    }
    Ok(run.outcome)
}

/// The body as text.
fn text_of(body: &[u8]) -> Result<&str, Reply> {
    simdutf8::compat::from_utf8(body)
        .map_err(|error| Reply::text(400, format!("The body is no UTF-8 from byte {} on", error.valid_up_to())))
}

fn no_json(error: serde_json::Error) -> Reply {
    Reply::text(400, format!("The body is no JSON of this form: {error}"))
}

fn no_items() -> Reply {
    Reply::text(400, "The body holds no items")
}

fn too_many(items_max: usize) -> Reply {
    Reply::text(413, format!("The body holds more than {items_max} items"))
}

/// One request under way.
struct Run<'r, S> {
    rules: Rules<'r>,
    wish: Wish,
    dialect: Dialect,
    principal: &'r Principal,
    scratch: &'r mut Scratch,
    sink: &'r mut S,
    outcome: Outcome,
}

/// An item that is to be published.
struct Approved<'b> {
    topic: Topic,
    /// The data as sent.
    sent: &'b str,
    accepted: Accepted,
}

impl<S: Sink> Run<'_, S> {
    fn array(&mut self, body: &str, reading: Reading) -> Result<(), Reply> {
        let items_max = self.rules.limits.items_max;
        let items = reading.all(body, items_max).map_err(no_json)?.ok_or_else(|| too_many(items_max))?;
        if items.is_empty() {
            return Err(no_items());
        }
        items.into_iter().for_each(|item| self.take(item));
        Ok(())
    }

    fn lines(&mut self, body: &str, reading: Reading) -> Result<(), Reply> {
        let items_max = self.rules.limits.items_max;
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

    fn take(&mut self, mut item: Item<'_>) {
        match self.judge(&mut item) {
            Some(approved) if item.violations.is_empty() => self.deliver(&approved),
            _ => {
                item.violations.truncate(self.rules.limits.errors_per_item_max.max(1));
                self.outcome.reject(&item.violations);
            }
        }
    }

    /// Judges an item and notes all that is wrong with it; `None` where something is that hides the rest.
    fn judge<'b>(&mut self, item: &mut Item<'b>) -> Option<Approved<'b>> {
        // No JSON, or no object: its members can't be missed.
        if item.violations.iter().any(|violation| violation.pointer.is_empty()) {
            return None;
        }
        if self.dialect == Dialect::CloudEvents {
            check_cloud_event(item);
        }
        let id = self.event(item);
        let named = self.guid(item, Member::EntityId);
        let tenant = self.guid(item, Member::OrganizationId);
        let sent = self.data(item);
        let (id, sent) = (id?, sent?);

        let Rules { catalogue, limits, everybody, .. } = self.rules;
        let bounds = Bounds {
            depth_max: limits.json_depth_max,
            errors_max: limits.errors_per_item_max.saturating_sub(item.violations.len()),
        };
        let delivered = &mut self.scratch.delivered;
        let accepted = match validate(catalogue.model(), id, sent, self.wish.mode, bounds, delivered) {
            Ok(accepted) => accepted,
            Err(violations) => {
                for violation in violations {
                    item.refuse(format!("/data{}", violation.pointer), violation.rule, violation.message);
                }
                return None;
            }
        };
        let delivered_len = delivered.len();
        if accepted.rewritten && delivered_len > limits.event_bytes_max {
            self.too_large(item, delivered_len);
        }
        let event = catalogue.event(id);
        let entity = self.entity(item, event, &accepted, named);
        let organization = self.organization(item, event, &accepted, tenant);
        let entity = entity?;
        if !may(self.principal, everybody, Action::Publish, catalogue.family_of(id), event, entity) {
            let message = format!("the grants of the token don't cover {} of {entity}", event.name);
            item.refuse(self.dialect.pointer(Member::EventName), rule::UNAUTHORIZED, message);
        }
        Some(Approved { topic: Topic { organization: organization?, event: id, entity }, sent, accepted })
    }

    fn event(&self, item: &mut Item<'_>) -> Option<EventId> {
        if item.value(Member::EventName).is_none() {
            missing(item, self.dialect, Member::EventName);
        }
        let name = item.text(self.dialect, Member::EventName)?;
        // A CloudEvent's type is prefixed with a reverse-DNS name (CloudEvents 1.0, section "type").
        let last = match self.dialect {
            Dialect::CloudEvents => name.rsplit('.').next().unwrap_or_default(),
            Dialect::Own => &name,
        };
        let found = self.rules.catalogue.find(last);
        if found.is_none() {
            let mut message = format!("no event \"{}\"", cut(&name));
            // The search costs the product of the lengths, and the publisher chooses one of them.
            let nearest = (last.len() <= SHOWN_BYTES_MAX).then(|| self.rules.catalogue.nearest(last)).flatten();
            if let Some(nearest) = nearest {
                message.push_str(&format!("; did you mean \"{nearest}\"?"));
            }
            item.refuse(self.dialect.pointer(Member::EventName), rule::UNKNOWN_EVENT, message);
        }
        found
    }

    /// A member that is a GUID where it is there.
    fn guid(&self, item: &mut Item<'_>, member: Member) -> Option<Uuid> {
        let text = item.text(self.dialect, member)?;
        let found = guid::parse(&text);
        if found.is_none() {
            let message = format!("\"{}\" is no GUID of the form 0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59", cut(&text));
            item.refuse(self.dialect.pointer(member), rule::GUID, message);
        }
        found
    }

    fn data<'b>(&self, item: &mut Item<'b>) -> Option<&'b str> {
        let Some(data) = item.value(Member::Data) else {
            missing(item, self.dialect, Member::Data);
            return None;
        };
        if data.len() > self.rules.limits.event_bytes_max {
            self.too_large(item, data.len());
            return None;
        }
        Some(data)
    }

    fn too_large(&self, item: &mut Item<'_>, len: usize) {
        let max = self.rules.limits.event_bytes_max;
        let message = format!("the data has {len} bytes; at most {max} are taken");
        item.refuse(self.dialect.pointer(Member::Data), rule::TOO_LARGE, message);
    }

    /// The entity that an item is about: what its data names, else what the item names; both must agree.
    fn entity(&self, item: &mut Item<'_>, event: &Event, accepted: &Accepted, named: Option<Uuid>) -> Option<Uuid> {
        let pointer = self.dialect.pointer(Member::EntityId);
        match (accepted.entity.map(Uuid::from_bytes), named) {
            (Some(routed), Some(named)) if routed != named => {
                let property = routing_property(event).unwrap_or_default();
                let message = format!("{named} is not the entity that the data names in {property}, {routed}");
                item.refuse(pointer, rule::ENTITY_MISMATCH, message);
                None
            }
            (None, Some(named)) if named.is_nil() => {
                item.refuse(pointer, rule::ENTITY_ZERO, "the all-zero GUID names no entity".into());
                None
            }
            (None, None) => {
                // A GUID that is none is noted already.
                if item.value(Member::EntityId).is_none() {
                    let name = self.dialect.name(Member::EntityId);
                    let message = format!("{} does not name its entity; give \"{name}\" beside \"data\"", event.name);
                    item.refuse(pointer, rule::ENTITY_MISSING, message);
                }
                None
            }
            (Some(routed), _) => Some(routed),
            (None, Some(named)) => Some(named),
        }
    }

    /// The organization that a publication belongs to: what its data names, else what the item or the token name; all that name
    /// one must agree, and the all-zero GUID names none.
    fn organization(
        &self,
        item: &mut Item<'_>,
        event: &Event,
        accepted: &Accepted,
        tenant: Option<Uuid>,
    ) -> Option<Uuid> {
        if self.rules.options.tenancy == Tenancy::Single {
            return Some(Uuid::nil());
        }
        let beside = self.dialect.pointer(Member::OrganizationId);
        let within = || {
            let property = event.organization.and_then(|index| event.properties.get(index));
            format!("/data/{}", property.map_or("", |property| &property.wire))
        };
        let held = accepted.organization.map(Uuid::from_bytes);
        let mut refuse = |pointer, message: String| item.refuse(pointer, rule::ORGANIZATION, message);
        let (organization, pointer) = match (held, tenant) {
            (Some(held), Some(tenant)) if held != tenant => {
                refuse(beside, format!("{tenant} is not the organization that the data names, {held}"));
                return None;
            }
            (Some(held), _) => (held, within()),
            (None, Some(tenant)) => (tenant, beside),
            (None, None) => {
                if self.principal.organization.is_none() {
                    let name = self.dialect.name(Member::OrganizationId);
                    let event = &event.name;
                    refuse(
                        beside,
                        format!("neither {event} nor the token name an organization; give \"{name}\" beside \"data\""),
                    );
                }
                return self.principal.organization;
            }
        };
        if organization.is_nil() {
            refuse(pointer, "the all-zero GUID is no organization".into());
            return None;
        }
        if let Some(own) = self.principal.organization.filter(|own| *own != organization) {
            refuse(pointer, format!("the token publishes for {own} only, not for {organization}"));
            return None;
        }
        Some(organization)
    }

    fn deliver(&mut self, approved: &Approved<'_>) {
        let Rules { catalogue, options, .. } = self.rules;
        let Scratch { delivered, derived } = &mut *self.scratch;
        let Approved { topic, sent, accepted } = *approved;
        let data = if accepted.rewritten { delivered.as_slice() } else { sent.as_bytes() };
        self.outcome.accept(accepted.tolerated);
        emit(&mut self.outcome, self.sink, topic, data, Provenance::Sent);
        let rules = catalogue.derived_from(topic.event);
        if rules.is_empty() {
            return;
        }
        // The validator writes what it read as text, so this is text.
        let text = simdutf8::basic::from_utf8(data).unwrap_or_default();
        for id in rules.iter().filter(|id| !options.not_derived.contains(id)) {
            if let Some(entity) = derive(catalogue.model(), *id, text, derived) {
                let topic = Topic { event: *id, entity: Uuid::from_bytes(entity), ..topic };
                emit(&mut self.outcome, self.sink, topic, derived, Provenance::Derived);
            }
        }
    }
}

/// Hands a publication on, or notes what a dry run would have.
fn emit(outcome: &mut Outcome, sink: &mut impl Sink, topic: Topic, data: &[u8], provenance: Provenance) {
    if outcome.note(topic, provenance) {
        sink.publish(topic, data, provenance);
    }
}

/// The documented name of the property that names the entity.
fn routing_property(event: &Event) -> Option<&str> {
    match event.entity {
        EntityRule::Property(index) | EntityRule::PropertyOrPublisher(index) => {
            event.properties.get(index).map(|property| property.name.as_str())
        }
        EntityRule::Publisher => None,
    }
}

/// The lines of an NDJSON body that hold anything, with their numbers from 1.
fn lines(body: &str) -> impl Iterator<Item = (usize, &str)> {
    let ends = memchr::memchr_iter(b'\n', body.as_bytes()).chain(std::iter::once(body.len()));
    let mut start = 0;
    let lines = ends.map(move |end| body.get(std::mem::replace(&mut start, end + 1)..end).unwrap_or_default());
    (1..).zip(lines).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// An NDJSON line that is no JSON.
fn bad_line(number: usize, error: &serde_json::Error) -> Item<'static> {
    let text = error.to_string();
    // The parser counts lines within the line it was given.
    let reason = text.rfind(" at line ").and_then(|end| text.get(..end)).unwrap_or(&text);
    Item::refused(rule::JSON, format!("line {number} column {} is no JSON: {reason}", error.column()))
}

/// What CloudEvents 1.0 asks of every event, and what the hub takes of the rest.
fn check_cloud_event(item: &mut Item<'_>) {
    let dialect = Dialect::CloudEvents;
    let is_json = |content_type: &str| {
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        media_type == "application/json" || media_type.ends_with("+json")
    };
    type IsRight<'f> = &'f dyn Fn(&str) -> bool;
    let demands: [(Member, bool, IsRight<'_>, &str); 4] = [
        (Member::SpecVersion, true, &|version| version == "1.0", "specversion must be \"1.0\""),
        (Member::Id, true, &|id| !id.is_empty(), "id must not be empty"),
        (Member::Source, true, &|source| !source.is_empty(), "source must not be empty"),
        (Member::DataContentType, false, &is_json, "the data must be JSON"),
    ];
    for (member, is_required, is_right, message) in demands {
        if item.value(member).is_none() {
            if is_required {
                missing(item, dialect, member);
            }
        } else if item.text(dialect, member).is_some_and(|text| !is_right(&text)) {
            item.refuse(dialect.pointer(member), rule::CLOUD_EVENT, message.to_owned());
        }
    }
    if item.value(Member::DataBase64).is_some() {
        let message = "data_base64 is not taken; send the data as JSON in data".to_owned();
        item.refuse(dialect.pointer(Member::DataBase64), rule::CLOUD_EVENT, message);
    }
}

fn missing(item: &mut Item<'_>, dialect: Dialect, member: Member) {
    let message = format!("\"{}\" is missing", dialect.name(member));
    item.refuse(dialect.pointer(member), rule::MISSING_MEMBER, message);
}
