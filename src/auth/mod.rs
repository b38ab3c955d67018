//! Who is there and what they may do: tokens to principals, grants to verdicts. Pure: time and keys are arguments.

pub mod grant;
pub mod keys;
pub mod principal;
pub mod token;
