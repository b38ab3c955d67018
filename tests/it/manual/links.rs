//! Links within the manual: to headings that are there, in the repository as in the documentation
//! of the crate.

use super::{Page, pages, path};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a reader of the repository follows, and where it is written.
struct Link<'p> {
    page: &'p Page,
    /// The word between brackets at the beginning of a line, where the target stands there for
    /// others.
    label: Option<&'p str>,
    target: &'p str,
}

fn links(page: &Page) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    for line in page.prose() {
        if let Some((label, target)) = definition(line) {
            links.push(Link { page, label: Some(label), target });
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        links.extend(targets.map(|target| Link { page, label: None, target }));
    }
    links
}

/// `[label]: target`.
fn definition(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.split_once("]: ")
}

/// What follows the hash in links to the headings of a page.
fn anchors(page: &Page) -> BTreeSet<String> {
    let headings = page.prose().into_iter().filter(|line| line.starts_with('#'));
    let words = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    words.map(|words| words.replace(' ', "-").replace(|c: char| !c.is_alphanumeric() && c != '-', "")).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let pages = pages();
    let anchors: BTreeMap<_, _> = pages.iter().map(|page| (path(page.name), anchors(page))).collect();
    let mut dead = Vec::new();
    for link in pages.iter().flat_map(links).filter(|link| !link.target.starts_with("http")) {
        let (file, anchor) = link.target.split_once('#').unwrap_or((link.target, ""));
        let own = path(link.page.name);
        let target = if file.is_empty() { own } else { own.parent().unwrap().join(file) };
        let is_there = target.canonicalize().is_ok_and(|target| {
            anchor.is_empty() || anchors.get(&target).is_some_and(|anchors| anchors.contains(anchor))
        });
        if !is_there {
            dead.push(format!("{}: {}", link.page.name, link.target));
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// A page of the guide is also a module. There its definitions stand before it, with paths of Rust,
/// and the first one counts.
#[test]
fn definitions_of_the_guide_are_those_of_its_modules() {
    let room = std::fs::read_to_string(path("src/guide/mod.rs")).unwrap();
    let mut before = Vec::new();
    let mut in_rust = BTreeMap::new();
    for line in room.lines() {
        match line.strip_prefix("///") {
            Some(doc) => before.extend(definition(doc.trim())),
            None => match line.strip_prefix("#[doc = include_str!(\"") {
                Some(rest) => _ = in_rust.insert(rest.trim_end_matches("\")]"), std::mem::take(&mut before)),
                None => before.clear(),
            },
        }
    }
    for page in pages().iter().filter(|page| page.name.starts_with("src/guide/")) {
        let file = Path::new(page.name).file_name().unwrap().to_str().unwrap();
        let of_file = links(page).into_iter().filter_map(|link| {
            let target = link.target.replacen(".md", "", 1);
            link.label.map(|label| (label.to_owned(), format!("crate::guide::{target}")))
        });
        let mut of_file: Vec<(String, String)> = of_file.collect();
        of_file.sort();
        let of_module = in_rust[file].iter().map(|(label, target)| ((*label).to_owned(), (*target).to_owned()));
        assert_eq!(of_module.collect::<Vec<_>>(), of_file, "{}: the definitions in src/guide/mod.rs", page.name);
        let inline = links(page).into_iter().find(|link| link.label.is_none() && link.target.contains(".md"));
        assert!(
            inline.is_none(),
            "{}: define {} at the end, so that it leads somewhere as Rust",
            page.name,
            inline.unwrap().target
        );
    }
}

#[test]
fn files_that_are_named_exist() {
    let roots = ["src/", "tests/", "fuzz/", "schema/", ".ci/", ".github/"];
    let mut missing = Vec::new();
    for page in &pages() {
        let codes = page.prose().into_iter().flat_map(|line| line.split('`').skip(1).step_by(2));
        for code in codes.filter(|code| roots.iter().any(|root| code.starts_with(root)) && !code.contains(' ')) {
            // What editors are given, vendors and `rte schema export` write.
            if !path(code).exists() && !code.ends_with(".event.schema.json") {
                missing.push(format!("{}: {code}", page.name));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Each limit is somewhere in what says what they are for.
#[test]
fn the_threat_model_has_every_limit() {
    let page = std::fs::read_to_string(path("src/guide/security.md")).unwrap();
    let limits = rte::guide::tables::limits().markdown();
    let names = limits.lines().skip(2).filter_map(|row| row.split('`').nth(1));
    let missing: Vec<&str> = names.filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "what are these for? {missing:?}");
}
