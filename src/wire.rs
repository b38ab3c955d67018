//! The way out of the core: sockets, as it knows them.

use slotmap::new_key_type;

new_key_type! {
    /// A connection of this shard. Carries a generation: the key of a closed connection finds
    /// nothing.
    pub struct ConnKey;
}

/// How a socket is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What was written still arrives.
    Graceful,
    /// The peer is cut off; what it has not taken is lost.
    Reset,
}

/// The socket failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError;

/// The way out of the core: what the shell, or a simulator, does with a connection's socket.
pub trait Wire {
    /// Writes what the socket takes, in order. Less than all means that it is full and that a
    /// writable edge will come.
    fn write(&mut self, conn: ConnKey, slices: &[&[u8]]) -> Result<usize, WireError>;
    /// Ends the sending direction; what was written still arrives.
    fn shutdown_write(&mut self, conn: ConnKey);
    /// Ends the connection.
    fn close(&mut self, conn: ConnKey, ending: Ending);
}
