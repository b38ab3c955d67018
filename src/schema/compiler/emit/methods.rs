//! The hub's methods, as AsyncAPI describes them: what clients call, and what they are answered.
//!
//! The names and forms are the hub's own and stand in its routes of invocations; a test calls each
//! of them on a running hub.

use super::super::model::Model;
use super::identifier;
use super::json::Json;

/// A method: its name, what it does, its one argument, and its result.
struct Method {
    name: &'static str,
    summary: &'static str,
    argument: Option<Json>,
    result: Json,
}

/// What the methods have in common.
const ITEM: &str = "SubscribeItem";
const VERDICT: &str = "SubscribeVerdict";
const ENTRY: &str = "CatalogueEntry";
const REFRESHED: &str = "RefreshedToken";
const PAIR: &str = "SubscribedPair";

/// A name in the document that no event, type or value set of the catalogue has.
fn own(model: &Model, name: &str) -> String {
    let events = model.events.iter().map(|event| &event.name);
    let types = model.types.iter().map(|ty| &ty.name);
    let sets = model.sets.iter().map(|set| &set.name);
    let taken: Vec<&String> = events.chain(types).chain(sets).collect();
    identifier::apart(name, |name| taken.iter().any(|taken| taken.eq_ignore_ascii_case(name)))
}

/// The names of the methods.
const NAMES: [&str; 7] = [
    "Subscribe",
    "Unsubscribe",
    "UnsubscribeAll",
    "AvailableSubscriptions",
    "GetActiveSubscriptions",
    "Catalogue",
    "RefreshToken",
];

/// Whether a channel or a message of that name is a method's.
pub fn is_taken(name: &str) -> bool {
    NAMES.iter().any(|own| name.strip_suffix("Result").unwrap_or(name) == *own)
}

fn methods(model: &Model) -> [Method; 7] {
    let list = |name: &str| {
        let items = reference("components/schemas", &own(model, name));
        Json::object([("type", "array".into()), ("items", items)])
    };
    let names = || Json::object([("type", "array".into()), ("items", Json::object([("type", "string".into())]))]);
    [
        Method {
            name: "Subscribe",
            summary: "Asks for events of entities; one verdict per item, in order.",
            argument: Some(list(ITEM)),
            result: list(VERDICT),
        },
        Method {
            name: "Unsubscribe",
            summary: "Gives subscriptions up; one verdict per item, in order.",
            argument: Some(list(ITEM)),
            result: list(VERDICT),
        },
        Method {
            name: "UnsubscribeAll",
            summary: "Gives all subscriptions up.",
            argument: None,
            result: Json::object([("type", "boolean".into()), ("const", Json::Bool(true))]),
        },
        Method {
            name: "AvailableSubscriptions",
            summary: "The names of all events, as documented.",
            argument: None,
            result: names(),
        },
        Method {
            name: "GetActiveSubscriptions",
            summary: "The verdicts of what is subscribed.",
            argument: None,
            result: list(VERDICT),
        },
        Method {
            name: "Catalogue",
            summary: "What each event is, and whether this token may have it.",
            argument: None,
            result: list(ENTRY),
        },
        Method {
            name: "RefreshToken",
            summary: "Goes on with a fresh token of the same user: what is subscribed is judged again.",
            argument: Some(Json::object([("type", "string".into())])),
            result: reference("components/schemas", &own(model, REFRESHED)),
        },
    ]
}

/// The methods: the name of each, and what it does.
pub fn summaries(model: &Model) -> impl Iterator<Item = (&'static str, &'static str)> {
    methods(model).into_iter().map(|Method { name, summary, .. }| (name, summary))
}

/// A channel per method: its invocation and its result.
pub fn channels(model: &Model) -> impl Iterator<Item = (String, Json)> {
    methods(model).into_iter().map(|Method { name, summary, .. }| {
        let result = format!("{name}Result");
        let channel = Json::object([
            ("address", name.into()),
            ("title", name.into()),
            ("description", summary.into()),
            (
                "messages",
                Json::Object(vec![
                    (name.to_owned(), reference("components/messages", name)),
                    (result.clone(), reference("components/messages", &result)),
                ]),
            ),
        ]);
        (name.to_owned(), channel)
    })
}

/// An operation per method: the hub receives the invocation and answers with the result.
pub fn operations(model: &Model) -> impl Iterator<Item = (String, Json)> {
    methods(model).into_iter().map(|Method { name, summary, .. }| {
        let message = |name: &str, of: &str| reference(&format!("channels/{of}/messages"), name);
        let operation = Json::object([
            ("action", "receive".into()),
            ("title", name.into()),
            ("summary", summary.into()),
            ("channel", reference("channels", name)),
            ("messages", Json::Array(vec![message(name, name)])),
            (
                "reply",
                Json::object([
                    ("channel", reference("channels", name)),
                    ("messages", Json::Array(vec![message(&format!("{name}Result"), name)])),
                ]),
            ),
        ]);
        (format!("invoke{name}"), operation)
    })
}

/// The messages: the argument of an invocation, and the result of its completion.
pub fn messages(model: &Model) -> impl Iterator<Item = (String, Json)> {
    methods(model).into_iter().flat_map(|Method { name, summary, argument, result }| {
        let message = |name: &str, summary: &str, payload: Json| {
            let message = Json::object([
                ("name", name.into()),
                ("title", name.into()),
                ("summary", summary.into()),
                ("payload", payload),
            ]);
            (name.to_owned(), message)
        };
        let argument = argument.unwrap_or_else(|| {
            // SignalR passes a list of arguments, and here it is empty.
            Json::object([("type", "null".into()), ("description", "No argument.".into())])
        });
        let argument = with(argument, "title", &format!("{name}Argument"));
        let of_result = format!("{name}Result");
        let result = with(result, "title", &of_result);
        [message(name, summary, argument), message(&of_result, &format!("The result of {name}."), result)]
    })
}

/// The schemas that the messages refer to.
pub fn schemas(model: &Model) -> [(String, Json); 5] {
    let text = || Json::object([("type", "string".into())]);
    let nullable = || Json::object([("type", Json::Array(vec!["string".into(), "null".into()]))]);
    let guid = |about: &str| {
        Json::object([("type", "string".into()), ("format", "uuid".into()), ("description", about.into())])
    };
    let flag = |about: &str| Json::object([("type", "boolean".into()), ("description", about.into())]);
    let count = || Json::object([("type", "integer".into())]);
    let about = |schema: Json, about: &str| with(schema, "description", about);
    let entities = Json::object([
        ("type", Json::Array(vec!["array".into(), "null".into()])),
        ("items", guid("An entity.")),
        ("description", "The only entities for which it is allowed, where that is not all.".into()),
    ]);
    let item = object(
        ITEM,
        [
            ("EntityId", guid("The user, queue or call list.")),
            ("EventName", about(text(), "The event, in any case.")),
            ("Snapshot", flag("Whether what holds is wanted at once; where absent the operator decides.")),
        ],
        &["EntityId", "EventName"],
    );
    let verdict = object(
        VERDICT,
        [
            ("subscribed", flag("Whether the item is a subscription now.")),
            ("message", about(nullable(), "Why it is not; null where it is.")),
            ("entityId", about(nullable(), "What the item named, in lower case.")),
            ("eventName", about(nullable(), "What the item named, in lower case.")),
            ("snapshot", about(count(), "How many messages of what holds follow, where the item asked.")),
            ("partial", flag("Whether there may be more that the hub does not know; absent where not.")),
        ],
        &["subscribed", "message", "entityId", "eventName"],
    );
    let kinds = Json::Array(vec!["state".into(), "occurrence".into()]);
    let kind = Json::object([("title", "CatalogueEntryKind".into()), ("type", "string".into()), ("enum", kinds)]);
    let entry = object(
        ENTRY,
        [
            ("eventName", about(text(), "As documented.")),
            ("family", text()),
            ("kind", kind),
            ("entityProperty", about(nullable(), "What names the entity; null where the publisher does.")),
            ("schema", about(text(), "The path of its JSON Schema.")),
            ("allowed", flag("Whether this token may have it.")),
            ("reason", text()),
            ("entities", entities),
        ],
        &["eventName", "family", "kind", "entityProperty", "schema", "allowed", "reason", "entities"],
    );
    let pair = object(
        PAIR,
        [
            ("entityId", about(text(), "The entity in lower case, or *.")),
            ("eventName", about(text(), "The event in lower case.")),
        ],
        &["entityId", "eventName"],
    );
    let pairs = |what: &str| {
        let items = reference("components/schemas", &own(model, PAIR));
        Json::object([("type", "array".into()), ("items", items), ("description", what.into())])
    };
    let refreshed = object(
        REFRESHED,
        [
            ("tokenLifetimeSeconds", about(count(), "Until the token expires.")),
            ("removed", pairs("What is granted no more, and is no subscription any more.")),
            ("changed", pairs("Subscriptions of * that have other entities than before.")),
        ],
        &["tokenLifetimeSeconds", "removed", "changed"],
    );
    [
        (own(model, ITEM), item),
        (own(model, VERDICT), verdict),
        (own(model, ENTRY), entry),
        (own(model, PAIR), pair),
        (own(model, REFRESHED), refreshed),
    ]
}

/// A schema with one keyword more.
fn with(schema: Json, keyword: &str, text: &str) -> Json {
    let Json::Object(mut members) = schema else { return schema };
    members.insert(0, (keyword.to_owned(), text.into()));
    Json::Object(members)
}

fn object<const N: usize>(title: &str, properties: [(&str, Json); N], required: &[&str]) -> Json {
    Json::object([
        ("title", title.into()),
        ("type", "object".into()),
        ("properties", Json::object(properties)),
        ("required", Json::Array(required.iter().map(|name| (*name).into()).collect())),
    ])
}

fn reference(place: &str, name: &str) -> Json {
    Json::object([("$ref", Json::Text(format!("#/{place}/{name}")))])
}
