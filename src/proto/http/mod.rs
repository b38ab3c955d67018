//! HTTP/1.1 (RFC 9112): request heads over `httparse`, bodies by length or chunks, replies.
//!
//! Not here: routes (`api`), timeouts and buffers (`conn`).

pub mod body;
pub mod date;
pub mod head;
pub(crate) mod loose;
pub mod query;
pub mod reply;
mod target;
