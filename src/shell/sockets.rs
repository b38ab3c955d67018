//! The sockets of one reactor, as the core's way out.

use super::reactor::Load;
use crate::hub::{ConnKey, Ending, Wire, WireError};
use mio::net::TcpStream;
use slotmap::SecondaryMap;
use smallvec::SmallVec;
use socket2::SockRef;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// One accepted socket.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// The core wants no bytes for now; there may be some, and no edge will tell.
    is_paused: bool,
    /// A hang-up has been seen: a short read no longer means that all has been read.
    is_read_closed: bool,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// So many bytes; whether there may be more.
    Bytes(usize, bool),
    /// Nothing for now.
    Drained,
    /// The peer sends no more.
    End,
    /// The socket failed.
    Failed,
}

/// The sockets.
#[derive(Debug)]
pub struct Sockets {
    shard: usize,
    map: SecondaryMap<ConnKey, Socket>,
    load: Arc<Load>,
}

impl Sockets {
    pub fn new(shard: usize, load: Arc<Load>) -> Sockets {
        Sockets { shard, map: SecondaryMap::new(), load }
    }

    pub fn insert(&mut self, key: ConnKey, stream: TcpStream) {
        self.map.insert(key, Socket { stream, is_paused: false, is_read_closed: false });
    }

    pub fn set_read_closed(&mut self, key: ConnKey) {
        if let Some(socket) = self.map.get_mut(key) {
            socket.is_read_closed = true;
        }
    }

    pub fn set_paused(&mut self, key: ConnKey, is_paused: bool) {
        if let Some(socket) = self.map.get_mut(key) {
            socket.is_paused = is_paused;
        }
    }

    pub fn is_paused(&self, key: ConnKey) -> bool {
        self.map.get(key).is_some_and(|socket| socket.is_paused)
    }

    /// One read.
    pub fn read(&mut self, key: ConnKey, buffer: &mut [u8]) -> Readable {
        let Some(socket) = self.map.get_mut(key) else { return Readable::Drained };
        loop {
            return match socket.stream.read(buffer) {
                Ok(0) => Readable::End,
                Ok(n) => Readable::Bytes(n, n == buffer.len() || socket.is_read_closed),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Readable::Drained,
                Err(_) => Readable::Failed,
            };
        }
    }
}

impl Wire for Sockets {
    fn write(&mut self, conn: ConnKey, slices: &[&[u8]]) -> Result<usize, WireError> {
        let Some(socket) = self.map.get_mut(conn) else { return Err(WireError) };
        loop {
            let written = match slices {
                [one] => socket.stream.write(one),
                many => {
                    let many: SmallVec<[IoSlice<'_>; 64]> = many.iter().map(|slice| IoSlice::new(slice)).collect();
                    socket.stream.write_vectored(&many)
                }
            };
            return match written {
                Ok(n) => Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                Err(_) => Err(WireError),
            };
        }
    }

    fn shutdown_write(&mut self, conn: ConnKey) {
        if let Some(socket) = self.map.get(conn) {
            // It fails where the peer is gone already, which the next read tells.
            let _ = socket.stream.shutdown(Shutdown::Write);
        }
    }

    fn close(&mut self, conn: ConnKey, ending: Ending) {
        if let Some(socket) = self.map.remove(conn) {
            if ending == Ending::Reset {
                // It fails where the socket is closed already, and then there is nothing to reset.
                let _ = SockRef::from(&socket.stream).set_linger(Some(Duration::ZERO));
            }
            self.load.leave(self.shard);
        }
    }
}
