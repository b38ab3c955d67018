//! The repository lints itself: what neither the compiler nor clippy can know about this house.

mod source;

use rte::limits::Limits;
use std::collections::BTreeSet;
use std::path::Path;

/// The rooms of `src/` and their ranks; a room imports only rooms of its own rank or lower.
/// Files go by the longest entry that fits.
const RANKS: [(&str, u8); 22] = [
    ("broken", 0),
    ("limits", 0),
    ("clock", 0),
    ("entropy", 0),
    ("proto", 1),
    ("close", 1),
    ("timer", 1),
    ("metrics", 1),
    ("trace", 1),
    ("schema/compiler", 1),
    ("schema", 2),
    ("auth", 2),
    ("hub", 3),
    ("api", 4),
    ("conn", 5),
    ("backplane", 5),
    ("shard", 6),
    ("shell", 7),
    ("config", 8),
    ("cli", 8),
    ("fuzzing", 8),
    ("main", 9),
];

/// The highest rank of the core, which is given time, bytes and randomness and never asks the world.
const CORE_RANK_MAX: u8 = 6;

/// What asks the world.
const WORLDLY: [&str; 8] = [
    "std::io",
    "std::net",
    "std::thread",
    "std::fs",
    "std::process",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Macros that write to the standard streams.
const PRINTING: [&str; 5] = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];

/// Words that say nothing in the name of a type.
const EMPTY_WORDS: [&str; 12] = [
    "Manager",
    "Handler",
    "Helper",
    "Util",
    "Processor",
    "Service",
    "Data",
    "Info",
    "Context",
    "Wrapper",
    "Base",
    "Impl",
];

/// A file of more lines is a question: one responsibility, or two?
const LINES_MAX: usize = 600;

/// The files whose answer is "one", each with why.
const LONG_FILES: [(&str, &str); 1] =
    [("src/schema/compiler/rules.rs", "one table: a case for every rule of the compiler")];

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

    /// The room that the file belongs to and its rank; none outside `src/`, and none for `lib.rs`, which names every room.
    fn room(&self) -> Option<(&'static str, u8)> {
        let module = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        room_of(module)
    }

    fn is_core(&self) -> bool {
        self.room().is_some_and(|(_, rank)| rank <= CORE_RANK_MAX)
    }

    /// Whether the whole file is a module of tests.
    fn is_tests(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// How many modules deep the file is: 1 for `src/close.rs` and `src/hub/mod.rs`, 2 for `src/hub/topic.rs`.
    fn module_depth(&self) -> usize {
        let module = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        module.split('/').count()
    }
}

/// The room of a module path as in `hub/topic`.
fn room_of(module: &str) -> Option<(&'static str, u8)> {
    RANKS
        .into_iter()
        .filter(|(room, _)| module.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        .max_by_key(|(room, _)| room.len())
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
fn every_file_of_src_is_in_a_room_that_has_a_rank() {
    let faults = texts()
        .into_iter()
        .filter(|file| {
            file.path.starts_with("src/") && file.is_rust() && file.path != "src/lib.rs" && file.room().is_none()
        })
        .map(|file| file.path)
        .collect();
    assert_none(faults, "give the room a rank in tests/it/tidy/mod.rs");
}

#[test]
fn lower_ranks_never_import_higher_ones() {
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| file.is_rust()) {
        let Some((room, rank)) = file.room() else { continue };
        for path in source::paths(&source::code_only(&file.text)) {
            let place = format!("{}:{}: {}", file.path, path.line, path.segments.join("::"));
            let from_root = match path.segments.first().map(String::as_str) {
                Some("crate" | "rte") => &path.segments[1..],
                Some("super" | "self") => {
                    let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
                    if supers < file.module_depth() + path.inline_depth {
                        continue;
                    }
                    &path.segments[supers..]
                }
                _ => continue,
            };
            if room == "schema/compiler" {
                // Its tests are no part of build.rs, and may look at the catalogue that was built with it.
                if file.is_tests() || path.in_tests {
                    continue;
                }
                faults.push(format!("{place} (the compiler is also built into build.rs, which has no such crate)"));
                continue;
            }
            let target = (1..=from_root.len()).rev().find_map(|n| room_of(&from_root[..n].join("/")));
            if let Some((other, higher)) = target
                && higher > rank
            {
                faults.push(format!("{place} (`{room}` has rank {rank}, `{other}` has {higher})"));
            }
        }
    }
    assert_none(faults, "a room imports only its own rank and lower ones:");
}

#[test]
fn the_core_never_asks_the_world() {
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| file.is_rust() && file.is_core()) {
        let code = source::code_only(&file.text);
        for path in source::paths(&code) {
            let name = path.segments.join("::");
            let is_below = |forbidden: &&str| {
                name.strip_prefix(*forbidden).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            };
            // A reader over bytes in memory asks nobody; an oracle in a test may want more of its kind, never a socket or a clock.
            let is_in_memory =
                name == "std::io::Cursor" || ((path.in_tests || file.is_tests()) && name.starts_with("std::io"));
            let is_worldly = WORLDLY.iter().any(is_below) && !is_in_memory;
            let is_loop =
                matches!(path.segments[0].as_str(), "mio" | "socket2" | "signal_hook" | "rlimit" | "ureq" | "clap");
            if is_worldly || is_loop {
                faults.push(format!("{}:{}: {name}", file.path, path.line));
            }
        }
        for (number, line) in code.lines().enumerate() {
            let words = || line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '!');
            let clock = words().find(|word| ["Instant", "SystemTime"].contains(word));
            let print = words().find(|word| PRINTING.contains(word));
            faults.extend(clock.or(print).map(|word| format!("{}:{}: {word}", file.path, number + 1)));
        }
    }
    assert_none(faults, "time, bytes and randomness are arguments in the core (ranks 0 to 6):");
}

#[test]
fn type_names_have_no_empty_words() {
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| file.is_rust()) {
        let code = source::code_only(&file.text);
        for (number, line) in code.lines().enumerate() {
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            for pair in words.windows(2) {
                if let ["struct" | "enum" | "trait" | "type" | "union", name] = pair
                    && let Some(empty) = camel_words(name).find(|word| EMPTY_WORDS.contains(word))
                {
                    faults.push(format!("{}:{}: {name} ({empty})", file.path, number + 1));
                }
            }
        }
    }
    assert_none(faults, "name what the type is, not that it does something:");
}

/// The words of a CamelCase name.
fn camel_words(name: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> = name.char_indices().filter(|(_, c)| c.is_uppercase()).map(|(at, _)| at).collect();
    starts.push(name.len());
    starts.windows(2).map(|pair| &name[pair[0]..pair[1]]).collect::<Vec<_>>().into_iter()
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
                if !is_made && !root().join(word).exists() {
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
fn the_readme_lists_every_limit_with_its_default() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let rows: Vec<&str> = readme.lines().filter(|line| line.trim_start().starts_with('|')).collect();
    let mut faults = Vec::new();
    for (name, default) in limits() {
        let Some(row) = rows.iter().find(|row| row.contains(&format!("`{name}`"))) else {
            faults.push(format!("{name} is missing"));
            continue;
        };
        let spellings = spellings(&name, default);
        if !row.split('|').any(|cell| spellings.iter().any(|spelling| cell.trim().trim_matches('`') == spelling)) {
            faults.push(format!("{name}: expected a cell with one of {spellings:?} in: {row}"));
        }
    }
    assert_none(faults, "the table of limits in README.md:");
}

/// The names and defaults of the limits, read from their `Debug` form so that none can be left out.
fn limits() -> Vec<(String, u64)> {
    let printed = format!("{:?}", Limits::DEFAULT);
    let fields = printed.trim_start_matches("Limits {").trim_end_matches('}');
    let pairs = fields.split(',').map(|field| field.split_once(':').unwrap());
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().parse().unwrap())).collect()
}

/// The ways in which a table may write a limit: the number itself, with its thousands apart, or in a larger unit.
fn spellings(name: &str, value: u64) -> Vec<String> {
    let digits = value.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    let mut spellings = vec![digits.clone(), groups.join(","), groups.join("_"), groups.join(" ")];
    let units: &[(&str, u64)] = if name.contains("bytes") {
        &[("B", 1), ("KiB", 1024), ("MiB", 1024 * 1024)]
    } else if name.ends_with("_ms") {
        &[("ms", 1), ("s", 1000)]
    } else {
        &[]
    };
    let whole = units.iter().filter(|(_, factor)| value.is_multiple_of(*factor));
    spellings.extend(whole.map(|(unit, factor)| format!("{} {unit}", value / factor)));
    spellings
}

#[test]
fn limits_are_found_and_spelt_as_a_reader_would() {
    let limits = limits();
    assert!(limits.contains(&("head_bytes_max".to_owned(), 8192)), "{limits:?}");
    assert_eq!(spellings("head_bytes_max", 8192), ["8192", "8,192", "8_192", "8 192", "8192 B", "8 KiB"]);
    assert_eq!(spellings("idle_ms", 1500), ["1500", "1,500", "1_500", "1 500", "1500 ms"]);
}

#[test]
fn what_tools_leave_behind_is_ignored_by_git() {
    let ignored = std::fs::read_to_string(root().join(".gitignore")).unwrap();
    let missing = ["/target", "node_modules", "__pycache__"]
        .into_iter()
        .filter(|name| !ignored.lines().any(|line| line == *name));
    assert_none(missing.map(str::to_owned).collect(), "add to .gitignore:");
}
