//! Helper objects and shared value sets.

use super::super::finding::{Findings, Rule};
use super::super::model::{ObjectType, Type, ValueSet, Values, WireCase};
use super::super::names;
use super::super::type_expr;
use super::properties::{properties, values};
use super::scope::Scope;

/// The types that an enum may be based on.
const BASES: [&str; 4] = ["string", "short", "int", "long"];

/// Resolves all enums, in the scope's order. One that is broken keeps its number, so that
/// references stay right.
pub fn sets(scope: &Scope<'_>, findings: &mut Findings<'_>) -> Vec<ValueSet> {
    let mut sets = Vec::new();
    for decl in &scope.sets {
        let name = &decl.name.value;
        let base = decl.base.as_ref().and_then(|base| {
            let known = BASES.contains(&base.value.as_str());
            if !known {
                let advice = names::advice(&base.value, "the bases", &BASES);
                let message = format!("enum \"{name}\" cannot be based on \"{}\"; {advice}", base.value);
                findings.report(base.at, Rule::UnknownType, message);
            }
            type_expr::built_in(&base.value).filter(|_| known)
        });
        let list = match (&decl.values, &base) {
            (Some(list), Some(base)) => values(list, base, &format!("enum \"{name}\""), findings),
            (_, _) => None,
        };
        sets.push(ValueSet {
            name: name.clone(),
            summary: decl.summary.clone(),
            base: base.unwrap_or(Type::String),
            values: Values { open: decl.open, list: list.unwrap_or_default() },
            place: findings.sources().place(decl.name.at),
        });
    }
    sets
}

/// Resolves all helper objects, in the scope's order.
pub fn types(scope: &Scope<'_>, wire_case: WireCase, findings: &mut Findings<'_>) -> Vec<ObjectType> {
    let mut types = Vec::new();
    for decl in &scope.types {
        let name = &decl.name.value;
        types.push(ObjectType {
            name: name.clone(),
            summary: decl.summary.clone(),
            note: decl.note.clone(),
            properties: properties(&decl.properties, name, scope, wire_case, findings).sound,
            place: findings.sources().place(decl.name.at),
        });
    }
    types
}

/// Refuses helper objects that contain themselves: no finite JSON Schema without references to
/// itself, no struct without a box, no bound on the nesting of an event.
pub fn refuse_cycles(types: &[ObjectType], findings: &mut Findings<'_>) {
    let mut state = vec![Visit::NotYet; types.len()];
    for index in 0..types.len() {
        visit(index, types, &mut state, &mut Vec::new(), findings);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    NotYet,
    OnThePath,
    Done,
}

/// Walks depth first; an edge back to the path closes a cycle.
fn visit(index: usize, types: &[ObjectType], state: &mut [Visit], path: &mut Vec<usize>, findings: &mut Findings<'_>) {
    let (Some(ty), Some(Visit::NotYet)) = (types.get(index), state.get(index)) else { return };
    set(state, index, Visit::OnThePath);
    path.push(index);
    for property in &ty.properties {
        let Some(target) = object_in(&property.ty) else { continue };
        if state.get(target) == Some(&Visit::OnThePath) {
            let from = path.iter().position(|on_path| *on_path == target).unwrap_or_default();
            let circle = path.iter().skip(from).chain([&target]).filter_map(|index| types.get(*index));
            let circle: Vec<_> = circle.map(|ty| ty.name.as_str()).collect();
            let message = format!("a type cannot contain itself: {}; break the circle", circle.join(" -> "));
            findings.report_at(property.place.clone(), Rule::TypeCycle, message);
        } else {
            visit(target, types, state, path, findings);
        }
    }
    path.pop();
    set(state, index, Visit::Done);
}

fn set(state: &mut [Visit], index: usize, to: Visit) {
    if let Some(visit) = state.get_mut(index) {
        *visit = to;
    }
}

/// The helper object that a type holds, directly or in lists.
fn object_in(ty: &Type) -> Option<usize> {
    match ty {
        Type::Object(index) => Some(*index),
        Type::List(element) => object_in(element),
        Type::Guid
        | Type::String
        | Type::Bool
        | Type::Short
        | Type::Int
        | Type::Long
        | Type::DateTime
        | Type::Set(_) => None,
    }
}
