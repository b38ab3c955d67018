//! Date-times: RFC 3339's in all forms that it allows, and the one form of them that is delivered.
//!
//! What is delivered is what .NET's `DateTime` reads: `T` and `Z` in upper case, seven digits of a
//! second, an offset of at most 14 hours, no leap second, years 0001 to 9999. Go and Java write
//! nine digits, ISO 8601 has offsets without a colon, and a schema says only `date-time`: all that
//! is the same instant in another dress, so it is mended and not refused.

use std::iter::once;

/// The end of what has no end: .NET's `DateTime.MaxValue`, to the letter, for subscribers compare
/// with it.
pub const NEVER: &str = "9999-12-31T23:59:59.9999999Z";
/// The first instant that .NET has.
const FIRST: &str = "0001-01-01T00:00:00Z";
/// Most digits of a fraction that .NET's `DateTime` holds and writes.
const FRACTION_DIGITS: usize = 7;
/// The widest offset that .NET reads, in minutes.
const OFFSET_MAX: i64 = 14 * 60;
const DAY: i64 = 24 * 60;
/// Days from 0001-01-01 to 1970-01-01, in the calendar of RFC 3339.
const EPOCH_DAYS: i64 = 719_162;
/// The first day that .NET no longer has, counted from 0001-01-01.
const DAYS_END: i64 = 3_652_059;

/// A date-time as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime<'t> {
    /// Whether there is a time of day at all.
    pub has_time: bool,
    /// Whether it stands already as it is delivered.
    pub is_canonical: bool,
    /// Minutes from 0001-01-01T00:00 to its own date and time of day, whatever the offset.
    local: i64,
    /// 60 for a leap second.
    second: u8,
    /// The digits of the fraction of a second.
    fraction: &'t [u8],
    /// Minutes east of UTC; 0 where none is given.
    offset: i64,
}

/// Reads RFC 3339's `date-time`, with a blank for its `T` as its section 5.6 permits; the same
/// without offset, or with one as ISO 8601 also writes it (`+02`, `+0200`); or a date alone. The
/// error is what is wrong, for a message.
pub fn date_time(text: &[u8]) -> Result<DateTime<'_>, &'static str> {
    const FORM: &str = "it does not have the form 2024-05-31T14:02:11.4830000Z";
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text else { return Err(FORM) };
    let (Some(century), Some(year), Some(month), Some(day)) =
        (two(*y1, *y2), two(*y3, *y4), two(*m1, *m2), two(*d1, *d2))
    else {
        return Err(FORM);
    };
    let year = i64::from(century) * 100 + i64::from(year);
    if day == 0 || day > days_of(year, month)? {
        return Err("that month has no such day");
    }
    let date = days_before(year, month) + i64::from(day) - 1;
    if rest.is_empty() {
        let local = date * DAY;
        return Ok(DateTime { has_time: false, is_canonical: false, local, second: 0, fraction: b"", offset: 0 });
    }
    let [separator @ (b'T' | b't' | b' '), h1, h2, b':', n1, n2, b':', s1, s2, rest @ ..] = rest else {
        return Err(FORM);
    };
    let (Some(hour), Some(minute), Some(second)) = (two(*h1, *h2), two(*n1, *n2), two(*s1, *s2)) else {
        return Err(FORM);
    };
    let (fraction, rest) = fraction(rest).ok_or(FORM)?;
    let (offset, is_plain_offset) = offset(rest)?;
    let local = date * DAY + i64::from(hour) * 60 + i64::from(minute);
    // RFC 3339 section 5.7: a leap second is the last of a UTC day.
    let is_leap = second == 60 && (local - offset).rem_euclid(DAY) == DAY - 1;
    if hour > 23 || minute > 59 || (second > 59 && !is_leap) {
        return Err("there is no such time of day");
    }
    let read = DateTime { has_time: true, is_canonical: false, local, second, fraction, offset };
    let is_plain = *separator == b'T' && is_plain_offset && fraction.len() <= FRACTION_DIGITS && !is_leap;
    let is_canonical = match read.bound() {
        None => is_plain && offset.abs() <= OFFSET_MAX,
        Some(bound) => text == bound.as_bytes(),
    };
    Ok(DateTime { is_canonical, ..read })
}

impl DateTime<'_> {
    /// What it is delivered as where .NET has no such instant, or where it means that there is no
    /// end: the last second of the year 9999, in whatever zone and with however many digits it was
    /// written, and the day for which no time is given.
    fn bound(&self) -> Option<&'static str> {
        let utc = self.local - self.offset;
        let last_minute = DAYS_END * DAY - 1;
        let is_last_second = self.local == last_minute && self.second >= 59;
        let is_last_day = !self.has_time && self.local == (DAYS_END - 1) * DAY;
        if is_last_second || is_last_day || utc > last_minute {
            Some(NEVER)
        } else if utc < 0 || self.local < 0 {
            Some(FIRST)
        } else {
            None
        }
    }

    /// The instant as it stands there, in milliseconds since the Unix epoch; without offset it is
    /// UTC. What lies before 1970 is 0.
    pub fn unix_ms(&self) -> u64 {
        let thousandths = self.fraction.iter().copied().chain(std::iter::repeat(b'0')).take(3);
        let ms = thousandths.fold(i64::from(self.second), |ms, digit| ms * 10 + i64::from(digit.saturating_sub(b'0')));
        let minutes = self.local - self.offset - EPOCH_DAYS * DAY;
        u64::try_from(minutes * 60_000 + ms).unwrap_or(0)
    }

    /// Seconds since the Unix epoch, and nanoseconds behind these. Of what is delivered, which has
    /// no leap second and at most seven digits.
    pub fn instant(&self) -> (i64, u32) {
        let digits = self.fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        let nanos = digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit.saturating_sub(b'0')));
        ((self.local - self.offset - EPOCH_DAYS * DAY) * 60 + i64::from(self.second), nanos)
    }

    /// Calls `write` with the pieces of what is delivered, in their order.
    pub fn deliver(&self, mut write: impl FnMut(&[u8])) {
        if let Some(bound) = self.bound() {
            return write(bound.as_bytes());
        }
        let offset = if self.offset.abs() <= OFFSET_MAX { self.offset } else { 0 };
        let minutes = if offset == self.offset { self.local } else { self.local - self.offset };
        let (year, month, day) = date_of(minutes.div_euclid(DAY));
        let minute = minutes.rem_euclid(DAY);
        write(&digits(year / 100));
        write(&digits(year % 100));
        for (separator, number) in [(b"-", month), (b"-", day), (b"T", minute / 60), (b":", minute % 60)] {
            write(separator);
            write(&digits(number));
        }
        write(b":");
        if self.second == 60 {
            write(b"59.9999999");
        } else {
            write(&digits(i64::from(self.second)));
            if !self.fraction.is_empty() {
                write(b".");
                write(self.fraction.get(..FRACTION_DIGITS).unwrap_or(self.fraction));
            }
        }
        if offset == 0 {
            return write(b"Z");
        }
        write(if offset < 0 { b"-" } else { b"+" });
        write(&digits(offset.abs() / 60));
        write(b":");
        write(&digits(offset.abs() % 60));
    }
}

/// The instant of a date-time that [`date_time`] takes, as [`DateTime::unix_ms`] has it.
pub fn unix_ms(text: &str) -> Option<u64> {
    Some(date_time(text.as_bytes()).ok()?.unix_ms())
}

/// Two decimal digits.
fn two(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

/// A number below 100 as two decimal digits.
fn digits(number: i64) -> [u8; 2] {
    let digit = |number: i64| b'0' + u8::try_from(number.rem_euclid(10)).unwrap_or_default();
    [digit(number / 10), digit(number)]
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: u8) -> Result<u8, &'static str> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Ok(31),
        4 | 6 | 9 | 11 => Ok(30),
        2 if is_leap(year) => Ok(29),
        2 => Ok(28),
        _ => Err("there is no such month"),
    }
}

/// Days from 0001-01-01 to the first of that month; negative in the year 0000.
fn days_before(year: i64, month: u8) -> i64 {
    let before = year - 1;
    let years = before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    years + (1..month).filter_map(|month| days_of(year, month).ok()).map(i64::from).sum::<i64>()
}

/// Year, month and day of a day counted from 0001-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    // 146,097 days make 400 years; the guess is at most one year too late.
    let guess = (days * 400).div_euclid(146_097) + 1;
    let year = if days_before(guess, 1) > days { guess - 1 } else { guess };
    let year = if days_before(year + 1, 1) <= days { year + 1 } else { year };
    let month = (2..=12).rev().chain(once(1)).find(|month| days_before(year, *month) <= days).unwrap_or(1);
    (year, i64::from(month), days - days_before(year, month) + 1)
}

/// The digits of a fraction, none where there is none, and what follows.
fn fraction(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'.', rest @ ..] = rest else { return Some((b"", rest)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { None } else { rest.split_at_checked(digits) }
}

/// Minutes east of UTC, and whether it stands as it is delivered; nothing counts as UTC.
fn offset(rest: &[u8]) -> Result<(i64, bool), &'static str> {
    let (sign, h1, h2, m1, m2, is_plain) = match rest {
        [] | [b'z'] => return Ok((0, false)),
        [b'Z'] => return Ok((0, true)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => (sign, h1, h2, m1, m2, true),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] => (sign, h1, h2, m1, m2, false),
        [sign @ (b'+' | b'-'), h1, h2] => (sign, h1, h2, &b'0', &b'0', false),
        _ => return Err("after the seconds it takes a fraction, then nothing, Z or an offset such as +02:00"),
    };
    let (Some(hours), Some(minutes)) = (two(*h1, *h2), two(*m1, *m2)) else {
        return Err("its offset does not have the form +02:00");
    };
    // RFC 3339 section 5.6: time-hour and time-minute.
    if hours > 23 || minutes > 59 {
        return Err("offsets reach from -23:59 to +23:59");
    }
    let total = i64::from(hours) * 60 + i64::from(minutes);
    Ok((if *sign == b'-' { -total } else { total }, is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(text: &str) -> Result<String, &'static str> {
        let read = date_time(text.as_bytes())?;
        let mut out = Vec::new();
        read.deliver(|piece| out.extend_from_slice(piece));
        let out = String::from_utf8(out).unwrap();
        assert!(!read.is_canonical || out == text || text.contains("-00:00"), "{text}");
        assert!(date_time(out.as_bytes()).unwrap().is_canonical, "{out}");
        Ok(out)
    }

    #[test]
    fn what_dotnet_reads_stays_as_it_is() {
        for text in [
            "2024-02-29T00:00:00Z",
            "2000-02-29T23:59:59.1+14:00",
            "2024-05-31T14:02:11.4830000-14:00",
            "9999-12-31T23:59:58.9999999Z",
            "0001-01-01T00:00:00Z",
            NEVER,
        ] {
            assert!(date_time(text.as_bytes()).unwrap().is_canonical, "{text}");
            assert_eq!(delivered(text).as_deref(), Ok(text));
        }
        assert!(date_time(b"2024-05-31T14:02:11-00:00").unwrap().is_canonical);
    }

    #[test]
    fn the_same_instant_in_another_dress_is_mended() {
        for (text, expected) in [
            ("2024-05-31T14:02:11.123456789Z", "2024-05-31T14:02:11.1234567Z"),
            ("2024-05-31T14:02:11.99999999999999999999+02:00", "2024-05-31T14:02:11.9999999+02:00"),
            ("2024-05-31T14:02:11", "2024-05-31T14:02:11Z"),
            ("2024-05-31t14:02:11z", "2024-05-31T14:02:11Z"),
            ("2024-05-31 14:02:11.5+0530", "2024-05-31T14:02:11.5+05:30"),
            ("2024-05-31T14:02:11-07", "2024-05-31T14:02:11-07:00"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.9999999Z"),
            ("2017-01-01T01:59:60.25+02:00", "2017-01-01T01:59:59.9999999+02:00"),
            ("2024-03-01T10:00:00+23:59", "2024-02-29T10:01:00Z"),
            ("2023-12-31T10:00:00.5-14:01", "2024-01-01T00:01:00.5Z"),
            ("2024-05-31", "2024-05-31T00:00:00Z"),
        ] {
            assert_eq!(delivered(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn no_end_has_one_spelling_and_what_dotnet_lacks_becomes_its_ends() {
        for text in [
            "9999-12-31T23:59:59.9999999",
            "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59.999Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.9999999+02:00",
            "9999-12-31T23:59:59.9999999-05:00",
            "9999-12-31T23:00:00-05:00",
            "9999-12-31",
        ] {
            assert_eq!(delivered(text).as_deref(), Ok(NEVER), "{text}");
        }
        for text in ["0001-01-01T00:00:00+02:00", "0000-06-01T00:00:00Z", "0000-02-29", "0000-12-31T23:59:59.5-03:00"] {
            assert_eq!(delivered(text).as_deref(), Ok(FIRST), "{text}");
        }
    }

    #[test]
    fn every_day_of_the_calendar_is_found_again() {
        for day in (0..DAYS_END).step_by(97).chain([DAYS_END - 1, 58, 59, 365, 1460, 146_096, 146_097]) {
            let (year, month, date) = date_of(day);
            let month = u8::try_from(month).unwrap();
            assert_eq!(days_before(year, month) + date - 1, day);
            assert!(date >= 1 && date <= i64::from(days_of(year, month).unwrap()), "{year} {month} {date}");
        }
    }

    #[test]
    fn instants_are_counted_from_the_unix_epoch() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:01.5Z", 1_500),
            ("1970-01-01", 0),
            ("1969-12-31T23:59:59Z", 0),
            ("1970-01-02T00:00:00.0019999+01:00", 82_800_001),
            ("2024-02-29T12:30:00", 1_709_209_800_000),
            ("2024-05-31T14:02:11.4830000Z", 1_717_164_131_483),
            (NEVER, 253_402_300_799_999),
        ] {
            assert_eq!(unix_ms(text), Some(ms), "{text}");
        }
        assert_eq!(unix_ms("tomorrow"), None);
    }

    #[test]
    fn what_is_on_no_calendar_is_refused() {
        for text in [
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-04-00T00:00:00Z",
            "0000-00-00T00:00:00Z",
            "2024-05-31T24:00:00Z",
            "2024-05-31T23:60:00Z",
            "2016-12-31T23:58:60Z",
            "2016-12-31T23:59:60+01:00",
            "2016-12-31T23:59:61Z",
            "2024-05-31T23:59Z",
            "2024-05-31T23:59:59.Z",
            "2024-05-31_23:59:59Z",
            "2024-05-31T23:59:59+24:00",
            "2024-05-31T23:59:59+2",
            "2024-05-31T23:59:59+02:60",
            "2024-05-31T23:59:59Z ",
            "2024-5-31T23:59:59Z",
            "+2024-05-31T23:59:59Z",
            "",
        ] {
            assert!(date_time(text.as_bytes()).is_err(), "{text}");
        }
    }
}
