//! What a publication does to the rows that its home keeps.

use crate::broken::broken;
use crate::hub::publication::{Effect, Key};
use crate::schema::validate::key::joined;
use crate::schema::{Catalogue, EventId, Kind};

/// What tells the row of an item apart, as the validator has found it.
pub(super) type Keys = [Option<[u8; 16]>; 2];

/// The effect of a publication of this event. `is_last` is the publisher's word; `moves` says where
/// in the data the entity stands, where it has its key alone.
pub(super) fn of(catalogue: &Catalogue, id: EventId, keys: Keys, is_last: bool, moves: Option<u32>) -> Effect {
    let event = catalogue.event(id);
    match (event.kind, event.call, keys) {
        (Kind::Occurrence, None, _) => Effect::None,
        (Kind::Occurrence, Some(rule), [Some(call), Some(leg)]) => {
            // Entities of different families are different, whatever their GUIDs.
            let family = catalogue.family_of(id).as_bytes();
            let (call, leg) = (joined(&[family, &call]), joined(&[family, &call, &leg]));
            Effect::Call { call: Key(call), leg: Key(leg), phase: rule.phase }
        }
        (Kind::State, _, [Some(key), _]) => Effect::Keyed { key: Key(key), is_last, moves },
        (Kind::State, _, [None, _]) if event.key.is_none() => Effect::Value,
        (Kind::Occurrence | Kind::State, _, _) => broken("what tells a row apart is never null or absent"),
    }
}
