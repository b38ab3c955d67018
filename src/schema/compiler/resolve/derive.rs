//! Derived events: proves that the source and what is set make all of the derived event.
//!
//! Where source and derived event are one author's, they must agree to the last property. Where
//! they are not, the source may come with a later version than the other one was written for: what
//! breaks nobody there is a warning here.

use super::super::finding::{Findings, Rule};
use super::super::model::{Derive, EntityRule, EventId, Property, Scalar, Type, ValueSet, Values};
use super::super::names;
use super::super::options::Options;
use super::super::source::At;
use super::super::syntax::DeriveDecl;
use super::draft::Draft;
use super::event::find;
use super::properties::Properties;
use super::scope::{Meaning, Scope};

/// What else decides: the shared sets, and which files are another author's.
type Among<'m> = (&'m [ValueSet], Options);

/// Resolves `[derive]` of all events; they stand in their final order.
pub fn derive(drafts: &mut [Draft<'_>], among: Among<'_>, scope: &Scope<'_>, findings: &mut Findings<'_>) {
    let rules: Vec<Option<Derive>> = drafts
        .iter()
        .map(|draft| draft.decl.derive.as_ref().and_then(|decl| rule(decl, draft, drafts, among, scope, findings)))
        .collect();
    for (draft, rule) in drafts.iter_mut().zip(rules) {
        draft.event.derive = rule;
    }
}

fn rule(
    decl: &DeriveDecl,
    derived: &Draft<'_>,
    drafts: &[Draft<'_>],
    (sets, options): Among<'_>,
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
    let is_base = |at: At| at.file < options.base_files;
    let is_one_authors = is_base(decl.from.at) == is_base(source.decl.name.at);
    if source.decl.derive.is_some() {
        let message = format!("\"{from}\" is derived itself; name an event that is published");
        if is_one_authors {
            findings.report(decl.from.at, Rule::DeriveSource, message);
            return None;
        }
        if !derived.decl.allow.contains(&Rule::DeriveChain) {
            findings.report(decl.from.at, Rule::DeriveChain, format!("{message}: only what is published of it counts"));
        }
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
    if derived.event.key.is_some()
        && !matches!(derived.event.entity, EntityRule::Property(entity) if set.contains(&(entity, when)))
    {
        let message = format!(
            "\"{}\" has a key, which one entity has at a time: the one in \"{}\"; give its entity that by set",
            derived.event.name, decl.when.value
        );
        findings.report(decl.when.at, Rule::DeriveProperties, message);
        sound = false;
    }
    for (index, property) in of_derived.sound.iter().enumerate() {
        let set_from = set.iter().find(|(target, _)| *target == index).map(|(_, value)| *value);
        let given = match set_from {
            Some(value) => of_source.sound.get(value),
            None => of_source.sound.iter().find(|candidate| candidate.name == property.name),
        };
        let Some(wrong) = misfit(property, given, set_from == Some(when), from, sets) else { continue };
        findings.report_at(property.place.clone(), Rule::DeriveProperties, wrong);
        sound = false;
    }
    let mut dropped = Vec::new();
    for (index, property) in of_source.sound.iter().enumerate() {
        if !of_derived.sound.iter().any(|candidate| candidate.name == property.name) {
            let (name, own) = (&property.name, &derived.event.name);
            let message = format!("\"{from}\" has \"{name}\", which \"{own}\" has not; declare it there too");
            if is_one_authors {
                findings.report(decl.from.at, Rule::DeriveProperties, message);
                sound = false;
            } else if !derived.decl.allow.contains(&Rule::DeriveLacks) {
                findings.report(decl.from.at, Rule::DeriveLacks, format!("{message}, or write inherit = true"));
            }
            dropped.push(index);
        }
    }
    let from = EventId(u16::try_from(number).ok()?);
    sound.then_some(Derive { from, when, set, dropped })
}

/// Says how a property of a derived event cannot be made of what it is given.
fn misfit(
    property: &Property,
    given: Option<&Property>,
    never_null: bool,
    from: &str,
    sets: &[ValueSet],
) -> Option<String> {
    let name = &property.name;
    let Some(given) = given else {
        return Some(format!("\"{from}\" has no \"{name}\", and [derive] set does not give it; add it to set"));
    };
    let may_lack = (given.nullable && !never_null && !property.nullable) || (given.optional && !property.optional);
    if Shape::of(given, sets) != Shape::of(property, sets) {
        Some(format!("\"{name}\" differs in type or values from \"{}\" of \"{from}\"; make them equal", given.name))
    } else if may_lack {
        Some(format!("\"{}\" of \"{from}\" may be null or absent, and \"{name}\" may not; make them equal", given.name))
    } else {
        None
    }
}

/// What of a property's type publishers and subscribers notice: a shared set is as good as the same
/// values in place, and names and texts of values don't count, nor do the known values of a set
/// that others may come to.
#[derive(PartialEq)]
struct Shape<'m> {
    lists: usize,
    ty: &'m Type,
    closed: Option<Vec<&'m Scalar>>,
}

impl<'m> Shape<'m> {
    fn of(property: &'m Property, sets: &'m [ValueSet]) -> Shape<'m> {
        let mut shape = Shape { lists: 0, ty: &property.ty, closed: None };
        while let Type::List(element) = shape.ty {
            shape.lists += 1;
            shape.ty = element;
        }
        let mut values = property.values.as_ref();
        if let Type::Set(index) = shape.ty
            && let Some(set) = sets.get(*index)
        {
            shape.ty = &set.base;
            values = Some(&set.values);
        }
        shape.closed = values.filter(|values| !values.open).map(|Values { list, .. }| {
            let mut scalars: Vec<&Scalar> = list.iter().map(|value| &value.scalar).collect();
            scalars.sort_by_key(|scalar| format!("{scalar:?}"));
            scalars
        });
        shape
    }
}
