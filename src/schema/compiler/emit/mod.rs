//! The back end: what is generated from a model.
//!
//! One module for each kind of artefact; each offers pure functions from [`Model`] to text, whose
//! output depends on nothing but the model, in the model's order. A further artefact is a further
//! module here, and one line where it is asked for: [`for_build`], the export command, or a route.

pub mod asyncapi;
pub mod chapter;
pub mod csharp;
pub mod html;
pub mod identifier;
pub mod index;
pub mod json;
pub mod json_schema;
pub mod lines;
pub mod markdown;
pub mod methods;
pub mod prose;
pub mod rust;
pub mod typescript;

use super::model::Model;

/// The files that `build.rs` writes, pairs (path below `OUT_DIR`, text): the Rust module, and the
/// JSON Schemas that it embeds.
pub fn for_build(model: &Model, sources: &[(String, String)]) -> Vec<(String, String)> {
    let schemas = model.events.iter().map(|event| {
        let text = json_schema::event(model, event, json_schema::Additional::Open).to_text();
        (format!("{}.json", event.name), text)
    });
    let paths: Vec<&str> = sources.iter().map(|(path, _)| path.as_str()).collect();
    let rust = [rust::structs(model), rust::tables(model), rust::sources(&paths)].concat();
    std::iter::once(("events.rs".to_owned(), rust)).chain(schemas).collect()
}
