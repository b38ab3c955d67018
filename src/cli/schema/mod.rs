//! `rte schema`: the catalogue of events for those who write one, read one or change one. No hub is needed for any of it.

mod check;
mod diff;
mod export;
pub(super) mod files;
mod format;
mod list;
mod lock;
mod new;
mod revision;
mod show;

#[cfg(test)]
mod tests;

use super::Failure;
use super::console::Console;
use crate::schema::compiler::finding::{Finding, Level};
use crate::schema::compiler::{self, Compiled, Options};
use crate::schema::{Catalogue, EventId, WireCase};
use clap::ValueEnum;
use std::path::PathBuf;

const LONG: &str = "\
Lists, shows, checks, exports and compares event catalogues: the one that this program was built with, further files on top of it, \
or another one altogether. No hub is needed.

Examples:
  rte schema list
  rte schema check /etc/rte/schema.d";

/// Works with the catalogue of events.
#[derive(clap::Args)]
#[command(about = "List, show, check, export and compare the events", long_about = LONG, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Check(check::Args),
    Export(export::Args),
    Diff(diff::Args),
    New(new::Args),
    Lock(lock::Args),
}

/// Runs one of the commands.
///
/// # Errors
/// As the exit codes of the program say; each command names its own.
pub fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list::run(args, console),
        Command::Show(args) => show::run(args, console),
        Command::Check(args) => check::run(args, console),
        Command::Export(args) => export::run(args, console),
        Command::Diff(args) => diff::run(args, console),
        Command::New(args) => new::run(args, console),
        Command::Lock(args) => lock::run(args, console),
    }
}

/// Which catalogue a command is about.
#[derive(clap::Args)]
struct CatalogueFlags {
    /// A folder of further events on top of the built-in ones; may be repeated
    #[arg(long = "schema-dir", value_name = "DIR")]
    schema_dirs: Vec<PathBuf>,
    /// The folders are a whole catalogue, without the built-in one
    #[arg(long, requires = "schema_dirs")]
    alone: bool,
    /// The spelling of property names; by default the catalogue's own
    #[arg(long, value_name = "CASE")]
    wire_case: Option<Case>,
}

/// The spelling of property names on the wire.
#[derive(Clone, Copy, ValueEnum)]
enum Case {
    /// `entityId`
    Camel,
    /// `EntityId`
    Documented,
}

impl CatalogueFlags {
    /// Loads it; what is wrong with it has then been told.
    fn load(&self, console: &mut Console) -> Result<Catalogue, Failure> {
        let wire_case = self.wire_case.map(|case| match case {
            Case::Camel => WireCase::Camel,
            Case::Documented => WireCase::Documented,
        });
        let compiled = files::read(&self.schema_dirs, self.alone).and_then(|files| compile(&files, wire_case));
        told(compiled, console).map(Catalogue::of).map_err(Failure::Usage)
    }
}

/// Loads the built-in catalogue with further folders on top. Everything there is to say about their files goes to standard error,
/// in the lines of the build.
///
/// # Errors
/// How many errors there are, as a sentence.
pub(super) fn load(
    schema_dirs: &[PathBuf],
    wire_case: Option<WireCase>,
    console: &mut Console,
) -> Result<Catalogue, String> {
    let compiled = files::read(schema_dirs, false).and_then(|files| compile(&files, wire_case));
    told(compiled, console).map(Catalogue::of)
}

fn compile(files: &[files::File], wire_case: Option<WireCase>) -> Result<Compiled, Vec<Finding>> {
    compiler::compile(files, Options { wire_case })
}

/// Tells all findings on standard error.
fn told(compiled: Result<Compiled, Vec<Finding>>, console: &mut Console) -> Result<Compiled, String> {
    for finding in compiler::findings(&compiled) {
        console.note(format_args!("{finding}"));
    }
    compiled.map_err(|findings| format!("the catalogue is not usable: {}", counted(&findings)))
}

/// `1 error, 2 warnings`.
fn counted(findings: &[Finding]) -> String {
    let count = |level: Level| {
        let count = findings.iter().filter(|finding| finding.level() == level).count();
        format!("{count} {}{}", level.name(), if count == 1 { "" } else { "s" })
    };
    format!("{}, {}", count(Level::Error), count(Level::Warning))
}

/// The event of that name, in any case.
fn find(catalogue: &Catalogue, name: &str) -> Result<EventId, Failure> {
    catalogue.find(name).ok_or_else(|| {
        let near = catalogue.nearest(name);
        let advice = near.map_or("`rte schema list` names all".to_owned(), |near| format!("did you mean {near}?"));
        Failure::Usage(format!("there is no event {name}; {advice}"))
    })
}
