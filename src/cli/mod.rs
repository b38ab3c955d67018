//! The command line: the tree of commands, what they have in common, and how they end.
//!
//! A command gets its arguments and a [`Console`], and returns a [`Failure`] or nothing; [`run`]
//! turns that into a sentence on standard error and an exit code. Commands are clients of a hub
//! like any other: they reach it over HTTP and WebSocket only.

pub mod check;
pub mod console;
pub mod credential;
pub mod demo;
pub mod endpoint;
pub mod failure;
pub mod fuzz_replay;
pub mod help;
pub mod http;
pub mod listen;
pub mod metrics;
pub mod publish;
pub mod random;
pub mod redact;
pub mod schema;
pub mod serve;
pub mod token;
pub mod why;
pub mod world;

mod batch;
mod cursors;
mod identity;
mod inspect;
mod session;
mod trust;

use clap::{CommandFactory, Parser};
use console::Console;
use failure::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

/// The end of `rte --help`; the codes are [`Failure::exit_code`]'s.
const EXIT_CODES: &str = "\
Exit codes:
  0  done (also when the reader of the output went away, as in `rte listen … | head -1`)
  1  something was refused or failed: an item, a subscription, a check
  2  wrong usage: arguments, a file that cannot be read, no token; a wrong configuration (`rte serve`), a Redis that no hub works with (`rte check --connect`)
  3  no connection to the hub, or it ended the connection
  4  the hub refused the token (401 or 403)
  5  the time given with --timeout ran out

Results go to standard output, everything else to standard error.
A token is taken from --token, --token-file or the environment variable RTE_TOKEN, in this order; it is never printed, \
except by `rte token` and by the lines of `rte demo` that are made for pasting.";

const ABOUT: &str = "\
A Real-Time Engine: SignalR clients subscribe to the events of a telephony platform, back ends publish them over HTTP.

To look around without any configuration, start `rte demo` in one terminal and paste the line that it prints into another.";

/// The arguments of the program.
#[derive(Parser)]
#[command(
    name = "rte",
    version,
    about = "A Real-Time Engine: pushes the events of a telephony platform to SignalR clients",
    long_about = ABOUT,
    after_long_help = EXIT_CODES,
    after_help = "`rte --help` also lists the exit codes; `rte COMMAND --help` has an example for each command; `rte help` lists the \
                  pages of the manual.",
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands; each room has its `Args` and its `run`.
#[derive(clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Publish(publish::Args),
    Listen(listen::Args),
    Token(token::Args),
    Why(why::Args),
    Check(check::Args),
    Schema(schema::Args),
    Metrics(metrics::Args),
    FuzzReplay(fuzz_replay::Args),
    Help(help::Args),
}

/// Runs the program with `args`, the first of which is its own name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut console = Console::of_process();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version are answers too; whether anybody reads them is theirs to know.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
        }
    };
    let done = dispatch(cli.command, &mut console);
    match done.and_then(|()| console.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = console.flush();
            if let Some(sentence) = failure.sentence() {
                console.note(format_args!("rte: {sentence}"));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(command: Command, console: &mut Console) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(&args, console),
        Command::Demo(args) => demo::run(&args, console, serve::start_demo),
        Command::Publish(args) => publish::run(&args, console),
        Command::Listen(args) => listen::run(&args, console),
        Command::Token(args) => token::run(&args, console),
        Command::Why(args) => why::run(&args, console),
        Command::Check(args) => check::run(&args, console),
        Command::Schema(args) => schema::run(&args, console),
        Command::Metrics(args) => metrics::run(&args, console),
        Command::FuzzReplay(args) => fuzz_replay::run(&args, console),
        Command::Help(args) => help::run(&args, Cli::command(), console),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_more_in_its_long_help_and_shows_an_example() {
        fn check(path: &str, command: &clap::Command) {
            let path = format!("{path} {}", command.get_name());
            let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
            assert!(long.contains(&path), "the long help of `{path}` shows no example line");
            for argument in command.get_arguments() {
                let said = argument.get_help().is_some() || argument.get_long_help().is_some();
                assert!(said, "`{path}` says nothing about {}", argument.get_id());
            }
            command.get_subcommands().for_each(|command| check(&path, command));
        }
        Cli::command().get_subcommands().for_each(|command| check("rte", command));
    }

    #[test]
    fn every_exit_code_is_listed_in_the_help() {
        let failures = [
            Failure::ReaderGone,
            Failure::Refused(String::new()),
            Failure::Usage(String::new()),
            Failure::Connection(String::new()),
            Failure::Token(String::new()),
            Failure::TimedOut(String::new()),
        ];
        for failure in failures {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", failure.exit_code())), "{failure:?} is not listed");
        }
    }

    #[test]
    fn wrong_usage_ends_with_2_and_a_suggestion() {
        let Err(answer) = Cli::try_parse_from(["rte", "lisen"]) else { panic!("`rte lisen` is no command") };
        assert_eq!(answer.exit_code(), 2);
        assert!(answer.to_string().contains("listen"), "{answer}");
    }
}
