//! The pages that people look at: a wallboard, the desk of an agent, a playground, the guide.
//!
//! They are files beside this one, served as they are: HTML, style sheets, and ES modules on the
//! client library. Nothing of them is made by a build, and nothing in them is inline. What the
//! pages begin with stands once, in `head.html`, and above those that show something live in
//! `top.html`; HTML needs no tags for the end of either.

pub(crate) mod guide;

use crate::packed::{Packed, packed};
use crate::schema::artefacts::{Artefact, Documents, Make};
use std::sync::OnceLock;

/// A file, under its path below this folder.
macro_rules! files {
    ($($path:literal),* $(,)?) => { [$(($path, packed!("pages/", $path))),*] };
}

const FILES: [(&str, Packed); 16] = files![
    "agents.mjs",
    "desk.css",
    "desk.mjs",
    "guide.css",
    "guide.mjs",
    "icon.svg",
    "index.css",
    "index.mjs",
    "layout.mjs",
    "markdown.mjs",
    "page.css",
    "page.mjs",
    "try.css",
    "try.mjs",
    "wall.css",
    "wall.mjs",
];

/// The pages: name, title, what stands above, and what is their own.
const PAGES: [(&str, &str, Option<Packed>, Packed); 5] = [
    ("index", "rte", None, packed!("pages/index.html")),
    ("wall", "Wallboard", Some(TOP), packed!("pages/wall.html")),
    ("desk", "Desk", Some(TOP), packed!("pages/desk.html")),
    ("try", "Playground", Some(TOP), packed!("pages/try.html")),
    ("guide", "Guide", Some(TOP), packed!("pages/guide.html")),
];
const HEAD: Packed = packed!("pages/head.html");
const TOP: Packed = packed!("pages/top.html");

/// The path of the module that tells the others where the hub is, and what there is beside it.
pub(crate) const HUB_MODULE: &str = "hub.mjs";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The file of that path.
pub(crate) fn find(path: &str) -> Option<&'static Artefact> {
    static DOCUMENTS: OnceLock<Documents<()>> = OnceLock::new();
    DOCUMENTS.get_or_init(documents).find(path, &())
}

fn documents() -> Documents<()> {
    let one = |path: &str, make: Make<()>, number| (path.to_owned(), media_type(path), make, number);
    let files = (0..).zip(FILES).map(|(number, (path, _))| one(path, |(), number| text(&FILES, number), number));
    let pages =
        (0..).zip(PAGES).map(|(number, (name, ..))| one(&format!("{name}.html"), |(), number| page(number), number));
    let texts = (0..)
        .zip(guide::TEXTS)
        .map(|(number, (name, _))| one(&format!("guide/{name}.md"), |(), number| text(&guide::TEXTS, number), number));
    let modules = [one("csharp.mjs", |(), _| csharp_module(), 0), one("manual.mjs", |(), _| guide::module(), 0)];
    Documents::new(files.chain(pages).chain(texts).chain(modules))
}

fn text(files: &[(&str, Packed)], number: usize) -> String {
    files.get(number).map(|(_, text)| text.text()).unwrap_or_default()
}

/// A page.
fn page(number: usize) -> String {
    let Some((name, title, top, own)) = PAGES.get(number) else { return String::new() };
    let link = format!("<a href=\"/{name}\"");
    let top = top.map(Packed::text).unwrap_or_default();
    let begin = (HEAD.text() + &top).replace("{name}", name).replace("{title}", title);
    let begin = begin.replace(&link, &format!("{link} aria-current=\"page\""));
    begin + &own.text()
}

/// The guide's sample in C#, of which the playground makes one for what was chosen.
fn csharp_module() -> String {
    let clients = guide::CLIENTS.text();
    let sample = clients.split_once("```csharp\n").and_then(|(_, rest)| Some(rest.split_once("```")?.0));
    let text = serde_json::Value::from(sample.unwrap_or_default());
    format!("export const CSHARP = {text};\n")
}

/// The module [`HUB_MODULE`], for a hub at that path, which needs no escapes; and whether
/// `/metrics` is where the pages are.
pub(crate) fn hub_module(hub: &str, has_metrics: bool) -> Artefact {
    let text = format!("export const HUB = \"{hub}\";\nexport const METRICS = {has_metrics};\n");
    Artefact::new(HUB_MODULE.to_owned(), JAVASCRIPT, text)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "md")) => "text/markdown; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some(_) | None => JAVASCRIPT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_page_is_inline_or_of_another_host() {
        for (number, (name, ..)) in PAGES.iter().enumerate() {
            let text = page(number);
            for mark in ["<style", "style=", "onclick", "onload", "http:", "https:", "src=\"//"] {
                assert!(!text.contains(mark), "{name} has {mark}");
            }
            assert!(!text.replace("<script type=\"module\" src=", "").contains("<script"), "{name}");
        }
    }

    #[test]
    fn a_page_has_its_title_its_files_and_itself_among_the_pages() {
        for (number, (name, title, top, _)) in PAGES.into_iter().enumerate() {
            let text = page(number);
            let mut marks =
                vec![format!("<title>{title}</title>"), format!("<h1>{title}</h1>"), "<main id=\"main\"".into()];
            marks.push(format!("href=\"/pages/{name}.css\""));
            if top.is_some() {
                marks.push(format!("src=\"/pages/{name}.mjs\""));
                marks.push(format!("<a href=\"/{name}\" aria-current=\"page\">"));
            }
            for mark in marks {
                assert_eq!(text.matches(&mark).count(), 1, "{name}: {mark}");
            }
            assert!(!text.contains(['{', '}']), "{name}");
        }
    }

    #[test]
    fn the_guide_names_each_of_its_texts_to_those_who_run_no_scripts() {
        let (number, _) = PAGES.iter().enumerate().find(|(_, (name, ..))| *name == "guide").unwrap();
        let page = page(number);
        let (_, without_scripts) = page.rsplit_once("<noscript>").unwrap();
        let named: Vec<&str> = without_scripts.split('"').filter(|part| part.starts_with("/pages/")).collect();
        assert_eq!(named, guide::TEXTS.map(|(name, _)| format!("/pages/guide/{name}.md")));
    }

    #[test]
    fn the_sample_in_csharp_is_that_of_the_guide() {
        let module = csharp_module();
        for part in ["new HubConnectionBuilder()", "const string queue = ", "var wanted = new[] { "] {
            assert_eq!(module.matches(part).count(), 1, "{part}");
        }
    }

    #[test]
    fn the_pages_are_lean() {
        let bytes: usize = FILES
            .iter()
            .map(|(_, text)| text.text().len())
            .chain((0..PAGES.len()).map(|number| page(number).len()))
            .sum();
        assert!(bytes < 120_000, "{bytes} bytes");
    }
}
