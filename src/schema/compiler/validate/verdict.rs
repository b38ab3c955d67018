//! What a validation says.

/// What an accepted event says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The value of the routing property; `None` where the event has none or it is null.
    pub entity: Option<[u8; 16]>,
    /// The value of OrganizationId, where the event has it.
    pub organization: Option<[u8; 16]>,
    /// When the value is stale, in milliseconds since the Unix epoch: what the property says that
    /// `[state] expires` names.
    pub expires_unix_ms: Option<u64>,
    /// What tells its row apart: the key of a keyed state; the call and the leg of an event of a
    /// call. A GUID, or the hash of a text.
    pub keys: [Option<[u8; 16]>; 2],
    /// Whether `out` holds a rewritten text; otherwise the text itself is delivered, byte for byte.
    pub rewritten: bool,
    /// How many things lenient mode let through.
    pub tolerated: u32,
}

/// One thing wrong with an event's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer (RFC 6901) into the data, in the publisher's spelling.
    pub pointer: String,
    /// The rule's name, one of [`super::rule`]'s.
    pub rule: &'static str,
    /// What is wrong and what was expected, with the nearest known name.
    pub message: String,
}
