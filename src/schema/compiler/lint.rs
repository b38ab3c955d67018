//! Warnings: what is allowed but rarely meant. Each can be allowed by name where it is meant.

use super::finding::{Findings, Rule};
use super::model::Phase;
use super::source::Located;
use super::syntax::{Declarations, EventDecl, PropertyDecl};
use super::type_expr;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at everything that was declared.
pub fn lint(declarations: &Declarations, findings: &mut Findings<'_>) {
    call_incomplete(declarations, findings);
    no_example(declarations, findings);
    no_doc(declarations, findings);
    unused_type(declarations, findings);
    similar_name(declarations, findings);
}

/// A leg that nothing ends is open until its time is over; one that nothing begins is seen late.
fn call_incomplete(declarations: &Declarations, findings: &mut Findings<'_>) {
    let mut families: BTreeMap<&str, Vec<(&EventDecl, Phase)>> = BTreeMap::new();
    for event in &declarations.events {
        if let (Some(family), Some(call)) = (&event.family, &event.call) {
            families.entry(&family.value).or_default().push((event, call.phase));
        }
    }
    for (family, events) in families {
        let has = |phases: &[Phase]| events.iter().any(|(_, phase)| phases.contains(phase));
        let lacks = match (has(&[Phase::Begin]), has(&[Phase::End, Phase::EndCall])) {
            (true, true) => continue,
            (false, _) => "begins a call; give one phase = \"begin\"",
            (true, false) => "ends a call; give one phase = \"end\" or \"end-call\"",
        };
        for (event, _) in events.iter().filter(|(event, _)| !event.allow.contains(&Rule::CallIncomplete)).take(1) {
            let message =
                format!("no event of family \"{family}\" {lacks}, or snapshots tell of calls too late or too long");
            findings.report(event.name.at, Rule::CallIncomplete, message);
        }
    }
}

fn no_example(declarations: &Declarations, findings: &mut Findings<'_>) {
    for event in &declarations.events {
        if event.examples.is_empty() && !event.allow.contains(&Rule::NoExample) {
            let message =
                format!("event \"{}\" has no example; add [[examples]] with title and json", event.name.value);
            findings.report(event.name.at, Rule::NoExample, message);
        }
    }
}

fn no_doc(declarations: &Declarations, findings: &mut Findings<'_>) {
    let events = declarations.events.iter().filter_map(|event| {
        let summary = event.summary.as_deref()?;
        Some(("event", &event.name, summary, &event.allow))
    });
    let types = declarations.types.iter().map(|ty| ("type", &ty.name, ty.summary.as_str(), &ty.allow));
    let sets = declarations.sets.iter().map(|set| ("enum", &set.name, set.summary.as_str(), &set.allow));
    for (kind, name, summary, allow) in events.chain(types).chain(sets) {
        if summary.trim().is_empty() && !allow.contains(&Rule::NoDoc) {
            let message = format!("{kind} \"{}\" has no text; write summary", name.value);
            findings.report(name.at, Rule::NoDoc, message);
        }
    }
    for (owner, property, allow) in properties(declarations) {
        if property.doc.trim().is_empty() && !allow.contains(&Rule::NoDoc) {
            let message = format!("property \"{}\" of {} has no text; write doc", property.name.value, owner.value);
            findings.report(property.name.at, Rule::NoDoc, message);
        }
    }
}

fn unused_type(declarations: &Declarations, findings: &mut Findings<'_>) {
    let types = properties(declarations).filter_map(|(_, property, _)| property.ty.as_ref());
    let used: BTreeSet<&str> =
        types.filter_map(|ty| type_expr::parse(&ty.value).ok()).map(|expression| expression.name).collect();
    let types = declarations.types.iter().map(|ty| (&ty.name, &ty.allow));
    let sets = declarations.sets.iter().map(|set| (&set.name, &set.allow));
    for (name, allow) in types.chain(sets) {
        if !used.contains(name.value.as_str()) && !allow.contains(&Rule::UnusedType) {
            let message = format!("no property is a \"{}\"; use it or remove the file", name.value);
            findings.report(name.at, Rule::UnusedType, message);
        }
    }
}

/// One thing under two spellings costs a typed reader its value. The rarer spelling is the one to
/// look at.
fn similar_name(declarations: &Declarations, findings: &mut Findings<'_>) {
    type Spellings<'d> = BTreeMap<&'d str, Vec<&'d Located<String>>>;
    let mut names: BTreeMap<String, Spellings<'_>> = BTreeMap::new();
    let mut allowed: BTreeSet<super::source::At> = BTreeSet::new();
    for (_, property, allow) in properties(declarations) {
        let name = &property.name;
        names.entry(name.value.to_ascii_lowercase()).or_default().entry(&name.value).or_default().push(name);
        if allow.contains(&Rule::SimilarName) {
            allowed.insert(name.at);
        }
    }
    for spellings in names.values().filter(|spellings| spellings.len() > 1) {
        let Some((usual, _)) = spellings.iter().max_by_key(|(_, uses)| uses.len()) else { continue };
        for (spelling, uses) in spellings.iter().filter(|(spelling, _)| *spelling != usual) {
            for name in uses.iter().filter(|name| !allowed.contains(&name.at)) {
                let message = format!(
                    "\"{spelling}\" is spelled \"{usual}\" elsewhere; spell them alike, or allow = [\"similar-name\"] here"
                );
                findings.report(name.at, Rule::SimilarName, message);
            }
        }
    }
}

/// Every property with its owner and what is allowed for it: by itself or by its file.
fn properties(declarations: &Declarations) -> impl Iterator<Item = (&Located<String>, &PropertyDecl, Vec<Rule>)> {
    let events = declarations.events.iter().map(|event| (&event.name, &event.properties, &event.allow));
    let types = declarations.types.iter().map(|ty| (&ty.name, &ty.properties, &ty.allow));
    events.chain(types).flat_map(|(owner, properties, file_allow)| {
        properties.iter().map(move |property| {
            let allow = file_allow.iter().chain(&property.allow).copied().collect();
            (owner, property, allow)
        })
    })
}
