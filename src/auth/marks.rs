//! What a token is recognized by, where its texts need not be kept.

use core::num::NonZeroU64;
use siphasher::sip::SipHasher13;

/// A text of a token, as far as two of them are told apart. Hashed without a secret, so that every
/// process agrees; one of its 2^64 values stands for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(NonZeroU64);

impl Mark {
    /// The mark of a text.
    pub fn of(text: &str) -> Mark {
        Mark(NonZeroU64::new(SipHasher13::new().hash(text.as_bytes())).unwrap_or(NonZeroU64::MAX))
    }

    /// Its bytes.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    /// The mark of these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Option<Mark> {
        NonZeroU64::new(u64::from_be_bytes(bytes)).map(Mark)
    }
}

/// What else a token says of itself. Fifty thousand connections have these, so they are no texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Of the user claim, where it is no GUID.
    pub(crate) subject: Option<Mark>,
    /// Of `jti`.
    pub(crate) token: Option<Mark>,
    /// `iat`, seconds since the Unix epoch; 0 where it does not say.
    pub(crate) issued_unix_s: u64,
}
