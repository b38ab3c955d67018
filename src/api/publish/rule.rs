//! The names of the rules that publishing adds to those of the data
//! ([`crate::schema::validate::rule`]). They are part of the publishing interface: stable, and told
//! to publishers.

pub use crate::schema::validate::rule::{ENTITY_ZERO, GUID, JSON, TEXT, TYPE};

/// A member that an item must have is missing.
pub(crate) const MISSING_MEMBER: &str = "missing-member";
/// A member that items don't have.
pub(crate) const UNKNOWN_MEMBER: &str = "unknown-member";
/// The same member twice.
pub(crate) const DUPLICATE_MEMBER: &str = "duplicate-member";
/// An id that is empty or too long.
pub(crate) const ID: &str = "id";
/// No event of that name.
pub(crate) const UNKNOWN_EVENT: &str = "unknown-event";
/// Neither the data nor the item name the entity.
pub(crate) const ENTITY_MISSING: &str = "entity-missing";
/// The item names another entity than the data.
pub const ENTITY_MISMATCH: &str = "entity-mismatch";
/// No organization, the all-zero one, two different ones, or one that the token may not publish
/// for.
pub const ORGANIZATION: &str = "organization";
/// The grants of the token don't cover this event of this entity.
pub(crate) const UNAUTHORIZED: &str = "unauthorized";
/// The item is to be the last of its key, and its event has none.
pub(crate) const LAST: &str = "last";
/// The data is larger than the limit.
pub(crate) const TOO_LARGE: &str = "too-large";
/// Not what CloudEvents 1.0 asks for, or a feature of it that the hub doesn't take.
pub(crate) const CLOUD_EVENT: &str = "cloud-event";

/// All of them, with what they say; the shared ones stand in the data's list.
pub(crate) const ALL: [(&str, &str); 12] = [
    (MISSING_MEMBER, "a member that an item must have is missing"),
    (UNKNOWN_MEMBER, "a member that items don't have"),
    (DUPLICATE_MEMBER, "the same member twice"),
    (ID, "an id that is empty or longer than 128 bytes"),
    (UNKNOWN_EVENT, "no event of that name; the message has the nearest"),
    (ENTITY_MISSING, "neither the data nor the item name the entity"),
    (ENTITY_MISMATCH, "the item names another entity than the data"),
    (ORGANIZATION, "no organization, the all-zero one, two different ones, or one that the token may not publish for"),
    (UNAUTHORIZED, "the grants of the token don't cover this event of this entity"),
    (LAST, "the item is to be the last of its key, and its event has none"),
    (TOO_LARGE, "the data is larger than the limit, or the item than four times that"),
    (CLOUD_EVENT, "not what CloudEvents 1.0 asks for, or a feature of it that the hub doesn't take"),
];
