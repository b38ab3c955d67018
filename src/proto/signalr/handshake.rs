//! The handshake: always JSON, the first record in each direction.

/// The hub protocols that a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are SignalR's")]
pub enum HubProtocol {
    Json,
}

/// Why a handshake is refused; [`encode_error`] gives the answer, then the connection ends normally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// Not JSON, no object, a member missing or mistyped.
    Malformed,
    /// No such protocol, in the client's spelling.
    UnknownProtocol(String),
    /// A version that this hub does not speak.
    UnsupportedVersion {
        /// What was asked for, as the decimal number written.
        version: i64,
        /// In the client's spelling.
        protocol: String,
    },
    /// Too late, or too long without a separator.
    Canceled,
}

/// Reads the handshake record (without its separator).
pub fn parse(record: &[u8]) -> Result<HubProtocol, HandshakeError> {
    let _ = record;
    Err(HandshakeError::Malformed)
}

/// The record that accepts: `{}` and the separator.
pub const ACCEPTED: &[u8] = b"{}\x1e";

/// Appends the record that refuses: `{"error":"…"}` and the separator.
pub fn encode_error(error: &HandshakeError, out: &mut Vec<u8>) {
    let _ = (error, out);
}
