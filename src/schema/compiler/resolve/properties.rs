//! Properties of events and helper objects: their types and values.

use super::super::finding::{Findings, Rule};
use super::super::model::{Property, Scalar, Type, Value, Values, WireCase};
use super::super::names;
use super::super::source::Located;
use super::super::syntax::{PropertyDecl, ValueDecl};
use super::super::type_expr::{self, TypeExpr};
use super::scope::{Meaning, Scope};

/// The properties of one object, and the names of those that are declared but broken.
#[derive(Default)]
pub struct Properties {
    /// Those that could be resolved, sorted by name without case.
    pub sound: Vec<Property>,
    /// The names of the others.
    pub broken: Vec<String>,
}

/// What a reference to a property found.
pub enum Lookup {
    /// The sound property with that index.
    Found(usize),
    /// A property that has been reported already.
    Broken,
    /// None of that name.
    Unknown,
}

impl Properties {
    /// Looks a property up by its documented name.
    pub fn look_up(&self, name: &str) -> Lookup {
        match self.sound.iter().position(|property| property.name == name) {
            Some(index) => Lookup::Found(index),
            None if self.broken.iter().any(|broken| broken == name) => Lookup::Broken,
            None => Lookup::Unknown,
        }
    }
}

/// Resolves the properties of `owner`, in the vendor's order: by name without case, however they
/// are written.
pub fn properties(
    decls: &[PropertyDecl],
    owner: &str,
    scope: &Scope<'_>,
    wire_case: WireCase,
    findings: &mut Findings<'_>,
) -> Properties {
    let mut properties = Properties::default();
    let mut seen: Vec<&str> = Vec::new();
    for decl in decls {
        let name = decl.name.value.as_str();
        if let Some(twin) = seen.iter().find(|seen| seen.eq_ignore_ascii_case(name)) {
            let message =
                format!("property \"{name}\" differs from \"{twin}\" only in case; readers compare names without case");
            findings.report(decl.name.at, Rule::DuplicateProperty, message);
            properties.broken.push(name.to_owned());
            continue;
        }
        seen.push(name);
        match property(decl, owner, scope, wire_case, findings) {
            Some(property) => properties.sound.push(property),
            None => properties.broken.push(name.to_owned()),
        }
    }
    properties.sound.sort_by_key(|property| property.name.to_ascii_lowercase());
    properties
}

fn property(
    decl: &PropertyDecl,
    owner: &str,
    scope: &Scope<'_>,
    wire_case: WireCase,
    findings: &mut Findings<'_>,
) -> Option<Property> {
    let name = &decl.name.value;
    let subject = format!("property \"{name}\"");
    let (ty, nullable) = resolve_type(decl.ty.as_ref()?, name, owner, scope, findings)?;
    let open = decl.open.as_ref().is_some_and(|open| open.value);
    let values = match (&decl.values, &decl.open) {
        (Some(list), _) => Some(Values { open, list: values(list, &ty, &subject, findings)? }),
        (None, Some(open)) => {
            let message = format!("{subject} says open but lists no values; list the known ones or drop open");
            findings.report(open.at, Rule::OpenWithoutValues, message);
            None
        }
        (None, None) => None,
    };
    Some(Property {
        name: name.clone(),
        wire: wire_case.spell(name),
        ty,
        nullable,
        optional: decl.optional,
        doc: decl.doc.clone(),
        note: decl.note.clone(),
        values,
        since: decl.since.clone(),
        deprecated: decl.deprecated.clone(),
        pii: decl.pii.clone(),
        place: findings.sources().place(decl.name.at),
    })
}

fn resolve_type(
    text: &Located<String>,
    property: &str,
    owner: &str,
    scope: &Scope<'_>,
    findings: &mut Findings<'_>,
) -> Option<(Type, bool)> {
    let written = &text.value;
    let TypeExpr { name, lists, nullable } = match type_expr::parse(written) {
        Ok(expr) => expr,
        Err(advice) => {
            let message = format!("\"{written}\" is no type for property \"{property}\"; {advice}");
            findings.report(text.at, Rule::BadType, message);
            return None;
        }
    };
    let element = match (type_expr::built_in(name), scope.look_up(name)) {
        (Some(scalar), _) => scalar,
        (None, Some(Meaning::Type(index))) => Type::Object(index),
        (None, Some(Meaning::Set(index))) => Type::Set(index),
        (None, Some(Meaning::Unreadable)) => return None,
        (None, Some(Meaning::Event)) => {
            let message = format!(
                "property \"{property}\" of {owner} cannot hold the event \"{name}\"; \
                 declare a type with the properties that it should hold"
            );
            findings.report(text.at, Rule::BadType, message);
            return None;
        }
        (None, None) => {
            let advice = names::advice(name, "the types", &scope.type_names());
            let message = format!("unknown type \"{name}\" for property \"{property}\"; {advice}");
            findings.report(text.at, Rule::UnknownType, message);
            return None;
        }
    };
    Some(((0..lists).fold(element, |element, _| Type::List(Box::new(element))), nullable))
}

/// Resolves the values of a property or an enum of type `ty`.
pub fn values(
    list: &Located<Vec<ValueDecl>>,
    ty: &Type,
    subject: &str,
    findings: &mut Findings<'_>,
) -> Option<Vec<Value>> {
    match ty {
        Type::String | Type::Short | Type::Int | Type::Long => {}
        Type::List(_) => {
            let message = format!(
                "{subject} is a list, and only scalars have values; declare the values as an enum and list that"
            );
            findings.report(list.at, Rule::ValuesOfList, message);
            return None;
        }
        Type::Guid | Type::Bool | Type::DateTime | Type::Object(_) | Type::Set(_) => {
            let message = format!("{subject} cannot have values; string, short, int and long can");
            findings.report(list.at, Rule::ValueType, message);
            return None;
        }
    }
    let mut values: Vec<Value> = Vec::new();
    for decl in &list.value {
        let scalar = &decl.scalar;
        if let Some(wrong) = misfit(&scalar.value, ty) {
            findings.report(scalar.at, Rule::ValueType, format!("{wrong} of {subject}"));
        } else if values.iter().any(|value| value.scalar == scalar.value) {
            findings.report(scalar.at, Rule::DuplicateValue, "the same value twice");
        } else {
            let (scalar, name, doc) = (scalar.value.clone(), decl.name.clone(), decl.doc.clone());
            values.push(Value { scalar, name, doc });
        }
    }
    Some(values)
}

/// Says how a value does not fit a type.
fn misfit(scalar: &Scalar, ty: &Type) -> Option<String> {
    let wanted = match (scalar, ty) {
        (Scalar::Text(_), Type::String) => return None,
        (Scalar::Integer(value), Type::Short) if i16::try_from(*value).is_ok() => return None,
        (Scalar::Integer(value), Type::Int) if i32::try_from(*value).is_ok() => return None,
        (Scalar::Integer(_), Type::Long) => return None,
        (Scalar::Integer(_), Type::Short) => "an integer of 16 bits",
        (Scalar::Integer(_), Type::Int) => "an integer of 32 bits",
        (Scalar::Integer(_), _) => "a string",
        (Scalar::Text(_), _) => "an integer",
    };
    let shown = match scalar {
        Scalar::Integer(value) => value.to_string(),
        Scalar::Text(text) => format!("\"{text}\""),
    };
    Some(format!("{shown} does not fit the type; write {wanted} as a value"))
}

/// How messages call a type.
pub fn type_name(ty: &Type) -> &'static str {
    match ty {
        Type::Guid => "a Guid",
        Type::String => "a string",
        Type::Bool => "a bool",
        Type::Short | Type::Int | Type::Long => "a number",
        Type::DateTime => "a DateTime",
        Type::List(_) => "a list",
        Type::Object(_) => "an object",
        Type::Set(_) => "an enum",
    }
}
