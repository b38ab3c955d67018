//! The `Date` of replies (RFC 9110 section 5.6.7, IMF-fixdate).

use crate::clock::{UnixMs, civil};

/// The last second of the year 9999, behind which the form has no room.
const LAST_SECOND: u64 = 253_402_300_799;
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The date of the latest reply: it is written anew at most once per second.
///
/// ```
/// use rte::clock::UnixMs;
/// use rte::proto::http::date::Date;
///
/// let mut date = Date::default();
/// assert_eq!(date.at(UnixMs::from_ms(784_111_777_000)), "Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
#[derive(Debug, Default)]
pub struct Date {
    second: u64,
    text: String,
}

impl Date {
    /// Returns the date as it stands in the header.
    pub fn at(&mut self, now: UnixMs) -> &str {
        let second = now.seconds().min(LAST_SECOND);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = written(second);
        }
        &self.text
    }
}

fn written(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], at: u64| usize::try_from(at).ok().and_then(|at| names.get(at).copied());
    let (weekday, month) = (name(&DAYS, days % 7).unwrap_or(""), name(&MONTHS, month - 1).unwrap_or(""));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_seconds_have_their_dates() {
        let mut date = Date::default();
        for (unix_s, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX / 1000, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(date.at(UnixMs::from_ms(unix_s * 1000)), text);
        }
    }

    #[test]
    fn a_date_is_written_once_per_second() {
        let mut date = Date::default();
        let at = |date: &mut Date, ms| date.at(UnixMs::from_ms(ms)).as_ptr();
        let first = at(&mut date, 5_000);
        assert_eq!(at(&mut date, 5_999), first);
        assert!(date.at(UnixMs::from_ms(6_000)).ends_with("00:00:06 GMT"));
    }
}
