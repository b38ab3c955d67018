//! The judgement of one item: which event it is, whether its data is right, where it goes, and
//! whether the publisher may.

use super::identity::{ID_BYTES_MAX, Id};
use super::item::{Dialect, Field, Item};
use super::options::Rules;
use super::rule;
use crate::auth::principal::Principal;
use crate::auth::rights::{Action, may};
use crate::auth::token::Tenancy;
use crate::bom;
use crate::broken::broken;
use crate::hub::topic::Topic;
use crate::schema::validate::message::cut;
use crate::schema::validate::{Accepted, Bounds, Mode, validate};
use crate::schema::{EntityRule, Event, EventId, guid};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use uuid::Uuid;

/// What the items of one request are judged by.
#[derive(Clone, Copy)]
pub(super) struct Judge<'r> {
    pub(super) rules: Rules<'r>,
    pub(super) principal: &'r Principal,
    pub(super) mode: Mode,
    pub(super) dialect: Dialect,
    /// So many errors of an item are told.
    pub(super) errors_max: usize,
    /// So many of the first are told with the nearest name.
    pub(super) suggestions_max: usize,
}

/// An item that is to be published.
pub(super) struct Approved<'b> {
    pub(super) topic: Topic,
    /// The data as sent.
    pub(super) sent: &'b str,
    pub(super) accepted: Accepted,
    /// The publisher's own id of it.
    pub(super) id: Option<Id<'b>>,
    /// The publisher says that it is the last of its key.
    pub(super) is_last: bool,
}

impl Judge<'_> {
    /// Judges an item and notes all that is wrong with it; `None` where something is that hides the
    /// rest. The data to deliver is written to `delivered` where it differs from what was sent.
    pub(super) fn judge<'b>(&self, item: &mut Item<'b>, delivered: &mut Vec<u8>) -> Option<Approved<'b>> {
        // No JSON, or no object: its members can't be missed.
        if item.violations.iter().any(|violation| violation.pointer.is_empty()) {
            return None;
        }
        if self.dialect == Dialect::CloudEvents {
            check_cloud_event(item);
        }
        let given = self.id(item);
        let id = self.event(item);
        let named = match self.dialect {
            // A subject is any text (CloudEvents 1.0, section "subject"): whether it must be a GUID
            // shows later.
            Dialect::CloudEvents => item.text(self.dialect, Field::EntityId).and_then(|subject| guid::parse(&subject)),
            Dialect::Own => self.guid(item, Field::EntityId),
        };
        let tenant = self.guid(item, Field::OrganizationId);
        let sent = self.data(item);
        let (id, sent) = (id?, sent?);

        let Rules { catalogue, limits, everybody, .. } = self.rules;
        let bounds = Bounds {
            depth_max: limits.json_depth_max,
            errors_max: self.errors_max.saturating_sub(item.violations.len()),
            suggestions_max: self.suggestions_max.saturating_sub(item.violations.len()),
        };
        let accepted = match validate(catalogue.model(), id, sent, self.mode, bounds, delivered) {
            Ok(accepted) => accepted,
            Err(violations) => {
                for violation in violations {
                    item.refuse(format!("/data{}", violation.pointer), violation.rule, violation.message);
                }
                return None;
            }
        };
        if accepted.rewritten && delivered.len() > limits.event_bytes_max {
            self.too_large(item, delivered.len());
        }
        let event = catalogue.event(id);
        let entity = self.entity(item, event, &accepted, named);
        let organization = self.organization(item, event, &accepted, tenant);
        let is_last = self.is_last(item, event);
        let entity = entity?;
        if !may(self.principal, everybody, Action::Publish, catalogue.family_of(id), event, entity) {
            let message = format!("the grants of the token don't cover {} of {entity}", event.name);
            item.refuse(self.dialect.pointer(Field::EventName), rule::UNAUTHORIZED, message);
        }
        Some(Approved {
            topic: Topic { organization: organization?, event: id, entity },
            sent,
            accepted,
            is_last,
            id: given,
        })
    }

    /// The publisher's own id of an item. That of a CloudEvent may have any length, and is one with
    /// its source (CloudEvents 1.0, section "id").
    fn id<'b>(&self, item: &mut Item<'b>) -> Option<Id<'b>> {
        if self.dialect == Dialect::CloudEvents && !item.violations.is_empty() {
            return None;
        }
        let id = item.text(self.dialect, Field::Id)?;
        if self.dialect == Dialect::Own && !(1..=ID_BYTES_MAX).contains(&id.len()) {
            let message = format!("an id has 1 to {ID_BYTES_MAX} bytes; this one has {}", id.len());
            item.refuse(self.dialect.pointer(Field::Id), rule::ID, message);
        }
        Some(Id { source: item.text(self.dialect, Field::Source), id })
    }

    /// The data of a CloudEvent that has it as base64 (JSON format, section 3.1): SDKs that are
    /// given bytes write it so.
    pub(super) fn decode(&self, item: &mut Item<'_>) -> Option<String> {
        if self.dialect == Dialect::Own {
            return None;
        }
        let text = item.text(self.dialect, Field::DataBase64)?;
        if item.value(Field::Data).is_some() {
            let message = "data and data_base64 exclude each other".to_owned();
            item.refuse(self.dialect.pointer(Field::DataBase64), rule::CLOUD_EVENT, message);
            return None;
        }
        let decoded = STANDARD.decode(&*text).ok().and_then(|bytes| {
            let text = std::str::from_utf8(bom::behind_bytes(&bytes)).ok()?;
            // What stands there is checked as a whole text; as a member it has been.
            Some(serde_json::from_str::<&RawValue>(text).ok()?.get().to_owned())
        });
        if decoded.is_none() {
            let message = "data_base64 is no base64 of JSON in UTF-8".to_owned();
            item.refuse(self.dialect.pointer(Field::DataBase64), rule::CLOUD_EVENT, message);
        }
        decoded
    }

    fn event(&self, item: &mut Item<'_>) -> Option<EventId> {
        if item.value(Field::EventName).is_none() {
            missing(item, self.dialect, Field::EventName);
        }
        let name = item.text(self.dialect, Field::EventName)?;
        let catalogue = self.rules.catalogue;
        let (found, meant) = match self.dialect {
            Dialect::CloudEvents => (
                names_in_type(&name).find_map(|name| catalogue.find(name)),
                names_in_type(&name).last().unwrap_or_default(),
            ),
            Dialect::Own => (catalogue.find(&name), &*name),
        };
        if found.is_none() {
            let mut message = format!("no event \"{}\"", cut(&name));
            if item.violations.len() < self.suggestions_max
                && let Some(nearest) = catalogue.nearest(meant)
            {
                message.push_str(&format!("; did you mean \"{nearest}\"?"));
            }
            item.refuse(self.dialect.pointer(Field::EventName), rule::UNKNOWN_EVENT, message);
        }
        found
    }

    /// A member that is a GUID where it is there.
    fn guid(&self, item: &mut Item<'_>, member: Field) -> Option<Uuid> {
        let text = item.text(self.dialect, member)?;
        let found = guid::parse(&text);
        if found.is_none() {
            let message = format!("\"{}\" is no GUID of the form 0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59", cut(&text));
            item.refuse(self.dialect.pointer(member), rule::GUID, message);
        }
        found
    }

    /// Whether the item is the last of its key. An attribute of a header is a text.
    fn is_last(&self, item: &mut Item<'_>, event: &Event) -> bool {
        let is_last = match (item.value(Field::Last), self.dialect) {
            (None | Some("false"), _) | (Some("\"false\""), Dialect::CloudEvents) => return false,
            (Some("true"), _) | (Some("\"true\""), Dialect::CloudEvents) => event.key.is_some(),
            // Somebody else's extension, where it can't be ours.
            (Some(_), Dialect::CloudEvents) if event.key.is_none() => return false,
            (Some(found), _) => {
                let message = format!("found {}, expected true or false", cut(found));
                item.refuse(self.dialect.pointer(Field::Last), rule::TYPE, message);
                return false;
            }
        };
        if !is_last && self.dialect == Dialect::Own {
            let message = format!("{} has no key that could end; drop \"last\"", event.name);
            item.refuse(self.dialect.pointer(Field::Last), rule::LAST, message);
        }
        is_last
    }

    fn data<'b>(&self, item: &mut Item<'b>) -> Option<&'b str> {
        let Some(data) = item.value(Field::Data) else {
            // What could not be decoded is noted already.
            if item.value(Field::DataBase64).is_none() {
                missing(item, self.dialect, Field::Data);
            }
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
        item.refuse(self.dialect.pointer(Field::Data), rule::TOO_LARGE, message);
    }

    /// The entity that an item is about: what its data names, else what the item names; both must
    /// agree.
    fn entity(&self, item: &mut Item<'_>, event: &Event, accepted: &Accepted, named: Option<Uuid>) -> Option<Uuid> {
        let pointer = || self.dialect.pointer(Field::EntityId);
        match (accepted.entity.map(Uuid::from_bytes), named) {
            (Some(routed), Some(named)) if routed != named => {
                let property = routing_property(event)
                    .unwrap_or_else(|| broken("the data names an entity only where a property does"));
                let message = format!("{named} is not the entity that the data names in {property}, {routed}");
                item.refuse(pointer(), rule::ENTITY_MISMATCH, message);
                None
            }
            (None, Some(named)) if named.is_nil() => {
                item.refuse(pointer(), rule::ENTITY_ZERO, "the all-zero GUID names no entity".into());
                None
            }
            (None, None) => {
                // What is no GUID is noted already, but for the subject of a CloudEvent.
                if item.value(Field::EntityId).is_some() {
                    if self.dialect == Dialect::CloudEvents && !item.is_refused_at(&pointer()) {
                        self.guid(item, Field::EntityId);
                    }
                } else {
                    let name = self.dialect.name(Field::EntityId);
                    let message = format!("{} does not name its entity; give \"{name}\" beside \"data\"", event.name);
                    item.refuse(pointer(), rule::ENTITY_MISSING, message);
                }
                None
            }
            (Some(routed), _) => Some(routed),
            (None, Some(named)) => Some(named),
        }
    }

    /// The organization that a publication belongs to: what its data names, else what the item or
    /// the token name; all that name one must agree, and the all-zero GUID names none.
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
        // Made only where something is wrong: a right item allocates nothing.
        let beside = || self.dialect.pointer(Field::OrganizationId);
        let within = || {
            let property = event.organization.and_then(|index| event.properties.get(index));
            format!("/data/{}", property.map_or("", |property| &property.wire))
        };
        let held = accepted.organization.map(Uuid::from_bytes);
        let mut refuse = |pointer, message: String| item.refuse(pointer, rule::ORGANIZATION, message);
        let (organization, is_held) = match (held, tenant) {
            (Some(held), Some(tenant)) if held != tenant => {
                refuse(beside(), format!("{tenant} is not the organization that the data names, {held}"));
                return None;
            }
            (Some(held), _) => (held, true),
            (None, Some(tenant)) => (tenant, false),
            (None, None) => {
                if self.principal.organization.is_none() {
                    let name = self.dialect.name(Field::OrganizationId);
                    let event = &event.name;
                    refuse(
                        beside(),
                        format!("neither {event} nor the token name an organization; give \"{name}\" beside \"data\""),
                    );
                }
                return self.principal.organization;
            }
        };
        let pointer = || if is_held { within() } else { beside() };
        if organization.is_nil() {
            refuse(pointer(), "the all-zero GUID is no organization".into());
            return None;
        }
        if let Some(own) = self.principal.organization.filter(|own| *own != organization) {
            refuse(pointer(), format!("the token publishes for {own} only, not for {organization}"));
            return None;
        }
        Some(organization)
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

/// The names of events that the type of a CloudEvent may mean. It is prefixed with a reverse-DNS
/// name, and may have a version (CloudEvents 1.0, section "type" and primer, section "versioning"):
/// `com.acme.QueueStatus.v1`, `acme/QueueStatus:2.1`, `com.acme.QueueStatusV2`. So: the last word,
/// and as long as such are versions the one before.
fn names_in_type(name: &str) -> impl Iterator<Item = &str> {
    let is_version = |word: &&str| {
        let digits = word.strip_prefix(['v', 'V']).unwrap_or(word);
        digits.starts_with(|c: char| c.is_ascii_digit()) || STAGES.iter().any(|stage| stage.eq_ignore_ascii_case(word))
    };
    let mut words = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut is_over = false;
    let named = std::iter::from_fn(move || {
        let word = words.next().filter(|_| !is_over)?;
        is_over = !is_version(&word);
        Some(word)
    });
    named.flat_map(|word| {
        let unversioned = word.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix(['v', 'V']);
        let unversioned =
            unversioned.filter(|unversioned| unversioned.len() + 1 < word.len() && !unversioned.is_empty());
        std::iter::once(word).chain(unversioned)
    })
}

/// Words of versions that begin with no digit.
const STAGES: [&str; 5] = ["alpha", "beta", "preview", "rc", "draft"];

/// What CloudEvents 1.0 asks of every event, and what the hub takes of the rest.
fn check_cloud_event(item: &mut Item<'_>) {
    let dialect = Dialect::CloudEvents;
    let is_json = |content_type: &str| {
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        media_type == "application/json" || media_type.ends_with("+json")
    };
    type IsRight<'f> = &'f dyn Fn(&str) -> bool;
    let demands: [(Field, bool, IsRight<'_>, &str); 4] = [
        (Field::SpecVersion, true, &|version| version == "1.0", "specversion must be \"1.0\""),
        (Field::Id, true, &|id| !id.is_empty(), "id must not be empty"),
        (Field::Source, true, &|source| !source.is_empty(), "source must not be empty"),
        (Field::DataContentType, false, &is_json, "the data must be JSON"),
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
}

fn missing(item: &mut Item<'_>, dialect: Dialect, member: Field) {
    let message = format!("\"{}\" is missing", dialect.name(member));
    item.refuse(dialect.pointer(member), rule::MISSING_MEMBER, message);
}
