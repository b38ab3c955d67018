//! No circle of imports between the files of `src/`: a file can be read after those that it
//! imports.

use super::modules::{absolute, library};
use super::source::{self, CodePath};
use super::{Text, assert_none, texts};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn no_files_import_each_other_in_a_circle() {
    let texts = texts();
    let imports = Modules { files: library(&texts) }.imports();
    let circles = circles(&imports);
    let faults = circles.iter().map(|circle| picture(circle, &imports)).collect();
    assert_none(faults, "move what both need to a file of its own:");
}

/// A line for each file of a circle, with those of the circle that it imports.
fn picture(circle: &[&str], imports: &BTreeMap<&str, Vec<&str>>) -> String {
    let line = |file: &&str| {
        let others: Vec<&str> = imports[file].iter().copied().filter(|other| circle.contains(other)).collect();
        format!("{file} imports {}", others.join(", "))
    };
    circle.iter().map(line).collect::<Vec<_>>().join("\n    ")
}

/// The files that reach each other, a circle each, in the order of their paths.
fn circles<'f>(imports: &BTreeMap<&'f str, Vec<&'f str>>) -> Vec<Vec<&'f str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (*file, reached_from(file, imports))).collect();
    let mut circles: Vec<Vec<&str>> = Vec::new();
    for (file, others) in &reached {
        if others.contains(file) && !circles.iter().any(|circle| circle.contains(file)) {
            circles.push(others.iter().copied().filter(|other| reached[other].contains(file)).collect());
        }
    }
    circles
}

/// Every file that `file` imports, and those that they import; `file` itself only if it is in a
/// circle.
fn reached_from<'f>(file: &str, imports: &BTreeMap<&'f str, Vec<&'f str>>) -> BTreeSet<&'f str> {
    let mut reached = BTreeSet::new();
    let mut open = imports[file].clone();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(&imports[next]);
        }
    }
    reached
}

#[test]
fn a_circle_is_found_whole_and_what_only_leads_to_it_is_not_in_it() {
    let imports = BTreeMap::from([
        ("a", vec!["b"]),
        ("b", vec!["c"]),
        ("c", vec!["d", "b"]),
        ("d", vec!["b", "e"]),
        ("e", vec![]),
        ("f", vec!["g"]),
        ("g", vec!["f"]),
    ]);
    assert_eq!(circles(&imports), [vec!["b", "c", "d"], vec!["f", "g"]]);
}

/// The files of the library by their modules.
struct Modules<'t> {
    files: BTreeMap<Vec<&'t str>, &'t Text>,
}

impl<'t> Modules<'t> {
    /// The file that `segments` lead to: that of the deepest module on the way.
    fn file_at(&self, segments: &[&str]) -> Option<&'t Text> {
        (0..=segments.len()).rev().find_map(|length| self.files.get(&segments[..length]).copied())
    }

    /// The files that each file imports, both by their paths. A declaration (`mod x;`) is no
    /// import.
    fn imports(&self) -> BTreeMap<&'t str, Vec<&'t str>> {
        let imports = self.files.iter().map(|(module, file)| {
            let code = source::without_tests(&source::code_only(&file.text));
            let paths = source::paths(&code);
            let targets = paths.iter().filter_map(|path| {
                let absolute = absolute(module, path).or_else(|| self.in_child(module, path))?;
                self.file_at(&absolute).map(|target| &*target.path)
            });
            let mut targets: Vec<&str> = targets.filter(|target| *target != file.path).collect();
            targets.sort_unstable();
            targets.dedup();
            (&*file.path, targets)
        });
        imports.collect()
    }

    /// `path` from the root, where its first segment is a module below `module`.
    fn in_child<'p>(&self, module: &[&'p str], path: &'p CodePath) -> Option<Vec<&'p str>> {
        let child = [module, &[&*path.segments[0]]].concat();
        let is_module = path.inline_depth == 0 && self.files.contains_key(&child);
        is_module.then(|| module.iter().copied().chain(path.segments.iter().map(String::as_str)).collect())
    }
}
