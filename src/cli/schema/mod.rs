//! `rte schema`: the catalogue of events for those who write one, read one or change one. No hub is
//! needed for any of it.

mod catalogue;
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

pub(super) use catalogue::{load, reload};
pub(super) use export::write;

use super::console::Console;
use super::failure::Failure;

const LONG: &str = "\
Lists, shows, checks, exports and compares event catalogues: the one that this program was built with, further files on top of it, \
or another one altogether. No hub is needed.

Examples:
  rte schema list
  rte schema check /etc/rte/schema.d";

/// Works with the catalogue of events.
#[derive(clap::Args)]
#[command(about = "List, show, check, export and compare the events", long_about = LONG, arg_required_else_help = true)]
pub(crate) struct Args {
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
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
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
