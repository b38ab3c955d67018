//! JSON Schema 2020-12: one self-contained document per event, all of them in one bundle, and the
//! components of AsyncAPI.
//!
//! Standard keywords only, so that validators in their strict modes take it; `format` is one of
//! uuid, date-time, int32 and int64.

use super::super::model::{EntityRule, Event, Model, ObjectType, Property, Scalar, Type, Value, ValueSet, Values};
use super::json::Json;
use std::collections::BTreeMap;

/// Whether an object may have properties that the schema does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Additional {
    /// For subscribers: one that validates must survive a property that is added later.
    Open,
    /// For publishers' own tests: what strict validation takes in wire spelling.
    Closed,
}

/// The folder in which the schemas are published, as their `$id`s have it: `schemas/v1/`.
pub fn folder(model: &Model) -> &str {
    model.id_base.rfind("schemas/v").and_then(|at| model.id_base.get(at..)).unwrap_or("schemas/v1/")
}

/// Where a document is, beside the reference: `schemas/v1/UserStatus.json`.
pub fn path(model: &Model, name: &str) -> String {
    format!("{}{name}.json", folder(model))
}

/// The schema of an event's data: a document of its own.
pub fn event(model: &Model, event: &Event, additional: Additional) -> Json {
    let writer = Writer { model, additional, within: Within::Document };
    let mut schema = vec![member("$schema", DIALECT.into()), member("$id", Json::Text(id(model, &event.name)))];
    schema.extend(writer.event(event));
    schema.extend(examples(event));
    let mut definitions = BTreeMap::new();
    writer.define(&event.properties, &mut definitions);
    if !definitions.is_empty() {
        let definitions = definitions.into_iter().map(|(name, schema)| (name.to_owned(), schema));
        schema.push(member("$defs", Json::Object(definitions.collect())));
    }
    Json::Object(schema)
}

/// The schemas of all events in one document, for validators and generators: the data of any event
/// validates against it, that of one against `#/$defs/` and the event's name. Everything is defined
/// once and there is one `$id`, for most generators follow no other.
pub fn bundle(model: &Model, additional: Additional) -> Json {
    let writer = Writer { model, additional, within: Within::Document };
    let mut helpers = BTreeMap::new();
    let mut definitions = Vec::new();
    let mut any = Vec::new();
    for event in &model.events {
        any.push(Json::Object(writer.reference(&event.name, false)));
        definitions.push((event.name.clone(), Json::Object(writer.event(event).chain(examples(event)).collect())));
        writer.define(&event.properties, &mut helpers);
    }
    definitions.extend(helpers.into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    Json::object([
        ("$schema", DIALECT.into()),
        ("$id", Json::Text(id(model, "bundle"))),
        ("title", model.title.as_str().into()),
        // A keyword of our own would stop validators in their strict modes.
        ("$comment", Json::Text(format!("{}, version {}", model.title, model.version))),
        ("anyOf", Json::Array(any)),
        ("$defs", Json::Object(definitions)),
    ])
}

/// The examples of an event as delivered, where it has any.
fn examples(event: &Event) -> Option<(String, Json)> {
    let examples: Vec<_> = event.examples.iter().map(|example| Json::Verbatim(example.delivered.clone())).collect();
    (!examples.is_empty()).then(|| member("examples", Json::Array(examples)))
}

/// The schemas of all events, helper types and value sets as components of an AsyncAPI document, by
/// name.
pub fn components(model: &Model) -> BTreeMap<String, Json> {
    let writer = Writer { model, additional: Additional::Open, within: Within::Components };
    let events = model.events.iter().map(|event| (event.name.clone(), Json::Object(writer.event(event).collect())));
    let types = model.types.iter().map(|ty| (ty.name.clone(), writer.object_type(ty)));
    let sets = model.sets.iter().map(|set| (set.name.clone(), writer.value_set(set)));
    events.chain(types).chain(sets).collect()
}

/// The `$id` of a document: what names it, wherever it is kept.
pub fn id(model: &Model, name: &str) -> String {
    format!("{}{name}.json", model.id_base)
}

/// The GUID that names no entity.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// No U+0000, in the words that the regular expressions of ECMAScript, Python, .NET, Go and Rust
/// share.
const NO_NUL: &str = r"^[^\x00]*$";

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What a schema is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// A document of its own.
    Document,
    /// The components of an AsyncAPI document. Its dialect is draft-07, where nothing beside `$ref`
    /// is read.
    Components,
}

#[derive(Clone, Copy)]
struct Writer<'m> {
    model: &'m Model,
    additional: Additional,
    within: Within,
}

impl<'m> Writer<'m> {
    /// The keywords of an event's data.
    fn event(self, event: &Event) -> impl Iterator<Item = (String, Json)> {
        let texts = [Some(event.summary.as_str()), event.description.as_deref(), event.note.as_deref()];
        let entity = match event.entity {
            EntityRule::Property(index) | EntityRule::PropertyOrPublisher(index) => Some(index),
            EntityRule::Publisher => None,
        };
        let title = member("title", event.name.as_str().into());
        let description = description(texts, event.deprecated.as_deref());
        std::iter::once(title).chain(description).chain(self.object(&event.name, &event.properties, entity))
    }

    /// Collects the schemas of everything that the properties refer to.
    fn define(self, properties: &[Property], found: &mut BTreeMap<&'m str, Json>) {
        for property in properties {
            let mut ty = &property.ty;
            while let Type::List(element) = ty {
                ty = element;
            }
            if let Type::Object(index) = ty
                && let Some(object) = self.model.types.get(*index)
                && !found.contains_key(object.name.as_str())
            {
                found.insert(&object.name, self.object_type(object));
                self.define(&object.properties, found);
            } else if let Type::Set(index) = ty
                && let Some(set) = self.model.sets.get(*index)
            {
                found.insert(&set.name, self.value_set(set));
            }
        }
    }

    fn object_type(self, ty: &ObjectType) -> Json {
        let mut schema = vec![member("title", ty.name.as_str().into())];
        schema.extend(description([Some(ty.summary.as_str()), None, ty.note.as_deref()], None));
        schema.extend(self.object(&ty.name, &ty.properties, None));
        Json::Object(schema)
    }

    fn value_set(self, set: &ValueSet) -> Json {
        let known = known_values(Some(&set.values));
        let mut schema = vec![member("title", set.name.as_str().into())];
        schema.extend(description([Some(set.summary.as_str()), None, known.as_deref()], None));
        schema.extend(self.typed(&set.base, false, Some(&set.values)));
        Json::Object(schema)
    }

    /// The keywords of an object with these properties, of which one may name the entity.
    fn object(self, owner: &str, properties: &[Property], entity: Option<usize>) -> Vec<(String, Json)> {
        let of_properties = properties.iter().enumerate().map(|(index, property)| {
            let schema = self.property(owner, property, entity == Some(index));
            (property.wire.clone(), schema)
        });
        // A subscriber finds every property that is not optional; a publisher need not say that one
        // is null.
        let may_lack = |property: &Property| self.additional == Additional::Closed && property.nullable;
        let required = properties.iter().filter(|property| !property.optional && !may_lack(property));
        let mut schema = vec![
            member("type", "object".into()),
            member("properties", Json::Object(of_properties.collect())),
            member("required", Json::Array(required.map(|property| property.wire.as_str().into()).collect())),
        ];
        if self.additional == Additional::Closed {
            schema.push(member("additionalProperties", Json::Bool(false)));
        }
        schema
    }

    fn property(self, owner: &str, property: &Property, names_entity: bool) -> Json {
        let known = known_values(property.values.as_ref());
        let texts = [Some(property.doc.as_str()), property.note.as_deref(), known.as_deref()];
        let description: Vec<_> = description(texts, property.deprecated.as_deref()).collect();
        let mut typed = self.typed(&property.ty, property.nullable, property.values.as_ref());
        if names_entity {
            typed.push(member("not", Json::object([("const", NOBODY.into())])));
        }
        let refers = typed.iter().any(|(keyword, _)| keyword == "$ref");
        if self.within == Within::Components && refers && !description.is_empty() {
            typed = vec![member("allOf", Json::Array(vec![Json::Object(typed)]))];
        }
        // Generators of AsyncAPI make a type of each closed set, and have no other name for it.
        let is_closed = property.values.as_ref().is_some_and(|values| !values.open);
        let title = (is_closed && self.within == Within::Components)
            .then(|| member("title", Json::Text(format!("{owner}{}", property.name))));
        Json::Object(title.into_iter().chain(description).chain(typed).collect())
    }

    /// The keywords of a type.
    fn typed(self, ty: &Type, nullable: bool, values: Option<&Values>) -> Vec<(String, Json)> {
        let bounded =
            |low: i64, high: i64| vec![member("minimum", Json::Integer(low)), member("maximum", Json::Integer(high))];
        let (name, mut rest) = match ty {
            Type::Guid => ("string", vec![member("format", "uuid".into())]),
            Type::DateTime => ("string", vec![member("format", "date-time".into())]),
            Type::String if values.is_some_and(|values| !values.open) => ("string", Vec::new()),
            Type::String => ("string", vec![member("pattern", NO_NUL.into())]),
            Type::Bool => ("boolean", Vec::new()),
            Type::Short => ("integer", bounded(i16::MIN.into(), i16::MAX.into())),
            Type::Int => (
                "integer",
                [vec![member("format", "int32".into())], bounded(i32::MIN.into(), i32::MAX.into())].concat(),
            ),
            Type::Long => ("integer", [vec![member("format", "int64".into())], bounded(i64::MIN, i64::MAX)].concat()),
            Type::List(element) => ("array", vec![member("items", Json::Object(self.typed(element, false, None)))]),
            Type::Object(index) => {
                return self.reference(self.model.types.get(*index).map_or("", |ty| &ty.name), nullable);
            }
            Type::Set(index) => {
                return self.reference(self.model.sets.get(*index).map_or("", |set| &set.name), nullable);
            }
        };
        if let Some(values) = values {
            rest.push(admitted(values, nullable));
        }
        let name = if nullable { Json::Array(vec![name.into(), "null".into()]) } else { name.into() };
        std::iter::once(member("type", name)).chain(rest).collect()
    }

    fn reference(self, name: &str, nullable: bool) -> Vec<(String, Json)> {
        let definitions = match self.within {
            Within::Document => "#/$defs",
            Within::Components => "#/components/schemas",
        };
        let reference = member("$ref", Json::Text(format!("{definitions}/{name}")));
        if nullable {
            let null = Json::object([("type", "null".into())]);
            return vec![member("anyOf", Json::Array(vec![Json::Object(vec![reference]), null]))];
        }
        vec![reference]
    }
}

/// The keyword that admits the values: `examples` where others may come, else `enum`, or `oneOf`
/// where values have names or texts.
fn admitted(values: &Values, nullable: bool) -> (String, Json) {
    let null = nullable.then_some(Json::Null);
    if values.open {
        return member("examples", Json::Array(values.list.iter().map(constant).collect()));
    }
    if values.list.iter().all(|value| value.name.is_none() && value.doc.is_none()) {
        return member("enum", Json::Array(values.list.iter().map(constant).chain(null).collect()));
    }
    let alternatives = values.list.iter().map(|value| {
        let title = value.name.as_deref().map(|name| member("title", name.into()));
        let text = value.doc.as_deref().map(|doc| member("description", doc.into()));
        Json::Object(std::iter::once(member("const", constant(value))).chain(title).chain(text).collect())
    });
    let null = null.map(|null| Json::object([("const", null)]));
    member("oneOf", Json::Array(alternatives.chain(null).collect()))
}

fn constant(value: &Value) -> Json {
    match &value.scalar {
        Scalar::Integer(integer) => Json::Integer(*integer),
        Scalar::Text(text) => text.as_str().into(),
    }
}

/// What an open set knows, as a sentence: `examples` alone would not say that others may come.
fn known_values(values: Option<&Values>) -> Option<String> {
    let values = values.filter(|values| values.open)?;
    let known = values.list.iter().map(|value| {
        let scalar = match &value.scalar {
            Scalar::Integer(integer) => integer.to_string(),
            Scalar::Text(text) => text.clone(),
        };
        let meaning: Vec<_> = [value.name.as_deref(), value.doc.as_deref()].into_iter().flatten().collect();
        if meaning.is_empty() { scalar } else { format!("{scalar} ({})", meaning.join(": ")) }
    });
    Some(format!("Known values; others may come: {}.", known.collect::<Vec<_>>().join(", ")))
}

/// `description` and `deprecated`, where there is anything to say.
fn description<const N: usize>(
    texts: [Option<&str>; N],
    deprecated: Option<&str>,
) -> impl Iterator<Item = (String, Json)> {
    let instead = deprecated.map(|instead| format!("Deprecated: {instead}."));
    let texts = texts.into_iter().chain([instead.as_deref()]).flatten().filter(|text| !text.is_empty());
    let text = texts.collect::<Vec<_>>().join("\n\n");
    let text = (!text.is_empty()).then(|| member("description", Json::Text(text)));
    text.into_iter().chain(deprecated.map(|_| member("deprecated", Json::Bool(true))))
}

fn member(name: &str, value: Json) -> (String, Json) {
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::super::super::model::WireCase;
    use super::super::super::{Options, compile, rules};
    use super::*;

    fn schema(wire_case: WireCase, additional: Additional) -> String {
        let model =
            compile(&rules::small(), Options { wire_case: Some(wire_case), ..Options::default() }).unwrap().model;
        let status = model.events.iter().find(|event| event.name == "UserStatus").unwrap();
        event(&model, status, additional).to_text()
    }

    /// Compares with a file under version control; on a difference, the text to put there is
    /// printed.
    #[test]
    fn the_small_catalogue_has_this_schema() {
        let text = schema(WireCase::Camel, Additional::Open);
        assert!(text == include_str!("snapshots/UserStatus.json"), "{text}");
    }

    /// Compares with a file under version control; on a difference, the text to put there is
    /// printed.
    #[test]
    fn the_small_catalogue_has_this_bundle() {
        let text = bundle(&compile(&rules::small(), Options::default()).unwrap().model, Additional::Open).to_text();
        assert!(text == include_str!("snapshots/bundle.json"), "{text}");
    }

    #[test]
    fn closed_schemas_refuse_what_they_do_not_name_at_every_level() {
        let text = schema(WireCase::Camel, Additional::Closed);
        assert_eq!(text.matches("\"additionalProperties\": false").count(), 2, "{text}");
    }

    #[test]
    fn the_wire_case_is_that_of_properties_and_examples() {
        let text = schema(WireCase::Documented, Additional::Open);
        assert!(text.contains("\"EndTime\": {") && text.contains("\"EndTime\": \"2024-05-31T"), "{text}");
        assert!(!text.contains("endTime"), "{text}");
    }
}
