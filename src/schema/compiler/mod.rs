//! The schema compiler: catalogue files → model → named checks → Rust, JSON Schema and further artefacts.
//!
//! Pure: texts in, texts or findings out. Walking folders is left to `build.rs` and the commands. `build.rs` compiles this very
//! module (by `#[path]`), so it imports only through `self` and `super`.

pub mod model;
pub mod validate;
