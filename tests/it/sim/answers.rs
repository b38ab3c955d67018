//! What the hub must answer about an item, by the published rules.

use super::cast::Kind;
use super::client::Ask;
use serde_json::{Value, json};
use uuid::Uuid;

/// Event name and entity; the organization is the member's own.
pub type Name = (&'static str, Uuid);

/// Event name and what an item names of it: an entity, or every one.
pub type Sought = (&'static str, Option<Uuid>);

/// The checks of an item, in their order, as far as they need no member.
pub fn find(ask: &Ask) -> Result<(Kind, Option<Uuid>), &'static str> {
    let (Some(entity), Some(event)) = (&ask.entity, &ask.event) else { return Err("Invalid item") };
    let kind = Kind::find(event).ok_or("Unknown EventName")?;
    if entity == "*" {
        return Ok((kind, None));
    }
    let entity = if entity.len() == 36 { Uuid::parse_str(entity).ok() } else { None };
    let entity = entity.filter(|entity| !entity.is_nil());
    Ok((kind, Some(entity.ok_or("Invalid EntityId")?)))
}

pub fn verdict(subscribed: bool, (event, entity): &Sought) -> Value {
    let entity = entity.map_or("*".to_owned(), |entity| entity.to_string());
    json!({"subscribed": subscribed, "message": null, "entityId": entity, "eventName": event.to_lowercase()})
}

pub fn refusal(message: &str, Ask { entity, event, .. }: &Ask) -> Value {
    let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_ascii_lowercase());
    json!({"subscribed": false, "message": message, "entityId": lower(entity), "eventName": lower(event)})
}

/// Equal, or lists of the same topics: a client's own list has no order.
pub fn same(one: &Value, other: &Value) -> bool {
    let sorted = |value: &Value| {
        value.as_array().map(|array| {
            let mut texts: Vec<String> = array.iter().map(Value::to_string).collect();
            texts.sort();
            texts
        })
    };
    one == other || (sorted(one).is_some() && sorted(one) == sorted(other))
}
