//! The texts that a .NET server sends, which clients and their tests compare (signalr-wire.md sections 1.3, 3 and 4.3).

/// The error of a Close that follows a malformed record, a record too long, or a silent client.
pub const CLOSED_WITH_ERROR: &str = "Connection closed with an error.";
