//! A small catalogue for tests, and the JSON Schemas that it publishes.

use super::super::model::*;
use serde_json::{Value as Json, json};

pub(crate) const AVAILABILITY: EventId = EventId(0);
pub(crate) const QUEUE_ALERT: EventId = EventId(1);
pub(crate) const QUEUE_STATUS: EventId = EventId(2);
pub(crate) const CALLBACK_CHANGED: EventId = EventId(3);
pub(crate) const USER_CALLBACK_CHANGED: EventId = EventId(4);
pub(crate) const CALLBACK_REQUEST: EventId = EventId(5);

pub(crate) const ORGANIZATION: &str = "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59";
pub(crate) const USER: &str = "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3";
pub(crate) const QUEUE: &str = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";
pub(crate) const CALL_LIST: &str = "e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11";
pub(crate) const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// Data of [`AVAILABILITY`] with nothing to change.
pub(crate) const AVAILABILITY_TEXT: &str = r#"{
  "availability": "OffWork",
  "endTime": "9999-12-31T23:59:59.9999999Z",
  "note": null,
  "organizationId": "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59",
  "userId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3",
  "userName": "anna.virtanen@example.com"
}"#;
/// Data of [`QUEUE_STATUS`]: a number that a double would round.
pub(crate) const QUEUE_STATUS_TEXT: &str = concat!(
    r#"{"maxWaitTime":9007199254740993,"nbr":-2147483648,"openStatus":5,"#,
    r#""organizationId":"0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59","queueId":"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3","queueName":"Support"}"#
);
/// Data of [`CALLBACK_CHANGED`], assigned to [`USER`].
pub(crate) const CALLBACK_CHANGED_TEXT: &str = concat!(
    r#"{"assignedUserId":"a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3","callbackAttempts":[{"id":"6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c77","#,
    r#""note":null,"timestamp":null},{"id":"6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c78","note":"x","timestamp":"2024-05-31T07:01:22Z"}],"#,
    r#""callbackExtras":[{"id":1,"name":"customerNumber"}],"callListId":"e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11","isOpen":true,"#,
    r#""organizationId":"0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59","tags":["a","b"],"typeId":2}"#
);

const CALLBACK: [(&str, &str); 7] = [
    ("AssignedUserId", "Guid?"),
    ("CallbackAttempts", "List<CallbackAttempt>"),
    ("CallbackExtras", "List<CallbackExtra>"),
    ("CallListId", "Guid"),
    ("IsOpen", "bool"),
    ("OrganizationId", "Guid"),
    ("Tags", "List<string>"),
];

pub(crate) fn model() -> Model {
    let types = vec![
        ObjectType {
            name: "CallbackAttempt".into(),
            summary: String::new(),
            note: None,
            properties: properties(&[("Id", "Guid"), ("Note", "string?"), ("Timestamp", "DateTime?")]),
            place: Place::default(),
        },
        ObjectType {
            name: "CallbackExtra".into(),
            summary: String::new(),
            note: None,
            properties: properties(&[("Id", "int"), ("Name", "string")]),
            place: Place::default(),
        },
    ];
    let set = ValueSet {
        name: "CallbackTypeId".into(),
        summary: String::new(),
        base: Type::Short,
        values: Values { open: false, list: (1..=3).map(integer).collect() },
        place: Place::default(),
    };
    let family = |name: &str| Family {
        name: name.into(),
        entity: name.to_lowercase(),
        doc: String::new(),
        place: Place::default(),
    };
    let mut model = Model {
        id_base: "https://example.com/schemas/v1/".into(),
        families: ["User", "Queue", "CallList"].map(family).into(),
        types,
        sets: vec![set],
        ..Model::default()
    };

    let mut availability = event(
        "UserAvailability",
        0,
        &[
            ("Availability", "string"),
            ("EndTime", "DateTime"),
            ("Note", "string?"),
            ("OrganizationId", "Guid"),
            ("UserId", "Guid"),
            ("UserName", "string"),
        ],
    );
    availability.kind = Kind::State;
    availability.properties[0].values =
        Some(Values { open: false, list: ["Available", "Busy", "DoNotDisturb", "OffWork"].map(text).into() });
    availability.entity = EntityRule::Property(4);
    model.events.push(availability);

    model.events.push(event("UserQueueAlert", 0, &[("Alert", "string"), ("QueueId", "Guid")]));

    let mut status = event(
        "QueueStatus",
        1,
        &[
            ("MaxWaitTime", "long"),
            ("Nbr", "int"),
            ("OpenStatus", "int"),
            ("OrganizationId", "Guid"),
            ("QueueId", "Guid"),
            ("QueueName", "string"),
            ("TechReason", "string?"),
        ],
    );
    status.entity = EntityRule::Property(4);
    status.properties[2].values = Some(Values { open: false, list: (0..=6).map(integer).collect() });
    status.properties[6].values = Some(Values { open: true, list: vec![text("busy_on_busy")] });
    status.properties[6].optional = true;
    model.events.push(status);

    let mut changed = event("CallbackChanged", 2, &[&CALLBACK[..], &[("TypeId", "CallbackTypeId")]].concat());
    changed.entity = EntityRule::Property(3);
    model.events.push(changed);

    let mut derived = event(
        "UserCallbackChanged",
        0,
        &[&CALLBACK[..], &[("TargetUser", "Guid"), ("TypeId", "CallbackTypeId")]].concat(),
    );
    derived.entity = EntityRule::Property(7);
    derived.derive = Some(Derive { from: CALLBACK_CHANGED, when: 0, set: vec![(7, 0)], dropped: Vec::new() });
    model.events.push(derived);

    let mut request = event("CallbackRequestNotification", 2, &[("EmailTo", "string?"), ("ListId", "Guid?")]);
    request.entity = EntityRule::PropertyOrPublisher(1);
    request.audience = Audience { client: false, backend: true };
    model.events.push(request);
    model
}

fn integer(value: i64) -> Value {
    Value { scalar: Scalar::Integer(value), name: None, doc: None }
}

fn text(value: &str) -> Value {
    Value { scalar: Scalar::Text(value.into()), name: None, doc: None }
}

fn event(name: &str, family: usize, list: &[(&str, &str)]) -> Event {
    let properties = properties(list);
    Event {
        name: name.into(),
        lower: name.to_lowercase(),
        family,
        summary: String::new(),
        description: None,
        note: None,
        kind: Kind::Occurrence,
        entity: EntityRule::Publisher,
        audience: Audience { client: true, backend: false },
        since: "1.0".into(),
        deprecated: None,
        correlation: Vec::new(),
        expires: None,
        interval_s: None,
        on_change: false,
        key: None,
        call: None,
        derive: None,
        organization: properties.iter().position(|property| property.name == "OrganizationId"),
        properties,
        examples: Vec::new(),
        place: Place::default(),
    }
}

pub(crate) fn properties(list: &[(&str, &str)]) -> Vec<Property> {
    let property = |(name, ty): &(&str, &str)| Property {
        name: (*name).into(),
        wire: name.get(..1).unwrap().to_lowercase() + name.get(1..).unwrap(),
        ty: parsed(ty.trim_end_matches('?')),
        nullable: ty.ends_with('?'),
        optional: false,
        doc: String::new(),
        note: None,
        values: None,
        since: None,
        deprecated: None,
        pii: None,
        place: Place::default(),
    };
    let mut properties: Vec<Property> = list.iter().map(property).collect();
    properties.sort_by_key(|property| property.name.to_lowercase());
    properties
}

fn parsed(ty: &str) -> Type {
    match ty {
        "Guid" => Type::Guid,
        "string" => Type::String,
        "bool" => Type::Bool,
        "short" => Type::Short,
        "int" => Type::Int,
        "long" => Type::Long,
        "DateTime" => Type::DateTime,
        "CallbackAttempt" => Type::Object(0),
        "CallbackExtra" => Type::Object(1),
        "CallbackTypeId" => Type::Set(0),
        list => Type::List(Box::new(parsed(list.strip_prefix("List<").unwrap().strip_suffix('>').unwrap()))),
    }
}

/// The schema that the catalogue publishes for an event: open, all properties required but the
/// optional ones.
pub(crate) fn schema(model: &Model, event: EventId) -> Json {
    let mut schema = object(model, &model.event(event).unwrap().properties);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema
}

fn object(model: &Model, properties: &[Property]) -> Json {
    let of = |property: &Property| {
        let mut schema = of_type(model, &property.ty, property.values.as_ref());
        if property.nullable {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        (property.wire.clone(), schema)
    };
    let required: Vec<&str> = properties.iter().filter(|p| !p.optional).map(|p| p.wire.as_str()).collect();
    json!({ "type": "object", "properties": properties.iter().map(of).collect::<serde_json::Map<_, _>>(), "required": required })
}

fn of_type(model: &Model, ty: &Type, values: Option<&Values>) -> Json {
    let mut schema = match ty {
        Type::Guid => json!({ "type": "string", "format": "uuid" }),
        Type::String => json!({ "type": "string" }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::Short => json!({ "type": "integer", "minimum": i16::MIN, "maximum": i16::MAX }),
        Type::Int => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        Type::Long => json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX }),
        Type::DateTime => json!({ "type": "string", "format": "date-time" }),
        Type::List(element) => json!({ "type": "array", "items": of_type(model, element, None) }),
        Type::Object(index) => object(model, &model.types[*index].properties),
        Type::Set(index) => return of_type(model, &model.sets[*index].base, Some(&model.sets[*index].values)),
    };
    if let Some(values) = values.filter(|values| !values.open) {
        let scalar = |value: &Value| match &value.scalar {
            Scalar::Integer(integer) => json!(integer),
            Scalar::Text(text) => json!(text),
        };
        schema["enum"] = values.list.iter().map(scalar).collect();
    }
    schema
}
