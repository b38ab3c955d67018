//! Injected time. Nobody in the core reads a clock: the shell reads both clocks once per turn and
//! hands them in as [`Now`].
//!
//! Three types keep apart what is all milliseconds: an [`Instant`] is on the monotonic clock, a
//! [`UnixMs`] on the calendar, and a [`Deadline`] is an instant at which something is due, or
//! never.

/// A point on the monotonic clock, which has an arbitrary start. Waits are measured on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// So many milliseconds after the start of the clock.
    pub(crate) const fn from_ms(ms: u64) -> Instant {
        Instant(ms)
    }

    /// Milliseconds since the start of the clock.
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// Milliseconds since an earlier instant; 0 if it is no earlier one.
    pub(crate) fn ms_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns what is due so many milliseconds later.
    pub(crate) fn after_ms(self, ms: u64) -> Deadline {
        Deadline(Instant(self.0.saturating_add(ms)))
    }
}

/// Milliseconds since the Unix epoch. Only what comes from outside with a date (tokens, events) is
/// compared with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMs(u64);

impl UnixMs {
    /// So many milliseconds after the epoch.
    pub const fn from_ms(ms: u64) -> UnixMs {
        UnixMs(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, as the claims of a JWT count them (RFC 7519 section 2,
    /// NumericDate).
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Appends the instant as RFC 3339 in UTC with milliseconds, up to the year 9999:
    /// `2026-03-02T08:00:00.000Z`.
    pub fn encode_rfc3339(self, out: &mut Vec<u8>) {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil(days);
        let parts = [(year, 4, b'-'), (month, 2, b'-'), (day, 2, b'T')];
        let time =
            [(ms / 3_600_000, 2, b':'), (ms / 60_000 % 60, 2, b':'), (ms / 1000 % 60, 2, b'.'), (ms % 1000, 3, b'Z')];
        for (number, digits, behind) in parts.into_iter().chain(time) {
            let tens = [1000, 100, 10, 1];
            out.extend(tens[tens.len() - digits..].iter().map(|ten| b'0' + (number / ten % 10) as u8));
            out.push(behind);
        }
    }
}

/// The instant of the current turn, on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock.
    pub mono: Instant,
    /// The calendar.
    pub unix: UnixMs,
}

impl Now {
    /// Both clocks at these milliseconds.
    pub const fn from_ms(mono_ms: u64, unix_ms: u64) -> Now {
        Now { mono: Instant(mono_ms), unix: UnixMs(unix_ms) }
    }

    /// Returns what is due so many milliseconds ahead.
    pub(crate) fn after_ms(self, ms: u64) -> Deadline {
        self.mono.after_ms(ms)
    }
}

/// An instant at which something is due, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// What is never due. It is later than any other deadline.
    pub(crate) const NEVER: Deadline = Deadline(Instant(u64::MAX));

    /// Returns what is due at an instant.
    pub const fn at(instant: Instant) -> Deadline {
        Deadline(instant)
    }

    /// Returns whether the deadline has come.
    pub fn is_due(self, now: Now) -> bool {
        self != Deadline::NEVER && self.0 <= now.mono
    }

    /// Milliseconds from an instant to the deadline, 0 if it has come; none if it never does.
    pub(crate) fn ms_from(self, instant: Instant) -> Option<u64> {
        if self == Deadline::NEVER { None } else { Some(self.0.ms_since(instant)) }
    }

    /// Returns the deadline, rounded up to a multiple of so many milliseconds.
    pub fn rounded_up_to_ms(self, grain_ms: u64) -> Deadline {
        Deadline(Instant(self.0.0.div_ceil(grain_ms).saturating_mul(grain_ms)))
    }
}

/// Returns year, month and day of a day since 1970-01-01 in the proleptic Gregorian calendar.
///
/// Years are counted from March, so that the leap day comes last (Howard Hinnant,
/// "chrono-compatible low-level date algorithms").
pub fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_later_than_anything_and_never_due() {
        let far = Now::from_ms(u64::MAX, 0);
        assert!(!Deadline::NEVER.is_due(far) && far.after_ms(1) == Deadline::NEVER);
        assert_eq!(Deadline::NEVER.ms_from(far.mono), None);
        assert_eq!(Deadline::NEVER.rounded_up_to_ms(100), Deadline::NEVER);
        assert!(Instant::from_ms(5).after_ms(7) < Deadline::NEVER);
    }

    #[test]
    fn a_deadline_is_due_from_its_instant_on() {
        let deadline = Instant::from_ms(5).after_ms(7);
        assert!(!deadline.is_due(Now::from_ms(11, 0)) && deadline.is_due(Now::from_ms(12, 0)));
        assert_eq!(deadline.ms_from(Instant::from_ms(2)), Some(10));
        assert_eq!(deadline.rounded_up_to_ms(10), Deadline::at(Instant::from_ms(20)));
    }
}
