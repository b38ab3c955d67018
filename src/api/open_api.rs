//! OpenAPI 3.1: the HTTP side of the hub, made from the table of routes.
//!
//! What travels over the WebSocket is AsyncAPI's matter, and what an event holds that of the JSON
//! Schemas. The pages are for people.

use super::routes::{At, Endpoint, Gate, Public, ROUTES, Route};
use crate::proto::http::head::Method;
use crate::schema::artefacts::Artefact;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// The path of the document below the root of a hub, or of an export.
pub(crate) const PATH: &str = "openapi.json";

/// Reads the document for a hub at that path. That of a process is made once, by whoever asks
/// first: a stranger may.
pub(crate) fn with<R>(hub: &str, read: impl FnOnce(&Artefact) -> R) -> R {
    static MADE: OnceLock<(String, Artefact)> = OnceLock::new();
    let (path, made) = MADE.get_or_init(|| (hub.to_owned(), document(hub)));
    if path == hub { read(made) } else { read(&document(hub)) }
}

/// The document, for a hub at that path.
pub(crate) fn document(hub: &str) -> Artefact {
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| route.is_offered(false)) {
        let (path, parameters) = match route.at {
            At::Hub(_) | At::Path(_) => (route.at.written(hub), parameters(route)),
            At::Folder(folder) => (format!("{folder}/{{document}}"), parameters(route)),
        };
        let mut item = Map::new();
        if !parameters.is_empty() {
            item.insert("parameters".to_owned(), parameters.into());
        }
        for method in route.methods {
            if let Some((_, name)) = Method::NAMED.into_iter().find(|(named, _)| named == method) {
                item.insert(name.to_ascii_lowercase(), operation(route, &path, name));
            }
        }
        if route.gate == Gate::Publisher {
            item.insert("options".to_owned(), validation());
        }
        paths.insert(path, item.into());
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "rte",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A SignalR hub that pushes the events of a telephony platform.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/", "description": "The hub that serves this document." }],
        "paths": paths,
        "components": { "schemas": schemas(), "securitySchemes": security_schemes() },
    });
    Artefact::new(PATH.to_owned(), "application/vnd.oai.openapi+json;version=3.1", format!("{document:#}\n"))
}

fn parameters(route: &Route) -> Vec<Value> {
    let query = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "description": about, "schema": schema });
    match route.gate {
        Gate::Open(Public::Schema) => vec![
            json!({
                "name": "document", "in": "path", "required": true, "schema": { "type": "string" },
                "description": "`QueueStatus.json`, or `bundle.json`, or `index.json`",
            }),
            query("closed", "1: refuse properties that the schema does not name", json!({ "enum": ["0", "1"] })),
        ],
        Gate::Publisher => vec![
            query("dry_run", "1: judge, and deliver nothing", json!({ "enum": ["0", "1", "false", "true"] })),
            query("validation", "for a dry run", json!({ "enum": ["strict", "lenient"] })),
        ],
        Gate::Either => {
            let about = "for a token with scope `publish` that has no organization: whose position";
            vec![query("organizationId", about, json!({ "type": "string", "format": "uuid" }))]
        }
        Gate::Admin => Vec::new(),
        Gate::Client(Endpoint::Negotiate) => {
            vec![query("negotiateVersion", "SignalR's", json!({ "type": "integer", "minimum": 0 }))]
        }
        Gate::Client(Endpoint::Hub | Endpoint::Refresh) => {
            vec![query("id", "the token that the negotiation gave", json!({ "type": "string" }))]
        }
        Gate::Open(
            Public::Health | Public::Ready | Public::Metrics | Public::Document(_) | Public::OpenApi | Public::Page(_),
        ) => Vec::new(),
    }
}

fn operation(route: &Route, path: &str, method: &str) -> Value {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let id = words.fold(method.to_ascii_lowercase(), |id, word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        format!("{id}{}{rest}", first.to_ascii_uppercase())
    });
    let mut operation = json!({ "operationId": id, "summary": route.what, "responses": responses(route, method) });
    let Some(members) = operation.as_object_mut() else { return operation };
    if route.gate == Gate::Publisher {
        members.insert("requestBody".to_owned(), publish_body());
        members.insert("parameters".to_owned(), attributes());
    }
    if route.gate == Gate::Admin && method == "POST" {
        let schema = json!({ "$ref": "#/components/schemas/Revocation" });
        let body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        members.insert("requestBody".to_owned(), body);
    }
    let security = match route.gate {
        Gate::Open(_) => None,
        Gate::Client(_) | Gate::Either => Some(json!([{ "header": [] }, { "query": [] }])),
        Gate::Publisher | Gate::Admin => Some(json!([{ "header": [] }])),
    };
    members.extend(security.map(|security| ("security".to_owned(), security)));
    operation
}

/// A header of a response.
fn header(about: &str) -> Value {
    json!({ "description": about, "schema": { "type": "string" } })
}

/// A response whose body is a sentence.
fn told(about: &str) -> Value {
    json!({ "description": about, "content": { "text/plain": { "schema": { "type": "string" } } } })
}

fn responses(route: &Route, method: &str) -> Value {
    match route.gate {
        Gate::Publisher => {
            let of_items = |about: &str| {
                let schema = json!({ "$ref": "#/components/schemas/PublishResult" });
                json!({
                    "description": about,
                    "headers": {
                        "Rte-Epoch": header("When continuity began."),
                        "Rte-Position": header("Behind all items, where they are one organization's."),
                    },
                    "content": { "application/json": { "schema": schema } },
                })
            };
            json!({
                "202": of_items("All items are taken."),
                "207": of_items("Some items are taken; the others are listed with their errors."),
                "422": of_items("No item is taken."),
                "400": told("The body or the query is wrong as a whole."),
                "401": told("There is no token, or no good one."),
                "403": told("The token has no scope `publish`."),
                "413": told("The body, as sent or inflated, an item of it or their number is over its limit."),
                "415": told("Another content type or coding."),
                "503": told("The hub ends: send it again, items with an `id` without fear of doubles."),
            })
        }
        Gate::Either => json!({
            "200": {
                "description": "What is published later stands behind it.",
                "headers": { "Rte-Epoch": header("When continuity began."), "Rte-Position": header("The same position.") },
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Present" } } },
            },
            "400": told("Nobody says whose position, or by no GUID."),
            "401": told("There is no good token."),
            "403": told("The token is of another organization, or may not name one."),
            "503": told("The hub ends."),
        }),
        Gate::Admin => {
            let closed = json!({
                "type": "object",
                "required": ["closed"],
                "properties": { "closed": { "type": "integer", "minimum": 0, "description": "Connections that end." } },
            });
            let list = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Revocation" } });
            let (about, schema) = match method {
                "POST" => ("These tokens are good no more, and their connections end.", closed),
                _ => ("What is revoked.", list),
            };
            json!({
                "200": { "description": about, "content": { "application/json": { "schema": schema } } },
                "400": told("The body is no revocation."),
                "401": told("There is no good token."),
                "403": told("The token has no scope `admin`, or is of another organization."),
                "413": told("The body is over its limit."),
                "503": told("There are too many revocations."),
            })
        }
        Gate::Client(endpoint) => {
            let done = match (endpoint, method) {
                (Endpoint::Negotiate, _) => json!({
                    "description": "A connection token and the transports.",
                    "content": { "application/json": { "schema": { "type": "object" } } },
                }),
                (Endpoint::Refresh, _) => json!({
                    "description": "The connection goes on with this token: `tokenLifetimeSeconds`, and `removed` and `changed` subscriptions.",
                    "content": { "application/json": { "schema": { "type": "object" } } },
                }),
                (Endpoint::Hub, "GET") => json!({
                    "description": "Events, where `Accept` says so, or what a poll has waited for.",
                    "content": {
                        "text/event-stream": { "schema": { "type": "string" } },
                        "application/octet-stream": { "schema": { "type": "string" } },
                    },
                }),
                (Endpoint::Hub, "DELETE") => json!({ "description": "A connection that polls is over." }),
                (Endpoint::Hub, _) => json!({ "description": "What a client without a WebSocket says is taken." }),
            };
            let code = if method == "DELETE" { "202" } else { "200" };
            let more = match (endpoint, method) {
                (Endpoint::Hub, "GET") => &[
                    ("101", "A WebSocket."),
                    ("204", "Another poll has come, or the connection is over."),
                    ("409", "The id has its connection."),
                ][..],
                (Endpoint::Hub, "POST") => &[("405", "The connection has a WebSocket.")],
                (Endpoint::Refresh, _) => &[("403", "The token is of another user.")],
                (Endpoint::Hub | Endpoint::Negotiate, _) => &[],
            };
            let refused = [
                ("400", "The request is no good one."),
                ("401", "There is no good token."),
                ("404", "The id is unknown."),
            ];
            let refused = refused.into_iter().map(|(code, about)| (code.to_owned(), told(about)));
            let more = more.iter().map(|(code, about)| ((*code).to_owned(), json!({ "description": about })));
            refused.chain(more).chain([(code.to_owned(), done)]).collect::<Map<_, _>>().into()
        }
        Gate::Open(public) => {
            let media_type = match public {
                Public::Document(_) | Public::Schema | Public::OpenApi | Public::Page(_) => "*/*",
                Public::Health | Public::Ready | Public::Metrics => "text/plain",
            };
            let content = json!({ media_type: { "schema": { "type": "string" } } });
            let mut responses = json!({ "200": { "description": "It is there.", "content": content } });
            let more = match public {
                Public::Ready => Some(("503", told("It takes no connections."))),
                Public::Schema => Some(("404", told("There is no such document; the nearest one is named."))),
                Public::Document(_) | Public::OpenApi | Public::Page(_) => {
                    Some(("304", json!({ "description": "It is what the `ETag` of the request names." })))
                }
                Public::Health | Public::Metrics => None,
            };
            if let (Some((code, response)), Some(responses)) = (more, responses.as_object_mut()) {
                responses.insert(code.to_owned(), response);
            }
            responses
        }
    }
}

fn publish_body() -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let one_or_many = |name: &str| json!({ "oneOf": [reference(name), { "type": "array", "minItems": 1, "items": reference(name) }] });
    json!({
        "required": true,
        "description": "UTF-8; plain, or with `Content-Encoding: gzip`.",
        "content": {
            "application/json": { "schema": one_or_many("PublishItem") },
            "application/x-ndjson": {
                "schema": { "type": "string", "description": "A PublishItem on each line." }
            },
            "application/cloudevents+json": { "schema": reference("CloudEvent") },
            "application/cloudevents-batch+json": {
                "schema": { "type": "array", "minItems": 1, "items": reference("CloudEvent") }
            },
        },
    })
}

/// The headers of a CloudEvent in binary mode.
fn attributes() -> Value {
    let names = ["specversion", "id", "source", "type", "subject", "organizationid"];
    let header = |name: &str| {
        let about = format!("CloudEvents in binary mode, where the body is the data: its attribute `{name}`.");
        json!({ "name": format!("ce-{name}"), "in": "header", "description": about, "schema": { "type": "string" } })
    };
    let coding = json!({
        "name": "Content-Encoding", "in": "header", "description": "How the body is packed.",
        "schema": { "enum": ["gzip", "identity"] },
    });
    names.into_iter().map(header).chain([coding]).collect::<Vec<_>>().into()
}

/// The validation of web hooks.
fn validation() -> Value {
    let header = |name: &str, required: bool| json!({ "name": name, "in": "header", "required": required, "schema": { "type": "string" } });
    let text = json!({ "schema": { "type": "string" } });
    json!({
        "operationId": "optionsPublish",
        "summary": "whether events may be delivered here, as CloudEvents' web hooks ask",
        "parameters": [header("WebHook-Request-Origin", true), header("WebHook-Request-Rate", false)],
        "responses": { "200": {
            "description": "They may, with a token.",
            "headers": { "WebHook-Allowed-Origin": text, "WebHook-Allowed-Rate": text },
        } },
    })
}

fn schemas() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let guid = |about: &str| json!({ "type": ["string", "null"], "format": "uuid", "description": about });
    let count = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
    let data = json!({
        "type": "object",
        "description": "The event's data; `/schemas/v1/{eventName}.json?closed=1` says what it holds.",
    });
    json!({
        "PublishItem": {
            "type": "object",
            "required": ["eventName", "data"],
            "properties": {
                "id": {
                    "type": ["string", "null"], "minLength": 1, "maxLength": 128,
                    "description": "The publisher's own, of at most 128 bytes: an item that comes again with it is not delivered twice.",
                },
                "eventName": text("The event's name, in any case."),
                "entityId": guid("What the event is about, where its data does not say so."),
                "organizationId": guid("Whose it is, where neither data nor token say so."),
                "data": data,
            },
            "additionalProperties": false,
        },
        "CloudEvent": {
            "type": "object",
            "required": ["specversion", "id", "source", "type"],
            "properties": {
                "specversion": { "const": "1.0" },
                "id": { "type": "string", "minLength": 1, "description": "With `source`: an event that comes again with both is not delivered twice." },
                "source": { "type": "string", "minLength": 1 },
                "type": text("The event's name, or a reverse-DNS name that ends in it, with or without a version."),
                "subject": text("What the event is about; must be a GUID where its data does not say so."),
                "organizationid": guid("Whose it is, where neither data nor token say so."),
                "datacontenttype": text("JSON."),
                "data": data,
                "data_base64": text("The data as base64 of JSON, in place of `data`."),
            },
        },
        "PublishResult": {
            "type": "object",
            "required": ["accepted", "rejected", "results"],
            "properties": {
                "accepted": count("Items taken, now or before."),
                "rejected": count("Items not taken."),
                "tolerated": count("Things that lenient mode let through; absent where there are none."),
                "members": count("Of a dry run: members that would have been reached."),
                "results": {
                    "type": "array",
                    "description": "Rejected items, then those that had been taken before.",
                    "items": { "oneOf": [
                        { "$ref": "#/components/schemas/Rejection" },
                        { "$ref": "#/components/schemas/Duplicate" },
                    ] },
                },
            },
        },
        "Duplicate": {
            "type": "object",
            "required": ["index", "duplicate"],
            "properties": {
                "index": count("The item's place in the request, from 0."),
                "duplicate": { "const": true, "description": "It had been taken before, by its id, and is not delivered again." },
            },
        },
        "Revocation": {
            "type": "object",
            "description": "Tokens, by one of `sub`, `jti` and `org`.",
            "required": ["until"],
            "oneOf": [{ "required": ["sub"] }, { "required": ["jti"] }, { "required": ["org"] }],
            "properties": {
                "sub": text("Those of this user."),
                "jti": text("The one with this id."),
                "org": { "type": "string", "format": "uuid", "description": "Those of this organization." },
                "issued_before": count("Of these, those whose `iat` is less, and those without; all, where it is absent."),
                "until": count("It is forgotten then, in seconds since the Unix epoch."),
            },
            "additionalProperties": false,
        },
        "Present": {
            "type": "object",
            "required": ["position"],
            "properties": { "position": text("An opaque token, for the `Since` of a Subscribe.") },
        },
        "Rejection": {
            "type": "object",
            "required": ["index", "errors"],
            "properties": {
                "index": count("The item's place in the request, from 0."),
                "errors": { "type": "array", "items": {
                    "type": "object",
                    "required": ["pointer", "rule", "message"],
                    "properties": {
                        "pointer": text("JSON pointer into the item."),
                        "rule": text("The rule's name."),
                        "message": text("What is wrong, and what would be right."),
                    },
                } },
            },
        },
    })
}

fn security_schemes() -> Value {
    json!({
        "header": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
        "query": { "type": "apiKey", "in": "query", "name": "access_token" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_and_method_is_there_with_an_id_of_its_own() {
        for hub in ["/rte", "/", "/hubs/events"] {
            let document: Value = serde_json::from_slice(&document(hub).bytes).unwrap();
            let mut ids = Vec::new();
            for route in ROUTES.iter().filter(|route| route.is_offered(false)) {
                let path = match route.at {
                    At::Folder(folder) => format!("{folder}/{{document}}"),
                    At::Hub(_) | At::Path(_) => route.at.written(hub),
                };
                for (method, name) in Method::NAMED {
                    let operation = &document["paths"][&path][name.to_ascii_lowercase()];
                    let is_there = operation.is_object();
                    assert!(is_there == route.serves(method) || method == Method::Options, "{name} {path}");
                    if is_there {
                        let asks = operation["security"].is_array();
                        let is_open = matches!(route.gate, Gate::Open(_)) || method == Method::Options;
                        assert_eq!(asks, !is_open, "{name} {path}");
                        ids.push(operation["operationId"].as_str().unwrap().to_owned());
                    }
                }
            }
            let count = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count);
        }
    }
}
