//! What a poll knows its sources by.

use crate::broken::broken;
use crate::wire::LinkKey;
use mio::Token;
use slotmap::{Key, KeyData};

/// The mailbox.
pub(crate) const WAKE: Token = Token(usize::MAX);
/// The listener.
pub(crate) const LISTENER: Token = Token(usize::MAX - 1);

const _: () = assert!(size_of::<usize>() == 8, "a key travels as a poll token, which needs 64 bits");

/// Returns the token of a link's stream.
pub(crate) fn token(key: LinkKey) -> Token {
    let Ok(token) = usize::try_from(key.data().as_ffi()) else { broken("a key has 64 bits, as a poll token has") };
    Token(token)
}

/// Returns the link of a token that is none of the above.
pub(crate) fn key(token: Token) -> LinkKey {
    KeyData::from_ffi(token.0 as u64).into()
}
