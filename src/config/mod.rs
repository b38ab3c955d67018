//! The configuration: from what the operator gives to what each room wants, checked.
//!
//! Three layers, the later over the earlier: the file `rte.toml`, the environment, flags. Every key
//! that holds a plain value or a list of strings has one variable, `RTE_` and its path in upper
//! case with `_` for `.`: `server.listen` is `RTE_SERVER_LISTEN`, `auth.claims.user` is
//! `RTE_AUTH_CLAIMS_USER`. A list is separated by commas. An empty variable counts as not given.
//! The same keys are set by the flag `--set KEY=VALUE`.
//!
//! What may be typed stands in `raw`, whose JSON Schema drives the check of the typed tree, the
//! environment and the reference. [`Config::load`] tells all errors at once, each with its place,
//! and no secret.

mod check;
mod checked;
mod checker;
mod error;
pub(crate) mod file;
mod keys;
mod load;
mod machine;
mod raw;
mod redis;
mod schema;
mod setting;
mod tree;
mod warning;

pub use checked::{Changes, Config, KeySources};
pub use error::{ConfigError, ConfigErrors};
pub use machine::Machine;
pub(crate) use machine::unwritten;
pub use setting::Setting;
pub use warning::{ROWS as WARNINGS, Row, Warning, warnings};

use crate::bom;
use crate::schema::names;
use crate::schema::{Catalogue, EventId};
use crate::shell;
use checker::Checker;
use raw::Raw;
use std::io;
use std::path::{Path, PathBuf};
use tree::Tree;

/// The file that is read where none is named, if it is there.
pub(crate) const FILE_DEFAULT: &str = "rte.toml";
/// The environment variable that names the file.
pub(crate) const FILE_VARIABLE: &str = "RTE_CONFIG";
/// Environment variables that start with `RTE_` and are no keys: they belong to the commands.
const OTHER_VARIABLES: [&str; 2] = [FILE_VARIABLE, "RTE_TOKEN"];
/// The flags that set configuration; commands flatten them into their own.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Flags {
    /// The configuration; without it RTE_CONFIG, or rte.toml if there is one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets any key of the configuration, `--set server.listen=0.0.0.0:8080`; over the environment,
    /// over the file
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// A folder of further events, instead of `catalogue.schema_dirs`; may be repeated
    #[arg(long = "schema-dir", value_name = "DIR")]
    pub(crate) schema_dirs: Vec<PathBuf>,
}

/// Everything that a configuration is made of.
pub struct Sources<'s> {
    /// The file's path and text.
    pub file: Option<(PathBuf, String)>,
    /// The environment.
    pub variables: Vec<(String, String)>,
    /// What is set over both, in order.
    pub settings: Vec<Setting>,
    /// Reads a key's file.
    pub read: &'s dyn Fn(&Path) -> io::Result<String>,
}

/// The environment of this process; what is no UTF-8 is none of ours.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Config {
    /// Makes a configuration of its layers.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn from_sources(sources: Sources<'_>) -> Result<Config, ConfigErrors> {
        let schema = Config::json_schema();
        let (name, text) = match &sources.file {
            Some((path, text)) => (path.display().to_string(), bom::behind(text)),
            None => ("configuration".to_owned(), ""),
        };
        let mut tree = Tree::parse(&name, text);
        if !tree.is_good() {
            return Err(ConfigErrors(tree.into_errors()));
        }
        let mut warnings = Vec::new();
        for setting in from_environment(&schema, &sources.variables, &mut warnings).iter().chain(&sources.settings) {
            tree.set(&schema, setting);
        }
        tree.check(&schema);
        if !tree.is_good() {
            return Err(ConfigErrors(tree.into_errors()));
        }
        // The tree fits the schema, which was made from the types.
        let raw = match serde_json::from_value::<Raw>(tree.json()) {
            Ok(raw) => raw,
            Err(error) => return Err(ConfigErrors(vec![ConfigError { place: name, message: error.to_string() }])),
        };
        let folder = sources.file.as_ref().and_then(|(path, _)| path.parent());
        let mut checker = Checker { tree, folder, read: sources.read, key_sources: KeySources::default() };
        let checked = checker.config(raw, warnings);
        match checked {
            Some(config) if checker.tree.is_good() => Ok(Config { file: sources.file.map(|(path, _)| path), ..config }),
            Some(_) | None => Err(ConfigErrors(checker.tree.into_errors())),
        }
    }

    /// The JSON Schema of `rte.toml`, for editors.
    pub(crate) fn json_schema() -> serde_json::Value {
        let settings =
            schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        settings.into_generator().into_root_schema_for::<Raw>().to_value()
    }

    /// Returns all keys of `rte.toml`, each with its default, as code where there is one, and its
    /// meaning.
    pub fn reference() -> Vec<[String; 3]> {
        schema::reference(&Config::json_schema())
    }

    /// The derived events that are switched off.
    ///
    /// # Errors
    /// The names under `[derive]` that this catalogue does not derive, each in a sentence with the
    /// nearest one that it does.
    pub fn not_derived(&self, catalogue: &Catalogue) -> Result<Vec<EventId>, String> {
        let derived = || catalogue.events().filter(|(_, event)| event.derive.is_some());
        let (mut off, mut unknown) = (Vec::new(), Vec::new());
        for (name, is_on) in &self.derive {
            match derived().find(|(_, event)| event.name.eq_ignore_ascii_case(name)) {
                Some((id, _)) if !is_on => off.push(id),
                Some(_) => {}
                None => {
                    let near = names::hint(name, derived().map(|(_, event)| event.name.as_str()), "`");
                    unknown.push(format!("[derive] names `{name}`, which is no derived event{near}"));
                }
            }
        }
        if unknown.is_empty() { Ok(off) } else { Err(unknown.join("\n")) }
    }

    /// What the shell is started with, and the catalogue that this configuration names.
    ///
    /// # Errors
    /// As [`Config::not_derived`].
    pub(crate) fn into_shell(mut self, catalogue: Catalogue) -> Result<shell::Options, String> {
        self.hub.publish.not_derived = self.not_derived(&catalogue)?;
        let Config {
            listen,
            internal,
            tls,
            threads,
            log,
            log_level,
            hub,
            mut limits,
            journal,
            backplane,
            journal_left,
            verifier,
            settings,
            ..
        } = self;
        limits.memory_bytes_max = machine::memory_bytes_max(&limits, machine::memory_bytes());
        let notes = Vec::new();
        Ok(shell::Options {
            listen,
            internal,
            tls,
            threads,
            hub,
            limits,
            journal,
            backplane,
            journal_left,
            verifier,
            catalogue,
            settings,
            log,
            log_level,
            notes,
        })
    }
}

/// The settings that the environment holds. A variable that looks like ours and is none is a
/// warning, no error: container platforms put such ones there (`RTE_SERVICE_HOST`).
fn from_environment(
    schema: &serde_json::Value,
    variables: &[(String, String)],
    warnings: &mut Vec<String>,
) -> Vec<Setting> {
    let leaves = schema::leaves(schema);
    let known: Vec<(String, &str)> =
        leaves.iter().filter_map(|leaf| Some((leaf.variable()?, leaf.path.as_str()))).collect();
    let mut settings = Vec::new();
    for (name, text) in variables {
        if !name.starts_with("RTE_") || OTHER_VARIABLES.contains(&name.as_str()) || text.is_empty() {
            continue;
        }
        match known.iter().find(|(variable, _)| variable == name) {
            Some((_, path)) => {
                settings.push(Setting { key: (*path).to_owned(), text: text.clone(), origin: name.clone() });
            }
            None => {
                let near = names::hint(name, known.iter().map(|(variable, _)| variable.as_str()), "");
                warnings.push(format!("{name}: no key has this variable{near}"));
            }
        }
    }
    settings
}

#[cfg(test)]
mod tests;
