//! Why connections end: one list, each reason with its metric label, its sentence, and who is to
//! blame.

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

/// Makes the enum from its rows: variant, label, who is to blame, sentence.
macro_rules! reasons {
    ($($Reason:ident $label:literal $Blame:ident $sentence:literal;)*) => {
        /// The reasons. Every connection ends with exactly one: the first that made it begin to
        /// end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum CloseReason {
            $(#[doc = $sentence] $Reason,)*
        }

        impl CloseReason {
            /// All reasons, in the order of their numbers.
            pub const ALL: [CloseReason; [$($label),*].len()] = [$(CloseReason::$Reason),*];

            fn row(self) -> (&'static str, Blame, &'static str) {
                match self {
                    $(CloseReason::$Reason => ($label, Blame::$Blame, $sentence),)*
                }
            }
        }
    };
}

reasons! {
    Served "served" Nobody "the last request has been answered";
    PeerClosed "peer_closed" Nobody "the peer closed";
    PeerGone "peer_gone" Nobody "the peer went away without a Close";
    SocketFailed "socket_failed" Peer "the socket failed";
    BadRequest "bad_request" Peer "the request head is no good HTTP/1.1";
    RequestTimeout "request_timeout" Peer "no whole request came in time";
    IdleTimeout "idle_timeout" Nobody "no further request came in time";
    BadBody "bad_body" Peer "the request body breaks its framing or its bound";
    FrameError "frame_error" Peer "the peer violated RFC 6455";
    HandshakeTimeout "handshake_timeout" Peer "no SignalR handshake came in time";
    HandshakeRefused "handshake_refused" Peer "the SignalR handshake was refused";
    MalformedMessage "malformed_message" Peer "a record was no hub message";
    MessageTooLong "message_too_long" Peer "a hub message passed record_bytes_max";
    ClientTimeout "client_timeout" Peer "a client that used to ping fell silent";
    TokenExpired "token_expired" Nobody "the token expired and close_on_expiry is set";
    Overrun "overrun" Peer "a slow consumer's backlog passed outbox_hard_bytes and it took nothing for overrun_ms";
    BacklogFull "backlog_full" Peer "its backlog was the largest when all passed backlog_bytes_max, or its reply was one unread too many for a quarter of that";
    WriteStuck "write_stuck" Peer "the peer took nothing for write_stuck_ms";
    Drain "drain" Nobody "the hub drains";
    Full "full" Operator "connections_max is reached";
    Unanswered "unanswered" Us "another shard of the hub did not answer in time";
}

impl CloseReason {
    /// Returns its place in [`CloseReason::ALL`], for tables of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the label of its counter.
    pub fn label(self) -> &'static str {
        self.row().0
    }

    /// Returns who has to act.
    pub fn blame(self) -> Blame {
        self.row().1
    }

    /// Returns what happened, as a sentence for logs.
    pub fn sentence(self) -> &'static str {
        self.row().2
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
