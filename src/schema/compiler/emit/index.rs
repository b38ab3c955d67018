//! The index: what there is, with the facts about events that have no keyword in JSON Schema.

use super::super::model::{CallRule, Event, Model};
use super::json::Json;
use super::json_schema::{self, Additional};
use super::prose;

/// The index. `digest` gives the SHA-256 of a schema's text in hexadecimal: the program has
/// cryptography, its build has not.
pub fn index(model: &Model, digest: &dyn Fn(&str) -> String) -> Json {
    let families = model.families.iter().map(|family| {
        Json::object([
            ("name", family.name.as_str().into()),
            ("entity", family.entity.as_str().into()),
            ("description", family.doc.as_str().into()),
        ])
    });
    let events = model.events.iter().map(|event| entry(model, event, digest));
    Json::object([
        ("title", model.title.as_str().into()),
        ("version", model.version.as_str().into()),
        ("wireCase", prose::wire_case(model.wire_case).into()),
        ("bundle", Json::Text(format!("/{}bundle.json", json_schema::folder(model)))),
        ("families", Json::Array(families.collect())),
        ("events", Json::Array(events.collect())),
    ])
}

fn entry(model: &Model, event: &Event, digest: &dyn Fn(&str) -> String) -> Json {
    let (property, or_publisher) = prose::entity(event);
    let schema = json_schema::event(model, event, Additional::Open).to_text();
    let wire = |index: usize| event.properties.get(index).map_or("", |property| property.wire.as_str());
    let call = |call: CallRule| {
        Json::object([
            ("id", wire(call.id).into()),
            ("leg", wire(call.leg).into()),
            ("phase", prose::phase(call.phase).into()),
        ])
    };
    let audience = prose::audience(event.audience).into_iter().map(Json::from);
    let properties = event.properties.iter().map(|property| property.wire.as_str().into());
    Json::object([
        ("name", event.name.as_str().into()),
        ("lower", event.lower.as_str().into()),
        ("family", model.families.get(event.family).map_or(Json::Null, |family| family.name.as_str().into())),
        ("kind", prose::kind(event.kind).into()),
        // The property that names the entity; null, or a null in it, leaves that to the publisher
        // where the next one is true.
        ("entity", property.map_or(Json::Null, Json::from)),
        ("entityFromPublisher", Json::Bool(or_publisher)),
        // The property that tells the states of an entity apart.
        ("key", event.key.map_or(Json::Null, |index| wire(index).into())),
        ("call", event.call.map_or(Json::Null, call)),
        ("audience", Json::Array(audience.collect())),
        ("status", if event.deprecated.is_some() { "deprecated" } else { "active" }.into()),
        ("since", event.since.as_str().into()),
        // Of the folder that declares it, where that has one of its own.
        ("version", model.version_of(&event.place).into()),
        ("id", Json::Text(json_schema::id(model, &event.name))),
        ("url", Json::Text(format!("/{}{}.json", json_schema::folder(model), event.name))),
        ("sha256", Json::Text(digest(&schema))),
        ("properties", Json::Array(properties.collect())),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, compile, rules};
    use super::*;

    /// Compares with a file under version control; on a difference, the text to put there is
    /// printed.
    #[test]
    fn the_small_catalogue_has_this_index() {
        let model = compile(&rules::small(), Options::default()).unwrap().model;
        let text = index(&model, &|schema| format!("digest of {} bytes", schema.len())).to_text();
        assert!(text == include_str!("snapshots/index.json"), "{text}");
    }
}
