//! UTF-8 (RFC 3629) of a text that comes in pieces, wherever the pieces are cut.

use crate::broken::broken;

/// What a checked text ends with: the start of a character that may still be completed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8 {
    /// The first `tail_len` bytes count.
    tail: [u8; 3],
    tail_len: u8,
}

impl Utf8 {
    /// Returns whether the text is UTF-8 so far, with `piece` behind what came before. A `false` is
    /// final.
    pub(crate) fn extend(&mut self, piece: &[u8]) -> bool {
        let mut rest = piece;
        // At most three turns: each gives the cut character one byte more.
        while self.tail_len > 0 {
            let Some((&byte, after)) = rest.split_first() else { return true };
            rest = after;
            let [a, b, c] = self.tail;
            let (character, tail) = match self.tail_len {
                1 => ([a, byte, 0, 0], [a, byte, 0]),
                2 => ([a, b, byte, 0], [a, b, byte]),
                _ => ([a, b, c, byte], [0; 3]),
            };
            let len = self.tail_len + 1;
            match std::str::from_utf8(
                character.get(..usize::from(len)).unwrap_or_else(|| broken("a character has at most 4 bytes")),
            ) {
                Ok(_) => *self = Utf8::default(),
                Err(error) if error.error_len().is_none() => *self = Utf8 { tail, tail_len: len },
                Err(_) => return false,
            }
        }
        match simdutf8::compat::from_utf8(rest) {
            Ok(_) => true,
            Err(error) if error.error_len().is_some() => false,
            Err(error) => {
                let cut = rest.get(error.valid_up_to()..);
                self.keep(cut.unwrap_or_else(|| broken("what is valid is within the text")));
                true
            }
        }
    }

    /// Returns whether the text ends between two characters.
    pub(crate) fn is_complete(self) -> bool {
        self.tail_len == 0
    }

    fn keep(&mut self, cut: &[u8]) {
        (self.tail, self.tail_len) = match *cut {
            [a] => ([a, 0, 0], 1),
            [a, b] => ([a, b, 0], 2),
            [a, b, c] => ([a, b, c], 3),
            _ => broken("what a character lacks to be whole is at least one of its 4 bytes"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_character_may_be_cut_anywhere() {
        for character in
            ['\u{7f}', '\u{80}', '\u{7ff}', '\u{800}', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10000}', '\u{10ffff}']
        {
            let mut utf8 = Utf8::default();
            for byte in format!("a{character}{character}z").bytes() {
                assert!(utf8.extend(&[byte]), "{character:?}");
            }
            assert!(utf8.is_complete());
        }
    }

    #[test]
    fn what_can_never_be_completed_is_refused_at_once() {
        for bytes in [
            &b"\x80"[..],
            b"\xc0",
            b"\xc1\xbf",
            b"\xe0\x9f",
            b"\xed\xa0",
            b"\xf0\x8f",
            b"\xf4\x90",
            b"\xf5",
            b"\xff",
            b"\xc3a",
            b"\xe2\x82a",
            b"\xf0\x9f\x98a",
        ] {
            assert!(!Utf8::default().extend(bytes), "{bytes:x?} whole");
            let mut utf8 = Utf8::default();
            assert!(!bytes.iter().all(|&byte| utf8.extend(&[byte])), "{bytes:x?} byte by byte");
        }
    }

    #[test]
    fn an_empty_piece_changes_nothing() {
        let mut utf8 = Utf8::default();
        assert!(utf8.extend(b"\xe2\x82") && utf8.extend(b"") && !utf8.is_complete());
        assert!(utf8.extend(b"\xac") && utf8.is_complete());
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole(
            text in "[a-zé€😀]{0,40}",
            broken in proptest::option::of((0_usize..80, any::<u8>())),
            sizes in proptest::collection::vec(1_usize..6, 0..60),
        ) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = broken && let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let mut utf8 = Utf8::default();
            let mut rest = bytes.as_slice();
            let mut fine = true;
            for size in sizes {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                fine = fine && utf8.extend(piece);
                rest = after;
            }
            fine = fine && utf8.extend(rest) && utf8.is_complete();
            prop_assert_eq!(fine, std::str::from_utf8(&bytes).is_ok());
        }
    }
}
