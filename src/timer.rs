//! Deadlines of many connections: one each, in a dense array that is swept.
//!
//! A sweep over 50,000 entries costs some 20 µs, less than keeping them sorted; deadlines are
//! rounded up to [`GRAIN_MS`], so that there are at most ten sweeps a second. What a connection
//! waits for is its own knowledge, a [`Wait`]: when its deadline comes it looks which of its waits
//! is over, and arms the next.

use crate::broken::broken;
use crate::clock::{Deadline, Now};

/// Deadlines are rounded up to a multiple of this.
pub const GRAIN_MS: u64 = 100;

/// What a connection waits for. It is armed for the wait that is over first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The peer, for room in its socket.
    Room,
    /// Other shards, for their answers.
    Answer,
    /// The peer, for a whole request head.
    Head,
    /// The peer, for its next request.
    Request,
    /// The peer, for a whole request body.
    Body,
    /// The peer, for the SignalR handshake.
    Handshake,
    /// The peer, for the end of a hub message.
    Record,
    /// The hub, for the end that a token or a drain has set.
    End,
    /// The peer, for any byte at all, or for an acknowledgement where it never pings.
    Sign,
    /// The peer, for its allowance of work to come back.
    Allowance,
    /// The client, for its next poll.
    Poll,
    /// The hub, to acknowledge what has come.
    Acknowledge,
    /// The hub, to say something so that the peer hears it lives.
    Ping,
}

/// The place of one deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerSlot(u32);

/// One deadline per slot, each with the key of whom it is for.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    due: Vec<Deadline>,
    keys: Vec<K>,
    free: Vec<TimerSlot>,
    next: Deadline,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Timers { due: Vec::new(), keys: Vec::new(), free: Vec::new(), next: Deadline::NEVER }
    }
}

impl<K: Copy> Timers<K> {
    /// Returns a slot for that key; nothing is due yet.
    pub(crate) fn add(&mut self, key: K) -> TimerSlot {
        if let Some(slot) = self.free.pop() {
            self.keys[slot.0 as usize] = key;
            return slot;
        }
        let Ok(number) = u32::try_from(self.due.len()) else { broken("connections_max is far below 2^32") };
        self.due.push(Deadline::NEVER);
        self.keys.push(key);
        TimerSlot(number)
    }

    /// The slot is for another key from here on.
    pub(crate) fn hand_over(&mut self, slot: TimerSlot, key: K) {
        self.keys[slot.0 as usize] = key;
    }

    /// Gives a slot back.
    pub(crate) fn remove(&mut self, slot: TimerSlot) {
        self.due[slot.0 as usize] = Deadline::NEVER;
        self.free.push(slot);
    }

    /// Sets the deadline of a slot, whatever it was before.
    pub(crate) fn arm(&mut self, slot: TimerSlot, deadline: Deadline) {
        let deadline = deadline.rounded_up_to_ms(GRAIN_MS);
        self.due[slot.0 as usize] = deadline;
        self.next = self.next.min(deadline);
    }

    /// Sets the deadline of a slot unless it has a sooner one: for deadlines that only ever move
    /// back, which are looked at again when the sooner one comes.
    pub(crate) fn arm_sooner(&mut self, slot: TimerSlot, deadline: Deadline) {
        if deadline < self.due[slot.0 as usize] {
            self.arm(slot, deadline);
        }
    }

    /// Pushes the keys whose deadline has come to `fired`; they have none afterwards.
    pub(crate) fn poll(&mut self, now: Now, fired: &mut impl Extend<K>) {
        if !self.next.is_due(now) {
            return;
        }
        self.next = Deadline::NEVER;
        for (due, key) in self.due.iter_mut().zip(&self.keys) {
            if due.is_due(now) {
                *due = Deadline::NEVER;
                fired.extend([*key]);
            } else {
                self.next = self.next.min(*due);
            }
        }
    }

    /// Returns when to poll again; never later than the earliest deadline, sooner only after one
    /// was taken away.
    pub(crate) fn next_deadline(&self) -> Deadline {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(mono_ms: u64) -> Now {
        Now::from_ms(mono_ms, 0)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(usize, u64),
        ArmSooner(usize, u64),
        Reuse(usize),
        Poll(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0usize..8, 0u64..2000).prop_map(|(slot, ms)| Step::Arm(slot, ms)),
            (0usize..8, 0u64..2000).prop_map(|(slot, ms)| Step::ArmSooner(slot, ms)),
            (0usize..8).prop_map(Step::Reuse),
            (0u64..500).prop_map(Step::Poll),
        ]
    }

    proptest! {
        #[test]
        fn fires_what_a_naive_list_fires(steps in proptest::collection::vec(step(), 1..60)) {
            let mut timers = Timers::default();
            let mut slots: Vec<(TimerSlot, u32)> = (0..8).map(|key| (timers.add(key), key)).collect();
            let mut twin: Vec<(u32, Option<u64>)> = (0..8).map(|key| (key, None)).collect();
            let (mut now, mut fresh) = (0u64, 8);
            for step in steps {
                match step {
                    Step::Arm(n, ms) => {
                        timers.arm(slots[n].0, at(now).after_ms(ms));
                        twin[n].1 = Some((now + ms).div_ceil(GRAIN_MS) * GRAIN_MS);
                    }
                    Step::ArmSooner(n, ms) => {
                        timers.arm_sooner(slots[n].0, at(now).after_ms(ms));
                        if twin[n].1.is_none_or(|due| now + ms < due) {
                            twin[n].1 = Some((now + ms).div_ceil(GRAIN_MS) * GRAIN_MS);
                        }
                    }
                    Step::Reuse(n) => {
                        timers.remove(slots[n].0);
                        slots[n] = (timers.add(fresh), fresh);
                        twin[n] = (fresh, None);
                        fresh += 1;
                    }
                    Step::Poll(ms) => {
                        now += ms;
                        let mut fired = Vec::new();
                        timers.poll(at(now), &mut fired);
                        let mut expected = Vec::new();
                        for (key, due) in &mut twin {
                            if due.is_some_and(|due| due <= now) {
                                *due = None;
                                expected.push(*key);
                            }
                        }
                        fired.sort_unstable();
                        expected.sort_unstable();
                        prop_assert_eq!(fired, expected);
                    }
                }
                if let Some(earliest) = twin.iter().filter_map(|(_, due)| *due).min() {
                    prop_assert!(timers.next_deadline() <= Deadline::at(at(earliest).mono));
                }
                prop_assert_eq!(timers.due.len(), 8, "slots serve again");
            }
        }
    }
}
