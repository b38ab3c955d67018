//! What a request leads to beside its own link, which is the only one that an event has in hand.

use super::end::End;
use crate::hub::registry::ConnKey;
use crate::wire::LinkKey;

/// One thing that is still to be done, right behind the event.
#[derive(Debug)]
pub(crate) enum Step {
    /// A poll looks whether there is an answer by now.
    Answer(LinkKey),
    /// Another poll takes the place of this one, or another link its connection.
    Replaced(LinkKey),
    /// The connection ends.
    End(ConnKey, End),
    /// What the peer of the connection has sent and is not done with took so much memory before,
    /// and takes so much now.
    Input(usize, usize),
    /// The deadline of the connection, which has no link, may have changed.
    Look(ConnKey),
    /// The connection, which has no link, is over, and its client knows.
    Free(ConnKey),
}
