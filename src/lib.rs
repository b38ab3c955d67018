//! `rte`, a Real-Time Engine: SignalR clients subscribe to the events of a telephony platform, back ends publish them.

pub mod api;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod close;
pub mod conn;
pub mod entropy;
pub mod fuzzing;
pub mod hub;
pub mod limits;
pub mod metrics;
pub mod proto;
pub mod schema;
pub mod shard;
pub mod shell;
pub mod timer;
pub mod trace;
