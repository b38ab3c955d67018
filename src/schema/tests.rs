//! What holds for the built-in catalogue: the counts, the schemas, the structs and the run-time
//! view agree.

use super::catalogue::built_in_files;
use super::compiler::emit;
use super::compiler::finding::Finding;
use super::compiler::model::{Event, Kind, Type};
use super::compiler::{Options, compile};
use super::events::{self, AVAILABLE_SUBSCRIPTIONS, EVENT_NAMES, JSON_SCHEMAS};
use super::{Catalogue, WireCase};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn built_in() -> Catalogue {
    Catalogue::built_in(None)
}

/// The examples of an event as the hub delivers them.
fn delivered(catalogue: &Catalogue, name: &str) -> Vec<Value> {
    let event = catalogue.event(catalogue.find(name).unwrap());
    assert!(!event.examples.is_empty(), "{name}");
    event.examples.iter().map(|example| serde_json::from_str(&example.delivered).unwrap()).collect()
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

#[test]
fn the_catalogue_is_the_references() {
    let catalogue = built_in();
    let model = catalogue.model();
    let of_family = |family| model.events.iter().filter(|event| event.family == family).count();
    assert_eq!(
        model.families.iter().map(|family| family.name.as_str()).collect::<Vec<_>>(),
        ["User", "Queue", "CallList"]
    );
    assert_eq!([of_family(0), of_family(1), of_family(2)], [24, 12, 5]);
    assert_eq!(model.types.len(), 4);
    let of_events: usize = model.events.iter().map(|event| event.properties.len()).sum();
    let of_types: usize = model.types.iter().map(|ty| ty.properties.len()).sum();
    assert_eq!((of_events, of_types), (413, 15));
    assert_eq!(catalogue.warnings(), []);
    let states = model.events.iter().filter(|event| event.kind == Kind::State).map(|event| event.name.as_str());
    let documented = [
        "UserAvailability",
        "UserCallbackChanged",
        "UserStatus",
        "QueueAttachedUsers",
        "QueueStatus",
        "CallbackChanged",
        "CallbackListStatus",
    ];
    assert_eq!(states.collect::<Vec<_>>(), documented);
    let keyed = model.events.iter().filter(|event| event.key.is_some()).map(|event| event.name.as_str());
    assert_eq!(keyed.collect::<Vec<_>>(), ["UserCallbackChanged", "CallbackChanged"]);
    let named = |event: &&Event, name: &str| event.properties.iter().any(|property| property.name == name);
    let of_legs = model.events.iter().filter(|event| named(event, "CallId") && named(event, "LegId"));
    assert!(of_legs.clone().count() == 24 && of_legs.clone().all(|event| event.call.is_some()));
    let longs: Vec<_> = model
        .events
        .iter()
        .flat_map(|event| &event.properties)
        .filter(|property| property.ty == Type::Long)
        .map(|property| property.name.as_str())
        .collect();
    assert_eq!(longs, ["MaxWaitTime"]);
}

#[test]
fn names_are_found_without_case_and_strangers_are_not() {
    let catalogue = built_in();
    for (id, event) in catalogue.events() {
        for spelling in [event.name.clone(), event.lower.clone(), event.name.to_ascii_uppercase()] {
            assert_eq!(catalogue.find(&spelling), Some(id), "{spelling}");
        }
    }
    for stranger in ["", "User", "UserStatuss", "userstatus ", "Käyttäjä", "\u{212a}", "userſtatus"] {
        assert_eq!(catalogue.find(stranger), None, "{stranger}");
    }
    // As the reference's own samples spell it.
    assert_eq!(catalogue.event(catalogue.find("UserCallIncoming").unwrap()).name, "UserCallInComing");
}

#[test]
fn the_generated_tables_say_what_the_catalogue_says() {
    let catalogue = built_in();
    assert!(EVENT_NAMES.is_sorted());
    assert_eq!(EVENT_NAMES.len(), catalogue.events().count());
    for (lower, id) in EVENT_NAMES {
        assert_eq!(catalogue.find(lower), Some(*id));
    }
    assert_eq!(catalogue.available_subscriptions().collect::<Vec<_>>(), AVAILABLE_SUBSCRIPTIONS);
    for (name, schema) in JSON_SCHEMAS {
        assert_eq!(catalogue.json_schema(catalogue.find(name).unwrap(), false), *schema);
    }
}

#[test]
fn the_nearest_name_is_offered() {
    let catalogue = built_in();
    assert_eq!(catalogue.nearest("UserAvailabilty"), Some("UserAvailability"));
    assert_eq!(catalogue.nearest("Zzz"), None);
}

#[test]
fn the_derived_event_is_found_from_its_source() {
    let catalogue = built_in();
    let (source, derived) =
        (catalogue.find("CallbackChanged").unwrap(), catalogue.find("UserCallbackChanged").unwrap());
    assert_eq!(catalogue.derived_from(source), [derived]);
    assert_eq!(catalogue.derived_from(derived), []);
    let rule = catalogue.event(derived).derive.as_ref().unwrap();
    assert_eq!((rule.from, rule.set.len()), (source, 1));
    assert_eq!(catalogue.family_of(source), "CallList");
    assert_eq!(catalogue.family_of(derived), "User");
}

#[test]
fn schemas_are_valid_and_admit_the_examples_in_each_wire_case_open_and_closed() {
    for wire_case in [WireCase::Camel, WireCase::Documented] {
        let catalogue = Catalogue::built_in(Some(wire_case));
        for (id, event) in catalogue.events() {
            for closed in [false, true] {
                let schema: Value = serde_json::from_str(&catalogue.json_schema(id, closed)).unwrap();
                assert!(jsonschema::meta::is_valid(&schema), "{}", event.name);
                let validator = validator(&schema);
                for example in delivered(&catalogue, &event.name) {
                    let errors: Vec<_> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
                    assert_eq!(errors, Vec::<String>::new(), "{}", event.name);
                }
            }
        }
    }
}

#[test]
fn schemas_name_each_property_in_the_configured_case_and_use_standard_keywords_only() {
    const KEYWORDS: [&str; 21] = [
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "additionalProperties",
        "anyOf",
        "const",
        "deprecated",
        "description",
        "enum",
        "examples",
        "format",
        "items",
        "maximum",
        "minimum",
        "not",
        "oneOf",
        "pattern",
        "properties",
        "required",
        "title",
    ];
    fn walk(schema: &Value) {
        for (keyword, value) in schema.as_object().unwrap() {
            assert!(keyword == "type" || KEYWORDS.contains(&keyword.as_str()), "{keyword}");
            match keyword.as_str() {
                "properties" | "$defs" => value.as_object().unwrap().values().for_each(walk),
                "anyOf" | "oneOf" => value.as_array().unwrap().iter().for_each(walk),
                "items" => walk(value),
                "format" => assert!(["uuid", "date-time", "int32", "int64"].contains(&value.as_str().unwrap())),
                _ => {}
            }
        }
    }
    let catalogue = built_in();
    for (id, event) in catalogue.events() {
        let schema: Value = serde_json::from_str(&catalogue.json_schema(id, true)).unwrap();
        walk(&schema);
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), event.properties.len());
        assert!(event.properties.iter().all(|property| properties.contains_key(&property.wire)));
        let given = event.properties.iter().filter(|property| !property.nullable).count();
        assert_eq!(schema["required"].as_array().unwrap().len(), given);
        let open: Value = serde_json::from_str(&catalogue.json_schema(id, false)).unwrap();
        assert_eq!(open["required"].as_array().unwrap().len(), event.properties.len());
    }
}

/// A struct takes and gives back each delivered example unchanged, takes it in documented spelling
/// too, and its own schema, which schemars makes of the Rust type, admits it.
fn holds_the_examples<E: DeserializeOwned + Serialize + JsonSchema>(name: &str) {
    let camel = built_in();
    let documented = Catalogue::built_in(Some(WireCase::Documented));
    let twin = validator(&schemars::schema_for!(E).to_value());
    for (wire, as_documented) in delivered(&camel, name).into_iter().zip(delivered(&documented, name)) {
        let read: E = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), wire, "{name}");
        let read: E = serde_json::from_value(as_documented).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), wire, "{name}");
        let errors: Vec<_> = twin.iter_errors(&wire).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

macro_rules! check_each {
    ($($event:ident),+) => {
        $(holds_the_examples::<events::$event>(events::$event::NAME);)+
    };
}

#[test]
fn each_struct_holds_its_events_examples() {
    events::with_each_event!(check_each);
}

#[test]
fn generated_output_is_the_same_each_time() {
    let files: Vec<(String, String)> = built_in_files().collect();
    let backwards: Vec<_> = files.iter().rev().cloned().collect();
    let emitted = |files: &[(String, String)]| emit::for_build(&compile(files, Options::default()).unwrap().model, &[]);
    assert_eq!(emitted(&files), emitted(&files));
    assert_eq!(emitted(&files), emitted(&backwards));
    assert!(files.is_sorted());
}

fn load(path: &str, text: &str) -> Result<Catalogue, Vec<String>> {
    let told = |findings: Vec<Finding>| findings.iter().map(ToString::to_string).collect();
    Catalogue::load(&[(path.to_owned(), text.to_owned())], None).map_err(told)
}

const LUNCH: &str = r#"
event   = "AcmeLunchStarted"
family  = "User"
summary = "Somebody went to lunch."
kind    = "occurrence"
entity  = "UserId"
since   = "1.0"

[properties]
UserId = { type = "Guid", doc = "Id of target user." }

[[examples]]
title = "Lunch"
json  = '{ "userId": "A1EEB030-ff4b-ea11-ac9c-00155d4fdcf3" }'
"#;

#[test]
fn a_further_event_is_the_forty_second() {
    let catalogue = load("/etc/rte/schema.d/AcmeLunchStarted.toml", LUNCH).unwrap();
    assert_eq!(catalogue.events().count(), 42);
    assert_eq!(catalogue.available_subscriptions().next(), Some("AcmeLunchStarted"));
    let id = catalogue.find("acmelunchstarted").unwrap();
    assert!(catalogue.json_schema(id, false).contains("\"userId\": \"a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3\""));
}

#[test]
fn a_built_in_event_cannot_be_redefined() {
    let text = LUNCH.replace("AcmeLunchStarted", "Userstatus");
    let told = load("x/Userstatus.toml", &text).unwrap_err();
    let expected = "x/Userstatus.toml:2:11: error[duplicate-name]: \"Userstatus\" is already defined at \
                    schema/user/UserStatus.toml:1 (names are compared without case); rename one";
    assert_eq!(told, [expected]);
}

/// Edits one built-in file and returns what is told.
fn told_after(path: &str, from: &str, to: &str) -> Vec<String> {
    let edit = |(name, text): (String, String)| {
        let edited = if name == path { text.replacen(from, to, 1) } else { text };
        (name, edited)
    };
    let files: Vec<(String, String)> = built_in_files().map(edit).collect();
    assert!(!files.iter().cloned().eq(built_in_files()), "{path} has no {from:?}");
    compile(&files, Options::default()).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn slips_in_the_built_in_files_are_told_as_documented() {
    let cases = [
        (
            "schema/queue/QueueStatus.toml",
            "NbrOfAgentsCheckedInQueue  = { type = \"int\"",
            "NbrOfAgentsCheckedInQueue  = { type = \"integer\"",
            "error[unknown-type]: unknown type \"integer\" for property \"NbrOfAgentsCheckedInQueue\"; did you mean \"int\"?",
        ),
        (
            "schema/calllist/CallbackChanged.toml",
            "List<CallbackAttempt>",
            "List<CallbackAttempts>",
            "error[unknown-type]: unknown type \"CallbackAttempts\" for property \"CallbackAttempts\"; \
             did you mean \"CallbackAttempt\"?",
        ),
        (
            "schema/user/UserAvailability.toml",
            "\"UserId\"",
            "\"UserID\"",
            "error[unknown-property]: entity names \"UserID\", which event \"UserAvailability\" does not have; \
             did you mean \"UserId\"?",
        ),
        (
            "schema/user/UserQueueAlert.toml",
            "{ from = \"publisher\" }",
            "\"UserId\"",
            "error[unknown-property]: entity names \"UserId\", which event \"UserQueueAlert\" does not have; \
             its Guid properties: QueueId",
        ),
        (
            "schema/calllist/CallbackRequestNotification.toml",
            "{ property = \"ListId\", or = \"publisher\" }",
            "\"ListId\"",
            "error[entity-nullable]: entity \"ListId\" may be null, and then nobody could receive the event; \
             write entity = { property = \"ListId\", or = \"publisher\" }",
        ),
        (
            "schema/user/UserCallInComing.toml",
            "\"User\"",
            "\"Users\"",
            "error[unknown-family]: no family \"Users\"; did you mean \"User\"?",
        ),
        (
            "schema/user/UserAvailability.toml",
            "\"OffWork\",\n",
            "\"Availble\",\n",
            "error[example-invalid]: example \"Off work with no end: DateTime.MaxValue\" of UserAvailability: \
             /availability: \"Availble\" is none of Available, Busy, DoNotDisturb, OffWork",
        ),
    ];
    for (path, from, to, expected) in cases {
        let told = told_after(path, from, to);
        assert!(told.len() == 1 && told[0].starts_with(path) && told[0].ends_with(expected), "{told:#?}");
        // The place is where the slip is.
        let mut place = told[0].split(':').skip(1).map_while(|number| number.parse::<usize>().ok());
        let (line, column) = (place.next().unwrap(), place.next().unwrap());
        let (_, text) = built_in_files().find(|(name, _)| *name == path).unwrap();
        let edited = text.replacen(from, to, 1);
        let slip: String = edited.lines().nth(line - 1).unwrap().chars().skip(column - 1).collect();
        let written = to.split_inclusive('=').next_back().unwrap().trim();
        assert!(slip.starts_with(written.trim_end_matches(",\n")) || slip.starts_with("\"List<"), "{slip}");
    }
}

#[test]
fn the_editors_schema_takes_what_the_compiler_takes() {
    let schema: Value = serde_json::from_str(include_str!("../../schema/.event.schema.json")).unwrap();
    let validator = jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&schema).unwrap();
    let errors = |text: &str| -> Vec<String> {
        let document = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
        validator.iter_errors(&document).map(|error| error.to_string()).collect()
    };
    for (path, text) in built_in_files() {
        assert_eq!(errors(&text), Vec::<String>::new(), "{path}");
    }
    let further = [
        "format = 1\n[families.Room]\nentity = \"room\"\ndoc = \"Rooms.\"\n",
        "format = 1\ntitle = \"Own\"\nversion = \"1.0.0\"\nid_base = \"https://a.example/schemas/v1/\"\n",
        "enum = \"Mood\"\nsummary = \"\"\nbase = \"int\"\nvalues = [1]\nallow = [\"no-doc\", \"unused-type\"]\n",
    ];
    for text in further {
        assert_eq!(errors(text), Vec::<String>::new(), "{text}");
    }
    for (from, to) in [("title = \"Own\"\n", ""), ("version = \"1.0.0\"\n", ""), ("format = 1\n", "")] {
        assert_ne!(errors(&further[1].replace(from, to)), Vec::<String>::new(), "{from}");
    }
}

#[test]
fn errors_of_items_repeat_no_more_of_a_name_than_everybody_else() {
    assert_eq!(super::validate::message::SHOWN_BYTES_MAX, crate::limits::ECHO_BYTES_MAX);
}
