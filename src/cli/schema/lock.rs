//! `rte schema lock`: what was released, so that it is kept.

use super::catalogue::{compile, told};
use super::files::{self, FOLDER_DEFAULT};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::schema::compiler::contract::Contract;
use crate::schema::compiler::finding::Finding;
use crate::schema::compiler::{Compiled, lock};
use std::fs;
use std::path::{Path, PathBuf};

const LONG: &str = "\
Writes lock.json into the folder of a catalogue: the contract that is released with it. The build, `rte schema check` and \
`rte schema diff` hold later changes to it. A change that breaks somebody is not written over the promise that it breaks: raise \
the major version in catalogue.toml first. A folder on top of the built-in events whose catalogue.toml has a version is held to \
that: the lock file is about what the folder declares, and nothing else.

Run it with each release, and commit the file. --check only says whether it is what the catalogue makes. Exit code 1: it is not, \
or a promise is broken.

Examples:
  rte schema lock
  rte schema lock --check";

/// Writes the lock file.
#[derive(clap::Args)]
#[command(about = "Write down the contract that is released", long_about = LONG)]
pub(crate) struct Args {
    /// The folder of the catalogue; one of further events counts on top of the built-in ones
    #[arg(value_name = "DIR", default_value = FOLDER_DEFAULT)]
    folder: PathBuf,
    /// Write nothing; fail where the file is not up to date
    #[arg(long)]
    check: bool,
}

/// Writes or checks the file.
///
/// # Errors
/// [`Failure::Refused`] where the catalogue has errors or breaks what was released, or the file is
/// stale or cannot be written.
pub fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let path = args.folder.join(lock::FILE_NAME);
    let shown = path.display();
    let (compiled, former) = match held(&args.folder) {
        Ok((compiled, former)) => (Ok(compiled), former),
        Err(findings) => (Err(findings), None),
    };
    let compiled = told(compiled, console).map_err(Failure::Refused)?;
    let text = lock::write(&Contract::at(&compiled.model, &path.display().to_string()))
        .map_err(|error| Failure::Refused(error.to_string()))?;
    if former.as_ref() == Some(&text) {
        console.note(format_args!("{shown} is up to date"));
        return Ok(());
    }
    if args.check {
        let is = if former.is_some() { "is stale" } else { "is not there" };
        return Err(Failure::Refused(format!("{shown} {is}; `rte schema lock {}` writes it", args.folder.display())));
    }
    fs::write(&path, text).map_err(|error| Failure::Refused(format!("cannot write {shown}: {error}")))?;
    console.line(format_args!("{shown}"))
}

/// The catalogue, held to its lock file, and the text of that.
fn held(folder: &Path) -> Result<(Compiled, Option<String>), Vec<Finding>> {
    let compiled = compile(&files::read_either(folder)?, None)?;
    match files::lock_of(folder).map_err(|finding| vec![finding])? {
        Some((path, text)) => Ok((compiled.held_to(&path, Some(&text))?, Some(text))),
        None => Ok((compiled, None)),
    }
}
