//! Publications as entries of a log that several processes share, and back.
//!
//! The body of an entry is a [`Record`]: of a publication without place and data, which the entry
//! has itself, or of a revocation. Events go by name: the processes may have different catalogues.

use super::mail::Unstamped;
use crate::auth::revoked::Revocation;
use crate::backplane::entry::{Head, Kind, Origin, Place, Raw};
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

/// What is to be appended of a revocation.
pub(crate) fn revocation_item(revocation: &Revocation) -> Item {
    let row = Some(Row::Becomes(revocation_field(revocation)));
    Item { body: revocation_body(revocation).into(), data: Arc::default(), id: None, row }
}

fn revocation_body(revocation: &Revocation) -> Vec<u8> {
    let mut body = Vec::new();
    Record::Revocation(revocation.clone()).encode(&mut body);
    body
}

fn revocation_field(revocation: &Revocation) -> Box<[u8]> {
    let Revocation { name, text, within, .. } = revocation;
    format!("revoked/{}/{}/{text}", name.claim(), within.unwrap_or_default()).into_bytes().into()
}

/// A revocation as the engine keeps last values; where it stands is not known any more.
pub(crate) fn revocation_value(revocation: &Revocation) -> Value {
    let body = revocation_body(revocation);
    let head = Head { kind: Kind::Sent, origin: Origin(0), number: 0, body: &body }.encode();
    let entry = Raw { place: Place::START, head: head.into(), data: Box::default() };
    Value { field: revocation_field(revocation), entry }
}

/// The body of an entry that only ends last values.
const SWEEP: &[u8] = b"sweep";

/// What is to be appended so that the engine keeps these last values no more.
pub(crate) fn sweep_item(fields: Vec<Box<[u8]>>) -> Item {
    Item { body: SWEEP.into(), data: Arc::default(), id: None, row: Some(Row::Ends(fields)) }
}

/// What an entry is.
#[derive(Debug)]
pub(crate) enum Content {
    Publication(Publication),
    Revocation(Revocation),
    /// It has done to the engine's last values what it does.
    Sweep,
    /// Its event is not known here, or it is of a newer program.
    Unknown,
}

/// Reads an entry.
pub(crate) fn content(entry: &Raw, catalogue: &Catalogue) -> Content {
    let Ok(Head { body, .. }) = Head::parse(&entry.head) else { return Content::Unknown };
    if body == SWEEP {
        return Content::Sweep;
    }
    match Records::new(body).next() {
        Some(Record::Publication(written)) => {
            publication(entry, &written, catalogue).map_or(Content::Unknown, Content::Publication)
        }
        Some(Record::Revocation(revocation)) => Content::Revocation(revocation),
        Some(Record::Begin(_) | Record::Id { .. } | Record::End) | None => Content::Unknown,
    }
}

fn publication(entry: &Raw, written: &Written<'_>, catalogue: &Catalogue) -> Option<Publication> {
    // A frame of text may hold nothing else.
    core::str::from_utf8(&entry.data).ok()?;
    let Written { organization, entity, at, expires, effect, .. } = *written;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::revoked::RevokedName;
    use crate::clock::Now;
    use crate::hub::home::HomeTotals;
    use crate::hub::position::Epoch;
    use crate::hub::registry::HashSeed;
    use crate::limits::Limits;
    use uuid::Uuid;

    const AT: UnixMs = UnixMs::from_ms(1_795_266_403_000);

    fn home() -> Home {
        Home::counted(HashSeed(1, 2), &Limits::DEFAULT, &HomeTotals::default(), 16)
    }

    fn of(catalogue: &Catalogue, event: &str, effect: Effect) -> Unstamped {
        let event = catalogue.find(event).unwrap();
        let topic = Topic { organization: Uuid::from_u128(1), event, entity: Uuid::from_u128(2) };
        let publication = Publication { effect, ..Publication::new(topic, b"{}".as_slice().into()) };
        Unstamped { publication, identity: None }
    }

    fn read(item: &Item, place: Place) -> Raw {
        let head = Head { kind: Kind::Sent, origin: Origin(7), number: 1, body: &item.body };
        Raw { place, head: head.encode().into(), data: (&*item.data).into() }
    }

    fn fields(row: &Row) -> Vec<&str> {
        let fields = match row {
            Row::Becomes(field) => core::slice::from_ref(field),
            Row::Ends(fields) => fields,
        };
        fields.iter().map(|field| core::str::from_utf8(field).unwrap()).collect()
    }

    #[test]
    fn a_publication_is_read_back_in_the_place_that_the_engine_has_given_it() {
        let catalogue = Catalogue::built_in(None);
        let (epoch, key) = (Epoch::begin(Now::from_ms(0, AT.ms()), 1), Key([3; 16]));
        let place = Place { epoch, sequence: 4 };
        let keyed = |moves| Effect::Keyed { key, is_last: false, moves };
        let call = Effect::Call { call: key, leg: Key([4; 16]), phase: Phase::Begin };
        for effect in [Effect::None, Effect::Value, keyed(None), keyed(Some(7)), call] {
            let unstamped = of(&catalogue, "UserAvailability", effect);
            let item = item(&unstamped, &home(), &catalogue, AT);
            let Content::Publication(found) = content(&read(&item, place), &catalogue) else { panic!("{effect:?}") };
            assert_eq!((found.topic, found.effect), (unstamped.publication.topic, effect));
            assert_eq!(found.stamp, Some(Stamp { epoch, position: Position::of_entry(epoch, 4), at: AT }));
            // A home that restores what the engine has lost tells it in the same words.
            let restored = value(&found, &catalogue);
            assert_eq!(restored.as_ref().map(|value| value.entry.place), restored.as_ref().map(|_| place));
            assert_eq!(item.row, restored.map(|value| Row::Becomes(value.field)), "{effect:?}");
        }
    }

    #[test]
    fn the_end_of_a_leg_ends_whatever_the_engine_keeps_of_it_and_a_key_that_moves_has_one_name() {
        let catalogue = Catalogue::built_in(None);
        let (call, leg) = (Key([1; 16]), Key([2; 16]));
        let row = |event, effect| item(&of(&catalogue, event, effect), &home(), &catalogue, AT).row.unwrap();
        let begun = row("QueueCallInArrived", Effect::Call { call, leg, phase: Phase::Begin });
        let ended = row("QueueCallInOverflow", Effect::Call { call, leg, phase: Phase::End });
        assert!(matches!(&ended, Row::Ends(_)) && fields(&ended).contains(&fields(&begun)[0]), "{ended:?}");
        let moved = row("UserCallbackChanged", Effect::Keyed { key: call, is_last: false, moves: Some(1) });
        let last = row("UserCallbackChanged", Effect::Keyed { key: call, is_last: true, moves: Some(1) });
        assert!(matches!(&last, Row::Ends(_)) && fields(&last) == fields(&moved) && fields(&moved)[0].contains("/*/"));
    }

    #[test]
    fn a_revocation_is_no_publication_and_what_is_neither_is_unknown() {
        let catalogue = Catalogue::built_in(None);
        let place = Place { epoch: Epoch::from_number(1), sequence: 1 };
        let revocation = Revocation {
            name: RevokedName::User(Uuid::from_u128(5)),
            text: Uuid::from_u128(5).to_string().into(),
            within: None,
            issued_before_unix_s: None,
            until_unix_s: 7,
        };
        let told = content(&read(&revocation_item(&revocation), place), &catalogue);
        assert!(matches!(told, Content::Revocation(found) if found == revocation));
        let kept = revocation_value(&revocation).entry;
        assert!(matches!(content(&kept, &catalogue), Content::Revocation(found) if found == revocation));
        assert!(matches!(content(&read(&sweep_item(Vec::new()), place), &catalogue), Content::Sweep));
        let good = read(&item(&of(&catalogue, "UserAvailability", Effect::Value), &home(), &catalogue, AT), place);
        let torn = Raw { head: good.head[..good.head.len() - 1].into(), ..good.clone() };
        let binary = Raw { data: [0xFF].as_slice().into(), ..good };
        for wrong in [torn, binary] {
            assert!(matches!(content(&wrong, &catalogue), Content::Unknown), "{wrong:?}");
        }
    }
}
