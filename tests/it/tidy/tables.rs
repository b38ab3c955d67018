//! The tables in the documentation of the crate: the facts that the tests hold the sources to.

use super::root;

/// The cells of each row of the table below `heading` in the documentation of `src/lib.rs`.
pub fn rows(heading: &str) -> Vec<Vec<String>> {
    let lines = section(heading);
    let rows = lines.iter().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect());
    // The first row is the head, the second the rule below it.
    cells.skip(2).collect()
}

/// The words of the list that begins with `start`, below `heading`.
pub fn list(heading: &str, start: &str) -> Vec<String> {
    let paragraph = section(heading).join(" ");
    let (_, list) = paragraph.split_once(start).unwrap_or_else(|| panic!("no list {start:?} below {heading}"));
    let (list, _) = list.split_once('.').expect("a full stop ends the list");
    list.split(',').map(|word| word.trim().to_owned()).collect()
}

/// The names between backticks in a cell, as in "[`hub`], [`api`]".
pub fn code_words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn section(heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("//!")).map(|line| line.trim().to_owned());
    let section = lines.skip_while(|line| line != heading).skip(1);
    let section: Vec<String> = section.take_while(|line| !line.starts_with("# ")).collect();
    assert!(!section.is_empty(), "src/lib.rs has no section {heading}");
    section
}

#[test]
fn the_tables_of_the_crate_are_read() {
    let rooms = rows("# Rooms");
    assert!(rooms.iter().all(|row| row.len() == 3), "{rooms:?}");
    assert_eq!(rooms[0][..2], ["0", "[`limits`], [`clock`], [`entropy`]"].map(str::to_owned), "{rooms:?}");
    assert_eq!(code_words(&rooms[0][1]).collect::<Vec<_>>(), ["limits", "clock", "entropy"]);
}
