//! What links and connections of a shard share.

use super::hub::descriptions::Descriptions;
use super::hub::grant_sets::GrantSets;
use super::hub::results::Verdict;
use crate::api::publish;
use crate::proto::http::date::Date;
use crate::proto::signalr::codec::Parser;

/// Memory of a shard that one link or connection after the other uses.
#[derive(Default)]
pub(crate) struct Tools {
    /// Of the hub's methods: the reader of hub messages, where it is not in use.
    pub(super) parser: Option<Parser>,
    /// Of the hub's methods: a result on its way into a frame. Empty between uses.
    pub(super) verdicts: Vec<Verdict>,
    /// Of the hub's methods: answers that are the same next time.
    pub(super) descriptions: Descriptions,
    /// Of replies.
    pub(super) date: Date,
    /// Of connections: the grants that they hold.
    pub(super) grants: GrantSets,
    /// Of the publish route.
    pub(super) publish: publish::Scratch,
}

impl Tools {
    /// The catalogue, or what tokens are checked by, is another from now on.
    pub(crate) fn forget_descriptions(&mut self) {
        self.descriptions = Descriptions::default();
    }
}
