//! The catalogue at run time: generated code, names, validation.
//!
//! What the running hub uses of the compiler stands at this door: the types of the model, [`names`]
//! and [`validate`]. Only the commands `rte schema` go past it.

pub mod artefacts;
pub mod catalogue;
mod chapters;
pub mod compiler;
mod date_time;
pub mod events;
pub mod guid;
mod instants;
pub(crate) mod library;
pub mod reload;

#[cfg(test)]
mod tests;

pub use catalogue::Catalogue;
pub use compiler::model::{
    Audience, EntityRule, Event, EventId, Family, Kind, Model, Phase, Place, Property, Type, WireCase,
};
pub use compiler::{names, validate};
pub use date_time::DateTime;
pub use instants::Instants;
pub(crate) use instants::{Typed, instant};
