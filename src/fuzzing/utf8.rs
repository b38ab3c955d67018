//! UTF-8 in pieces, as `from_utf8` judges the whole.

use super::pieces::pieces;
use super::transcript::Transcript;
use crate::proto::ws::utf8::Utf8;

/// A text that arrives in pieces is refused with the piece that no further one can mend, and is
/// complete where the whole is UTF-8.
///
/// # Panics
/// The checker is wrong.
pub fn utf8(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((input, in_pieces)) = pieces(data, transcript) else { return };
    let (mut utf8, mut arrived, mut is_refused) = (Utf8::default(), 0, false);
    for piece in in_pieces {
        arrived += piece.len();
        is_refused = !utf8.extend(piece);
        let so_far = std::str::from_utf8(input.get(..arrived).unwrap_or_default());
        let is_hopeless = so_far.is_err_and(|error| error.error_len().is_some());
        assert_eq!(is_refused, is_hopeless, "after {arrived} bytes");
        assert_eq!(!is_refused && utf8.is_complete(), so_far.is_ok(), "after {arrived} bytes");
        if is_refused {
            break;
        }
    }
    transcript.say(|| match (is_refused, utf8.is_complete()) {
        (true, _) => format!("refused after {arrived} bytes"),
        (false, true) => "UTF-8".to_owned(),
        (false, false) => "UTF-8 so far, in the middle of a character".to_owned(),
    });
}
