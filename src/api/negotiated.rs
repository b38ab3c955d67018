//! Connection tokens: made by negotiate, used by an upgrade.
//!
//! A token is signed rather than kept: any process with the same key takes it, the one that made it
//! before a restart too. Only what is used is in a table: where its connection lives, and after its
//! end that it is over, until the token expires. One table for all shards, because the requests of
//! one connection may land on different ones.

use super::ticket;
use crate::auth::principal::Principal;
use crate::broken::broken;
use crate::clock::{Now, UnixMs};
use crate::entropy::Entropy;
use crate::hub::registry::{ConnKey, HashSeed};
use crate::proto::signalr::transport::Transport;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::num::NonZeroU32;
use ring::{hkdf, hmac};
use std::collections::VecDeque;

/// The form of token that is made and read here.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 10;
/// The flag of a token whose connection may go on on another link.
const STATEFUL: u8 = 1;
/// Version, flags, expiry, nonce.
const SIGNED_BYTES: usize = 2 + 4 + NONCE_BYTES;
const TAG_BYTES: usize = 16;
/// How far the clocks of two processes may be apart.
const LEEWAY_S: u64 = 5;

/// A connection token, on the wire 43 characters of base64url. It is a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectionToken([u8; SIGNED_BYTES + TAG_BYTES]);

impl ConnectionToken {
    /// As it stands in a URL.
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What it is known by, if it is signed at all.
    pub(crate) fn unproven_id(&self) -> Option<TokenId> {
        let (&[VERSION, flags, a, b, c, d], nonce) = self.0.split_first_chunk()? else { return None };
        let nonce = nonce.first_chunk().copied()?;
        let expires_unix_s = NonZeroU32::new(u32::from_be_bytes([a, b, c, d]))?;
        Some(TokenId { nonce, is_stateful: flags & STATEFUL != 0, expires_unix_s })
    }

    /// Reads the wire form; whether it is signed is for [`IdKey::check`] to say.
    pub fn parse(text: &str) -> Option<ConnectionToken> {
        let mut bytes = [0; SIGNED_BYTES + TAG_BYTES];
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (written == bytes.len()).then_some(ConnectionToken(bytes))
    }
}

impl std::fmt::Debug for ConnectionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionToken(redacted)")
    }
}

/// What is left of a token that is good: what no other one has, and when it expires.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenId {
    nonce: Nonce,
    /// Whether its client has asked for stateful reconnect, and got it.
    pub(crate) is_stateful: bool,
    /// Never 0, so that the room for an id says whether there is one.
    expires_unix_s: NonZeroU32,
}

impl TokenId {
    fn is_expired(self, now: UnixMs) -> bool {
        now.seconds() >= u64::from(self.expires_unix_s.get())
    }
}

/// Nothing that a token could be made of without its key, and a secret all the same.
impl std::fmt::Debug for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenId(redacted)")
    }
}

/// The key that signs connection tokens. Processes that share it take each other's. It can't be
/// printed.
#[derive(Clone)]
pub struct IdKey {
    ids: hmac::Key,
    tickets: hkdf::Prk,
}

impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey(redacted)")
    }
}

impl IdKey {
    /// Returns the key that a secret comes to: it says nothing about the secret, which may sign
    /// other things too.
    pub fn derived(secret: &[u8]) -> IdKey {
        // RFC 5869: the salt is optional, the context keeps this key apart from others.
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
        match secret.expand(&[b"rte connection token"], hmac::HMAC_SHA256) {
            Ok(key) => IdKey { ids: key.into(), tickets: secret },
            Err(_) => broken("HKDF-SHA-256 gives 32 bytes"),
        }
    }

    /// Makes a token for that principal, good for `lives_ms`.
    pub fn sign(&self, principal: &Principal, now: Now, lives_ms: u64, entropy: &mut dyn Entropy) -> ConnectionToken {
        self.sign_with(0, principal, now, lives_ms, entropy)
    }

    /// The same, of a connection that may go on on another link.
    pub(crate) fn sign_stateful(
        &self,
        principal: &Principal,
        now: Now,
        lives_ms: u64,
        entropy: &mut dyn Entropy,
    ) -> ConnectionToken {
        self.sign_with(STATEFUL, principal, now, lives_ms, entropy)
    }

    fn sign_with(
        &self,
        flags: u8,
        principal: &Principal,
        now: Now,
        lives_ms: u64,
        entropy: &mut dyn Entropy,
    ) -> ConnectionToken {
        let mut token = [0; SIGNED_BYTES + TAG_BYTES];
        let expires_s = now.unix.ms().saturating_add(lives_ms).div_ceil(1_000).saturating_add(LEEWAY_S);
        let (signed, tag) = token.split_at_mut(SIGNED_BYTES);
        let (head, nonce) = signed.split_at_mut(SIGNED_BYTES - NONCE_BYTES);
        head.copy_from_slice(
            &[&[VERSION, flags][..], &u32::try_from(expires_s).unwrap_or(u32::MAX).to_be_bytes()].concat(),
        );
        entropy.fill(nonce);
        tag.copy_from_slice(&self.tag(signed, principal).as_ref()[..TAG_BYTES]);
        ConnectionToken(token)
    }

    /// Returns what a token is known by; nothing where this key has not signed it for that
    /// principal.
    pub fn check(&self, token: &ConnectionToken, principal: &Principal) -> Option<TokenId> {
        let (signed, tag) = token.0.split_at(SIGNED_BYTES);
        let expected = self.tag(signed, principal);
        is_same(tag, &expected.as_ref()[..TAG_BYTES]).then(|| token.unproven_id()).flatten()
    }

    /// Seals what a connection needs of its principal, for the requests that show this token;
    /// nothing where that is too long for a URL.
    pub(crate) fn seal(&self, token: &ConnectionToken, principal: &Principal) -> Option<String> {
        ticket::seal(&self.tickets, &token.0, principal)
    }

    /// Opens what was sealed for that token.
    pub(crate) fn open(&self, token: &ConnectionToken, ticket: &str) -> Option<Principal> {
        ticket::open(&self.tickets, &token.0, ticket)
    }

    /// A token is good in the hands of the bearer who has negotiated it.
    fn tag(&self, signed: &[u8], principal: &Principal) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.ids);
        context.update(signed);
        for id in [principal.user, principal.organization] {
            context.update(id.unwrap_or_default().as_bytes());
        }
        context.sign()
    }
}

/// In constant time: all bytes are looked at, whichever differs.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Where a connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of its shard.
    pub(crate) shard: u16,
    /// Its key there.
    pub(crate) conn: ConnKey,
    /// How its bytes travel, which stays so.
    pub(crate) transport: Transport,
}

impl Place {
    /// Of a connection of this shard.
    pub(crate) fn new(shard: usize, conn: ConnKey, transport: Transport) -> Place {
        let shard = u16::try_from(shard).unwrap_or_else(|_| broken("there are at most THREADS_MAX shards"));
        Place { shard, conn, transport }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Attached(Place),
    /// Its connection is over.
    Over,
}

/// What a request finds under its `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attach {
    /// The connection is the request's, and lives here.
    Attached(Place),
    /// It was negotiated too long ago, or its connection is over.
    Unknown,
    /// It has its connection, and that lives here.
    InUse(Place),
}

// Each connection has one, and a place in the table.
const _: () = assert!(size_of::<Option<TokenId>>() == 16 && size_of::<(Nonce, State)>() <= 24);

/// Of the tokens of a key no two have the same.
type Nonce = [u8; NONCE_BYTES];

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type TokenMap = std::collections::HashMap<Nonce, State, HashSeed>;

/// The tokens that are used.
#[derive(Debug)]
pub(crate) struct Negotiated {
    tokens: TokenMap,
    /// Those whose connections are over, in the order of their ends.
    over: VecDeque<TokenId>,
    over_max: usize,
}

impl Negotiated {
    /// Returns an empty table, which remembers so many tokens whose connections are over.
    pub fn new(seed: HashSeed, over_max: usize) -> Negotiated {
        Negotiated { tokens: TokenMap::with_hasher(seed), over: VecDeque::new(), over_max }
    }

    /// Uses a token for the connection that `begin` makes where the token is free.
    pub fn attach(&mut self, id: TokenId, now: Now, begin: impl FnOnce() -> Place) -> Attach {
        match self.tokens.get(&id.nonce) {
            Some(State::Attached(place)) => Attach::InUse(*place),
            Some(State::Over) => Attach::Unknown,
            None if id.is_expired(now.unix) => Attach::Unknown,
            None => {
                let place = begin();
                self.tokens.insert(id.nonce, State::Attached(place));
                Attach::Attached(place)
            }
        }
    }

    /// Returns where the connection of that token lives, if it has one.
    pub fn place(&self, id: TokenId) -> Option<Place> {
        match self.tokens.get(&id.nonce) {
            Some(State::Attached(place)) => Some(*place),
            Some(State::Over) | None => None,
        }
    }

    /// Returns whether a connection has that token, or may still begin with it.
    pub fn knows(&self, id: TokenId, now: Now) -> bool {
        match self.tokens.get(&id.nonce) {
            Some(State::Attached(_)) => true,
            Some(State::Over) => false,
            None => !id.is_expired(now.unix),
        }
    }

    /// The connection of a token is over: until it expires, no other one begins with it.
    pub fn end(&mut self, id: TokenId, now: Now) {
        if id.is_expired(now.unix) {
            // What nearly all are by then.
            self.tokens.remove(&id.nonce);
        } else {
            self.tokens.insert(id.nonce, State::Over);
            self.over.push_back(id);
        }
        while self.over.len() > self.over_max || self.over.front().is_some_and(|id| id.is_expired(now.unix)) {
            if let Some(id) = self.over.pop_front() {
                self.tokens.remove(&id.nonce);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use uuid::Uuid;

    const LIVES_MS: u64 = 15_000;

    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            self.0 += 1;
            bytes.fill(self.0);
        }
    }

    fn at(unix_ms: u64) -> Now {
        Now::from_ms(0, unix_ms)
    }

    fn user(number: u128) -> Principal {
        Principal {
            user: Some(Uuid::from_u128(number)),
            organization: Some(Uuid::from_u128(7)),
            publisher: None,
            may_publish: false,
            is_admin: false,
            is_backend: false,
            grants: Arc::from([]),
            foreign_grants: 0,
            expires_unix_s: 0,
            marks: crate::auth::marks::Marks::default(),
        }
    }

    fn key() -> IdKey {
        IdKey::derived(b"a secret of at least thirty-two bytes")
    }

    fn here() -> Place {
        Place::new(3, ConnKey::default(), Transport::LongPolling)
    }

    fn nobody() -> Place {
        panic!("a connection that nobody asked for")
    }

    /// Returns what so many tokens that were made at 0 are known by.
    fn ids(count: u8) -> Vec<TokenId> {
        let (key, mut entropy) = (key(), Counting(0));
        let token = |_| key.sign(&user(1), at(0), LIVES_MS, &mut entropy);
        (0..count).map(token).map(|token| key.check(&token, &user(1)).unwrap()).collect()
    }

    #[test]
    fn a_token_is_good_for_its_bearer_wherever_the_key_is_the_same() {
        let token = key().sign(&user(1), at(0), LIVES_MS, &mut Counting(0));
        assert!(key().check(&token, &user(1)).is_some(), "another process, or this one after a restart");
        assert_eq!(key().check(&token, &user(2)), None);
        let other_tenant = Principal { organization: None, ..user(1) };
        assert_eq!(key().check(&token, &other_tenant), None);
        assert_eq!(IdKey::derived(b"another secret").check(&token, &user(1)), None);
        for at in 0..token.0.len() {
            let mut forged = token;
            forged.0[at] ^= 1;
            assert_eq!(key().check(&forged, &user(1)), None, "byte {at}");
        }
    }

    #[test]
    fn a_token_serves_one_connection_and_none_behind_it() {
        let (mut table, id) = (Negotiated::new(HashSeed(1, 2), 2), ids(1)[0]);
        assert!(table.knows(id, at(0)));
        assert_eq!(table.place(id), None);
        assert_eq!(table.attach(id, at(1), here), Attach::Attached(here()));
        assert_eq!(table.attach(id, at(60_000), nobody), Attach::InUse(here()), "however long it lives");
        assert_eq!(table.place(id), Some(here()));
        table.end(id, at(2_000));
        assert_eq!(table.place(id), None);
        assert_eq!(table.attach(id, at(2_001), nobody), Attach::Unknown);
        assert!(!table.knows(id, at(2_001)));
    }

    #[test]
    fn a_token_that_nobody_has_used_in_time_is_unknown() {
        let (mut table, id) = (Negotiated::new(HashSeed(1, 2), 2), ids(1)[0]);
        assert!(table.knows(id, at(19_999)) && !table.knows(id, at(20_000)));
        assert_eq!(table.attach(id, at(20_000), nobody), Attach::Unknown);
    }

    #[test]
    fn the_table_has_who_is_there_and_few_who_are_gone() {
        let (mut table, ids) = (Negotiated::new(HashSeed(1, 2), 2), ids(100));
        for id in &ids {
            assert_eq!(table.attach(*id, at(1), here), Attach::Attached(here()));
            table.end(*id, at(2));
            assert!(table.over.len() <= 2 && table.tokens.len() == table.over.len());
        }
        let last = *ids.last().unwrap();
        assert_eq!(table.attach(last, at(3), nobody), Attach::Unknown);
        // Once they expire, the next end sweeps them; one that has lived longer leaves nothing.
        let lasting = self::ids(101)[100];
        assert_eq!(table.attach(lasting, at(3), here), Attach::Attached(here()));
        table.end(lasting, at(60_000));
        assert!(table.tokens.is_empty() && table.over.is_empty());
    }

    #[test]
    fn the_wire_form_is_43_characters_and_reads_back() {
        let token = key().sign(&user(1), at(0), LIVES_MS, &mut Counting(0));
        assert_eq!(token.text().len(), 43);
        assert_eq!(ConnectionToken::parse(&token.text()), Some(token));
        for wrong in ["", "abc", &"+".repeat(43), &token.text().repeat(2), &token.text()[1..]] {
            assert_eq!(ConnectionToken::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{token:?} {:?}", key()).contains(&token.text()));
    }
}
