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

/// The text of a document: what it is made of, and its number among those that are made alike.
pub(crate) type Make<C> = fn(&C, usize) -> String;

/// A document, which may not have been asked for yet.
#[derive(Clone, Debug)]
struct Document<C> {
    path: String,
    content_type: &'static str,
    make: Make<C>,
    number: usize,
    made: OnceLock<Artefact>,
}

impl<C> Document<C> {
    fn made(&self, of: &C) -> &Artefact {
        self.made.get_or_init(|| Artefact::new(self.path.clone(), self.content_type, (self.make)(of, self.number)))
    }
}

/// Documents that are made of one thing, sorted by path. Each is made when it is asked for first,
/// and then shared: all of them would be megabytes, and more work than one turn may have.
#[derive(Clone, Debug)]
pub(crate) struct Documents<C>(Vec<Document<C>>);

impl<C> Documents<C> {
    /// Documents of these paths and media types; how each is made, with its number there.
    pub(crate) fn new(list: impl IntoIterator<Item = (String, &'static str, Make<C>, usize)>) -> Documents<C> {
        let document =
            |(path, content_type, make, number)| Document { path, content_type, make, number, made: OnceLock::new() };
        let mut documents: Vec<Document<C>> = list.into_iter().map(document).collect();
        documents.sort_by(|a, b| a.path.cmp(&b.path));
        Documents(documents)
    }

    /// The document of that path, made of that.
    pub(crate) fn find(&self, path: &str, of: &C) -> Option<&Artefact> {
        let found = self.0.binary_search_by(|document| document.path.as_str().cmp(path)).ok()?;
        self.0.get(found).map(|document| document.made(of))
    }

    /// All of them, made of that.
    pub(crate) fn all<'d>(&'d self, of: &'d C) -> impl ExactSizeIterator<Item = &'d Artefact> + Clone {
        self.0.iter().map(|document| document.made(of))
    }
}

/// All documents of a catalogue.
fn documents(model: &Model) -> Documents<Model> {
    let single: [(&str, &'static str, Make<Model>); 8] = [
        ("client/rules.mjs", JAVASCRIPT, |model, _| typescript::rules::module(model)),
        ("asyncapi.json", "application/vnd.aai.asyncapi+json;version=3.0.0", |model, _| {
            asyncapi::document(model).to_text()
        }),
        ("events.cs", "text/plain; charset=utf-8", |model, _| csharp::classes(model)),
        // The same twice: the second is where TypeScript looks when `./events.mjs` is imported.
        ("events.d.ts", TYPESCRIPT, |model, _| typescript::declarations(model)),
        ("events.d.mts", TYPESCRIPT, |model, _| typescript::declarations(model)),
        ("events.mjs", JAVASCRIPT, |model, _| typescript::module(model)),
        ("reference.html", "text/html; charset=utf-8", |model, _| html::reference(model, &chapters::chapters(model))),
        ("reference.md", "text/markdown; charset=utf-8", |model, _| {
            markdown::reference(model, &chapters::chapters(model))
        }),
    ];
    let single = single.map(|(path, content_type, make)| (path.to_owned(), content_type, make, 0));
    let index: Make<Model> = |model, _| index::index(model, &sha256).to_text();
    let index = (format!("{}index.json", json_schema::folder(model)), "application/json", index, 0);
    let module: Make<Model> = |_, number| library::text(number);
    let library = library::modules().enumerate();
    let library = library.map(|(number, (path, content_type))| (path.to_owned(), content_type, module, number));
    let schemas = schemas(
        model,
        |model, number| schema(model, number, Additional::Open),
        |model, _| bundle(model, Additional::Open),
    );
    Documents::new(schemas.chain(single).chain([index]).chain(library))
}

/// The same schemas, but they refuse properties that they do not name.
fn closed(model: &Model) -> Documents<Model> {
    let schema: Make<Model> = |model, number| schema(model, number, Additional::Closed);
    Documents::new(schemas(model, schema, |model, _| bundle(model, Additional::Closed)))
}

/// The schemas of all events, and their bundle.
fn schemas(
    model: &Model,
    schema: Make<Model>,
    bundle: Make<Model>,
) -> impl Iterator<Item = (String, &'static str, Make<Model>, usize)> {
    let names = model.events.iter().enumerate().map(move |(number, event)| (event.name.as_str(), schema, number));
    names.chain([("bundle", bundle, 0)]).map(|(name, make, number)| {
        (format!("{}{name}.json", json_schema::folder(model)), "application/schema+json", make, number)
    })
}

fn schema(model: &Model, number: usize, additional: Additional) -> String {
    let event = model.events.get(number).unwrap_or_else(|| broken("a document is made of its own catalogue"));
    json_schema::event(model, event, additional).to_text()
}

fn bundle(model: &Model, additional: Additional) -> String {
    json_schema::bundle(model, additional).to_text()
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

/// The documents of one catalogue.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    open: OnceLock<Documents<Model>>,
    closed: OnceLock<Documents<Model>>,
}

impl Published {
    pub(super) fn open(&self, model: &Model) -> &Documents<Model> {
        self.open.get_or_init(|| documents(model))
    }

    pub(super) fn closed(&self, model: &Model) -> &Documents<Model> {
        self.closed.get_or_init(|| closed(model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Catalogue, WireCase};

    #[test]
    fn every_kind_of_document_is_there_and_sorted() {
        let catalogue = Catalogue::built_in(None);
        let paths: Vec<&str> = catalogue.artefacts().map(|artefact| artefact.path.as_str()).collect();
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
        assert!(one.artefacts().eq(other.artefacts()) && one.closed_schemas().eq(other.closed_schemas()));
        let documented = Catalogue::built_in(Some(WireCase::Documented));
        for artefact in documented.artefacts() {
            let text = std::str::from_utf8(&artefact.bytes).unwrap();
            assert!(!text.contains("nbrOfAgentsCheckedInQueue"), "{}", artefact.path);
        }
    }

    #[test]
    fn a_document_that_nobody_asks_for_is_not_made() {
        let catalogue = Catalogue::built_in(None);
        assert!(catalogue.artefact("schemas/v1/bundel.json").is_none());
        let first = catalogue.artefact("schemas/v1/QueueStatus.json").unwrap();
        assert!(std::ptr::eq(first, catalogue.artefact("schemas/v1/QueueStatus.json").unwrap()), "it is made once");
        let published = Published::default();
        published.open(catalogue.model()).find("schemas/v1/QueueStatus.json", catalogue.model());
        let made = published.open.get().unwrap().0.iter().filter(|document| document.made.get().is_some()).count();
        assert_eq!(made, 1);
    }

    #[test]
    fn the_index_has_the_digests_of_the_schemas_beside_it() {
        let catalogue = Catalogue::built_in(None);
        let at = |path: &str| catalogue.artefact(path).unwrap();
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
