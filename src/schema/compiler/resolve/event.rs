//! Events: families, entities, states and examples.

use super::super::finding::{Findings, Rule};
use super::super::model::{CallRule, EntityRule, Event, Example, Kind, Model, Property, Type};
use super::super::names;
use super::super::source::Located;
use super::super::syntax::{EntityDecl, EventDecl};
use super::draft::Draft;
use super::properties::{Lookup, Properties, properties, type_name};
use super::scope::Scope;

/// Resolves all events but for what they derive from. `model` has the families.
pub fn drafts<'d>(scope: &Scope<'d>, model: &Model, findings: &mut Findings<'_>) -> Vec<Draft<'d>> {
    scope.events.iter().map(|decl| draft(decl, scope, model, findings)).collect()
}

fn draft<'d>(decl: &'d EventDecl, scope: &Scope<'_>, model: &Model, findings: &mut Findings<'_>) -> Draft<'d> {
    let name = &decl.name.value;
    let properties = properties(&decl.properties, name, scope, model.wire_case, findings);
    let family = family(decl, model, findings).unwrap_or_default();
    let entity = entity(decl, &properties, findings).unwrap_or(EntityRule::Publisher);
    let expires = expires(decl, &properties, findings);
    let key = key(decl, &properties, findings);
    let call = call(decl, &properties, findings);
    let correlation = decl
        .correlation
        .iter()
        .filter_map(|property| find(property, "correlation", name, &properties, findings))
        .collect();
    let organization =
        properties.sound.iter().position(|property| property.name == "OrganizationId" && property.ty == Type::Guid);
    let examples = decl.examples.iter().map(|example| Example {
        title: example.title.clone(),
        json: example.json.value.clone(),
        delivered: String::new(),
        place: findings.sources().place(example.json.at),
    });
    let event = Event {
        name: name.clone(),
        lower: name.to_ascii_lowercase(),
        family,
        summary: decl.summary.clone().unwrap_or_default(),
        description: decl.description.clone(),
        note: decl.note.clone(),
        kind: decl.kind.unwrap_or(Kind::Occurrence),
        entity,
        audience: decl.audience,
        since: decl.since.clone().unwrap_or_default(),
        deprecated: decl.deprecated.clone(),
        correlation,
        expires,
        interval_s: decl.state.as_ref().and_then(|state| state.interval_s),
        on_change: decl.state.as_ref().is_some_and(|state| state.on_change),
        key,
        call,
        derive: None,
        organization,
        examples: examples.collect(),
        place: findings.sources().place(decl.name.at),
        properties: properties.sound,
    };
    Draft { decl, event, is_whole: properties.broken.is_empty() }
}

fn family(decl: &EventDecl, model: &Model, findings: &mut Findings<'_>) -> Option<usize> {
    let family = decl.family.as_ref()?;
    let found = model.families.iter().position(|known| known.name == family.value);
    // A catalogue file that could not be read has been reported; its families are not missing as
    // well.
    if found.is_none() && !model.families.is_empty() {
        let known: Vec<_> = model.families.iter().map(|known| known.name.as_str()).collect();
        let advice = names::advice(&family.value, "the families", &known);
        findings.report(family.at, Rule::UnknownFamily, format!("no family \"{}\"; {advice}", family.value));
    }
    found
}

fn entity(decl: &EventDecl, properties: &Properties, findings: &mut Findings<'_>) -> Option<EntityRule> {
    let (named, or_publisher) = match decl.entity.as_ref()? {
        EntityDecl::Publisher => return Some(EntityRule::Publisher),
        EntityDecl::Property(named) => (named, false),
        EntityDecl::PropertyOrPublisher(named) => (named, true),
    };
    let index = match properties.look_up(&named.value) {
        Lookup::Found(index) => index,
        Lookup::Broken => return None,
        Lookup::Unknown => {
            let guids = properties.sound.iter().filter(|property| property.ty == Type::Guid);
            let guids: Vec<_> = guids.map(|property| property.name.as_str()).collect();
            unknown_property(named, "entity", &decl.name.value, "its Guid properties", &guids, findings);
            return None;
        }
    };
    let property = properties.sound.get(index)?;
    if property.ty != Type::Guid {
        let is = type_name(&property.ty);
        let message = format!("entity \"{}\" is {is}; name a property of type Guid", named.value);
        findings.report(named.at, Rule::EntityType, message);
        return None;
    }
    if or_publisher {
        return Some(EntityRule::PropertyOrPublisher(index));
    }
    if property.nullable || property.optional {
        let may_be = if property.nullable { "null" } else { "absent" };
        let name = &named.value;
        let message = format!(
            "entity \"{name}\" may be {may_be}, and then nobody could receive the event; \
             write entity = {{ property = \"{name}\", or = \"publisher\" }}"
        );
        findings.report(named.at, Rule::EntityNullable, message);
        return None;
    }
    Some(EntityRule::Property(index))
}

fn expires(decl: &EventDecl, properties: &Properties, findings: &mut Findings<'_>) -> Option<usize> {
    let state = decl.state.as_ref()?;
    if decl.kind == Some(Kind::Occurrence) {
        let message = "an occurrence has no state; drop [state], or write kind = \"state\"";
        findings.report(state.at, Rule::StateOfOccurrence, message);
        return None;
    }
    let named = state.expires.as_ref()?;
    let index = find(named, "expires", &decl.name.value, properties, findings)?;
    let property = properties.sound.get(index)?;
    if property.ty != Type::DateTime {
        let is = type_name(&property.ty);
        let message = format!("expires names \"{}\", which is {is}; name a property of type DateTime", named.value);
        findings.report(named.at, Rule::NotADate, message);
        return None;
    }
    Some(index)
}

/// The property that tells the states of an entity apart.
fn key(decl: &EventDecl, properties: &Properties, findings: &mut Findings<'_>) -> Option<usize> {
    let named = decl.state.as_ref().filter(|_| decl.kind != Some(Kind::Occurrence))?.key.as_ref()?;
    identifier(named, "key", &decl.name.value, properties, findings)
}

fn call(decl: &EventDecl, properties: &Properties, findings: &mut Findings<'_>) -> Option<CallRule> {
    let call = decl.call.as_ref()?;
    if decl.kind == Some(Kind::State) {
        let message = "a state is no word of a call; drop [call], or write kind = \"occurrence\"";
        findings.report(call.at, Rule::CallOfState, message);
        return None;
    }
    let event = &decl.name.value;
    let id = identifier(&call.id, "id", event, properties, findings);
    let leg = identifier(&call.leg, "leg", event, properties, findings);
    Some(CallRule { id: id?, leg: leg?, phase: call.phase })
}

/// The property that a key of event `event` names, which tells things apart: it is always there.
fn identifier(
    named: &Located<String>,
    key: &str,
    event: &str,
    properties: &Properties,
    findings: &mut Findings<'_>,
) -> Option<usize> {
    let index = find(named, key, event, properties, findings)?;
    let property = properties.sound.get(index)?;
    let name = &named.value;
    let message = if !matches!(property.ty, Type::Guid | Type::String) {
        let is = type_name(&property.ty);
        format!("{key} names \"{name}\", which is {is}; name a property of type Guid or string")
    } else if property.nullable || property.optional {
        let may_be = if property.nullable { "null" } else { "absent" };
        format!("{key} names \"{name}\", which may be {may_be}; name a property that is always there")
    } else {
        return Some(index);
    };
    findings.report(named.at, Rule::KeyType, message);
    None
}

/// The property that a key of event `event` names.
pub fn find(
    named: &Located<String>,
    key: &str,
    event: &str,
    properties: &Properties,
    findings: &mut Findings<'_>,
) -> Option<usize> {
    match properties.look_up(&named.value) {
        Lookup::Found(index) => Some(index),
        Lookup::Broken => None,
        Lookup::Unknown => {
            let all: Vec<_> = properties.sound.iter().map(|property: &Property| property.name.as_str()).collect();
            unknown_property(named, key, event, "its properties", &all, findings);
            None
        }
    }
}

fn unknown_property(
    named: &Located<String>,
    key: &str,
    event: &str,
    what: &str,
    candidates: &[&str],
    findings: &mut Findings<'_>,
) {
    let advice = names::advice(&named.value, what, candidates);
    let message = format!("{key} names \"{}\", which event \"{event}\" does not have; {advice}", named.value);
    findings.report(named.at, Rule::UnknownProperty, message);
}
