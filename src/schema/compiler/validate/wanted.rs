//! What publishing wants to know of an event's data, found on the walk over it.

use super::super::model::{EntityRule, Event};
use super::key;
use super::scan::Text;
use super::verdict::Accepted;

/// What may be wanted of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Noted<'t> {
    Guid([u8; 16]),
    Text(Text<'t>),
    /// Milliseconds since the Unix epoch, of a date-time as it is delivered.
    Instant(u64),
}

/// That, where a value has any.
pub(super) type Read<'t> = Option<Noted<'t>>;

/// The properties of an event whose values are wanted, and those values.
#[derive(Debug)]
pub(super) struct Wanted {
    entity: Option<usize>,
    organization: Option<usize>,
    expires: Option<usize>,
    keys: [Option<usize>; 2],
    pub(super) found: Accepted,
}

impl Wanted {
    pub(super) fn of(event: &Event) -> Wanted {
        let entity = match event.entity {
            EntityRule::Property(index) | EntityRule::PropertyOrPublisher(index) => Some(index),
            EntityRule::Publisher => None,
        };
        let (organization, expires) = (event.organization, event.expires);
        Wanted { entity, organization, expires, keys: key::properties(event), found: Accepted::default() }
    }

    /// Keeps the value of a property where it is wanted; false where it is an entity that is none.
    pub(super) fn keep(&mut self, index: usize, noted: Noted<'_>) -> bool {
        match noted {
            Noted::Guid(guid) => {
                if self.organization == Some(index) {
                    self.found.organization = Some(guid);
                }
                self.note_key(index, || guid);
                if self.entity == Some(index) {
                    self.found.entity = (guid != [0; 16]).then_some(guid);
                    return self.found.entity.is_some();
                }
            }
            Noted::Text(text) => self.note_key(index, || key::hash(text.chars())),
            Noted::Instant(unix_ms) => {
                if self.expires == Some(index) {
                    self.found.expires_unix_ms = Some(unix_ms);
                }
            }
        }
        true
    }
    fn note_key(&mut self, index: usize, key: impl Fn() -> [u8; 16]) {
        for (wanted, found) in self.keys.iter().zip(&mut self.found.keys) {
            if *wanted == Some(index) {
                *found = Some(key());
            }
        }
    }
}
