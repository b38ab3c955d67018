//! `rte schema diff`: what changed between two catalogues, and whom it breaks.

use super::catalogue::{compile, told};
use super::files::{self, FOLDER_DEFAULT, File};
use super::format::{self, Format};
use super::revision::Repository;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::file;
use crate::schema::compiler::contract::Contract;
use crate::schema::compiler::diff::{Breaks, diff, verdict};
use crate::schema::compiler::finding::Finding;
use crate::schema::compiler::{Compiled, lock};
use std::path::Path;

const LONG: &str = "\
Compares two catalogues and says of each change which rule it falls under and whom it breaks: publishers, whom the hub then \
refuses; subscribers, who then receive what they have not reckoned with; both; or nobody.

Each side is a folder, a lock file, or a git revision such as HEAD~1 or v1.0:schema (the folder is ./schema of the revision where \
none is named). A folder without a catalogue.toml of its own, or with one that only adds families, counts on top of the built-in \
events. Exit code 1: somebody breaks.

Examples:
  rte schema diff
  rte schema diff v1.0:schema schema --format github";

/// Compares two catalogues.
#[derive(clap::Args)]
#[command(about = "Compare two catalogues: what changed, and whom it breaks", long_about = LONG)]
pub(crate) struct Args {
    /// The older side: a folder, a lock file or a git revision
    #[arg(value_name = "OLD", default_value = "schema/lock.json")]
    old: String,
    /// The newer side
    #[arg(value_name = "NEW", default_value = FOLDER_DEFAULT)]
    new: String,
    /// How changes are written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Writes all changes.
///
/// # Errors
/// [`Failure::Refused`] where somebody breaks, [`Failure::Usage`] where a side cannot be read.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    run_in(&Repository::here(), args, console)
}

pub(super) fn run_in(repository: &Repository, args: &Args, console: &mut Console) -> Result<(), Failure> {
    let old = contracts(repository, &args.old, console)?;
    let new = contracts(repository, &args.new, console)?;
    // A folder with a version of its own is compared with its like by what it declares itself.
    let changes = match (&old, &new) {
        (Side { part: Some(old), .. }, Side { part: Some(new), .. }) => diff(old, new),
        (Side { whole: Some(old), .. }, Side { whole: Some(new), .. }) => diff(old, new),
        _ => {
            let why = "one side is a lock file of a folder with a version of its own, and the other is no such folder";
            return Err(Failure::Usage(why.to_owned()));
        }
    };
    format::changes(&changes, args.format, console)?;
    let breaks = verdict(&changes);
    if breaks != Breaks::Nobody {
        return Err(Failure::Refused(format!("the changes break {}", breaks.prose())));
    }
    let count = changes.len();
    console.note(format_args!("{count} change{}, which break nobody", if count == 1 { "" } else { "s" }));
    Ok(())
}

/// What one side can be compared by.
struct Side {
    /// Everything that there is.
    whole: Option<Contract>,
    /// What a further folder with a version of its own declares, where there is one such folder.
    part: Option<Contract>,
}

/// Reads one side: what is there as a path is one, everything else is a revision.
fn contracts(repository: &Repository, side: &str, console: &mut Console) -> Result<Side, Failure> {
    let path = Path::new(side);
    let files: Vec<File> = if path.is_dir() {
        return compiled(files::read_either(path).and_then(|files| compile(&files, None)), side, console);
    } else if path.is_file() {
        let text = file::read(path).map_err(|error| Failure::Usage(format!("cannot read {side}: {error}")))?;
        vec![(side.to_owned(), text)]
    } else {
        repository.files(side).map_err(Failure::Usage)?
    };
    match files.as_slice() {
        [(path, text)] if path.ends_with(".json") => {
            let released = lock::read(path, text).map_err(|finding| Failure::Usage(finding.to_string()))?;
            let (whole, part) = if released.is_part { (None, Some(released)) } else { (Some(released), None) };
            Ok(Side { whole, part })
        }
        _ => compiled(compile(&files::completed(files), None), side, console),
    }
}

/// The contracts of what was compiled. Warnings are the business of `check`.
fn compiled(compiled: Result<Compiled, Vec<Finding>>, side: &str, console: &mut Console) -> Result<Side, Failure> {
    let compiled = match compiled {
        Err(findings) => {
            told(Err(findings), console).map_err(|sentence| Failure::Usage(format!("{side}: {sentence}")))?
        }
        Ok(compiled) => compiled,
    };
    let part = match compiled.model.parts.as_slice() {
        [part] => Some(Contract::of_part(&compiled.model, part)),
        _ => None,
    };
    Ok(Side { whole: Some(Contract::of(&compiled.model)), part })
}
