//! Seeded randomness: SplitMix64 (Steele, Lea, Flood 2014), for the world and as the hub's own
//! entropy. A fuzzer chooses by bytes of its own instead.

use rte::entropy::Entropy;

/// A byte of a tape from which on it stands for a number of any size.
const WIDE: u8 = 0xF0;

/// One stream of numbers; the same seed gives the same stream on every machine.
#[derive(Clone, Debug)]
pub struct Rng {
    seed: u64,
    /// The first numbers, where a fuzzer chooses them, and how many of them are over.
    tape: Vec<u8>,
    read: usize,
}

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng { seed, tape: Vec::new(), read: 0 }
    }

    /// Each byte is the next number, so that a fuzzer sees what it changes; from [`WIDE`] on it
    /// seeds one.
    pub fn of_tape(tape: &[u8]) -> Rng {
        Rng { seed: 0, tape: tape.to_vec(), read: 0 }
    }

    /// Whether there was a tape, and all of it has been read.
    pub fn is_played_out(&self) -> bool {
        !self.tape.is_empty() && self.read == self.tape.len()
    }

    pub fn next(&mut self) -> u64 {
        if let Some(byte) = self.tape.get(self.read) {
            self.read += 1;
            if *byte < WIDE {
                return u64::from(*byte);
            }
            self.seed ^= u64::from(*byte);
        }
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u64;
        usize::try_from(self.next() % end).unwrap()
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of them, if there are any.
    pub fn pick_from<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| self.pick(from))
    }

    /// A stream of its own, which doesn't move this one more than a step.
    pub fn fork(&mut self) -> Rng {
        Rng::new(self.next())
    }
}

impl Entropy for Rng {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    }
}
