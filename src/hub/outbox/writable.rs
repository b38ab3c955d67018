//! Whether the socket of an outbox takes bytes, and whether its peer does.

use crate::clock::{Deadline, Instant};
use core::num::NonZeroU32;

/// How an outbox stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writable {
    /// The socket took all so far; bytes wait for the end of the turn at the most.
    #[default]
    Open,
    /// The socket is full; an edge will come.
    Blocked {
        /// Since when it has taken nothing, and its peer acknowledged too little.
        since: Instant,
        /// What the peer had acknowledged when that was last asked.
        acked: Option<Acked>,
    },
    /// An edge has come; the next write tells what it was worth.
    Retrying {
        /// As above.
        since: Instant,
        /// As above.
        acked: Option<Acked>,
    },
    /// A poll waits, and takes what comes in the turn.
    Polled,
    /// No poll waits.
    Away {
        /// Since when.
        since: Instant,
    },
}

/// What a peer has acknowledged, as the system counts it; 0 is taken for 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked(NonZeroU32);

impl Acked {
    fn new(count: u32) -> Acked {
        Acked(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN))
    }
}

/// A peer is asked for the first time so long after its socket was full: by then what was on its
/// way has arrived.
const FIRST_LOOK_MS: u64 = 500;
/// Who acknowledges less is stuck (Kestrel's MinResponseDataRate).
const ACKED_BYTES_PER_S_MIN: u64 = 240;

impl Writable {
    /// Whether a write makes sense.
    pub(crate) fn may_write(self) -> bool {
        match self {
            Writable::Open | Writable::Retrying { .. } => true,
            Writable::Blocked { .. } | Writable::Polled | Writable::Away { .. } => false,
        }
    }

    /// Whether its socket is full.
    pub(crate) fn is_blocked(self) -> bool {
        matches!(self, Writable::Blocked { .. })
    }

    /// Since when nothing has been taken, where the socket is or was full or no poll waits.
    pub(crate) fn stuck_since(self) -> Option<Instant> {
        match self {
            Writable::Away { since } => Some(since),
            Writable::Open | Writable::Blocked { .. } | Writable::Retrying { .. } | Writable::Polled => {
                self.stuck().map(|(since, _)| since)
            }
        }
    }

    /// Since when no poll has waited, where none does.
    pub(crate) fn away_since(self) -> Option<Instant> {
        match self {
            Writable::Away { since } => Some(since),
            Writable::Open | Writable::Blocked { .. } | Writable::Retrying { .. } | Writable::Polled => None,
        }
    }

    fn stuck(self) -> Option<(Instant, Option<Acked>)> {
        match self {
            Writable::Open | Writable::Polled | Writable::Away { .. } => None,
            Writable::Blocked { since, acked } | Writable::Retrying { since, acked } => Some((since, acked)),
        }
    }

    /// The socket took less than it was offered. An edge that brought no room doesn't restart the
    /// clock of a stuck write.
    pub(crate) fn block(self, taken: usize, now: Instant) -> Writable {
        let (since, acked) = self.stuck().filter(|_| taken == 0).unwrap_or((now, None));
        Writable::Blocked { since, acked }
    }

    /// An edge has come.
    pub(crate) fn retry(self) -> Writable {
        match self {
            Writable::Blocked { since, acked } => Writable::Retrying { since, acked },
            Writable::Open | Writable::Retrying { .. } | Writable::Polled | Writable::Away { .. } => self,
        }
    }

    /// When to ask what the peer of a full socket has acknowledged.
    ///
    /// The system tells of room only once a third of its buffer is free: for a slow link that is
    /// half a minute. So it is not asked for each write, and not believed that nothing has moved.
    pub(crate) fn next_look(self, stuck_ms: u64) -> Deadline {
        self.stuck().map_or(Deadline::NEVER, |(since, acked)| {
            since.after_ms(if acked.is_none() { FIRST_LOOK_MS.min(stuck_ms / 2) } else { stuck_ms })
        })
    }

    /// It has been asked; nothing where the system does not tell. False where the peer is stuck.
    #[must_use]
    pub(crate) fn look(&mut self, acked: Option<u32>, now: Instant, stuck_ms: u64) -> bool {
        let Some((since, before)) = self.stuck() else { return true };
        let acked_now = Some(Acked::new(acked.unwrap_or_default()));
        let (since, acked) = match (before, acked) {
            // One that comes too late begins anew.
            (None, _) => (if now.ms_since(since) < stuck_ms { since } else { now }, acked_now),
            (Some(_), _) if now.ms_since(since) < stuck_ms => return true,
            (Some(_), None) => return false,
            (Some(Acked(before)), Some(count)) => {
                let moved = u64::from(count.wrapping_sub(before.get()));
                if moved * 1_000 < ACKED_BYTES_PER_S_MIN * now.ms_since(since) {
                    return false;
                }
                (now, acked_now)
            }
        };
        match self {
            Writable::Open | Writable::Polled | Writable::Away { .. } => {}
            Writable::Blocked { since: place, acked: seen } | Writable::Retrying { since: place, acked: seen } => {
                (*place, *seen) = (since, acked);
            }
        }
        true
    }
}
