//! When a state value ends.

use super::super::model::{EventId, Model};
use super::date_time::unix_ms;
use super::derive::member;

/// When the value in `text`, the data of an event as it is delivered, is stale: the instant of the
/// property that `[state] expires` names, in milliseconds since the Unix epoch. `None` where the
/// event has no such property, or it is null.
pub fn expires_unix_ms(model: &Model, event: EventId, text: &str) -> Option<u64> {
    let event = model.event(event)?;
    let property = event.properties.get(event.expires?)?;
    unix_ms(member(text, &property.wire)?.strip_prefix('"')?.strip_suffix('"')?)
}
