//! Where a connection comes from.

use crate::api::routes::Entrance;
use crate::timer::TimerSlot;
use core::net::IpAddr;

/// Who comes, before it is known what it wants.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Origin {
    /// The number of the link on which it comes.
    pub(in super::super) number: u64,
    /// Where its deadline stands.
    pub(in super::super) timer: TimerSlot,
    /// The other end of the socket.
    pub(in super::super) peer: IpAddr,
    /// The same, or behind a trusted proxy its client.
    pub(in super::super) client: IpAddr,
    /// The listener that it came in by.
    pub(in super::super) entrance: Entrance,
}
