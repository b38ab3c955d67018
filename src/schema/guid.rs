//! GUIDs on the wire: the 36-character form only, any case in, lower case out.

use uuid::Uuid;

/// Reads the 36-character form.
pub(crate) fn parse(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}
