//! The manual says nothing that the program doesn't: its tables are generated, its samples are
//! tried, its links lead somewhere.
//!
//! A table stands between `<!-- begin NAME -->` and `<!-- end NAME -->`, in any page and as often
//! as it helps; `RTE_BLESS=1` writes it anew, and what the commands of a `console` fence print.

mod links;
mod samples;
mod tables;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The pages from the root, each with its lines at the most: a longer one is no longer read.
const PAGES: [(&str, usize); 17] = [
    ("README.md", 200),
    ("src/guide/clients.md", 400),
    ("src/guide/library.md", 400),
    ("src/guide/pages.md", 400),
    ("src/guide/publishers.md", 400),
    ("src/guide/schemas.md", 400),
    ("src/guide/operators.md", 400),
    ("src/guide/journal.md", 400),
    ("src/guide/nodes.md", 400),
    ("src/guide/compatibility.md", 400),
    ("src/guide/tokens.md", 400),
    ("src/guide/security.md", 200),
    // Its tables are looked up.
    ("src/guide/reference.md", 480),
    ("src/guide/fuzzing.md", 400),
    ("src/guide/changes.md", 400),
    (".github/CONTRIBUTING.md", 400),
    (".github/SECURITY.md", 400),
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A page as it is now.
struct Page {
    /// Its path from the root.
    name: &'static str,
    text: String,
}

fn pages() -> Vec<Page> {
    PAGES.map(|(name, _)| Page { name, text: std::fs::read_to_string(path(name)).expect(name) }).into()
}

/// A fenced block.
struct Fence {
    /// The language behind the fence.
    language: String,
    text: String,
    /// The page and its first line there, from 1.
    place: String,
}

impl Page {
    /// In their order.
    fn fences(&self) -> Vec<Fence> {
        let mut fences: Vec<Fence> = Vec::new();
        let mut is_open = false;
        for (number, line) in (1..).zip(self.text.lines()) {
            match line.strip_prefix("```") {
                Some(language) if !is_open => {
                    let place = format!("{}:{}", self.name, number + 1);
                    fences.push(Fence { language: language.to_owned(), text: String::new(), place });
                    is_open = true;
                }
                Some(_) => is_open = false,
                None if is_open => {
                    let fence = fences.last_mut().unwrap();
                    fence.text.push_str(line);
                    fence.text.push('\n');
                }
                None => {}
            }
        }
        assert!(!is_open, "{}: the last fence has no end", self.name);
        fences
    }

    /// The lines outside of fences.
    fn prose(&self) -> Vec<&str> {
        let mut is_open = false;
        let is_prose = |line: &&str| {
            let is_border = line.starts_with("```");
            is_open ^= is_border;
            !is_border && !is_open
        };
        self.text.lines().filter(is_prose).collect()
    }
}

/// The fences of that language in all pages.
fn fences(language: &str) -> Vec<Fence> {
    let mut fences: Vec<Fence> = pages().iter().flat_map(Page::fences).collect();
    fences.retain(|fence| fence.language == language);
    assert!(!fences.is_empty(), "no fence is {language}");
    fences
}

/// What `rte` prints for these arguments.
fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_rte")).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A part of a page that the program says otherwise.
#[derive(Debug, PartialEq)]
struct Stale {
    page: &'static str,
    shown: String,
    real: String,
}

/// Fails with what is stale, or writes it anew where that is asked for, one test after the other.
fn hold_or_bless(stale: &[Stale]) {
    static WRITING: Mutex<()> = Mutex::new(());
    if std::env::var_os("RTE_BLESS").is_none_or(|value| value != "1") {
        assert_eq!(stale, [], "RTE_BLESS=1 cargo test --test it manual writes `real` in the place of `shown`");
        return;
    }
    let _writing = WRITING.lock().unwrap();
    for Stale { page, shown, real } in stale {
        let text = std::fs::read_to_string(path(page)).unwrap();
        std::fs::write(path(page), text.replacen(shown, real, 1)).unwrap();
    }
}

#[test]
fn every_page_is_listed_and_can_be_read_to_its_end() {
    let is_page = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
    for folder in ["", "src/guide", ".github"] {
        let files = std::fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|file| is_page(file)) {
            assert!(PAGES.iter().any(|(name, _)| path(name) == file), "PAGES has no {}", file.display());
        }
    }
    for (page, (_, lines_max)) in pages().iter().zip(PAGES) {
        let lines = page.text.lines().count();
        assert!(lines <= lines_max, "{}: {lines} lines", page.name);
    }
}
