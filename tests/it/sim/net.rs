//! The simulation's operating system: pipes for sockets, polled as epoll polls them, edge
//! triggered.
//!
//! An edge is what happens to a pipe: it is registered, bytes or an end or a reset arrive, there is
//! room again behind a write that took less than it was offered. Edges of one pipe that nobody has
//! polled yet are one. What a poll tells is the whole state that the pipe is in by then.

use super::client::{Ear, Heard};
use super::rng::Rng;
use super::setting::START;
use super::threads::Threads;
use rte::api::routes::Entrance;
use rte::clock::Now;
use rte::conn::ToWrite;
use rte::shell::os::{Os, Readiness, Stream, StreamState, Wake};
use rte::trace::Fact;
use rte::wire::{Cut, LinkKey};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

/// Shard and key.
pub type Place = (usize, LinkKey);

/// One connection's socket: two directions of bytes in flight.
#[derive(Debug, Default)]
pub struct Pipe {
    /// Sent by the peer, not arrived.
    flight: VecDeque<u8>,
    /// Arrived, not read by the hub.
    inbox: VecDeque<u8>,
    /// Taken from the hub, not read by the peer.
    pub from_hub: VecDeque<u8>,
    /// Bytes in flight to the peer, at the most.
    pub capacity: usize,
    /// So many may be in flight when room is told again, where it is not told at once.
    pub told_below: Option<usize>,
    /// The peer sends no more.
    is_ended: bool,
    /// The end has arrived, behind all bytes.
    has_end: bool,
    /// The peer has reset the connection.
    is_broken: bool,
    /// The hub has read the end or the reset.
    is_told: bool,
    /// A write took less than offered: until there is room, and an edge tells so, the pipe takes
    /// nothing.
    is_full: bool,
    /// The hub has ended its direction.
    pub is_shut: bool,
    /// The hub has closed the socket, or never took it.
    pub ending: Option<Cut>,
    /// Whose it is, once it is registered; whose it was, while it moves.
    pub place: Option<Place>,
    /// On its way to another shard: nobody polls it.
    pub is_moving: bool,
    /// Bytes that the hub has read.
    pub fed: usize,
    /// Bytes that the socket has taken.
    pub taken: usize,
    /// What the peer's machine had acknowledged when it vanished without a word.
    lost_at: Option<u32>,
}

impl Pipe {
    /// Sent by the peer, not read by the hub.
    pub fn unread(&self) -> usize {
        self.flight.len() + self.inbox.len()
    }

    /// Whether the peer has left so much unread that its machine acknowledges no more: it buffers
    /// half of what is in flight.
    pub fn is_shut(&self) -> bool {
        self.from_hub.len() > self.capacity / 2
    }

    /// What the peer's machine has acknowledged.
    pub fn acked(&self) -> u32 {
        let unacked = self.from_hub.len().saturating_sub(self.capacity / 2);
        self.lost_at.unwrap_or_else(|| u32::try_from(self.taken - unacked.min(self.taken)).unwrap())
    }

    /// The peer's machine is gone without a word.
    pub fn lose(&mut self) {
        self.lost_at = Some(self.acked());
    }

    /// Sent by the peer, not arrived.
    pub fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// Whether all that was sent, either way, has been read.
    pub fn is_through(&self) -> bool {
        self.unread() == 0 && self.from_hub.is_empty()
    }

    /// Whether a read would tell something.
    pub fn is_readable(&self) -> bool {
        !self.inbox.is_empty() || (self.has_end || self.is_broken) && !self.is_told
    }

    pub fn has_room(&self) -> bool {
        !self.is_full && self.from_hub.len() < self.capacity
    }

    fn state(&self) -> StreamState {
        let (is_read_closed, has_failed) = (self.has_end || self.is_broken, self.is_broken);
        let is_readable = !self.inbox.is_empty() || is_read_closed;
        StreamState { is_readable, is_writable: self.has_room() || has_failed, is_read_closed, has_failed }
    }
}

/// What goes wrong, each once in so many times; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub short_write: usize,
    /// An accept finds no descriptor.
    pub accept: usize,
    /// A poll tells only some of what is ready.
    pub partial_poll: usize,
    /// A poll tells of what has not happened, or of a connection that is gone.
    pub spurious: usize,
    pub interrupted: usize,
    /// More arrives between an edge and the read.
    pub late_bytes: usize,
    /// Another thread comes in between.
    pub preempt: usize,
}

/// What can be ready, besides pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Mail,
    Listener,
    Pipe(usize),
}

/// Bytes that a peer sends as soon as it has heard a whole reply on another pipe.
struct Held {
    on: usize,
    ear: Ear,
    to: usize,
    bytes: Vec<u8>,
}

/// All pipes, and what has happened to them that nobody has been told.
pub struct Net {
    pub now: Now,
    pub faults: Faults,
    rng: Rng,
    pipes: Vec<Pipe>,
    /// The pipe of each connection, by its number in facts.
    pub pipe_of: BTreeMap<u64, usize>,
    /// By shard.
    edges: Vec<VecDeque<Source>>,
    /// What the next poll of each shard will say of nothing.
    spurious: Vec<Vec<LinkKey>>,
    /// Who waits to be accepted.
    queue: VecDeque<usize>,
    is_listening: bool,
    /// Nobody else takes connections that wait once the listening stops.
    pub loses_queue: bool,
    held: Option<Held>,
    /// What shards have handed over to be written.
    pub to_write: VecDeque<ToWrite>,
    /// What the shards have told, in the order of its happening.
    pub facts: Vec<(usize, Fact)>,
}

impl Net {
    pub fn new(shards: usize, rng: Rng) -> Net {
        Net {
            now: START,
            faults: Faults::default(),
            rng,
            pipes: Vec::new(),
            pipe_of: BTreeMap::new(),
            edges: vec![VecDeque::new(); shards],
            spurious: vec![Vec::new(); shards],
            queue: VecDeque::new(),
            is_listening: true,
            loses_queue: false,
            held: None,
            to_write: VecDeque::new(),
            facts: Vec::new(),
        }
    }

    pub fn pipe(&mut self, id: usize) -> &mut Pipe {
        &mut self.pipes[id]
    }

    pub fn pipes(&self) -> impl Iterator<Item = (usize, &Pipe)> {
        self.pipes.iter().enumerate()
    }

    /// Connections that nobody has accepted.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub fn has_edges(&self, shard: usize) -> bool {
        !self.edges[shard].is_empty() || !self.spurious[shard].is_empty()
    }

    /// The peer's address: each pipe has its own.
    pub fn address(id: usize) -> IpAddr {
        Ipv4Addr::from_bits(Ipv4Addr::new(192, 0, 2, 1).to_bits() + u32::try_from(id).unwrap()).into()
    }

    /// The pipe of the peer with that address.
    pub fn of_address(address: IpAddr) -> usize {
        let IpAddr::V4(address) = address else { panic!("{address} is nobody's") };
        usize::try_from(address.to_bits() - Ipv4Addr::new(192, 0, 2, 1).to_bits()).unwrap()
    }

    /// The hub is killed, and another one with so many shards takes its place: all connections are
    /// reset, and nobody waits for those that were to come.
    pub fn replace_hub(&mut self, shards: usize) {
        for pipe in &mut self.pipes {
            *pipe = Pipe { ending: pipe.ending.or(Some(Cut::Reset)), ..Pipe::default() };
        }
        let (now, faults, rng, pipes) = (self.now, self.faults, self.rng.clone(), std::mem::take(&mut self.pipes));
        *self = Net { now, faults, pipes, ..Net::new(shards, rng) };
    }

    fn chance(&mut self, one_in: usize) -> bool {
        one_in > 0 && self.rng.one_in(one_in)
    }

    fn edge(&mut self, shard: usize, source: Source) {
        if !self.edges[shard].contains(&source) {
            self.edges[shard].push_back(source);
        }
    }

    fn pipe_edge(&mut self, id: usize) {
        if let Pipe { place: Some((shard, _)), ending: None, is_moving: false, .. } = self.pipes[id] {
            self.edge(shard, Source::Pipe(id));
        }
    }

    /// A peer dials. Its pipe's number.
    pub fn connect(&mut self, capacity: usize) -> usize {
        let id = self.pipes.len();
        let ending = (!self.is_listening).then_some(Cut::Reset);
        self.pipes.push(Pipe { capacity, ending, ..Pipe::default() });
        if self.is_listening {
            self.queue.push_back(id);
            self.edge(0, Source::Listener);
        }
        id
    }

    pub fn send(&mut self, id: usize, bytes: &[u8]) {
        self.pipes[id].flight.extend(bytes);
    }

    /// The peer sends `bytes` on the pipe `to` as soon as it has heard the next reply on the other
    /// one.
    pub fn hold(&mut self, on: usize, to: usize, bytes: Vec<u8>) {
        self.held = Some(Held { on, ear: Ear::default(), to, bytes });
    }

    /// What is held and has not been sent.
    pub fn take_held(&mut self) -> Option<Vec<u8>> {
        self.held.take().map(|held| held.bytes)
    }

    fn release(&mut self, on: usize, slices: &[&[u8]], taken: usize) {
        let Some(held) = self.held.as_mut().filter(|held| held.on == on) else { return };
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(taken).collect();
        held.ear.hear(&bytes);
        if let Ok(Some(Heard::Reply(_))) = held.ear.next()
            && let Some(Held { to, bytes, .. }) = self.held.take()
        {
            self.send(to, &bytes);
            self.arrive(to, usize::MAX);
        }
    }

    /// The peer sends no more.
    pub fn end(&mut self, id: usize) {
        self.pipes[id].is_ended = true;
    }

    /// The peer resets the connection; what has not been read is lost.
    pub fn break_off(&mut self, id: usize) {
        let pipe = &mut self.pipes[id];
        pipe.flight.clear();
        pipe.inbox.clear();
        pipe.is_broken = true;
        self.pipe_edge(id);
    }

    /// At most so many of the bytes in flight arrive, and behind the last of them the end.
    pub fn arrive(&mut self, id: usize, most: usize) {
        let pipe = &mut self.pipes[id];
        let n = most.min(pipe.flight.len());
        pipe.inbox.extend(pipe.flight.drain(..n));
        let ends = pipe.is_ended && pipe.flight.is_empty() && !pipe.has_end;
        pipe.has_end |= ends;
        if n > 0 || ends {
            self.pipe_edge(id);
        }
    }

    /// Where a write took less than offered and the peer has read since, the hub may write again.
    pub fn make_room(&mut self, id: usize) {
        let pipe = &mut self.pipes[id];
        if pipe.is_full && pipe.from_hub.len() < pipe.told_below.unwrap_or(pipe.capacity) {
            pipe.is_full = false;
            self.pipe_edge(id);
        }
    }

    /// Everything that is on its way arrives.
    pub fn arrive_all(&mut self) {
        for id in 0..self.pipes.len() {
            self.arrive(id, usize::MAX);
            self.make_room(id);
        }
    }

    /// Something that is on its way may arrive.
    pub fn drift(&mut self) {
        for id in 0..self.pipes.len() {
            match self.rng.below(4) {
                0 => {}
                1 => {
                    let most = self.rng.pick(&[1, 7, 130, 4_096]);
                    self.arrive(id, most);
                }
                _ => self.arrive(id, usize::MAX),
            }
            if self.rng.one_in(2) {
                self.make_room(id);
            }
        }
    }

    /// The next poll says that a connection may be read and written, though nothing has happened to
    /// it; it may be gone.
    pub fn spurious_edge(&mut self, id: usize) {
        if let Some(Pipe { place: Some((shard, key)), .. }) = self.pipes.get(id) {
            self.spurious[*shard].push(*key);
        }
    }

    fn poll(&mut self, shard: usize, ready: &mut Vec<Readiness>) {
        let mut told = self.edges[shard].len();
        if self.chance(self.faults.partial_poll) {
            told = self.rng.below(told + 1);
        }
        let sources: Vec<Source> = self.edges[shard].drain(..told).collect();
        for source in sources {
            ready.extend(match source {
                Source::Mail => Some(Readiness::Mail),
                Source::Listener => Some(Readiness::Listener),
                Source::Pipe(id) => match &self.pipes[id] {
                    Pipe { place: Some((_, key)), ending: None, .. } => {
                        Some(Readiness::Stream(*key, self.pipes[id].state()))
                    }
                    Pipe { .. } => None,
                },
            });
        }
        if self.chance(self.faults.spurious) {
            let id = self.rng.below(self.pipes.len());
            self.spurious_edge(id);
        }
        let state = StreamState { is_readable: true, is_writable: true, ..StreamState::default() };
        ready.extend(self.spurious[shard].drain(..).map(|key| Readiness::Stream(key, state)));
    }

    fn register(&mut self, shard: usize, id: usize, key: LinkKey) {
        let pipe = &mut self.pipes[id];
        let before = pipe.place.replace((shard, key));
        assert!(before.is_none() || pipe.is_moving, "registered twice");
        pipe.is_moving = false;
        self.pipe_edge(id);
    }

    fn deregister(&mut self, shard: usize, id: usize) {
        self.edges[shard].retain(|source| *source != Source::Pipe(id));
        self.pipes[id].is_moving = true;
    }

    fn accept(&mut self) -> io::Result<Option<usize>> {
        if !self.queue.is_empty() && self.chance(self.faults.accept) {
            return Err(io::Error::other("no descriptor"));
        }
        Ok(self.queue.pop_front())
    }

    fn stop_listening(&mut self) {
        self.is_listening = false;
        for id in self.queue.drain(..) {
            self.pipes[id].ending = Some(Cut::Reset);
        }
    }

    fn read(&mut self, id: usize, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!buffer.is_empty(), "a read of nothing is no end");
        if self.chance(self.faults.interrupted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.chance(self.faults.late_bytes) {
            let most = self.rng.below(200);
            self.arrive(id, most);
        }
        let pipe = &mut self.pipes[id];
        let n = buffer.len().min(pipe.inbox.len());
        if pipe.is_broken {
            pipe.is_told = true;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if n == 0 && !pipe.has_end {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.is_told |= n == 0;
        for (to, byte) in buffer.iter_mut().zip(pipe.inbox.drain(..n)) {
            *to = byte;
        }
        pipe.fed += n;
        Ok(n)
    }

    fn write(&mut self, id: usize, slices: &[&[u8]]) -> io::Result<usize> {
        if self.chance(self.faults.interrupted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let cut = self.chance(self.faults.short_write);
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let pipe = &mut self.pipes[id];
        assert!(!pipe.is_shut && pipe.ending.is_none(), "a write behind the end of the sending direction");
        assert!(offered > 0, "an empty write");
        if pipe.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut room = if pipe.is_full { 0 } else { pipe.capacity.saturating_sub(pipe.from_hub.len()).min(offered) };
        if cut {
            room = self.rng.below(room + 1);
        }
        pipe.from_hub.extend(slices.iter().flat_map(|slice| slice.iter()).take(room));
        pipe.taken += room;
        pipe.is_full |= room < offered;
        self.release(id, slices, room);
        if room > 0 { Ok(room) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn close(&mut self, id: usize, ending: Cut) {
        let pipe = &mut self.pipes[id];
        if pipe.ending.is_none() {
            pipe.ending = Some(ending);
            if ending == Cut::Reset {
                // What the kernel still holds is lost with the reset.
                pipe.from_hub.clear();
            }
        }
    }
}

/// One shard's system.
pub struct SimOs {
    pub shard: usize,
    pub net: Rc<RefCell<Net>>,
    pub threads: Weak<Threads>,
}

impl Os for SimOs {
    type Stream = SimStream;
    type Wake = SimWake;

    fn now(&self) -> Now {
        self.net.borrow().now
    }

    fn poll(&mut self, _: Option<Duration>, ready: &mut Vec<Readiness>) {
        assert!(ready.is_empty(), "the last poll's readiness is looked at again");
        self.net.borrow_mut().poll(self.shard, ready);
    }

    fn register(&mut self, stream: &mut SimStream, key: LinkKey) -> io::Result<()> {
        self.net.borrow_mut().register(self.shard, stream.id, key);
        Ok(())
    }

    fn deregister(&mut self, stream: &mut SimStream) -> io::Result<()> {
        self.net.borrow_mut().deregister(self.shard, stream.id);
        Ok(())
    }

    fn accept(&mut self) -> io::Result<Option<(SimStream, SocketAddr, Entrance)>> {
        preempt(&self.threads);
        let accepted = self.net.borrow_mut().accept()?;
        Ok(accepted.map(|id| {
            let stream = SimStream { id, net: Rc::clone(&self.net), threads: Weak::clone(&self.threads) };
            (stream, SocketAddr::new(Net::address(id), 50_000), Entrance::Only)
        }))
    }

    fn loses_queue(&self) -> bool {
        self.net.borrow().loses_queue
    }

    fn stop_listening(&mut self) {
        if self.shard == 0 {
            self.net.borrow_mut().stop_listening();
        }
    }

    fn write(&mut self, to_write: ToWrite) {
        self.net.borrow_mut().to_write.push_back(to_write);
    }

    fn resident_bytes(&self) -> u64 {
        0
    }

    fn give_back_memory(&mut self) {}

    fn log(&mut self, fact: &Fact, _: Now) {
        self.net.borrow_mut().facts.push((self.shard, fact.clone()));
    }
}

/// The hub's end of a pipe.
pub struct SimStream {
    id: usize,
    net: Rc<RefCell<Net>>,
    threads: Weak<Threads>,
}

impl Stream for SimStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        preempt(&self.threads);
        let result = self.net.borrow_mut().read(self.id, buffer);
        preempt(&self.threads);
        result
    }

    fn write(&mut self, slices: &[&[u8]]) -> io::Result<usize> {
        let result = self.net.borrow_mut().write(self.id, slices);
        preempt(&self.threads);
        result
    }

    fn acked(&self) -> Option<u32> {
        Some(self.net.borrow_mut().pipe(self.id).acked())
    }

    fn shutdown_write(&mut self) {
        let mut net = self.net.borrow_mut();
        let pipe = net.pipe(self.id);
        assert!(pipe.ending.is_none(), "a shutdown behind the close");
        pipe.is_shut = true;
    }

    fn close(self, ending: Cut) {
        self.net.borrow_mut().close(self.id, ending);
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.net.borrow_mut().close(self.id, Cut::Graceful);
    }
}

/// Wakes one shard.
pub struct SimWake {
    pub shard: usize,
    pub net: Rc<RefCell<Net>>,
    pub threads: Weak<Threads>,
}

impl Wake for SimWake {
    fn wake(&self) -> io::Result<()> {
        self.net.borrow_mut().edge(self.shard, Source::Mail);
        Ok(())
    }

    fn preempt(&self) {
        preempt(&self.threads);
    }
}

fn preempt(threads: &Weak<Threads>) {
    if let Some(threads) = threads.upgrade() {
        threads.preempt();
    }
}
