//! A link that carries a connection as an event stream: its bytes go out behind a reply that never
//! ends, and what its client says comes by requests of other links. It outlives the connection only
//! as an [`Ending`].

use super::cx::Cx;
use super::ending::{Ending, Rest, Sender};
use super::parting::part;
use crate::conn::end::{End, Flow, LastWord};
use crate::hub::registry::ConnKey;

/// A link that carries a connection as server-sent events.
#[derive(Debug)]
pub(crate) struct EventStream {
    pub(super) conn: ConnKey,
}

impl EventStream {
    /// Goes on as its connection does.
    pub(super) fn follow(self, flow: Flow, cx: &mut Cx<'_, '_>) -> Result<EventStream, Box<Ending>> {
        match flow {
            Flow::GoOn | Flow::Wait => Ok(self),
            Flow::End(end) => Err(self.end(end, cx)),
        }
    }

    /// The one way out: the last word is queued, the connection is over, and the stream ends behind
    /// it.
    pub(super) fn end(self, end: End, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        let rest = Rest::Connection(self.conn);
        let parting = part(&end, cx.connection(self.conn));
        match end.word {
            LastWord::Nothing => Ending::over(parting, end.why, rest),
            LastWord::Close { .. }
            | LastWord::HandshakeError(_)
            | LastWord::GoingAway
            | LastWord::CloseBack
            | LastWord::Violation(_) => Ending::finishing(parting, end.why, rest, Sender::Open, cx),
        }
    }
}
