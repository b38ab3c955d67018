//! One panic for a broken invariant, and no others.

use super::modules::library;
use super::{assert_none, source, texts};

/// What ends the program, apart from [`rte::broken::broken()`] and from indices.
const PANICS: [&str; 6] = ["panic!", "unreachable!", "todo!", "unimplemented!", ".expect(", ".unwrap("];

/// The places that do so all the same: file, what it calls, why.
const ALLOWED: [(&str, &str, &str); 5] = [
    ("src/broken.rs", "panic!", "this is the one"),
    ("src/fuzzing/connection.rs", "unreachable!", "a fuzz target panics to report what it found"),
    ("src/fuzzing/key_set.rs", "unreachable!", "a fuzz target panics to report what it found"),
    ("src/fuzzing/http_head.rs", "unreachable!", "a fuzz target panics to report what it found"),
    ("src/shell/entropy.rs", ".expect(", "without randomness no id is a secret; whose fault it is, is not known"),
];

#[test]
fn a_broken_invariant_has_one_way_to_end_the_program() {
    let mut faults = Vec::new();
    let mut met = Vec::new();
    let texts = texts();
    for file in library(&texts).values() {
        let code = source::without_tests(&source::code_only(&file.text));
        for (number, line) in code.lines().enumerate() {
            let found = PANICS.iter().find(|call| line.contains(*call));
            let allowed =
                found.and_then(|call| ALLOWED.iter().find(|(path, what, _)| *path == file.path && what == call));
            met.extend(allowed);
            if let (Some(call), None) = (found, allowed) {
                faults.push(format!("{}:{}: {call}", file.path, number + 1));
            }
        }
    }
    assert_none(faults, "call rte::broken::broken, or say in ALLOWED why not:");
    let stale = ALLOWED.iter().filter(|allowed| !met.contains(allowed));
    assert_none(stale.map(|(path, call, _)| format!("{path}: {call}")).collect(), "these are gone, strike them:");
}
