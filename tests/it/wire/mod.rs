//! The bytes between the hub and whoever is at the other end, asked of the running binary.

mod clients;
mod days;
mod documents;
mod every;
mod http;
mod internal;
mod kept;
mod keys;
mod killed;
mod links;
mod memory;
mod operating;
mod order;
mod protocol;
mod publishing;
mod quotas;
mod readers;
mod running;
mod since;
mod state;
mod strangers;
mod supervised;
mod tls;
mod tls_clients;
mod tokens;
mod websocket;
