//! `rte help`: the pages and tables of the manual, and the help of commands.

use super::console::Console;
use super::failure::Failure;
use crate::guide::{PAGES, Page};
use crate::schema::names;

const LONG: &str = "\
Prints a page or a table of the manual, or the help of a command. Without a name it lists the pages.

Examples:
  rte help operators
  rte help limits | grep -A1 subscriptions_max
  rte help schema diff";

/// Prints the manual.
#[derive(clap::Args)]
#[command(about = "Print a page or a table of the manual", long_about = LONG)]
pub(crate) struct Args {
    /// A page, or a command
    #[arg(value_name = "PAGE")]
    name: Vec<String>,
}

/// Prints the page, or what `program` says of the command of that name.
///
/// # Errors
/// [`Failure::Usage`] where there is neither, with the nearest one.
pub(crate) fn run(args: &Args, program: clap::Command, console: &mut Console) -> Result<(), Failure> {
    let [first, further @ ..] = args.name.as_slice() else {
        return list(console);
    };
    match PAGES.iter().find(|page| page.name == first && further.is_empty()) {
        Some(page) => console.line(format_args!("{}", (page.text)().trim_end())),
        None => {
            let mut command = command(program, &args.name)?;
            console.line(format_args!("{}", command.render_long_help().to_string().trim_end()))
        }
    }
}

fn list(console: &mut Console) -> Result<(), Failure> {
    console.line(format_args!("Pages of `rte help PAGE`:"))?;
    for Page { name, what, .. } in &PAGES {
        console.line(format_args!("  {name:<15}{what}"))?;
    }
    console.line(format_args!("\n`rte help COMMAND` is `rte COMMAND --help`; `rte --help` lists the commands."))
}

/// Returns the command that the words lead to, under its whole name.
fn command(mut program: clap::Command, words: &[String]) -> Result<clap::Command, Failure> {
    program.build();
    let mut found = program;
    for (depth, word) in words.iter().enumerate() {
        let next = found.find_subcommand(word).cloned();
        found = next.ok_or_else(|| {
            let commands = found.get_subcommands().map(clap::Command::get_name);
            let pages = PAGES.iter().map(|page| page.name).filter(|_| depth == 0);
            let known: Vec<&str> = commands.chain(pages).collect();
            let near = names::hint(word, known, "`");
            Failure::Usage(format!("no page or command `{}`{near}", words.join(" ")))
        })?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::tests::Paper;

    fn printed(words: &[&str]) -> Result<String, Failure> {
        let program = clap::Command::new("rte").subcommand(clap::Command::new("serve").long_about("Serves."));
        let paper = Paper::default();
        let mut console = Console::new(paper.clone(), Paper::default());
        let args = Args { name: words.iter().map(|&word| word.to_owned()).collect() };
        run(&args, program, &mut console)?;
        console.flush()?;
        Ok(paper.text())
    }

    #[test]
    fn every_page_is_listed_and_prints_its_text() {
        let list = printed(&[]).unwrap();
        for page in &PAGES {
            assert!(list.contains(&format!("  {} ", page.name)) && list.contains(&format!(" {}", page.what)), "{list}");
            assert_eq!(printed(&[page.name]).unwrap().trim_end(), (page.text)().trim_end());
        }
    }

    #[test]
    fn a_command_is_explained_and_a_wrong_word_gets_the_nearest() {
        assert!(printed(&["serve"]).unwrap().starts_with("Serves."));
        let Err(Failure::Usage(sentence)) = printed(&["limit"]) else { panic!("`limit` is no page") };
        assert_eq!(sentence, "no page or command `limit`: did you mean `limits`?");
        assert!(printed(&["limits", "more"]).is_err() && printed(&["serve", "limits"]).is_err());
    }
}
