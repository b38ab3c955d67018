//! The head of an input: in which pieces the rest of it arrives.

use super::transcript::Transcript;

/// Bytes at the start of an input that set the piece sizes, by turns: `@` is 1 byte, `A` 2, up to
/// `_` for 32.
pub const SIZE_BYTES: usize = 4;

/// Bytes of the input that are shown, to see where it begins; what is behind may be a token.
const SHOWN_BYTES: usize = 24;

/// As [`cut`], and shows what was taken as the sizes.
pub(super) fn pieces<'d>(
    data: &'d [u8],
    transcript: &mut Transcript<'_>,
) -> Option<(&'d [u8], impl Iterator<Item = &'d [u8]> + use<'d>)> {
    let (input, pieces) = cut(data)?;
    transcript.show(|| {
        let sizes = data.iter().take(SIZE_BYTES).map(|size| piece_bytes(*size).to_string());
        let sizes = sizes.collect::<Vec<_>>().join(", ");
        let (shown, further) = input.split_at_checked(SHOWN_BYTES).unwrap_or((input, &[]));
        let further = if further.is_empty() { String::new() } else { format!(" and {} bytes", further.len()) };
        format!(
            "pieces: {sizes} bytes, by turns, as the first {SIZE_BYTES} bytes say\ninput: \"{}\"{further}",
            shown.escape_ascii()
        )
    });
    Some((input, pieces))
}

/// Returns the input behind the piece sizes, and its pieces; nothing where the input is too short
/// to have both.
pub(super) fn cut(data: &[u8]) -> Option<(&[u8], impl Iterator<Item = &[u8]>)> {
    let (sizes, input) = data.split_at_checked(SIZE_BYTES)?;
    let mut rest = input;
    let pieces = sizes.iter().cycle().map_while(move |size| {
        let (piece, after) = rest.split_at_checked(piece_bytes(*size)).unwrap_or((rest, &[]));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    Some((input, pieces))
}

fn piece_bytes(size: u8) -> usize {
    usize::from(size % 32) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_input() {
        let (input, pieces) = cut(b"@A_Bthe input").expect("it is long enough");
        let pieces: Vec<&[u8]> = pieces.collect();
        assert_eq!((input, pieces), (&b"the input"[..], vec![&b"t"[..], b"he", b" input"]));
        assert!(cut(b"@@@").is_none());
    }

    #[test]
    fn the_bytes_that_were_taken_as_sizes_are_told_and_where_the_input_begins() {
        for (data, told) in [
            (
                &b"GET / HTTP/1.1\r\n"[..],
                "pieces: 8, 6, 21, 1 bytes, by turns, as the first 4 bytes say\ninput: \"/ HTTP/1.1\\r\\n\"\n",
            ),
            (
                &[b'@'; 30][..],
                "pieces: 1, 1, 1, 1 bytes, by turns, as the first 4 bytes say\ninput: \"@@@@@@@@@@@@@@@@@@@@@@@@\" and 2 bytes\n",
            ),
            (b"@@@", ""),
        ] {
            let mut heard = String::new();
            let mut write = |text: &str| heard.extend([text, "\n"]);
            let mut transcript = Transcript::heard_by(&mut write);
            let is_long_enough = pieces(data, &mut transcript).is_some();
            assert!(!transcript.has_decided());
            assert_eq!((heard.as_str(), is_long_enough), (told, !told.is_empty()));
        }
    }
}
