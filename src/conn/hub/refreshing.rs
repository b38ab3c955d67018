//! A fresh token for a connection that goes on: what it holds is judged again, by the new grants.

use super::results::Named;
use super::subscribing::{Judged, Subscribing};
use crate::auth::principal::Principal;
use crate::auth::rights::{Action, Standing};
use crate::clock::Now;
use crate::conn::order::Refreshed;
use crate::conn::turn::{Process, Turn};
use crate::hub::registry::{ConnKey, Joined};
use crate::hub::topic::{Pattern, Reach};
use crate::proto::signalr::protocol::HubProtocol;
use crate::proto::signalr::value::{Value, Writer};
use crate::schema::Catalogue;
use smallvec::SmallVec;

/// So many grants that are looked at cost as much as a delivery.
const GRANTS_PER_DELIVERY: usize = 32;
/// What is said of a token of somebody else.
pub(crate) const OTHER_USER: &str = "The token is of another user or organization: the one before stays";

/// For how many seconds a token is good, as SignalR tells it: a 32-bit number.
pub(crate) fn lifetime_s(principal: &Principal, now: Now) -> usize {
    let left_s = principal.expires_unix_s.saturating_sub(now.unix.seconds());
    usize::try_from(left_s.min(i32::MAX.unsigned_abs().into())).unwrap_or(usize::MAX)
}

/// Judges all that a connection holds as if it asked for it now.
pub(super) fn judge_again(key: ConnKey, fresh: &Principal, turn: &mut Turn<'_>) -> Refreshed {
    let (mut removed, mut changed) = (Vec::new(), Vec::new());
    // Wildcards come first: what they covered and cover no more is judged by itself behind them.
    let held: SmallVec<[Pattern; 16]> = turn.hub.registry.patterns_of(key).collect();
    turn.hub.spend(held.len() + judging_cost(held.len(), fresh));
    for pattern in held {
        let joined = match granted(pattern, fresh, turn.process) {
            None => Joined::Full,
            Some(Reach::One(_)) => Joined::Already,
            Some(reach) => turn.hub.join_again(key, &reach, turn.process.limits.subscriptions_max),
        };
        match joined {
            Joined::Already => {}
            Joined::Fresh => changed.push(pattern),
            Joined::Full => {
                turn.hub.leave(key, pattern);
                removed.push(pattern);
            }
        }
    }
    Refreshed { lifetime_s: lifetime_s(fresh, turn.now), removed, changed }
}

/// A Subscribe waits for its home: of what is granted no longer, nothing becomes a subscription.
pub(super) fn judge_waiting(subscribing: &mut Subscribing, fresh: &Principal, process: Process<'_>) {
    for item in &mut subscribing.items {
        let Judged::Right(right) = item else { continue };
        match granted(right.reach.pattern(), fresh, process).and_then(|now| right.reach.within(&now)) {
            Some(reach) => right.reach = reach,
            None => right.is_lost = true,
        }
    }
}

/// What it costs to look through the grants of a principal for each of so many patterns, in
/// deliveries.
pub(super) fn judging_cost(patterns: usize, principal: &Principal) -> usize {
    patterns * principal.grants.len() / GRANTS_PER_DELIVERY
}

/// What of a pattern that principal may have.
pub(super) fn granted(pattern: Pattern, principal: &Principal, process: Process<'_>) -> Option<Reach> {
    let Process { catalogue, verifier, .. } = process;
    let (event, family) = (catalogue.event(pattern.event()), catalogue.family_of(pattern.event()));
    match pattern {
        Pattern::One(topic) => {
            verifier.may(principal, Action::Subscribe, family, event, topic.entity).then_some(Reach::One(topic))
        }
        Pattern::Every(wildcard) => match verifier.standing(principal, family, event) {
            Standing::Every => Some(Reach::Every(wildcard)),
            Standing::Only(entities) => Some(Reach::Only(wildcard, entities.into())),
            Standing::Unnamed | Standing::Ungranted => None,
        },
    }
}

/// What is answered to a fresh token.
pub(crate) struct RefreshAnswer<'r> {
    pub(crate) refreshed: &'r Refreshed,
    pub(crate) catalogue: &'r Catalogue,
}

impl Value for RefreshAnswer<'_> {
    fn write(&self, out: &mut Writer<'_>) {
        let Refreshed { lifetime_s, removed, changed } = self.refreshed;
        let named = |patterns| Named { patterns, catalogue: self.catalogue };
        out.object(&[("tokenLifetimeSeconds", lifetime_s), ("removed", &named(removed)), ("changed", &named(changed))]);
    }
}

/// The same as a document, for who has sent the token by a request.
pub(crate) fn document(refreshed: &Refreshed, catalogue: &Catalogue) -> Vec<u8> {
    let mut body = Vec::new();
    RefreshAnswer { refreshed, catalogue }.write(&mut Writer::new(HubProtocol::Json, &mut body));
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixtures::nobody;
    use crate::auth::grant::Grant;

    #[test]
    fn to_judge_costs_as_much_as_patterns_and_grants_make_together() {
        let grants = (0..640).map(|_| Grant::parse("queue/*").unwrap()).collect();
        let many = Principal { grants, ..nobody() };
        assert_eq!((judging_cost(1_000, &nobody()), judging_cost(1_000, &many)), (0, 20_000));
    }
}
