//! Deadlines of many connections: one each, in a dense array that is swept.
//!
//! A sweep over 50,000 entries costs some 20 µs, less than keeping them sorted; deadlines are rounded up to [`GRAIN_MS`], so that
//! there are at most ten sweeps a second. What a connection waits for is its own knowledge: when its deadline comes it looks
//! which of its waits are over, and arms the next.

use crate::clock::{Deadline, Now};

/// Deadlines are rounded up to a multiple of this.
pub const GRAIN_MS: u64 = 100;

const NEVER: u64 = u64::MAX;

/// One optional deadline per slot.
#[derive(Debug, Default)]
pub struct Timers {
    due: Vec<u64>,
    next: Option<u64>,
}

impl Timers {
    /// Sets the deadline of a slot, whatever it was before.
    pub fn arm(&mut self, slot: usize, deadline: Deadline) {
        if self.due.len() <= slot {
            self.due.resize(slot + 1, NEVER);
        }
        let at = deadline.0.div_ceil(GRAIN_MS).saturating_mul(GRAIN_MS);
        if let Some(due) = self.due.get_mut(slot) {
            *due = at;
        }
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Sets the deadline of a slot unless it has a sooner one: for deadlines that only ever move back, which are looked at
    /// again when the sooner one comes.
    pub fn arm_sooner(&mut self, slot: usize, deadline: Deadline) {
        if self.due.get(slot).is_none_or(|due| deadline.0 < *due) {
            self.arm(slot, deadline);
        }
    }

    /// Takes the deadline of a slot away.
    pub fn cancel(&mut self, slot: usize) {
        if let Some(due) = self.due.get_mut(slot) {
            *due = NEVER;
        }
    }

    /// Pushes the slots whose deadline has come to `fired`; they have none afterwards.
    pub fn poll(&mut self, now: Now, fired: &mut Vec<usize>) {
        if self.next.is_none_or(|next| next > now.mono_ms) {
            return;
        }
        let mut next = NEVER;
        for (slot, due) in self.due.iter_mut().enumerate() {
            if *due <= now.mono_ms {
                *due = NEVER;
                fired.push(slot);
            } else if *due < next {
                next = *due;
            }
        }
        self.next = if next == NEVER { None } else { Some(next) };
    }

    /// When to poll again; never later than the earliest deadline, sooner only after a cancel.
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.next.map(Deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, unix_ms: 0 }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(usize, u64),
        ArmSooner(usize, u64),
        Cancel(usize),
        Poll(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0usize..8, 0u64..2000).prop_map(|(slot, ms)| Step::Arm(slot, ms)),
            (0usize..8, 0u64..2000).prop_map(|(slot, ms)| Step::ArmSooner(slot, ms)),
            (0usize..8).prop_map(Step::Cancel),
            (0u64..500).prop_map(Step::Poll),
        ]
    }

    proptest! {
        #[test]
        fn fires_what_a_naive_list_fires(steps in proptest::collection::vec(step(), 1..60)) {
            let mut timers = Timers::default();
            let mut twin: Vec<Option<u64>> = vec![None; 8];
            let mut now = 0u64;
            for step in steps {
                match step {
                    Step::Arm(slot, ms) => {
                        timers.arm(slot, Deadline(now + ms));
                        twin[slot] = Some((now + ms).div_ceil(GRAIN_MS) * GRAIN_MS);
                    }
                    Step::ArmSooner(slot, ms) => {
                        timers.arm_sooner(slot, Deadline(now + ms));
                        if twin[slot].is_none_or(|due| now + ms < due) {
                            twin[slot] = Some((now + ms).div_ceil(GRAIN_MS) * GRAIN_MS);
                        }
                    }
                    Step::Cancel(slot) => {
                        timers.cancel(slot);
                        twin[slot] = None;
                    }
                    Step::Poll(ms) => {
                        now += ms;
                        let mut fired = Vec::new();
                        timers.poll(at(now), &mut fired);
                        let mut expected = Vec::new();
                        for (slot, due) in twin.iter_mut().enumerate() {
                            if due.is_some_and(|due| due <= now) {
                                *due = None;
                                expected.push(slot);
                            }
                        }
                        prop_assert_eq!(fired, expected);
                    }
                }
                let earliest = twin.iter().flatten().min().copied();
                if let Some(earliest) = earliest {
                    prop_assert!(timers.next_deadline().is_some_and(|next| next.0 <= earliest));
                }
            }
        }
    }
}
