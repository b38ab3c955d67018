//! `POST /revoke`: tokens are good no more before their time; `GET /revoke`: which.

use crate::auth::marks::Mark;
use crate::auth::principal::Principal;
use crate::auth::revoked::{Revocation, RevokedName};
use crate::limits::REVOKED_BYTES_MAX;
use crate::proto::http::reply::Reply;
use crate::schema::guid;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A revocation as it is told and listed. Times are seconds since the Unix epoch, as in tokens.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationBody<'t> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    sub: Option<Cow<'t, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    jti: Option<Cow<'t, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    org: Option<Cow<'t, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<u64>,
    until: u64,
}

const ONE_NAME: &str = "the body names one of sub, jti and org";

/// Reads what an administrator revokes.
///
/// # Errors
/// The status and the sentence of the refusal.
pub(crate) fn parse(body: &[u8], by: &Principal) -> Result<Revocation, (u16, String)> {
    let bad = |why: &str| (400, why.to_owned());
    let told: RevocationBody<'_> =
        serde_json::from_slice(body).map_err(|error| (400, format!("the body is no revocation: {error}")))?;
    let RevocationBody { sub, jti, org, issued_before, until } = told;
    let (name, text) = match (sub, jti, org) {
        (Some(sub), None, None) => (subject(&sub), sub),
        (None, Some(jti), None) => (RevokedName::Token(Mark::of(&jti)), jti),
        (None, None, Some(org)) => {
            let guid = guid::parse(&org).ok_or_else(|| bad("org is no GUID of 36 characters"))?;
            if by.organization.is_some_and(|own| own != guid) {
                return Err((403, "the token is of another organization".to_owned()));
            }
            (RevokedName::Organization(guid), org)
        }
        (_, _, _) => return Err(bad(ONE_NAME)),
    };
    if text.is_empty() || text.len() > REVOKED_BYTES_MAX {
        return Err((400, format!("what is named has 1 to {REVOKED_BYTES_MAX} bytes")));
    }
    Ok(Revocation {
        name,
        text: text.into(),
        within: by.organization,
        issued_before_unix_s: issued_before,
        until_unix_s: until,
    })
}

/// The user of that claim, as tokens are read.
fn subject(text: &str) -> RevokedName {
    match guid::parse(text).filter(|guid| !guid.is_nil()) {
        Some(guid) => RevokedName::User(guid),
        None => RevokedName::Subject(Mark::of(text)),
    }
}

/// Returns the reply to a revocation for which so many connections end.
pub(crate) fn reply(closed: u64) -> Reply {
    Reply::json(200, format!("{{\"closed\":{closed}}}")).with("Cache-Control", "no-store")
}

/// Returns the revocations that an administrator may see.
pub(crate) fn list(revocations: &[Revocation], by: &Principal) -> Reply {
    let seen = revocations.iter().filter(|held| by.organization.is_none() || held.within == by.organization);
    let told: Vec<RevocationBody<'_>> = seen
        .map(|Revocation { name, text, issued_before_unix_s, until_unix_s, .. }| {
            let named = |claim: &str| (name.claim() == claim).then_some(Cow::Borrowed(&**text));
            RevocationBody {
                sub: named("sub"),
                jti: named("jti"),
                org: named("org"),
                issued_before: *issued_before_unix_s,
                until: *until_unix_s,
            }
        })
        .collect();
    Reply::json(200, serde_json::to_vec(&told).unwrap_or_default()).with("Cache-Control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixtures::nobody;
    use uuid::Uuid;

    const ORG: &str = "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59";

    #[test]
    fn a_revocation_names_one_claim_and_its_end() {
        let read = |body: &str| parse(body.as_bytes(), &nobody());
        let name = |body: &str| read(body).unwrap().name;
        assert_eq!(name(&format!(r#"{{"sub":"{ORG}","until":7}}"#)), RevokedName::User(ORG.parse().unwrap()));
        assert_eq!(name(r#"{"sub":"al\u0069ce","until":7}"#), RevokedName::Subject(Mark::of("alice")));
        assert_eq!(name(r#"{"jti":"x","until":7,"issued_before":3}"#), RevokedName::Token(Mark::of("x")));
        assert_eq!(name(&format!(r#"{{"org":"{ORG}","until":7}}"#)), RevokedName::Organization(ORG.parse().unwrap()));
        let long = "x".repeat(REVOKED_BYTES_MAX + 1);
        for body in [
            "",
            "[]",
            r#"{"until":7}"#,
            r#"{"sub":"a"}"#,
            r#"{"sub":"","until":7}"#,
            r#"{"sub":"a","jti":"b","until":7}"#,
            r#"{"sub":"a","until":-7}"#,
            r#"{"sub":"a","until":7,"scope":"x"}"#,
            r#"{"sub":"a","sub":"b","until":7}"#,
            r#"{"org":"a","until":7}"#,
            &format!(r#"{{"jti":"{long}","until":7}}"#),
        ] {
            assert_eq!(read(body).unwrap_err().0, 400, "{body}");
        }
    }

    #[test]
    fn an_administrator_of_an_organization_names_no_other_and_sees_its_own() {
        let own = Principal { organization: Some(ORG.parse().unwrap()), ..nobody() };
        let other = Principal { organization: Some(Uuid::from_u128(1)), ..nobody() };
        let body = format!(r#"{{"org":"{ORG}","until":7}}"#);
        assert_eq!(parse(body.as_bytes(), &other).unwrap_err().0, 403);
        let held = [parse(body.as_bytes(), &own).unwrap()];
        let shown = |by: &Principal| String::from_utf8(list(&held, by).body.bytes().to_vec()).unwrap();
        assert_eq!(
            [shown(&own), shown(&nobody()), shown(&other)],
            [format!("[{body}]"), format!("[{body}]"), "[]".to_owned()]
        );
    }
}
