//! Tokens: never taken with another signature, before or after their time, or for somebody else.

use super::fixtures::NOW;
use super::transcript::Transcript;
use crate::auth::keys::{KeyOptions, KeySource, Keys};
use crate::auth::principal::Principal;
use crate::auth::token::{Options, Token, TokenError, Verifier};
use crate::broken::broken;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use uuid::Uuid;

const SECRET: &str = "a secret of the fuzz targets: 32 bytes";
const FOREIGN_SECRET: &str = "a secret of somebody else: 32 bytes!!!";
const KEY_ID: &str = "one";
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "rte";
const LEEWAY_S: u64 = 5;

/// Takes anybody's tokens; and those of one issuer for one audience only.
static VERIFIERS: LazyLock<[Verifier; 2]> = LazyLock::new(|| {
    let verifier = |issuers: &[&str], audiences: &[&str]| {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let source = KeySource::Secret(SECRET.to_owned());
        let key = KeyOptions { id: Some(KEY_ID.to_owned()), issuers: own(issuers), ..KeyOptions::new(source) };
        let keys = Keys::new(&[key]).unwrap_or_else(|_| broken("the key of the targets is good"));
        let options = Options { audiences: own(audiences), leeway_s: LEEWAY_S, ..Options::new(keys) };
        Verifier::new(options).unwrap_or_else(|_| broken("these options go together"))
    };
    [verifier(&[], &[]), verifier(&[ISSUER], &[AUDIENCE])]
});

/// An input is a letter and a text. `r`: the text is a token; it is taken only where its signature
/// is that of another implementation. `a` and `i`: the text is a header, a line end and claims,
/// which we sign for a hub of anybody or of one issuer; they are taken only where a naive judge
/// takes them, never with a foreign signature, and never with any byte of the token changed.
///
/// # Panics
/// The verifier is wrong.
pub fn token(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((letter, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let [anybody, issuer] = &*VERIFIERS;
    match letter {
        b'r' => {
            let verdict = verify(anybody, text);
            transcript.say(|| told(&verdict));
            assert!(verdict.is_err() || is_signed(text), "{verdict:?} without a signature");
        }
        b'a' => signed(text, anybody, false, transcript),
        b'i' => signed(text, issuer, true, transcript),
        _ => {}
    }
}

fn told(verdict: &Result<Principal, TokenError>) -> String {
    match verdict {
        Ok(principal) => format!("taken: {principal:#?}"),
        Err(error) => format!("refused ({}): {error}", error.label()),
    }
}

fn verify(verifier: &Verifier, token: &str) -> Result<Principal, TokenError> {
    verifier.verify(Token::new(token), NOW)
}

fn signature(secret: &str, message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes()).as_ref().to_vec()
}

fn is_signed(token: &str) -> bool {
    let parts = token.rsplit_once('.').map(|(message, mac)| (message, URL_SAFE_NO_PAD.decode(mac)));
    parts.is_some_and(|(message, mac)| mac.is_ok_and(|mac| mac == signature(SECRET, message)))
}

fn signed(text: &str, verifier: &Verifier, is_strict: bool, transcript: &mut Transcript<'_>) {
    let Some((header, claims)) = text.split_once('\n') else { return };
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let token = |secret| format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature(secret, &message)));
    assert!(verify(verifier, &token(FOREIGN_SECRET)).is_err(), "a foreign signature");
    let good = token(SECRET);
    let verdict = verify(verifier, &good);
    transcript.say(|| told(&verdict));
    if let Ok(principal) = &verdict {
        judge(header, claims, is_strict, principal);
        let clear = |name: &str| verdict.as_ref().is_ok_and(|principal| !format!("{principal:?}").contains(name));
        assert!(clear(&good), "a principal shows its token");
        changed(&good, verifier, text);
    }
}

/// Changes one byte of a good token, which one the input says.
fn changed(good: &str, verifier: &Verifier, text: &str) {
    let sum = text.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let at = sum % good.len();
    for other in ['A', 'B', '.', '-'] {
        let mut token = good.to_owned();
        token.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
        assert!(token == good || verify(verifier, &token).is_err(), "another byte at {at}");
    }
    assert!(verify(verifier, good.get(..good.len() - 1).unwrap_or_default()).is_err(), "cut short");
}

/// Says that what was taken may be taken, by the text of its header and claims alone.
fn judge(header: &str, claims: &str, is_strict: bool, principal: &Principal) {
    let object = |text: &str| -> Map<String, Value> {
        // What nobody asks for may be a number that no reader takes.
        let members = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text).unwrap_or_default();
        let read = |(name, value): (String, Box<RawValue>)| Some((name, serde_json::from_str(value.get()).ok()?));
        members.into_iter().filter_map(read).collect()
    };
    let (header, claims) = (object(header), object(claims));
    assert_eq!(header.get("alg").and_then(Value::as_str), Some("HS256"), "{header:?}");
    assert!(header.get("crit").is_none_or(Value::is_null), "{header:?}");
    let kid = header.get("kid").and_then(Value::as_str);
    assert!(kid.is_none_or(|kid| kid == KEY_ID), "{header:?}");
    let now = NOW.unix.seconds() as f64;
    let (leeway, second) = (LEEWAY_S as f64, 1.0);
    let date = |name: &str| claims.get(name).and_then(Value::as_f64);
    assert!(date("exp").is_some_and(|end| now < end + leeway + second), "expired: {claims:?}");
    assert!(date("nbf").is_none_or(|start| start <= now + leeway + second), "not yet valid: {claims:?}");
    if is_strict {
        assert_eq!(claims.get("iss"), Some(&Value::from(ISSUER)));
        let audience = claims.get("aud").cloned().unwrap_or_default();
        let is_one = |value: &Value| value == AUDIENCE;
        assert!(is_one(&audience) || audience.as_array().is_some_and(|list| list.iter().any(is_one)), "{claims:?}");
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let guid = |name: &str| text(name).and_then(|text| Uuid::try_parse(text).ok());
    assert!(principal.user.is_none() || principal.user == guid("sub"), "{claims:?}");
    assert_eq!(principal.organization, guid("org"), "{claims:?}");
    let scopes = match claims.get("scope") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => text.split(' ').map(str::to_owned).collect(),
        Some(_) | None => Vec::new(),
    };
    let has = |scope: &str| scopes.iter().any(|one| one == scope);
    assert_eq!([principal.may_publish, principal.is_admin], [has("publish"), has("admin")], "{claims:?}");
    let entries = match claims.get("rte") {
        Some(Value::Array(list)) => list.iter().filter(|entry| !entry.is_null()).count(),
        Some(Value::String(text)) => text.split_ascii_whitespace().count(),
        Some(_) | None => 0,
    };
    assert_eq!(principal.grants.len() + usize::from(principal.foreign_grants), entries, "an entry is lost: {claims:?}");
}
