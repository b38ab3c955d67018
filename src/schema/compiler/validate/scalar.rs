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

/// An integer type.
#[derive(Clone, Copy, Debug)]
pub struct Width {
    /// Its word.
    pub name: &'static str,
    /// The least that it holds.
    pub low: i64,
    /// The most that it holds.
    pub high: i64,
}

/// 16 bits.
pub const SHORT: Width = Width { name: "short", low: i16::MIN as i64, high: i16::MAX as i64 };
/// 32 bits.
pub const INT: Width = Width { name: "int", low: i32::MIN as i64, high: i32::MAX as i64 };
/// 64 bits.
pub const LONG: Width = Width { name: "long", low: i64::MIN, high: i64::MAX };

/// A JSON number as one of the vendor's integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer {
    /// A whole number of 64 bits.
    Whole(i64),
    /// No whole number.
    Fraction,
    /// A whole number that 64 bits can't hold.
    TooLarge,
}

/// The value of a JSON number. JSON Schema calls `1.0` and `1e2` integers, as their values are; no
/// digit of them is lost here.
pub fn integer(raw: &str) -> Integer {
    let (is_negative, magnitude) = raw.strip_prefix('-').map_or((false, raw), |rest| (true, rest));
    let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes()).map(|digit| i128::from(digit.saturating_sub(b'0')));
    let Some(last) = digits().enumerate().filter(|(_, digit)| *digit != 0).map(|(place, _)| place).last() else {
        return Integer::Whole(0);
    };
    let first = digits().position(|digit| digit != 0).unwrap_or_default();
    // An exponent that 64 bits can't hold is as good as the largest one.
    let beyond = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
    let exponent: i64 = exponent.parse().unwrap_or(beyond);
    // The power of ten of the last digit that is not 0.
    let behind =
        |place: usize| i64::try_from(whole.len()).unwrap_or(i64::MAX / 2) - 1 - i64::try_from(place).unwrap_or(0);
    let power = exponent.saturating_add(behind(last));
    if power < 0 {
        return Integer::Fraction;
    }
    let significant = last - first + 1;
    let (Ok(power), true) = (u32::try_from(power), significant <= 19) else { return Integer::TooLarge };
    let value = digits().skip(first).take(significant).fold(0i128, |value, digit| value * 10 + digit);
    let value = 10i128.checked_pow(power).and_then(|scale| value.checked_mul(scale));
    let value = value.map(|value| if is_negative { -value } else { value });
    value.and_then(|value| i64::try_from(value).ok()).map_or(Integer::TooLarge, Integer::Whole)
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
    fn a_number_is_an_integer_by_its_value() {
        for (raw, value) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0e7", 0),
            ("0e99999999999999999999", 0),
            ("1.0", 1),
            ("1e2", 100),
            ("-12.50e1", -125),
            ("1000e-3", 1),
            ("0.000001E+6", 1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808.000", i64::MIN),
            ("922337203685477580.7e1", i64::MAX),
        ] {
            assert_eq!(integer(raw), Integer::Whole(value), "{raw}");
        }
        for raw in ["0.5", "1.50", "12e-1", "1e-99999999999999999999", "-1.0000000000000000000001"] {
            assert_eq!(integer(raw), Integer::Fraction, "{raw}");
        }
        for raw in ["9223372036854775808", "-9223372036854775809", "1e19", "1e400", "1e99999999999999999999"] {
            assert_eq!(integer(raw), Integer::TooLarge, "{raw}");
        }
    }
}
