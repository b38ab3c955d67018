//! Catalogue files: whatever compiles makes documents that are JSON, and the same twice.

use super::transcript::Transcript;
use crate::schema::Catalogue;
use serde::de::IgnoredAny;

/// What the path of a file stands behind, at the start of a line.
const FILE: &str = "### ";

/// An input is files, each behind a line `### PATH`, or one file alone. Findings name a file of
/// them and a place in it. What compiles does so in any order of its files, and the second time
/// with the same documents, each of which is what its media type says.
///
/// # Panics
/// The compiler is wrong.
pub fn schema(data: &[u8], transcript: &mut Transcript<'_>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut files = files(text);
    let outcome = Catalogue::load(&files, None);
    transcript.say(|| match &outcome {
        Ok(catalogue) => format!("{} events, {} warnings", catalogue.events().len(), catalogue.warnings().len()),
        Err(findings) => findings.iter().map(|finding| format!("{finding}\n")).collect(),
    });
    let again = Catalogue::load(&files, None);
    files.reverse();
    assert_eq!(Catalogue::load(&files, None).is_ok(), outcome.is_ok(), "whether it compiles is a matter of order");
    match (outcome, again) {
        (Ok(one), Ok(other)) => {
            same_documents(&one, &other);
            for artefact in one.artefacts() {
                let is_json = artefact.content_type.contains("json");
                let value = serde_json::from_slice::<IgnoredAny>(&artefact.bytes);
                assert!(!is_json || value.is_ok(), "{} is no JSON", artefact.path);
            }
        }
        (Err(findings), Err(_)) => {
            assert!(!findings.is_empty(), "refused without a word");
            for finding in findings {
                // Two files may have one path.
                let of_path = files.iter().filter(|(path, _)| *path == finding.place.file);
                let lines_max = of_path.map(|(_, text)| text.lines().count() + 1).max();
                assert!(lines_max.is_none_or(|most| finding.place.line <= most), "{finding}");
                assert!(finding.place.line > 0 && finding.place.column > 0, "{finding}");
                assert!(!finding.message.contains('\n'), "{finding}");
            }
        }
        (one, other) => {
            assert_eq!(one.is_ok(), other.is_ok(), "not the same twice");
        }
    }
}

fn same_documents(one: &Catalogue, other: &Catalogue) {
    for (one, other) in one.artefacts().zip(other.artefacts()) {
        assert_eq!((&one.path, &one.sha256), (&other.path, &other.sha256), "not the same twice");
    }
    assert_eq!(one.artefacts().len(), other.artefacts().len());
}

fn files(text: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match (line.strip_prefix(FILE), files.last_mut()) {
            (Some(path), _) => files.push((path.trim_end().to_owned(), String::new())),
            (None, Some((_, file))) => file.push_str(line),
            (None, None) => files.push(("schema.d/Fuzz.toml".to_owned(), line.to_owned())),
        }
    }
    files
}
