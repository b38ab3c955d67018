//! `rte serve`, and the hub of `rte demo`: the two ways into the shell.

use super::Failure;
use super::demo::{DemoHub, HubPlan};
use std::path::PathBuf;

const LONG: &str = "\
Runs the hub: listens, serves clients and publishers, until SIGTERM or SIGINT; then it drains and ends within 10 seconds.

Without a configuration file the defaults serve; only a key must be given. `rte check` says whether a configuration is good.

Example:
  rte serve --config /etc/rte/rte.toml";

/// Runs the hub.
#[derive(clap::Args)]
#[command(about = "Run the hub", long_about = LONG)]
pub struct Args {
    /// The configuration; without it the defaults and the environment (RTE_…) hold
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Runs the hub until it is told to end.
///
/// # Errors
/// [`Failure::Usage`] where the configuration is wrong, [`Failure::Refused`] where the hub cannot run.
pub fn run(args: &Args) -> Result<(), Failure> {
    let _ = args;
    Err(Failure::Refused("this build has no hub".to_owned()))
}

/// Starts a hub for `rte demo`, as `plan` wants it.
///
/// # Errors
/// [`Failure::Refused`] where the address is taken or the hub cannot run.
pub fn start_demo(plan: &HubPlan) -> Result<Box<dyn DemoHub>, Failure> {
    let _ = plan;
    Err(Failure::Refused("this build has no hub".to_owned()))
}
