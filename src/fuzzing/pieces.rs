//! The head of an input: in which pieces the rest of it arrives.

/// Bytes at the start of an input that set the piece sizes, by turns: `@` is 1 byte, `A` 2, up to
/// `_` for 32.
pub const SIZE_BYTES: usize = 4;

/// Returns the input behind the piece sizes, and its end after each piece; nothing where the input
/// is too short to have both.
pub(super) fn pieces(data: &[u8]) -> Option<(&[u8], impl Iterator<Item = &[u8]>)> {
    let (sizes, input) = data.split_at_checked(SIZE_BYTES)?;
    let mut rest = input;
    let pieces = sizes.iter().cycle().map_while(move |size| {
        let (piece, after) = rest.split_at_checked(usize::from(size % 32) + 1).unwrap_or((rest, &[]));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    Some((input, pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_input() {
        let (input, pieces) = pieces(b"@A_Bthe input").expect("it is long enough");
        let pieces: Vec<&[u8]> = pieces.collect();
        assert_eq!((input, pieces), (&b"the input"[..], vec![&b"t"[..], b"he", b" input"]));
        assert!(super::pieces(b"@@@").is_none());
    }
}
