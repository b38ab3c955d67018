//! `rte fuzz-replay`: what the hub makes of the bytes of a file.

use super::console::Console;
use super::failure::Failure;
use crate::fuzzing::{TARGETS, Target, Transcript};
use crate::schema::names;
use std::path::PathBuf;

const LONG: &str = "\
Hands the bytes of a file to a fuzz target, as a fuzzer does, and prints what the hub decides about them: values, verdicts, errors. \
Nothing is sent anywhere, and no configuration is read.

The target is that of --target, or the name of the folder that the file is in. `rte help fuzzing` lists them with the forms of \
their inputs, and of bytes that have another form it is told which one the target reads. Where the target finds the hub wrong, it \
ends with a panic that says why; please report that.

Examples:
  rte fuzz-replay fuzz/corpus/http_head/bare-lf-lines
  rte fuzz-replay --target token fuzz/artifacts/token/crash-0123";

/// Replays an input.
#[derive(clap::Args)]
#[command(about = "Print what the hub decides about the bytes of a file", long_about = LONG)]
pub(crate) struct Args {
    /// The bytes
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The target; without it the name of the file's folder
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
}

/// Prints what the target says.
///
/// # Errors
/// [`Failure::Usage`] where there is no such target or file.
///
/// # Panics
/// The target finds the hub wrong.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let target = find(args)?;
    let bytes = std::fs::read(&args.file)
        .map_err(|error| Failure::Usage(format!("{} can't be read: {error}", args.file.display())))?;
    let mut told = Ok(());
    // Each text at once: the next one may never come.
    let mut tell = |text: &str| {
        let written = console.line(format_args!("{}", text.trim_end())).and_then(|()| console.flush());
        told = std::mem::replace(&mut told, Ok(())).and(written);
    };
    let mut transcript = Transcript::heard_by(&mut tell);
    (target.body)(&bytes, &mut transcript);
    let has_decided = transcript.has_decided();
    told?;
    if !has_decided {
        let Target { name, form, .. } = target;
        console
            .line(format_args!("nothing in it to decide about; an input of {name} is: {form} (rte help fuzzing)"))?;
    }
    console.line(format_args!("{}: {} bytes, and nothing is wrong", target.name, bytes.len()))
}

fn find(args: &Args) -> Result<Target, Failure> {
    let folder = || Some(args.file.parent()?.file_name()?.to_str()?.to_owned());
    let wanted = args.target.clone().or_else(folder).unwrap_or_default();
    let found = TARGETS.into_iter().find(|target| target.name == wanted);
    found.ok_or_else(|| {
        let all = TARGETS.map(|target| target.name);
        let what = match &args.target {
            Some(name) => format!("there is no fuzz target {name:?}"),
            None => format!("{} is in no folder of a fuzz target: name it with --target", args.file.display()),
        };
        Failure::Usage(format!("{what}; {}", names::advice(&wanted, "targets", &all)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::tests::console_on_paper;
    use crate::fuzzing::SIZE_BYTES;
    use std::path::Path;

    fn replayed(file: &str, target: Option<&str>) -> (Result<(), Failure>, String) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let (mut console, results, _) = console_on_paper();
        let outcome = run(&Args { file, target: target.map(str::to_owned) }, &mut console);
        console.flush().unwrap();
        (outcome, results.text())
    }

    #[test]
    fn each_target_says_something_of_each_kind_of_input_and_shows_no_token() {
        for target in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name);
            let mut decided = 0;
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let (outcome, text) = replayed(path.to_str().unwrap(), None);
                assert!(outcome.is_ok(), "{}", path.display());
                assert!(text.ends_with("nothing is wrong\n"), "{}: {text}", path.display());
                assert!(!text.contains("eyJ0eXAi"), "a token: {}", path.display());
                let bytes = std::fs::read(&path).unwrap();
                let is_in_pieces = target.form.starts_with("sizes, ") && bytes.len() >= SIZE_BYTES;
                assert_eq!(text.starts_with("pieces: "), is_in_pieces, "{}: {text}", path.display());
                let is_decided = !text.contains("nothing in it to decide about");
                let letter = bytes.first().map(|&byte| format!("`{}`", char::from(byte))).unwrap_or_default();
                let is_known = !target.form.starts_with('`') || target.form.contains(&letter);
                assert!(is_known || !is_decided, "{}: the form has no {letter}", path.display());
                decided += usize::from(is_decided);
            }
            assert!(decided > 0, "{} says nothing", target.name);
        }
    }

    #[test]
    fn what_is_no_target_is_told_with_the_nearest_one() {
        let corpus = "fuzz/corpus/since/back_ms";
        let (outcome, _) = replayed(corpus, Some("sinse"));
        assert!(matches!(outcome, Err(Failure::Usage(why)) if why.contains("did you mean \"since\"?")));
        assert!(matches!(replayed("README.md", None).0, Err(Failure::Usage(why)) if why.contains("targets: config, ")));
        assert!(
            matches!(replayed("README.md", None).0, Err(Failure::Usage(why)) if why.contains("name it with --target; "))
        );
        assert!(matches!(replayed("fuzz/corpus/since/none", None).0, Err(Failure::Usage(_))));
        assert!(replayed(corpus, Some("query")).1.contains("\"-1500ms\" = \"\""), "another target for the same bytes");
    }

    #[test]
    fn of_bytes_in_another_form_it_is_told_which_one_the_target_reads() {
        for target in ["token", "connection", "publish", "ticket"] {
            let (outcome, text) = replayed("README.md", Some(target));
            assert!(outcome.is_ok() && text.contains(&format!("an input of {target} is: ")), "{text}");
        }
        assert!(!replayed("README.md", Some("query")).1.contains("an input of"), "it is one");
    }
}
