//! How links and connections come to their end: why, and what is said last.

use crate::close::CloseReason;
use crate::proto::signalr::handshake::HandshakeError;
use crate::proto::ws::decode::FrameError;

/// Why something ends. The first reason counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) reason: CloseReason,
    /// What exactly the peer did.
    pub(crate) detail: Option<&'static str>,
    /// What waited, where it has been dropped before the end.
    pub(crate) lost_bytes: usize,
}

impl Why {
    pub(super) fn new(reason: CloseReason) -> Why {
        Why { reason, detail: None, lost_bytes: 0 }
    }

    /// The peer did this.
    pub(super) fn blame(reason: CloseReason, detail: &'static str) -> Why {
        Why { reason, detail: Some(detail), lost_bytes: 0 }
    }

    /// It was given up, and so much that waited is gone.
    pub(super) fn given_up(reason: CloseReason, lost_bytes: usize) -> Why {
        Why { reason, detail: None, lost_bytes }
    }
}

/// What a peer is told last.
#[derive(Clone, Debug)]
pub(crate) enum LastWord {
    /// Nothing: it is gone, or takes nothing any more.
    Nothing,
    /// SignalR's Close.
    Close { error: Option<String>, allow_reconnect: bool },
    /// The answer to a handshake that can't be accepted.
    HandshakeError(HandshakeError),
    /// There is no hub protocol yet to say it in, and the hub goes away.
    GoingAway,
    /// The peer has closed its WebSocket, and hears the same.
    CloseBack,
    /// The peer broke RFC 6455.
    Violation(FrameError),
}

/// Why a connection ends, and what its peer is told.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(super) why: Why,
    pub(super) word: LastWord,
}

impl End {
    pub(super) fn new(why: Why, word: LastWord) -> End {
        End { why, word }
    }

    /// Without a word.
    pub(super) fn silent(reason: CloseReason) -> End {
        End { why: Why::new(reason), word: LastWord::Nothing }
    }

    /// With SignalR's Close, which says what the reason has for clients, and whether they may come
    /// back.
    pub(super) fn close(why: Why) -> End {
        End::close_with(why, None)
    }

    /// Its connection was given up, and so much that waited is gone. A slow reader is told why, and
    /// that it may come back.
    pub(crate) fn given_up(reason: CloseReason, lost_bytes: usize) -> End {
        let why = Why::given_up(reason, lost_bytes);
        if reason.word().is_empty() { End::new(why, LastWord::Nothing) } else { End::close(why) }
    }

    /// The same, with what exactly it was.
    pub(super) fn close_with(why: Why, detail: Option<&str>) -> End {
        let error = why.reason.told(detail);
        End { why, word: LastWord::Close { error, allow_reconnect: why.reason.may_return() } }
    }
}

/// What becomes of a connection after it was given something.
#[derive(Clone, Debug)]
pub(crate) enum Flow {
    /// More may come.
    GoOn,
    /// What comes next waits until other shards have answered.
    Wait,
    /// It ends.
    End(End),
}
