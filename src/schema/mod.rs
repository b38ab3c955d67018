//! The catalogue at run time: generated code, names, validation.

pub mod artefacts;
pub mod catalogue;
pub mod compiler;
mod date_time;
pub mod guid;
pub mod reload;

/// What `build.rs` generates from the files under `schema/`: a struct for each event, and the built-in catalogue's tables.
pub mod events {
    include!(concat!(env!("OUT_DIR"), "/events.rs"));
}

#[cfg(test)]
mod tests;

pub use catalogue::Catalogue;
pub use compiler::model::{EventId, WireCase};
pub use date_time::DateTime;
