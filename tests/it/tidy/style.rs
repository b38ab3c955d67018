//! One module style: a module with files of its own is a folder, and stands in its `mod.rs`.

use super::{Text, assert_none, texts};

/// Who may go past the door of `schema`: the room itself, and the commands that are the compiler's
/// own front end.
const COMPILER_USERS: [&str; 2] = ["src/schema/", "src/cli/schema/"];

#[test]
fn a_module_with_a_folder_stands_in_it() {
    let texts = texts();
    let rust: Vec<&Text> = texts.iter().filter(|text| text.is_rust() && text.path.starts_with("src/")).collect();
    let has_folder = |text: &&&Text| {
        let folder = text.path.trim_end_matches(".rs").to_owned() + "/";
        texts.iter().any(|other| other.path.starts_with(&folder))
    };
    let faults = rust.iter().filter(has_folder).map(|text| text.path.clone()).collect();
    assert_none(faults, "the file belongs into the folder of its name, as mod.rs:");
}

#[test]
fn the_run_time_takes_from_the_compiler_what_stands_at_the_door_of_schema() {
    let is_free = |text: &&Text| {
        let may = |prefix: &&str| text.path.starts_with(*prefix);
        !text.path.starts_with("src/") || COMPILER_USERS.iter().any(may)
    };
    let texts = texts();
    let held = texts.iter().filter(|text| text.is_rust() && !is_free(text));
    let faults = held.flat_map(|text| {
        let lines = text.text.lines().zip(1..).filter(|(line, _)| line.contains("schema::compiler::"));
        lines.map(|(line, number)| format!("{}:{number}: {}", text.path, line.trim())).collect::<Vec<_>>()
    });
    assert_none(faults.collect(), "say `crate::schema::…`; what is missing there belongs to its door:");
}
