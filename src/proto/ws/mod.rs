//! WebSocket (RFC 6455), server side, without extensions: upgrade, frames in, frames out.
//!
//! Frames are decoded as a stream: the payload of a data frame is unmasked in place and handed on
//! as it arrives. It may have any length, because the hub protocol above has its own record framing
//! and its own bound. Only control frames, at most 125 bytes, are waited for whole.

pub mod decode;
pub mod encode;
pub mod upgrade;
pub(crate) mod utf8;
