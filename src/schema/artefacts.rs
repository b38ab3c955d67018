//! Everything that is made from the catalogue for others to read: what is served, and what an export writes.

use super::Catalogue;
use super::compiler::emit::json_schema::{self, Additional};
use ring::digest::{SHA256, digest};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Its path below the root of the hub, or of an export: `schemas/v1/UserStatus.json`. Slashes, whatever the system.
    pub path: String,
    /// Its media type, for `Content-Type`.
    pub content_type: &'static str,
    /// Its text, in UTF-8.
    pub bytes: Arc<[u8]>,
    /// The SHA-256 of the bytes, in lower-case hexadecimal.
    pub sha256: String,
}

impl Artefact {
    fn new(path: String, content_type: &'static str, text: String) -> Artefact {
        Artefact { path, content_type, sha256: sha256(&text), bytes: Arc::from(text.into_bytes()) }
    }
}

/// All documents of a catalogue, sorted by path; made anew at each call (see [`Catalogue::artefacts`]).
pub fn all(catalogue: &Catalogue) -> Vec<Artefact> {
    let mut all = schemas(catalogue, Additional::Open);
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// The schemas of all events.
fn schemas(catalogue: &Catalogue, additional: Additional) -> Vec<Artefact> {
    let model = catalogue.model();
    let folder = json_schema::folder(model);
    let schemas = model.events.iter().map(|event| {
        let text = json_schema::event(model, event, additional).to_text();
        Artefact::new(format!("{folder}{}.json", event.name), "application/schema+json", text)
    });
    schemas.collect()
}

fn sha256(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        let _: std::fmt::Result = write!(hex, "{byte:02x}");
    }
    hex
}

/// The documents of one catalogue, each made when the first of its kind is asked for, and then shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    open: OnceLock<Vec<Artefact>>,
    closed: OnceLock<Vec<Artefact>>,
}

impl Published {
    pub(super) fn open(&self, catalogue: &Catalogue) -> &[Artefact] {
        self.open.get_or_init(|| all(catalogue))
    }

    pub(super) fn closed(&self, catalogue: &Catalogue) -> &[Artefact] {
        self.closed.get_or_init(|| {
            let mut closed = schemas(catalogue, Additional::Closed);
            closed.sort_by(|a, b| a.path.cmp(&b.path));
            closed
        })
    }
}
