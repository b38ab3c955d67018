//! AsyncAPI 3.0.0: what the hub sends and what it is asked, for documentation and code generators.
//!
//! Every event travels as the one hub method `MessageReceived`. A channel per family keeps the
//! document readable; all have that address. Each hub method is an operation with a reply. Every
//! object schema has a title: generators name their models by it. The schemas are in the dialect of
//! AsyncAPI, a superset of JSON Schema draft-07.

use super::super::model::{Event, Family, Model};
use super::json::Json;
use super::{identifier, json_schema, methods, prose};
use std::collections::BTreeMap;

/// What stands for an entity in an example whose data names none; the user of the reference's own
/// samples.
const SOME_ENTITY: &str = "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3";

/// The document.
pub fn document(model: &Model) -> Json {
    let families = model.families.iter().enumerate().map(|(number, family)| {
        let events: Vec<&Event> = model.events.iter().filter(|event| event.family == number).collect();
        (family, events)
    });
    let families: Vec<_> = families.filter(|(_, events)| !events.is_empty()).collect();
    let channels = families.iter().map(|(family, events)| (family_channel(family), channel(family, events)));
    let channels = channels.chain(methods::channels(model));
    let operations =
        families.iter().map(|(family, events)| (format!("send{}", family.name), operation(family, events)));
    let operations = operations.chain(methods::operations(model));
    let messages = model.events.iter().map(|event| (event_message(event), message(model, event)));
    let messages = messages.chain(methods::messages(model));
    let mut schemas = json_schema::components(model);
    schemas.extend(methods::schemas(model));
    Json::object([
        ("asyncapi", "3.0.0".into()),
        (
            "info",
            Json::object([
                ("title", model.title.as_str().into()),
                ("version", model.version.as_str().into()),
                ("description", Json::Text(introduction(model))),
            ]),
        ),
        ("defaultContentType", "application/json".into()),
        ("servers", Json::object([("hub", server())])),
        ("channels", Json::Object(channels.collect())),
        ("operations", Json::Object(operations.collect())),
        (
            "components",
            Json::object([
                ("messages", Json::Object(messages.collect())),
                ("schemas", Json::Object(schemas.into_iter().collect())),
                ("securitySchemes", security_schemes()),
            ]),
        ),
    ])
}

/// Where a hub is, as far as the catalogue can know.
fn server() -> Json {
    let variable = |default: &str, description: &str| {
        Json::object([("default", default.into()), ("description", description.into())])
    };
    let schemes = ["header", "query"].map(|name| reference("components/securitySchemes", name));
    Json::object([
        ("host", "{host}".into()),
        ("pathname", "/{path}".into()),
        ("protocol", "ws".into()),
        ("description", "A hub: SignalR over WebSocket, with hub protocol json.".into()),
        (
            "variables",
            Json::object([
                ("host", variable("localhost:8080", "Host and port.")),
                ("path", variable("rte", "The hub's path, server.path of its configuration.")),
            ]),
        ),
        ("security", Json::Array(schemes.into())),
    ])
}

/// The two places where a token may stand.
fn security_schemes() -> Json {
    Json::object([
        (
            "header",
            Json::object([
                ("type", "http".into()),
                ("scheme", "bearer".into()),
                ("bearerFormat", "JWT".into()),
                ("description", "A JSON Web Token in the header Authorization.".into()),
            ]),
        ),
        (
            "query",
            Json::object([
                ("type", "httpApiKey".into()),
                ("name", "access_token".into()),
                ("in", "query".into()),
                ("description", "The same token in the query, where browsers have to put it.".into()),
            ]),
        ),
    ])
}

/// The names of families and events in the document. A hub method keeps its own where a catalogue
/// has the same.
fn family_channel(family: &Family) -> String {
    identifier::apart(&family.name, methods::is_taken)
}

fn event_message(event: &Event) -> String {
    identifier::apart(&event.name, methods::is_taken)
}

fn introduction(model: &Model) -> String {
    format!(
        "Events that the hub sends to SignalR clients. A client connects with a JSON Web Token, calls the hub method Subscribe \
         with pairs of EntityId and EventName, and receives each event as the one argument of MessageReceived. {}",
        prose::spelling(model.wire_case)
    )
}

fn channel(family: &Family, events: &[&Event]) -> Json {
    let messages = events.iter().map(|event| {
        let name = event_message(event);
        let message = reference("components/messages", &name);
        (name, message)
    });
    Json::object([
        ("address", "MessageReceived".into()),
        ("title", Json::Text(format!("{} events", family.name))),
        ("description", family.doc.as_str().into()),
        ("messages", Json::Object(messages.collect())),
    ])
}

fn operation(family: &Family, events: &[&Event]) -> Json {
    let channel = family_channel(family);
    let messages = events.iter().map(|event| reference(&format!("channels/{channel}/messages"), &event_message(event)));
    Json::object([
        ("action", "send".into()),
        ("title", Json::Text(format!("Send {} events", family.name))),
        ("channel", reference("channels", &channel)),
        ("messages", Json::Array(messages.collect())),
    ])
}

fn message(model: &Model, event: &Event) -> Json {
    let guid = Json::object([("type", "string".into()), ("format", "uuid".into())]);
    let name = Json::object([("type", "string".into()), ("const", event.lower.as_str().into())]);
    let titled = |what: &str| format!("{}{what}", event.name);
    let subscription = object(titled("Subscription"), [("entityId", guid), ("eventName", name)]);
    let data = reference("components/schemas", &event.name);
    let payload = object(titled("Message"), [("subscription", subscription), ("data", data)]);
    let examples = event.examples.iter().map(|example| {
        let entity_id = entity_id(event, &example.delivered);
        let subscription =
            Json::object([("entityId", Json::Text(entity_id)), ("eventName", event.lower.as_str().into())]);
        let data = Json::Verbatim(example.delivered.clone());
        Json::object([
            ("summary", example.title.as_str().into()),
            ("payload", Json::object([("subscription", subscription), ("data", data)])),
        ])
    });
    let mut message =
        vec![("name".to_owned(), event.name.as_str().into()), ("title".to_owned(), event.name.as_str().into())];
    let about = prose::about_event(event);
    message.extend(about.first().map(|summary| ("summary".to_owned(), (*summary).into())));
    let facts = prose::facts(model, event);
    let facts = facts.iter().map(|(what, text)| format!("* {what}: {}", prose::as_markdown(text)));
    let paragraphs = about.iter().skip(1).map(|text| prose::as_markdown(text));
    let description: Vec<_> = paragraphs.chain([facts.collect::<Vec<_>>().join("\n")]).collect();
    message.push(("description".to_owned(), Json::Text(description.join("\n\n"))));
    let tags = vec![Json::object([("name", prose::kind(event.kind).into())])];
    message.push(("tags".to_owned(), Json::Array(tags)));
    message.push(("payload".to_owned(), payload));
    if !event.examples.is_empty() {
        message.push(("examples".to_owned(), Json::Array(examples.collect())));
    }
    Json::Object(message)
}

/// The entity that an example is about.
fn entity_id(event: &Event, delivered: &str) -> String {
    let (property, _) = prose::entity(event);
    let data: BTreeMap<String, serde_json::Value> = serde_json::from_str(delivered).unwrap_or_default();
    let named = property.and_then(|property| data.get(property)).and_then(serde_json::Value::as_str);
    named.unwrap_or(SOME_ENTITY).to_owned()
}

/// The schema of an object whose properties must all be there.
fn object<const N: usize>(title: String, properties: [(&str, Json); N]) -> Json {
    let required = properties.iter().map(|(name, _)| (*name).into()).collect();
    Json::object([
        ("title", Json::Text(title)),
        ("type", "object".into()),
        ("properties", Json::object(properties)),
        ("required", Json::Array(required)),
    ])
}

fn reference(place: &str, name: &str) -> Json {
    Json::object([("$ref", Json::Text(format!("#/{place}/{name}")))])
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, compile, rules};
    use super::*;

    /// Compares with a file under version control; on a difference, the text to put there is
    /// printed.
    #[test]
    fn the_small_catalogue_becomes_this_document() {
        let text = document(&compile(&rules::small(), Options::default()).unwrap().model).to_text();
        assert!(text == include_str!("snapshots/asyncapi.json"), "{text}");
    }

    #[test]
    fn a_family_without_events_has_no_channel() {
        let mut files = rules::small();
        files.push((
            "zoo/catalogue.toml".to_owned(),
            "format = 1\n[families.Zoo]\nentity = \"animal\"\ndoc = \"Animals.\"\n".to_owned(),
        ));
        let text = document(&compile(&files, Options::default()).unwrap().model).to_text();
        assert!(!text.contains("Zoo"), "{text}");
    }
}
