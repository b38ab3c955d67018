//! A socket that was accepted: plain, or with TLS.

use super::acked::{add, unacked};
use super::os::Stream;
use super::tls::TlsStream;
use crate::wire::{Cut, Failure};
use mio::net::TcpStream;
use smallvec::SmallVec;
use socket2::SockRef;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

/// What a reactor reads and writes.
#[derive(Debug)]
pub enum NetStream {
    /// The bytes as they are.
    Plain(PlainStream),
    /// The bytes of a TLS session.
    Tls(Box<TlsStream>),
}

/// A socket, and a count of the bytes that it has taken, which wraps around.
#[derive(Debug)]
pub struct PlainStream {
    socket: TcpStream,
    taken: u32,
}

impl NetStream {
    /// A socket that has just been accepted, without TLS.
    pub fn plain(socket: TcpStream) -> NetStream {
        NetStream::Plain(PlainStream { socket, taken: 0 })
    }

    /// Returns the socket, to be polled.
    pub fn socket(&mut self) -> &mut TcpStream {
        match self {
            NetStream::Plain(stream) => &mut stream.socket,
            NetStream::Tls(stream) => stream.socket(),
        }
    }
}

impl Stream for NetStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            NetStream::Plain(stream) => Read::read(&mut stream.socket, buffer),
            NetStream::Tls(stream) => stream.read(buffer),
        }
    }

    fn has_more(&self) -> bool {
        match self {
            NetStream::Plain(_) => false,
            NetStream::Tls(stream) => stream.has_more(),
        }
    }

    fn take_work(&mut self) -> usize {
        match self {
            NetStream::Plain(_) => 0,
            NetStream::Tls(stream) => stream.take_work(),
        }
    }

    fn failure(&self) -> Failure {
        match self {
            NetStream::Plain(_) => Failure::Socket,
            NetStream::Tls(stream) => stream.failure(),
        }
    }

    fn write(&mut self, slices: &[&[u8]]) -> io::Result<usize> {
        match (self, slices) {
            (NetStream::Plain(stream), [one]) => stream.count(|socket| socket.write(one)),
            (NetStream::Plain(stream), many) => stream.count(|socket| socket.write_vectored(&io_slices(many))),
            (NetStream::Tls(stream), many) => stream.write(&mut io_slices(many)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            NetStream::Plain(_) => Ok(()),
            NetStream::Tls(stream) => stream.flush(),
        }
    }

    fn acked(&self) -> Option<u32> {
        match self {
            NetStream::Plain(PlainStream { socket, taken }) => {
                unacked(socket).map(|waiting| taken.wrapping_sub(waiting))
            }
            NetStream::Tls(stream) => stream.acked(),
        }
    }

    fn widen(&mut self, bytes: usize) {
        // It fails where the peer is gone already, which the next read tells.
        drop(SockRef::from(&*self.socket()).set_send_buffer_size(bytes));
    }

    fn shutdown_write(&mut self) {
        match self {
            // It fails where the peer is gone already, which the next read tells.
            NetStream::Plain(stream) => drop(stream.socket.shutdown(Shutdown::Write)),
            NetStream::Tls(stream) => stream.shutdown_write(),
        }
    }

    fn close(mut self, cut: Cut) {
        match (cut, &mut self) {
            (Cut::Graceful, NetStream::Plain(_)) => {}
            // The peer knows then that nothing was cut off; what waits may still find room.
            (Cut::Graceful, NetStream::Tls(stream)) => stream.shutdown_write(),
            // It fails where the socket is closed already, and then there is nothing to reset.
            (Cut::Reset, _) => drop(SockRef::from(&*self.socket()).set_linger(Some(Duration::ZERO))),
        }
    }
}

impl PlainStream {
    fn count(&mut self, write: impl FnOnce(&mut TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        let taken = write(&mut self.socket)?;
        self.taken = add(self.taken, taken);
        Ok(taken)
    }
}

fn io_slices<'s>(slices: &[&'s [u8]]) -> SmallVec<[IoSlice<'s>; 64]> {
    slices.iter().map(|slice| IoSlice::new(slice)).collect()
}
