//! One thread that waits, and any that wake it.

use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// Rung by many, heard by one; however often it is rung meanwhile, it is heard once.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    is_rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    /// Wakes whoever waits, or comes to wait.
    pub(crate) fn ring(&self) {
        *self.is_rung.lock() = true;
        self.rings.notify_one();
    }

    /// Waits until it is rung, at most so long. Whether it was.
    pub(crate) fn wait(&self, longest: Duration) -> bool {
        let mut is_rung = self.is_rung.lock();
        if !*is_rung {
            // One that wakes for nothing only looks early.
            let _ = self.rings.wait_for(&mut is_rung, longest);
        }
        std::mem::take(&mut *is_rung)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_heard_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        assert!(bell.wait(Duration::from_secs(60)));
        assert!(!bell.wait(Duration::ZERO));
    }
}
