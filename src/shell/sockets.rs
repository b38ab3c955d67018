//! The sockets of one reactor, as the core's way out.

use super::load::Load;
use super::os::Stream;
use crate::wire::{Cut, Failure, LinkKey, Wire, WireError};
use slotmap::SecondaryMap;
use std::io;
use std::sync::Arc;

/// One accepted socket.
#[derive(Debug)]
struct Socket<S> {
    stream: S,
    reading: Reading,
    /// A hang-up has been seen: a short read no longer means that all has been read.
    is_read_closed: bool,
}

/// Who has to remember that a socket may be readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// The kernel: all has been read, an edge will come.
    Awaited,
    /// The reactor: the key is on its list of the hot, once.
    Hot,
    /// The core: it wants no bytes for now. There may be some, and no edge will tell.
    Paused,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readable {
    /// So many bytes; whether there may be more.
    Bytes(usize, bool),
    /// Nothing for now.
    Drained,
    /// Nothing yet, of what there is.
    Later,
    /// The peer sends no more.
    End,
    /// The socket failed.
    Failed(Failure),
}

/// The sockets.
#[derive(Debug)]
pub(crate) struct Sockets<S> {
    shard: usize,
    map: SecondaryMap<LinkKey, Socket<S>>,
    load: Arc<Load>,
    /// What the socket of a connection may hold.
    send_bytes: usize,
}

impl<S: Stream> Sockets<S> {
    pub(crate) fn new(shard: usize, load: Arc<Load>, send_bytes: usize) -> Self {
        Sockets { shard, map: SecondaryMap::new(), load, send_bytes }
    }

    /// Whose they are.
    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = LinkKey> {
        self.map.keys()
    }

    pub(crate) fn insert(&mut self, key: LinkKey, stream: S) {
        self.map.insert(key, Socket { stream, reading: Reading::Awaited, is_read_closed: false });
    }

    /// A link goes to another shard, and its socket with it.
    pub(crate) fn take(&mut self, key: LinkKey) -> Option<S> {
        self.map.remove(key).map(|socket| socket.stream)
    }

    pub(crate) fn set_read_closed(&mut self, key: LinkKey) {
        if let Some(socket) = self.map.get_mut(key) {
            socket.is_read_closed = true;
        }
    }

    /// There is something to read. Whether the key must go on the list of the hot: not if it is
    /// there already, since each place on the list is a read budget, nor while the core wants
    /// nothing.
    #[must_use]
    pub(crate) fn heat(&mut self, key: LinkKey) -> bool {
        self.change(key, Reading::Awaited, Reading::Hot)
    }

    /// The key has been taken from the list of the hot.
    pub(crate) fn cool(&mut self, key: LinkKey) {
        self.change(key, Reading::Hot, Reading::Awaited);
    }

    /// The core wants no bytes for now. The key must not be on the list of the hot.
    pub(crate) fn pause(&mut self, key: LinkKey) {
        self.change(key, Reading::Awaited, Reading::Paused);
    }

    /// Reads again, as the core asks. Returns whether the key must go on the list of the hot.
    #[must_use]
    pub(crate) fn resume(&mut self, key: LinkKey) -> bool {
        self.change(key, Reading::Paused, Reading::Hot)
    }

    /// Why a socket has failed that the core does not read on, and would learn of later.
    pub(crate) fn failure_of_paused(&mut self, key: LinkKey) -> Option<Failure> {
        let socket = self.map.get_mut(key).filter(|socket| socket.reading == Reading::Paused)?;
        Some(socket.stream.failure())
    }

    fn change(&mut self, key: LinkKey, from: Reading, to: Reading) -> bool {
        match self.map.get_mut(key) {
            Some(socket) if socket.reading == from => {
                socket.reading = to;
                true
            }
            Some(_) | None => false,
        }
    }

    /// There is room in a socket that was full.
    pub fn flush(&mut self, key: LinkKey) {
        if let Some(socket) = self.map.get_mut(key) {
            // A stream that has failed tells it when it is next read or written.
            let _ = socket.stream.flush();
        }
    }

    /// Reads once.
    pub(crate) fn read(&mut self, key: LinkKey, buffer: &mut [u8]) -> Readable {
        let Some(socket) = self.map.get_mut(key) else { return Readable::Drained };
        loop {
            return match socket.stream.read(buffer) {
                Ok(0) => Readable::End,
                Ok(n) => Readable::Bytes(n, n == buffer.len() || socket.is_read_closed || socket.stream.has_more()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if socket.stream.has_more() {
                        Readable::Later
                    } else {
                        Readable::Drained
                    }
                }
                Err(_) => Readable::Failed(socket.stream.failure()),
            };
        }
    }
}

impl<S: Stream> Sockets<S> {
    /// The work that reading has cost beside the bytes that were given, in deliveries.
    pub(super) fn take_work(&mut self, key: LinkKey) -> usize {
        self.map.get_mut(key).map_or(0, |socket| socket.stream.take_work())
    }
}

impl<S: Stream> Wire for Sockets<S> {
    fn write(&mut self, link: LinkKey, slices: &[&[u8]]) -> Result<usize, WireError> {
        let Some(socket) = self.map.get_mut(link) else { return Err(WireError) };
        loop {
            return match socket.stream.write(slices) {
                Ok(n) => Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                Err(_) => Err(WireError),
            };
        }
    }

    fn acked(&mut self, link: LinkKey) -> Option<u32> {
        self.map.get(link)?.stream.acked()
    }

    fn widen(&mut self, link: LinkKey) {
        if let Some(socket) = self.map.get_mut(link) {
            socket.stream.widen(self.send_bytes);
        }
    }

    fn shutdown_write(&mut self, link: LinkKey) {
        if let Some(socket) = self.map.get_mut(link) {
            socket.stream.shutdown_write();
        }
    }

    fn close(&mut self, link: LinkKey, cut: Cut) {
        if let Some(socket) = self.map.remove(link) {
            socket.stream.close(cut);
            self.load.leave(self.shard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap::SlotMap;

    struct Nothing;

    impl Stream for Nothing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn write(&mut self, _: &[&[u8]]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn shutdown_write(&mut self) {}

        fn close(self, _: Cut) {}
    }

    #[test]
    fn a_socket_is_on_the_list_of_the_hot_once_and_not_while_paused() {
        let mut keys: SlotMap<LinkKey, ()> = SlotMap::with_key();
        let (key, stale) = (keys.insert(()), keys.insert(()));
        let mut sockets = Sockets::new(0, Arc::new(Load::new(1)), 0);
        sockets.insert(key, Nothing);
        assert!(sockets.heat(key) && !sockets.heat(key), "a second edge adds nothing");
        sockets.cool(key);
        sockets.pause(key);
        assert!(!sockets.heat(key), "an edge tells nothing while the core wants nothing");
        assert!(sockets.resume(key) && !sockets.resume(key) && !sockets.heat(key));
        assert!(!sockets.heat(stale) && !sockets.resume(stale));
    }
}
