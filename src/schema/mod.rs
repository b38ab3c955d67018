//! The catalogue at run time: generated code, names, validation.

pub mod compiler;
pub mod guid;

pub use compiler::model::{EventId, WireCase};
