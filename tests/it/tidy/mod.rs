//! The repository lints itself: what neither the compiler nor clippy can know about this house.

mod circles;
mod comments;
mod limits;
mod modules;
mod panics;
mod reached;
mod rooms;
mod source;
mod style;
mod tables;
mod words;

use std::collections::BTreeSet;
use std::path::Path;

/// A file of more lines is a question: one responsibility, or two?
const LINES_MAX: usize = 600;

/// The files whose answer is "one", each with why.
const LONG_FILES: [(&str, &str); 4] = [
    ("src/limits.rs", "one table: each limit, what it is for, and the memory that all of them allow"),
    ("src/schema/compiler/rules.rs", "one table: a case for every rule of the compiler"),
    ("src/trace/mod.rs", "one enum: each notable fact, its level, its name and its members"),
    ("tests/it/support.rs", "one world: a hub as its users meet it, and what they send to it"),
];

/// What stands at the top, besides dotfiles (for tools) and `target`.
const TOP_LEVEL: [&str; 9] =
    ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "build.rs", "fuzz", "schema", "src", "tests"];

/// Folders that tools fill and nobody commits.
const UNCOMMITTED: [&str; 7] = [".git", ".venv", "__pycache__", "artifacts", "corpus", "node_modules", "target"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A committed text file: its path from the root, with `/`, and its text.
struct Text {
    path: String,
    text: String,
}

impl Text {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is a module of tests.
    fn is_tests(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

/// Every committed text file, in the order of their paths.
fn texts() -> Vec<Text> {
    let mut texts = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if UNCOMMITTED.contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push(Text { path: from_root(&path), text });
            }
        }
    }
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    texts
}

fn from_root(path: &Path) -> String {
    let names = path.strip_prefix(root()).unwrap().components().map(|part| part.as_os_str().to_str().unwrap());
    names.collect::<Vec<_>>().join("/")
}

/// Fails with every fault at once, so that one run shows all there is to do.
fn assert_none(faults: Vec<String>, rule: &str) {
    assert!(faults.is_empty(), "{rule}\n  {}", faults.join("\n  "));
}

#[test]
fn long_files_are_justified() {
    let texts = texts();
    let faults = texts
        .iter()
        .filter(|file| file.is_rust() || file.path.ends_with(".mjs") || file.path.ends_with(".py"))
        .map(|file| (file, file.text.lines().count()))
        .filter(|(file, lines)| *lines > LINES_MAX && !LONG_FILES.iter().any(|(path, _)| *path == file.path))
        .map(|(file, lines)| format!("{}: {lines} lines", file.path))
        .collect();
    assert_none(faults, "split by responsibility, or say in LONG_FILES why not:");
    let stale = LONG_FILES
        .iter()
        .filter(|(path, _)| !texts.iter().any(|file| file.path == *path && file.text.lines().count() > LINES_MAX));
    assert_none(stale.map(|(path, _)| (*path).to_owned()).collect(), "these need no justification:");
}

#[test]
fn the_top_level_is_what_it_is_meant_to_be() {
    let names = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = names.filter(|name| !name.starts_with('.') && name != "target").collect();
    assert_eq!(found, TOP_LEVEL.map(str::to_owned).into());
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut faults = Vec::new();
    let mut section = "";
    let mut before = "";
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies") && line.contains('=') && !line.starts_with('#') {
            // The build dependencies are a subset of the others and share one sentence.
            let is_shared = section == "[build-dependencies]" && !before.is_empty() && !before.starts_with('[');
            if !before.starts_with("# ") && !is_shared {
                faults.push(format!("Cargo.toml:{}: {line}", number + 1));
            }
        }
        before = line;
    }
    assert_none(faults, "write the reason above the dependency:");
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| file.is_rust()) {
        let code = source::code_only(&file.text);
        for (at, _) in code.match_indices('[').filter(|(at, _)| code[..*at].ends_with(['#', '!'])) {
            let attribute = code[at..].split_once(']').map_or("", |(attribute, _)| attribute);
            let inner = attribute.trim_start_matches(['[', ' ']);
            let is_bare_expect = inner.starts_with("expect(") && !inner.contains("reason");
            if inner.starts_with("allow") || is_bare_expect {
                faults.push(format!("{}:{}: #{attribute}]", file.path, code[..at].lines().count()));
            }
        }
    }
    assert_none(faults, "write #[expect(lint, reason = \"…\")]:");
}

#[test]
fn nothing_committed_is_unfinished_or_tells_of_the_machine_it_was_made_on() {
    // In two parts each, so that this file passes its own test.
    let forbidden = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Use", "rs/"),
        concat!("\"resol", "ved\""),
        concat!("index", "-url"),
        concat!("regis", "try="),
    ];
    let mut faults = Vec::new();
    for file in &texts() {
        for (number, line) in file.text.lines().enumerate() {
            let word = forbidden.into_iter().find(|word| line.contains(word));
            // Cargo writes one registry into its lock; the world's, not a mirror's.
            let mirror = line.strip_prefix("source = ").filter(|source| {
                file.path == "Cargo.lock" && *source != "\"registry+https://github.com/rust-lang/crates.io-index\""
            });
            faults.extend(word.or(mirror).map(|word| format!("{}:{}: {word}", file.path, number + 1)));
        }
    }
    assert_none(faults, "finish it, or leave it out:");
}

#[test]
fn no_question_is_named_by_a_number_that_readers_do_not_have() {
    let is_number = |word: &str| {
        let digits = word.strip_prefix('Q').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| !file.path.ends_with(".lock")) {
        for (number, line) in file.text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            faults
                .extend(words.find(|word| is_number(word)).map(|word| format!("{}:{}: {word}", file.path, number + 1)));
        }
    }
    assert_none(faults, "say what the answer was, not where it stands:");
}

#[test]
fn a_markdown_file_that_is_named_exists() {
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| !file.path.starts_with("schema/")) {
        for (number, line) in file.text.lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '/'));
            for word in
                words.map(|word| word.trim_end_matches('.')).filter(|word| word.len() > 3 && word.ends_with(".md"))
            {
                // What the hub serves and `rte schema export` writes is no file of the repository.
                let is_made = word.starts_with('/') || word == "reference.md";
                let folder = root().join(&file.path).with_file_name("");
                if !is_made && !root().join(word).exists() && !folder.join(word).exists() {
                    faults.push(format!("{}:{}: {word}", file.path, number + 1));
                }
            }
        }
    }
    assert_none(faults, "these readers will not find:");
}

#[test]
fn every_line_has_an_end_and_no_blanks_before_it() {
    let mut faults = Vec::new();
    for file in &texts() {
        let is_ours = !file.path.ends_with(".lock") && !file.path.starts_with("tests/clients/samples/");
        if !is_ours {
            continue;
        }
        let trailing = file.text.lines().position(|line| line.ends_with([' ', '\t', '\r']));
        faults.extend(trailing.map(|number| format!("{}:{}: blanks at the end", file.path, number + 1)));
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            faults.push(format!("{}: no line end at the end", file.path));
        }
    }
    assert_none(faults, "as editors and diffs like it:");
}

#[test]
fn what_tools_leave_behind_is_ignored_by_git() {
    let ignored = std::fs::read_to_string(root().join(".gitignore")).unwrap();
    let missing = ["/target", "node_modules", "__pycache__"]
        .into_iter()
        .filter(|name| !ignored.lines().any(|line| line == *name));
    assert_none(missing.map(str::to_owned).collect(), "add to .gitignore:");
}
