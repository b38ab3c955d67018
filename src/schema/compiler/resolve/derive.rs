//! Derived events: proves that the source and what is set make all of the derived event.

use super::super::finding::{Findings, Rule};
use super::super::model::{Derive, EventId, Property, Type};
use super::super::names;
use super::super::syntax::DeriveDecl;
use super::draft::Draft;
use super::event::find;
use super::properties::Properties;
use super::scope::{Meaning, Scope};

/// Resolves `[derive]` of all events; they stand in their final order.
pub fn derive(drafts: &mut [Draft<'_>], scope: &Scope<'_>, findings: &mut Findings<'_>) {
    let rules: Vec<Option<Derive>> = drafts
        .iter()
        .map(|draft| draft.decl.derive.as_ref().and_then(|decl| rule(decl, draft, drafts, scope, findings)))
        .collect();
    for (draft, rule) in drafts.iter_mut().zip(rules) {
        draft.event.derive = rule;
    }
}

fn rule(
    decl: &DeriveDecl,
    derived: &Draft<'_>,
    drafts: &[Draft<'_>],
    scope: &Scope<'_>,
    findings: &mut Findings<'_>,
) -> Option<Derive> {
    let from = &decl.from.value;
    let Some((number, source)) = drafts.iter().enumerate().find(|(_, draft)| draft.event.name == *from) else {
        if scope.look_up(from) != Some(Meaning::Unreadable) {
            let advice = names::advice(from, "the events", &scope.event_names());
            findings.report(
                decl.from.at,
                Rule::DeriveSource,
                format!("there is no event \"{from}\" to derive from; {advice}"),
            );
        }
        return None;
    };
    if source.decl.derive.is_some() {
        let message = format!("\"{from}\" is derived itself; name an event that is published");
        findings.report(decl.from.at, Rule::DeriveSource, message);
        return None;
    }
    // A broken property has been reported; nothing can be proven about the rest.
    if !derived.is_whole || !source.is_whole {
        return None;
    }
    let of_derived = Properties { sound: derived.event.properties.clone(), broken: Vec::new() };
    let of_source = Properties { sound: source.event.properties.clone(), broken: Vec::new() };

    let when = find(&decl.when, "when", from, &of_source, findings)?;
    if of_source.sound.get(when).is_some_and(|property| property.ty != Type::Guid) {
        let message = format!("when names \"{}\", which is no Guid of \"{from}\"; name one", decl.when.value);
        findings.report(decl.when.at, Rule::DeriveProperties, message);
        return None;
    }
    let mut set = Vec::new();
    for (target, value) in &decl.set {
        let target_index = find(target, "set", &derived.event.name, &of_derived, findings)?;
        let value_index = find(value, "set", from, &of_source, findings)?;
        set.push((target_index, value_index));
    }

    let mut sound = true;
    for (index, property) in of_derived.sound.iter().enumerate() {
        let set_from = set.iter().find(|(target, _)| *target == index).map(|(_, value)| *value);
        let given = match set_from {
            Some(value) => of_source.sound.get(value),
            None => of_source.sound.iter().find(|candidate| candidate.name == property.name),
        };
        let Some(wrong) = misfit(property, given, set_from == Some(when), from) else { continue };
        findings.report_at(property.place.clone(), Rule::DeriveProperties, wrong);
        sound = false;
    }
    for property in &of_source.sound {
        if !of_derived.sound.iter().any(|candidate| candidate.name == property.name) {
            let (name, derived) = (&property.name, &derived.event.name);
            let message = format!("\"{from}\" has \"{name}\", which \"{derived}\" has not; declare it there too");
            findings.report(decl.from.at, Rule::DeriveProperties, message);
            sound = false;
        }
    }
    let from = EventId(u16::try_from(number).ok()?);
    sound.then_some(Derive { from, when, set })
}

/// Says how a property of a derived event cannot be made of what it is given.
fn misfit(property: &Property, given: Option<&Property>, never_null: bool, from: &str) -> Option<String> {
    let name = &property.name;
    let Some(given) = given else {
        return Some(format!("\"{from}\" has no \"{name}\", and [derive] set does not give it; add it to set"));
    };
    let may_lack = (given.nullable && !never_null && !property.nullable) || (given.optional && !property.optional);
    if given.ty != property.ty || given.values != property.values {
        Some(format!("\"{name}\" differs in type or values from \"{}\" of \"{from}\"; make them equal", given.name))
    } else if may_lack {
        Some(format!("\"{}\" of \"{from}\" may be null or absent, and \"{name}\" may not; make them equal", given.name))
    } else {
        None
    }
}
