//! The real operating system: mio's poll, the kernel's sockets, standard error.

use super::clock::Clock;
use super::listener::Listener;
use super::log::Logger;
use super::memory;
use super::os::{Os, Readiness, Stream, StreamState, Wake};
use super::token::{LISTENER, WAKE, key, token};
use crate::clock::Now;
use crate::trace::Fact;
use crate::wire::{Cut, LinkKey};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Waker};
use smallvec::SmallVec;
use socket2::SockRef;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// Readinesses taken from one poll.
const EVENTS: usize = 1024;

/// One thread's poll and what belongs to it.
pub struct MioOs {
    poll: Poll,
    events: Events,
    listener: Option<Listener>,
    clock: Clock,
    log: Logger,
}

impl MioOs {
    pub fn new(poll: Poll, mut listener: Option<Listener>, clock: Clock, log: Logger) -> io::Result<MioOs> {
        if let Some(listener) = &mut listener {
            listener.register(&poll)?;
        }
        Ok(MioOs { poll, events: Events::with_capacity(EVENTS), listener, clock, log })
    }
}

/// Returns what wakes that poll.
pub fn waker(poll: &Poll) -> io::Result<Waker> {
    Waker::new(poll.registry(), WAKE)
}

impl Os for MioOs {
    type Stream = TcpStream;
    type Wake = Waker;

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => ready.extend(self.events.iter().map(readiness)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // A poll that can't be polled: the process is of no use any more.
                self.log.write(&Fact::PollFailed { error: error.to_string() }, self.clock.now());
                self.log.end();
                std::process::abort();
            }
        }
    }

    fn register(&mut self, stream: &mut TcpStream, key: LinkKey) -> io::Result<()> {
        self.poll.registry().register(stream, token(key), Interest::READABLE | Interest::WRITABLE)
    }

    fn deregister(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.poll.registry().deregister(stream)
    }

    fn accept(&mut self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        self.listener.as_ref().map_or(Ok(None), Listener::accept)
    }

    fn stop_listening(&mut self) {
        self.listener = None;
    }

    fn give_back_memory(&mut self) {
        memory::give_back();
    }

    fn log(&mut self, fact: &Fact, now: Now) {
        self.log.write(fact, now);
    }
}

fn readiness(event: &Event) -> Readiness {
    match event.token() {
        WAKE => Readiness::Mail,
        LISTENER => Readiness::Listener,
        token => {
            let is_read_closed = event.is_read_closed() || event.is_error();
            let state = StreamState {
                is_readable: event.is_readable() || is_read_closed,
                is_writable: event.is_writable(),
                is_read_closed,
            };
            Readiness::Stream(key(token), state)
        }
    }
}

impl Stream for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(self, buffer)
    }

    fn write(&mut self, slices: &[&[u8]]) -> io::Result<usize> {
        match slices {
            [one] => Write::write(self, one),
            many => {
                let many: SmallVec<[IoSlice<'_>; 64]> = many.iter().map(|slice| IoSlice::new(slice)).collect();
                self.write_vectored(&many)
            }
        }
    }

    fn shutdown_write(&mut self) {
        // It fails where the peer is gone already, which the next read tells.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn close(self, cut: Cut) {
        if cut == Cut::Reset {
            // It fails where the socket is closed already, and then there is nothing to reset.
            let _ = SockRef::from(&self).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Wake for Waker {
    fn wake(&self) -> io::Result<()> {
        Waker::wake(self)
    }
}
