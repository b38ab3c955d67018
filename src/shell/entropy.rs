//! The system's randomness.

use crate::entropy::Entropy;
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes that nobody can guess.
#[derive(Debug)]
pub(crate) struct SystemEntropy(SystemRandom);

impl Default for SystemEntropy {
    fn default() -> Self {
        SystemEntropy(SystemRandom::new())
    }
}

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        #[expect(clippy::expect_used, reason = "without randomness no id is a secret; a hub must not run on")]
        self.0.fill(bytes).expect("the system gives random bytes");
    }
}
