//! How far the end of the process has come.

use core::sync::atomic::{AtomicU8, Ordering};

const SERVING: u8 = 0;
const ANNOUNCED: u8 = 1;
const BEGUN: u8 = 2;

/// Serving, announced, begun: in this order, and never back.
///
/// An announced drain is told by `/readyz` alone, so that whoever spreads the connections sends no
/// more. One that has begun takes no connections and no publications.
#[derive(Debug, Default)]
pub struct Drain(AtomicU8);

impl Drain {
    /// It is told. Returns whether it was not before.
    pub fn announce(&self) -> bool {
        self.0.fetch_max(ANNOUNCED, Ordering::SeqCst) < ANNOUNCED
    }

    /// It begins. Returns whether it had not before.
    pub fn begin(&self) -> bool {
        self.0.fetch_max(BEGUN, Ordering::SeqCst) < BEGUN
    }

    /// Whether it is announced, or has begun.
    pub fn is_announced(&self) -> bool {
        self.0.load(Ordering::Relaxed) != SERVING
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed) == BEGUN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_goes_forward_only_and_is_news_once() {
        let drain = Drain::default();
        assert!(!drain.is_announced() && !drain.has_begun());
        assert!(drain.announce() && !drain.announce());
        assert!(drain.is_announced() && !drain.has_begun());
        assert!(drain.begin() && !drain.begin() && !drain.announce());
        assert!(drain.is_announced() && drain.has_begun());
        let at_once = Drain::default();
        assert!(at_once.begin() && at_once.is_announced());
    }
}
