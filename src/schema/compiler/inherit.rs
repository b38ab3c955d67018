//! `[derive] inherit`: an event that is derived has the properties of its source without repeating
//! them. What the source gains later, it gains too.

use super::syntax::{Declarations, EventDecl};

/// Gives each event that inherits the properties of its source. One of its own stands for the
/// source's of that name, compared without case. A source that does not exist is left to the
/// resolver to report.
pub fn inherit(declarations: &mut Declarations) {
    let source_of = |event: &EventDecl| {
        let derive = event.derive.as_ref().filter(|derive| derive.inherit)?;
        let source = declarations.events.iter().find(|source| source.name.value == derive.from.value)?;
        let is_own = |name: &str| event.properties.iter().any(|own| own.name.value.eq_ignore_ascii_case(name));
        let more = source.properties.iter().filter(|property| !is_own(&property.name.value));
        Some((more.cloned().collect::<Vec<_>>(), source.allow.clone()))
    };
    let inherited: Vec<_> = declarations.events.iter().map(source_of).collect();
    for (event, inherited) in declarations.events.iter_mut().zip(inherited) {
        if let Some((properties, allow)) = inherited {
            event.properties.extend(properties);
            event.allow.extend(allow);
        }
    }
}
