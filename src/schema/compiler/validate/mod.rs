//! The one validator: interprets the model over JSON text. Serves the examples at build, `POST
//! /publish`, `dry_run`, and events loaded at run time.
//!
//! [`validate`] walks the text once, builds no tree, and copies nothing unless something must
//! change: a documented spelling becomes the wire's, an absent nullable property is filled with
//! null, an upper-case GUID becomes lower-case, a date-time gets the form that .NET reads, `1.0`
//! becomes `1`, and lenient mode mends what it lets through. Everything else is delivered byte for
//! byte, so that 9007199254740993 and seven digits of a second survive.
//!
//! **The invariant**: whatever is delivered validates against the published schema, except what
//! lenient mode counted ([`Accepted::tolerated`]). The other way round, whatever validates against
//! the closed schema is accepted.
//!
//! Values of unknown properties, which only lenient mode delivers, are opaque: JSON, Unicode and
//! the nesting are checked in them, nothing else. Unknown names are compared exactly, known ones
//! without case.
//!
//! Not here: routing rules that need more than the data (`entityId`, tenants, rights); they are
//! publishing's.

pub mod bounds;
pub mod date_time;
pub mod derive;
mod duplicates;
pub mod expiry;
pub mod key;
mod members;
pub mod message;
mod path;
pub mod rule;
pub mod scalar;
pub mod scan;
mod verdict;
mod walk;
mod wanted;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use bounds::{Bounds, Mode};
pub use verdict::{Accepted, Violation};

use super::model::{EventId, Model};

/// Checks `text`, the JSON of one event's data, and writes what is delivered to `out` (cleared
/// first) where it must differ from `text`. Allocates nothing on the accepting path beyond `out`'s
/// growth, rarities aside: more than 256 properties in one object, names that lenient mode finds
/// twice (or cannot tell apart by its short list of unknown ones), escapes in a date-time, and an
/// integer written with fraction or exponent.
///
/// # Errors
///
/// All violations in the order of the text, at most `bounds.errors_max`; a text that is no JSON
/// yields this one alone, with rule [`rule::JSON`]. An unknown `event` is a caller's slip and
/// yields [`rule::TYPE`] for the whole.
pub fn validate(
    model: &Model,
    event: EventId,
    text: &str,
    mode: Mode,
    bounds: Bounds,
    out: &mut Vec<u8>,
) -> Result<Accepted, Vec<Violation>> {
    walk::validate(model, event, text, mode, bounds, out)
}
