//! Findings and changes for people, for programs and for the annotations of GitHub.

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::schema::Place;
use crate::schema::compiler::diff::{Breaks, Change, verdict};
use crate::schema::compiler::finding::Finding;
use clap::ValueEnum;
use serde::Serialize;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line each, as the build has it
    Human,
    /// One JSON document
    Json,
    /// Workflow commands, which GitHub shows beside the line
    Github,
}

#[derive(Serialize)]
struct JsonFinding<'f> {
    file: &'f str,
    line: usize,
    column: usize,
    level: &'f str,
    rule: &'f str,
    message: &'f str,
}

#[derive(Serialize)]
struct JsonChanges<'c> {
    breaks: &'c str,
    changes: Vec<JsonChange<'c>>,
}

#[derive(Serialize)]
struct JsonChange<'c> {
    rule: &'c str,
    breaks: &'c str,
    subject: &'c str,
    message: &'c str,
    file: Option<&'c str>,
    line: Option<usize>,
    column: Option<usize>,
}

/// Writes findings.
///
/// # Errors
/// As [`Console::line`].
pub(crate) fn findings(findings: &[Finding], format: Format, console: &mut Console) -> Result<(), Failure> {
    match format {
        Format::Human => findings.iter().try_for_each(|finding| console.line(format_args!("{finding}"))),
        Format::Json => {
            let json = findings.iter().map(|finding| JsonFinding {
                file: &finding.place.file,
                line: finding.place.line,
                column: finding.place.column,
                level: finding.level().name(),
                rule: finding.rule.name(),
                message: &finding.message,
            });
            document(&json.collect::<Vec<_>>(), console)
        }
        Format::Github => findings.iter().try_for_each(|finding| {
            let (level, rule) = (finding.level().name(), finding.rule.name());
            console.line(format_args!("{}", annotation(level, Some(&finding.place), rule, &finding.message)))
        }),
    }
}

/// Writes changes.
///
/// # Errors
/// As [`Console::line`].
pub(crate) fn changes(changes: &[Change], format: Format, console: &mut Console) -> Result<(), Failure> {
    let breaks = |change: &Change| change.breaks().prose();
    match format {
        Format::Human => changes.iter().try_for_each(|change| {
            let place = change.place.as_ref().map_or(String::new(), |place| format!("{place}: "));
            console.line(format_args!("{place}{}: {}; breaks {}", change.rule.name(), change.sentence, breaks(change)))
        }),
        Format::Json => {
            let json = changes.iter().map(|change| JsonChange {
                rule: change.rule.name(),
                breaks: change.breaks().name(),
                subject: &change.subject,
                message: &change.sentence,
                file: change.place.as_ref().map(|place| place.file.as_str()),
                line: change.place.as_ref().map(|place| place.line),
                column: change.place.as_ref().map(|place| place.column),
            });
            document(&JsonChanges { breaks: verdict(changes).name(), changes: json.collect() }, console)
        }
        Format::Github => changes.iter().try_for_each(|change| {
            let level = if change.breaks() == Breaks::Nobody { "notice" } else { "error" };
            let message = format!("{}; breaks {}", change.sentence, breaks(change));
            console.line(format_args!("{}", annotation(level, change.place.as_ref(), change.rule.name(), &message)))
        }),
    }
}

/// Writes a JSON document.
///
/// # Errors
/// As [`Console::line`].
pub(crate) fn document(value: &impl Serialize, console: &mut Console) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Refused(error.to_string()))?;
    console.line(format_args!("{text}"))
}

/// A workflow command (GitHub Actions: "Setting an error message").
fn annotation(level: &str, place: Option<&Place>, rule: &str, message: &str) -> String {
    let place = place.map_or(String::new(), |Place { file, line, column }| {
        format!("file={},line={line},col={column},", escaped(file, &[(':', "%3A"), (',', "%2C")]))
    });
    format!("::{level} {place}title={rule}::{}", escaped(message, &[]))
}

/// Escapes what would end a line, and what would end a property.
fn escaped(text: &str, more: &[(char, &str)]) -> String {
    let escapes = [('%', "%25"), ('\r', "%0D"), ('\n', "%0A")];
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match escapes.iter().chain(more).find(|(escaped, _)| *escaped == letter) {
            Some((_, escape)) => out.push_str(escape),
            None => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_cannot_be_broken_by_what_it_quotes() {
        let place = Place { file: "a,b:100%.toml".to_owned(), line: 3, column: 7 };
        assert_eq!(
            annotation("error", Some(&place), "toml", "50%\n::error::x"),
            "::error file=a%2Cb%3A100%25.toml,line=3,col=7,title=toml::50%25%0A::error::x"
        );
        assert_eq!(annotation("notice", None, "EVENT_ADDED", "x"), "::notice title=EVENT_ADDED::x");
    }
}
