//! What a link may touch in a turn.

use crate::broken::broken;
use crate::conn::hub::connection::{Connections, Handle};
use crate::conn::turn::Turn;
use crate::hub::registry::ConnKey;
use crate::wire::LinkKey;

/// A link's key, and all that the turn lets it touch.
pub(crate) struct Cx<'c, 't> {
    pub(crate) link: LinkKey,
    pub(crate) connections: &'c mut Connections,
    pub(crate) turn: &'c mut Turn<'t>,
}

impl<'t> Cx<'_, 't> {
    /// The connection that this link carries.
    pub(super) fn connection(&mut self, key: ConnKey) -> Handle<'_, 't> {
        let connection = self.connections.get_mut(key);
        let connection = connection.unwrap_or_else(|| broken("a connection is not freed before its link"));
        Handle { key, connection, turn: self.turn }
    }
}
