//! Syntax tree → model: every name is looked up, everything is put in its order.
//!
//! What is broken is reported once and left out; the model that comes back is whole only if nothing was reported.

mod derive;
mod draft;
mod event;
mod properties;
mod scope;
mod types;

use super::finding::{Findings, Rule};
use super::model::{Family, Model, WireCase};
use super::source::At;
use super::syntax::Declarations;
use scope::Scope;

/// Resolves all declarations. `wire_case` overrides the catalogue's own.
pub fn resolve(declarations: &Declarations, wire_case: Option<WireCase>, findings: &mut Findings<'_>) -> Model {
    let mut model = Model::default();
    if let Some(head) = &declarations.head {
        model.title.clone_from(&head.title);
        model.version.clone_from(&head.version.value);
        model.place = findings.sources().place(head.version.at);
        model.id_base.clone_from(&head.id_base);
        model.wire_case = head.wire_case;
    }
    model.wire_case = wire_case.unwrap_or(model.wire_case);

    let scope = Scope::new(declarations, findings);
    model.families = families(declarations, findings);
    model.sets = types::sets(&scope, findings);
    model.types = types::types(&scope, model.wire_case, findings);
    types::refuse_cycles(&model.types, findings);

    let mut drafts = event::drafts(&scope, &model, findings);
    drafts.sort_by(|a, b| (a.event.family, &a.event.lower).cmp(&(b.event.family, &b.event.lower)));
    if let Some(beyond) = drafts.get(usize::from(u16::MAX)) {
        findings.report(beyond.decl.name.at, Rule::BadValue, "events are numbered with 16 bits; drop some");
    }
    derive::derive(&mut drafts, &scope, findings);
    model.events = drafts.into_iter().map(|draft| draft.event).collect();
    model
}

fn families(declarations: &Declarations, findings: &mut Findings<'_>) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut places: Vec<At> = Vec::new();
    for decl in &declarations.families {
        let name = &decl.name.value;
        let twin = families.iter().zip(&places).find(|(family, _)| family.name.eq_ignore_ascii_case(name));
        if let Some((_, first)) = twin {
            findings.report(decl.name.at, Rule::DuplicateName, scope::defined_twice(name, *first, findings.sources()));
        } else {
            families.push(Family { name: name.clone(), entity: decl.entity.clone(), doc: decl.doc.clone() });
            places.push(decl.name.at);
        }
    }
    families
}
