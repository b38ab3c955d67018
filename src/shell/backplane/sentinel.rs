//! Sentinels, which watch over a master and its replicas, and know which of them is the master.

use super::dialed::{Address, Dialed, Manners};
use super::faults::Complaint;
use super::options::{Options, Sentinel};
use crate::backplane::Fault;

/// What the Sentinel there says that the master is.
pub(super) fn master(options: &Options, sentinel: &Sentinel, (host, port): &Address) -> Result<Address, Complaint> {
    let Sentinel { master, user, password } = sentinel;
    let manners = Manners { tls: options.tls.as_ref(), user: user.as_deref(), password: password.as_ref() };
    let refused = |complaint: Complaint| {
        let complaint = complaint.meaning(Fault::Refused, Fault::SentinelRefused);
        complaint.meaning(Fault::Passwordless, Fault::SentinelRefused)
    };
    let mut dialed = Dialed::dial(host, *port, manners).map_err(refused)?;
    let mut command = redis::cmd("SENTINEL");
    let found: Result<Option<Address>, Complaint> = dialed.ask(command.arg("get-master-addr-by-name").arg(master));
    // A server that is none knows no such command.
    let nameless = |complaint: Complaint| refused(complaint.meaning(Fault::Garbled, Fault::Nameless));
    Ok(found.map_err(nameless)?.ok_or(Fault::Nameless)?)
}
