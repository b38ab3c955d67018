//! `rte token --inspect`: what a token says, and what the hub makes of it.

use super::console::Console;
use super::failure::Failure;
use super::identity::{Identity, Judge};
use crate::auth::grant::Grant;
use crate::auth::principal::Principal;
use crate::auth::token::{ClaimNames, Tenancy, grouped};
use crate::schema::Catalogue;
use serde_json::{Map, Value};

/// Prints a token's claims and what they mean here. The signature is not printed, so that the lines
/// may be shown to others.
///
/// # Errors
/// [`Failure::Usage`] where the text is no token, [`Failure::Refused`] where the hub would refuse
/// it.
pub fn inspect(
    judge: &Judge,
    catalogue: &Catalogue,
    token: &str,
    unix_ms: u64,
    console: &mut Console,
) -> Result<(), Failure> {
    let identity = judge.look(token, unix_ms)?;
    for (name, value) in lines(judge, catalogue, &identity, unix_ms / 1000) {
        console.line(format_args!("{name:<14}{value}"))?;
    }
    match identity.verdict {
        Some(Err(error)) => Err(Failure::Refused(error.to_string())),
        Some(Ok(())) | None => Ok(()),
    }
}

fn lines(judge: &Judge, catalogue: &Catalogue, identity: &Identity, now_s: u64) -> Vec<(&'static str, String)> {
    let (header, claims) = (&identity.said.header, &identity.said.claims);
    let text = |object: &Map<String, Value>, name: &str| object.get(name).map_or("none".to_owned(), shown);
    let mut lines = vec![
        ("algorithm", text(header, "alg")),
        ("key", header.get("kid").map_or("not named (kid)".to_owned(), |kid| format!("{} (kid)", shown(kid)))),
        ("verdict", verdict(judge, identity)),
        ("expiry", expiry(claims, now_s)),
        ("issuer", format!("{} (iss)", text(claims, "iss"))),
        ("audience", format!("{} (aud)", text(claims, "aud"))),
    ];
    let names = &judge.verifier.options().claims;
    match &identity.principal {
        Ok(principal) => {
            lines.extend(whom(principal, names, claims, judge.verifier.tenancy()));
            lines.extend(granted(principal, names, claims, catalogue));
        }
        Err(error) => lines.push(("claims", error.to_string())),
    }
    let known = ["exp", "nbf", "iat", "iss", "aud"];
    let roots = names.all().map(|(_, path)| path.names().first().cloned().unwrap_or_default());
    let is_other = |name: &&String| !known.contains(&name.as_str()) && !roots.contains(name);
    let others: Vec<&str> = claims.keys().filter(is_other).map(String::as_str).collect();
    if !others.is_empty() {
        lines.push(("not looked at", others.join(", ")));
    }
    lines
}

fn verdict(judge: &Judge, identity: &Identity) -> String {
    let client = || match &identity.principal {
        Ok(principal) => match judge.verifier.check_client(principal) {
            Ok(()) => String::new(),
            Err(error) => format!("; but not as a client: {error}"),
        },
        Err(_) => String::new(),
    };
    match (&identity.verdict, &judge.unproven) {
        (Some(Ok(())), _) => format!("the hub takes it{}", client()),
        (Some(Err(error)), _) => format!("the hub refuses it: {error}"),
        (None, Some(why)) => format!("unproven, {why}"),
        (None, None) => "unproven".to_owned(),
    }
}

/// When it ends, counted from now.
pub(crate) fn expiry(claims: &Map<String, Value>, now_s: u64) -> String {
    let Some(end) = claims.get("exp").and_then(Value::as_f64) else {
        return "none, and a token needs one (exp)".to_owned();
    };
    // Seconds since 1970 lie far below the 53 bits of a double.
    let from_now = end - std::time::Duration::from_secs(now_s).as_secs_f64();
    let seconds = std::time::Duration::try_from_secs_f64(from_now.abs()).map_or(u64::MAX, |time| time.as_secs());
    if from_now > 0.0 { format!("in {} (exp)", span(seconds)) } else { format!("{} ago (exp)", span(seconds)) }
}

/// Seconds, with the days that they are from two on.
fn span(seconds: u64) -> String {
    match seconds / 86_400 {
        0 | 1 => format!("{} s", grouped(seconds)),
        days => format!("{} s, {} days", grouped(seconds), grouped(days)),
    }
}

fn whom(
    principal: &Principal,
    names: &ClaimNames,
    claims: &Map<String, Value>,
    tenancy: Tenancy,
) -> Vec<(&'static str, String)> {
    let user = match (principal.user, names.user.find(claims)) {
        (Some(user), _) => format!("{user}, whose own events are granted"),
        (None, Some(other)) => format!("{}, which is no GUID: nothing is its own, grants say all", shown(other)),
        (None, None) => "none: nothing is its own, grants say all".to_owned(),
    };
    let organization = match (tenancy, principal.organization) {
        (Tenancy::Single, _) => "not looked at (auth.tenancy)".to_owned(),
        (Tenancy::Multi, Some(organization)) => organization.to_string(),
        (Tenancy::Multi, None) => "none: for publishers only".to_owned(),
    };
    let scopes = [("publish", principal.may_publish), ("admin", principal.is_admin), ("backend", principal.is_backend)];
    let scopes: Vec<&str> = scopes.into_iter().filter_map(|(name, has)| has.then_some(name)).collect();
    let scopes = if scopes.is_empty() { "none that means something here".to_owned() } else { scopes.join(", ") };
    vec![
        ("user", format!("{user} ({})", names.user)),
        ("organization", format!("{organization} ({})", names.organization)),
        ("scope", format!("{scopes} ({})", names.scope)),
    ]
}

/// The grants, those that cover nothing with the reason, and the entries that are none.
fn granted(
    principal: &Principal,
    names: &ClaimNames,
    claims: &Map<String, Value>,
    catalogue: &Catalogue,
) -> Vec<(&'static str, String)> {
    let grant = |grant: &Grant| match grant.fault(catalogue) {
        Some(fault) => format!("{grant} {fault}"),
        None => grant.to_string(),
    };
    let mut lines: Vec<_> = principal.grants.iter().map(|one| ("grant", grant(one))).collect();
    lines.extend(foreign(names.grants.find(claims)).map(|(entry, why)| ("no grant", format!("{entry}: {why}"))));
    if principal.grants.is_empty() && principal.foreign_grants == 0 {
        lines.push(("grant", format!("none ({})", names.grants)));
    }
    lines
}

/// The entries of a claim that are no grants, each with the reason.
fn foreign(claim: Option<&Value>) -> impl Iterator<Item = (String, String)> {
    let entries: Vec<Value> = match claim {
        Some(Value::Array(list)) => list.iter().filter(|entry| !entry.is_null()).cloned().collect(),
        Some(Value::String(text)) => text.split_ascii_whitespace().map(Value::from).collect(),
        Some(_) | None => Vec::new(),
    };
    entries.into_iter().filter_map(|entry| match entry.as_str().map(Grant::parse) {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some((shown(&entry), error.to_string())),
        None => Some((shown(&entry), "it is no string".to_owned())),
    })
}

/// A value of a claim on one line, text without its quotes where that is no riddle.
fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.is_empty() && text.chars().all(|c| !c.is_control() && !c.is_whitespace()) => {
            text.to_owned()
        }
        Some(_) | None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::mint::SigningKey;
    use crate::auth::mint::{Statement, mint};
    use crate::cli::console::tests::console_on_paper;
    use crate::config::Flags;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const GUID: &str = "11111111-2222-3333-4444-555555555555";
    const NOW_S: u64 = 1_800_000_000;

    fn inspected(statement: &Statement, variables: &[(&str, &str)], at_s: u64) -> (Result<(), Failure>, String) {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let judge = Judge::new(&Flags::default(), variables.iter().map(owned).collect()).unwrap();
        let names = judge.verifier.options().claims.clone();
        let token = mint(&SigningKey::from_secret(None, SECRET, None).unwrap(), &names, statement).unwrap();
        let (mut console, results, _) = console_on_paper();
        let outcome = inspect(&judge, &Catalogue::built_in(None), &token, at_s * 1000, &mut console);
        console.flush().unwrap();
        let text = results.text();
        assert!(!text.contains(&token) && !text.contains(token.rsplit('.').next().unwrap()), "{text}");
        (outcome, text)
    }

    fn statement() -> Statement {
        Statement {
            user: Some("auth0|alice".to_owned()),
            organization: GUID.parse().ok(),
            grants: ["queue/*", "offline_access", "user/alice"].map(str::to_owned).to_vec(),
            scopes: vec!["publish".to_owned(), "openid".to_owned()],
            issuer: Some("pbx".to_owned()),
            audience: None,
            issued_unix_s: NOW_S,
            expires_unix_s: NOW_S + 3_600,
        }
    }

    #[test]
    fn a_token_is_shown_with_what_it_means_here() {
        let (outcome, text) = inspected(&statement(), &[("RTE_AUTH_SECRET", SECRET)], NOW_S);
        assert_eq!(outcome, Ok(()));
        assert_eq!(
            text,
            format!(
                "algorithm     HS256\n\
                 key           not named (kid)\n\
                 verdict       the hub takes it\n\
                 expiry        in 3,600 s (exp)\n\
                 issuer        pbx (iss)\n\
                 audience      none (aud)\n\
                 user          auth0|alice, which is no GUID: nothing is its own, grants say all (sub)\n\
                 organization  {GUID} (org)\n\
                 scope         publish (scope)\n\
                 grant         queue/*/*\n\
                 no grant      offline_access: A grant is not of the form family/entity or family/entity/event\n\
                 no grant      user/alice: The entity of a grant is neither a GUID of 36 characters nor *\n"
            )
        );
    }

    #[test]
    fn a_grant_that_covers_nothing_and_a_far_end_are_told() {
        let grants = ["qeue/*", "user/*/UserAvailabilty"].map(str::to_owned).to_vec();
        let statement = Statement { grants, expires_unix_s: NOW_S + 30 * 86_400, ..statement() };
        let (_, text) = inspected(&statement, &[("RTE_AUTH_SECRET", SECRET)], NOW_S);
        assert!(text.contains("qeue/*/* covers nothing: there is no family `qeue`: did you mean `Queue`?"), "{text}");
        assert!(text.contains("did you mean `UserAvailability`?"), "{text}");
        assert!(text.contains("expiry        in 2,592,000 s, 30 days (exp)"), "{text}");
    }

    #[test]
    fn what_the_hub_would_refuse_is_refused_with_the_same_words() {
        let (outcome, text) = inspected(&statement(), &[("RTE_AUTH_SECRET", SECRET)], NOW_S + 10_803);
        assert_eq!(outcome, Err(Failure::Refused("The token expired 7,203 s ago (exp)".to_owned())));
        assert!(text.contains("expiry        7,203 s ago (exp)"), "{text}");
        let nobody = Statement { organization: None, ..statement() };
        let (outcome, text) = inspected(&nobody, &[("RTE_AUTH_SECRET", SECRET)], NOW_S);
        assert!(outcome.is_ok() && text.contains("but not as a client: The token has no organization"), "{text}");
        let (outcome, text) = inspected(&statement(), &[("RTE_AUTH_SECRET", &SECRET.repeat(2))], NOW_S);
        assert!(outcome.is_err() && text.contains("the hub refuses it: The signature"), "{text}");
    }

    #[test]
    fn without_a_configuration_it_is_read_and_not_proven() {
        let (outcome, text) = inspected(&statement(), &[], NOW_S);
        assert!(outcome.is_ok() && text.contains("verdict       unproven, there is no usable configuration"), "{text}");
        assert!(text.contains("grant         queue/*/*"), "{text}");
    }
}
