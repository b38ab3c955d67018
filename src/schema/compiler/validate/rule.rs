//! The names of the rules. They are part of the publishing interface: stable, and told to
//! publishers.

/// The text is no JSON.
pub const JSON: &str = "json";
/// It nests deeper than the bound.
pub const DEPTH: &str = "depth";
/// A text holds a lone surrogate escape or U+0000.
pub const TEXT: &str = "text";
/// A value of another JSON type than the one declared.
pub const TYPE: &str = "type";
/// null where the type has none.
pub const NULL: &str = "null";
/// A text that is no GUID in its 36-character form.
pub const GUID: &str = "guid";
/// A text that is no date and time.
pub const DATE_TIME: &str = "date-time";
/// A number that is not whole where an integer is declared.
pub const INTEGER: &str = "integer";
/// An integer that its type can't hold.
pub const RANGE: &str = "range";
/// None of the values of a closed set.
pub const VALUES: &str = "values";
/// A property that the event does not have, or not in this spelling.
pub const UNKNOWN_PROPERTY: &str = "unknown-property";
/// A property that must be there and isn't.
pub const MISSING_PROPERTY: &str = "missing-property";
/// The same property twice, also where only the case differs.
pub const DUPLICATE_PROPERTY: &str = "duplicate-property";
/// The all-zero GUID where the entity is named.
pub const ENTITY_ZERO: &str = "entity-zero";

/// All of them, with what they say.
pub const ALL: [(&str, &str); 14] = [
    (JSON, "the text is no JSON; the message names line and column"),
    (DEPTH, "it nests deeper than the limit"),
    (TEXT, "a text holds a lone surrogate escape or U+0000"),
    (TYPE, "another JSON type than the one declared"),
    (NULL, "null where the type has none"),
    (GUID, "no GUID in its 36-character form"),
    (DATE_TIME, "no date and time of the calendar"),
    (INTEGER, "a fraction where an integer is declared"),
    (RANGE, "an integer that its type can't hold"),
    (VALUES, "none of the values of a closed set"),
    (UNKNOWN_PROPERTY, "a property that the event does not have, or not in this spelling"),
    (MISSING_PROPERTY, "a property that must be there is not"),
    (DUPLICATE_PROPERTY, "the same property twice, also where only the case differs"),
    (ENTITY_ZERO, "the all-zero GUID names no entity"),
];
