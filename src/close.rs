//! Why connections end: one list, each reason with its metric label, its sentence, and who is to blame.

/// Who has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nobody: it is how connections end.
    Nobody,
    /// The peer's software or network.
    Peer,
    /// The operator of this hub.
    Operator,
    /// This program.
    Us,
}

/// The reasons. Every connection ends with exactly one: the first that made it begin to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The last request asked for it, or its reply did.
    Served,
    /// The peer said Close, by WebSocket or hub message.
    PeerClosed,
    /// The peer's bytes ended without a Close.
    PeerGone,
    /// The socket failed.
    SocketFailed,
    /// A request head that is no HTTP/1.1, or beyond its bounds.
    BadRequest,
    /// No whole request in time.
    RequestTimeout,
    /// No further request in time.
    IdleTimeout,
    /// A body beyond its framing or bound.
    BadBody,
    /// A violation of RFC 6455.
    FrameError,
    /// No whole SignalR handshake in time.
    HandshakeTimeout,
    /// A SignalR handshake that can't be accepted.
    HandshakeRefused,
    /// A record that is no hub message.
    MalformedMessage,
    /// A record longer than `record_bytes_max`.
    MessageTooLong,
    /// A client that used to ping fell silent.
    ClientTimeout,
    /// The token's time is over, and the configuration says that this ends connections.
    TokenExpired,
    /// The peer took too little for too long: its backlog passed `outbox_hard_bytes`.
    Overrun,
    /// The peer took nothing for `write_stuck_ms`.
    WriteStuck,
    /// The hub drains.
    Drain,
    /// `connections_max` is reached.
    Full,
    /// Another shard did not answer in time.
    Unanswered,
}

impl CloseReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [CloseReason; 20] = [
        CloseReason::Served,
        CloseReason::PeerClosed,
        CloseReason::PeerGone,
        CloseReason::SocketFailed,
        CloseReason::BadRequest,
        CloseReason::RequestTimeout,
        CloseReason::IdleTimeout,
        CloseReason::BadBody,
        CloseReason::FrameError,
        CloseReason::HandshakeTimeout,
        CloseReason::HandshakeRefused,
        CloseReason::MalformedMessage,
        CloseReason::MessageTooLong,
        CloseReason::ClientTimeout,
        CloseReason::TokenExpired,
        CloseReason::Overrun,
        CloseReason::WriteStuck,
        CloseReason::Drain,
        CloseReason::Full,
        CloseReason::Unanswered,
    ];

    /// Its place in [`CloseReason::ALL`], for tables of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The label of its counter.
    pub fn label(self) -> &'static str {
        self.row().0
    }

    /// What happened, as a sentence for logs.
    pub fn sentence(self) -> &'static str {
        self.row().1
    }

    /// Who has to act.
    pub fn blame(self) -> Blame {
        self.row().2
    }

    fn row(self) -> (&'static str, &'static str, Blame) {
        match self {
            CloseReason::Served => ("served", "the last request has been answered", Blame::Nobody),
            CloseReason::PeerClosed => ("peer_closed", "the peer closed", Blame::Nobody),
            CloseReason::PeerGone => ("peer_gone", "the peer went away without a Close", Blame::Nobody),
            CloseReason::SocketFailed => ("socket_failed", "the socket failed", Blame::Peer),
            CloseReason::BadRequest => ("bad_request", "the request head is no good HTTP/1.1", Blame::Peer),
            CloseReason::RequestTimeout => ("request_timeout", "no whole request came in time", Blame::Peer),
            CloseReason::IdleTimeout => ("idle_timeout", "no further request came in time", Blame::Nobody),
            CloseReason::BadBody => ("bad_body", "the request body breaks its framing or its bound", Blame::Peer),
            CloseReason::FrameError => ("frame_error", "the peer violated RFC 6455", Blame::Peer),
            CloseReason::HandshakeTimeout => ("handshake_timeout", "no SignalR handshake came in time", Blame::Peer),
            CloseReason::HandshakeRefused => ("handshake_refused", "the SignalR handshake was refused", Blame::Peer),
            CloseReason::MalformedMessage => ("malformed_message", "a record was no hub message", Blame::Peer),
            CloseReason::MessageTooLong => ("message_too_long", "a hub message passed record_bytes_max", Blame::Peer),
            CloseReason::ClientTimeout => ("client_timeout", "a client that used to ping fell silent", Blame::Peer),
            CloseReason::TokenExpired => {
                ("token_expired", "the token expired and close_on_expiry is set", Blame::Nobody)
            }
            CloseReason::Overrun => ("overrun", "the backlog of a slow consumer passed outbox_hard_bytes", Blame::Peer),
            CloseReason::WriteStuck => ("write_stuck", "the peer took nothing for write_stuck_ms", Blame::Peer),
            CloseReason::Drain => ("drain", "the hub drains", Blame::Nobody),
            CloseReason::Full => ("full", "connections_max is reached", Blame::Operator),
            CloseReason::Unanswered => ("unanswered", "another shard of the hub did not answer in time", Blame::Us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_number_and_label() {
        for (number, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), number);
            assert_eq!(CloseReason::ALL.iter().filter(|other| other.label() == reason.label()).count(), 1);
        }
    }
}
