//! Key sets at an address: whoever answers there says anything.

use super::transcript::Transcript;
use crate::auth::keys::{Algorithm, KeyOptions, KeySource, Keys, Material};
use serde_json::Value;

/// What the operator gave, and nobody else can take away: the key of RFC 8032 section 7.1, test 1.
const LONE: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
                    -----END PUBLIC KEY-----\n";

/// Reads any bytes as the text of a set. What is taken is whole: every key of the set is used, for
/// something else, or told; the operator's own key keeps its place, and no secret is ever taken
/// from others.
pub fn key_set(bytes: &[u8], transcript: &mut Transcript<'_>) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let url = "https://id.example.com/jwks";
    let lone = KeyOptions { id: Some("lone".to_owned()), ..KeyOptions::new(KeySource::Pem(LONE.to_owned())) };
    let Ok(keys) = Keys::new(&[KeyOptions::new(KeySource::JwksUrl(url.to_owned())), lone]) else {
        unreachable!("the operator's key is good");
    };
    let next = keys.with_set(url, text);
    transcript.say(|| match &next {
        Ok(next) => next.passed_over().fold(
            next.iter().fold(String::new(), |text, (id, algorithm)| format!("{text}{id:?} {algorithm}\n")),
            |text, (_, passed_over)| format!("{text}passed over: {passed_over}\n"),
        ),
        Err(problem) => format!("refused: {problem}"),
    });
    let Ok(next) = next else { return };
    assert_eq!(next.iter().next(), Some((Some("lone"), Algorithm::EdDsa)));
    assert_eq!(keys.count_beyond(&next), 0, "a key of the operator is gone");
    let set: Value = serde_json::from_str(text).unwrap_or_default();
    let count = set.get("keys").and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(next.len() - 1 + next.skipped() + next.passed_over().count(), count, "a key of the set is lost");
    assert!(next.iter().all(|(_, algorithm)| algorithm.material() != Material::Secret), "a secret that is public");
    let again = next.with_set(url, text).map(|again| again.count_beyond(&next));
    assert_eq!(again, Ok(0), "the same text says something else");
}
