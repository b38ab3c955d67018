//! The manual's table of limits against the limits themselves.

use super::{assert_none, root};
use rte::limits::Limits;

#[test]
fn the_manual_lists_every_limit_with_its_default() {
    let page = std::fs::read_to_string(root().join("src/guide/reference.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.trim_start().starts_with('|')).collect();
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
    assert_none(faults, "the table of limits in src/guide/reference.md:");
}

/// The names and defaults of the limits, read from their `Debug` form so that none can be left out.
pub(super) fn limits() -> Vec<(String, u64)> {
    let printed = format!("{:?}", Limits::DEFAULT);
    let fields = printed.trim_start_matches("Limits {").trim_end_matches('}');
    let pairs = fields.split(',').map(|field| field.split_once(':').unwrap());
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().parse().unwrap())).collect()
}

/// The ways in which a table may write a limit: the number itself, with its thousands apart, or in
/// a larger unit.
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
    assert!(limits.contains(&("head_bytes_max".to_owned(), 32_768)), "{limits:?}");
    assert_eq!(spellings("items_bytes_max", 8192), ["8192", "8,192", "8_192", "8 192", "8192 B", "8 KiB"]);
    assert_eq!(spellings("idle_ms", 1500), ["1500", "1,500", "1_500", "1 500", "1500 ms"]);
}
