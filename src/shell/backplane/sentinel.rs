//! Sentinels, which watch over a master and its replicas, and know which of them is the master.

use super::dialed::{Address, Dialed, Manners};
use super::faults::Complaint;
use super::options::{Options, Sentinel};
use crate::backplane::Fault;

/// What the Sentinel there says that the master is.
pub(super) fn master(options: &Options, sentinel: &Sentinel, (host, port): &Address) -> Result<Address, Complaint> {
    let Sentinel { master, user, password } = sentinel;
    let manners = Manners { tls: options.tls.as_ref(), user: user.as_deref(), password: password.as_ref() };
    let mut dialed = Dialed::dial(host, *port, manners).map_err(of_sentinel)?;
    let mut command = redis::cmd("SENTINEL");
    let found: Result<Option<Address>, Complaint> = dialed.ask(command.arg("get-master-addr-by-name").arg(master));
    // A server that is none knows no such command.
    let found = found.map_err(|complaint| of_sentinel(complaint.meaning(Fault::Garbled, Fault::NoSentinel)));
    found?.ok_or_else(|| dialed.blamed(Fault::Nameless))
}

/// What is told of the password for the servers, of that for Sentinels.
fn of_sentinel(complaint: Complaint) -> Complaint {
    [
        (Fault::NoPassword, Fault::SentinelNoPassword),
        (Fault::WrongPassword, Fault::SentinelWrongPassword),
        (Fault::Passwordless, Fault::SentinelPasswordless),
        (Fault::Forbidden, Fault::SentinelForbidden),
    ]
    .into_iter()
    .fold(complaint, |complaint, (server, sentinel)| complaint.meaning(server, sentinel))
}
