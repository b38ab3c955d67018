//! The SignalR side: connections, whatever carries their bytes.

pub mod connection;
pub(super) mod descriptions;
pub(super) mod grant_sets;
mod handshake;
mod methods;
mod misfit;
pub(super) mod origin;
pub(super) mod refreshing;
pub(super) mod results;
mod subscribing;
