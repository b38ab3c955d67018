//! The names of a catalogue and what they stand for.

use super::super::finding::{Findings, Rule};
use super::super::source::{At, Located, Sources};
use super::super::syntax::{Declarations, EventDecl, SetDecl, TypeDecl};
use super::super::type_expr::BUILT_IN;
use std::collections::BTreeMap;

/// What a declared name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An event.
    Event,
    /// The helper object with that number.
    Type(usize),
    /// The shared value set with that number.
    Set(usize),
    /// A file that could not be read: whatever refers to it is not judged.
    Unreadable,
}

struct Entry<'d> {
    name: &'d str,
    meaning: Meaning,
}

/// All names of events, types and enums, compared without case. Types and sets are numbered by
/// name.
pub struct Scope<'d> {
    entries: BTreeMap<String, Entry<'d>>,
    /// The events that were not refused as duplicates, in the order of the files.
    pub events: Vec<&'d EventDecl>,
    /// The helper objects, sorted by name.
    pub types: Vec<&'d TypeDecl>,
    /// The shared value sets, sorted by name.
    pub sets: Vec<&'d SetDecl>,
}

impl<'d> Scope<'d> {
    /// Enters all names; a name that is already taken is reported at the later file.
    pub fn new(declarations: &'d Declarations, findings: &mut Findings<'_>) -> Scope<'d> {
        let events = declarations.events.iter().map(|decl| &decl.name);
        let types = declarations.types.iter().map(|decl| &decl.name);
        let sets = declarations.sets.iter().map(|decl| &decl.name);
        let mut names: Vec<&Located<String>> = events.chain(types).chain(sets).collect();
        names.sort_by_key(|name| name.at);
        let mut first: BTreeMap<String, At> = BTreeMap::new();
        for name in names {
            match first.get(&name.value.to_ascii_lowercase()) {
                Some(at) => {
                    let message = defined_twice(&name.value, *at, findings.sources());
                    findings.report(name.at, Rule::DuplicateName, message);
                }
                None => {
                    first.insert(name.value.to_ascii_lowercase(), name.at);
                }
            }
        }

        let is_first = |name: &Located<String>| first.get(&name.value.to_ascii_lowercase()) == Some(&name.at);
        let events: Vec<_> = declarations.events.iter().filter(|decl| is_first(&decl.name)).collect();
        let mut types: Vec<_> = declarations.types.iter().filter(|decl| is_first(&decl.name)).collect();
        let mut sets: Vec<_> = declarations.sets.iter().filter(|decl| is_first(&decl.name)).collect();
        types.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        sets.sort_by(|a, b| a.name.value.cmp(&b.name.value));

        let unreadable = declarations.unreadable.iter().map(|name| (name.as_str(), Meaning::Unreadable));
        let names = unreadable
            .chain(events.iter().map(|decl| (decl.name.value.as_str(), Meaning::Event)))
            .chain(types.iter().enumerate().map(|(index, decl)| (decl.name.value.as_str(), Meaning::Type(index))))
            .chain(sets.iter().enumerate().map(|(index, decl)| (decl.name.value.as_str(), Meaning::Set(index))));
        let entries = names.map(|(name, meaning)| (name.to_ascii_lowercase(), Entry { name, meaning })).collect();
        Scope { entries, events, types, sets }
    }

    /// What exactly this name stands for.
    pub fn look_up(&self, name: &str) -> Option<Meaning> {
        let entry = self.entries.get(&name.to_ascii_lowercase())?;
        // An unreadable file is known by its own name only, whose case may be the fault.
        (entry.name == name || entry.meaning == Meaning::Unreadable).then_some(entry.meaning)
    }

    /// Everything that a property may have for its type.
    pub fn type_names(&self) -> Vec<&str> {
        let types = self.types.iter().map(|decl| decl.name.value.as_str());
        let sets = self.sets.iter().map(|decl| decl.name.value.as_str());
        BUILT_IN.into_iter().chain(types).chain(sets).collect()
    }

    /// The names of all events.
    pub fn event_names(&self) -> Vec<&str> {
        self.events.iter().map(|decl| decl.name.value.as_str()).collect()
    }
}

/// Says that a name is taken, and where.
pub fn defined_twice(name: &str, first: At, sources: &Sources<'_>) -> String {
    let first = sources.place(first);
    let (file, line) = (first.file, first.line);
    format!("\"{name}\" is already defined at {file}:{line} (names are compared without case); rename one")
}
