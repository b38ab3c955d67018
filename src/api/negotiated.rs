//! Connection tokens: made by negotiate, used by an upgrade, known as long as their connection
//! lives, and where that is.
//!
//! One table for all shards, because the requests of one connection may land on different ones.
//! Bounded: tokens that nobody uses are forgotten after `negotiated_ms`, and there are at most
//! `negotiated_max` of them.

use crate::clock::{Deadline, Now};
use crate::hub::registry::{ConnKey, HashSeed};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::VecDeque;

/// A connection token: 16 random bytes, on the wire as 22 characters of base64url. It is a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionToken(pub [u8; 16]);

impl ConnectionToken {
    /// As it stands in a URL.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads the wire form.
    pub fn parse(text: &str) -> Option<ConnectionToken> {
        let mut bytes = [0u8; 16];
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (written == bytes.len()).then_some(ConnectionToken(bytes))
    }
}

impl std::fmt::Debug for ConnectionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionToken(redacted)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(Deadline),
    Attached(Place),
}

/// Where a connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of its shard.
    pub shard: usize,
    /// Its key there.
    pub conn: ConnKey,
}

/// What a request finds under its `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// The connection is the request's, and lives here.
    Attached(Place),
    /// Nobody negotiated it, or too long ago.
    Unknown,
    /// It has its connection, and that lives here.
    InUse(Place),
}

#[expect(clippy::disallowed_types, reason = "the hasher is named and seeded")]
type TokenMap = std::collections::HashMap<ConnectionToken, State, HashSeed>;

/// The table.
#[derive(Debug)]
pub struct Negotiated {
    tokens: TokenMap,
    /// Waiting tokens in the order in which they expire. One that has been attached or forgotten
    /// meanwhile may still be in it.
    queue: VecDeque<(Deadline, ConnectionToken)>,
    /// How many wait.
    waiting: usize,
    waiting_max: usize,
    waits_ms: u64,
}

impl Negotiated {
    /// Returns an empty table.
    pub fn new(seed: HashSeed, waiting_max: usize, waits_ms: u64) -> Negotiated {
        Negotiated { tokens: TokenMap::with_hasher(seed), queue: VecDeque::new(), waiting: 0, waiting_max, waits_ms }
    }

    /// Notes a token; false where too many wait.
    pub fn offer(&mut self, token: ConnectionToken, now: Now) -> bool {
        self.expire(now);
        if self.waiting >= self.waiting_max {
            return false;
        }
        if self.queue.len() >= self.waiting_max.saturating_mul(2) {
            // At least half of it is over; swept as rarely as that, it costs each token a constant.
            let tokens = &self.tokens;
            self.queue.retain(|(deadline, token)| tokens.get(token) == Some(&State::Waiting(*deadline)));
        }
        self.waiting += 1;
        let deadline = now.after_ms(self.waits_ms);
        self.tokens.insert(token, State::Waiting(deadline));
        self.queue.push_back((deadline, token));
        true
    }

    /// Uses a token for the connection that `begin` makes where the token is free.
    pub fn attach(&mut self, token: ConnectionToken, now: Now, begin: impl FnOnce() -> Place) -> Attach {
        self.expire(now);
        match self.tokens.get_mut(&token) {
            None => Attach::Unknown,
            Some(State::Attached(place)) => Attach::InUse(*place),
            Some(state) => {
                let place = begin();
                *state = State::Attached(place);
                self.waiting -= 1;
                Attach::Attached(place)
            }
        }
    }

    /// Returns whether a token is known.
    pub fn knows(&mut self, token: ConnectionToken, now: Now) -> bool {
        self.expire(now);
        self.tokens.contains_key(&token)
    }

    /// The connection of a token is gone.
    pub fn forget(&mut self, token: ConnectionToken) {
        if let Some(State::Waiting(_)) = self.tokens.remove(&token) {
            self.waiting -= 1;
        }
    }

    fn expire(&mut self, now: Now) {
        while let Some((deadline, token)) = self.queue.front().copied()
            && deadline.is_due(now)
        {
            self.queue.pop_front();
            if self.tokens.get(&token) == Some(&State::Waiting(deadline)) {
                self.forget(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now::from_ms(mono_ms, 0)
    }

    fn here() -> Place {
        Place { shard: 3, conn: ConnKey::default() }
    }

    fn nobody() -> Place {
        panic!("a connection that nobody asked for")
    }

    fn table() -> Negotiated {
        Negotiated::new(HashSeed(1, 2), 2, 15_000)
    }

    #[test]
    fn a_token_serves_one_connection_until_it_is_gone() {
        let (mut table, token) = (table(), ConnectionToken([7; 16]));
        assert_eq!(table.attach(token, at(0), nobody), Attach::Unknown);
        assert!(table.offer(token, at(0)));
        assert_eq!(table.attach(token, at(1), here), Attach::Attached(here()));
        assert_eq!(table.attach(token, at(60_000), nobody), Attach::InUse(here()));
        table.forget(token);
        assert_eq!(table.attach(token, at(60_001), nobody), Attach::Unknown);
    }

    #[test]
    fn a_token_that_nobody_uses_is_forgotten_and_makes_room() {
        let mut table = table();
        assert!(table.offer(ConnectionToken([1; 16]), at(0)) && table.offer(ConnectionToken([2; 16]), at(10)));
        assert!(!table.offer(ConnectionToken([3; 16]), at(20)));
        assert!(table.offer(ConnectionToken([3; 16]), at(15_000)));
        assert_eq!(table.attach(ConnectionToken([1; 16]), at(15_000), nobody), Attach::Unknown);
        assert!(table.knows(ConnectionToken([2; 16]), at(15_009)));
    }

    #[test]
    fn only_tokens_that_wait_count_and_the_table_stays_small() {
        let mut table = table();
        for n in 0..100u8 {
            let token = ConnectionToken([n; 16]);
            assert!(table.offer(token, at(u64::from(n))), "{n}");
            assert_eq!(table.attach(token, at(u64::from(n)), here), Attach::Attached(here()));
            table.forget(token);
            assert!(table.queue.len() <= 4, "{} entries", table.queue.len());
        }
        assert!(table.offer(ConnectionToken([101; 16]), at(100)) && table.offer(ConnectionToken([102; 16]), at(100)));
        assert!(!table.offer(ConnectionToken([103; 16]), at(100)));
    }

    #[test]
    fn the_wire_form_is_22_characters_and_reads_back() {
        let token = ConnectionToken([0xFB; 16]);
        assert_eq!(token.text().len(), 22);
        assert_eq!(ConnectionToken::parse(&token.text()), Some(token));
        for wrong in ["", "abc", "+/+/+/+/+/+/+/+/+/+/+/", &token.text().repeat(2)] {
            assert_eq!(ConnectionToken::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{token:?}").contains(&token.text()));
    }
}
