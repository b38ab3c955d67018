//! The last values that an engine keeps, against those that a home keeps.

use super::entry::Raw;

/// A last value, which is the entry that has made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Which value it is.
    pub field: Box<[u8]>,
    /// The entry.
    pub entry: Raw,
}

/// Whether a value that was found in the engine takes the place of the one that is held, if any is.
///
/// The scan began when everything up to the horizon had been read. What the log had behind it comes
/// by reading, or has come; up to it, the engine knows best. At the start there is no horizon, and
/// the later of the two counts.
pub fn supersedes<P: Ord + Copy>(found: P, held: Option<P>, horizon: Option<P>) -> bool {
    match horizon {
        None => held.is_none_or(|held| found > held),
        Some(horizon) => found <= horizon && held.is_none_or(|held| held <= horizon && held != found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::entry::Place;
    use crate::hub::position::Epoch;

    #[test]
    fn a_value_is_corrected_unless_the_log_has_more_to_say() {
        let at = |sequence| Place { epoch: Epoch::from_number(1), sequence };
        let horizon = Some(at(5));
        assert!(supersedes(at(3), None, horizon) && supersedes(at(5), Some(at(2)), horizon));
        assert!(supersedes(at(2), Some(at(4)), horizon), "what was held is not in the log any more");
        assert!(!supersedes(at(3), Some(at(3)), horizon));
        assert!(!supersedes(at(6), Some(at(2)), horizon), "it will be read");
        assert!(!supersedes(at(3), Some(at(6)), horizon), "it has been read since");
        assert!(supersedes(at(6), Some(at(2)), None) && !supersedes(at(2), Some(at(6)), None));
    }
}
