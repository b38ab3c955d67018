//! The client library: the modules of `src/client` as documents, and the npm package that an export
//! makes of them and of the modules of the catalogue's events.

use crate::packed::{Packed, packed};
use std::borrow::Cow;

pub(super) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const TYPESCRIPT: &str = "application/typescript; charset=utf-8";

/// A file, under its path below `src/client`.
macro_rules! files {
    ($($path:literal),* $(,)?) => { [$(($path, packed!("client/", $path))),*] };
}

const MODULES: [(&str, Packed); 12] = files![
    "client.d.mts",
    "client.mjs",
    "client/calls.mjs",
    "client/checks.mjs",
    "client/connection.mjs",
    "client/handed.mjs",
    "client/item.mjs",
    "client/states.mjs",
    "client/tabs.mjs",
    "client/testing.d.mts",
    "client/testing.mjs",
    "client/view.mjs",
];

/// Of the package only. The version is the program's.
const PACKAGE: [(&str, Packed); 2] = files!["README.md", "package.json"];

/// What the modules import of the catalogue.
const EVENTS: [&str; 3] = ["client/rules.mjs", "events.d.mts", "events.mjs"];

/// The modules and their types: path and media type of each.
pub(super) fn modules() -> impl Iterator<Item = (&'static str, &'static str)> {
    MODULES.iter().map(|(path, _)| (*path, if path.ends_with(".d.mts") { TYPESCRIPT } else { JAVASCRIPT }))
}

/// The text of the module of that number among [`modules`].
pub(super) fn text(number: usize) -> String {
    MODULES.get(number).map(|(_, text)| text.text()).unwrap_or_default()
}

/// The files of the npm package, of these documents of a catalogue: path and bytes of each.
pub(crate) fn package<'d>(
    documents: impl Iterator<Item = (&'d str, &'d [u8])>,
) -> impl Iterator<Item = (&'d str, Cow<'d, [u8]>)> {
    let is_module = |path: &str| MODULES.iter().any(|(module, _)| *module == path) || EVENTS.contains(&path);
    let modules = documents.filter(move |(path, _)| is_module(path));
    let own = PACKAGE.into_iter().map(|(path, text)| {
        let text =
            text.text().replace("\"version\": \"0.0.0\"", concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\""));
        (path, Cow::Owned(text.into_bytes()))
    });
    own.chain(modules.map(|(path, bytes)| (path, Cow::Borrowed(bytes))))
}
