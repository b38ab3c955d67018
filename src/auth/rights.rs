//! Rights: what the grants of a principal, and those of everybody, let it do.

use super::grant::{Grant, is_open};
use super::principal::Principal;
use crate::schema::Event;
use uuid::Uuid;

/// The family whose entities are users: everybody may have what is about themselves.
const USER_FAMILY: &str = "user";

/// What a principal wants to do with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Be sent its publications.
    Subscribe,
    /// Publish on it. Publish grants narrow scope `publish`; without any grant it may publish
    /// everything.
    Publish,
}

/// Why a principal may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed<'g> {
    /// The unwritten `user/<sub>/*`.
    Itself,
    /// A grant that everybody has.
    Everybody(&'g Grant),
    /// A grant of its own.
    Own(&'g Grant),
    /// Scope `publish`, which no grant narrows.
    Scope,
}

/// Why it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The event is for back ends, and what covers the entity does not name the event.
    Unnamed,
    /// No grant covers it.
    Ungranted,
    /// Scope `publish` is missing.
    NoScope,
    /// There are entries among the grants, and none of them is a grant.
    AllForeign,
}

/// Whether `principal` may do `action` on that event of that entity, and by what. `family` is the
/// event's family name in any case; `everybody` are the grants that the configuration gives to all.
/// The organization is not looked at here: a topic holds it.
///
/// Subscribing is covered by any grant of the principal or of everybody, and by the unwritten
/// `user/<sub>/*`. Publishing needs scope `publish`, which the principal's own grants narrow where
/// there are any; entries that are no grants narrow it, too, because whoever wrote them meant less
/// than everything.
pub fn decide<'g>(
    principal: &'g Principal,
    everybody: &'g [Grant],
    action: Action,
    family: &str,
    event: &Event,
    entity: Uuid,
) -> Result<Allowed<'g>, Denied> {
    let covering = |grants: &'g [Grant], is_backend: bool| {
        grants.iter().find(|grant| grant.covers(family, event, entity, is_backend))
    };
    let own = |is_backend| covering(&principal.grants, is_backend).map(Allowed::Own);
    match action {
        Action::Subscribe => {
            let is_own = principal.user == Some(entity) && family.eq_ignore_ascii_case(USER_FAMILY);
            let itself = |is_backend| (is_own && is_open(event, is_backend)).then_some(Allowed::Itself);
            let all = |is_backend| covering(everybody, is_backend).map(Allowed::Everybody);
            let allowed = |is_backend| itself(is_backend).or_else(|| all(is_backend)).or_else(|| own(is_backend));
            allowed(principal.is_backend).ok_or_else(|| match allowed(true) {
                Some(_) => Denied::Unnamed,
                None => Denied::Ungranted,
            })
        }
        Action::Publish if !principal.may_publish => Err(Denied::NoScope),
        Action::Publish if principal.grants.is_empty() => match principal.foreign_grants {
            0 => Ok(Allowed::Scope),
            _ => Err(Denied::AllForeign),
        },
        Action::Publish => own(principal.is_backend).ok_or_else(|| match own(true) {
            Some(_) => Denied::Unnamed,
            None => Denied::Ungranted,
        }),
    }
}

/// [`decide`], where nobody asks for the reason.
pub fn may(
    principal: &Principal,
    everybody: &[Grant],
    action: Action,
    family: &str,
    event: &Event,
    entity: Uuid,
) -> bool {
    decide(principal, everybody, action, family, event, entity).is_ok()
}

/// How far a principal may subscribe to an event, whatever the entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// For every entity.
    Every,
    /// For these entities, sorted; never empty.
    Only(Vec<Uuid>),
    /// For none: a grant is there, but does not name the event, which is for back ends.
    Unnamed,
    /// For none: there is no grant.
    Ungranted,
}

/// [`may`] subscribe, asked for all entities at once.
pub(crate) fn standing(principal: &Principal, everybody: &[Grant], family: &str, event: &Event) -> Standing {
    let covers = |grant: &Grant, is_backend| grant.covers(family, event, grant.entity.unwrap_or_default(), is_backend);
    let own = principal.user.filter(|_| family.eq_ignore_ascii_case(USER_FAMILY));
    let grants = || everybody.iter().chain(principal.grants.iter());
    let covering = || grants().filter(|grant| covers(grant, principal.is_backend));
    if covering().any(|grant| grant.entity.is_none()) {
        return Standing::Every;
    }
    let own_and_open = own.filter(|_| is_open(event, principal.is_backend));
    let mut entities: Vec<Uuid> = covering().filter_map(|grant| grant.entity).chain(own_and_open).collect();
    entities.sort_unstable();
    entities.dedup();
    if !entities.is_empty() {
        Standing::Only(entities)
    } else if own.is_some() || grants().any(|grant| covers(grant, true)) {
        Standing::Unnamed
    } else {
        Standing::Ungranted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixtures::{event, nobody};
    use crate::schema::guid;
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn a_standing_says_for_which_entities_may_would_say_yes() {
        let grants = ["queue/*", "user/*/userstatus", "calllist/e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11", "user/*"];
        for mask in 0..1usize << grants.len() {
            let held = grants.iter().enumerate().filter(|(n, _)| mask >> n & 1 == 1);
            let held: Vec<Grant> = held.map(|(_, text)| Grant::parse(text).unwrap()).collect();
            for is_backend in [false, true] {
                let principal = Principal { user: Some(USER), grants: held.clone().into(), is_backend, ..nobody() };
                for (family, is_client) in [("User", true), ("User", false), ("Queue", true), ("CallList", false)] {
                    let event = event("UserStatus", is_client);
                    let standing = standing(&principal, &[], family, &event);
                    let listed = guid::parse("e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11").unwrap();
                    for entity in [USER, OTHER, listed] {
                        let expected = match &standing {
                            Standing::Every => true,
                            Standing::Only(entities) => entities.contains(&entity),
                            Standing::Unnamed | Standing::Ungranted => false,
                        };
                        let may = may(&principal, &[], Action::Subscribe, family, &event, entity);
                        assert_eq!(may, expected, "{held:?} {family} {is_client} {is_backend} {entity}: {standing:?}");
                    }
                }
            }
        }
    }

    const USER: Uuid = Uuid::from_u128(0xa1);
    const OTHER: Uuid = Uuid::from_u128(0xb2);

    fn grants(texts: &[&str]) -> Arc<[Grant]> {
        texts.iter().map(|text| Grant::parse(text).unwrap()).collect()
    }

    fn subscriber(texts: &[&str]) -> Principal {
        Principal { user: Some(USER), grants: grants(texts), ..nobody() }
    }

    fn may_subscribe(principal: &Principal, family: &str, event: &Event, entity: Uuid) -> bool {
        may(principal, &[], Action::Subscribe, family, event, entity)
    }

    #[test]
    fn a_user_may_have_what_is_about_itself_and_no_more() {
        let user = subscriber(&[]);
        let availability = event("UserAvailability", true);
        assert!(may_subscribe(&user, "User", &availability, USER));
        assert!(!may_subscribe(&user, "User", &availability, OTHER));
        assert!(!may_subscribe(&user, "Queue", &availability, USER));
        assert!(!may_subscribe(&nobody(), "User", &availability, Uuid::nil()));
        assert!(!may_subscribe(&user, "User", &event("UserConfigurationSetNextCLI", false), USER));
        let backend = Principal { is_backend: true, ..user };
        assert!(may_subscribe(&backend, "User", &event("UserConfigurationSetNextCLI", false), USER));
    }

    #[test]
    fn names_are_compared_without_case() {
        let user = subscriber(&["QUEUE/*/queueSTATUS"]);
        assert!(may_subscribe(&user, "Queue", &event("QueueStatus", true), OTHER));
        assert!(may_subscribe(&user, "queue", &event("QueueStatus", true), OTHER));
        assert!(!may_subscribe(&user, "Queue", &event("QueueStatusX", true), OTHER));
    }

    #[test]
    fn an_event_for_back_ends_must_be_named_or_asked_for_by_scope() {
        let job = event("UserEMailNotificationJob", false);
        assert!(!may_subscribe(&subscriber(&["user/*", "*/*/*"]), "User", &job, OTHER));
        assert!(may_subscribe(&subscriber(&["user/*/UserEMailNotificationJob"]), "User", &job, OTHER));
        let backend = Principal { is_backend: true, ..subscriber(&["user/*"]) };
        assert!(may_subscribe(&backend, "User", &job, OTHER));
        assert!(!may_subscribe(&Principal { is_backend: true, ..subscriber(&[]) }, "User", &job, OTHER));
    }

    #[test]
    fn the_grants_of_everybody_cover_subscriptions_only() {
        let everybody = grants(&["user/*/UserAvailability"]);
        let user = Principal { may_publish: true, ..subscriber(&["queue/*"]) };
        let availability = event("UserAvailability", true);
        assert!(may(&user, &everybody, Action::Subscribe, "User", &availability, OTHER));
        assert!(!may(&user, &everybody, Action::Publish, "User", &availability, OTHER));
    }

    #[test]
    fn publishing_needs_the_scope_and_grants_narrow_it() {
        let status = event("QueueStatus", true);
        let may_publish =
            |principal: &Principal, family: &str| may(principal, &[], Action::Publish, family, &status, OTHER);
        assert!(!may_publish(&subscriber(&["queue/*"]), "Queue"));
        assert!(may_publish(&Principal { may_publish: true, ..nobody() }, "Queue"));
        let narrowed = Principal { may_publish: true, ..subscriber(&["queue/*"]) };
        assert!(may_publish(&narrowed, "Queue"));
        assert!(!may_publish(&narrowed, "User"));
        assert!(!may(&narrowed, &[], Action::Publish, "User", &status, USER));
    }

    #[test]
    fn scope_admin_alone_covers_no_topic() {
        let admin = Principal { is_admin: true, ..nobody() };
        assert!(!may_subscribe(&admin, "Queue", &event("QueueStatus", true), OTHER));
    }

    /// The twin: works on the text of the pattern, part by part, as the manual tells it.
    fn naive_covers(pattern: &str, family: &str, entity: Uuid, name: &str, client: bool, backend: bool) -> bool {
        let pattern = pattern.to_lowercase();
        let parts: Vec<&str> = pattern.split('/').collect();
        let same = |part: &str, text: &str| part == "*" || part == text.to_lowercase();
        let event = parts.get(2).copied().unwrap_or("*");
        same(parts[0], family)
            && same(parts[1], &entity.to_string())
            && same(event, name)
            && (event != "*" || client || backend)
    }

    proptest! {
        #[test]
        fn may_agrees_with_a_naive_matcher(
            patterns in proptest::collection::vec(
                ("(\\*|user|Queue|QUEUE|calllist)", "(\\*|00000000-0000-0000-0000-0000000000[aA]1|00000000-0000-0000-0000-0000000000b2)",
                 "(|/\\*|/queuestatus|/QueueStatus|/UserStatus)").prop_map(|(a, b, c)| format!("{a}/{b}{c}")),
                0..4,
            ),
            family in "(User|Queue|CallList)",
            is_first in any::<bool>(),
            name in "(QueueStatus|UserStatus|Other)",
            client in any::<bool>(),
            backend in any::<bool>(),
            has_user in any::<bool>(),
        ) {
            let entity = if is_first { USER } else { OTHER };
            let texts: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let principal = Principal { user: has_user.then_some(USER), is_backend: backend, may_publish: true, ..subscriber(&texts) };
            let own = format!("user/{USER}/*");
            let unwritten: &[&str] = if has_user { &[&own] } else { &[] };
            let by = |pattern: &&str| naive_covers(pattern, &family, entity, &name, client, backend);
            let event = event(&name, client);
            prop_assert_eq!(
                may(&principal, &[], Action::Subscribe, &family, &event, entity),
                texts.iter().chain(unwritten).any(by)
            );
            prop_assert_eq!(
                may(&Principal { user: None, grants: Arc::default(), ..principal.clone() }, &principal.grants, Action::Subscribe, &family, &event, entity),
                texts.iter().any(by)
            );
            prop_assert_eq!(
                may(&principal, &[], Action::Publish, &family, &event, entity),
                texts.is_empty() || texts.iter().any(by)
            );
        }
    }
}
