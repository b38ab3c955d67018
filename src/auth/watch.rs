//! What only many tokens tell: a claim that none of them has, and a key that one of them names in
//! vain.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

/// After so many good tokens a claim that none of them had is told.
pub const TOKENS_WATCHED: u32 = 100;

/// What has been seen so far. It only counts and never decides, so the order of its writes doesn't
/// matter.
#[derive(Debug, Default)]
pub(super) struct Watch {
    tokens: AtomicU32,
    /// A bit for each claim that occurred.
    occurred: AtomicU8,
    is_told: AtomicBool,
    misses_key: AtomicBool,
}

impl Watch {
    /// A good token with these claims.
    pub(super) fn note_claims(&self, occurred: u8) {
        if self.tokens.load(Ordering::Relaxed) < TOKENS_WATCHED {
            self.occurred.fetch_or(occurred, Ordering::Relaxed);
            self.tokens.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The claims that occurred, once, when enough tokens have been seen.
    pub(super) fn take_occurred(&self) -> Option<u8> {
        let is_due = self.tokens.load(Ordering::Relaxed) >= TOKENS_WATCHED && !self.is_told.load(Ordering::Relaxed);
        // Of two threads that come here together one tells.
        (is_due && !self.is_told.swap(true, Ordering::Relaxed)).then(|| self.occurred.load(Ordering::Relaxed))
    }

    /// A token wants a key that a fresher set may have.
    pub(super) fn note_missing_key(&self) {
        self.misses_key.store(true, Ordering::Relaxed);
    }

    /// Whether one did since the last call.
    pub(super) fn take_missing_key(&self) -> bool {
        self.misses_key.load(Ordering::Relaxed) && self.misses_key.swap(false, Ordering::Relaxed)
    }
}
