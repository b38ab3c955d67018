//! The pages that people look at: a wallboard, the desk of an agent, a playground.
//!
//! They are files beside this one, served as they are: HTML, style sheets, and ES modules on the
//! client library. Nothing of them is made by a build, and nothing in them is inline.

use crate::schema::artefacts::Artefact;
use std::sync::OnceLock;

/// A file as text, under its path below this folder.
macro_rules! files {
    ($($path:literal),* $(,)?) => { [$(($path, include_str!($path))),*] };
}

const FILES: [(&str, &str); 16] = files![
    "agents.mjs",
    "desk.css",
    "desk.html",
    "desk.mjs",
    "icon.svg",
    "index.css",
    "index.html",
    "layout.mjs",
    "page.css",
    "page.mjs",
    "try.css",
    "try.html",
    "try.mjs",
    "wall.css",
    "wall.html",
    "wall.mjs",
];

/// The path of the module that tells the others where the hub is.
pub(crate) const HUB_MODULE: &str = "hub.mjs";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The file of that path; they are made into documents when the first is asked for.
pub(crate) fn find(path: &str) -> Option<&'static Artefact> {
    static DOCUMENTS: OnceLock<Vec<Artefact>> = OnceLock::new();
    let documents = DOCUMENTS.get_or_init(|| {
        let file = |(path, text): (&str, &str)| Artefact::new(path.to_owned(), media_type(path), text.to_owned());
        FILES.into_iter().map(file).collect()
    });
    documents.iter().find(|document| document.path == path)
}

/// The module [`HUB_MODULE`], for a hub at that path, which needs no escapes.
pub(crate) fn hub_module(hub: &str) -> Artefact {
    Artefact::new(HUB_MODULE.to_owned(), JAVASCRIPT, format!("export const HUB = \"{hub}\";\n"))
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some(_) | None => JAVASCRIPT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_page_is_inline_or_of_another_host() {
        for (path, text) in FILES.into_iter().filter(|(path, _)| path.ends_with(".html")) {
            for mark in ["<style", "style=", "onclick", "onload", "http:", "https:", "src=\"//"] {
                assert!(!text.contains(mark), "{path} has {mark}");
            }
            assert!(!text.replace("<script type=\"module\" src=", "").contains("<script"), "{path}");
        }
    }

    #[test]
    fn the_pages_are_lean() {
        let bytes: usize = FILES.iter().map(|(_, text)| text.len()).sum();
        assert!(bytes < 120_000, "{bytes} bytes");
    }
}
