//! Publications as entries of a log that several processes share, and back.
//!
//! The body of an entry is a [`Record`] of the publication without place and data, which the entry
//! has itself. Events go by name: the processes may have different catalogues.

use super::mail::Unstamped;
use crate::backplane::entry::{Head, Raw};
use crate::backplane::entry::{Kind, Origin, Place};
use crate::backplane::values::Value;
use crate::backplane::{Item, Row};
use crate::clock::UnixMs;
use crate::hub::home::Home;
use crate::hub::position::{Position, Stamp};
use crate::hub::publication::{Effect, Key, Publication};
use crate::hub::record::{Record, Records, Written};
use crate::hub::topic::Topic;
use crate::schema::{Catalogue, Event, Phase};
use std::sync::Arc;

/// What is to be appended of a publication that was taken at that moment.
pub(crate) fn item(unstamped: &Unstamped, home: &Home, catalogue: &Catalogue, at: UnixMs) -> Item {
    let publication = &unstamped.publication;
    Item {
        body: body(publication, at, catalogue).into(),
        data: Arc::clone(&publication.data),
        id: unstamped.identity.as_ref().map(|identity| identity.key),
        row: row(publication, home, catalogue),
    }
}

fn body(publication: &Publication, at: UnixMs, catalogue: &Catalogue) -> Vec<u8> {
    let Publication { topic, expires, effect, .. } = publication;
    let written = Written {
        event: &catalogue.event(topic.event).name,
        organization: topic.organization,
        entity: topic.entity,
        // Where it stands is what the engine says.
        position: Position::at(UnixMs::from_ms(0)),
        at,
        expires: *expires,
        effect: *effect,
        id: None,
        data: &[],
    };
    let mut body = Vec::new();
    Record::Publication(written).encode(&mut body);
    body
}

/// The publication that an entry is; none where its event is not known here, or it is none of ours.
pub(crate) fn publication(entry: &Raw, catalogue: &Catalogue) -> Option<Publication> {
    let head = Head::parse(&entry.head).ok()?;
    let Some(Record::Publication(written)) = Records::new(head.body).next() else { return None };
    // A frame of text may hold nothing else.
    core::str::from_utf8(&entry.data).ok()?;
    let Written { organization, entity, at, expires, effect, .. } = written;
    let topic = Topic { organization, event: catalogue.find(written.event)?, entity };
    let Place { epoch, sequence } = entry.place;
    let stamp = Some(Stamp { epoch, position: Position::of_entry(epoch, sequence), at });
    Some(Publication { stamp, expires, effect, ..Publication::new(topic, (&*entry.data).into()) })
}

/// A publication that holds, as the engine keeps last values.
pub(crate) fn value(publication: &Publication, catalogue: &Catalogue) -> Option<Value> {
    let Stamp { epoch, position, at } = publication.stamp?;
    let body = body(publication, at, catalogue);
    let head = Head { kind: Kind::Sent, origin: Origin(0), number: 0, body: &body }.encode();
    let place = Place { epoch, sequence: position.entry_of(epoch) };
    let field = field(&catalogue.event(publication.topic.event).lower, &publication.topic, publication.effect)?;
    Some(Value { field, entry: Raw { place, head: head.into(), data: (&*publication.data).into() } })
}

/// The name of the value that a publication is, if it is one. Of a key that is at one entity at a
/// time the entity is no part of the name.
fn field(event: &str, topic: &Topic, effect: Effect) -> Option<Box<[u8]>> {
    let Topic { organization, entity, .. } = topic;
    let number = |Key(key): Key| u128::from_be_bytes(key);
    let name = match effect {
        Effect::None => return None,
        Effect::Value => format!("{event}/{organization}/{entity}"),
        Effect::Keyed { key, moves: Some(_), .. } => format!("{event}/{organization}/*/{:032x}", number(key)),
        Effect::Keyed { key, moves: None, .. } => format!("{event}/{organization}/{entity}/{:032x}", number(key)),
        Effect::Call { call, leg, .. } => {
            format!("{event}/{organization}/{entity}/{:032x}/{:032x}", number(call), number(leg))
        }
    };
    Some(name.into_bytes().into())
}

/// What a publication does to the last values of the engine.
fn row(publication: &Publication, home: &Home, catalogue: &Catalogue) -> Option<Row> {
    let Publication { topic, effect, .. } = publication;
    let event = catalogue.event(topic.event);
    let becomes = || field(&event.lower, topic, *effect).map(Row::Becomes);
    match *effect {
        Effect::None => None,
        Effect::Keyed { is_last: true, .. } => {
            Some(Row::Ends(field(&event.lower, topic, *effect).into_iter().collect()))
        }
        Effect::Keyed { .. } if topic.entity.is_nil() => {
            Some(Row::Ends(field(&event.lower, topic, *effect).into_iter().collect()))
        }
        Effect::Value | Effect::Keyed { .. } => becomes(),
        Effect::Call { phase: Phase::Begin | Phase::Progress, .. } => becomes(),
        Effect::Call { call, leg, phase: Phase::End } => Some(ends(event, topic, call, &[leg], catalogue)),
        Effect::Call { call, leg, phase: Phase::EndCall } => {
            let legs: Vec<Key> = home.kept().legs(topic, call).chain([leg]).collect();
            Some(ends(event, topic, call, &legs, catalogue))
        }
    }
}

/// Of the legs of a call, as an entity sees it, no event holds any more.
fn ends(event: &Event, topic: &Topic, call: Key, legs: &[Key], catalogue: &Catalogue) -> Row {
    let of_calls = catalogue.events().filter(|(_, other)| other.family == event.family && other.call.is_some());
    let fields = of_calls.flat_map(|(_, other)| {
        let effect = |leg| Effect::Call { call, leg, phase: Phase::Progress };
        legs.iter().filter_map(move |leg| field(&other.lower, topic, effect(*leg)))
    });
    Row::Ends(fields.collect())
}
