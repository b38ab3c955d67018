//! Comments are read beside the code, in halves of a screen: they wrap at 100 columns.

use super::{Text, assert_none, texts};

/// A comment that is a line of its own ends before this column.
const COLUMNS: usize = 100;

#[test]
fn comments_wrap_at_100_columns() {
    let texts = texts();
    let is_held = |file: &&Text| file.is_rust();
    let faults = texts.iter().filter(is_held).flat_map(|file| {
        let lines = too_long(&file.text);
        lines.into_iter().map(|number| format!("{}:{number}", file.path)).collect::<Vec<_>>()
    });
    assert_none(faults.collect(), "wrap these comments:");
}

/// Returns the lines, from 1, that are comments and too long. Rows of tables, and what stands in
/// fences, can't be wrapped.
fn too_long(text: &str) -> Vec<usize> {
    let mut is_fenced = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            is_fenced = false;
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        if comment.starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced && !comment.starts_with('|') && line.chars().count() > COLUMNS {
            found.push(number);
        }
    }
    found
}

#[test]
fn a_long_comment_is_found_and_code_is_none() {
    let long = "word ".repeat(25);
    let text =
        format!("/// {long}\n//! | {long}|\nlet a = 1; {long}\n/// ```text\n/// {long}\n/// ```\n    // {long}\n");
    assert_eq!(too_long(&text), [1, 7]);
}
