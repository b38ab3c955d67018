//! The events of the simulated call centre as publish items: from the catalogue's own structs, and
//! for the events of a call one function per shape, in the wire's spelling.

use super::cast::{ORGANIZATION, Person, Queue};
use crate::broken::broken;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// One item for `POST /publish`. Each of these events names its entity itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// As documented.
    pub event_name: &'static str,
    /// The event.
    pub data: Value,
}

impl Item {
    /// An event as the catalogue has it: `event` is the struct of that name.
    pub fn new(event_name: &'static str, event: &impl Serialize) -> Item {
        let data = serde_json::to_value(event);
        Item {
            event_name,
            data: data.unwrap_or_else(|_| broken("the structs of events are objects with names for keys")),
        }
    }

    /// An event with these properties: those of calls have shapes in common, and are put together.
    fn of_shape(event_name: &'static str, data: Value) -> Item {
        Item { event_name, data }
    }

    /// Returns the same event with the properties of `more` besides.
    #[must_use]
    pub fn with(mut self, more: Value) -> Item {
        if let (Value::Object(data), Value::Object(more)) = (&mut self.data, more) {
            data.extend(more);
        }
        self
    }
}

/// What all events of a call say about it.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// One for the whole call.
    pub call_id: Uuid,
    /// One for each leg: the caller's, and one for every allocation.
    pub leg_id: String,
    /// Who calls.
    pub caller_number: String,
    /// What was dialled.
    pub target_number: String,
}

impl CallFacts {
    fn item(&self, event_name: &'static str) -> Item {
        Item::of_shape(
            event_name,
            json!({
                "callId": self.call_id,
                "callerNumber": self.caller_number,
                "legId": self.leg_id,
                "organizationId": ORGANIZATION,
                "targetNumber": self.target_number,
            }),
        )
    }

    /// Returns an event of the User family that calls the user's name `UserName`.
    pub fn of_user(&self, event_name: &'static str, person: &Person) -> Item {
        self.item(event_name).with(json!({ "userId": person.id, "userName": person.name }))
    }

    /// Returns an event of the User family that calls it `Username`: the vendor spells it in both
    /// ways.
    pub fn of_username(&self, event_name: &'static str, person: &Person) -> Item {
        self.item(event_name).with(json!({ "userId": person.id, "username": person.name }))
    }

    /// Returns an event of the Queue family, without the queue's number: `QueueCallInDisconnected`
    /// and `QueueCallInOverflow`.
    pub fn of_queue(&self, event_name: &'static str, queue: &Queue) -> Item {
        self.item(event_name).with(json!({ "queueId": queue.id, "queueName": queue.name }))
    }

    /// Returns an event of the Queue family with the queue's number.
    pub fn of_numbered_queue(&self, event_name: &'static str, queue: &Queue) -> Item {
        self.of_queue(event_name, queue).with(json!({ "queueNumber": queue.number }))
    }
}

/// Returns why a call or a leg ended, as an event says it: `local` is the side that the event is
/// about, `remote` the other one.
pub fn ended(by_this_side: bool, technical: &str) -> Value {
    json!({ "reason": if by_this_side { "local" } else { "remote" }, "techReason": technical })
}
