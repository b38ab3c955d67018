//! `rte schema show`: one event.

use super::{CatalogueFlags, find};
use crate::cli::Failure;
use crate::cli::console::Console;

const LONG: &str = "\
Shows an event: the JSON Schema (2020-12) of its data, as a hub serves it at /schemas/v1/EVENT.json.

Examples:
  rte schema show QueueStatus
  rte schema show QueueStatus --closed > QueueStatus.json";

/// Shows an event.
#[derive(clap::Args)]
#[command(about = "Show the JSON Schema of an event", long_about = LONG)]
pub struct Args {
    /// The event, in any case
    #[arg(value_name = "EVENT")]
    event: String,
    #[command(flatten)]
    catalogue: CatalogueFlags,
    /// Refuse properties that the schema does not name: for publishers' own tests
    #[arg(long)]
    closed: bool,
}

/// Writes the schema.
///
/// # Errors
/// [`Failure::Usage`] where there is no such event, or a folder has errors.
pub fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let catalogue = args.catalogue.load(console)?;
    let id = find(&catalogue, &args.event)?;
    console.line(format_args!("{}", catalogue.json_schema(id, args.closed).trim_end()))
}
