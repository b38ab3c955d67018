//! The rooms of `src/` and their ranks, read from the table in the documentation of the crate: who
//! imports whom, and who never asks the world.

use super::{Text, assert_none, modules, root, source, tables, texts};
use std::sync::LazyLock;

/// The highest rank of the core, which is given time, bytes and randomness and never asks the
/// world.
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

/// A room and its rank, one of the rows of the table.
struct Room {
    /// A module path as in `schema/compiler`.
    path: String,
    /// None where the table says "–": such a room imports any other, and none imports it.
    rank: Option<u8>,
}

impl Room {
    /// Above every number where there is none.
    fn height(&self) -> u8 {
        self.rank.unwrap_or(u8::MAX)
    }

    fn is_core(&self) -> bool {
        self.rank.is_some_and(|rank| rank <= CORE_RANK_MAX)
    }
}

static ROOMS: LazyLock<Vec<Room>> = LazyLock::new(|| {
    let rows = tables::rows("# Rooms");
    let rooms = rows.iter().flat_map(|row| {
        let rank = (row[0] != "–").then(|| row[0].parse().expect("a rank is a number or –"));
        tables::code_words(&row[1]).map(move |name| Room { path: name.replace("::", "/"), rank })
    });
    rooms.collect()
});

/// The room of a module path as in `hub/topic`: the longest entry that fits.
fn room_of(module: &str) -> Option<&'static Room> {
    ROOMS
        .iter()
        .filter(|room| module.strip_prefix(&*room.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        .max_by_key(|room| room.path.len())
}

impl Text {
    /// The room that the file belongs to; none outside `src/`, and none for `lib.rs`, which names
    /// every room.
    fn room(&self) -> Option<&'static Room> {
        let module = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        room_of(module)
    }
}

#[test]
fn every_room_of_the_table_has_a_file() {
    let is_there = |room: &Room| {
        let module = root().join("src").join(&room.path);
        module.with_extension("rs").exists() || module.join("mod.rs").exists()
    };
    let faults = ROOMS.iter().filter(|room| !is_there(room)).map(|room| room.path.clone()).collect();
    assert_none(faults, "the table of rooms in src/lib.rs has rooms without a file:");
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
    assert_none(faults, "give the room a rank in the table of src/lib.rs:");
}

#[test]
fn lower_ranks_never_import_higher_ones() {
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| file.is_rust()) {
        let (Some(room), Some(module)) = (file.room(), modules::module_of(file)) else { continue };
        for path in source::paths(&source::code_only(&file.text)) {
            let place = format!("{}:{}: {}", file.path, path.line, path.segments.join("::"));
            let Some(absolute) = modules::absolute(&module, &path) else { continue };
            let names_the_crate = matches!(&*path.segments[0], "crate" | "rte");
            if room.path == "schema/compiler" && (names_the_crate || !absolute.starts_with(&["schema", "compiler"])) {
                // Its tests are no part of build.rs, and may look at the catalogue that was built
                // with it.
                if file.is_tests() || path.in_tests {
                    continue;
                }
                faults.push(format!("{place} (the compiler is also built into build.rs, which has no such crate)"));
                continue;
            }
            let target = (1..=absolute.len()).rev().find_map(|n| room_of(&absolute[..n].join("/")));
            if let Some(other) = target.filter(|other| other.height() > room.height()) {
                faults.push(format!("{place} (`{}` may not import `{}`)", room.path, other.path));
            }
        }
    }
    assert_none(faults, "a room imports only its own rank and lower ones:");
}

#[test]
fn the_core_never_asks_the_world() {
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| file.is_rust() && file.room().is_some_and(Room::is_core)) {
        let code = source::code_only(&file.text);
        for path in source::paths(&code) {
            let name = path.segments.join("::");
            let is_below = |forbidden: &&str| {
                name.strip_prefix(*forbidden).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            };
            // A reader over bytes in memory asks nobody; an oracle in a test may want more of its
            // kind, never a socket or a clock.
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
            let clock = words().find(|word| *word == "SystemTime");
            let print = words().find(|word| PRINTING.contains(word));
            faults.extend(clock.or(print).map(|word| format!("{}:{}: {word}", file.path, number + 1)));
        }
    }
    assert_none(faults, "time, bytes and randomness are arguments in the core (ranks 0 to 6):");
}
