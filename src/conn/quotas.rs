//! What one user and one address may have: connections at a time, new ones in a minute, and tokens
//! that are no good.
//!
//! One table for all shards, since the connections of a user are spread over them. It is looked at
//! when somebody connects or shows a token of a public key, and when a connection is gone, and at
//! no other time.

use crate::auth::principal::Principal;
use crate::clock::{Instant, Now};
use crate::hub::registry::HashSeed;
use crate::limits::{ADDRESS_BAD_TOKENS_PER_MINUTE, BAD_TOKENS_PER_S, Limits, RATE_SLOTS};
use crate::metrics::Refusal;
use core::hash::{BuildHasher, Hash};
use core::net::IpAddr;
use parking_lot::Mutex;
use uuid::Uuid;

const SECOND_US: u64 = 1_000_000;
const MINUTE_US: u64 = 60 * SECOND_US;
/// Whoever has too many connections is asked to come back after this.
const RETRY_S: u64 = 10;

/// A network that counts as one: an address, or what a subscriber to IPv6 is given, a /64 at the
/// least (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AddressBlock(u64);

impl AddressBlock {
    pub(crate) fn of(address: IpAddr) -> AddressBlock {
        match address.to_canonical() {
            // No prefix of IPv6 begins with 32 zeros, but for those that are reserved.
            IpAddr::V4(address) => AddressBlock(u64::from(u32::from(address))),
            IpAddr::V6(address) => AddressBlock((u128::from(address) >> 64) as u64),
        }
    }
}

/// For whom a connection counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    user: Option<(Uuid, Uuid)>,
    address: AddressBlock,
}

impl Share {
    /// Of a principal that comes from there. One without a user counts for its address only.
    pub(crate) fn of(principal: &Principal, address: AddressBlock) -> Share {
        let organization = principal.organization.unwrap_or_default();
        Share { user: principal.user.map(|user| (organization, user)), address }
    }
}

/// Something would be too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch {
    pub(crate) refusal: Refusal,
    pub(crate) why: &'static str,
    /// For the client.
    pub(crate) sentence: String,
    pub(crate) retry_s: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    User(Uuid, Uuid),
    Address(AddressBlock),
}

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type Held = std::collections::HashMap<Holder, u32, HashSeed>;

/// Who has how much. Where a limit is 0 nothing is counted for it.
#[derive(Debug)]
pub(crate) struct Quotas {
    /// Connections at a time; only of those who have any.
    held: Mutex<Held>,
    user_most: usize,
    address_most: usize,
    users: Option<Mutex<Rates>>,
    addresses: Option<Mutex<Rates>>,
    bad_tokens: Mutex<BadTokens>,
}

impl Quotas {
    /// Nobody has anything.
    pub(crate) fn new(seed: HashSeed, limits: &Limits) -> Quotas {
        let rates = |per_minute: usize| (per_minute > 0).then(|| Rates::new(seed, per_minute as u64).into());
        Quotas {
            held: Held::with_hasher(seed).into(),
            user_most: limits.user_connections_max,
            address_most: limits.address_connections_max,
            users: rates(limits.user_connects_per_minute),
            addresses: rates(limits.address_connects_per_minute),
            bad_tokens: BadTokens { seed, all_full_us: 0, addresses: None }.into(),
        }
    }

    /// Somebody there shows a token of a public key, which is dear to verify.
    ///
    /// # Errors
    /// The process has verified many that were no good, and so many of this address that it is not
    /// believed any more.
    pub(crate) fn may_verify(&self, address: AddressBlock, now: Now) -> Result<(), TooMuch> {
        self.bad_tokens.lock().check(address, now.mono).map_err(|wait| TooMuch {
            refusal: Refusal::AddressRate,
            why: "too many bad tokens",
            sentence: "this address shows too many tokens that are no good: come back later".to_owned(),
            retry_s: wait,
        })
    }

    /// It was no good.
    pub(crate) fn note_bad_token(&self, address: AddressBlock, now: Now) {
        self.bad_tokens.lock().note(address, now.mono);
    }

    /// Somebody who may have no token wants to connect from there.
    ///
    /// # Errors
    /// It is too often.
    pub(crate) fn knock(&self, address: AddressBlock, now: Now) -> Result<(), TooMuch> {
        let Some(rates) = &self.addresses else { return Ok(()) };
        rates.lock().take(&address, now.mono).map_err(|wait| TooMuch {
            refusal: Refusal::AddressRate,
            why: "address_connects_per_minute",
            sentence: often("this address", "limits.address_connects_per_minute"),
            retry_s: wait,
        })
    }

    /// A user wants to connect.
    ///
    /// # Errors
    /// It is too often.
    pub(crate) fn call(&self, share: Share, now: Now) -> Result<(), TooMuch> {
        let (Some(rates), Some(user)) = (&self.users, share.user) else { return Ok(()) };
        rates.lock().take(&user, now.mono).map_err(|wait| TooMuch {
            refusal: Refusal::UserRate,
            why: "user_connects_per_minute",
            sentence: often("this user", "limits.user_connects_per_minute"),
            retry_s: wait,
        })
    }

    /// One more connection would be well.
    ///
    /// # Errors
    /// It would be one too many.
    pub(crate) fn check(&self, share: Share) -> Result<(), TooMuch> {
        self.check_held(&self.held.lock(), share)
    }

    /// One more connection.
    ///
    /// # Errors
    /// It would be one too many, and counts for nobody.
    pub(crate) fn join(&self, share: Share) -> Result<(), TooMuch> {
        let mut held = self.held.lock();
        self.check_held(&held, share)?;
        self.holders(share).for_each(|holder| *held.entry(holder).or_default() += 1);
        Ok(())
    }

    /// A connection is gone.
    pub(crate) fn leave(&self, share: Share) {
        let mut held = self.held.lock();
        for holder in self.holders(share) {
            let left = held.get_mut(&holder).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                held.remove(&holder);
            }
        }
    }

    /// Whether nobody has a connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.lock().is_empty()
    }

    fn check_held(&self, held: &Held, share: Share) -> Result<(), TooMuch> {
        let is_full = |holder: &Holder| held.get(holder).is_some_and(|count| *count as usize >= self.most(*holder));
        match self.holders(share).find(is_full) {
            None => Ok(()),
            Some(Holder::User(..)) => Err(TooMuch {
                refusal: Refusal::UserConnections,
                why: "user_connections_max",
                sentence: full("this user", "limits.user_connections_max", self.user_most),
                retry_s: RETRY_S,
            }),
            Some(Holder::Address(_)) => Err(TooMuch {
                refusal: Refusal::AddressConnections,
                why: "address_connections_max",
                sentence: full("this address", "limits.address_connections_max", self.address_most),
                retry_s: RETRY_S,
            }),
        }
    }

    fn most(&self, holder: Holder) -> usize {
        match holder {
            Holder::User(..) => self.user_most,
            Holder::Address(_) => self.address_most,
        }
    }

    /// Those for whom it is counted.
    fn holders(&self, share: Share) -> impl Iterator<Item = Holder> + use<> {
        let user =
            share.user.filter(|_| self.user_most > 0).map(|(organization, user)| Holder::User(organization, user));
        let address = (self.address_most > 0).then_some(Holder::Address(share.address));
        user.into_iter().chain(address)
    }
}

fn full(who: &str, limit: &str, most: usize) -> String {
    format!("{who} has {limit} = {most} connections: close one, or come back later")
}

fn often(who: &str, limit: &str) -> String {
    format!("{who} connects too often ({limit}): come back later")
}

/// How often each does something: a bucket each of a minute's tokens, filled evenly.
///
/// A bucket is an instant, the one at which it is full again (the generic cell rate algorithm). Two
/// rows of them are found by hash, and only what both refuse is refused: the table is as large as
/// it is, whoever comes, and nobody is kept out by one other.
#[derive(Debug)]
struct Rates {
    seed: HashSeed,
    rows: [Box<[u64]>; 2],
    /// Microseconds until the next token.
    every_us: u64,
}

impl Rates {
    fn new(seed: HashSeed, per_minute: u64) -> Rates {
        let row = || vec![0; RATE_SLOTS].into_boxed_slice();
        Rates { seed, rows: [row(), row()], every_us: (MINUTE_US / per_minute).max(1) }
    }

    /// Takes a token; the seconds until there is one where there is none.
    fn take(&mut self, who: &impl Hash, now: Instant) -> Result<(), u64> {
        let full_at = self.check(who, now)?;
        for (row, slot) in self.rows.iter_mut().zip(slots(self.seed, who)) {
            if let Some(bucket) = row.get_mut(slot) {
                *bucket = (*bucket).max(full_at);
            }
        }
        Ok(())
    }

    /// When the buckets would be full again, had one more token been taken; the seconds until there
    /// is one where there is none.
    fn check(&self, who: &impl Hash, now: Instant) -> Result<u64, u64> {
        let now_us = now.ms() * 1_000;
        let buckets = self.rows.iter().zip(slots(self.seed, who)).filter_map(|(row, slot)| row.get(slot));
        let full_at = buckets.min().copied().unwrap_or_default().max(now_us) + self.every_us;
        match full_at.saturating_sub(now_us + MINUTE_US) {
            0 => Ok(full_at),
            late_us => Err(late_us.div_ceil(SECOND_US)),
        }
    }
}

/// Where in each row somebody's bucket is.
fn slots(seed: HashSeed, who: &impl Hash) -> [usize; 2] {
    let hash = seed.hash_one(who);
    [hash, hash >> 32].map(|hash| (hash & 0xFFFF_FFFF) as usize % RATE_SLOTS)
}

/// After such a time there is room for another bad token, whoever shows it.
const BAD_TOKEN_US: u64 = SECOND_US / BAD_TOKENS_PER_S;

/// How many tokens of public keys were no good. A signature costs what ten other requests do, and
/// whoever has none of their own can show as many as they like.
///
/// As long as they are few in all nobody is refused: somebody with a bad token keeps out nobody at
/// the same address. Beyond that those addresses are refused which have shown many.
#[derive(Debug)]
struct BadTokens {
    seed: HashSeed,
    /// When the bucket of all is full again, in microseconds.
    all_full_us: u64,
    /// Once there was one.
    addresses: Option<Rates>,
}

impl BadTokens {
    fn check(&self, address: AddressBlock, now: Instant) -> Result<(), u64> {
        let is_flood = self.all_full_us + BAD_TOKEN_US > now.ms() * 1_000 + SECOND_US;
        match self.addresses.as_ref().filter(|_| is_flood) {
            Some(addresses) => addresses.check(&address, now).map(drop),
            None => Ok(()),
        }
    }

    fn note(&mut self, address: AddressBlock, now: Instant) {
        let now_us = now.ms() * 1_000;
        let most_us = now_us + SECOND_US;
        self.all_full_us = (self.all_full_us.max(now_us) + BAD_TOKEN_US).min(most_us);
        let addresses = || Rates::new(self.seed, ADDRESS_BAD_TOKENS_PER_MINUTE);
        // One that has none left keeps none left.
        let _ = self.addresses.get_or_insert_with(addresses).take(&address, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn quotas(limits: &Limits) -> Quotas {
        Quotas::new(HashSeed(1, 2), limits)
    }

    fn share(user: u128, address: &str) -> Share {
        let address = AddressBlock::of(address.parse().unwrap());
        Share { user: Some((Uuid::from_u128(7), Uuid::from_u128(user))), address }
    }

    proptest! {
        #[test]
        fn a_user_and_an_address_have_what_a_plain_count_gives_them_and_nothing_is_left(
            steps in proptest::collection::vec((any::<bool>(), 0u128..4, 0u8..3, 0usize..9), 1..60),
            (user_most, address_most) in (0usize..4, 0usize..5),
        ) {
            let limits = Limits {
                user_connections_max: user_most, address_connections_max: address_most, ..Limits::DEFAULT
            };
            let quotas = quotas(&limits);
            let mut there: Vec<(u128, u8)> = Vec::new();
            let share = |(user, address): (u128, u8)| share(user, &format!("192.0.2.{address}"));
            for (joins, user, address, which) in steps {
                if joins || there.is_empty() {
                    let count = |is_same: &dyn Fn(&(u128, u8)) -> bool| there.iter().filter(|one| is_same(one)).count();
                    let fits = |most: usize, count: usize| most == 0 || count < most;
                    let fits = fits(user_most, count(&|one| one.0 == user))
                        && fits(address_most, count(&|one| one.1 == address));
                    prop_assert_eq!(quotas.check(share((user, address))).is_ok(), fits);
                    prop_assert_eq!(quotas.join(share((user, address))).is_ok(), fits);
                    there.extend(fits.then_some((user, address)));
                } else {
                    quotas.leave(share(there.swap_remove(which % there.len())));
                }
            }
            let users = there.iter().map(|one| one.0).collect::<std::collections::BTreeSet<_>>().len();
            let kept = if user_most > 0 { users } else { 0 };
            let held = quotas.held.lock().len();
            prop_assert!(address_most > 0 || held == kept, "{held} instead of {kept}");
            there.into_iter().for_each(|one| quotas.leave(share(one)));
            prop_assert!(quotas.is_empty());
        }

        #[test]
        fn of_calls_at_any_times_as_many_pass_as_a_bucket_has_tokens(
            waits in proptest::collection::vec(0u64..9_000, 1..80),
        ) {
            let mut rates = Rates::new(HashSeed(1, 2), 10);
            // In microseconds: a token each six seconds, and ten at the most.
            let (mut now_ms, mut tokens_us) = (0, MINUTE_US);
            for wait_ms in waits {
                now_ms += wait_ms;
                tokens_us = (tokens_us + wait_ms * 1_000).min(MINUTE_US);
                let has_one = tokens_us >= 6_000_000;
                let taken = rates.take(&"a", Now::from_ms(now_ms, 0).mono);
                prop_assert_eq!(taken, if has_one { Ok(()) } else { Err((6_000_000 - tokens_us).div_ceil(1_000_000)) });
                tokens_us -= if has_one { 6_000_000 } else { 0 };
            }
        }
    }

    #[test]
    fn who_calls_too_often_keeps_nobody_else_out_and_no_crowd_makes_the_table_larger() {
        let limits = Limits { user_connects_per_minute: 2, address_connects_per_minute: 3, ..Limits::DEFAULT };
        let (quotas, now) = (quotas(&limits), Now::from_ms(5_000, 0));
        let greedy = share(1, "2001:db8::1");
        let called: Vec<bool> = (0..4).map(|_| quotas.call(greedy, now).is_ok()).collect();
        assert_eq!(called, [true, true, false, false]);
        let told = quotas.call(greedy, now).unwrap_err();
        assert_eq!((told.refusal, told.retry_s), (Refusal::UserRate, 30));
        let kept_out = (2..1_002).filter(|user| quotas.call(share(*user, "::1"), now).is_err()).count();
        assert!(kept_out <= 1, "{kept_out} of 1,000 share both buckets with others");
        let knocked: Vec<bool> =
            (1..=4).map(|host| quotas.knock(share(1, &format!("2001:db8::{host}")).address, now).is_ok()).collect();
        assert_eq!(knocked, [true, true, true, false], "a /64 is one");
        assert!(quotas.knock(share(1, "2001:db8:0:1::1").address, now).is_ok());
        assert!(quotas.users.unwrap().lock().rows.iter().all(|row| row.len() == RATE_SLOTS));
    }

    #[test]
    fn of_a_flood_of_bad_tokens_those_are_refused_who_have_shown_many_and_a_few_harm_nobody() {
        let quotas = quotas(&Limits::DEFAULT);
        let [flooder, neighbour, other] = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map(|from| share(1, from).address);
        let at = |ms: u64| Now::from_ms(5_000 + ms, 0);
        // More of them than an address has, and as many in a second as are borne.
        for ms in 0..4_000 {
            assert_eq!(quotas.may_verify(neighbour, at(ms)), Ok(()), "{ms}");
            if ms % (1_000 / BAD_TOKENS_PER_S) == 0 {
                quotas.note_bad_token(flooder, at(ms));
            }
        }
        let verified = (0..2_000).take_while(|_| {
            quotas.note_bad_token(flooder, at(4_000));
            quotas.may_verify(flooder, at(4_000)).is_ok()
        });
        assert!(verified.count() as u64 <= BAD_TOKENS_PER_S);
        let refused = quotas.may_verify(flooder, at(4_000)).unwrap_err();
        assert_eq!((refused.refusal, refused.retry_s), (Refusal::AddressRate, 1));
        quotas.note_bad_token(other, at(4_000));
        assert_eq!(quotas.may_verify(other, at(4_000)), Ok(()), "it has shown one");
        assert_eq!(quotas.may_verify(neighbour, at(4_006)), Ok(()), "the flood is over");
        let shown = (10_000..13_000).filter(|ms| {
            let may = quotas.may_verify(flooder, at(*ms)).is_ok();
            if may {
                quotas.note_bad_token(flooder, at(*ms));
            }
            may
        });
        let (shown, most) = (shown.count() as u64, 4 * BAD_TOKENS_PER_S + ADDRESS_BAD_TOKENS_PER_MINUTE);
        assert!((BAD_TOKENS_PER_S..=most).contains(&shown), "{shown} in three seconds of attempts in each millisecond");
    }

    #[test]
    fn where_all_limits_are_off_nothing_is_kept() {
        let limits = Limits::DEFAULT;
        let quotas = quotas(&limits);
        let all: BTreeMap<u128, _> = (0..9).map(|user| (user, quotas.join(share(user, "192.0.2.1")))).collect();
        assert!(all.values().all(Result::is_ok) && quotas.is_empty());
        assert!(quotas.users.is_none() && quotas.addresses.is_none());
    }

    #[test]
    fn an_address_of_either_version_is_one_network() {
        let of = |text: &str| AddressBlock::of(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
