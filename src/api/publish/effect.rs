//! What a publication does to the rows that its home keeps.

use crate::hub::publication::Effect;
use crate::schema::{Event, Kind};

/// The effect of a publication of this event.
pub(super) fn of(event: &Event) -> Effect {
    match event.kind {
        Kind::State => Effect::Value,
        Kind::Occurrence => Effect::None,
    }
}
