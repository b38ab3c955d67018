//! `rte serve`, and the hub of `rte demo`: the two ways into the shell.

use super::console::Console;
use super::demo::DemoHub;
use super::failure::Failure;
use super::schema;
use crate::config::{Changes, Config, Flags, Machine, Warning, environment, warnings};
use crate::schema::Catalogue;
use crate::shell::current::InForce;
use crate::shell::{self, Renewal, Server};
use crate::trace::Fact;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

const LONG: &str = "\
Runs the hub: listens, serves clients and publishers, until SIGTERM or SIGINT; then it drains and ends within 10 seconds, \
or 10 seconds after limits.drain_delay_ms.
A listening socket that is passed by LISTEN_FDS is taken over; NOTIFY_SOCKET is told of start, reload and end.
SIGHUP reads rte.toml, the keys, the folders of further events, and the certificates and passwords of TLS and of the nodes' Redis \
again: all of it or nothing, and only if nobody breaks; the log says what changed, or why nothing did.

Without a configuration file the defaults serve; only a key must be given. `rte check` says whether a configuration is good.

Examples:
  rte serve --config /etc/rte/rte.toml
  rte serve --schema-dir /etc/rte/schema.d
  RTE_AUTH_SECRET=\"$(head -c 32 /dev/urandom | base64)\" rte serve --set server.listen=0.0.0.0:8080";

/// Runs the hub.
#[derive(clap::Args)]
#[command(about = "Run the hub", long_about = LONG)]
pub(crate) struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// Runs the hub until it is told to end.
///
/// # Errors
/// [`Failure::Usage`] where the configuration is wrong, [`Failure::Refused`] where the hub cannot
/// run.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let config = Config::load(&args.flags, environment()).map_err(|errors| unusable(&errors))?;
    if let Some(wrong) = config.journal_misplaced() {
        return Err(unusable(&wrong));
    }
    let file = config.file.clone();
    let catalogue = schema::load(&config.schema_dirs, config.wire_case, console).map_err(Failure::Usage)?;
    let notes = notes(&config, &catalogue);
    let mut options = config.into_shell(catalogue).map_err(Failure::Usage)?;
    options.notes = notes;
    let reload = |present: &InForce| renew(present, Config::load_again(&args.flags, environment(), file.as_deref())?);
    shell::serve::serve(options, reload).map_err(|error| {
        // The folder of a journal is another hub's.
        let is_usage = error.kind() == ErrorKind::ResourceBusy;
        (if is_usage { Failure::Usage } else { Failure::Refused })(error.to_string())
    })
}

/// What the files say now, in the place of what is in force.
///
/// # Errors
/// A line for everything that is wrong, breaks somebody, or can't change while the hub runs.
fn renew(present: &InForce, next: Config) -> Result<Renewal, String> {
    let Changes { live, fixed } = next.changes_since(&present.settings);
    if !fixed.is_empty() {
        let line =
            |key: &String| format!("`{key}` can't change while the hub runs: restart it, or take the change back");
        return Err(fixed.iter().map(line).collect::<Vec<_>>().join("\n"));
    }
    let catalogue = schema::reload(&present.catalogue, &next.schema_dirs)?;
    let notes = notes(&next, &catalogue);
    let redis_files = next.redis_files();
    let Config { tls, verifier, backplane, settings, .. } = next;
    Ok(Renewal { catalogue, verifier, tls, backplane, redis_files, settings, changed: live, notes })
}

/// The warnings, as facts of the log: whoever reads it may stall, and machines read it too.
fn notes(config: &Config, catalogue: &Catalogue) -> Vec<Fact> {
    let warnings = warnings(config, &Machine::read(config), catalogue);
    warnings.into_iter().map(|Warning { name, why }| Fact::Warning { name, why }).collect()
}

fn unusable(why: &impl Display) -> Failure {
    Failure::Usage(format!("the configuration is not usable:\n{why}"))
}

/// A hub in threads of its own; its threads end with the process.
struct InProcess(Server);

impl DemoHub for InProcess {
    fn local_addr(&self) -> SocketAddr {
        self.0.address()
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn end(self: Box<Self>) {
        self.0.drain();
        self.0.join();
    }
}

/// Starts a hub for `rte demo`, as that configuration wants it.
///
/// # Errors
/// [`Failure::Usage`] for events that are no good, [`Failure::Refused`] where the address is taken
/// or the hub cannot run.
pub fn start_demo(config: Config, console: &mut Console) -> Result<Box<dyn DemoHub>, Failure> {
    let catalogue = schema::load(&config.schema_dirs, config.wire_case, console).map_err(Failure::Usage)?;
    let options = config.into_shell(catalogue).map_err(Failure::Usage)?;
    let refused = |error: io::Error| {
        let flag = if error.kind() == ErrorKind::AddrInUse { ", which is the demo's --listen" } else { "" };
        Failure::Refused(format!("the demo hub can't run: {error}{flag}"))
    };
    Ok(Box::new(InProcess(Server::start(options).map_err(refused)?)))
}
