//! Query strings (`application/x-www-form-urlencoded`, the URL standard's).

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Bytes of an encoded byte, `%41`.
const ENCODED_LEN: usize = 3;

/// Returns the pairs of a query string, decoded (`+` is a space); pairs that are no UTF-8 after
/// decoding are passed over. A pair without `=` has an empty value; a `%` that two hexadecimal
/// digits do not follow stands for itself.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
    })
}

/// Returns the values under `name`, whose case does not matter (as ASP.NET looks keys up).
pub(crate) fn values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = Cow<'q, str>> {
    // A key is decoded where it can be that name at all, and a value where it is asked for.
    let is_it = move |key: &str| {
        key.len() <= name.len() * ENCODED_LEN && decode(key).is_some_and(|key| key.eq_ignore_ascii_case(name))
    };
    let found = move |pair: &'q str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if is_it(key) { decode(value) } else { None }
    };
    query.split('&').filter(|pair| !pair.is_empty()).filter_map(found)
}

/// Returns the first value under `name`.
pub(crate) fn value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    values(query, name).next()
}

/// Borrows where nothing is encoded, which is the common case.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().ok();
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Vec<(String, String)> {
        pairs(query).map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
    }

    fn is(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn pairs_are_split_and_decoded() {
        assert_eq!(read("a=1&b=&c&=d"), is(&[("a", "1"), ("b", ""), ("c", ""), ("", "d")]));
        assert_eq!(read("&&a=b=c&"), is(&[("a", "b=c")]));
        assert_eq!(read("x%3Dy=%C3%A9+%2B%26"), is(&[("x=y", "é +&")]));
        assert_eq!(read(""), is(&[]));
    }

    #[test]
    fn broken_escapes_stand_for_themselves_and_broken_text_is_passed_over() {
        assert_eq!(read("a=%&b=%4&c=%zz"), is(&[("a", "%"), ("b", "%4"), ("c", "%zz")]));
        assert_eq!(read("a=%FF&%C3=1&b=+%FF&c=2"), is(&[("c", "2")]));
    }

    #[test]
    fn values_are_found_without_case_and_the_first_counts() {
        assert_eq!(value("ID=a&id=b", "id").as_deref(), Some("a"));
        assert_eq!(value("idx=1", "id"), None);
    }

    #[test]
    fn names_are_found_however_they_are_encoded() {
        assert_eq!(value("%69%44=%61", "id").as_deref(), Some("a"));
        assert_eq!(value("%69%44%20=1&%FF=2&id=%FF&id=3", "id").as_deref(), Some("3"));
    }

    #[test]
    fn plain_values_are_borrowed() {
        assert!(matches!(value("access_token=eyJ.e30.x-_", "access_token"), Some(Cow::Borrowed("eyJ.e30.x-_"))));
    }
}
