//! Query strings: decoded as a naive reader decodes them, byte by byte.

use super::transcript::Transcript;
use crate::auth::token::bearer;
use crate::proto::http::query;

/// Pairs are those of the naive reader, each name finds the first value under it, and a token is
/// found exactly where all values of `access_token` agree.
///
/// # Panics
/// The reader is wrong.
pub fn query(data: &[u8], transcript: &mut Transcript<'_>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let pairs: Vec<(String, String)> =
        query::pairs(text).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let is_secret = |name: &str| name.eq_ignore_ascii_case("access_token");
    for (name, value) in &pairs {
        transcript.say(|| if is_secret(name) { format!("{name:?}: a token") } else { format!("{name:?} = {value:?}") });
    }
    assert_eq!(pairs, naively(text));
    for (name, _) in &pairs {
        let first = pairs.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        assert_eq!(query::value(text, &name.to_ascii_uppercase()).as_deref(), first);
    }
    let mut tokens: Vec<&str> = pairs
        .iter()
        .filter(|(name, value)| is_secret(name) && !value.is_empty())
        .map(|(_, value)| value.as_str())
        .collect();
    tokens.dedup();
    let found = bearer(None, text);
    assert_eq!(found.is_err(), tokens.len() > 1, "two tokens that differ");
    assert_eq!(found.is_ok_and(|token| token.is_some()), tokens.len() == 1, "one token");
}

fn naively(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for pair in text.split('&') {
        if pair.is_empty() {
            continue;
        }
        let end = pair.find('=').unwrap_or(pair.len());
        let (name, value) = (decoded(&pair.as_bytes()[..end]), decoded(pair.as_bytes().get(end + 1..).unwrap_or(b"")));
        if let (Ok(name), Ok(value)) = (String::from_utf8(name), String::from_utf8(value)) {
            pairs.push((name, value));
        }
    }
    pairs
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(*byte),
        }
        at += 1;
    }
    out
}
