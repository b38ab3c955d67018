//! Grants: read as a naive reader reads them, and covering what a naive matcher covers.

use super::fixtures::CATALOGUE;
use super::transcript::Transcript;
use crate::auth::grant::Grant;
use crate::auth::principal::Principal;
use crate::auth::rights::{Action, Standing, decide, may, standing};
use uuid::Uuid;

/// Grants of one input.
const GRANTS_MAX: usize = 8;
/// An entity that no input is likely to name.
const OTHER: Uuid = Uuid::from_u128(0xA1);

/// A grant by its parts, as the naive reader has them: in lower case, `*` where a part is left out.
type Parts = [String; 3];

/// An input is lines, each a grant: the first one may have the user before it, and a blank. What is
/// read is read by the naive reader, displays as something that is read the same, and covers what
/// the naive matcher covers; the standing of an event is that of its entities.
///
/// # Panics
/// The reader or the matcher is wrong.
pub fn grants(data: &[u8], transcript: &mut Transcript<'_>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (user, text) = text.split_once(' ').map_or((None, text), |(user, text)| (Uuid::try_parse(user).ok(), text));
    let (mut read, mut naive) = (Vec::new(), Vec::new());
    for line in text.lines().take(GRANTS_MAX) {
        let (grant, parts) = (Grant::parse(line), naively(line));
        transcript
            .say(|| format!("{line:?}: {}", grant.as_ref().map_or_else(ToString::to_string, ToString::to_string)));
        assert_eq!(grant.as_ref().ok().map(ToString::to_string), parts.as_ref().map(|parts| parts.join("/")));
        if let (Ok(grant), Some(parts)) = (grant, parts) {
            assert_eq!(Grant::parse(&grant.to_string()), Ok(grant.clone()), "displayed and read again");
            read.push(grant);
            naive.push(parts);
        }
    }
    let mut entities: Vec<Uuid> = naive.iter().filter_map(|[_, entity, _]| entity.parse().ok()).chain(user).collect();
    entities.push(OTHER);
    for is_backend in [false, true] {
        let principal = principal(user, is_backend, &read);
        agrees(&principal, &naive, &entities, is_backend, transcript);
    }
}

fn agrees(
    principal: &Principal,
    naive: &[Parts],
    entities: &[Uuid],
    is_backend: bool,
    transcript: &mut Transcript<'_>,
) {
    for (id, event) in CATALOGUE.events() {
        let family = CATALOGUE.family_of(id);
        let is_covered = |entity: &Uuid| {
            let own = principal.user == Some(*entity)
                && family.eq_ignore_ascii_case("user")
                && (event.audience.client || is_backend);
            let entity = entity.to_string();
            let by = |[one, two, three]: &Parts| {
                (one == "*" || *one == family.to_ascii_lowercase())
                    && (two == "*" || *two == entity)
                    && if three == "*" { event.audience.client || is_backend } else { *three == event.lower }
            };
            own || naive.iter().any(by)
        };
        for entity in entities {
            let decided = decide(principal, &[], Action::Subscribe, family, event, *entity);
            assert_eq!(decided.is_ok(), is_covered(entity), "{} of {entity}: {decided:?}", event.name);
            // By what publishing is narrowed, once there is a grant.
            if !naive.is_empty() && principal.user.is_none() {
                assert_eq!(may(principal, &[], Action::Publish, family, event, *entity), is_covered(entity));
            }
        }
        let standing = standing(principal, &[], family, event);
        let covered: Vec<&Uuid> = entities.iter().filter(|entity| is_covered(entity)).collect();
        match &standing {
            Standing::Every => assert_eq!(covered.len(), entities.len()),
            Standing::Only(only) => assert!(covered.iter().all(|entity| only.contains(entity)), "{only:?} {covered:?}"),
            Standing::Unnamed | Standing::Ungranted => assert!(covered.is_empty(), "{covered:?}"),
        }
        if !covered.is_empty() && !is_backend {
            transcript.say(|| format!("{}: {standing:?}", event.name));
        }
    }
}

fn principal(user: Option<Uuid>, is_backend: bool, grants: &[Grant]) -> Principal {
    Principal { user, is_backend, grants: grants.into(), ..super::fixtures::publisher() }
}

fn naively(line: &str) -> Option<Parts> {
    let mut parts: Vec<String> = line.split('/').map(str::to_ascii_lowercase).collect();
    if parts.len() == 2 {
        parts.push("*".to_owned());
    }
    let [family, entity, event] = <Parts>::try_from(parts).ok()?;
    let is_name =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let is_guid = |part: &str| {
        let groups: Vec<&str> = part.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_good = (family == "*" || is_name(&family)) && (entity == "*" || is_guid(&entity));
    (is_good && (event == "*" || is_name(&event))).then_some([family, entity, event])
}
