//! A stateful connection loses its link, and goes on on another.

use super::{Handle, Stage};
use crate::conn::input::Unread;
use crate::wire::LinkKey;

impl Handle<'_, '_> {
    /// Its link is gone, and with it what has come in part or waits: no such message counts yet,
    /// and the client sends it again.
    pub(in crate::conn) fn lose_link(&mut self) {
        match &mut self.connection.stage {
            Stage::Open(cut) => *cut = None,
            Stage::Paused(_) => self.connection.stage = Stage::Open(None),
            Stage::Waiting(waiting) => waiting.unread = Unread::default(),
            Stage::Handshake(_) | Stage::Over => {}
        }
        self.turn.hub.detach(self.key, self.turn.now.mono);
    }

    /// It goes on on the link of this turn, whose first bytes are these.
    pub(in crate::conn) fn take_link(&mut self, link: LinkKey, accept: &[u8]) {
        self.note_heard(0);
        (self.connection.spoke, self.connection.acked) = (self.turn.now.mono, 0);
        self.turn.hub.attach(self.key, link, accept);
    }
}
