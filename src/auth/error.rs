//! Why a token is refused.

use super::algorithm::SERVED;
use std::fmt;

/// Why a request is answered 401. Small, and free of any part of the token: its sentence may be
/// logged and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The request carries two tokens that differ.
    Conflict,
    /// It is no JWT.
    Malformed,
    /// It is unsigned, or signed by an algorithm that nobody serves.
    Unserved,
    /// It is signed with ES512, whose curve the cryptography library lacks.
    Es512,
    /// The header has `crit`: extensions that must be understood (RFC 7515 section 4.1.11), and
    /// none is.
    Critical,
    /// `kid` names no key, and no key without an id could stand for it.
    UnknownKey,
    /// There is no `kid`, and several keys of the algorithm.
    NoKeyId,
    /// No key, or not the key that `kid` names, is for the token's algorithm.
    Algorithm,
    /// The signature is not by the key.
    Signature,
    /// There is no `exp`.
    NoExpiry,
    /// `exp` has passed.
    Expired {
        /// So many seconds ago.
        ago_s: u64,
    },
    /// `nbf` lies ahead.
    NotYetValid {
        /// So many seconds.
        in_s: u64,
    },
    /// `iss` is not an issuer whom the key is for.
    Issuer,
    /// `aud` has none of the configured audiences.
    Audience,
    /// A claim has a wrong type or form.
    Claim(Claim),
    /// A client's token has no organization.
    NoOrganization,
    /// It has been revoked (`POST /revoke`).
    Revoked,
}

/// A claim, by what it is for: the names are the operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Claim {
    Expiry,
    NotBefore,
    User,
    Organization,
    Grants,
    Scope,
}

impl TokenError {
    /// What is wrong, from a closed list; `Display` also says by how much. Printable ASCII without
    /// `"` and `\`, as `error_description` demands (RFC 6750 section 3).
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            TokenError::Conflict => "The request carries two different tokens",
            TokenError::Malformed => "The token is not a JWT: three parts of base64url with dots between",
            TokenError::Unserved => "The token is not signed with an algorithm that is served",
            TokenError::Es512 => "The token is signed with ES512, which is not served: use ES384 or ES256",
            TokenError::Critical => "The token demands an extension (crit) that is not supported",
            TokenError::UnknownKey => "The key that the token names (kid) is unknown",
            TokenError::NoKeyId => "The token names no key (kid), and there are several for its algorithm",
            TokenError::Algorithm => "There is no such key for the algorithm of the token",
            TokenError::Signature => {
                "The signature of the token is wrong: it was made with another key than this hub's (auth)"
            }
            TokenError::NoExpiry => "The token has no expiry (exp)",
            TokenError::Expired { .. } => "The token is expired",
            TokenError::NotYetValid { .. } => "The token is not yet valid (nbf)",
            TokenError::Issuer => "The issuer (iss) of the token is not an expected one",
            TokenError::Audience => "The audience (aud) of the token does not include this hub",
            TokenError::Claim(Claim::Expiry) => "The expiry (exp) of the token is not a number",
            TokenError::Claim(Claim::NotBefore) => "The start (nbf) of the token is not a number",
            TokenError::Claim(Claim::User) => "The user claim of the token is not a string",
            TokenError::Claim(Claim::Organization) => {
                "The organization claim of the token is not a GUID, or the all-zero one"
            }
            TokenError::Claim(Claim::Grants) => {
                "The grants claim of the token is neither a string nor an array of strings"
            }
            TokenError::Claim(Claim::Scope) => {
                "The scope claim of the token is neither a string nor an array of strings"
            }
            TokenError::NoOrganization => {
                "The token has no organization claim, which clients need: ask its issuer, or rte token --org"
            }
            TokenError::Revoked => "The token has been revoked",
        }
    }

    /// A word for metrics and structured logs, from a closed list.
    pub fn label(self) -> &'static str {
        match self {
            TokenError::Conflict => "conflict",
            TokenError::Malformed => "malformed",
            TokenError::Unserved => "unserved",
            TokenError::Es512 => "es512",
            TokenError::Critical => "critical",
            TokenError::UnknownKey => "unknown-key",
            TokenError::NoKeyId => "no-key-id",
            TokenError::Algorithm => "algorithm",
            TokenError::Signature => "signature",
            TokenError::NoExpiry => "no-expiry",
            TokenError::Expired { .. } => "expired",
            TokenError::NotYetValid { .. } => "not-yet-valid",
            TokenError::Issuer => "issuer",
            TokenError::Audience => "audience",
            TokenError::Claim(_) => "claim",
            TokenError::NoOrganization => "no-organization",
            TokenError::Revoked => "revoked",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Both are what a wrong clock looks like, and then the number says whose.
            TokenError::Expired { ago_s } => write!(f, "The token expired {} s ago (exp)", grouped(*ago_s)),
            TokenError::NotYetValid { in_s } => {
                write!(f, "The token is valid in {} s and not before (nbf)", grouped(*in_s))
            }
            TokenError::Unserved => write!(f, "The token is not signed with {SERVED}"),
            TokenError::Conflict
            | TokenError::Malformed
            | TokenError::Es512
            | TokenError::Critical
            | TokenError::UnknownKey
            | TokenError::NoKeyId
            | TokenError::Algorithm
            | TokenError::Signature
            | TokenError::NoExpiry
            | TokenError::Issuer
            | TokenError::Audience
            | TokenError::Claim(_)
            | TokenError::NoOrganization
            | TokenError::Revoked => f.write_str(self.sentence()),
        }
    }
}

impl std::error::Error for TokenError {}

/// `7,203` for 7203.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value of `WWW-Authenticate` beside a 401 (RFC 6750 section 3): without an error where the
/// request has no token at all.
pub fn challenge(error: Option<TokenError>) -> String {
    match error {
        Some(error) => format!("Bearer error=\"invalid_token\", error_description=\"{error}\""),
        None => "Bearer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_fits_an_error_description() {
        let mut all = vec![
            TokenError::Conflict,
            TokenError::Malformed,
            TokenError::Unserved,
            TokenError::Critical,
            TokenError::UnknownKey,
            TokenError::NoKeyId,
            TokenError::Algorithm,
            TokenError::Signature,
            TokenError::NoExpiry,
            TokenError::Expired { ago_s: u64::MAX },
            TokenError::NotYetValid { in_s: 7_203 },
            TokenError::Es512,
            TokenError::Issuer,
            TokenError::Audience,
            TokenError::NoOrganization,
        ];
        use Claim::{Expiry, Grants, NotBefore, Organization, Scope, User};
        all.extend([Expiry, NotBefore, User, Organization, Grants, Scope].map(TokenError::Claim));
        for error in all {
            let text = format!("{error}{}", error.sentence());
            // RFC 6750 section 3: %x20-21 / %x23-5B / %x5D-7E.
            assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'), "{text}");
        }
    }

    #[test]
    fn the_challenge_names_the_error_only_where_there_was_a_token() {
        assert_eq!(challenge(None), "Bearer");
        assert_eq!(
            challenge(Some(TokenError::Expired { ago_s: 7_203 })),
            "Bearer error=\"invalid_token\", error_description=\"The token expired 7,203 s ago (exp)\""
        );
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
