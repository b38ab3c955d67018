//! What the user of a hub may do at a server.

use super::dialed::Dialed;
use super::faults::Complaint;
use super::layout::meta;
use super::options::Options;
use crate::backplane::Fault;

/// What the user may not do there that a hub does. A server that does not tell is no worse for
/// that.
pub(super) fn lacks(options: &Options, tag: &str, connection: &mut Dialed) -> Result<Option<Vec<String>>, Complaint> {
    let hash: String = connection.ask(redis::cmd("SCRIPT").arg("LOAD").arg(include_str!("rights.lua")))?;
    let mut command = redis::cmd("EVALSHA");
    command.arg(hash).arg(0);
    ["s", "o", "v", "i:check"].iter().for_each(|what| _ = command.arg(format!("{tag}:{what}")));
    command.arg(meta(&options.prefix)).arg(options.wait_replicas);
    match connection.ask(&command) {
        Err(complaint) if complaint.fault != Fault::Forbidden => Ok(None),
        lacks => lacks.map(Some),
    }
}

/// A fault of rights, with those that the user lacks there, as far as the server tells them: within
/// a script, it does not say which.
pub(super) fn detailed(complaint: Complaint, options: &Options, tag: &str, connection: &mut Dialed) -> Complaint {
    if complaint.fault != Fault::Forbidden {
        return complaint;
    }
    let lacks = lacks(options, tag, connection).ok().flatten().filter(|lacks| !lacks.is_empty());
    Complaint { detail: lacks.map(|lacks| lacks.join(", ")), ..complaint }
}
