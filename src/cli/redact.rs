//! Events that may be shown to others: personal data is masked, as the catalogue marks it (`pii`).

use crate::schema::{Catalogue, Model, Property, Type};
use serde_json::Value;
use serde_json::value::RawValue;

/// Returns one line of JSON without whitespace between its parts, numbers and text as they came:
/// publishers' line breaks don't cut an event in two.
pub(crate) fn one_line(event: &RawValue) -> String {
    let (mut line, mut is_text, mut is_escaped) = (String::with_capacity(event.get().len()), false, false);
    for c in event.get().chars() {
        if is_text {
            (is_text, is_escaped) = (is_escaped || c != '"', !is_escaped && c == '\\');
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            is_text = c == '"';
        }
        line.push(c);
    }
    line
}

/// Returns the same with personal data masked: `"[phone]"` in the place of a number. Of an event or
/// property that the catalogue does not know, every text is masked.
pub(crate) fn redacted(event: &RawValue, catalogue: &Catalogue) -> String {
    let Ok(mut event) = serde_json::from_str::<Value>(event.get()) else { return "null".to_owned() };
    let name = event.pointer("/subscription/eventName").and_then(Value::as_str);
    let properties = name.and_then(|name| catalogue.find(name)).map(|id| catalogue.event(id).properties.as_slice());
    if let Some(data) = event.get_mut("data") {
        mask_object(data, properties.unwrap_or_default(), catalogue.model());
    }
    event.to_string()
}

fn mask_object(object: &mut Value, properties: &[Property], model: &Model) {
    let Value::Object(members) = object else { return mask_text(object) };
    for (name, value) in members {
        let is_named =
            |property: &&Property| property.wire.eq_ignore_ascii_case(name) || property.name.eq_ignore_ascii_case(name);
        match properties.iter().find(is_named) {
            Some(property) => mask_property(value, property, model),
            None => mask_text(value),
        }
    }
}

fn mask_property(value: &mut Value, property: &Property, model: &Model) {
    if let (Some(pii), false) = (&property.pii, value.is_null()) {
        *value = Value::String(format!("[{pii}]"));
        return;
    }
    match (&property.ty, value) {
        (Type::Object(index), value) => mask_object(value, properties_of(*index, model), model),
        (Type::List(element), Value::Array(list)) => {
            if let Type::Object(index) = **element {
                list.iter_mut().for_each(|value| mask_object(value, properties_of(index, model), model));
            }
        }
        (
            Type::Guid
            | Type::String
            | Type::Bool
            | Type::Short
            | Type::Int
            | Type::Long
            | Type::DateTime
            | Type::List(_)
            | Type::Set(_),
            _,
        ) => {}
    }
}

fn properties_of(index: usize, model: &Model) -> &[Property] {
    model.types.get(index).map_or(&[], |ty| ty.properties.as_slice())
}

/// Masks every text in a value that nothing is known of.
fn mask_text(value: &mut Value) {
    match value {
        Value::String(_) => *value = Value::String("[unknown]".to_owned()),
        Value::Array(list) => list.iter_mut().for_each(mask_text),
        Value::Object(members) => members.values_mut().for_each(mask_text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_line_loses_its_blanks_and_nothing_else() {
        let text = "{ \"a\" : [ 9007199254740993 ,\r\n\t1.50 ] , \"b c\\\" \\\\\" : \" d \\\\\" }";
        assert_eq!(one_line(&raw(text)), r#"{"a":[9007199254740993,1.50],"b c\" \\":" d \\"}"#);
    }

    #[test]
    fn personal_data_of_every_example_is_masked_and_the_rest_is_not() {
        let catalogue = Catalogue::built_in(None);
        let mut masked = 0;
        for (_, event) in catalogue.events() {
            for example in &event.examples {
                let data: Value = serde_json::from_str(&example.json).unwrap();
                let message = json!({ "subscription": { "eventName": event.lower }, "data": data }).to_string();
                let shown: Value = serde_json::from_str(&redacted(&raw(&message), &catalogue)).unwrap();
                for property in &event.properties {
                    let (before, after) = (&data[&property.wire], &shown["data"][&property.wire]);
                    match &property.pii {
                        Some(pii) if !before.is_null() => {
                            assert_eq!(*after, format!("[{pii}]"), "{}.{}", event.name, property.name);
                            masked += 1;
                        }
                        _ if matches!(property.ty, Type::List(_)) => assert!(after.is_array()),
                        _ => assert_eq!(after, before, "{}.{}", event.name, property.name),
                    }
                }
            }
        }
        assert!(masked > 100, "{masked}");
    }

    #[test]
    fn what_the_catalogue_does_not_know_is_masked_whole() {
        let catalogue = Catalogue::built_in(None);
        let message =
            raw(r#"{"subscription":{"eventName":"acmething"},"data":{"a":"+358","n":1,"l":["x",{"b":"y"}]}}"#);
        let shown: Value = serde_json::from_str(&redacted(&message, &catalogue)).unwrap();
        assert_eq!(shown["data"], json!({ "a": "[unknown]", "n": 1, "l": ["[unknown]", { "b": "[unknown]" }] }));
        let attempts = raw(
            r#"{"subscription":{"eventName":"callbackchanged"},"data":{"callbackAttempts":[{"id":"i","note":"call him"}]}}"#,
        );
        let shown: Value = serde_json::from_str(&redacted(&attempts, &catalogue)).unwrap();
        assert_eq!(shown["data"]["callbackAttempts"][0], json!({ "id": "i", "note": "[text]" }));
    }
}
