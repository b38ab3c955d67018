//! The SignalR side: connections, whatever carries their bytes.

pub mod connection;
mod handshake;
mod methods;
mod subscribing;
