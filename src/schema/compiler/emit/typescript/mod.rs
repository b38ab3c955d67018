//! TypeScript: declarations of all events, and the small module that tells messages apart.

use super::super::model::{CallRule, Event, Kind, Model, Property, Scalar, Type, Values};
use super::lines::Lines;
use super::{identifier, prose};

pub mod rules;

const INDENT: &str = "  ";

/// What the declarations export themselves. `Guid` and `DateTime` are no names that a catalogue may
/// use.
const OWN_NAMES: [&str; 11] = [
    "CallName",
    "CatalogueEntry",
    "EventFacts",
    "EventMap",
    "EventName",
    "RteMessage",
    "RteMessageOf",
    "StateName",
    "SubscribeItem",
    "SubscribeVerdict",
    "Subscription",
];

/// `events.d.ts`: an interface for each event and helper type, a union for each shared value set,
/// and the types of messages.
pub fn declarations(model: &Model) -> String {
    let mut out = Lines::new(INDENT);
    out.line(&format!("// {}", prose::origin(model)));
    out.line("// Beside events.mjs this file must be called events.d.mts: TypeScript looks for no other (TS7016).");
    for (name, doc) in [
        ("Guid", "A GUID in its 36-character form, in lower case."),
        ("DateTime", "A date and time of RFC 3339 with up to 7 digits of a second; `new Date(text)` reads it."),
    ] {
        out.line("");
        comment(&mut out, &[doc.to_owned()], None);
        out.line(&format!("export type {name} = string;"));
    }
    for event in &model.events {
        let about: Vec<String> = prose::about_event(event).into_iter().map(str::to_owned).collect();
        interface(&mut out, model, &event.name, &about, event.deprecated.as_deref(), &event.properties);
    }
    for ty in &model.types {
        let about: Vec<String> = [Some(&ty.summary), ty.note.as_ref()].into_iter().flatten().cloned().collect();
        interface(&mut out, model, &ty.name, &about, None, &ty.properties);
    }
    for set in &model.sets {
        out.line("");
        comment(&mut out, &[vec![set.summary.clone()], known(&set.values)].concat(), None);
        out.line(&format!("export type {} = {};", own(&set.name), union(&set.values, &set.base)));
    }
    out.line("");
    comment(&mut out, &["The data of each event, by its documented name.".to_owned()], None);
    out.open("export interface EventMap {");
    for event in &model.events {
        out.line(&format!("{}: {};", event.name, own(&event.name)));
    }
    out.close("");
    selections(&mut out, model);
    out.lines(include_str!("envelope.d.ts"));
    out.into_text()
}

/// The names of some events each, as types.
fn selections(out: &mut Lines, model: &Model) {
    let is_state: fn(&&Event) -> bool = |event| event.kind == Kind::State;
    for (name, of, doc) in [
        ("StateName", is_state, "The events of which only the last value matters, of each key where they have one."),
        ("CallName", |event| event.call.is_some(), "The events that do something to a call."),
    ] {
        out.line("");
        comment(out, &[doc.to_owned()], None);
        let names: Vec<_> = model.events.iter().filter(of).map(|event| format!("\"{}\"", event.name)).collect();
        let names = if names.is_empty() { "never".to_owned() } else { names.join(" | ") };
        out.line(&format!("export type {name} = {names};"));
    }
}

/// `events.mjs`: the functions that the declarations declare.
pub fn module(model: &Model) -> String {
    let mut out = Lines::new(INDENT);
    out.line("// @ts-self-types=\"./events.d.mts\"");
    out.line(&format!("// {}", prose::origin(model)));
    out.line("// The types are in events.d.mts; save that file beside this one.");
    out.line("");
    comment(&mut out, &["What the catalogue says of each event, by its documented name.".to_owned()], None);
    out.open("export const events = Object.freeze({");
    for event in &model.events {
        out.line(&format!("{}: {},", event.name, facts(model, event)));
    }
    out.close(");");
    out.line("");
    comment(&mut out, &["The documented names of all events.".to_owned()], None);
    out.line("export const eventNames = Object.freeze(Object.keys(events));");
    out.lines(include_str!("events.mjs"));
    out.into_text()
}

/// What a program can use of an event besides its types.
fn facts(model: &Model, event: &Event) -> String {
    let family = model.families.get(event.family).map_or("", |family| &family.name);
    let wire = |index: usize| event.properties.get(index).map_or("", |property| &property.wire);
    let key = event.key.map(|key| format!(", key: \"{}\"", wire(key))).unwrap_or_default();
    let call = event.call.map(|CallRule { id, leg, phase }| {
        let (id, leg, phase) = (wire(id), wire(leg), prose::phase(phase));
        format!(", call: {{ id: \"{id}\", leg: \"{leg}\", phase: \"{phase}\" }}")
    });
    let (call, kind) = (call.unwrap_or_default(), prose::kind(event.kind));
    format!("{{ carried: \"{}\", family: \"{family}\", kind: \"{kind}\"{key}{call} }}", event.lower)
}

fn interface(
    out: &mut Lines,
    model: &Model,
    name: &str,
    about: &[String],
    deprecated: Option<&str>,
    properties: &[Property],
) {
    out.line("");
    comment(out, about, deprecated);
    out.open(&format!("export interface {} {{", own(name)));
    for property in properties {
        let known = property.values.as_ref().map(known).unwrap_or_default();
        let about = [prose::about_property(property), known].concat();
        comment(out, &about, property.deprecated.as_deref());
        let mark = if property.optional { "?" } else { "" };
        let null = if property.nullable { " | null" } else { "" };
        let plain = match &property.values {
            Some(values) => union(values, &property.ty),
            None => type_name(model, &property.ty),
        };
        out.line(&format!("{}{mark}: {plain}{null};", property.wire));
    }
    out.close("");
}

fn type_name(model: &Model, ty: &Type) -> String {
    match ty {
        Type::Guid => "Guid".to_owned(),
        Type::DateTime => "DateTime".to_owned(),
        Type::String => "string".to_owned(),
        Type::Bool => "boolean".to_owned(),
        Type::Short | Type::Int | Type::Long => "number".to_owned(),
        Type::List(element) => format!("{}[]", type_name(model, element)),
        Type::Object(_) | Type::Set(_) => prose::declared(model, ty).map(own).unwrap_or_default(),
    }
}

/// The values as literal types. An open set keeps its base type, in the form that leaves editors
/// their suggestions.
fn union(values: &Values, base: &Type) -> String {
    let base = if *base == Type::String { "string" } else { "number" };
    let literals = values.list.iter().map(|value| match &value.scalar {
        Scalar::Integer(integer) => integer.to_string(),
        Scalar::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
    });
    let rest = values.open.then(|| format!("({base} & {{}})"));
    literals.chain(rest).collect::<Vec<_>>().join(" | ")
}

/// What the values mean, where literal types do not say it.
fn known(values: &Values) -> Vec<String> {
    let lines = values
        .list
        .iter()
        .filter_map(|value| Some(format!("* `{}`: {}", prose::scalar(&value.scalar), prose::meaning(value)?)));
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { Vec::new() } else { vec![lines.join("\n")] }
}

/// A name that the declarations do not use themselves.
fn own(name: &str) -> String {
    identifier::apart(name, |name| OWN_NAMES.contains(&name))
}

/// A doc comment, if there is anything to say.
fn comment(out: &mut Lines, paragraphs: &[String], deprecated: Option<&str>) {
    let deprecated = deprecated.map(|instead| format!("@deprecated {instead}"));
    let paragraphs = paragraphs.iter().chain(deprecated.as_ref()).filter(|text| !text.trim().is_empty());
    // The end of the comment is the one thing that a text must not hold.
    let text = paragraphs.map(|text| text.replace("*/", "*\\/")).collect::<Vec<_>>().join("\n\n");
    let lines: Vec<&str> = text.lines().collect();
    match lines.as_slice() {
        [] => {}
        [only] => out.line(&format!("/** {only} */")),
        lines => {
            out.line("/**");
            for text in lines {
                out.line(format!(" * {text}").trim_end());
            }
            out.line(" */");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, compile, rules};
    use super::*;

    /// Compares with files under version control; on a difference, the text to put there is
    /// printed.
    #[test]
    fn the_small_catalogue_becomes_this_typescript() {
        let model = compile(&rules::small(), Options::default()).unwrap().model;
        let (declarations, module, rules) = (declarations(&model), module(&model), super::rules::module(&model));
        assert!(declarations == include_str!("../snapshots/events.d.ts.txt"), "{declarations}");
        assert!(module == include_str!("../snapshots/events.mjs.txt"), "{module}");
        assert!(rules == include_str!("../snapshots/rules.mjs.txt"), "{rules}");
    }

    #[test]
    fn what_would_break_the_declarations_is_set_apart_or_escaped() {
        let mut files = rules::small();
        files.push((
            "EventMap.toml".to_owned(),
            "event = \"EventMap\"\nfamily = \"User\"\nsummary = \"Not */ the end.\"\nkind = \"occurrence\"\n\
             entity = { from = \"publisher\" }\nsince = \"1.0\"\ndeprecated = \"use UserStatus\"\n[properties]\n\
             Text = { type = \"string\", doc = \"T.\", values = [\"a\\\"b\", \"c\"], optional = true }\n"
                .to_owned(),
        ));
        let text = declarations(&compile(&files, Options::default()).unwrap().model);
        for line in [
            " * Not *\\/ the end.",
            " * @deprecated use UserStatus",
            "export interface EventMap_ {",
            "  EventMap: EventMap_;",
            "  text?: \"a\\\"b\" | \"c\";",
        ] {
            assert!(text.lines().any(|candidate| candidate == line), "{line}\n in\n{text}");
        }
    }
}
