//! A hub from its start to its end, by signals.

use super::current::InForce;
use super::inherited::inherited;
use super::signals::{Request, Signals};
use super::supervisor::Supervisor;
use super::{Options, Renewal, Server};
use crate::clock::Deadline;
use std::io;
use std::time::Duration;

/// Runs a hub until SIGTERM or SIGINT, then drains it; a second signal ends the process at once. At
/// SIGHUP `reload` makes of what is in force what is to be. Sockets that were passed are taken
/// over, and a supervisor that asks is told.
///
/// # Errors
///
/// As [`Server::start`]; also where signals can't be had, or what was passed is of no use.
pub fn serve(options: Options, reload: impl Fn(&InForce) -> Result<Renewal, String>) -> io::Result<()> {
    let mut signals = Signals::install()?;
    let server = Server::start_on(inherited()?, options)?;
    server.log_panics();
    let variable = |name: &str| std::env::var(name).ok();
    let mut supervisor = Supervisor::of(variable, std::process::id(), server.clock.now())?;
    supervisor.ready();
    let mut drain_at = Deadline::NEVER;
    while !drain_at.is_due(server.clock.now()) {
        let now = server.clock.now();
        supervisor.watch(server.shards(), now, |turns| server.count_turns(turns));
        let wait = drain_at.min(supervisor.next_look()).ms_from(now.mono).map(Duration::from_millis);
        match signals.next(wait)? {
            Some(Request::End) => {
                supervisor.stopping();
                drain_at = server.announce_drain();
            }
            Some(Request::Reload) => {
                supervisor.reloading();
                server.reload(&reload);
                supervisor.ready();
            }
            None => {}
        }
    }
    server.drain();
    server.join();
    Ok(())
}
