//! What the compiler has to say about a catalogue: findings, each under one named rule.

use super::model::Place;
use super::source::{At, Sources};
use std::fmt;

/// Whether a catalogue with the finding is still usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The catalogue is refused.
    Error,
    /// The catalogue is taken; the finding can be allowed in the file where it is meant.
    Warning,
}

impl Level {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
        }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $name:literal, $level:ident;)+) => {
        /// Every rule that a catalogue is held to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)+
        }

        impl Rule {
            /// All rules, in the order of the compiler's passes.
            pub const ALL: &'static [Rule] = &[$(Rule::$rule,)+];

            /// The name by which messages and `allow` call the rule.
            pub fn name(self) -> &'static str {
                match self {
                    $(Rule::$rule => $name,)+
                }
            }

            /// Whether breaking the rule refuses the catalogue.
            pub fn level(self) -> Level {
                match self {
                    $(Rule::$rule => Level::$level,)+
                }
            }
        }
    };
}

rules! {
    /// A file or folder cannot be read.
    Unreadable = "unreadable", Error;
    /// A file is not TOML 1.0.
    Toml = "toml", Error;
    /// A table has a key that means nothing there.
    UnknownKey = "unknown-key", Error;
    /// A table lacks a key that it needs.
    MissingKey = "missing-key", Error;
    /// A key holds another type of TOML value than it should.
    WrongType = "wrong-type", Error;
    /// A key holds a value outside what it may hold.
    BadValue = "bad-value", Error;
    /// A name is not made of ASCII letters and digits, or is taken.
    BadName = "bad-name", Error;
    /// A file is not called what it declares.
    NameMismatch = "name-mismatch", Error;
    /// Two events, types or enums have one name, compared without case.
    DuplicateName = "duplicate-name", Error;
    /// An event names a family that nobody declares.
    UnknownFamily = "unknown-family", Error;
    /// A property has a type that nobody declares.
    UnknownType = "unknown-type", Error;
    /// A property's type is not well formed.
    BadType = "bad-type", Error;
    /// A helper type contains itself.
    TypeCycle = "type-cycle", Error;
    /// A key of an event names a property that the event does not have.
    UnknownProperty = "unknown-property", Error;
    /// The entity of an event is no GUID.
    EntityType = "entity-type", Error;
    /// The entity of an event may be null.
    EntityNullable = "entity-nullable", Error;
    /// Two properties of one object have one name, compared without case.
    DuplicateProperty = "duplicate-property", Error;
    /// A list has values; only scalars have.
    ValuesOfList = "values-of-list", Error;
    /// A value does not fit the type of its property or enum.
    ValueType = "value-type", Error;
    /// A value stands twice in one set.
    DuplicateValue = "duplicate-value", Error;
    /// `open` is said where no values are.
    OpenWithoutValues = "open-without-values", Error;
    /// `expires` names a property that is no DateTime.
    NotADate = "not-a-date", Error;
    /// An occurrence has a `[state]` table.
    StateOfOccurrence = "state-of-occurrence", Error;
    /// A key of a state, or what names a call or its leg, is no GUID or string, or may be missing.
    KeyType = "key-type", Error;
    /// A state has a `[call]` table.
    CallOfState = "call-of-state", Error;
    /// A derived event names a source that cannot be one.
    DeriveSource = "derive-source", Error;
    /// A derived event's properties are not its source's plus the ones set.
    DeriveProperties = "derive-properties", Error;
    /// The source of a derived event is derived itself, and another author's.
    DeriveChain = "derive-chain", Warning;
    /// A derived event lacks a property of its source, which is another author's.
    DeriveLacks = "derive-lacks", Warning;
    /// An example is no JSON.
    ExampleJson = "example-json", Error;
    /// An example is refused by the validator.
    ExampleInvalid = "example-invalid", Error;
    /// A change breaks whom the released catalogue serves, and the major version has not risen.
    BreakingChange = "breaking-change", Error;
    /// Of the events of a family, some are about calls, and none begins or none ends one.
    CallIncomplete = "call-incomplete", Warning;
    /// An event has no example.
    NoExample = "no-example", Warning;
    /// An event, type, enum or property has no text.
    NoDoc = "no-doc", Warning;
    /// A type or enum that no property has.
    UnusedType = "unused-type", Warning;
    /// Two properties of the catalogue differ only in case.
    SimilarName = "similar-name", Warning;
}

/// One thing to say about a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// The rule that it falls under; the level is the rule's.
    pub rule: Rule,
    /// What is wrong; what to do. One line.
    pub message: String,
}

impl Finding {
    /// A finding about a whole file or folder that could not be read.
    pub fn unreadable(path: &str, why: &str) -> Finding {
        let place = Place { file: path.to_owned(), line: 1, column: 1 };
        Finding { place, rule: Rule::Unreadable, message: one_line(why) }
    }

    /// The rule's level.
    pub fn level(&self) -> Level {
        self.rule.level()
    }

    /// The line by which a build script tells Cargo, which puts the word "error" or "warning"
    /// before it by itself.
    pub fn cargo_directive(&self) -> String {
        format!("cargo::{}={}: [{}] {}", self.level().name(), self.place, self.rule.name(), self.message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}[{}]: {}", self.place, self.level().name(), self.rule.name(), self.message)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The findings of one compilation, while it goes on.
#[derive(Debug)]
pub struct Findings<'a> {
    sources: &'a Sources<'a>,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// None yet.
    pub fn new(sources: &'a Sources<'a>) -> Findings<'a> {
        Findings { sources, list: Vec::new() }
    }

    /// The files that the findings are about.
    pub fn sources(&self) -> &'a Sources<'a> {
        self.sources
    }

    /// Notes a finding.
    pub fn report(&mut self, at: At, rule: Rule, message: impl AsRef<str>) {
        self.report_at(self.sources.place(at), rule, message);
    }

    /// Notes a finding at a place that is already resolved.
    pub fn report_at(&mut self, place: Place, rule: Rule, message: impl AsRef<str>) {
        self.list.push(Finding { place, rule, message: one_line(message.as_ref()) });
    }

    /// Whether the catalogue is refused already.
    pub fn any_error(&self) -> bool {
        self.list.iter().any(|finding| finding.level() == Level::Error)
    }

    /// All of them, sorted by place.
    pub fn into_sorted(mut self) -> Vec<Finding> {
        self.list.sort();
        self.list.dedup();
        self.list
    }
}

/// A message that quotes a file may quote a line break; a finding is one line for the tools that
/// read it.
fn one_line(message: &str) -> String {
    message.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: Rule) -> Finding {
        let place = Place { file: "schema/A.toml".into(), line: 3, column: 7 };
        Finding { place, rule, message: one_line("what is wrong;\nwhat to do\n") }
    }

    #[test]
    fn a_finding_is_one_line_with_place_level_and_rule() {
        let shown = finding(Rule::UnknownType).to_string();
        assert_eq!(shown, "schema/A.toml:3:7: error[unknown-type]: what is wrong; what to do");
        let shown = finding(Rule::NoDoc).to_string();
        assert_eq!(shown, "schema/A.toml:3:7: warning[no-doc]: what is wrong; what to do");
    }

    #[test]
    fn cargo_adds_the_word_error_so_the_directive_says_it_once() {
        let line = finding(Rule::UnknownType).cargo_directive();
        assert_eq!(line, "cargo::error=schema/A.toml:3:7: [unknown-type] what is wrong; what to do");
    }

    #[test]
    fn rule_names_are_unique() {
        let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}
