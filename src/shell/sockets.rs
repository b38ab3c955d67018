//! The sockets of one reactor, as the core's way out.

use super::load::Load;
use super::os::Stream;
use crate::limits::STRANGER_SEND_BYTES;
use crate::wire::{Cut, Failure, LinkKey, Wire, WireError};
use slotmap::SecondaryMap;
use std::io;
use std::sync::Arc;

/// A stranger's socket is given so much at a time. Linux takes a write whole, however small the
/// send buffer, and would hold all of it; and a peer whose segments are as large as the loopback's
/// acknowledges a single one 40 ms later, two at once.
const PIECE_BYTES: usize = STRANGER_SEND_BYTES;

/// One accepted socket.
#[derive(Debug)]
struct Socket<S> {
    stream: S,
    reading: Reading,
    /// A hang-up has been seen: a short read no longer means that all has been read.
    is_read_closed: bool,
    /// It has failed, which no further edge will tell.
    has_failed: bool,
    /// It is no stranger's, and may hold `socket_send_bytes`.
    is_wide: bool,
}

impl<S: Stream> Socket<S> {
    fn write(&mut self, slices: &[&[u8]]) -> Result<usize, WireError> {
        loop {
            return match self.stream.write(slices) {
                Ok(n) => Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                Err(_) => Err(WireError),
            };
        }
    }
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
    /// What the socket of who is no stranger may hold.
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

    /// Whether it is no stranger's any more.
    #[cfg(test)]
    pub(super) fn is_wide(&self, key: LinkKey) -> bool {
        self.map.get(key).is_some_and(|socket| socket.is_wide)
    }

    pub(crate) fn insert(&mut self, key: LinkKey, stream: S) {
        let (reading, is_read_closed, has_failed, is_wide) = (Reading::Awaited, false, false, false);
        self.map.insert(key, Socket { stream, reading, is_read_closed, has_failed, is_wide });
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

    /// The core wants no bytes for now. The key must not be on the list of the hot; returns whether
    /// it must go there all the same, since the socket has failed.
    #[must_use]
    pub(crate) fn pause(&mut self, key: LinkKey) -> bool {
        self.change(key, Reading::Awaited, Reading::Paused);
        self.map.get(key).is_some_and(|socket| socket.has_failed) && self.resume(key)
    }

    /// Reads again, as the core asks. Returns whether the key must go on the list of the hot.
    #[must_use]
    pub(crate) fn resume(&mut self, key: LinkKey) -> bool {
        self.change(key, Reading::Paused, Reading::Hot)
    }

    /// It has failed. Returns whether the key must go on the list of the hot: whoever is paused
    /// shall learn it, too.
    #[must_use]
    pub(crate) fn fail(&mut self, key: LinkKey) -> bool {
        if let Some(socket) = self.map.get_mut(key) {
            socket.has_failed = true;
        }
        self.resume(key)
    }

    /// Why a socket has failed, if it has.
    pub(crate) fn failure(&self, key: LinkKey) -> Option<Failure> {
        let socket = self.map.get(key).filter(|socket| socket.has_failed)?;
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
        if socket.is_wide || slices.iter().map(|slice| slice.len()).sum::<usize>() <= PIECE_BYTES {
            return socket.write(slices);
        }
        let mut written = 0;
        for piece in slices.iter().flat_map(|slice| slice.chunks(PIECE_BYTES)) {
            let taken = socket.write(&[piece])?;
            written += taken;
            if taken < piece.len() {
                break;
            }
        }
        Ok(written)
    }

    fn acked(&mut self, link: LinkKey) -> Option<u32> {
        self.map.get(link)?.stream.acked()
    }

    fn widen(&mut self, link: LinkKey) {
        if let Some(socket) = self.map.get_mut(link).filter(|socket| !socket.is_wide) {
            socket.is_wide = true;
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

    /// Has nothing to read, and takes as many bytes as it has room for.
    #[derive(Default)]
    struct Taking {
        room: usize,
        writes: Vec<usize>,
    }

    impl Stream for Taking {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn write(&mut self, slices: &[&[u8]]) -> io::Result<usize> {
            let taken = slices.iter().map(|slice| slice.len()).sum::<usize>().min(self.room);
            self.room -= taken;
            self.writes.push(taken);
            if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        }

        fn shutdown_write(&mut self) {}

        fn close(self, _: Cut) {}
    }

    fn sockets(streams: impl IntoIterator<Item = Taking>) -> (Sockets<Taking>, Vec<LinkKey>) {
        let mut keys: SlotMap<LinkKey, ()> = SlotMap::with_key();
        let mut sockets = Sockets::new(0, Arc::new(Load::new(1)), 0);
        let insert = |stream| {
            let key = keys.insert(());
            sockets.insert(key, stream);
            key
        };
        let keys = streams.into_iter().map(insert).collect();
        (sockets, keys)
    }

    #[test]
    fn a_socket_is_on_the_list_of_the_hot_once_and_not_while_paused() {
        let (mut sockets, keys) = sockets([Taking::default(), Taking::default()]);
        let (key, stale) = (keys[0], keys[1]);
        sockets.close(stale, Cut::Graceful);
        assert!(sockets.heat(key) && !sockets.heat(key), "a second edge adds nothing");
        sockets.cool(key);
        assert!(!sockets.pause(key));
        assert!(!sockets.heat(key), "an edge tells nothing while the core wants nothing");
        assert!(sockets.resume(key) && !sockets.resume(key) && !sockets.heat(key));
        assert!(!sockets.heat(stale) && !sockets.resume(stale));
    }

    #[test]
    fn a_socket_that_fails_is_looked_at_once_more_whether_it_is_paused_before_or_after() {
        let (mut sockets, keys) = sockets([Taking::default(), Taking::default()]);
        assert!(!sockets.pause(keys[0]));
        assert!(sockets.fail(keys[0]) && !sockets.fail(keys[0]), "once");
        assert!(sockets.heat(keys[1]) && !sockets.fail(keys[1]), "it is on the list already");
        sockets.cool(keys[1]);
        assert!(sockets.pause(keys[1]));
        assert!(keys.iter().all(|key| sockets.failure(*key) == Some(Failure::Socket)));
    }

    #[test]
    fn a_stranger_s_socket_is_given_little_at_a_time_until_it_is_full() {
        let (page, head) = (vec![b'x'; 3 * PIECE_BYTES], [b'h'; 100]);
        let rooms = [usize::MAX, PIECE_BYTES + 500, usize::MAX];
        let (mut sockets, keys) = sockets(rooms.map(|room| Taking { room, ..Taking::default() }));
        let mut written = |key| sockets.write(key, &[&head, &page]).unwrap();
        assert_eq!((written(keys[0]), written(keys[1])), (head.len() + page.len(), PIECE_BYTES + 500));
        sockets.widen(keys[2]);
        sockets.write(keys[2], &[&head, &page]).unwrap();
        assert_eq!(sockets.write(keys[0], &[&head, &head]).unwrap(), 200);
        let writes = keys.iter().map(|key| sockets.take(*key).unwrap().writes).collect::<Vec<_>>();
        let whole = head.len() + page.len();
        let (all, some) = (vec![100, PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 200], vec![100, PIECE_BYTES, 400]);
        assert_eq!(writes, [all, some, vec![whole]]);
    }
}
