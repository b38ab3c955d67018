//! Injected time. Nobody in the core reads a clock: the shell reads both clocks once per turn and hands them in as [`Now`].

/// The instant of the current turn, on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on the monotonic clock, since an arbitrary start. Waits and deadlines are measured on it.
    pub mono_ms: u64,
    /// Milliseconds since the Unix epoch. Only what comes from outside with a date (tokens, events) is compared with it.
    pub unix_ms: u64,
}

impl Now {
    /// Whole seconds since the Unix epoch, as the claims of a JWT count them (RFC 7519 section 2, NumericDate).
    pub fn unix_s(self) -> u64 {
        self.unix_ms / 1000
    }

    /// The deadline that lies `after_ms` milliseconds ahead.
    pub fn after_ms(self, after_ms: u64) -> Deadline {
        Deadline(self.mono_ms.saturating_add(after_ms))
    }
}

/// A point on the monotonic clock, in milliseconds, at which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub u64);

impl Deadline {
    /// Whether the deadline has come.
    pub fn is_due(self, now: Now) -> bool {
        self.0 <= now.mono_ms
    }
}
