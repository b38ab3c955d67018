//! The JSON hub protocol.
//!
//! A client's record is ours to spoil: simd-json unescapes in place into a tape that the [`Parser`]
//! keeps from record to record.

mod encode;
mod parse;

pub use encode::{
    COMPLETION_END, PING, encode_close, encode_completion_error, encode_completion_start, encode_message_received,
    encode_str, encode_verdict,
};
pub use parse::{JsonArguments, Malformed, Parser};
