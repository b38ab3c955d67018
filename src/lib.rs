//! `rte`, a Real-Time Engine: SignalR clients subscribe to the events of a telephony platform, back ends publish them.

pub mod api;
pub mod auth;
pub mod clock;
pub mod fuzzing;
pub mod hub;
pub mod limits;
pub mod proto;
pub mod schema;
