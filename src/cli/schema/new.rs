//! `rte schema new`: the first lines of an event.

use super::catalogue::{CatalogueFlags, compile, told};
use super::files::{self, FOLDER_DEFAULT};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::schema::Model;
use clap::ValueEnum;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const LONG: &str = "\
Writes the file of an event, ready to be filled in. It compiles as it is; `rte schema check` warns where texts are still to be \
written.

Examples:
  rte schema new event AcmeLunchStarted --family User --dir schema.d
  rte schema new event AcmeMood --family User --kind state";

/// Writes a skeleton.
#[derive(clap::Args)]
#[command(about = "Write the skeleton of an event", long_about = LONG, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Event(EventArgs),
}

const LONG_EVENT: &str = "\
Writes NAME.toml with a routing property, a further one and an example. It compiles as it is; `rte schema check` warns where texts \
are still to be written. A file that is there is left alone.

Example:
  rte schema new event AcmeLunchStarted --family User --dir schema.d";

/// Writes the skeleton of an event.
#[derive(clap::Args)]
#[command(about = "Write the skeleton of an event", long_about = LONG_EVENT)]
pub struct EventArgs {
    /// The event: a capital, then ASCII letters and digits
    #[arg(value_name = "NAME")]
    name: String,
    /// The family of what the event is about
    #[arg(long, value_name = "FAMILY")]
    family: String,
    /// Whether only the last value matters, or every one does
    #[arg(long, value_enum, default_value_t = KindWord::Occurrence)]
    kind: KindWord,
    /// The folder; by default ./schema in a clone of the repository, else this one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    catalogue: CatalogueFlags,
}

/// The property that says whose event it is; nearly every one has it.
const ORGANIZATION: &str = "OrganizationId";

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindWord {
    /// Only the last value of an entity matters
    State,
    /// Every one matters
    Occurrence,
}

/// Writes the file, and its path.
///
/// # Errors
/// [`Failure::Usage`] where name or family do not fit, [`Failure::Refused`] where the file is there or cannot be written.
pub fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let What::Event(args) = &args.what;
    let catalogue = args.catalogue.load(console)?;
    let text = skeleton(catalogue.model(), &args.name, &args.family, args.kind);
    let file_name = format!("{}.toml", args.name);
    // The compiler says what is wrong with a name or a family; what it takes is a file name too.
    let files = files::read(&args.catalogue.schema_dirs, args.catalogue.alone).map(|files| {
        let of_event = (file_name.clone(), text.clone());
        files.into_iter().chain([of_event]).collect::<Vec<_>>()
    });
    if let refused @ Err(_) = files.and_then(|files| compile(&files, None)) {
        told(refused, console).map_err(|_| Failure::Usage(format!("\"{}\" cannot be written so", args.name)))?;
    }
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None => PathBuf::from(if files::is_in_repository() { FOLDER_DEFAULT } else { "." }),
    };
    let path = folder.join(file_name);
    create(&path, &text).map_err(|error| Failure::Refused(format!("cannot write {}: {error}", path.display())))?;
    console.line(format_args!("{}", path.display()))?;
    console.note(format_args!("`rte schema check {}` says what is still to be written", folder.display()));
    Ok(())
}

fn create(path: &Path, text: &str) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// The text of the file. Its texts are empty, which is what warnings remind of.
fn skeleton(model: &Model, name: &str, family: &str, kind: KindWord) -> String {
    let kind = match kind {
        KindWord::State => "state",
        KindWord::Occurrence => "occurrence",
    };
    let entity = format!("{family}Id");
    let since = model.version.rsplit_once('.').map_or(model.version.as_str(), |(since, _)| since);
    let mut properties = vec![(entity.as_str(), "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3")];
    if entity != ORGANIZATION {
        properties.push((ORGANIZATION, "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59"));
    }
    // Properties stand in the order of the vendor's tables: by name without case.
    properties.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    let wide = entity.len().max(ORGANIZATION.len());
    let declared = properties.iter().map(|(name, _)| format!("{name:wide$} = {{ type = \"Guid\", doc = \"\" }}\n"));
    let shown = properties.iter().map(|(name, guid)| format!("  \"{}\": \"{guid}\"", model.wire_case.spell(name)));
    let (declared, shown): (String, Vec<String>) = (declared.collect(), shown.collect());
    format!(
        "event    = \"{name}\"\n\
         family   = \"{family}\"\n\
         summary  = \"\"\n\
         kind     = \"{kind}\"\n\
         entity   = \"{entity}\"\n\
         audience = [\"client\"]\n\
         since    = \"{since}\"\n\
         \n\
         [properties]\n\
         {declared}\
         \n\
         [[examples]]\n\
         title = \"Every property set\"\n\
         json  = '''\n{{\n{}\n}}\n'''\n",
        shown.join(",\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Catalogue;
    use crate::schema::compiler::finding::Rule;

    #[test]
    fn a_skeleton_compiles_and_warns_only_of_missing_texts_for_each_family_and_kind() {
        let catalogue = Catalogue::built_in(None);
        for family in ["User", "Queue", "CallList"] {
            for kind in [KindWord::State, KindWord::Occurrence] {
                let text = skeleton(catalogue.model(), "AcmeLunchStarted", family, kind);
                let mut files = files::built_in();
                files.push(("x/AcmeLunchStarted.toml".to_owned(), text.clone()));
                let compiled = compile(&files, None).unwrap();
                let rules: Vec<Rule> = compiled.warnings.iter().map(|finding| finding.rule).collect();
                assert_eq!(rules, [Rule::NoDoc; 3], "{text}");
                let event = compiled.model.events.iter().find(|event| event.name == "AcmeLunchStarted").unwrap();
                assert_eq!((event.properties.len(), event.examples.len()), (2, 1));
            }
        }
    }
}
