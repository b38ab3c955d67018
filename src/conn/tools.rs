//! What links and connections of a shard share.

use super::hub::grant_sets::GrantSets;
use crate::api::publish;
use crate::proto::signalr::json;

/// Memory of a shard that one link or connection after the other uses.
#[derive(Default)]
pub(crate) struct Tools {
    /// Of the hub's methods: the reader of hub messages, where it is not in use.
    pub(super) parser: Option<json::Parser>,
    /// Of the hub's methods: results on their way into a frame. Empty between uses.
    pub(super) result: Vec<u8>,
    /// Of connections: the grants that they hold.
    pub(super) grants: GrantSets,
    /// Of the publish route.
    pub(super) publish: publish::Scratch,
}
