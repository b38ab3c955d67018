//! How a connection is parted with: its last word, in the words of its transport.

use super::ending::Parting;
use crate::close::CloseReason;
use crate::conn::end::{End, LastWord};
use crate::conn::hub::connection::Handle;
use crate::hub::encoding::Encoding;
use crate::proto::signalr::handshake;
use crate::proto::signalr::message::ServerMessage;
use crate::proto::signalr::transport::Transport;
use crate::proto::ws::encode;

/// WebSocket close codes that this hub sends (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;

/// Queues the last word of a connection, which is over from here on.
pub(in super::super) fn part(end: &End, mut handle: Handle<'_, '_>) -> Parting {
    let End { why, word } = end;
    let (conn, hub) = (handle.key, &mut *handle.turn.hub);
    let encoding = hub.encoding(conn);
    let (opened, left_bytes) = (hub.opened(conn), hub.backlog_bytes(conn));
    if matches!(why.reason, CloseReason::Overrun | CloseReason::OwnAnswers) {
        // Its backlog is gone and nothing else is taken; this is, behind what had been begun.
        hub.send_last(conn, |out| {
            word.write_message(encoding, out);
            word.write_close(encoding, out);
        });
    } else if !matches!(word, LastWord::Nothing) {
        if word.has_message() {
            hub.send_frame(conn, |out| word.write_message(encoding, out));
        }
        if encoding.transport() == Transport::WebSockets {
            hub.send_frame(conn, |out| word.write_close(encoding, out));
        }
    }
    handle.end();
    let (number, timer) = (handle.connection.number(), handle.connection.timer());
    Parting { number, timer, opened, left_bytes }
}

impl LastWord {
    /// Whether it is said in the hub protocol, too.
    fn has_message(&self) -> bool {
        match self {
            LastWord::Close { .. } | LastWord::HandshakeError(_) => true,
            LastWord::Nothing | LastWord::GoingAway | LastWord::CloseBack | LastWord::Violation(_) => false,
        }
    }

    /// As SignalR says it.
    fn write_message(&self, encoding: Encoding, out: &mut Vec<u8>) {
        match self {
            LastWord::Close { error, allow_reconnect } => {
                let (error, allow_reconnect) = (error.as_deref(), *allow_reconnect);
                encoding.encode(&ServerMessage::Close { error, allow_reconnect }, out);
            }
            LastWord::HandshakeError(error) => encoding.wrap(out, |out| handshake::encode_error(error, out)),
            LastWord::Nothing | LastWord::GoingAway | LastWord::CloseBack | LastWord::Violation(_) => {}
        }
    }

    /// As WebSocket says it; the other transports have no word for it.
    fn write_close(&self, encoding: Encoding, out: &mut Vec<u8>) {
        match (encoding.transport(), self) {
            (Transport::ServerSentEvents | Transport::LongPolling, _) => {}
            (Transport::WebSockets, LastWord::Violation(error)) => encode::close(error.code, error.message, out),
            (Transport::WebSockets, LastWord::GoingAway) => encode::close(GOING_AWAY, "", out),
            (
                Transport::WebSockets,
                LastWord::Close { .. } | LastWord::HandshakeError(_) | LastWord::CloseBack | LastWord::Nothing,
            ) => {
                encode::close(NORMAL, "", out);
            }
        }
    }
}
