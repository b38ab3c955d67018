//! Connections: what comes in becomes requests or hub messages; questions to other shards, and mail between them.

mod answers;
mod ask;
mod asking;
mod client;
mod connection;
mod delivery;
mod frames;
mod http;
mod invoke;
mod mail;
mod request;
mod subscribing;
mod turn;

pub use ask::{Answer, Caller, Question};
pub use connection::Connection;
pub use mail::{Mail, Outbound, To};
pub use turn::{Options, Shared, Turn};
