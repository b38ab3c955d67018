//! `rte schema new`: the first lines of an event, a family or a helper type.

use super::catalogue::{CatalogueFlags, compile, told};
use super::files::{self, FOLDER_DEFAULT, File};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::file;
use crate::schema::compiler::emit::prose;
use crate::schema::{Model, Phase};
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
  rte schema new event AcmeMood --family User --kind state
  rte schema new event AcmeTicketChanged --family User --kind state --key TicketId
  rte schema new event AcmeCallParked --family User --phase progress";

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
    /// The property that tells the states of one entity apart, each of which is kept for itself
    #[arg(long, value_name = "PROPERTY", conflicts_with = "phase")]
    key: Option<String>,
    /// What it does to a call: snapshots tell of those that are open
    #[arg(long, value_enum)]
    phase: Option<PhaseWord>,
    #[command(flatten)]
    place: Place,
}

/// What an event does to a call, as its entity sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PhaseWord {
    /// The leg opens
    Begin,
    /// It goes on
    Progress,
    /// It is over
    End,
    /// The whole call is
    EndCall,
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
            let more = match (args.kind, &args.key, args.phase) {
                (KindWord::Occurrence, Some(_), _) => {
                    return Err(Failure::Usage("only a state has a key: add --kind state".to_owned()));
                }
                (KindWord::State, _, Some(_)) => {
                    return Err(Failure::Usage("a state is no word of a call: leave --kind out".to_owned()));
                }
                (KindWord::State, Some(key), None) => More::Key(key),
                (KindWord::Occurrence, None, Some(phase)) => More::Call(phase),
                (KindWord::State | KindWord::Occurrence, None, None) => More::Nothing,
            };
            let text = skeleton(&model, &args.name, &args.family, args.kind, more);
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

/// What a skeleton has besides.
#[derive(Clone, Copy, Debug)]
enum More<'a> {
    Nothing,
    /// `[state] key`, and that property.
    Key(&'a str),
    /// `[call]`, and its properties.
    Call(PhaseWord),
}

impl More<'_> {
    /// Its table, and the properties that it names: name, type and value.
    fn parts(&self) -> (String, Vec<(&str, &'static str, &'static str)>) {
        const ID: &str = "7b0d3a52-8e1c-4f56-9d2b-3c4a5e6f7081";
        match self {
            More::Nothing => (String::new(), Vec::new()),
            More::Key(key) => (format!("[state]\nkey = \"{key}\"\n\n"), vec![(*key, "Guid", ID)]),
            More::Call(phase) => {
                let phase = match phase {
                    PhaseWord::Begin => Phase::Begin,
                    PhaseWord::Progress => Phase::Progress,
                    PhaseWord::End => Phase::End,
                    PhaseWord::EndCall => Phase::EndCall,
                };
                let phase = prose::phase(phase);
                let table = format!("[call]\nid    = \"CallId\"\nleg   = \"LegId\"\nphase = \"{phase}\"\n\n");
                (table, vec![("CallId", "Guid", ID), ("LegId", "string", "c7285e1f60ab93d4")])
            }
        }
    }
}

/// The text of the file. Its texts are empty, which is what warnings remind of.
fn skeleton(model: &Model, name: &str, family: &str, kind: KindWord, more: More<'_>) -> String {
    let (table, further) = more.parts();
    let kind = match kind {
        KindWord::State => "state",
        KindWord::Occurrence => "occurrence",
    };
    let entity = format!("{family}Id");
    let since = model.version.rsplit_once('.').map_or(model.version.as_str(), |(since, _)| since);
    let mut properties = vec![(entity.as_str(), "Guid", "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3")];
    if entity != ORGANIZATION {
        properties.push((ORGANIZATION, "Guid", "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59"));
    }
    properties.extend(further);
    // Properties stand in the order of the vendor's tables: by name without case.
    properties.sort_by_key(|(name, ..)| name.to_ascii_lowercase());
    let wide = properties.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    let declared = properties.iter().map(|(name, ty, _)| format!("{name:wide$} = {{ type = \"{ty}\", doc = \"\" }}\n"));
    let shown = properties.iter().map(|(name, _, value)| format!("  \"{}\": \"{value}\"", model.wire_case.spell(name)));
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
         {table}\
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
                let text = skeleton(catalogue.model(), "AcmeLunchStarted", family, kind, More::Nothing);
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

    #[test]
    fn a_skeleton_of_a_keyed_state_or_of_a_call_compiles_too() {
        let catalogue = Catalogue::built_in(None);
        let compiled = |kind, more| {
            let text = skeleton(catalogue.model(), "AcmeRoomBooked", "User", kind, more);
            let mut files = files::built_in();
            files.push(("x/AcmeRoomBooked.toml".to_owned(), text));
            let model = compile(&files, None).unwrap().model;
            model.events.into_iter().find(|event| event.name == "AcmeRoomBooked").unwrap()
        };
        assert!(compiled(KindWord::State, More::Key("BookingId")).key.is_some());
        let event = compiled(KindWord::Occurrence, More::Call(PhaseWord::EndCall));
        assert_eq!(event.call.map(|call| call.phase), Some(Phase::EndCall));
    }
}
