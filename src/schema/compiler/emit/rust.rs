//! Rust: a struct for each event and helper object, a newtype for each value set, and the tables
//! that the program embeds.
//!
//! The text is included in a module of the crate `rte`. Names are spelled from the root throughout,
//! so that an event may be called `Option`.

use super::super::model::{EventId, Model, ObjectType, Property, Scalar, Type, Value, ValueSet, Values};
use super::lines::Lines;
use super::{identifier, prose};

const INDENT: &str = "    ";

const DERIVES: &str =
    "#[derive(Clone, Debug, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]";

/// The structs and newtypes.
pub fn structs(model: &Model) -> String {
    let mut out = Lines::new(INDENT);
    out.line("// Generated from the files under schema/, which are the place to edit.");
    for event in &model.events {
        let texts = [Some(event.summary.as_str()), event.description.as_deref(), event.note.as_deref()];
        object(&mut out, model, &event.name, &event.properties, &texts, event.deprecated.as_deref());
        out.line("");
        out.open(&format!("impl {} {{", identifier::rust(&event.name)));
        out.line("/// The event's name, as documented.");
        out.line(&format!("pub const NAME: &'static str = {:?};", event.name));
        out.close("");
        own_sets(&mut out, &event.name, &event.properties);
    }
    for ObjectType { name, summary, note, properties, place: _ } in &model.types {
        object(&mut out, model, name, properties, &[Some(summary.as_str()), note.as_deref()], None);
        own_sets(&mut out, name, properties);
    }
    for ValueSet { name, summary, base, values, place: _ } in &model.sets {
        newtype(&mut out, name, &[Some(summary.as_str())], base, values);
    }
    out.into_text()
}

/// The tables: names, AvailableSubscriptions and JSON Schemas (those are beside the text as
/// `NAME.json`).
pub fn tables(model: &Model) -> String {
    let mut out = Lines::new(INDENT);
    let mut names: Vec<_> = model.events.iter().zip((0..=u16::MAX).map(EventId)).collect();
    names.sort_by_key(|(event, _)| event.lower.as_str());
    let names =
        names.iter().map(|(event, EventId(number))| format!("({:?}, crate::schema::EventId({number}))", event.lower));
    let doc = "The events' names in lower case, sorted, each with its number in the built-in catalogue.";
    table(&mut out, "EVENT_NAMES", doc, "(&str, crate::schema::EventId)", names);
    let doc = "The events' names as documented, in the order of AvailableSubscriptions.";
    let documented = model.events.iter().map(|event| format!("{:?}", event.name));
    table(&mut out, "AVAILABLE_SUBSCRIPTIONS", doc, "&str", documented);
    let doc = "The events' names as documented, each with the JSON Schema of its data.";
    let schemas = model.events.iter().map(|event| format!("({:?}, include_str!(\"{}.json\"))", event.name, event.name));
    table(&mut out, "JSON_SCHEMAS", doc, "(&str, &str)", schemas);
    out.line("");
    out.line("/// Calls a macro with the names of all event structs, for what has to hold for each of them.");
    out.line("#[cfg(test)]");
    out.line("macro_rules! with_each_event {");
    let structs: Vec<_> = model.events.iter().map(|event| identifier::rust(&event.name)).collect();
    out.line(&format!("    ($macro:ident) => {{ $macro! {{ {} }} }};", structs.join(", ")));
    out.line("}");
    out.line("#[cfg(test)]");
    out.line("pub(crate) use with_each_event;");
    out.into_text()
}

/// The table of the catalogue's own files, which the running program compiles again: one loader for
/// built-in and further events.
pub fn sources(paths: &[&str]) -> String {
    let mut out = Lines::new(INDENT);
    let doc = "The files of the built-in catalogue, pairs (path, text), sorted by path.";
    let files = paths.iter().map(|path| format!("({path:?}, crate::packed::packed!({path:?}))"));
    table(&mut out, "SOURCES", doc, "(&str, crate::packed::Packed)", files);
    out.into_text()
}

/// A struct.
fn object(
    out: &mut Lines,
    model: &Model,
    name: &str,
    properties: &[Property],
    texts: &[Option<&str>],
    deprecated: Option<&str>,
) {
    out.line("");
    doc(out, name, texts, deprecated);
    out.line(DERIVES);
    out.open(&format!("pub struct {} {{", identifier::rust(name)));
    for property in properties {
        let texts = [Some(property.doc.as_str()), property.note.as_deref()];
        doc(out, &property.name, &texts, property.deprecated.as_deref());
        let mut serde = vec![format!("rename = {:?}", property.wire)];
        if property.wire != property.name {
            serde.push(format!("alias = {:?}", property.name));
        }
        if property.optional {
            serde.push("default, skip_serializing_if = \"::std::option::Option::is_none\"".to_owned());
        }
        out.line(&format!("#[serde({})]", serde.join(", ")));
        let plain = match property.values {
            Some(_) => format!("{}::{}", module_of(name), identifier::rust(&property.name)),
            None => type_name(model, &property.ty),
        };
        let may_lack = property.nullable || property.optional;
        let whole = if may_lack { format!("::std::option::Option<{plain}>") } else { plain };
        out.line(&format!("pub {}: {whole},", identifier::rust(&identifier::snake(&property.name))));
    }
    out.close("");
}

/// The value sets that an object's properties list themselves, in a module: their names need not be
/// unique in the catalogue.
fn own_sets(out: &mut Lines, name: &str, properties: &[Property]) {
    let mut sets = properties.iter().filter_map(|property| Some((property, property.values.as_ref()?))).peekable();
    if sets.peek().is_none() {
        return;
    }
    out.line("");
    out.line(&format!("/// The value sets of [`{}`].", identifier::rust(name)));
    out.open(&format!("pub mod {} {{", module_of(name)));
    for (property, values) in sets {
        newtype(out, &property.name, &[Some(property.doc.as_str()), property.note.as_deref()], &property.ty, values);
    }
    out.close("");
}

fn module_of(name: &str) -> String {
    identifier::rust(&identifier::snake(name))
}

/// A value set: a newtype and not an enum, which would refuse what lenient validation lets through.
fn newtype(out: &mut Lines, name: &str, texts: &[Option<&str>], base: &Type, values: &Values) {
    let type_name = identifier::rust(name);
    let inner = match base {
        Type::Short => "i16",
        Type::Int => "i32",
        Type::Long => "i64",
        Type::Guid | Type::String | Type::Bool | Type::DateTime | Type::List(_) | Type::Object(_) | Type::Set(_) => {
            "::std::borrow::Cow<'static, str>"
        }
    };
    let which = if values.open { "An open set: values without a constant may come." } else { "A closed set." };
    out.line("");
    doc(out, name, &[texts, &[Some(which)]].concat(), None);
    out.line(DERIVES);
    out.line("#[serde(transparent)]");
    out.line(&format!("pub struct {type_name}(pub {inner});"));

    let mut constants: Vec<(String, &Value)> = Vec::new();
    for value in &values.list {
        let text = match (&value.name, &value.scalar) {
            (Some(name), _) | (None, Scalar::Text(name)) => name,
            (None, Scalar::Integer(_)) => continue,
        };
        // A value whose text gives no name, or another one's, is written as a plain value.
        let constant = identifier::constant(text);
        constants.extend(
            constant.filter(|name| constants.iter().all(|(taken, _)| taken != name)).map(|constant| (constant, value)),
        );
    }
    if constants.is_empty() {
        return;
    }
    out.line("");
    out.open(&format!("impl {type_name} {{"));
    for (constant, value) in constants {
        let (plain, shown) = match &value.scalar {
            Scalar::Integer(integer) => (integer.to_string(), integer.to_string()),
            Scalar::Text(text) => (text.clone(), format!("::std::borrow::Cow::Borrowed({text:?})")),
        };
        doc(out, &plain, &[value.doc.as_deref().or(value.name.as_deref())], None);
        out.line(&format!("pub const {constant}: Self = Self({shown});"));
    }
    out.close("");
}

fn type_name(model: &Model, ty: &Type) -> String {
    let named = |name: Option<&String>| name.map(|name| identifier::rust(name)).unwrap_or_default();
    match ty {
        Type::Guid => "::uuid::Uuid".to_owned(),
        Type::String => "::std::string::String".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Short => "i16".to_owned(),
        Type::Int => "i32".to_owned(),
        Type::Long => "i64".to_owned(),
        Type::DateTime => "crate::schema::DateTime".to_owned(),
        Type::List(element) => format!("::std::vec::Vec<{}>", type_name(model, element)),
        Type::Object(index) => named(model.types.get(*index).map(|ty| &ty.name)),
        Type::Set(index) => named(model.sets.get(*index).map(|set| &set.name)),
    }
}

/// A doc comment of the texts there are, or of the name alone where the vendor gives none.
fn doc(out: &mut Lines, name: &str, texts: &[Option<&str>], deprecated: Option<&str>) {
    let instead = deprecated.map(|instead| format!("Deprecated: {instead}."));
    let texts = texts.iter().copied().chain([instead.as_deref()]).flatten().filter(|text| !text.is_empty());
    let mut texts: Vec<&str> = texts.collect();
    let name_alone = format!("{name}.");
    if texts.is_empty() {
        texts.push(&name_alone);
    }
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.line("///");
        }
        for line in text.lines() {
            out.line(format!("/// {}", prose::as_markdown(line)).trim_end());
        }
    }
}

/// A table of constants.
fn table(out: &mut Lines, name: &str, doc: &str, element: &str, rows: impl Iterator<Item = String>) {
    out.line("");
    out.line(&format!("/// {doc}"));
    out.line(&format!("pub const {name}: &[{element}] = &["));
    for row in rows {
        out.line(&format!("    {row},"));
    }
    out.line("];");
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, compile, rules};
    use super::*;

    /// Compares with a file under version control; on a difference, the text to put there is
    /// printed.
    #[test]
    fn the_small_catalogue_becomes_this_rust() {
        let model = compile(&rules::small(), Options::default()).unwrap().model;
        let text = [structs(&model), tables(&model), sources(&["schema/user/UserStatus.toml"])].concat();
        assert!(text == include_str!("snapshots/small.rs.txt"), "{text}");
    }

    #[test]
    fn names_that_rust_reserves_are_escaped() {
        let mut files = rules::small();
        files.push((
            "Self.toml".to_owned(),
            "event = \"Self\"\nfamily = \"User\"\nsummary = \"<b> [x] *y*.\"\nkind = \"occurrence\"\n\
             entity = { from = \"publisher\" }\nsince = \"1.0\"\ndeprecated = \"use UserStatus\"\n[properties]\n\
             Self = { type = \"string\", doc = \"\", values = [\"?\", \"a b\", \"a-b\"], allow = [\"no-doc\"] }\n\
             Type = { type = \"int\", doc = \"T.\", optional = true }\n"
                .to_owned(),
        ));
        let text = structs(&compile(&files, Options::default()).unwrap().model);
        for line in [
            "/// \\<b\\> \\[x\\] \\*y\\*.",
            "/// Deprecated: use UserStatus.",
            "pub struct Self_ {",
            "    /// Self.",
            "    pub self_: self_::Self_,",
            "    #[serde(rename = \"type\", alias = \"Type\", default, skip_serializing_if = \"::std::option::Option::is_none\")]",
            "    pub r#type: ::std::option::Option<i32>,",
            "pub mod self_ {",
            "        pub const A_B: Self = Self(::std::borrow::Cow::Borrowed(\"a b\"));",
        ] {
            assert!(text.lines().any(|candidate| candidate == line), "{line}\n in\n{text}");
        }
        assert!(!text.contains("Borrowed(\"a-b\")") && !text.contains("Borrowed(\"?\")"));
    }
}
