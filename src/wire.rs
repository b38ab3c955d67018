//! The way out of the core: sockets, as it knows them.

use slotmap::new_key_type;

new_key_type! {
    /// A link of this shard: one accepted socket. Carries a generation: the key of a link that is
    /// gone finds nothing.
    pub struct LinkKey;
}

/// How a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// What was written still arrives.
    Graceful,
    /// The peer is cut off; what it has not taken is lost.
    Reset,
}

/// Why a socket failed, as far as it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The system says so.
    Socket,
    /// TLS can't go on, for that reason.
    Tls(&'static str),
    /// The peer doesn't speak TLS, and the port does.
    NoTls,
}

/// The socket failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError;

/// The way out of the core: what the shell, or a simulator, does with a link's socket.
pub trait Wire {
    /// Writes what the socket takes, in order. Less than all means that it is full and that a
    /// writable edge will come.
    fn write(&mut self, link: LinkKey, slices: &[&[u8]]) -> Result<usize, WireError>;
    /// Returns a count, which wraps around, of the bytes that the peer has acknowledged; nothing
    /// where the system does not tell. It asks the system: not for each write.
    fn acked(&mut self, link: LinkKey) -> Option<u32> {
        let _ = link;
        None
    }
    /// The peer is no stranger any more: its socket may hold what a connection's may.
    fn widen(&mut self, link: LinkKey) {
        let _ = link;
    }
    /// Ends the sending direction; what was written still arrives.
    fn shutdown_write(&mut self, link: LinkKey);
    /// Closes the socket.
    fn close(&mut self, link: LinkKey, cut: Cut);
}

/// The socket of one link: takes everything, and keeps it.
impl Wire for Vec<u8> {
    fn write(&mut self, _: LinkKey, slices: &[&[u8]]) -> Result<usize, WireError> {
        let before = self.len();
        slices.iter().for_each(|slice| self.extend_from_slice(slice));
        Ok(self.len() - before)
    }

    fn shutdown_write(&mut self, _: LinkKey) {}

    fn close(&mut self, _: LinkKey, _: Cut) {}
}
