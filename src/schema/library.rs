//! The client library: the modules of `src/client` as documents, and the npm package that an export
//! makes of them and of the modules of the catalogue's events.

use super::artefacts::{Artefact, JAVASCRIPT, TYPESCRIPT};

/// A file as text, under its path below `src/client`.
macro_rules! files {
    ($($path:literal),* $(,)?) => { [$(($path, include_str!(concat!("../client/", $path)))),*] };
}

const MODULES: [(&str, &str); 8] = files![
    "client.d.mts",
    "client.mjs",
    "client/calls.mjs",
    "client/connection.mjs",
    "client/handed.mjs",
    "client/tabs.mjs",
    "client/testing.d.mts",
    "client/testing.mjs",
];

/// Of the package only. The version is the program's.
const PACKAGE: [(&str, &str); 2] = files!["README.md", "package.json"];

/// What the modules import of the catalogue.
const EVENTS: [&str; 2] = ["events.d.mts", "events.mjs"];

/// The modules and their types.
pub(super) fn modules() -> impl Iterator<Item = Artefact> {
    MODULES.into_iter().map(|(path, text)| {
        let content_type = if path.ends_with(".d.mts") { TYPESCRIPT } else { JAVASCRIPT };
        Artefact::new(path.to_owned(), content_type, text.to_owned())
    })
}

/// The files of the npm package, of these documents of a catalogue: pairs of path and bytes.
pub(crate) fn package(documents: &[Artefact]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let is_module = |path: &str| MODULES.iter().any(|(module, _)| *module == path) || EVENTS.contains(&path);
    let modules = documents.iter().filter(move |document| is_module(&document.path));
    let modules = modules.map(|document| (document.path.clone(), document.bytes.to_vec()));
    let own = PACKAGE.into_iter().map(|(path, text)| {
        let text = text.replace("\"version\": \"0.0.0\"", concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\""));
        (path.to_owned(), text.into_bytes())
    });
    own.chain(modules)
}
