//! Whose a token is, for the log.

use super::claims::ClaimNames;
use super::token::{Token, Unverified};
use crate::echo::echo;
use crate::trace::Claimed;
use serde_json::Value;

/// What a token says of its bearer. It is not verified here: only of one that was taken is it true.
pub fn claimed(token: Token<'_>, names: &ClaimNames) -> Claimed {
    let Ok(Unverified { header, claims }) = token.unverified() else { return Claimed::default() };
    Claimed {
        sub: names.user.find(&claims).map(short),
        org: names.organization.find(&claims).map(short),
        kid: header.get("kid").map(short),
    }
}

/// A text as it is, all else as JSON; cut at a character's border.
fn short(value: &Value) -> Box<str> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    echo(&text).into()
}

#[cfg(test)]
mod tests {
    use super::super::claims::ClaimPath;
    use super::*;
    use crate::limits::ECHO_BYTES_MAX;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn told(header: &str, claims: &str, names: &ClaimNames) -> Claimed {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        claimed(Token::new(&format!("{header}.{claims}.signature")), names)
    }

    #[test]
    fn the_bearer_is_found_by_the_configured_names_and_cut_short() {
        let names = ClaimNames { user: ClaimPath::of(&["user", "id"]), ..ClaimNames::default() };
        let long = "\u{e9}".repeat(200);
        let claims = format!(r#"{{"sub":"no","user":{{"id":"{long}"}},"org":7}}"#);
        let claimed = told(r#"{"alg":"HS256","kid":"2026-a"}"#, &claims, &names);
        assert_eq!(claimed.sub.as_deref(), Some(&*"\u{e9}".repeat(ECHO_BYTES_MAX / 2)));
        assert_eq!((claimed.org.as_deref(), claimed.kid.as_deref()), (Some("7"), Some("2026-a")));
    }

    #[test]
    fn what_is_no_token_says_nothing() {
        for text in ["", "a.b.c", "secret", "e30"] {
            assert_eq!(claimed(Token::new(text), &ClaimNames::default()), Claimed::default(), "{text:?}");
        }
    }
}
