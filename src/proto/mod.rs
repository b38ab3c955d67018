//! Wire formats: bytes to values and back, nothing else. No connection state beyond what a format
//! itself carries over.
//!
//! Incomplete input is a value, not an error: a parser that needs more answers [`Status::Partial`]
//! and has consumed nothing.

pub mod http;
pub mod proxy;
pub mod signalr;
pub mod sse;
pub mod ws;

/// What a parser says of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status<T> {
    /// A whole value.
    Complete(T),
    /// Nothing wrong so far; come back with more bytes.
    Partial,
}

impl<T> Status<T> {
    /// Whether something is missing.
    pub fn is_partial(&self) -> bool {
        matches!(self, Status::Partial)
    }
}
