//! When a request that was not answered is sent again.

use crate::cli::random::Random;
use std::time::{Duration, Instant};

/// The first wait; each further one is twice as long, up to the last.
const FIRST_MS: u64 = 250;
const LAST_MS: u64 = 30_000;
/// The longest that a hub is believed when it says how long to wait.
const TOLD_MAX: Duration = Duration::from_secs(300);

/// The tries of one publisher: a request at a time, until it is answered.
///
/// Ask [`Retry::next`] after each that was not, and tell [`Retry::answered`] of each that was.
pub(crate) struct Retry {
    /// How long a request may go unanswered; for ever where nobody says, once the hub has answered.
    limit: Option<Duration>,
    random: Random,
    has_answered: bool,
    tries: u32,
    since: Option<Instant>,
    /// Tries beyond the first, of all requests.
    pub(crate) again: u64,
}

impl Retry {
    /// Nothing has been sent.
    pub(crate) fn new(limit: Option<Duration>, seed: u64) -> Retry {
        Retry { limit, random: Random::new(seed), has_answered: false, tries: 0, since: None, again: 0 }
    }

    /// The hub has answered.
    pub(crate) fn answered(&mut self) {
        (self.has_answered, self.tries, self.since) = (true, 0, None);
    }

    /// Returns how long to wait before the next try; nothing where there is to be none. `is_there`:
    /// the hub itself has said that it takes nothing now, perhaps for how long.
    pub(crate) fn next(&mut self, is_there: bool, told: Option<Duration>, now: Instant) -> Option<Duration> {
        self.has_answered |= is_there;
        let since = *self.since.get_or_insert(now);
        let is_over = match self.limit {
            Some(limit) => now.duration_since(since) >= limit,
            None => !self.has_answered,
        };
        if is_over {
            return None;
        }
        let most_ms = FIRST_MS.saturating_mul(1 << self.tries.min(20)).min(LAST_MS);
        (self.tries, self.again) = (self.tries.saturating_add(1), self.again + 1);
        // Publishers that wait for one hub must not all come back in the same instant.
        let own = Duration::from_millis(self.random.between(most_ms / 2, most_ms));
        let wait = told.map_or(own, |told| told.min(TOLD_MAX) + own);
        Some(match self.limit {
            Some(limit) => wait.min(limit.saturating_sub(now.duration_since(since))),
            None => wait,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::world;

    #[test]
    fn waits_grow_up_to_the_last_and_begin_anew_after_an_answer() {
        let (mut retry, now) = (Retry::new(None, 1), world::now());
        assert_eq!(retry.next(false, None, now), None, "nobody has ever answered there");
        retry.answered();
        for most_ms in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let wait = retry.next(false, None, now).unwrap();
            let most = Duration::from_millis(most_ms);
            assert!(wait >= most / 2 && wait <= most, "{wait:?} of {most:?}");
        }
        retry.answered();
        assert!(retry.next(false, None, now).unwrap() <= Duration::from_millis(250));
    }

    #[test]
    fn a_hub_that_says_how_long_is_believed_and_not_come_back_to_sooner() {
        let mut retry = Retry::new(None, 1);
        let wait = retry.next(true, Some(Duration::from_secs(7)), world::now()).unwrap();
        assert!(wait >= Duration::from_secs(7) && wait < Duration::from_secs(8), "{wait:?}");
    }

    #[test]
    fn who_is_given_a_time_tries_until_it_is_over_even_if_nobody_ever_answered() {
        let (mut retry, now) = (Retry::new(Some(Duration::from_secs(1)), 1), world::now());
        assert!(retry.next(false, None, now).is_some());
        let wait = retry.next(false, None, now + Duration::from_millis(900)).unwrap();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        assert_eq!(retry.next(false, None, now + Duration::from_secs(1)), None);
    }
}
