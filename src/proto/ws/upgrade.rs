//! The opening handshake (RFC 6455 section 4.2).

use super::super::http::head::Head;

/// Why an upgrade request is refused with an ordinary reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpgradeError {
    /// 400, or 426 for another version than 13 (then `Sec-WebSocket-Version: 13` goes with it).
    pub status: u16,
    /// What is wrong.
    pub message: &'static str,
}

/// Whether the request asks for a WebSocket at all (`Upgrade: websocket` and `Connection: Upgrade`).
pub fn is_upgrade(head: &Head<'_>) -> bool {
    let _ = head;
    false
}

/// Checks an upgrade request and gives its key.
pub fn check<'b>(head: &Head<'b>) -> Result<&'b str, UpgradeError> {
    let _ = head;
    Err(UpgradeError { status: 400, message: "" })
}

/// Appends the whole `101 Switching Protocols` reply for that key. No extension and no subprotocol is ever chosen.
pub fn accept(key: &str, out: &mut Vec<u8>) {
    let _ = (key, out);
}
