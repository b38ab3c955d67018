//! The lock file: the contract that was last released, as JSON, and the promise to keep it.
//!
//! It lies beside the catalogue as `lock.json`. What breaks somebody is refused against it, unless
//! the catalogue's major version has risen; then a release writes it afresh.

use super::Compiled;
use super::contract::Contract;
use super::diff::{Breaks, diff};
use super::finding::{Finding, Findings, Rule};
use super::model::Place;
use super::source::{Sources, without_mark};
use serde::{Deserialize, Serialize};

/// The name of the file in a catalogue's folder.
pub const FILE_NAME: &str = "lock.json";

/// The version of the file format.
const FORMAT: u32 = 1;

/// The major version of a folder whose `catalogue.toml` says none, or that has no such file.
const MAJOR_UNSAID: u32 = 1;

/// The document; reading borrows nothing of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "format")]
    _format: u32,
    released: Contract,
}

#[derive(Serialize)]
struct DocumentOf<'c> {
    format: u32,
    released: &'c Contract,
}

/// Only the number, which decides how the rest is read.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// The text of the lock file, the same for the same contract.
///
/// # Errors
///
/// None that can happen: a contract is made of strings, numbers and maps by strings.
pub fn write(contract: &Contract) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&DocumentOf { format: FORMAT, released: contract })?;
    text.push('\n');
    Ok(text)
}

/// Reads a lock file; each part has its place in it.
///
/// # Errors
///
/// One finding: it is no lock file, or one of a later format.
pub fn read(path: &str, text: &str) -> Result<Contract, Finding> {
    let text = without_mark(text);
    let unreadable = |error: serde_json::Error| {
        let place = Place { file: path.to_owned(), line: error.line().max(1), column: error.column().max(1) };
        let why = error.to_string();
        let why = why.rfind(" at line ").and_then(|end| why.get(..end)).unwrap_or(&why);
        Finding { place, ..Finding::unreadable(path, &format!("no lock file: {why}; `rte schema lock` writes one")) }
    };
    let Head { format } = serde_json::from_str(text).map_err(unreadable)?;
    if format != FORMAT {
        let why = format!("lock format {format} is unknown; this program reads format {FORMAT}");
        return Err(Finding::unreadable(path, &why));
    }
    let Document { mut released, .. } = serde_json::from_str(text).map_err(unreadable)?;
    let place_of = |indent: usize, name: &str| {
        let start = format!("{:indent$}\"{name}\"", "");
        let line = text.lines().position(|line| line.starts_with(&start)).map_or(1, |line| line + 1);
        Some(Place { file: path.to_owned(), line, column: if line == 1 { 1 } else { indent + 1 } })
    };
    released.place = place_of(4, "version");
    for (name, event) in &mut released.events {
        event.place = place_of(6, name);
    }
    Ok(released)
}

impl Compiled {
    /// Holds the catalogue to what was released: the lock file at `path` with this text, where
    /// there is one.
    ///
    /// # Errors
    ///
    /// All findings, warnings included, sorted by place: a finding `breaking-change` for each
    /// change that breaks somebody while the major version is the released one; or that the lock
    /// file cannot be read.
    pub fn held_to(mut self, path: &str, lock: Option<&str>) -> Result<Compiled, Vec<Finding>> {
        let Some(text) = lock else { return Ok(self) };
        let broken = match read(path, text) {
            Ok(released) => {
                let present = Contract::at(&self.model, path);
                match (released.is_part, present.is_part) {
                    // A file from before the folder had a version of its own is about everything.
                    (false, true) if major(&present.version) <= MAJOR_UNSAID => {
                        broken(&released, &Contract::of(&self.model), path)
                    }
                    (false, true) => Vec::new(),
                    (_, _) => broken(&released, &present, path),
                }
            }
            Err(finding) => vec![finding],
        };
        if broken.is_empty() {
            return Ok(self);
        }
        self.warnings.extend(broken);
        self.warnings.sort();
        Err(self.warnings)
    }
}

/// The promises that are broken.
fn broken(released: &Contract, contract: &Contract, path: &str) -> Vec<Finding> {
    if major(&contract.version) > major(&released.version) {
        return Vec::new();
    }
    let sources = Sources(Vec::new());
    let mut findings = Findings::new(&sources);
    for change in diff(released, contract) {
        if change.breaks() == Breaks::Nobody {
            continue;
        }
        let place = change.place.unwrap_or_else(|| Place { file: path.to_owned(), line: 1, column: 1 });
        let (rule, sentence, whom) = (change.rule.name(), change.sentence, change.rule.breaks().prose());
        let version = &released.version;
        let message = format!(
            "{sentence}, which breaks {whom} of version {version} ({rule}); take it back, or raise the major version"
        );
        findings.report_at(place, Rule::BreakingChange, message);
    }
    findings.into_sorted()
}

/// The first number of a version; 0 where it is none.
fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}
