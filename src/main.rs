//! The program `rte`: the command line of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rte::cli::run(std::env::args_os())
}
