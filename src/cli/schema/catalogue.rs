//! The catalogue that a command is about: how it is named, read, compiled, and what is told of it.

use super::files;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::schema::compiler::finding::{Finding, Level};
use crate::schema::compiler::{self, Compiled, Options};
use crate::schema::{Catalogue, EventId, WireCase};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

/// Which catalogue a command is about.
#[derive(clap::Args)]
pub(super) struct CatalogueFlags {
    /// A folder of further events on top of the built-in ones; may be repeated
    #[arg(long = "schema-dir", value_name = "DIR")]
    pub(super) schema_dirs: Vec<PathBuf>,
    /// The folders are a whole catalogue, without the built-in one
    #[arg(long, requires = "schema_dirs")]
    pub(super) alone: bool,
    /// The spelling of property names; by default the catalogue's own
    #[arg(long, value_name = "CASE", value_parser = wire_cases())]
    wire_case: Option<WireCase>,
}

impl CatalogueFlags {
    /// Loads it; what is wrong with it has then been told.
    pub(super) fn load(&self, console: &mut Console) -> Result<Catalogue, Failure> {
        let compiled = files::read(&self.schema_dirs, self.alone).and_then(|files| compile(&files, self.wire_case));
        told(compiled, console).map(Catalogue::of).map_err(Failure::Usage)
    }
}

fn wire_cases() -> impl TypedValueParser<Value = WireCase> {
    PossibleValuesParser::new(WireCase::NAMED.map(|(word, _)| word)).try_map(|given| {
        let named = WireCase::NAMED.into_iter().find(|(word, _)| *word == given);
        named.map(|(_, wire_case)| wire_case).ok_or("no such spelling")
    })
}

/// Loads the built-in catalogue with further folders on top. Everything there is to say about their
/// files goes to standard error, in the lines of the build.
///
/// # Errors
/// How many errors there are, as a sentence.
pub(in crate::cli) fn load(
    schema_dirs: &[PathBuf],
    wire_case: Option<WireCase>,
    console: &mut Console,
) -> Result<Catalogue, String> {
    let compiled = files::read(schema_dirs, false).and_then(|files| compile(&files, wire_case));
    told(compiled, console).map(Catalogue::of)
}

/// The catalogue that the folders make now, in the place of the present one.
///
/// # Errors
/// Everything that is wrong with it, a line each; the present one stays.
pub(in crate::cli) fn reload(present: &Catalogue, schema_dirs: &[PathBuf]) -> Result<Catalogue, String> {
    let lines = |findings: Vec<Finding>| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let extra = files::read(schema_dirs, true).map_err(lines)?;
    present.reloaded(&extra).map_err(|refusal| refusal.to_string())
}

pub(super) fn compile(files: &[files::File], wire_case: Option<WireCase>) -> Result<Compiled, Vec<Finding>> {
    // What stands on top of the built-in files is another author's.
    let built_in = files::built_in();
    let has_base = files.len() > built_in.len() && files.starts_with(&built_in);
    compiler::compile(files, Options { wire_case, base_files: if has_base { built_in.len() } else { 0 } })
}

/// Tells all findings on standard error.
pub(super) fn told(compiled: Result<Compiled, Vec<Finding>>, console: &mut Console) -> Result<Compiled, String> {
    for finding in compiler::findings(&compiled) {
        console.note(format_args!("{finding}"));
    }
    compiled.map_err(|findings| format!("the catalogue is not usable: {}", counted(&findings)))
}

/// `1 error, 2 warnings`.
pub(super) fn counted(findings: &[Finding]) -> String {
    let count = |level: Level| {
        let count = findings.iter().filter(|finding| finding.level() == level).count();
        format!("{count} {}{}", level.name(), if count == 1 { "" } else { "s" })
    };
    format!("{}, {}", count(Level::Error), count(Level::Warning))
}

/// The event of that name, in any case.
pub(super) fn find(catalogue: &Catalogue, name: &str) -> Result<EventId, Failure> {
    catalogue.find(name).ok_or_else(|| {
        let near = catalogue.nearest(name);
        let advice = near.map_or("`rte schema list` names all".to_owned(), |near| format!("did you mean {near}?"));
        Failure::Usage(format!("there is no event {name}; {advice}"))
    })
}
