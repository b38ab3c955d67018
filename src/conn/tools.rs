//! What is made once and used by one link or connection after the other.

use crate::api::publish;
use crate::proto::signalr::json;

/// Reused memory of a shard; nothing of it is kept from one use to the next.
#[derive(Default)]
pub(crate) struct Tools {
    /// Of the hub's methods: the reader of hub messages, where it is not in use.
    pub(super) parser: Option<json::Parser>,
    /// Of the hub's methods: results on their way into a frame. Empty between uses.
    pub(super) result: Vec<u8>,
    /// Of the publish route.
    pub(super) publish: publish::Scratch,
}
