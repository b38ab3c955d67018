//! The SignalR handshake: the first record of a connection.

use super::super::end::{End, LastWord, Why};
use crate::close::CloseReason;
use crate::proto::signalr::handshake::{self, HandshakeError, Spoken};
use crate::proto::signalr::protocol::HubProtocol;

/// Reads the first record.
///
/// # Errors
/// It is no acceptable handshake, and the connection ends.
pub(super) fn handle_record(record: &[u8]) -> Result<Spoken, End> {
    handshake::parse(record).map_err(|error| {
        let why = Why::blame(CloseReason::HandshakeRefused, "no acceptable SignalR handshake");
        End::new(why, LastWord::HandshakeError(error))
    })
}

/// The transport does not carry what that protocol writes.
pub(super) fn unfit(protocol: HubProtocol) -> End {
    let why = Why::blame(CloseReason::HandshakeRefused, "a binary protocol over a transport of texts");
    End::new(why, LastWord::HandshakeError(HandshakeError::NotBinary(protocol)))
}

/// No whole handshake has come in time.
pub(super) fn late() -> End {
    canceled(Why::new(CloseReason::HandshakeTimeout))
}

/// What the peer sent in its place can't be read on.
pub(super) fn canceled(why: Why) -> End {
    End::new(why, LastWord::HandshakeError(HandshakeError::Canceled))
}
