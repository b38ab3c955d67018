//! Where the date-times of an event are, for hub protocols that have a type for them.

use super::compiler::model::{Model, Property, Type};
use super::compiler::validate::date_time;

/// The properties of an object that hold date-times, or objects that do; sorted by their names on
/// the wire. Lists count as what they list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instants(Vec<(Box<str>, Within)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Within {
    Instant,
    Object(Instants),
}

/// What is known of a value's type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Typed<'i> {
    /// A date-time, where it is a text.
    Instant,
    /// An object with date-times in it.
    Object(&'i Instants),
    /// It holds no date-time.
    Plain,
}

impl Instants {
    /// Those among the properties; `None` where there is none.
    pub(super) fn of(model: &Model, properties: &[Property]) -> Option<Instants> {
        let within = |property: &Property| Some((property.wire.as_str().into(), Within::of(model, &property.ty)?));
        let mut found: Vec<(Box<str>, Within)> = properties.iter().filter_map(within).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        (!found.is_empty()).then_some(Instants(found))
    }

    /// What is known of the property of that name.
    pub(crate) fn property(&self, wire: &str) -> Typed<'_> {
        let found = self.0.binary_search_by(|(name, _)| (**name).cmp(wire)).ok().and_then(|at| self.0.get(at));
        match found {
            Some((_, Within::Instant)) => Typed::Instant,
            Some((_, Within::Object(instants))) => Typed::Object(instants),
            None => Typed::Plain,
        }
    }
}

impl Within {
    fn of(model: &Model, ty: &Type) -> Option<Within> {
        match ty {
            Type::DateTime => Some(Within::Instant),
            Type::List(ty) => Within::of(model, ty),
            Type::Object(object) => Instants::of(model, &model.types.get(*object)?.properties).map(Within::Object),
            Type::Guid | Type::String | Type::Bool | Type::Short | Type::Int | Type::Long | Type::Set(_) => None,
        }
    }
}

/// Seconds since the Unix epoch, and nanoseconds behind these, of a date-time as it is delivered.
/// `None` where the text is none, as a lenient validation lets through.
pub(crate) fn instant(text: &str) -> Option<(i64, u32)> {
    Some(date_time::date_time(text.as_bytes()).ok()?.instant())
}
