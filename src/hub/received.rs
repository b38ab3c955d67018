//! What a stateful connection has got of its client's messages that count: after a link is lost the
//! client sends those again that were not acknowledged, and none is looked at twice.

use crate::clock::{Deadline, Instant};

/// What has come is acknowledged so long after the first of it (ASP.NET looks once a second).
const ACKNOWLEDGE_MS: u64 = 1_000;

/// The numbers of one client's messages.
#[derive(Debug)]
pub(super) struct Received {
    /// That of the next one.
    next: u64,
    /// The highest so far.
    latest: u64,
    /// Since when one has not been acknowledged.
    since: Option<Instant>,
}

impl Received {
    /// Nothing yet: the first message has number 1.
    pub(super) fn new() -> Received {
        Received { next: 1, latest: 0, since: None }
    }

    /// A message that counts has come. False where it had come before.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let number = self.next;
        self.next = number.saturating_add(1);
        self.since.get_or_insert(now);
        let is_new = number > self.latest;
        self.latest = self.latest.max(number);
        is_new
    }

    /// The next message has that number. False where one before it has never come.
    pub(super) fn reset(&mut self, number: u64) -> bool {
        let is_known = number <= self.latest.saturating_add(1);
        self.next = number.max(1);
        is_known
    }

    /// When to acknowledge.
    pub(super) fn due(&self) -> Deadline {
        self.since.map_or(Deadline::NEVER, |since| since.after_ms(ACKNOWLEDGE_MS))
    }

    /// The number to acknowledge, which is done now.
    pub(super) fn acknowledge(&mut self) -> u64 {
        self.since = None;
        self.latest
    }

    /// The link is lost, and with it perhaps an acknowledgement.
    pub(super) fn lose_link(&mut self, now: Instant) {
        self.since = (self.latest > 0).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;

    fn at(ms: u64) -> Instant {
        Instant::from_ms(ms)
    }

    #[test]
    fn what_comes_again_behind_a_sequence_is_known() {
        let mut received = Received::new();
        assert!((0..3).all(|_| received.take(at(0))));
        assert!(received.reset(2), "2 and 3 were not acknowledged");
        assert_eq!([(); 4].map(|()| received.take(at(0))), [false, false, true, true]);
        assert_eq!(received.acknowledge(), 5);
        assert!(received.reset(6) && received.take(at(0)), "nothing comes again");
    }

    #[test]
    fn a_sequence_beyond_the_next_message_tells_that_one_is_missing() {
        let mut received = Received::new();
        received.take(at(0));
        assert!(!received.reset(3));
        assert!(received.reset(0) && !received.take(at(0)), "0 is taken for 1");
    }

    #[test]
    fn what_has_come_is_acknowledged_a_second_after_the_first_of_it_and_after_a_loss_again() {
        let mut received = Received::new();
        assert_eq!(received.due(), Deadline::NEVER);
        received.lose_link(at(0));
        assert_eq!(received.due(), Deadline::NEVER, "there is nothing to acknowledge");
        received.take(at(100));
        received.take(at(900));
        assert!(received.due().is_due(Now::from_ms(1_100, 0)) && !received.due().is_due(Now::from_ms(1_099, 0)));
        assert_eq!((received.acknowledge(), received.due()), (2, Deadline::NEVER));
        received.lose_link(at(2_000));
        assert!(received.due().is_due(Now::from_ms(3_000, 0)), "the acknowledgement may be lost");
    }
}
