//! What an item of a Subscribe says of the past: a client chooses every character.

use super::transcript::Transcript;
use crate::hub::block::Since;

/// Reads any text as an item's `Since`. What is taken for a position is written the same again, and
/// what is taken for a time back is what a plain reading makes of it; all else is neither.
pub fn since(bytes: &[u8], transcript: &mut Transcript<'_>) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let said = Since::parse(text);
    transcript.say(|| format!("{said:?}"));
    assert_ne!(said, Since::Present, "no text says null");
    match said {
        Since::Present => {}
        Since::Behind(place) => assert_eq!(place.to_string(), text),
        Since::Back { ms } => assert_eq!(back_ms(text), Some(u128::from(ms))),
        Since::Unreadable => {
            assert!(back_ms(text).is_none_or(|ms| ms > u128::from(u64::MAX)), "{text:?} is a time back");
        }
    }
}

/// Returns the milliseconds of `-30s` and its like, by hand.
fn back_ms(text: &str) -> Option<u128> {
    let unit = text.trim_start_matches('-').trim_start_matches(|digit: char| digit.is_ascii_digit());
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?.strip_prefix('-')?;
    if number.is_empty() || number.starts_with('-') {
        return None;
    }
    let digits = number.bytes().map(|digit| u128::from(digit - b'0'));
    // Saturated: what is this large is beyond any bound.
    Some(digits.fold(0, |sum: u128, digit| sum.saturating_mul(10).saturating_add(digit)).saturating_mul(factor))
}
