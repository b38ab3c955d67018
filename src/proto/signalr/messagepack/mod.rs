//! The MessagePack hub protocol: each message an array, behind its length as a VarInt.
//!
//! What is read stays where it is: texts are slices of the client's bytes, arguments are looked at
//! when the hub method that wants them is known.

mod encode;
mod framing;
mod parse;
mod read;
pub(crate) mod write;

pub(super) use encode::encode;
pub(super) use parse::{MessagePackArguments, parse};

#[cfg(test)]
mod tests;
