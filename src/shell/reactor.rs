//! One thread: polls its sockets, feeds its shard, carries what comes out.
//!
//! Each turn takes all that is ready, then writes each connection once. Sockets are registered once, edge triggered, for both
//! directions: what is not read to its end is remembered as *hot*.

use super::clock::Clock;
use super::listener::{LISTENER, Listener};
use super::log::Log;
use super::mailbox::{Letter, Mailbox, WAKE};
use super::sockets::{Readable, Sockets};
use crate::clock::Now;
use crate::conn::{Mail, Shared, number};
use crate::hub::ConnKey;
use crate::proto::http::reply::{self, Reply};
use crate::shard::Shard;
use crate::trace::Fact;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slotmap::KeyData;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes of the thread's one read buffer.
const READ_BYTES: usize = 64 * 1024;
/// Readinesses taken from one poll.
const EVENTS: usize = 1024;
/// Connections accepted in one turn, so that a storm of them doesn't starve those that are there.
const ACCEPTS: usize = 256;
/// The complaint about failed accepts is repeated this often at the most.
const COMPLAIN_EVERY_MS: u64 = 10_000;
/// A reactor without connections looks this often whether its siblings are done draining, too.
const DRAIN_LOOK_MS: u64 = 50;
/// How long a reactor whose siblings are behind waits before it looks again.
const FULL_SIBLING_MS: u64 = 1;

/// Connections per shard, and in all.
#[derive(Debug)]
pub struct Load {
    per_shard: Box<[AtomicUsize]>,
}

impl Load {
    pub fn new(shards: usize) -> Load {
        Load { per_shard: (0..shards).map(|_| AtomicUsize::new(0)).collect() }
    }

    pub fn total(&self) -> usize {
        self.per_shard.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The shard with the fewest connections, which gets one more.
    fn join_least(&self) -> usize {
        let counts = self.per_shard.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        let shard = counts.min_by_key(|(_, count)| *count).map_or(0, |(shard, _)| shard);
        self.per_shard[shard].fetch_add(1, Ordering::Relaxed);
        shard
    }

    pub fn leave(&self, shard: usize) {
        self.per_shard[shard].fetch_sub(1, Ordering::Relaxed);
    }
}

/// One shard's thread.
pub struct Reactor {
    number: usize,
    poll: Poll,
    shard: Shard,
    shared: Arc<Shared>,
    mailboxes: Arc<[Mailbox]>,
    load: Arc<Load>,
    listener: Option<Listener>,
    sockets: Sockets,
    clock: Clock,
    log: Log,
    /// Sockets that may still be readable without a further edge.
    hot: Vec<ConnKey>,
    buffer: Box<[u8]>,
    letters: Vec<Letter>,
    /// When to try to accept again, after a failure or with more waiting.
    accept_at_ms: Option<u64>,
    complain_at_ms: u64,
    /// When a drain ends, whoever is still there.
    drain_until_ms: Option<u64>,
}

impl Reactor {
    #[expect(clippy::too_many_arguments, reason = "the parts of a thread, put together in one place")]
    pub fn new(
        number: usize,
        poll: Poll,
        shard: Shard,
        shared: Arc<Shared>,
        mailboxes: Arc<[Mailbox]>,
        load: Arc<Load>,
        listener: Option<Listener>,
        clock: Clock,
        log: Log,
    ) -> Reactor {
        Reactor {
            number,
            poll,
            shard,
            shared,
            mailboxes,
            sockets: Sockets::new(number, Arc::clone(&load)),
            load,
            listener,
            clock,
            log,
            hot: Vec::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            letters: Vec::new(),
            accept_at_ms: None,
            complain_at_ms: 0,
            drain_until_ms: None,
        }
    }

    /// Turns until drained.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_drained() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // A poll that can't be polled: the process is of no use any more.
                    self.log.write(&Fact::PollFailed { error: error.to_string() }, self.clock.now());
                    std::process::abort();
                }
            }
            self.turn(&events);
        }
    }

    fn turn(&mut self, events: &Events) {
        let now = self.clock.now();
        self.read_mail(now);
        let mut hot = std::mem::take(&mut self.hot);
        for event in events {
            match event.token() {
                WAKE => {}
                LISTENER => self.accept_at_ms = Some(now.mono_ms),
                Token(token) => {
                    let key = key(token);
                    if event.is_writable() {
                        self.shard.handle_writable(key);
                    }
                    if event.is_read_closed() || event.is_error() {
                        self.sockets.set_read_closed(key);
                    }
                    if (event.is_readable() || event.is_read_closed() || event.is_error()) && self.sockets.heat(key) {
                        hot.push(key);
                    }
                }
            }
        }
        if self.siblings_are_full() {
            self.hot = hot;
        } else {
            for key in hot.drain(..) {
                self.read(key, now);
            }
            // What was found hot again is in the other list by now.
            std::mem::swap(&mut self.hot, &mut hot);
            self.hot.append(&mut hot);
        }
        if self.accept_at_ms.is_some_and(|at_ms| at_ms <= now.mono_ms) {
            self.accept(now);
        }
        self.shard.handle_deadlines(now, &mut self.sockets);
        self.send_mail();
        self.shard.end_turn(now, &mut self.sockets);
        self.send_mail();
        while let Some(key) = self.shard.poll_resumed() {
            if self.shard.wants_input(key) && self.sockets.resume(key) {
                self.hot.push(key);
            }
        }
        for fact in self.shard.trace.drain() {
            self.log.write(&fact, now);
        }
    }

    /// How long to wait for readiness.
    fn timeout(&self) -> Option<Duration> {
        if self.shard.has_work() {
            return Some(Duration::ZERO);
        }
        if !self.hot.is_empty() {
            return Some(Duration::from_millis(if self.siblings_are_full() { FULL_SIBLING_MS } else { 0 }));
        }
        let now = self.clock.now();
        let deadline_ms = self.shard.next_deadline().map(|deadline| deadline.0);
        let look_ms = self.drain_until_ms.filter(|_| self.shard.connection_count() == 0);
        let look_ms = look_ms.map(|_| now.after_ms(DRAIN_LOOK_MS).0);
        let due_ms = [deadline_ms, self.accept_at_ms, self.drain_until_ms, look_ms].into_iter().flatten().min()?;
        Some(Duration::from_millis(due_ms.saturating_sub(now.mono_ms)))
    }

    fn read(&mut self, key: ConnKey, now: Now) {
        self.sockets.cool(key);
        if !self.shard.wants_input(key) {
            return self.sockets.pause(key);
        }
        let mut budget = self.shared.limits.read_budget_bytes;
        loop {
            match self.sockets.read(key, &mut self.buffer) {
                Readable::Bytes(n, has_more) => {
                    // Whoever sent these bytes may have been answered by a sibling before. What the sibling posted until
                    // then is in the mailbox by now and comes first, or a publisher's items would overtake each other.
                    self.read_mail(now);
                    let bytes = self.buffer.get_mut(..n).unwrap_or_default();
                    if !self.shard.handle_bytes(key, bytes, now, &mut self.sockets) {
                        return self.sockets.pause(key);
                    }
                    if !has_more {
                        return;
                    }
                    budget = budget.saturating_sub(n);
                    if budget == 0 {
                        if self.sockets.heat(key) {
                            self.hot.push(key);
                        }
                        return;
                    }
                }
                Readable::Drained => return,
                Readable::End => return self.shard.handle_eof(key, now, &mut self.sockets),
                Readable::Failed => return self.shard.handle_failure(key),
            }
        }
    }

    fn read_mail(&mut self, now: Now) {
        let mut letters = std::mem::take(&mut self.letters);
        if let Some(mailbox) = self.mailboxes.get(self.number) {
            mailbox.take(&mut letters);
        }
        for letter in letters.drain(..) {
            match letter {
                Letter::Accepted(stream, peer) => self.open(stream, peer, now),
                Letter::Mail(mail) => {
                    if matches!(mail, Mail::Drain) {
                        self.listener = None;
                        self.accept_at_ms = None;
                        self.drain_until_ms = Some(now.after_ms(self.shared.limits.drain_ms).0);
                    }
                    self.shard.handle_mail(mail, now, &mut self.sockets);
                }
            }
        }
        self.letters = letters;
    }

    fn send_mail(&mut self) {
        for mail in self.shard.poll_outbound() {
            for (_, mailbox) in self.mailboxes.iter().enumerate().filter(|(number, _)| *number != self.number) {
                mailbox.post(Letter::Mail(mail.clone()));
            }
        }
        for (to, mail) in self.shard.poll_answers() {
            if let Some(mailbox) = self.mailboxes.get(to) {
                mailbox.post(Letter::Mail(mail));
            }
        }
    }

    fn siblings_are_full(&self) -> bool {
        self.mailboxes.len() > 1
            && self.mailboxes.iter().enumerate().any(|(number, mailbox)| number != self.number && mailbox.is_full())
    }

    fn accept(&mut self, now: Now) {
        self.accept_at_ms = None;
        for _ in 0..ACCEPTS {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok(Some((stream, peer))) => self.admit(stream, peer, now),
                Ok(None) => return,
                Err(error) => {
                    // Out of descriptors, most likely: no further edge will come for those that wait.
                    self.accept_at_ms = Some(now.after_ms(self.shared.limits.accept_retry_ms).0);
                    if self.complain_at_ms <= now.mono_ms {
                        self.complain_at_ms = now.after_ms(COMPLAIN_EVERY_MS).0;
                        self.log.write(&Fact::AcceptFailed { error: error.to_string() }, now);
                    }
                    return;
                }
            }
        }
        self.accept_at_ms = Some(now.mono_ms);
    }

    fn admit(&mut self, mut stream: TcpStream, peer: SocketAddr, now: Now) {
        if self.load.total() >= self.shared.limits.connections_max {
            self.shard.note_full(peer.ip());
            let mut bytes = Vec::new();
            let reply = Reply::text(503, "limits.connections_max is reached\n").with("Retry-After", "5");
            reply::encode(&reply, false, false, &mut bytes);
            // A fresh socket has room for it; if not, the peer sees a closed connection.
            let _ = stream.write(&bytes);
            return;
        }
        let shard = self.load.join_least();
        if shard == self.number {
            self.open(stream, peer, now);
        } else if let Some(mailbox) = self.mailboxes.get(shard) {
            mailbox.post(Letter::Accepted(stream, peer));
        }
    }

    fn open(&mut self, mut stream: TcpStream, peer: SocketAddr, now: Now) {
        if self.drain_until_ms.is_some() {
            // Accepted on one shard while this one had begun to drain.
            self.load.leave(self.number);
            return;
        }
        let key = self.shard.open(peer.ip(), now);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, token(key), interest);
        self.sockets.insert(key, stream);
        if registered.is_err() {
            self.shard.handle_failure(key);
        }
    }

    /// Whether all shards are empty, or the time is over. One that is empty before the others still answers their mail.
    fn is_drained(&self) -> bool {
        self.drain_until_ms.is_some_and(|until_ms| self.load.total() == 0 || until_ms <= self.clock.now().mono_ms)
    }
}

const _: () = assert!(size_of::<usize>() == 8, "a key travels as a poll token, which needs 64 bits");

fn token(key: ConnKey) -> Token {
    Token(usize::try_from(number(key)).unwrap_or(usize::MAX))
}

fn key(token: usize) -> ConnKey {
    KeyData::from_ffi(token as u64).into()
}
