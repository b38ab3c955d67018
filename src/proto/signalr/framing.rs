//! Records of the JSON hub protocol: each ends with the separator 0x1E, wherever message and frame
//! borders fall.

use crate::broken::broken;
use std::mem;

/// The record separator, ASCII RS. It can't stand inside JSON text: encoders must escape it.
pub(crate) const SEPARATOR: u8 = 0x1E;

/// A record, counted with its separator, is longer than its bound. Nothing behind it can be read:
/// the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Cuts a byte stream into records.
///
/// For each piece of payload that arrives, call [`Records::next`] until it answers `None`; the
/// piece is then used up and what follows its last separator is kept for the next one. The caller
/// may stop at any record when it ends the connection.
///
/// A record that lies whole within a piece is handed out in place; only one that is cut is copied,
/// once, and only while it is partial is any memory held. Each byte is searched once, however small
/// the pieces.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// The beginning of a record whose end hasn't arrived.
    pub(super) partial: Vec<u8>,
    /// It is whole and has been handed out: the next call lets go of it.
    is_handed_out: bool,
}

impl Records {
    /// Returns the next record, without its separator; `rest` moves behind it. `None` when `rest`
    /// holds no further separator.
    ///
    /// `record_bytes_max` counts the separator, as SignalR's MaximumReceiveMessageSize does.
    /// Records before one that is too long are handed out first; a record is too long as soon as no
    /// separator can end it within the bound.
    pub(crate) fn next<'r, 'p: 'r>(
        &'r mut self,
        rest: &mut &'p mut [u8],
        record_bytes_max: usize,
    ) -> Result<Option<&'r mut [u8]>, TooLong> {
        self.let_go();
        let piece = mem::take(rest);
        let Some(at) = memchr::memchr(SEPARATOR, piece) else {
            return self.keep(piece, record_bytes_max).map(|()| None);
        };
        let (record, tail) = piece.split_at_mut(at + 1);
        if self.partial.len() + record.len() > record_bytes_max {
            self.partial = Vec::new();
            return Err(TooLong);
        }
        *rest = tail;
        let record = self.whole(record);
        let (_, record) = record.split_last_mut().unwrap_or_else(|| broken("a record holds its separator"));
        Ok(Some(record))
    }

    /// Memory of what is cut.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// Returns whether a record has begun and not ended: the connection was cut in the middle if it
    /// ends here. Means what it says once [`Records::next`] has answered `None`.
    pub(crate) fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// What was handed out is done with.
    pub(super) fn let_go(&mut self) {
        if self.is_handed_out {
            *self = Records::default();
        }
    }

    /// The record of which these are the last bytes.
    pub(super) fn whole<'r, 'p: 'r>(&'r mut self, last: &'p mut [u8]) -> &'r mut [u8] {
        if self.partial.is_empty() {
            return last;
        }
        self.partial.extend_from_slice(last);
        self.is_handed_out = true;
        &mut self.partial
    }

    /// Keeps the beginning of a record.
    pub(super) fn keep(&mut self, piece: &[u8], record_bytes_max: usize) -> Result<(), TooLong> {
        let len = self.partial.len() + piece.len();
        if len >= record_bytes_max {
            self.partial = Vec::new();
            return Err(TooLong);
        }
        if len > self.partial.capacity() {
            // Doubling, but never beyond the bound, which is what a connection may cost.
            let capacity = (2 * self.partial.capacity()).clamp(len, record_bytes_max);
            self.partial.reserve_exact(capacity - self.partial.len());
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Returns all records that come of the pieces, and how it ended.
    fn split(pieces: &[&[u8]], max: usize) -> (Vec<Vec<u8>>, Result<bool, TooLong>) {
        let mut records = Records::default();
        let mut seen = Vec::new();
        for piece in pieces {
            let mut piece = piece.to_vec();
            let mut rest = piece.as_mut_slice();
            loop {
                match records.next(&mut rest, max) {
                    Ok(Some(record)) => {
                        seen.push(record.to_vec());
                        record.fill(SEPARATOR); // A parser may spoil what it is given.
                    }
                    Ok(None) => break,
                    Err(error) => return (seen, Err(error)),
                }
            }
            assert!(records.partial.capacity() <= max, "a partial record costs no more than its bound");
        }
        (seen, Ok(records.is_partial()))
    }

    #[test]
    fn several_records_in_one_piece_come_in_order() {
        let (seen, end) = split(&[b"{}\x1e\x1e{\"type\":6}\x1e"], 32);
        assert_eq!(seen, [&b"{}"[..], b"", b"{\"type\":6}"]);
        assert_eq!(end, Ok(false));
    }

    #[test]
    fn a_record_cut_at_every_byte_is_whole_again() {
        let pieces: Vec<&[u8]> = b"{\"type\":6}\x1e{}\x1e".chunks(1).collect();
        let (seen, end) = split(&pieces, 32);
        assert_eq!(seen, [&b"{\"type\":6}"[..], b"{}"]);
        assert_eq!(end, Ok(false));
    }

    #[test]
    fn the_bound_counts_the_separator() {
        assert_eq!(split(&[b"abc\x1e"], 4), (vec![b"abc".to_vec()], Ok(false)));
        assert_eq!(split(&[b"abcd\x1e"], 4), (vec![], Err(TooLong)));
        assert_eq!(split(&[b"ab", b"c\x1e"], 4), (vec![b"abc".to_vec()], Ok(false)));
        assert_eq!(split(&[b"ab", b"cd\x1e"], 4), (vec![], Err(TooLong)));
    }

    #[test]
    fn a_partial_record_is_too_long_once_no_separator_fits() {
        assert_eq!(split(&[b"abc"], 4), (vec![], Ok(true)));
        assert_eq!(split(&[b"abc", b"d"], 4), (vec![], Err(TooLong)));
    }

    #[test]
    fn records_before_the_one_too_long_come_first() {
        let (seen, end) = split(&[b"a\x1eb\x1eccccc\x1ed\x1e"], 4);
        assert_eq!(seen, [b"a", b"b"]);
        assert_eq!(end, Err(TooLong));
    }

    #[test]
    fn nothing_is_held_while_nothing_is_partial() {
        let mut records = Records::default();
        let mut rest: &mut [u8] = &mut b"ab".to_vec();
        assert_eq!(records.next(&mut rest, 8), Ok(None));
        assert!(records.is_partial());
        let mut rest: &mut [u8] = &mut b"c\x1e".to_vec();
        assert_eq!(records.next(&mut rest, 8), Ok(Some(&mut b"abc"[..].to_owned()[..])));
        assert_eq!(records.next(&mut rest, 8), Ok(None));
        assert!(!records.is_partial());
        assert_eq!(records.partial.capacity(), 0);
    }

    proptest! {
        #[test]
        fn pieces_and_bound_decide_nothing_but_the_limit(
            bytes in vec(prop_oneof![3 => Just(b'x'), 1 => Just(SEPARATOR)], 0..80),
            cuts in vec(0usize..80, 0..8),
            max in 1usize..12,
        ) {
            // The twin: all records of the whole stream, up to the first that is too long.
            let mut whole: Vec<&[u8]> = bytes.split(|byte| *byte == SEPARATOR).collect();
            let tail = whole.pop().unwrap_or_default();
            let fitting = whole.iter().take_while(|record| record.len() < max).count();
            let end = if fitting < whole.len() || tail.len() >= max { Err(TooLong) } else { Ok(!tail.is_empty()) };

            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();

            let (seen, seen_end) = split(&pieces, max);
            prop_assert_eq!(seen, whole[..fitting].to_vec());
            prop_assert_eq!(seen_end, end);
        }
    }
}
