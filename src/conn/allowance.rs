//! How much work one peer may cause: an allowance that comes back as time passes. Whoever has used
//! it up is not read on until something has come back.

use crate::clock::Instant;
use crate::limits::Limits;

/// What it costs to verify a token, in deliveries.
pub(super) const TOKEN_COST: usize = 1024;

/// What has been used of an allowance, in deliveries. The instant at which that held is its
/// owner's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance(u32);

impl Allowance {
    /// Work was done for the peer.
    pub(crate) fn spend(&mut self, work: usize) {
        self.0 = self.0.saturating_add(u32::try_from(work).unwrap_or(u32::MAX));
    }

    /// Time has passed since the instant at which it held.
    pub(crate) fn refill(&mut self, since: Instant, now: Instant, limits: &Limits) {
        if self.0 > 0 {
            let back = now.ms_since(since).saturating_mul(per_s(limits)) / 1_000;
            self.0 = u32::try_from(u64::from(self.0).saturating_sub(back)).unwrap_or(u32::MAX);
        }
    }

    /// Whether it is used up.
    pub(crate) fn is_over(self, limits: &Limits) -> bool {
        self.over(limits) > 0
    }

    /// How long the peer is not read on from the instant at which it held; 0 where it is.
    pub(crate) fn rest_ms(self, limits: &Limits) -> u64 {
        (self.over(limits) * 1_000).div_ceil(per_s(limits))
    }

    fn over(self, limits: &Limits) -> u64 {
        u64::from(self.0).saturating_sub(limits.connection_deliveries_max as u64)
    }
}

fn per_s(limits: &Limits) -> u64 {
    limits.connection_deliveries_per_s.max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_comes_back_with_time_and_is_never_more_than_whole() {
        let limits = Limits { connection_deliveries_max: 1_000, connection_deliveries_per_s: 100, ..Limits::DEFAULT };
        let at = Instant::from_ms;
        let mut allowance = Allowance::default();
        allowance.spend(1_000);
        assert!(!allowance.is_over(&limits) && allowance.rest_ms(&limits) == 0);
        allowance.spend(55);
        assert!(allowance.is_over(&limits));
        assert_eq!(allowance.rest_ms(&limits), 550);
        allowance.refill(at(0), at(549), &limits);
        assert!(allowance.is_over(&limits));
        allowance.refill(at(549), at(1_000), &limits);
        assert_eq!(allowance, Allowance(956));
        allowance.refill(at(1_000), at(1_000_000), &limits);
        assert_eq!(allowance, Allowance(0));
    }

    proptest! {
        #[test]
        fn who_has_rested_as_long_as_it_says_is_read_on(
            work in 0usize..10_000_000, most in 0usize..2_000_000, per_s in 0usize..1_000_000
        ) {
            let limits = Limits {
                connection_deliveries_max: most, connection_deliveries_per_s: per_s, ..Limits::DEFAULT
            };
            let mut allowance = Allowance::default();
            allowance.spend(work);
            prop_assert_eq!(allowance.is_over(&limits), allowance.rest_ms(&limits) > 0);
            let rest_ms = allowance.rest_ms(&limits);
            allowance.refill(Instant::from_ms(7), Instant::from_ms(7 + rest_ms), &limits);
            prop_assert!(!allowance.is_over(&limits));
        }
    }
}
