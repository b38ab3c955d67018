//! The published schemas and the validator agree: values made from a schema alone are accepted, and
//! what becomes of them is what the schemas say. [`super`] has the other way round, from what is
//! accepted to the schemas.

use super::super::*;
use crate::clock::UnixMs;
use crate::schema::Catalogue;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::sync::LazyLock;

const BOUNDS: Bounds = Bounds { depth_max: 64, errors_max: 50, suggestions_max: 8 };

/// What a publisher and a subscriber have of an event.
struct Offered {
    id: EventId,
    closed: Json,
    closed_validator: jsonschema::Validator,
    open_validator: jsonschema::Validator,
}

static PUBLISHED: LazyLock<(Catalogue, Vec<Offered>)> = LazyLock::new(|| {
    let catalogue = Catalogue::built_in(None);
    let schema = |id, closed| -> Json { serde_json::from_str(&catalogue.json_schema(id, closed)).unwrap() };
    let validator = |schema: &Json| jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let published = catalogue.events().map(|(id, _)| {
        let closed = schema(id, true);
        let (closed_validator, open_validator) = (validator(&closed), validator(&schema(id, false)));
        Offered { id, closed, closed_validator, open_validator }
    });
    let published = published.collect();
    (catalogue, published)
});

/// RFC 3339's `date-time` to the ends of its grammar.
fn date_times() -> BoxedStrategy<String> {
    let year = prop_oneof![4 => 1900u32..2100, 1 => Just(1), 1 => Just(9999), 1 => 1u32..9999];
    let day = (year, 1u32..=12, 1u32..=28, prop::sample::select(vec!["T", "t"]));
    let time = (0u32..24, 0u32..60, 0u32..60, prop_oneof![Just(String::new()), "\\.[0-9]{1,20}", "\\.9{1,9}"]);
    let zone = prop_oneof![Just("Z".to_owned()), Just("z".to_owned()), "[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]"];
    let any = (day, time, zone).prop_map(|((y, m, d, t), (hour, minute, second, fraction), zone)| {
        format!("{y:04}-{m:02}-{d:02}{t}{hour:02}:{minute:02}:{second:02}{fraction}{zone}")
    });
    let edges = [
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59.999999999Z",
        "9999-12-31T23:59:59.9999999-05:00",
        "0001-01-01T00:00:00+14:00",
        "2016-12-31T23:59:60Z",
        "2024-02-29T12:00:00.123456789+23:59",
    ];
    prop_oneof![6 => any, 1 => prop::sample::select(edges.to_vec()).prop_map(str::to_owned)].boxed()
}

/// A text as JSON, some of it escaped.
fn texts() -> BoxedStrategy<String> {
    let text = any::<String>().prop_map(|text| text.replace('\0', " "));
    (text, any::<bool>())
        .prop_map(|(text, escaped)| {
            if !escaped {
                return Json::from(text).to_string();
            }
            let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            format!("\"{units}\"")
        })
        .boxed()
}

/// An integer in all the ways that JSON has for its value.
fn integers(low: i64, high: i64) -> BoxedStrategy<String> {
    let value = prop_oneof![4 => low..=high, 2 => low.max(-200)..=high.min(200), 1 => Just(low), 1 => Just(high)];
    (value, 0u8..5)
        .prop_map(|(value, form)| match form {
            // A JSON parser of the schemas' side has 53 bits for what looks like no integer.
            0 if value.unsigned_abs() < 1 << 50 => format!("{value}.0"),
            1 if value != 0 && value.unsigned_abs() < 1 << 50 => format!("{value}00E-2"),
            2 if value % 10 == 0 && value.unsigned_abs() < 1 << 50 => format!("{}e+1", value / 10),
            3 if value == 0 => "-0".to_owned(),
            _ => value.to_string(),
        })
        .boxed()
}

/// JSON texts that a schema admits, made from nothing but the schema.
fn values(schema: &Json, root: &Json) -> BoxedStrategy<String> {
    let member = |name: &str| schema.get(name);
    if let Some(Json::String(reference)) = member("$ref") {
        return values(root.pointer(&reference[1..]).unwrap(), root);
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(Json::Array(of)) = member(choice) {
            return prop::strategy::Union::new(of.iter().map(|schema| values(schema, root))).boxed();
        }
    }
    if let Some(only) = member("const") {
        return Just(only.to_string()).boxed();
    }
    if let Some(Json::Array(of)) = member("enum") {
        return prop::sample::select(of.iter().map(Json::to_string).collect::<Vec<_>>()).boxed();
    }
    let declared = &schema["type"];
    let several = declared.as_array().map(|several| several.iter().filter_map(Json::as_str).collect());
    let types: Vec<&str> = several.unwrap_or_else(|| vec![declared.as_str().unwrap()]);
    let of_type = types.iter().map(|name| match *name {
        "null" => Just("null".to_owned()).boxed(),
        "boolean" => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        "integer" => integers(schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64().unwrap()),
        "string" => match schema.get("format").and_then(Json::as_str) {
            Some("uuid") => {
                let guid = prop_oneof![
                    4 => "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9A-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
                    1 => Just("00000000-0000-0000-0000-000000000000".to_owned()),
                ];
                guid.prop_map(|guid| format!("\"{guid}\"")).boxed()
            }
            Some("date-time") => date_times().prop_map(|text| format!("\"{text}\"")).boxed(),
            _ => texts(),
        },
        "array" => {
            let items = prop::collection::vec(values(&schema["items"], root), 0..3);
            items.prop_map(|items| format!("[{}]", items.join(","))).boxed()
        }
        "object" => {
            let required: Vec<&str> = schema["required"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
            let members = schema["properties"].as_object().unwrap().iter().map(|(name, property)| {
                let (name, must_be) = (name.clone(), required.contains(&name.as_str()));
                let member = (values(property, root), any::<bool>());
                member.prop_map(move |(value, is_there)| (must_be || is_there).then(|| format!("\"{name}\":{value}")))
            });
            let members = members.collect::<Vec<_>>().prop_shuffle();
            members
                .prop_map(|members| format!("{{{}}}", members.into_iter().flatten().collect::<Vec<_>>().join(",")))
                .boxed()
        }
        other => panic!("{other}"),
    });
    prop::strategy::Union::new(of_type).boxed()
}

fn an_event() -> impl Strategy<Value = (usize, String)> {
    (0..PUBLISHED.1.len()).prop_flat_map(|event| {
        let closed = &PUBLISHED.1[event].closed;
        (Just(event), values(closed, closed))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_closed_schema_admits_is_accepted_and_delivered_as_the_open_one_says((event, text) in an_event()) {
        let (catalogue, published) = &*PUBLISHED;
        let Offered { id, closed_validator, open_validator, .. } = &published[event];
        let value: Json = serde_json::from_str(&text).unwrap();
        // The all-zero GUID is one that the schema itself may refuse.
        prop_assume!(closed_validator.is_valid(&value));
        for mode in [Mode::Strict, Mode::Lenient] {
            let mut out = Vec::new();
            let accepted = validate(catalogue.model(), *id, &text, mode, BOUNDS, &mut out);
            let accepted = accepted.map_err(|violations| TestCaseError::fail(format!("{text}: {violations:?}")))?;
            let delivered = if accepted.rewritten { String::from_utf8(out).unwrap() } else { text.clone() };
            prop_assert!(open_validator.is_valid(&serde_json::from_str(&delivered).unwrap()), "{}", delivered);
            prop_assert_eq!(accepted.tolerated, 0);
            // The walk and a look at what is delivered know the same end.
            let ends = catalogue.expires(*id, &delivered).map(UnixMs::ms);
            prop_assert_eq!(accepted.expires_unix_ms, ends, "{}", delivered);
        }
    }
}

#[test]
fn most_of_what_is_made_is_admitted() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let admitted = (0..500).filter(|_| {
        let (event, text) = an_event().new_tree(&mut runner).unwrap().current();
        PUBLISHED.1[event].closed_validator.is_valid(&serde_json::from_str(&text).unwrap())
    });
    let admitted = admitted.count();
    assert!(admitted > 300, "{admitted} of 500");
}

#[test]
fn the_all_zero_guid_names_no_entity_in_the_schema_either() {
    let (catalogue, published) = &*PUBLISHED;
    for ((_, event), published) in catalogue.events().zip(published) {
        let mut example: Json = serde_json::from_str(&event.examples[0].delivered).unwrap();
        for property in &event.properties {
            let Some(value) = example.get_mut(&property.wire) else { continue };
            let before = value.clone();
            *value = "00000000-0000-0000-0000-000000000000".into();
            let mut out = Vec::new();
            let text = example.to_string();
            let is_taken = validate(catalogue.model(), published.id, &text, Mode::Strict, BOUNDS, &mut out).is_ok();
            assert_eq!(published.closed_validator.is_valid(&example), is_taken, "{text}");
            example[&property.wire] = before;
        }
    }
}
