//! `rte schema show`: one event.

use super::catalogue::{CatalogueFlags, find};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::schema::compiler::emit::markdown;

const LONG: &str = "\
Shows an event: the JSON Schema (2020-12) of its data, as a hub serves it at /schemas/v1/EVENT.json; or, with --markdown, what \
the reference says about it.

Examples:
  rte schema show QueueStatus --markdown
  rte schema show QueueStatus
  rte schema show QueueStatus --closed > QueueStatus.json";

/// Shows an event.
#[derive(clap::Args)]
#[command(about = "Show the JSON Schema of an event, or its reference", long_about = LONG)]
pub(crate) struct Args {
    /// The event, in any case
    #[arg(value_name = "EVENT")]
    event: String,
    #[command(flatten)]
    catalogue: CatalogueFlags,
    /// Refuse properties that the schema does not name: for publishers' own tests
    #[arg(long)]
    closed: bool,
    /// Show the reference, in Markdown, instead of the schema
    #[arg(long, conflicts_with = "closed")]
    markdown: bool,
}

/// Writes the schema or the reference.
///
/// # Errors
/// [`Failure::Usage`] where there is no such event, or a folder has errors.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let catalogue = args.catalogue.load(console)?;
    let id = find(&catalogue, &args.event)?;
    let text = if args.markdown {
        markdown::section(catalogue.model(), catalogue.event(id))
    } else {
        catalogue.json_schema(id, args.closed)
    };
    console.line(format_args!("{}", text.trim_end()))
}
