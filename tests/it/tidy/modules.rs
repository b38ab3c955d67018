//! Module paths of files, and what a path in the code names from the root of the crate.

use super::Text;
use super::source::{self, CodePath};
use std::collections::BTreeMap;

/// The module of a file of `src/`: nothing for `lib.rs`, `hub` and `topic` for `src/hub/topic.rs`.
pub fn module_of(file: &Text) -> Option<Vec<&str>> {
    let module = file.path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let module = module.trim_end_matches("/mod");
    Some(if module == "lib" { Vec::new() } else { module.split('/').collect() })
}

/// The segments of `path` from the root of the crate, where it starts with `crate`, `rte`, `self`
/// or `super`.
pub fn absolute<'p>(module: &[&'p str], path: &'p CodePath) -> Option<Vec<&'p str>> {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    match segments[0] {
        "crate" | "rte" => Some(segments[1..].to_vec()),
        "self" | "super" => {
            let named = segments.iter().take_while(|segment| **segment == "self").count();
            let supers = segments[named..].iter().take_while(|segment| **segment == "super").count();
            let rest = &segments[named + supers..];
            // The names of inline modules are of no interest: what they hold is in this file.
            let Some(above) = supers.checked_sub(path.inline_depth) else { return Some(module.to_vec()) };
            let parent = &module[..module.len().checked_sub(above)?];
            Some([parent, rest].concat())
        }
        _ => None,
    }
}

/// The files of the library by their modules, without those that are compiled for tests only.
pub fn library(texts: &[Text]) -> BTreeMap<Vec<&str>, &Text> {
    let mut files: BTreeMap<Vec<&str>, &Text> = texts
        .iter()
        .filter(|file| file.is_rust() && !file.is_tests() && file.path != "src/main.rs")
        .filter_map(|file| Some((module_of(file)?, file)))
        .collect();
    let tests: Vec<Vec<String>> = files.iter().flat_map(|(module, file)| test_modules(module, file)).collect();
    let is_below =
        |module: &[&str], test: &[String]| module.len() >= test.len() && module.iter().zip(test).all(|(a, b)| a == b);
    files.retain(|module, _| !tests.iter().any(|test| is_below(module, test)));
    files
}

/// The modules that a file declares for tests only.
fn test_modules(module: &[&str], file: &Text) -> Vec<Vec<String>> {
    let code = source::code_only(&file.text);
    let words: Vec<&str> = code.split_whitespace().collect();
    let declared = words.windows(4).filter_map(|window| {
        let [attribute, a, b, c] = window else { return None };
        match (*attribute, *a, *b) {
            ("#[cfg(test)]", "mod", name) => name.strip_suffix(';'),
            ("#[cfg(test)]", _, "mod") => c.strip_suffix(';'),
            _ => None,
        }
    });
    declared.map(|name| module.iter().copied().chain([name]).map(str::to_owned).collect()).collect()
}
