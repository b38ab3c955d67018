//! What the hub's methods give back, as values that every hub protocol can write.

use super::subscribing::Refused;
use crate::auth::principal::Principal;
use crate::auth::rights::Standing;
use crate::auth::token::Verifier;
use crate::hub::position::WirePosition;
use crate::hub::topic::{Pattern, Topic};
use crate::proto::signalr::value::{Value, Writer};
use crate::schema::{Catalogue, EntityRule, Event, EventId, Kind};
use smallvec::{SmallVec, smallvec};

/// The EntityId of a wildcard.
pub(super) const EVERY: &str = "*";

/// What is said of an item.
#[derive(Debug)]
pub(in super::super) enum Verdict {
    Told { subscribed: bool, message: Option<&'static str>, pattern: Pattern, besides: Besides },
    Refused(Refused),
}

/// What an item asked to be told besides; nothing, for most.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Besides {
    /// From where on nothing is missing.
    pub(super) position: Option<WirePosition>,
    /// Whether what it missed follows, and how many publications those are.
    pub(super) recovered: Option<(bool, usize)>,
    /// How many rows still hold and follow, and whether there may be more.
    pub(super) snapshot: Option<(usize, bool)>,
}

/// A verdict for each item of `Subscribe`, `Unsubscribe` or `GetActiveSubscriptions`.
pub(super) struct Verdicts<'v> {
    pub(super) verdicts: &'v [Verdict],
    pub(super) catalogue: &'v Catalogue,
}

impl Value for Verdicts<'_> {
    fn write(&self, out: &mut Writer<'_>) {
        out.list(self.verdicts.iter(), |verdict, out| match verdict {
            Verdict::Told { subscribed, message, pattern, besides } => {
                let event_name = self.catalogue.event(pattern.event()).lower.as_str();
                write_verdict(*subscribed, message, entity_of(pattern), &event_name, besides, out);
            }
            Verdict::Refused(Refused { message, entity, event }) => {
                write_verdict(false, message, &entity.as_deref(), &event.as_deref(), &Besides::default(), out);
            }
        });
    }
}

/// How an item names the entity of a pattern.
fn entity_of(pattern: &Pattern) -> &dyn Value {
    match pattern {
        Pattern::One(Topic { entity, .. }) => entity,
        Pattern::Every(_) => &EVERY,
    }
}

/// Patterns, as items name them.
pub(super) struct Named<'n> {
    pub(super) patterns: &'n [Pattern],
    pub(super) catalogue: &'n Catalogue,
}

impl Value for Named<'_> {
    fn write(&self, out: &mut Writer<'_>) {
        out.list(self.patterns.iter(), |pattern, out| {
            let event_name = self.catalogue.event(pattern.event()).lower.as_str();
            out.object(&[("entityId", entity_of(pattern)), ("eventName", &event_name)]);
        });
    }
}

fn write_verdict(
    subscribed: bool,
    message: &dyn Value,
    entity_id: &dyn Value,
    event_name: &dyn Value,
    besides: &Besides,
    out: &mut Writer<'_>,
) {
    let token = besides.position.map(WirePosition::token);
    let position = token.as_ref().and_then(|token| core::str::from_utf8(token).ok());
    let (recovered, replayed) = besides.recovered.unzip();
    let (rows, is_partial) = besides.snapshot.unzip();
    let mut members: SmallVec<[(&str, &dyn Value); 8]> = smallvec![
        ("subscribed", &subscribed as &dyn Value),
        ("message", message),
        ("entityId", entity_id),
        ("eventName", event_name),
    ];
    if position.is_some() {
        members.push(("position", &position));
    }
    if recovered.is_some() {
        members.push(("recovered", &recovered));
        members.push(("replayed", &replayed));
    }
    if rows.is_some() {
        members.push(("snapshot", &rows));
    }
    if is_partial == Some(true) {
        members.push(("partial", &true));
    }
    out.object(&members);
}

/// The result of `AvailableSubscriptions`: the names of all events.
pub(super) struct Names<'c>(pub(super) &'c Catalogue);

impl Value for Names<'_> {
    fn write(&self, out: &mut Writer<'_>) {
        out.list(self.0.available_subscriptions(), |name, out| out.text(name));
    }
}

/// The result of `Catalogue`: an object for each event, in the order of `AvailableSubscriptions`.
/// It says what the event is, and whether this principal may have it.
pub(super) struct Described<'c> {
    pub(super) catalogue: &'c Catalogue,
    pub(super) verifier: &'c Verifier,
    pub(super) principal: &'c Principal,
}

impl Value for Described<'_> {
    fn write(&self, out: &mut Writer<'_>) {
        out.list(self.catalogue.events(), |(id, event), out| self.write_event(id, event, out));
    }
}

impl Described<'_> {
    fn write_event(&self, id: EventId, event: &Event, out: &mut Writer<'_>) {
        let family = self.catalogue.family(id);
        let standing = self.verifier.standing(self.principal, &family.name, event);
        let reason = match &standing {
            Standing::Every => format!("granted for every {}", family.entity),
            Standing::Only(_) => format!("granted for each {} in entities", family.entity),
            Standing::Unnamed => "for back ends: a grant must name it, or the token needs scope backend".to_owned(),
            Standing::Ungranted => "no grant covers it".to_owned(),
        };
        let entities = match &standing {
            Standing::Only(entities) => Some(entities.as_slice()),
            Standing::Every | Standing::Unnamed | Standing::Ungranted => None,
        };
        let entity_property = match event.entity {
            EntityRule::Property(index) | EntityRule::PropertyOrPublisher(index) => event.properties.get(index),
            EntityRule::Publisher => None,
        };
        let kind = match event.kind {
            Kind::State => "state",
            Kind::Occurrence => "occurrence",
        };
        out.object(&[
            ("allowed", &matches!(standing, Standing::Every | Standing::Only(_))),
            ("entities", &entities),
            ("entityProperty", &entity_property.map(|property| property.wire.as_str())),
            ("eventName", &event.name.as_str()),
            ("family", &family.name.as_str()),
            ("kind", &kind),
            ("reason", &reason.as_str()),
            ("schema", &format!("/schemas/v1/{}.json", event.name).as_str()),
        ]);
    }
}
