//! What a reactor wants of an operating system. There are two: the real one, and the simulation's,
//! which is a world of pipes.

use crate::api::routes::Entrance;
use crate::clock::Now;
use crate::conn::ToWrite;
use crate::trace::Fact;
use crate::wire::{Cut, Failure, LinkKey};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What a poll reports. Readiness is edge triggered: each is told once, and what is not used up
/// must be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// There are letters.
    Mail,
    /// Somebody wants to be accepted.
    Listener,
    /// Something happened to the stream that was registered with that key, which may be gone.
    Stream(LinkKey, StreamState),
}

/// The state of a stream when it was polled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// It may be read: bytes, an end or an error.
    pub is_readable: bool,
    /// It takes bytes.
    pub is_writable: bool,
    /// The peer sends no more, or the stream has failed: a short read no longer means that all has
    /// been read.
    pub is_read_closed: bool,
    /// It has failed, or ended both ways: whatever is written, nobody gets it.
    pub has_failed: bool,
}

/// An operating system, as one reactor sees it.
pub trait Os {
    /// An accepted socket.
    type Stream: Stream;
    /// Wakes the poll of a reactor from another thread.
    type Wake: Wake;

    /// Reads both clocks.
    fn now(&self) -> Now;

    /// Waits until something is ready, at most so long, and puts what is into an empty list. It may
    /// also return for nothing.
    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Readiness>);

    /// Has a stream polled, for both directions, until it is closed or deregistered. What is ready
    /// already is told, too.
    ///
    /// # Errors
    ///
    /// The system has no room for it.
    fn register(&mut self, stream: &mut Self::Stream, key: LinkKey) -> io::Result<()>;

    /// Has a stream polled no longer, so that another reactor can register it.
    ///
    /// # Errors
    ///
    /// The system doesn't know it.
    fn deregister(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// Returns the next connection, the peer's address, and the listener that it came in by; `None`
    /// when there is none for now. Those from the inside come first.
    ///
    /// # Errors
    ///
    /// Out of descriptors, most likely. No further edge will tell of those that wait.
    fn accept(&mut self) -> io::Result<Option<(Self::Stream, SocketAddr, Entrance)>>;

    /// Whether connections that wait to be accepted do so in vain once the listening stops.
    fn loses_queue(&self) -> bool {
        false
    }

    /// Returns how long the thread has been at work, in microseconds: while others have its core it
    /// stands still. 0 where the system does not tell.
    fn worked_us(&self) -> u64 {
        0
    }

    /// No more connections are accepted.
    fn stop_listening(&mut self);

    /// Memory of the process, as the system counts it; 0 where it does not tell.
    fn resident_bytes(&self) -> u64;

    /// A burst is over: memory that was freed goes back to the system.
    fn give_back_memory(&mut self);

    /// Hands over what is to be written; the answer is a letter, some time later.
    fn write(&mut self, to_write: ToWrite);

    /// Tells a fact.
    fn log(&mut self, fact: &Fact, now: Now);
}

/// A socket that never blocks. Dropped, it is closed.
pub trait Stream {
    /// Reads what there is, into a buffer that is not empty. 0 is the end; less than the buffer
    /// holds is all there was.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is nothing, `Interrupted` when it should be tried again, else the
    /// stream has failed.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether the last read has left something that no edge will tell of, though it didn't fill
    /// the buffer.
    fn has_more(&self) -> bool {
        false
    }

    /// Returns the work that reading has cost since this was last asked, beside the bytes that were
    /// given, in deliveries.
    fn take_work(&mut self) -> usize {
        0
    }

    /// Why it has failed.
    fn failure(&self) -> Failure {
        Failure::Socket
    }

    /// Writes what the stream takes, in order. Less than all means that it is full, and that an
    /// edge will come.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it takes nothing, `Interrupted` when it should be tried again, else the
    /// stream has failed.
    fn write(&mut self, slices: &[&[u8]]) -> io::Result<usize>;

    /// Takes an edge that says that there is room: what was taken, and is not out, goes out.
    ///
    /// # Errors
    ///
    /// The stream has failed, which the next read or write tells too.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Returns a count, which wraps around, of the bytes that the peer has acknowledged; nothing
    /// where the system does not tell.
    fn acked(&self) -> Option<u32> {
        None
    }

    /// From here on it may hold so many bytes that the peer has not acknowledged.
    fn widen(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// Ends the sending direction.
    fn shutdown_write(&mut self);

    /// Closes.
    fn close(self, cut: Cut);
}

/// What wakes a reactor when a letter has come.
pub trait Wake {
    /// The poll returns, now or when it is next asked.
    ///
    /// # Errors
    ///
    /// The system has no memory for a counter.
    fn wake(&self) -> io::Result<()>;

    /// A point at which other threads may come in between. The system lets them anywhere; a
    /// simulation, where it is told to.
    fn preempt(&self) {}
}
