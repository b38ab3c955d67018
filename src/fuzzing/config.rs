//! `rte.toml`: errors have a place, and what is accepted is the same when it is written anew.

use super::transcript::Transcript;
use crate::config::{Config, Sources};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "rte.toml";
const SECRET: &str = "a secret of the fuzz targets: 32 bytes";

/// A configuration is refused with errors, each at a line of the file or naming a key. One that is
/// accepted shows no secret, and comes to the same settings when these are written as a file.
///
/// # Panics
/// The reader or the checks are wrong.
pub fn config(data: &[u8], transcript: &mut Transcript<'_>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let outcome = load(text);
    transcript.say(|| match &outcome {
        Ok(config) => format!("{config:#?}"),
        Err(errors) => errors.clone(),
    });
    match outcome {
        Ok(config) => {
            let shown = format!("{config:?}");
            assert!(!shown.contains(SECRET), "a secret is shown");
            let mut again = String::new();
            tables("", &config.settings, &mut again);
            // Where a key of its own has a secret, no value of it is kept, nor can it be written.
            if config.key_sources.is_in_config {
                return;
            }
            match load(&again) {
                Ok(same) => assert_eq!(same.settings, config.settings, "{again}"),
                Err(errors) => assert_eq!(errors, "", "{again}"),
            }
        }
        Err(errors) => {
            let lines = text.split('\n').count();
            assert!(!errors.is_empty() && !errors.contains(SECRET));
            // What is missing as a whole has no line.
            let places = errors.lines().filter_map(|line| line.strip_prefix("rte.toml:"));
            for place in places.filter(|place| !place.starts_with(' ')) {
                let line = place.split(':').next().and_then(|line| line.parse::<usize>().ok());
                assert!(line.is_some_and(|line| line >= 1 && line <= lines), "{errors}");
            }
        }
    }
}

/// The files that keys name hold a secret, or are not there.
fn load(text: &str) -> Result<Config, String> {
    let read = |path: &Path| match path.extension() {
        Some(_) => Err(io::Error::from(io::ErrorKind::NotFound)),
        None => Ok(SECRET.to_owned()),
    };
    let file = Some((PathBuf::from(FILE), text.to_owned()));
    let sources = Sources { file, variables: Vec::new(), settings: Vec::new(), read: &read };
    Config::from_sources(sources).map_err(|errors| errors.to_string())
}

/// Writes an object as TOML, one line for each value that is no object.
fn tables(path: &str, value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = quoted(name);
                tables(&if path.is_empty() { name } else { format!("{path}.{name}") }, member, out);
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            out.push_str(&format!("{path} = {}\n", inline(value)));
        }
    }
}

fn inline(value: &Value) -> String {
    let all = |texts: Vec<String>| texts.join(", ");
    match value {
        Value::String(text) => quoted(text),
        Value::Array(list) => format!("[{}]", all(list.iter().map(inline).collect())),
        Value::Object(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_null());
            format!(
                "{{ {} }}",
                all(members.map(|(name, member)| format!("{} = {}", quoted(name), inline(member))).collect())
            )
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A basic string of TOML; JSON's escapes are its own, but for the one that JSON leaves out.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
