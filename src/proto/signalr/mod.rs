//! The SignalR hub protocol: negotiate, handshake, hub messages, and the texts that clients
//! compare. What a client sees of ASP.NET Core SignalR is the specification.
//!
//! [`codec`] is the door to the hub protocols, of which `json` is one.

pub mod codec;
pub mod framing;
pub mod handshake;
mod json;
pub mod message;
pub(crate) mod messagepack;
pub mod negotiate;
pub mod protocol;
pub mod text;
pub mod transport;
pub mod value;
