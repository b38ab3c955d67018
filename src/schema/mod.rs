//! The catalogue at run time: generated code, names, validation.

pub mod artefacts;
pub mod catalogue;
pub mod compiler;
mod date_time;
pub mod events;
pub mod guid;
pub mod reload;

#[cfg(test)]
mod tests;

pub use catalogue::Catalogue;
pub use compiler::model::{EventId, WireCase};
pub use date_time::DateTime;
