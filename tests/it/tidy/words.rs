//! The names of types: one word, one meaning.

use super::{Text, assert_none, source, tables, texts};
use std::collections::BTreeMap;

/// A type where it is declared.
struct Declared {
    name: String,
    place: String,
}

/// Every struct, enum, trait, type alias and union of a file, those of traits and functions
/// included.
fn types(file: &Text) -> Vec<Declared> {
    let code = source::code_only(&file.text);
    let mut types = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        for pair in words.windows(2) {
            if let ["struct" | "enum" | "trait" | "type" | "union", name] = pair {
                types.push(Declared { name: (*name).to_owned(), place: format!("{}:{}", file.path, number + 1) });
            }
        }
    }
    types
}

#[test]
fn type_names_have_no_empty_words() {
    let empty = tables::list("# Words", "Not in the name of a type:");
    assert!(empty.iter().any(|word| word == "Manager"), "{empty:?}");
    let mut faults = Vec::new();
    for file in texts().iter().filter(|file| file.is_rust()) {
        for Declared { name, place } in types(file) {
            let Some(word) = camel_words(&name).find(|word| empty.iter().any(|empty| empty == word)) else { continue };
            faults.push(format!("{place}: {name} ({word})"));
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
fn a_word_of_the_crate_is_the_name_of_one_type_at_most() {
    let rows = tables::rows("# Words");
    let words: Vec<&str> = rows
        .iter()
        .flat_map(|row| row[0].split(',').map(str::trim))
        .filter(|word| word.starts_with(|c: char| c.is_uppercase()))
        .collect();
    assert!(["Event", "EventId", "Topic", "Answer"].iter().all(|word| words.contains(word)), "{words:?}");
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in texts().iter().filter(|file| file.is_rust() && file.path.starts_with("src/")) {
        for Declared { name, place } in types(file).into_iter().filter(|declared| words.contains(&&*declared.name)) {
            places.entry(name).or_default().push(place);
        }
    }
    places.retain(|_, places| places.len() > 1);
    let faults = places.iter().map(|(word, places)| format!("{word}: {}", places.join(", "))).collect();
    assert_none(faults, "call all but one of them something else:");
}
