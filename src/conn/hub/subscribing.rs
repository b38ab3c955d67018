//! A Subscribe on its way: its items are judged, and what the home keeps is still to be told.

use super::super::ask::Awaited;
use crate::echo::echo;
use crate::hub::block::{Rows, Since, Wanted};
use crate::hub::topic::Reach;
use crate::proto::signalr::message::{Given, Item};
use smallvec::SmallVec;

/// A Subscribe whose items have been judged.
#[derive(Debug)]
pub(super) struct Subscribing {
    pub(super) id: Option<String>,
    pub(super) items: SmallVec<[Judged; 8]>,
    pub(super) awaited: Awaited,
}

/// An item of a Subscribe, by all but the limit.
#[derive(Debug)]
pub(super) enum Judged {
    Right(Right),
    Wrong(Refused),
}

/// An item that is granted, and what it asked for.
#[derive(Clone, Debug)]
pub(super) struct Right {
    pub(super) reach: Reach,
    /// Whether the connection has it already and asks what it has missed: nothing, whatever its
    /// position.
    pub(super) is_current: bool,
    /// Which rows each of its topics may have.
    pub(super) rows: Rows,
    pub(super) since: Option<Since>,
    pub(super) snapshot: Snapshot,
    /// A fresh token no longer grants it, which came while its home was asked.
    pub(super) is_lost: bool,
}

/// Whether an item gets what still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Snapshot {
    No,
    /// The hub gives it to everybody, but for what calls have come to.
    ByDefault,
    /// The item asked for it, and is told how much there was.
    Asked,
}

impl Right {
    /// Whether its home is asked for anything.
    pub(super) fn wants(&self) -> bool {
        self.wants_rows() || self.since.is_some()
    }

    fn wants_rows(&self) -> bool {
        match self.snapshot {
            Snapshot::No => false,
            Snapshot::ByDefault => matches!(self.rows, Rows::Value | Rows::Keyed),
            Snapshot::Asked => true,
        }
    }

    /// What its home is asked for, if anything.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let Right { ref reach, is_current: is_held, rows, since, .. } = *self;
        let snapshot = self.wants_rows();
        let wanted = || Wanted { reach: reach.clone(), is_held, rows, since, snapshot };
        self.wants().then(wanted)
    }
}

/// Reads what an item says of the past.
pub(super) fn since(item: &Item<'_>) -> Option<Since> {
    item.since.map(|given| match given {
        Given::Missing => Since::Present,
        Given::Text(text) => Since::parse(text),
    })
}

/// Why an item is refused, and what is echoed of it.
#[derive(Debug)]
pub(in super::super) struct Refused {
    pub(super) message: &'static str,
    pub(super) entity: Option<String>,
    pub(super) event: Option<String>,
}

impl Refused {
    pub(super) fn new(message: &'static str, item: &Item<'_>) -> Refused {
        Refused { message, entity: told(item.entity_id), event: told(item.event_name) }
    }
}

/// What a refused item is answered with: what was given, in ASCII lower case.
fn told(given: Given<'_>) -> Option<String> {
    match given {
        Given::Missing => None,
        Given::Text(text) => Some(echo(text).to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ECHO_BYTES_MAX;

    #[test]
    fn an_echo_is_lower_case_and_cut_at_a_characters_border() {
        assert_eq!(told(Given::Text("AbC")), Some("abc".into()));
        assert_eq!(told(Given::Missing), None);
        let long = format!("{}ä{}", "x".repeat(ECHO_BYTES_MAX - 1), "y".repeat(50));
        assert_eq!(told(Given::Text(&long)), Some("x".repeat(ECHO_BYTES_MAX - 1)));
    }
}
