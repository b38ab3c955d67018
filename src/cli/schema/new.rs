//! `rte schema new`: the first lines of an event, a family or a helper type.

use super::catalogue::{CatalogueFlags, compile, told};
use super::files::{self, FOLDER_DEFAULT, File};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::file;
use crate::schema::Model;
use clap::ValueEnum;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const LONG: &str = "\
Writes what an event, a family or a helper type starts with, ready to be filled in. It compiles as it is; `rte schema check` warns \
where texts are still to be written. What stands in the folder already counts: a family of it needs no --schema-dir.

Examples:
  rte schema new family Room --entity room --dir schema.d
  rte schema new type AcmeDoor --dir schema.d
  rte schema new event AcmeRoomEntered --family Room --dir schema.d
  rte schema new event AcmeMood --family User --kind state";

/// Writes a skeleton.
#[derive(clap::Args)]
#[command(about = "Write the skeleton of an event, a family or a type", long_about = LONG, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Event(EventArgs),
    Family(FamilyArgs),
    Type(TypeArgs),
}

/// Where it is written to, and what is there already.
#[derive(clap::Args)]
struct Place {
    /// The folder; by default ./schema in a clone of the repository, else this one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    catalogue: CatalogueFlags,
}

const LONG_FAMILY: &str = "\
Adds a family to catalogue.toml in the folder, which is made where it is missing.

Example:
  rte schema new family Room --entity room --dir schema.d";

/// Adds a family.
#[derive(clap::Args)]
#[command(about = "Add a family of events", long_about = LONG_FAMILY)]
pub(crate) struct FamilyArgs {
    /// The family: a capital, then ASCII letters and digits
    #[arg(value_name = "NAME")]
    name: String,
    /// What an entity of it is called in a sentence; by default the name in lower case
    #[arg(long, value_name = "WORD")]
    entity: Option<String>,
    #[command(flatten)]
    place: Place,
}

const LONG_TYPE: &str = "\
Writes types/NAME.toml with a helper type of one property. A file that is there is left alone. `rte schema check` warns until an event \
has a property of that type.

Example:
  rte schema new type AcmeDoor --dir schema.d";

/// Writes the skeleton of a helper type.
#[derive(clap::Args)]
#[command(about = "Write the skeleton of a helper type", long_about = LONG_TYPE)]
pub(crate) struct TypeArgs {
    /// The type: a capital, then ASCII letters and digits
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    place: Place,
}

const LONG_EVENT: &str = "\
Writes NAME.toml with a routing property, a further one and an example. It compiles as it is; `rte schema check` warns where texts \
are still to be written. A file that is there is left alone.

Example:
  rte schema new event AcmeLunchStarted --family User --dir schema.d";

/// Writes the skeleton of an event.
#[derive(clap::Args)]
#[command(about = "Write the skeleton of an event", long_about = LONG_EVENT)]
pub(crate) struct EventArgs {
    /// The event: a capital, then ASCII letters and digits
    #[arg(value_name = "NAME")]
    name: String,
    /// The family of what the event is about
    #[arg(long, value_name = "FAMILY")]
    family: String,
    /// Whether only the last value matters, or every one does
    #[arg(long, value_enum, default_value_t = KindWord::Occurrence)]
    kind: KindWord,
    #[command(flatten)]
    place: Place,
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
/// [`Failure::Usage`] where name or family do not fit, [`Failure::Refused`] where the file is there
/// or cannot be written.
pub fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    match &args.what {
        What::Event(args) => {
            let there = args.place.files(console)?;
            let model = match compile(&there, None) {
                Ok(compiled) => compiled.model,
                // Warnings of what is there already are not this command's news.
                refused @ Err(_) => told(refused, console).map_err(Failure::Usage)?.model,
            };
            let text = skeleton(&model, &args.name, &args.family, args.kind);
            args.place.write(there, "", &args.name, &text, console)
        }
        What::Type(args) => {
            let there = args.place.files(console)?;
            let text = type_skeleton(&args.name);
            args.place.write(there, "types", &args.name, &text, console)
        }
        What::Family(args) => add_family(args, console),
    }
}

impl Place {
    fn folder(&self) -> PathBuf {
        match &self.dir {
            Some(folder) => folder.clone(),
            None => PathBuf::from(if files::is_in_repository() { FOLDER_DEFAULT } else { "." }),
        }
    }

    /// The files that are there: the folder's own count as if `--schema-dir` had named it.
    fn files(&self, console: &mut Console) -> Result<Vec<File>, Failure> {
        let mut folders = self.catalogue.schema_dirs.clone();
        let folder = self.folder();
        if self.dir.is_some() && folder.is_dir() && !folders.contains(&folder) {
            folders.push(folder);
        }
        let read = files::read(&folders, true);
        let read = read.map(|read| if self.catalogue.alone { read } else { files::completed(read) });
        read.map_err(|findings| {
            findings.iter().for_each(|finding| console.note(format_args!("{finding}")));
            Failure::Usage("the catalogue is not usable".to_owned())
        })
    }

    /// Writes what declares `name`, once it compiles with the rest: the compiler says what is wrong
    /// with a name or a family, and what it takes is a file name too.
    fn write(
        &self,
        mut there: Vec<File>,
        below: &str,
        name: &str,
        text: &str,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let path = self.folder().join(below).join(format!("{name}.toml"));
        if path.exists() {
            return Err(Failure::Refused(format!("{} is there already", path.display())));
        }
        there.push((format!("{name}.toml"), text.to_owned()));
        fits(&there, name, console)?;
        create(&path, text).map_err(|error| Failure::Refused(format!("cannot write {}: {error}", path.display())))?;
        self.done(&path, console)
    }

    fn done(&self, path: &Path, console: &mut Console) -> Result<(), Failure> {
        console.line(format_args!("{}", path.display()))?;
        let folder = self.folder();
        console.note(format_args!("`rte schema check {}` says what is still to be written", folder.display()));
        Ok(())
    }
}

fn fits(files: &[File], name: &str, console: &mut Console) -> Result<(), Failure> {
    if let refused @ Err(_) = compile(files, None) {
        told(refused, console).map_err(|_| Failure::Usage(format!("\"{name}\" cannot be written so")))?;
    }
    Ok(())
}

/// Adds a family to the catalogue's head in the folder.
fn add_family(args: &FamilyArgs, console: &mut Console) -> Result<(), Failure> {
    let path = args.place.folder().join("catalogue.toml");
    let former = match file::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => "format = 1\n".to_owned(),
        Err(error) => return Err(Failure::Refused(format!("cannot read {}: {error}", path.display()))),
    };
    let entity = args.entity.clone().unwrap_or_else(|| args.name.to_lowercase());
    // A TOML string as JSON writes it.
    let quoted = serde_json::Value::from(entity.as_str());
    let doc = serde_json::Value::from(format!("What happens to one {entity}."));
    let text = format!("{}\n\n[families.{}]\nentity = {quoted}\ndoc    = {doc}\n", former.trim_end(), args.name);
    let mut there = args.place.files(console)?;
    let shown = path.display().to_string();
    match there.iter_mut().find(|(path, _)| *path == shown) {
        Some((_, former)) => former.clone_from(&text),
        None => there.push((shown, text.clone())),
    }
    fits(&there, &args.name, console)?;
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, &text));
    written.map_err(|error| Failure::Refused(format!("cannot write {}: {error}", path.display())))?;
    args.place.done(&path, console)
}

fn create(path: &Path, text: &str) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// The text of a helper type's file.
fn type_skeleton(name: &str) -> String {
    format!("type    = \"{name}\"\nsummary = \"\"\n\n[properties]\nId = {{ type = \"Guid\", doc = \"\" }}\n")
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
