//! The vendor's scalar types in their text forms.

/// A GUID as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid {
    /// Its value, in the order of its text.
    pub bytes: [u8; 16],
    /// Whether any digit was an upper-case letter.
    pub has_upper_case: bool,
}

/// Marks a byte that is no hexadecimal digit in [`HEX`].
const NO_DIGIT: u8 = 0x80;
/// Marks an upper-case digit in [`HEX`].
const UPPER_CASE: u8 = 0x40;

/// Per byte its value as a hexadecimal digit, and marks.
const HEX: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut digit: u8 = 0;
    while digit < 16 {
        if digit < 10 {
            table[(b'0' + digit) as usize] = digit;
        } else {
            table[(b'a' + digit - 10) as usize] = digit;
            table[(b'A' + digit - 10) as usize] = digit | UPPER_CASE;
        }
        digit += 1;
    }
    table
};

/// Reads the 36-character form (.NET's "D"), any case.
pub fn guid(text: &[u8]) -> Option<Guid> {
    let text: &[u8; 36] = text.try_into().ok()?;
    // Where each byte's first digit stands; the hyphens stand between.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut bytes = [0; 16];
    let mut marks = 0;
    for (byte, place) in bytes.iter_mut().zip(PLACES) {
        let [high, low] = [HEX[usize::from(text[place])], HEX[usize::from(text[place + 1])]];
        marks |= high | low;
        *byte = high << 4 | low & 0xF;
    }
    let hyphens = text[8] == b'-' && text[13] == b'-' && text[18] == b'-' && text[23] == b'-';
    (hyphens && marks & NO_DIGIT == 0).then_some(Guid { bytes, has_upper_case: marks & UPPER_CASE != 0 })
}

/// How a date-time was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// Whether there is a time of day at all.
    pub has_time: bool,
    /// Whether it ends in `Z` or an offset.
    pub has_offset: bool,
    /// Digits of the fraction of a second.
    pub fraction_digits: usize,
}

/// Most digits of a fraction that .NET's JSON reader takes; it keeps seven of them.
pub const FRACTION_DIGITS_READ: usize = 16;
/// Most digits of a fraction that .NET's `DateTime` holds and writes.
pub const FRACTION_DIGITS_HELD: usize = 7;

/// Bytes of the longest date-time that is taken.
pub const DATE_TIME_BYTES_MAX: usize = "2024-05-31T00:00:00.".len() + FRACTION_DIGITS_READ + "+00:00".len();

/// Reads RFC 3339's `date-time` as far as .NET's `DateTime` reaches (years 0001 to 9999, offsets to ±14:00, no leap second, `T`
/// and `Z` in upper case), the same without offset, or a date alone. The error is what is wrong, for a message.
pub fn date_time(text: &[u8]) -> Result<DateTime, &'static str> {
    const FORM: &str = "it does not have the form 2024-05-31T14:02:11.4830000Z";
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text else { return Err(FORM) };
    let (Some(century), Some(year), Some(month), Some(day)) =
        (two(*y1, *y2), two(*y3, *y4), two(*m1, *m2), two(*d1, *d2))
    else {
        return Err(FORM);
    };
    let year = u16::from(century) * 100 + u16::from(year);
    if year == 0 {
        return Err("years begin with 0001");
    }
    if day == 0 || day > days_of(year, month)? {
        return Err("that month has no such day");
    }
    if rest.is_empty() {
        return Ok(DateTime { has_time: false, has_offset: false, fraction_digits: 0 });
    }
    let [b'T', h1, h2, b':', n1, n2, b':', s1, s2, rest @ ..] = rest else { return Err(FORM) };
    let (Some(hour), Some(minute), Some(second)) = (two(*h1, *h2), two(*n1, *n2), two(*s1, *s2)) else {
        return Err(FORM);
    };
    if hour > 23 || minute > 59 || second > 59 {
        return Err("there is no such time of day");
    }
    let (fraction_digits, rest) = fraction(rest).ok_or(FORM)?;
    let offset = offset(rest)?;
    // Read as UTC it must still lie in a year that .NET has.
    let minute_of_day = i16::from(hour) * 60 + i16::from(minute);
    let utc = minute_of_day - offset.unwrap_or(0);
    if (year == 1 && month == 1 && day == 1 && utc < 0) || (year == 9999 && month == 12 && day == 31 && utc >= 24 * 60)
    {
        return Err("in UTC it lies outside the years 0001 to 9999");
    }
    Ok(DateTime { has_time: true, has_offset: offset.is_some(), fraction_digits })
}

/// The instant of a date-time that [`date_time`] takes, in milliseconds since the Unix epoch; without offset it is UTC.
/// What lies before 1970 is 0.
pub fn unix_ms(text: &str) -> Option<u64> {
    date_time(text.as_bytes()).ok()?;
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u16>().ok();
    let (year, month, day) = (number(0..4)?, u8::try_from(number(5..7)?).ok()?, number(8..10)?);
    let before = u32::from(year) - 1;
    let mut days = before * 365 + before / 4 - before / 100 + before / 400 + u32::from(day) - 1;
    for earlier in 1..month {
        days += u32::from(days_of(year, earlier).ok()?);
    }
    let mut minutes = i64::from(days) * 24 * 60;
    let mut ms = 0;
    if text.len() > 10 {
        let rest = text.get(19..)?.as_bytes();
        let (_, zone) = fraction(rest)?;
        let digits = text.get(20..text.len() - zone.len()).unwrap_or_default();
        let thousandths = digits.bytes().chain(std::iter::repeat(b'0')).take(3);
        ms = thousandths.fold(i64::from(number(17..19)?), |ms, digit| ms * 10 + i64::from(digit - b'0'));
        minutes += i64::from(number(11..13)?) * 60 + i64::from(number(14..16)?);
        minutes -= i64::from(offset(zone).ok()?.unwrap_or(0));
    }
    /// Days from 0001-01-01 to 1970-01-01, in the calendar of RFC 3339.
    const EPOCH_DAYS: i64 = 719_162;
    u64::try_from((minutes - EPOCH_DAYS * 24 * 60) * 60_000 + ms).ok().or(Some(0))
}

/// Two decimal digits.
fn two(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

fn days_of(year: u16, month: u8) -> Result<u8, &'static str> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Ok(31),
        4 | 6 | 9 | 11 => Ok(30),
        2 if is_leap => Ok(29),
        2 => Ok(28),
        _ => Err("there is no such month"),
    }
}

/// The digits of a fraction, 0 where there is none, and what follows.
fn fraction(rest: &[u8]) -> Option<(usize, &[u8])> {
    let [b'.', rest @ ..] = rest else { return Some((0, rest)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0 && digits <= FRACTION_DIGITS_READ).then(|| (digits, rest.get(digits..).unwrap_or_default()))
}

/// Minutes east of UTC; `None` where no offset is given.
fn offset(rest: &[u8]) -> Result<Option<i16>, &'static str> {
    match rest {
        [] => Ok(None),
        [b'Z'] => Ok(Some(0)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (Some(hours), Some(minutes)) = (two(*h1, *h2), two(*m1, *m2)) else {
                return Err("its offset does not have the form +02:00");
            };
            let total = i16::from(hours) * 60 + i16::from(minutes);
            if minutes > 59 || total > 14 * 60 {
                return Err("offsets reach from -14:00 to +14:00");
            }
            Ok(Some(if *sign == b'-' { -total } else { total }))
        }
        _ => {
            Err("after the seconds it takes a fraction of up to 7 digits, then nothing, Z or an offset such as +02:00")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_have_one_form_in_any_case() {
        let read = guid(b"0B9A4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59").unwrap();
        assert!(read.has_upper_case);
        assert_eq!(
            read.bytes,
            [0x0b, 0x9a, 0x4f, 0x5e, 0x7a, 0x51, 0x4a, 0x0f, 0x9d, 0x0e, 0x5d, 0x1f, 0x2c, 0x3b, 0x4a, 0x59]
        );
        assert!(!guid(b"00000000-0000-0000-0000-000000000000").unwrap().has_upper_case);
        for bad in [
            "0b9a4f5e7a514a0f9d0e5d1f2c3b4a59",
            "{0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59}",
            "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a5g",
            "0b9a4f5e-7a51-4a0f-9d0e5-d1f2c3b4a59",
            "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a5",
            " 0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a5",
            "",
        ] {
            assert_eq!(guid(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn date_times_of_the_calendar_are_taken() {
        for (text, has_time, has_offset, fraction_digits) in [
            ("2024-02-29T00:00:00Z", true, true, 0),
            ("2000-02-29T23:59:59.1+14:00", true, true, 1),
            ("2024-05-31T14:02:11.4830000-14:00", true, true, 7),
            ("9999-12-31T23:59:59.9999999", true, false, 7),
            ("9999-12-31T23:59:59.9999999Z", true, true, 7),
            ("0001-01-01T00:00:00", true, false, 0),
            ("2024-05-31T14:02:11.1234567890123456Z", true, true, 16),
            ("2024-05-31T14:02:11-00:00", true, true, 0),
            ("2024-05-31", false, false, 0),
        ] {
            assert_eq!(date_time(text.as_bytes()), Ok(DateTime { has_time, has_offset, fraction_digits }), "{text}");
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
            ("9999-12-31T23:59:59.9999999Z", 253_402_300_799_999),
        ] {
            assert_eq!(unix_ms(text), Some(ms), "{text}");
        }
        assert_eq!(unix_ms("tomorrow"), None);
    }

    #[test]
    fn what_is_on_no_calendar_or_beyond_dotnet_is_refused() {
        for text in [
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-04-00T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2024-05-31T24:00:00Z",
            "2024-05-31T23:60:00Z",
            "2016-12-31T23:59:60Z",
            "2024-05-31T23:59Z",
            "2024-05-31T23:59:59.Z",
            "2024-05-31T23:59:59.12345678901234567Z",
            "2024-05-31t23:59:59Z",
            "2024-05-31T23:59:59z",
            "2024-05-31 23:59:59Z",
            "2024-05-31T23:59:59+14:01",
            "2024-05-31T23:59:59+02",
            "2024-05-31T23:59:59+0200",
            "2024-05-31T23:59:59+02:60",
            "2024-05-31T23:59:59Z ",
            "0001-01-01T01:00:00+02:00",
            "9999-12-31T23:59:59-00:01",
            "2024-5-31T23:59:59Z",
            "+2024-05-31T23:59:59Z",
            "",
        ] {
            assert!(date_time(text.as_bytes()).is_err(), "{text}");
        }
    }
}
