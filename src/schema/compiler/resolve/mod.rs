//! Syntax tree → model: every name is looked up, everything is put in its order.
//!
//! What is broken is reported once and left out; the model that comes back is whole only if nothing
//! was reported.

mod derive;
mod draft;
mod event;
mod properties;
mod scope;
mod types;

use super::finding::{Findings, Rule};
use super::model::{Family, Model, Part};
use super::options::Options;
use super::source::At;
use super::syntax::{Declarations, PartDecl};
use scope::Scope;

/// Resolves all declarations.
pub fn resolve(declarations: &Declarations, options: Options, findings: &mut Findings<'_>) -> Model {
    let mut model = Model::default();
    if let Some(head) = &declarations.head {
        model.title.clone_from(&head.title);
        model.version.clone_from(&head.version.value);
        model.place = findings.sources().place(head.version.at);
        model.id_base.clone_from(&head.id_base);
        model.wire_case = head.wire_case;
    }
    model.wire_case = options.wire_case.unwrap_or(model.wire_case);
    model.parts = parts(declarations, options, findings);

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
    derive::derive(&mut drafts, (&model.sets, options), &scope, findings);
    model.events = drafts.into_iter().map(|draft| draft.event).collect();
    model
}

fn parts(declarations: &Declarations, options: Options, findings: &Findings<'_>) -> Vec<Part> {
    let part = |decl: &PartDecl| {
        let (folder, version) = (decl.folder.clone(), decl.version.value.clone());
        let sources = findings.sources();
        let files = sources.0.iter().skip(options.base_files).map(|source| source.path);
        let files = files.filter(|path| path.starts_with(&folder)).map(str::to_owned).collect();
        Part { folder, version, files, place: sources.place(decl.version.at) }
    };
    declarations.parts.iter().map(part).collect()
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
            let place = findings.sources().place(decl.name.at);
            families.push(Family { name: name.clone(), entity: decl.entity.clone(), doc: decl.doc.clone(), place });
            places.push(decl.name.at);
        }
    }
    families
}
