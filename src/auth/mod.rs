//! Who is there and what they may do: tokens to principals, grants to verdicts.
//!
//! How to use it: texts of keys become [`keys::Keys`], those and the operator's choices a
//! [`token::Verifier`]; per request, [`token::bearer`] finds the token, [`token::Verifier::verify`]
//! makes a [`principal::Principal`] of it, and [`token::Verifier::may`] judges each topic. Pure:
//! time and keys are arguments, files are read elsewhere.

mod algorithm;
mod claimed;
mod claims;
mod error;
pub mod grant;
pub mod keys;
mod known;
pub mod marks;
pub mod mint;
pub mod principal;
mod provider;
pub(crate) mod revoked;
pub mod rights;
pub mod token;
mod watch;

pub use claimed::claimed;

#[cfg(test)]
pub(crate) mod fixtures;
