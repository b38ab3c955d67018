//! `rte schema list`: which events there are.

use super::catalogue::CatalogueFlags;
use super::format::document;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::schema::compiler::emit::prose;
use crate::schema::{EntityRule, Event};
use serde::Serialize;

const LONG: &str = "\
Lists the events: name, family, kind, what names the entity, number of properties, and the version that brought it.

Examples:
  rte schema list
  rte schema list --schema-dir /etc/rte/schema.d --json";

/// Lists the events.
#[derive(clap::Args)]
#[command(about = "List the events", long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    catalogue: CatalogueFlags,
    /// Write one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'c> {
    name: &'c str,
    family: &'c str,
    kind: &'static str,
    /// The property that names the entity; null where the publisher does.
    entity: Option<&'c str>,
    /// Whether the publisher names the entity, always or where the property is null.
    or_publisher: bool,
    audience: Vec<&'static str>,
    properties: usize,
    since: &'c str,
    deprecated: Option<&'c str>,
}

/// Writes the list.
///
/// # Errors
/// [`Failure::Usage`] where a folder has errors.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let catalogue = args.catalogue.load(console)?;
    let rows: Vec<Row<'_>> = catalogue.events().map(|(id, event)| row(event, catalogue.family_of(id))).collect();
    if args.json {
        return document(&rows, console);
    }
    let head = ["NAME", "FAMILY", "KIND", "ENTITY", "PROPERTIES", "SINCE"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let widths: Vec<usize> =
        (0..5).map(|column| lines.iter().map(|cells| cells[column].len()).max().unwrap_or_default()).collect();
    for [name, family, kind, entity, properties, since] in &lines {
        let [name_width, family_width, kind_width, entity_width, properties_width] = widths[..] else { break };
        console.line(format_args!(
            "{name:name_width$}  {family:family_width$}  {kind:kind_width$}  {entity:entity_width$}  \
             {properties:>properties_width$}  {since}"
        ))?;
    }
    Ok(())
}

fn row<'c>(event: &'c Event, family: &'c str) -> Row<'c> {
    let (entity, or_publisher) = match event.entity {
        EntityRule::Property(index) => (event.properties.get(index), false),
        EntityRule::PropertyOrPublisher(index) => (event.properties.get(index), true),
        EntityRule::Publisher => (None, true),
    };
    Row {
        name: &event.name,
        family,
        kind: prose::kind(event.kind),
        entity: entity.map(|property| property.name.as_str()),
        or_publisher,
        audience: prose::audience(event.audience),
        properties: event.properties.len(),
        since: &event.since,
        deprecated: event.deprecated.as_deref(),
    }
}

fn cells(row: &Row<'_>) -> [String; 6] {
    let entity = match (row.entity, row.or_publisher) {
        (Some(property), false) => property.to_owned(),
        (Some(property), true) => format!("{property} or publisher"),
        (None, _) => "publisher".to_owned(),
    };
    [
        row.name.to_owned(),
        row.family.to_owned(),
        row.kind.to_owned(),
        entity,
        row.properties.to_string(),
        row.since.to_owned(),
    ]
}
