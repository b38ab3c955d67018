//! `rte schema export`: every document of the catalogue as files.

use super::catalogue::CatalogueFlags;
use crate::api::open_api;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::schema::library;
use std::fs;
use std::path::{Path, PathBuf};

const LONG: &str = "\
Writes everything that a hub serves about its events into a folder, under the paths that it serves it at: the JSON Schemas, the \
documents, the client library and the types for other languages. The folder npm in it is that library with the types of \
these events as a package: `npm pack` or `npm publish` takes it. Besides, what editors need for files of events: copy .event.schema.json and \
.taplo.toml into your folder of events. The folder is made; files of the same names are overwritten, others are left alone. \
The same catalogue gives the same files.

Examples:
  rte schema export docs/events
  rte schema export dist --schema-dir /etc/rte/schema.d --wire-case documented";

/// Writes all documents.
#[derive(clap::Args)]
#[command(about = "Write every document made from the events", long_about = LONG)]
pub(crate) struct Args {
    /// Where to
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    catalogue: CatalogueFlags,
}

/// Writes the files, and the path of each.
///
/// # Errors
/// [`Failure::Usage`] where a folder of events has errors, [`Failure::Refused`] where a file cannot
/// be written.
pub fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let catalogue = args.catalogue.load(console)?;
    let open_api = open_api::document(HUB_PATH);
    let documents = catalogue.artefacts().chain([&open_api]);
    let documents = documents.map(|artefact| (artefact.path.as_str(), &artefact.bytes[..]));
    let package: Vec<_> =
        library::package(documents.clone()).map(|(path, bytes)| (format!("npm/{path}"), bytes)).collect();
    let files: Vec<(&str, &[u8])> = documents
        .chain(EDITOR.map(|(path, text)| (path, text.as_bytes())))
        .chain(package.iter().map(|(path, bytes)| (path.as_str(), &**bytes)))
        .collect();
    for (path, bytes) in &files {
        let path = args.folder.join(path);
        write(&path, bytes)?;
        console.line(format_args!("{}", path.display()))?;
    }
    console.note(format_args!("{} files", files.len()));
    Ok(())
}

/// The hub's path as it is by default; what is exported has no configuration.
const HUB_PATH: &str = "/rte";

/// What editors complete and check the files of a catalogue with: to be copied beside them, under
/// these names.
const EDITOR: [(&str, &str); 2] = [
    (".event.schema.json", include_str!("../../../schema/.event.schema.json")),
    (".taplo.toml", include_str!("../../../schema/.taplo.toml")),
];

/// Writes a file, and makes its folder.
///
/// # Errors
/// [`Failure::Refused`] where it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, bytes))
        .map_err(|error| Failure::Refused(format!("cannot write {}: {error}", path.display())))
}
