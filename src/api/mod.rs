//! Routes as functions: a request and what it needs in, a reply out. Which bytes they travel in is
//! `conn`'s business.

pub mod client_address;
pub mod cors;
pub mod documents;
pub mod exposition;
pub mod negotiated;
pub mod open_api;
pub(crate) mod position;
pub mod public_url;
pub mod publish;
pub(crate) mod revoke;
pub mod routes;
pub(crate) mod ticket;
mod webhook;
