//! The schema compiler: catalogue files → model → named checks → Rust, JSON Schema and further
//! artefacts.
//!
//! ```text
//!   (path, text) ──parse──▶ TOML ──read──▶ syntax tree ──resolve──▶ model ──examples──▶ checked model ──emit──▶ artefacts
//!                     │           │             │ lint      │                  │
//!                     └───────────┴─────────────┴─ findings ┴──────────────────┘
//! ```
//!
//! * [`source`] holds the texts and knows lines and columns; [`finding`] has the rules and the
//!   messages.
//! * `parse` and `table` are the front end over the TOML crate; `read` fills the `syntax` tree and
//!   reports each wrong key.
//! * `resolve` looks names up and gives the [`model`]; `lint` warns. `type_expr`, [`names`] and
//!   `wire` are the small languages.
//! * `examples` asks [`validate`], the one validator, about each example, once all else is right.
//! * [`contract`] is what others rely on, [`diff`] says whom a change of it breaks, [`lock`] holds
//!   a build to the one released.
//! * [`emit`] has one pure function for each kind of artefact.
//!
//! Pure: texts in, texts or findings out, and the same findings in the same order each time.
//! Walking folders is left to `build.rs` and the commands. `build.rs` compiles this very module (by
//! `#[path]`), so it imports only through `self` and `super`.

pub mod contract;
pub mod diff;
pub mod emit;
mod examples;
pub mod finding;
mod inherit;
mod lint;
pub mod lock;
pub mod model;
pub mod names;
mod options;
mod parse;
mod read;
mod resolve;
pub mod source;
mod syntax;
mod table;
mod type_expr;
pub mod validate;
mod wire;

#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod vendors;

pub use options::Options;

use finding::{Finding, Findings};
use model::Model;
use source::Sources;

/// A catalogue without errors.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The model.
    pub model: Model,
    /// What is allowed but rarely meant, sorted by place.
    pub warnings: Vec<Finding>,
}

/// What there is to say about a catalogue, refused or not, sorted by place.
pub fn findings(compiled: &Result<Compiled, Vec<Finding>>) -> &[Finding] {
    compiled.as_ref().map_or_else(|findings| findings, |compiled| &compiled.warnings)
}

/// Compiles the files of a catalogue, pairs (path, text). Files of further folders simply follow:
/// they may add families, events, types and enums, and redefine nothing.
///
/// # Errors
///
/// All findings of all files, warnings included, sorted by place; at least one of them is an error.
pub fn compile<S: AsRef<str>>(files: &[(S, S)], options: Options) -> Result<Compiled, Vec<Finding>> {
    let sources = Sources::new(files);
    let mut findings = Findings::new(&sources);
    let mut declarations = read::read(&mut findings);
    inherit::inherit(&mut declarations);
    let mut model = resolve::resolve(&declarations, options, &mut findings);
    // What is said about a catalogue that is wrong already would mostly repeat it: a type that only
    // a broken property has is not unused, and an example of a broken event cannot be right.
    if !findings.any_error() {
        lint::lint(&declarations, &mut findings);
        examples::check(&mut model, &declarations, &mut findings);
    }
    if findings.any_error() {
        Err(findings.into_sorted())
    } else {
        Ok(Compiled { model, warnings: findings.into_sorted() })
    }
}
