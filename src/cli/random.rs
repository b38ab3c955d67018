//! A small random generator for what need not be secret: the demo's traffic and the jitter of
//! reconnects.

use uuid::Uuid;

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same numbers, on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Returns the next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from `low` to `high`, both included; `low` where they are the wrong way
    /// round.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let bits = self.bits();
        match high.checked_sub(low).and_then(|span| span.checked_add(1)) {
            Some(width) => low.wrapping_add(bits % width),
            None => low,
        }
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.bits() % 100 < percent
    }

    /// Returns one of `choices`.
    pub(crate) fn pick<'c, T>(&mut self, choices: &'c [T]) -> Option<&'c T> {
        let last = u64::try_from(choices.len()).ok()?.checked_sub(1)?;
        choices.get(usize::try_from(self.between(0, last)).ok()?)
    }

    /// Returns a GUID of version 4's form.
    pub(crate) fn guid(&mut self) -> Uuid {
        let bytes = (u128::from(self.bits()) << 64 | u128::from(self.bits())).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // The reference implementation's first numbers for the seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!([random.bits(), random.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_reach_them() {
        let mut random = Random::new(1);
        let mut seen = [false; 3];
        for _ in 0..100 {
            seen[usize::try_from(random.between(4, 6)).unwrap() - 4] = true;
        }
        assert_eq!(seen, [true; 3]);
        assert_eq!(random.between(9, 3), 9);
        assert_eq!(random.pick::<u8>(&[]), None);
        assert_eq!(random.guid().get_version_num(), 4);
    }
}
