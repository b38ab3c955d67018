//! A link on its way to another shard.

use crate::api::routes::Entrance;
use crate::clock::Instant;
use crate::conn::allowance::Allowance;
use core::net::IpAddr;

/// What the core knows of a link that leaves its shard between two requests: nothing is unanswered
/// and nothing unsent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub(super) number: u64,
    /// The other end of the socket.
    pub(super) peer: IpAddr,
    /// The peer is a proxy that has not said whose bytes it passes on.
    pub(super) is_nameless: bool,
    /// The listener that it came in by.
    pub(crate) entrance: Entrance,
    /// Nobody has vouched for it yet.
    pub(crate) is_stranger: bool,
    /// When it was accepted.
    pub(super) opened: Instant,
    /// Bytes that were read and are still to be understood, in order: the request that it moves
    /// for, and those behind it.
    pub(super) unread: Vec<u8>,
    pub(super) since: Instant,
    pub(super) is_first: bool,
    /// As of `refilled`: the first byte of a request does not bring anything back.
    pub(super) allowance: Allowance,
    pub(super) refilled: Instant,
}
