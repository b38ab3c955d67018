//! What follows a Subscribe's Completion before anything live: what was missed, or what still
//! holds.

use super::kept::retained::Retained;
use super::position::{Position, WirePosition};
use super::topic::Reach;
use crate::metrics::Recovery;
use std::sync::Arc;

/// From where on an item wants to have its publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From now on, with their positions.
    Present,
    /// Behind a position.
    Behind(WirePosition),
    /// Those of the last so many milliseconds, too.
    Back {
        /// How many.
        ms: u64,
    },
    /// A text that is none of these.
    Unreadable,
}

impl Since {
    /// Reads what an item says: a position, or how far back as `-30s`, `-5m`, `-1h` or `-1500ms`.
    ///
    /// ```
    /// use rte::hub::block::Since;
    ///
    /// assert_eq!(Since::parse("-30s"), Since::Back { ms: 30_000 });
    /// assert_eq!(Since::parse("-0.5s"), Since::Unreadable);
    /// ```
    pub fn parse(text: &str) -> Since {
        if let Ok(position) = text.parse() {
            return Since::Behind(position);
        }
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
        let read = |(unit, ms): (&str, u64)| {
            let digits = text.strip_prefix('-')?.strip_suffix(unit)?;
            let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
            is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(ms)).flatten()
        };
        units.into_iter().find_map(read).map_or(Since::Unreadable, |ms| Since::Back { ms })
    }
}

/// Which rows the topics of an event may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// None.
    None,
    /// One: only the newest value matters.
    Value,
    /// One for each key.
    Keyed,
    /// Those of the legs of calls.
    Call,
}

/// What an item of a Subscribe wants to have before anything live.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Of which topics.
    pub reach: Reach,
    /// Whether the connection has it already, so that nothing of it was missed.
    pub is_held: bool,
    /// Which rows each topic may have.
    pub rows: Rows,
    /// From where on, if it says so.
    pub since: Option<Since>,
    /// Whether it wants what still holds, where what it missed can't be told.
    pub snapshot: bool,
}

/// What is told of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// From here on nothing of the item is missing.
    pub position: Position,
    /// Whether what it missed is in the block, or why not; where it asked.
    pub recovery: Option<Recovery>,
    /// Publications of the log that are its part of the block.
    pub replayed: usize,
    /// Rows that still hold and are its part of the block.
    pub rows: usize,
    /// Whether there may be more rows, which the hub does not know.
    pub is_partial: bool,
}

impl Found {
    /// What an item is told that was not away: nothing was missed.
    pub(super) fn held(position: Position, since: Option<Since>) -> Found {
        let asks = since.is_some_and(|since| since != Since::Present);
        Found { position, recovery: asks.then_some(Recovery::Recovered), replayed: 0, rows: 0, is_partial: false }
    }

    /// What an item is told that names what this one has named before: nothing more comes, and the
    /// position is as good, for what follows is still to come.
    pub(super) fn again(&self, since: Option<Since>) -> Found {
        let held = Found::held(self.position, since);
        Found { recovery: held.recovery.and(self.recovery).or(held.recovery), ..held }
    }
}

/// The block of one Subscribe.
#[derive(Clone, Debug)]
pub struct Block {
    /// Where its organization stood.
    pub present: WirePosition,
    /// For each item that wanted something, in their order.
    pub found: Vec<Found>,
    /// What follows the Completion, in the order of positions.
    pub publications: Vec<Arc<Retained>>,
    /// What it has cost the home to find all that, in deliveries.
    pub work: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back_is_a_whole_number_with_a_unit() {
        for (text, ms) in [("-30s", 30_000), ("-5m", 300_000), ("-2h", 7_200_000), ("-1500ms", 1500), ("-0s", 0)] {
            assert_eq!(Since::parse(text), Since::Back { ms }, "{text}");
        }
        let beyond = format!("-{}m", u64::MAX);
        for text in ["", "-", "-s", "30s", "-30", "- 30s", "-+3s", "-3d", "-1.5s", "--3s", "-٣s", &beyond] {
            assert_eq!(Since::parse(text), Since::Unreadable, "{text}");
        }
    }
}
