//! Everything that is made from the catalogue for others to read: what is served, and what an
//! export writes.

use super::chapters;
use super::compiler::emit::json_schema::{self, Additional};
use super::compiler::emit::{asyncapi, csharp, html, index, markdown, typescript};
use super::compiler::model::Model;
use super::library::{self, JAVASCRIPT, TYPESCRIPT};
use crate::broken::broken;
use ring::digest::{SHA256, digest};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Its path below the root of the hub, or of an export: `schemas/v1/UserStatus.json`. Slashes,
    /// whatever the system.
    pub path: String,
    /// Its media type, for `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Its text, in UTF-8.
    pub(crate) bytes: Arc<[u8]>,
    /// The SHA-256 of the bytes, in lower-case hexadecimal.
    pub(crate) sha256: String,
}

impl Artefact {
    /// A document of that text.
    pub(crate) fn new(path: String, content_type: &'static str, text: String) -> Artefact {
        Artefact { path, content_type, sha256: sha256(&text), bytes: Arc::from(text.into_bytes()) }
    }
}

/// All documents of a catalogue, sorted by path; made anew at each call.
fn all(model: &Model) -> Vec<Artefact> {
    let mut all = schemas(model, Additional::Open);
    let index = index::index(model, &sha256).to_text();
    all.push(Artefact::new(format!("{}index.json", json_schema::folder(model)), "application/json", index));
    let chapters = chapters::chapters(model);
    let declarations = typescript::declarations(model);
    let others = [
        ("client/rules.mjs", JAVASCRIPT, typescript::rules::module(model)),
        ("asyncapi.json", "application/vnd.aai.asyncapi+json;version=3.0.0", asyncapi::document(model).to_text()),
        ("events.cs", "text/plain; charset=utf-8", csharp::classes(model)),
        // The same twice: the second is where TypeScript looks when `./events.mjs` is imported.
        ("events.d.ts", TYPESCRIPT, declarations.clone()),
        ("events.d.mts", TYPESCRIPT, declarations),
        ("events.mjs", JAVASCRIPT, typescript::module(model)),
        ("reference.html", "text/html; charset=utf-8", html::reference(model, &chapters)),
        ("reference.md", "text/markdown; charset=utf-8", markdown::reference(model, &chapters)),
    ];
    all.extend(others.map(|(path, content_type, text)| Artefact::new(path.to_owned(), content_type, text)));
    all.extend(library::modules().map(|(path, content_type, text)| Artefact::new(path.to_owned(), content_type, text)));
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// The schemas of all events, and their bundle.
fn schemas(model: &Model, additional: Additional) -> Vec<Artefact> {
    let folder = json_schema::folder(model);
    let schemas = model.events.iter().map(|event| (&event.name, json_schema::event(model, event, additional)));
    let bundle = "bundle".to_owned();
    let schemas = schemas.chain([(&bundle, json_schema::bundle(model, additional))]);
    let schemas = schemas.map(|(name, schema)| {
        Artefact::new(format!("{folder}{name}.json"), "application/schema+json", schema.to_text())
    });
    schemas.collect()
}

fn sha256(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        if write!(hex, "{byte:02x}").is_err() {
            broken("a String takes every text");
        }
    }
    hex
}

/// The documents of one catalogue, each made when the first of its kind is asked for, and then
/// shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    open: OnceLock<Vec<Artefact>>,
    closed: OnceLock<Vec<Artefact>>,
}

impl Published {
    pub(super) fn open(&self, model: &Model) -> &[Artefact] {
        self.open.get_or_init(|| all(model))
    }

    pub(super) fn closed(&self, model: &Model) -> &[Artefact] {
        self.closed.get_or_init(|| {
            let mut closed = schemas(model, Additional::Closed);
            closed.sort_by(|a, b| a.path.cmp(&b.path));
            closed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Catalogue, WireCase};

    #[test]
    fn every_kind_of_document_is_there_and_sorted() {
        let catalogue = Catalogue::built_in(None);
        let paths: Vec<&str> = catalogue.artefacts().iter().map(|artefact| artefact.path.as_str()).collect();
        assert!(paths.is_sorted());
        let (schemas, others): (Vec<&str>, Vec<&str>) = paths.iter().partition(|path| path.starts_with("schemas/v1/"));
        assert_eq!(schemas.len(), catalogue.events().count() + 2);
        let expected = [
            "asyncapi.json",
            "client.d.mts",
            "client.mjs",
            "client/calls.mjs",
            "client/checks.mjs",
            "client/connection.mjs",
            "client/handed.mjs",
            "client/item.mjs",
            "client/rules.mjs",
            "client/states.mjs",
            "client/tabs.mjs",
            "client/testing.d.mts",
            "client/testing.mjs",
            "client/view.mjs",
            "events.cs",
            "events.d.mts",
            "events.d.ts",
            "events.mjs",
            "reference.html",
            "reference.md",
        ];
        assert_eq!(others, expected);
        assert_eq!(catalogue.closed_schemas().len(), catalogue.events().count() + 1);
    }

    #[test]
    fn documents_are_the_same_each_time_and_in_no_case_of_another() {
        let (one, other) = (Catalogue::built_in(None), Catalogue::built_in(None));
        assert_eq!(all(one.model()), all(other.model()));
        assert_eq!(all(one.model()), one.artefacts());
        let documented = Catalogue::built_in(Some(WireCase::Documented));
        for artefact in documented.artefacts() {
            let text = std::str::from_utf8(&artefact.bytes).unwrap();
            assert!(!text.contains("nbrOfAgentsCheckedInQueue"), "{}", artefact.path);
        }
    }

    #[test]
    fn the_index_has_the_digests_of_the_schemas_beside_it() {
        let catalogue = Catalogue::built_in(None);
        let artefacts = catalogue.artefacts();
        let at = |path: &str| artefacts.iter().find(|artefact| artefact.path == path).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&at("schemas/v1/index.json").bytes).unwrap();
        let events = index["events"].as_array().unwrap();
        assert_eq!(events.len(), 41);
        for event in events {
            let schema = at(event["url"].as_str().unwrap().trim_start_matches('/'));
            assert_eq!(event["sha256"], schema.sha256.as_str());
        }
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
