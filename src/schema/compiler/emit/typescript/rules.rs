//! What the hub in memory of the client library goes by: the properties of each event, an example,
//! and what is made of it.

use super::super::super::model::{Event, Model, Property, Scalar, Type, Values};
use super::super::json::Json;
use super::super::prose;

/// `client/rules.mjs`: types are in the vendor's notation, and a property that takes only some
/// values, or may be absent, says so beside its type.
pub fn module(model: &Model) -> String {
    let events = model.events.iter().map(|event| (event.name.clone(), of_event(model, event)));
    let types = model.types.iter().map(|ty| (ty.name.clone(), properties(model, &ty.properties)));
    let sets =
        model.sets.iter().map(|set| (set.name.clone(), typed(model, &set.base, false, Some(&set.values), false)));
    let rules = Json::object([
        ("events", Json::Object(events.collect())),
        ("types", Json::Object(types.collect())),
        ("sets", Json::Object(sets.collect())),
    ]);
    let origin = prose::origin(model);
    format!(
        "// {origin}\n// What the hub checks of events, and makes of them: for testing.mjs.\n\nexport const rules = {};\n",
        rules.to_text().trim_end()
    )
}

fn of_event(model: &Model, event: &Event) -> Json {
    let (entity, _) = prose::entity(event);
    let mut members = vec![
        ("entity".to_owned(), entity.map_or(Json::Null, Json::from)),
        ("properties".to_owned(), properties(model, &event.properties)),
        (
            "example".to_owned(),
            event.examples.first().map_or(Json::Null, |first| Json::Verbatim(first.delivered.clone())),
        ),
    ];
    if let Some(rule) = &event.derive
        && let Some(source) = model.event(rule.from)
    {
        let of_source = |index: usize| Json::from(wire(source, index));
        let set = rule.set.iter().map(|(target, from)| (wire(event, *target).to_owned(), of_source(*from)));
        let derive = Json::object([
            ("from", source.name.as_str().into()),
            ("when", of_source(rule.when)),
            ("set", Json::Object(set.collect())),
            ("dropped", Json::Array(rule.dropped.iter().map(|index| of_source(*index)).collect())),
        ]);
        members.push(("derive".to_owned(), derive));
    }
    Json::Object(members)
}

fn wire(event: &Event, index: usize) -> &str {
    event.properties.get(index).map_or("", |property| &property.wire)
}

fn properties(model: &Model, properties: &[Property]) -> Json {
    let typed = |property: &Property| {
        typed(model, &property.ty, property.nullable, property.values.as_ref(), property.optional)
    };
    Json::Object(properties.iter().map(|property| (property.wire.clone(), typed(property))).collect())
}

/// The type alone where there is nothing else to say.
fn typed(model: &Model, ty: &Type, nullable: bool, values: Option<&Values>, optional: bool) -> Json {
    let token = Json::Text(prose::type_token(model, ty, nullable));
    let values = values.filter(|values| !values.open);
    if values.is_none() && !optional {
        return token;
    }
    let scalar = |scalar: &Scalar| match scalar {
        Scalar::Integer(integer) => Json::Integer(*integer),
        Scalar::Text(text) => Json::Text(text.clone()),
    };
    let mut members = vec![("type".to_owned(), token)];
    if let Some(values) = values {
        let list = values.list.iter().map(|value| scalar(&value.scalar)).collect();
        members.push(("values".to_owned(), Json::Array(list)));
    }
    if optional {
        members.push(("optional".to_owned(), Json::Bool(true)));
    }
    Json::Object(members)
}
