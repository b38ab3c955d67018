//! Injected randomness: ids that nobody may guess, and the spread of a drain.

/// A source of random bytes. The shell gives the system's; simulations give a seeded one.
pub trait Entropy: Send {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// Returns the next 64 bits of a source.
pub(crate) fn next_u64(entropy: &mut dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
