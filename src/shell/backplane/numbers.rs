//! What the lanes tell of themselves.

use crate::metrics::ProcessNumbers;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that the threads of the lanes keep, and anybody reads.
#[derive(Debug, Default)]
pub(crate) struct LaneNumbers {
    /// Whether each lane is away: the one that writes, the one that reads.
    pub(super) away: [AtomicU64; 2],
    pub(super) reconnects: AtomicU64,
    pub(super) queue_bytes: AtomicU64,
    pub(super) appended: AtomicU64,
    pub(super) repaired: AtomicU64,
    pub(super) unrepaired: AtomicU64,
    pub(super) read: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) missed: AtomicU64,
    pub(super) origins: AtomicU64,
}

impl LaneNumbers {
    /// Adds them to those of the process.
    pub(crate) fn tell(&self, numbers: &mut ProcessNumbers) {
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
        numbers.backplane_away = self.away.iter().map(number).sum();
        numbers.backplane_reconnects = number(&self.reconnects);
        numbers.backplane_queue_bytes = number(&self.queue_bytes);
        numbers.backplane_appended = number(&self.appended);
        numbers.backplane_repaired = number(&self.repaired);
        numbers.backplane_unrepaired = number(&self.unrepaired);
        numbers.backplane_read = number(&self.read);
        numbers.backplane_gaps = number(&self.gaps);
        numbers.backplane_missed = number(&self.missed);
        numbers.backplane_origins = number(&self.origins);
    }
}

/// So many more.
pub(super) fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

/// It is that now.
pub(super) fn set(number: &AtomicU64, value: u64) {
    number.store(value, Ordering::Relaxed);
}
