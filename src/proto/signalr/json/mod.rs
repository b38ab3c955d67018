//! The JSON hub protocol.
//!
//! A client's record is ours to spoil: simd-json unescapes in place into a tape that the [`Parser`]
//! keeps from record to record.

mod encode;
mod parse;
pub(super) mod string;

pub(super) use encode::encode;
pub(super) use parse::{JsonArguments, Parser};
