//! Tokens that are good no more before their time: one, those of a user, those of an organization.

use super::marks::Mark;
use super::principal::Principal;
use crate::clock::Now;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// Which tokens a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RevokedName {
    /// Those of a user.
    User(Uuid),
    /// Those of a user whose claim is no GUID.
    Subject(Mark),
    /// The one with that `jti`.
    Token(Mark),
    /// Those of an organization.
    Organization(Uuid),
}

impl RevokedName {
    /// The claim that it is about, by its usual name.
    pub(crate) fn claim(self) -> &'static str {
        match self {
            RevokedName::User(_) | RevokedName::Subject(_) => "sub",
            RevokedName::Token(_) => "jti",
            RevokedName::Organization(_) => "org",
        }
    }

    /// The names that a token answers to.
    fn all(principal: &Principal) -> impl Iterator<Item = RevokedName> {
        let Principal { user, organization, marks, .. } = principal;
        let names = [
            user.map(RevokedName::User),
            marks.subject.map(RevokedName::Subject),
            marks.token.map(RevokedName::Token),
            organization.map(RevokedName::Organization),
        ];
        names.into_iter().flatten()
    }
}

/// Some tokens are good no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub(crate) name: RevokedName,
    /// That claim as it was told: a mark gives no text back.
    pub(crate) text: Arc<str>,
    /// Of these, only those of this organization: of an administrator who belongs to it.
    pub(crate) within: Option<Uuid>,
    /// And only those that were issued before, in seconds since the Unix epoch.
    pub(crate) issued_before_unix_s: Option<u64>,
    /// It is forgotten then, in seconds since the Unix epoch.
    pub(crate) until_unix_s: u64,
}

impl Revocation {
    /// Whether the token of that principal is good no more. One that does not say when it was
    /// issued may be of any time.
    pub(crate) fn concerns(&self, principal: &Principal) -> bool {
        (self.within.is_none() || self.within == principal.organization)
            && self.issued_before_unix_s.is_none_or(|before| principal.marks.issued_unix_s < before)
            && RevokedName::all(principal).any(|name| name == self.name)
    }
}

/// All that are in force. Those whose time is over go by themselves.
///
/// 1. [`add`](Revocations::add) one, then end the connections that it concerns: what connects from
///    then on is refused.
/// 2. Ask whether they [`hold`](Revocations::hold) a token that has been verified.
#[derive(Debug)]
pub(crate) struct Revocations {
    max: usize,
    /// When the last of them ends: where none is in force, nobody pays for them.
    until_unix_s: AtomicU64,
    list: Mutex<BTreeMap<(RevokedName, Option<Uuid>), Revocation>>,
}

/// There are as many as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyRevocations;

impl Revocations {
    /// None, and at most so many.
    pub(crate) fn new(max: usize) -> Revocations {
        Revocations { max, until_unix_s: AtomicU64::new(0), list: Mutex::default() }
    }

    /// One more; it takes the place of one of the same name.
    ///
    /// # Errors
    /// There are too many, and nothing has changed.
    pub(crate) fn add(&self, revocation: Revocation, now: Now) -> Result<(), TooManyRevocations> {
        let mut list = self.list.lock();
        list.retain(|_, held| held.until_unix_s > now.unix.seconds());
        let key = (revocation.name, revocation.within);
        if list.len() >= self.max && !list.contains_key(&key) {
            return Err(TooManyRevocations);
        }
        list.insert(key, revocation);
        let until = list.values().map(|held| held.until_unix_s).max().unwrap_or_default();
        self.until_unix_s.store(until, Ordering::Release);
        Ok(())
    }

    /// Those that were in force before a restart are so again, however many there may be now.
    pub(crate) fn restore(&self, revocations: Vec<Revocation>, now: Now) {
        let mut list = self.list.lock();
        list.extend(revocations.into_iter().map(|revocation| ((revocation.name, revocation.within), revocation)));
        list.retain(|_, held| held.until_unix_s > now.unix.seconds());
        let until = list.values().map(|held| held.until_unix_s).max().unwrap_or_default();
        self.until_unix_s.store(until, Ordering::Release);
    }

    /// Whether one of them concerns the token of that principal.
    pub(crate) fn hold(&self, principal: &Principal, now: Now) -> bool {
        let now_s = now.unix.seconds();
        if self.until_unix_s.load(Ordering::Acquire) <= now_s {
            return false;
        }
        let list = self.list.lock();
        let withins = [None, principal.organization];
        let mut keys = RevokedName::all(principal).flat_map(|name| withins.map(|within| (name, within)));
        keys.any(|key| list.get(&key).is_some_and(|held| held.until_unix_s > now_s && held.concerns(principal)))
    }

    /// Those in force, in a fixed order.
    pub(crate) fn list(&self, now: Now) -> Vec<Revocation> {
        let list = self.list.lock();
        list.values().filter(|held| held.until_unix_s > now.unix.seconds()).cloned().collect()
    }

    /// How many are in force.
    pub(crate) fn len(&self, now: Now) -> usize {
        if self.until_unix_s.load(Ordering::Acquire) <= now.unix.seconds() {
            return 0;
        }
        self.list.lock().values().filter(|held| held.until_unix_s > now.unix.seconds()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixtures::nobody;
    use crate::auth::marks::Marks;

    const ORGANIZATION: Uuid = Uuid::from_u128(2);

    fn at(unix_s: u64) -> Now {
        Now::from_ms(0, unix_s * 1_000)
    }

    fn holder(user: u128, issued_unix_s: u64) -> Principal {
        let marks = Marks { subject: None, token: Some(Mark::of("one")), issued_unix_s };
        Principal { user: Some(Uuid::from_u128(user)), organization: Some(ORGANIZATION), marks, ..nobody() }
    }

    fn revocation(name: RevokedName, until_unix_s: u64) -> Revocation {
        Revocation { name, text: "".into(), within: None, issued_before_unix_s: None, until_unix_s }
    }

    #[test]
    fn a_token_is_revoked_by_its_user_its_own_name_or_its_organization_and_by_no_other() {
        let subject = Marks { subject: Some(Mark::of("alice")), ..holder(1, 0).marks };
        let alice = Principal { user: None, marks: subject, ..holder(1, 0) };
        let (user, organization) = (RevokedName::User(Uuid::from_u128(1)), RevokedName::Organization(ORGANIZATION));
        for (name, who, is_held) in [
            (user, holder(1, 0), true),
            (user, holder(3, 0), false),
            (user, alice.clone(), false),
            (RevokedName::Subject(Mark::of("alice")), alice.clone(), true),
            (RevokedName::Subject(Mark::of("one")), alice.clone(), false),
            (RevokedName::Token(Mark::of("one")), alice, true),
            (RevokedName::Token(Mark::of("two")), holder(1, 0), false),
            (organization, holder(3, 0), true),
            (RevokedName::Organization(Uuid::from_u128(1)), holder(1, 0), false),
        ] {
            let revocations = Revocations::new(1);
            revocations.add(revocation(name, 20), at(10)).unwrap();
            assert_eq!(revocations.hold(&who, at(10)), is_held, "{name:?}");
            assert_eq!(revocation(name, 20).concerns(&who), is_held, "{name:?}");
        }
    }

    #[test]
    fn what_was_issued_later_is_good_and_what_does_not_say_when_is_not() {
        let revocations = Revocations::new(1);
        let name = RevokedName::User(Uuid::from_u128(1));
        let before = Revocation { issued_before_unix_s: Some(8), ..revocation(name, 20) };
        revocations.add(before, at(10)).unwrap();
        let held = [0, 7, 8, 9].map(|issued| revocations.hold(&holder(1, issued), at(10)));
        assert_eq!(held, [true, true, false, false]);
    }

    #[test]
    fn an_administrator_of_an_organization_reaches_no_other() {
        let revocations = Revocations::new(1);
        let name = RevokedName::Token(Mark::of("one"));
        revocations.add(Revocation { within: Some(ORGANIZATION), ..revocation(name, 20) }, at(10)).unwrap();
        assert!(revocations.hold(&holder(1, 0), at(10)));
        for organization in [None, Some(Uuid::from_u128(3))] {
            assert!(!revocations.hold(&Principal { organization, ..holder(1, 0) }, at(10)));
        }
    }

    #[test]
    fn a_revocation_goes_by_itself_and_beyond_the_bound_none_is_forgotten_for_another() {
        let revocations = Revocations::new(2);
        let user = |user| RevokedName::User(Uuid::from_u128(user));
        revocations.add(revocation(user(1), 20), at(10)).unwrap();
        revocations.add(revocation(user(2), 30), at(10)).unwrap();
        assert_eq!(revocations.add(revocation(user(3), 40), at(10)), Err(TooManyRevocations));
        let held = |now| [1, 2, 3].map(|user| revocations.hold(&holder(user, 0), at(now)));
        assert_eq!((held(19), held(20), held(30)), ([true, true, false], [false, true, false], [false; 3]));
        assert_eq!([19, 20, 30].map(|now| revocations.len(at(now))), [2, 1, 0]);
        revocations.add(revocation(user(2), 25), at(19)).unwrap();
        assert!(!revocations.hold(&holder(2, 0), at(25)), "the later word counts");
        revocations.add(revocation(user(3), 40), at(20)).unwrap();
        assert_eq!(revocations.list(at(20)).len(), 2);
    }
}
