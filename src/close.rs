//! Why connections end: one list, each reason with its metric label, who is to blame, the word that
//! the client is told, and its sentence.

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

/// Makes the enum from its rows: variant, label, who is to blame, the word with which SignalR's
/// Close tells it (empty where the client is told nothing, or no error), sentence.
macro_rules! reasons {
    ($($Reason:ident $label:literal $Blame:ident $word:literal $sentence:literal;)*) => {
        /// The reasons. Every connection ends with exactly one: the first that made it begin to
        /// end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum CloseReason {
            $(#[doc = $sentence] $Reason,)*
        }

        impl CloseReason {
            /// All reasons, in the order of their numbers.
            pub const ALL: [CloseReason; [$($label),*].len()] = [$(CloseReason::$Reason),*];

            fn row(self) -> (&'static str, Blame, &'static str, &'static str) {
                match self {
                    $(CloseReason::$Reason => ($label, Blame::$Blame, $word, $sentence),)*
                }
            }
        }
    };
}

reasons! {
    Served "served" Nobody "" "the last request has been answered";
    PeerClosed "peer_closed" Nobody "" "the peer closed";
    PeerGone "peer_gone" Nobody "" "the peer went away without a Close";
    SocketFailed "socket_failed" Peer "" "the socket failed";
    BadRequest "bad_request" Peer "" "the request head is no good HTTP/1.1";
    RequestTimeout "request_timeout" Peer "" "no whole request came in time";
    IdleTimeout "idle_timeout" Nobody "" "no further request came in time";
    BadBody "bad_body" Peer "" "the request body breaks its framing or its bound";
    FrameError "frame_error" Peer "" "the peer violated RFC 6455";
    HandshakeTimeout "handshake_timeout" Peer "" "no SignalR handshake came in time";
    HandshakeRefused "handshake_refused" Peer "" "the SignalR handshake was refused";
    MalformedMessage "malformed_message" Peer "malformed_message" "a record was no hub message";
    MessageTooLong "message_too_long" Peer "message_too_long" "a hub message passed limits.record_bytes_max";
    RecordTimeout "record_timeout" Peer "record_timeout" "a hub message was begun and not ended within limits.record_ms";
    ClientTimeout "client_timeout" Peer "client_timeout" "a client that used to ping was silent for limits.client_timeout_ms";
    NoPoll "no_poll" Peer "" "a client of long polling did not poll again within limits.disconnect_ms";
    LinkLost "link_lost" Nobody "" "the socket ended, and its connection waits for another one (stateful reconnect)";
    LinkReplaced "link_replaced" Nobody "" "another socket has taken over the connection (stateful reconnect)";
    NotResumed "not_resumed" Peer "" "a client with stateful reconnect was not back within limits.disconnect_ms";
    Unreachable "unreachable" Peer "" "the peer acknowledged nothing for limits.client_timeout_ms, not even pings, and sends none itself";
    TokenExpired "token_expired" Nobody "token_expired" "the token expired, and auth.close_on_expiry is set";
    Revoked "revoked" Nobody "token_revoked" "the token was revoked by POST /revoke";
    Overrun "overrun" Peer "slow_reader" "a slow consumer's backlog passed limits.outbox_hard_bytes, and it took nothing for limits.overrun_ms";
    OwnAnswers "own_answers" Peer "own_answers" "a client asked and asked and took no answer, until they passed limits.outbox_hard_bytes";
    TooMuchWork "too_much_work" Peer "too_much_work" "a client asked for so much at once that it would not have been read on for limits.rest_ms";
    BacklogFull "backlog_full" Peer "" "its backlog was the largest when all passed limits.backlog_bytes_max or limits.memory_bytes_max, or its reply was one unread too many for a quarter of that";
    MemoryFull "memory_full" Operator "memory_full" "the hub keeps limits.memory_bytes_max, and the peer sent more that had to be kept";
    WriteStuck "write_stuck" Peer "" "the peer took less than 240 bytes a second for limits.write_stuck_ms";
    Gap "gap" Operator "gap" "publications of its organization are missing in the log that the nodes share";
    Drain "drain" Nobody "" "the hub drains";
    Full "full" Operator "" "the process may have no more file descriptors, and there was no stranger to make room";
    MadeRoom "made_room" Nobody "" "it was the oldest of those that have shown no token, and they passed limits.strangers_max; or limits.internal_max";
    Unanswered "unanswered" Us "unanswered" "another shard of the hub did not answer in time";
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

    /// Returns the word with which a client is told, in `error` of SignalR's Close; empty where it
    /// is told nothing, or goes without an error.
    pub fn word(self) -> &'static str {
        self.row().2
    }

    /// Returns whether a client may come back as it is.
    pub fn may_return(self) -> bool {
        self != CloseReason::Revoked
    }

    /// Returns the `error` of the Close: the word, then the sentence, then what exactly it was.
    pub fn told(self, detail: Option<&str>) -> Option<String> {
        let (word, sentence) = (self.word(), self.sentence());
        let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        (!word.is_empty()).then(|| format!("{word}: {sentence}{detail}"))
    }

    /// Returns what happened, as a sentence for logs and clients.
    pub fn sentence(self) -> &'static str {
        self.row().3
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

    #[test]
    fn a_word_stands_before_its_sentence_and_who_goes_without_an_error_has_none() {
        let told = CloseReason::MessageTooLong.told(Some("131072 bytes"));
        assert_eq!(told.unwrap(), "message_too_long: a hub message passed limits.record_bytes_max (131072 bytes)");
        assert_eq!(CloseReason::Drain.told(None), None);
        let words = || CloseReason::ALL.into_iter().map(CloseReason::word).filter(|word| !word.is_empty());
        for word in words() {
            assert_eq!(words().filter(|other| *other == word).count(), 1, "{word}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
        }
    }
}
