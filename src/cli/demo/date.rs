//! Dates as events carry them.

use crate::clock::UnixMs;

/// Returns an instant as RFC 3339 in UTC, up to the year 9999.
pub fn rfc3339(unix_ms: u64) -> String {
    let mut text = Vec::new();
    UnixMs::from_ms(unix_ms).encode_rfc3339(&mut text);
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_have_their_dates() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_772_438_400_000, "2026-03-02T08:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(unix_ms), text);
        }
    }
}
