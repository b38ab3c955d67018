//! Reads one TOML table: each key is asked for by name, and what nobody asked for is unknown.
//!
//! A reader asks a [`Table`] for its keys and ends with [`Table::finish`], which reports the keys
//! that are missing (one finding per table, because one slip in a table's head makes all of them
//! miss) and the keys that mean nothing.

use super::finding::{Findings, Rule};
use super::names;
use super::source::{At, Located};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value as it was written, with its span.
pub type Written<'d> = Spanned<DeValue<'d>>;

/// One table, while it is read.
pub struct Table<'d, 'f, 's> {
    table: &'d DeTable<'d>,
    file: usize,
    at: At,
    /// What it is, for messages: `event "UserStatus"`.
    subject: String,
    findings: &'f mut Findings<'s>,
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'d, 'f, 's> Table<'d, 'f, 's> {
    /// A table of the file `at.file`, which starts at `at`.
    pub fn new(table: &'d DeTable<'d>, at: At, subject: String, findings: &'f mut Findings<'s>) -> Self {
        Table { table, file: at.file, at, subject, findings, known: Vec::new(), missing: Vec::new() }
    }

    /// Where a value of this file stands.
    pub fn at(&self, node: &Written<'_>) -> At {
        At { file: self.file, offset: node.span().start }
    }

    /// Where the table starts.
    pub fn start(&self) -> At {
        self.at
    }

    /// Notes a finding.
    pub fn report(&mut self, at: At, rule: Rule, message: impl AsRef<str>) {
        self.findings.report(at, rule, message);
    }

    /// The value of a key that may be absent.
    pub fn optional(&mut self, key: &'static str) -> Option<&'d Written<'d>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str) -> Option<&'d Written<'d>> {
        let value = self.optional(key);
        if value.is_none() {
            self.missing.push(key);
        }
        value
    }

    /// Reads a text that must be there.
    pub fn required_text(&mut self, key: &'static str) -> Option<Located<String>> {
        let node = self.required(key)?;
        self.text(key, node)
    }

    /// Reads a text that may be absent.
    pub fn optional_text(&mut self, key: &'static str) -> Option<Located<String>> {
        let node = self.optional(key)?;
        self.text(key, node)
    }

    /// Reads a flag that may be absent.
    pub fn optional_flag(&mut self, key: &'static str) -> Option<Located<bool>> {
        let node = self.optional(key)?;
        let at = self.at(node);
        match node.get_ref().as_bool() {
            Some(value) => Some(Located { value, at }),
            None => self.wrong_type(key, node, "true or false"),
        }
    }

    /// Reads a list of texts that may be absent.
    pub fn optional_texts(&mut self, key: &'static str) -> Vec<Located<String>> {
        self.optional(key).map(|node| self.texts(key, node)).unwrap_or_default()
    }

    /// A value that must be a list of texts.
    pub fn texts(&mut self, key: &str, node: &'d Written<'d>) -> Vec<Located<String>> {
        match node.get_ref().as_array() {
            Some(list) => list.iter().filter_map(|element| self.text(key, element)).collect(),
            None => self.wrong_type(key, node, "a list of strings").unwrap_or_default(),
        }
    }

    /// A value that must be a text.
    pub fn text(&mut self, key: &str, node: &Written<'_>) -> Option<Located<String>> {
        match node.get_ref().as_str() {
            Some(text) => Some(Located { value: text.to_owned(), at: self.at(node) }),
            None => self.wrong_type(key, node, "a string"),
        }
    }

    /// A value that must be an integer of 64 bits.
    pub fn integer(&mut self, key: &str, node: &Written<'_>) -> Option<i64> {
        let Some(integer) = node.get_ref().as_integer() else { return self.wrong_type(key, node, "an integer") };
        let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if value.is_none() {
            let at = self.at(node);
            self.report(at, Rule::BadValue, format!("{integer} is out of range; integers have 64 bits"));
        }
        value
    }

    /// A value that must be a table, to be read as one.
    pub fn nested<'n>(&'n mut self, key: &str, node: &'d Written<'d>, subject: String) -> Option<Table<'d, 'n, 's>> {
        let at = self.at(node);
        match node.get_ref().as_table() {
            Some(table) => Some(Table::new(table, at, subject, self.findings)),
            None => self.wrong_type(key, node, "a table"),
        }
    }

    /// The keys of a table whose keys are names, not words of the format, in the order written.
    pub fn entries(&mut self, key: &str, node: &'d Written<'d>) -> Vec<(Located<String>, &'d Written<'d>)> {
        let Some(table) = node.get_ref().as_table() else {
            return self.wrong_type(key, node, "a table").unwrap_or_default();
        };
        let mut entries: Vec<_> = table
            .iter()
            .map(|(name, value)| {
                let at = At { file: self.file, offset: name.span().start };
                (Located { value: name.get_ref().clone().into_owned(), at }, value)
            })
            .collect();
        entries.sort_by_key(|(name, _)| name.at);
        entries
    }

    /// Reads one of some words.
    pub fn word<T: Copy>(&mut self, key: &str, text: &Located<String>, words: &[(&str, T)]) -> Option<T> {
        let known = words.iter().find(|(word, _)| *word == text.value);
        if known.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let advice = names::advice(&text.value, "known ones", &words);
            self.report(text.at, Rule::BadValue, format!("unknown {key} \"{}\"; {advice}", text.value));
        }
        known.map(|(_, value)| *value)
    }

    /// Reports a value of the wrong type.
    pub fn wrong_type<T>(&mut self, key: &str, node: &Written<'_>, wanted: &str) -> Option<T> {
        let found = match node.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date-time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("\"{key}\" of {} is {found}; write {wanted}", self.subject);
        self.findings.report(self.at(node), Rule::WrongType, message);
        None
    }

    /// Reports what is missing and what is unknown.
    pub fn finish(mut self) {
        for (key, _) in self.table {
            let key_name: &str = key.get_ref();
            if self.known.contains(&key_name) {
                continue;
            }
            let meant = names::nearest(key_name, self.known.iter().copied());
            // A misspelt key is not missing as well.
            self.missing.retain(|missing| Some(*missing) != meant);
            let advice = names::advice(key_name, "known keys", &self.known);
            let at = At { file: self.file, offset: key.span().start };
            self.findings.report(
                at,
                Rule::UnknownKey,
                format!("unknown key \"{key_name}\" in {}; {advice}", self.subject),
            );
        }
        if !self.missing.is_empty() {
            let (keys, them) = (self.missing.join(", "), if self.missing.len() == 1 { "it" } else { "them" });
            self.findings.report(self.at, Rule::MissingKey, format!("{} has no {keys}; add {them}", self.subject));
        }
    }
}
