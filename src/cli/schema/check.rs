//! `rte schema check`: what the build would say.

use super::catalogue::{compile, counted};
use super::files::{self, FOLDER_DEFAULT};
use super::format::{self, Format};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::schema::compiler::finding::Finding;
use crate::schema::compiler::{self, Compiled};
use std::path::PathBuf;

const LONG: &str = "\
Checks the files of a catalogue as the build and `rte serve --schema-dir` do: every error of every file, each on a line \
FILE:LINE:COLUMN: error[RULE]: what is wrong; what to do. The folders go on top of the built-in catalogue, or make up a whole one \
with --alone. A lock.json in a folder is held to: a change that breaks somebody is an error, unless the major version rose.

Without a folder it is the catalogue of the working directory, ./schema, where there is one; else the built-in one.
Warnings are told and do not count. Exit code 1: there are errors.

Examples:
  rte schema check /etc/rte/schema.d
  rte schema check --alone schema --format github";

/// Checks catalogue files.
#[derive(clap::Args)]
#[command(about = "Check catalogue files as the build does", long_about = LONG)]
pub(crate) struct Args {
    /// Folders of events
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The same, as `rte serve` has it
    #[arg(long = "schema-dir", value_name = "DIR")]
    schema_dirs: Vec<PathBuf>,
    /// The folders are a whole catalogue, without the built-in one
    #[arg(long)]
    alone: bool,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Writes all findings.
///
/// # Errors
/// [`Failure::Refused`] where there are errors, [`Failure::Usage`] where there is nothing to check.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let mut folders: Vec<PathBuf> = args.folders.iter().chain(&args.schema_dirs).cloned().collect();
    let mut alone = args.alone;
    if folders.is_empty() {
        if files::is_in_repository() {
            folders.push(PathBuf::from(FOLDER_DEFAULT));
            alone = true;
        } else if alone {
            return Err(Failure::Usage("--alone needs a folder: here is no schema/catalogue.toml".to_owned()));
        }
    }
    let checked = check(&folders, alone);
    let findings = compiler::findings(&checked);
    format::findings(findings, args.format, console)?;
    match &checked {
        Ok(Compiled { model, .. }) => {
            console.note(format_args!("{} events, {}", model.events.len(), counted(findings)));
            Ok(())
        }
        Err(findings) => Err(Failure::Refused(counted(findings))),
    }
}

fn check(folders: &[PathBuf], alone: bool) -> Result<Compiled, Vec<Finding>> {
    let mut compiled = compile(&files::read(folders, alone)?, None)?;
    for folder in folders {
        if let Some((path, text)) = files::lock_of(folder).map_err(|finding| vec![finding])? {
            compiled = compiled.held_to(&path, Some(&text))?;
        }
    }
    Ok(compiled)
}
