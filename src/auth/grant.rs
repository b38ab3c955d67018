//! Grants: `family/entity/event` patterns and what they cover.

use crate::schema::{Catalogue, Event, guid, names};
use std::fmt;
use uuid::Uuid;

/// One pattern. Parts are literal (without case) or `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Family name in lower case; `None` is `*`.
    pub family: Option<Box<str>>,
    /// `None` is `*`.
    pub(crate) entity: Option<Uuid>,
    /// Event name in lower case; `None` is `*` or left out, and covers only events for clients.
    pub(crate) event: Option<Box<str>>,
}

/// What is wrong with the text of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantError {
    /// There are not two or three parts.
    Parts,
    /// The family is neither a name nor `*`.
    Family,
    /// The entity is neither a GUID in its 36-character form nor `*`.
    Entity,
    /// The event is neither a name nor `*`.
    Event,
}

impl Grant {
    /// Reads `family/entity` or `family/entity/event`. Names are not looked up: a grant for a
    /// family or event that the catalogue does not have yet covers nothing until it has.
    pub fn parse(text: &str) -> Result<Grant, GrantError> {
        let mut parts = text.split('/');
        let (Some(family), Some(entity), event, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(GrantError::Parts);
        };
        Ok(Grant {
            family: name(family).ok_or(GrantError::Family)?,
            entity: match entity {
                "*" => None,
                literal => Some(guid::parse(literal).ok_or(GrantError::Entity)?),
            },
            event: name(event.unwrap_or("*")).ok_or(GrantError::Event)?,
        })
    }

    /// Why it covers nothing of this catalogue, where that is so: `covers nothing: there is no …`.
    pub fn fault(&self, catalogue: &Catalogue) -> Option<String> {
        let families = || catalogue.model().families.iter().map(|family| family.name.as_str());
        let family = match self.family.as_deref() {
            Some(name) => match families().find(|family| family.eq_ignore_ascii_case(name)) {
                Some(family) => Some(family),
                None => {
                    let near = names::hint(name, families(), "`");
                    return Some(format!("covers nothing: there is no family `{name}`{near}"));
                }
            },
            None => None,
        };
        let name = self.event.as_deref()?;
        let Some(event) = catalogue.find(name) else {
            let near = names::hint(name, catalogue.events().map(|(_, event)| event.name.as_str()), "`");
            return Some(format!("covers nothing: there is no event `{name}`{near}"));
        };
        let owner = catalogue.family_of(event);
        let is_apart = family.is_some_and(|family| family != owner);
        is_apart.then(|| format!("covers nothing: {} is an event of the family {owner}", catalogue.event(event).name))
    }

    /// Whether the pattern covers that event of that entity, for a principal with or without scope
    /// `backend`.
    pub(super) fn covers(&self, family: &str, event: &Event, entity: Uuid, is_backend: bool) -> bool {
        self.family.as_deref().is_none_or(|literal| literal.eq_ignore_ascii_case(family))
            && self.entity.is_none_or(|literal| literal == entity)
            && match self.event.as_deref() {
                Some(literal) => literal == event.lower,
                None => is_open(event, is_backend),
            }
    }
}

/// Whether an event is covered without being named. Those for back ends hold e-mail addresses and
/// phone numbers.
pub(super) fn is_open(event: &Event, is_backend: bool) -> bool {
    event.audience.client || is_backend
}

/// A family or event part: the inner `None` is `*`, the outer one is no name.
fn name(part: &str) -> Option<Option<Box<str>>> {
    if part == "*" {
        return Some(None);
    }
    let is_name =
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    is_name.then(|| Some(part.to_ascii_lowercase().into()))
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.family.as_deref().unwrap_or("*"))?;
        match self.entity {
            Some(entity) => write!(f, "{entity}")?,
            None => f.write_str("*")?,
        }
        write!(f, "/{}", self.event.as_deref().unwrap_or("*"))
    }
}

impl GrantError {
    /// A sentence that tells the form, without any part of the text.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            GrantError::Parts => "A grant is not of the form family/entity or family/entity/event",
            GrantError::Family => "The family of a grant is neither a name nor *",
            GrantError::Entity => "The entity of a grant is neither a GUID of 36 characters nor *",
            GrantError::Event => "The event of a grant is neither a name nor *",
        }
    }
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for GrantError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USER: Uuid = Uuid::from_u128(0xa1);

    #[test]
    fn the_forms_of_a_grant_are_read() {
        let all = Grant { family: None, entity: None, event: None };
        assert_eq!(Grant::parse("*/*"), Ok(all.clone()));
        assert_eq!(Grant::parse("*/*/*"), Ok(all));
        assert_eq!(
            Grant::parse("CallList/00000000-0000-0000-0000-0000000000A1/CallListStatus"),
            Ok(Grant { family: Some("calllist".into()), entity: Some(USER), event: Some("callliststatus".into()) })
        );
    }

    #[test]
    fn a_bad_grant_says_which_part_is_wrong() {
        for (text, error) in [
            ("", GrantError::Parts),
            ("queue", GrantError::Parts),
            ("queue/*/QueueStatus/", GrantError::Parts),
            ("/*", GrantError::Family),
            ("que*/*", GrantError::Family),
            (" queue/*", GrantError::Family),
            ("qu\u{e9}ue/*", GrantError::Family),
            ("queue/", GrantError::Entity),
            ("queue/**", GrantError::Entity),
            ("queue/support", GrantError::Entity),
            ("queue/000000000000000000000000000000a1", GrantError::Entity),
            ("queue/{00000000-0000-0000-0000-0000000000a1}", GrantError::Entity),
            ("queue/*/", GrantError::Event),
            ("queue/*/Queue*", GrantError::Event),
        ] {
            assert_eq!(Grant::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn what_a_grant_displays_is_read_back() {
        for text in ["*/*/*", "queue/*/queuestatus", "user/00000000-0000-0000-0000-0000000000a1/*"] {
            assert_eq!(Grant::parse(text).unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in ".{0,80}") {
            if let Ok(grant) = Grant::parse(&text) {
                prop_assert_eq!(Grant::parse(&grant.to_string()), Ok(grant));
            }
        }
    }
}
