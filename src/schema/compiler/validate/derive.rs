//! Events made from other events.

use super::super::model::{EntityRule, EventId, Model};
use super::bounds::DEPTH_CEILING;
use super::scalar;
use super::scan::{Halt, Scanner};

/// Makes the event `derived` from `text`, the data of its source event as it is delivered (wire
/// spelling, nullable properties filled), and writes its data to `out` (cleared first): the members
/// of the source that it has, with the properties set behind them. Answers the entity that the made
/// event is about, and where in `out` its GUID stands.
///
/// `None`, and nothing to publish, where the source's `when` property is null or the all-zero GUID,
/// where a property set would be null and may not be, or where no GUID names the entity; also where
/// `derived` has no rule. One that has a key is made for nobody then, the all-zero GUID: for the
/// entity that has had it.
pub fn derive(model: &Model, derived: EventId, text: &str, out: &mut Vec<u8>) -> Option<Derived> {
    out.clear();
    let event = model.event(derived)?;
    let rule = event.derive.as_ref()?;
    let source = model.event(rule.from)?;
    let of_source = |index: usize| member(text, &source.properties.get(index)?.wire);

    let when = of_source(rule.when)?;
    let is_nobodys = when == "null" || guid(when) == Some(NOBODY);
    if is_nobodys && event.key.is_none() {
        return None;
    }
    let (EntityRule::Property(routing) | EntityRule::PropertyOrPublisher(routing)) = event.entity else { return None };
    let entity = match rule.set.iter().find(|(target, _)| *target == routing) {
        Some((_, from)) => of_source(*from)?,
        None => member(text, &event.properties.get(routing)?.wire)?,
    };
    let entity = if is_nobodys { NOBODY } else { guid(entity).filter(|entity| *entity != NOBODY)? };

    let is_set = |name: &str| {
        rule.set.iter().any(|(target, _)| event.properties.get(*target).is_some_and(|property| property.wire == name))
    };
    let is_dropped = |name: &str| {
        rule.dropped.iter().any(|index| source.properties.get(*index).is_some_and(|property| property.wire == name))
    };
    let mut entity_at = None;
    out.push(b'{');
    for member in Members::of(text).filter(|member| !is_set(member.name) && !is_dropped(member.name)) {
        comma(out);
        out.extend_from_slice(member.whole.as_bytes());
    }
    for (target, from) in &rule.set {
        let property = event.properties.get(*target)?;
        let is_entity = *target == routing;
        let value = if is_entity && is_nobodys { NOBODY_TEXT } else { of_source(*from).unwrap_or("null") };
        if value == "null" && !property.nullable {
            return None;
        }
        comma(out);
        for piece in ["\"", &property.wire, "\":", value] {
            out.extend_from_slice(piece.as_bytes());
        }
        if is_entity {
            entity_at = u32::try_from(out.len() + 1 - value.len()).ok();
        }
    }
    out.push(b'}');
    Some(Derived { entity, entity_at })
}

/// Whom a derived event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The entity; all zeros where it is nobody's any more.
    pub entity: [u8; 16],
    /// Where in the data its GUID stands, where the rule sets it.
    pub entity_at: Option<u32>,
}

const NOBODY: [u8; 16] = [0; 16];
const NOBODY_TEXT: &str = "\"00000000-0000-0000-0000-000000000000\"";

/// A comma, unless the object has just been opened.
fn comma(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

/// The value of the last member of that name, as written.
pub(super) fn member<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    Members::of(text).filter(|member| member.name == name).last().map(|member| member.value)
}

/// The GUID that a value of a delivered text holds.
pub(super) fn guid(value: &str) -> Option<[u8; 16]> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    scalar::guid(text.as_bytes()).map(|guid| guid.bytes)
}

/// One member of an object, as written.
pub(super) struct Pair<'t> {
    name: &'t str,
    value: &'t str,
    /// Name, colon and value.
    whole: &'t str,
}

/// The members of a text's outermost object.
pub(super) struct Members<'t> {
    scan: Scanner<'t>,
    more: bool,
}

impl<'t> Members<'t> {
    pub(super) fn of(text: &'t str) -> Members<'t> {
        let mut scan = Scanner::new(text);
        let more = scan.open(b'{', b'}').unwrap_or(false);
        Members { scan, more }
    }

    fn read(&mut self) -> Result<Pair<'t>, Halt> {
        self.scan.peek();
        let start = self.scan.offset();
        let name = self.scan.name()?.raw;
        self.scan.peek();
        let value_start = self.scan.offset();
        self.scan.skip(DEPTH_CEILING)?;
        let member = Pair { name, value: self.scan.since(value_start), whole: self.scan.since(start) };
        self.more = self.scan.more(b'}')?;
        Ok(member)
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = Pair<'t>;

    fn next(&mut self) -> Option<Pair<'t>> {
        if !self.more {
            return None;
        }
        // A delivered text is JSON: an error can only mean that it isn't one, and then it has no
        // more members.
        self.read().inspect_err(|_| self.more = false).ok()
    }
}
