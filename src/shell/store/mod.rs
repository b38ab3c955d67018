//! The engine `file`: a thread that writes what the shards hand over, and the folder that it writes
//! to.
//!
//! What all shards hand over while it writes is one write, and one sync where that is asked for;
//! then each of them is told how far it has come. Nobody else waits for the disk. A file that is
//! long enough is followed by the next; what is too old for the log of a hub goes, once a snapshot
//! of what still holds has taken its place.
//!
//! Where the disk takes no more, the shards go on in memory under another epoch, and the thread
//! tries again, later and later.

mod folder;
mod open;
mod options;
mod tasks;
pub(super) mod writer;

pub(crate) use folder::leave;
pub(crate) use open::{Opened, open};
pub(crate) use options::{Options, Setup};
pub(crate) use tasks::{Numbers, Store};
