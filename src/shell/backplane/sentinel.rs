//! Sentinels, which watch over a master and its replicas, and know which of them is the master.

use super::dialed::{Address, Dialed, Manners};
use super::options::{Options, Sentinel};
use crate::backplane::Fault;

/// What the Sentinel there says that the master is.
pub(super) fn master(options: &Options, sentinel: &Sentinel, (host, port): &Address) -> Result<Address, Fault> {
    let Sentinel { master, user, password } = sentinel;
    let manners = Manners { tls: options.tls.as_ref(), user: user.as_deref(), password: password.as_ref() };
    let mut dialed = Dialed::dial(host, *port, manners)?;
    let mut command = redis::cmd("SENTINEL");
    let found: Result<Option<Address>, Fault> = dialed.ask(command.arg("get-master-addr-by-name").arg(master));
    // A server that is none knows no such command.
    found.map_err(|fault| if fault == Fault::Garbled { Fault::Nameless } else { fault })?.ok_or(Fault::Nameless)
}
