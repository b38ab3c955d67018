//! The real operating system: mio's poll, the kernel's sockets, standard error.

use super::backplane::Appender;
use super::clock::Clock;
use super::listener::Listener;
use super::log::Logger;
use super::memory;
use super::net_stream::NetStream;
use super::os::{Os, Readiness, StreamState, Wake};
use super::store::Store;
use super::tls::CurrentTls;
use super::token::{LISTENER, WAKE, key, token};
use super::vitals;
use crate::api::routes::Entrance;
use crate::broken::broken;
use crate::clock::Now;
use crate::conn::ToWrite;
use crate::trace::Fact;
use crate::wire::LinkKey;
use mio::event::Event;
use mio::{Events, Interest, Poll, Waker};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Readinesses taken from one poll.
const EVENTS: usize = 1024;

/// Where that goes which is to be written.
#[derive(Clone, Debug)]
pub(crate) enum Outlet {
    /// Nowhere: publications are in memory only.
    None,
    /// To the files of this process.
    Files(Store),
    /// To an engine that several processes share.
    Engine(Appender),
}

/// One thread's poll and what belongs to it.
pub(crate) struct MioOs {
    poll: Poll,
    events: Events,
    /// That of the inside first.
    listeners: Vec<Listener>,
    tls: CurrentTls,
    outlet: Outlet,
    clock: Clock,
    log: Logger,
}

impl MioOs {
    pub fn new(
        poll: Poll,
        mut listeners: Vec<Listener>,
        tls: CurrentTls,
        outlet: Outlet,
        clock: Clock,
        log: Logger,
    ) -> io::Result<MioOs> {
        listeners.iter_mut().try_for_each(|listener| listener.register(&poll))?;
        Ok(MioOs { poll, events: Events::with_capacity(EVENTS), listeners, tls, outlet, clock, log })
    }
}

/// Returns what wakes that poll.
pub(crate) fn waker(poll: &Poll) -> io::Result<Waker> {
    Waker::new(poll.registry(), WAKE)
}

impl Os for MioOs {
    type Stream = NetStream;
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

    fn register(&mut self, stream: &mut NetStream, key: LinkKey) -> io::Result<()> {
        self.poll.registry().register(stream.socket(), token(key), Interest::READABLE | Interest::WRITABLE)
    }

    fn deregister(&mut self, stream: &mut NetStream) -> io::Result<()> {
        self.poll.registry().deregister(stream.socket())
    }

    fn accept(&mut self) -> io::Result<Option<(NetStream, SocketAddr, Entrance)>> {
        for listener in &self.listeners {
            let Some((socket, peer)) = listener.accept()? else { continue };
            let stream = match self.tls.lock().as_ref().filter(|_| !listener.is_plain()) {
                None => NetStream::plain(socket),
                Some(tls) => NetStream::Tls(tls.accept(socket)?),
            };
            return Ok(Some((stream, peer, listener.entrance())));
        }
        Ok(None)
    }

    fn loses_queue(&self) -> bool {
        self.listeners.iter().any(|listener| !listener.is_shared())
    }

    fn worked_us(&self) -> u64 {
        super::clock::worked_us()
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    fn resident_bytes(&self) -> u64 {
        vitals::resident()
    }

    fn give_back_memory(&mut self) {
        memory::give_back();
    }

    fn write(&mut self, to_write: ToWrite) {
        match (&self.outlet, to_write) {
            (Outlet::Engine(appender), ToWrite::Append(append)) => appender.append(append),
            (Outlet::Engine(appender), ToWrite::Restore(partition, values)) => appender.restore(partition, values),
            (Outlet::Files(store), to_write) => store.write(to_write),
            (Outlet::None | Outlet::Engine(_), _) => broken("nothing is to be written where nothing writes"),
        }
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
                has_failed: event.is_error() || event.is_read_closed() && event.is_write_closed(),
            };
            Readiness::Stream(key(token), state)
        }
    }
}

impl Wake for Waker {
    fn wake(&self) -> io::Result<()> {
        Waker::wake(self)
    }
}
