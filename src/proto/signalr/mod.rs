//! The SignalR hub protocol: negotiate, handshake, hub messages, JSON encoding, record framing, and
//! the texts that clients compare. What a client sees of ASP.NET Core SignalR is the specification.

pub mod framing;
pub mod handshake;
pub mod json;
pub mod message;
pub mod negotiate;
pub mod text;
