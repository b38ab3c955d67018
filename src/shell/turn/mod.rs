//! One thread: polls its sockets, feeds its shard, carries what comes out.
//!
//! Each turn takes all that is ready, then writes each connection once. Sockets are registered
//! once, edge triggered, for both directions: what is not read to its end is remembered as *hot*.
//! All of it is written against an [`Os`]: the real one, and the simulation's.

use super::current::{Current, InForce};
use super::load::Load;
use super::mailbox::{Letter, Mailbox, Mailboxes};
use super::memory::GiveBack;
use super::os::{Os, Readiness, Stream};
use super::sockets::{Readable, Sockets};
use crate::api::cors::Origins;
use crate::api::routes::{self, Entrance};
use crate::clock::{Deadline, Instant, Now};
use crate::conn::{Mail, Moved, Shared, To};
use crate::limits::{FRESH_READ_BYTES, STRANGER_READ_BYTES};
use crate::metrics::Metrics;
use crate::proto::http::date::Date;
use crate::proto::http::reply::{self, Reply};
use crate::shard::Shard;
use crate::trace::Fact;
use crate::wire::{Failure, LinkKey};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Bytes of the thread's one read buffer, unless the read budget is less.
const READ_BYTES: usize = 64 * 1024;
/// Connections accepted in one turn, so that a storm of them doesn't starve those that are there.
const ACCEPTS: usize = 256;
/// So many are accepted whatever else the turn has done.
const ACCEPTS_LEAST: usize = 16;
/// The complaint about failed accepts is repeated this often at the most.
const COMPLAIN_EVERY_MS: u64 = 10_000;
/// A reactor without connections looks this often whether its siblings are done draining, too.
const DRAIN_LOOK_MS: u64 = 50;
/// How long a reactor whose siblings are behind waits before it looks again.
const FULL_SIBLING_MS: u64 = 1;

/// One shard's thread.
pub struct Reactor<O: Os> {
    number: usize,
    os: O,
    shard: Shard,
    shared: Arc<Shared>,
    mailboxes: Arc<Mailboxes<O>>,
    load: Arc<Load>,
    current: Arc<Current>,
    /// What is in force for the shard.
    version: u64,
    sockets: Sockets<O::Stream>,
    /// What the poll reported.
    ready: Vec<Readiness>,
    /// Sockets that are readable, of which nothing has been read since.
    fresh: Vec<LinkKey>,
    /// Sockets that may still be readable without a further edge.
    hot: Vec<LinkKey>,
    /// The same, of those that can wait.
    hot_guests: Vec<LinkKey>,
    buffer: Box<[u8]>,
    letters: Vec<Letter<O::Stream>>,
    /// The mailbox was not looked into, since the shard had enough of what came before.
    leaves_mail: bool,
    /// When to try to accept again, after a failure or with more waiting.
    accept_at: Deadline,
    complain_at: Deadline,
    /// When a drain ends, whoever is still there.
    drain_until: Option<Deadline>,
    is_listening: bool,
    memory: GiveBack,
}

impl<O: Os> Reactor<O> {
    /// Returns a reactor without connections; its mailbox is the one of that number.
    pub fn new(
        number: usize,
        os: O,
        shard: Shard,
        shared: Arc<Shared>,
        mailboxes: Arc<Mailboxes<O>>,
        load: Arc<Load>,
        current: Arc<Current>,
    ) -> Self {
        let read_bytes = READ_BYTES.min(shared.limits.read_budget_bytes).max(1);
        let send_bytes = shared.limits.socket_send_bytes;
        Reactor {
            number,
            os,
            shard,
            shared,
            mailboxes,
            sockets: Sockets::new(number, Arc::clone(&load), send_bytes),
            load,
            current,
            version: 0,
            ready: Vec::new(),
            fresh: Vec::new(),
            hot: Vec::new(),
            hot_guests: Vec::new(),
            buffer: vec![0; read_bytes].into_boxed_slice(),
            letters: Vec::new(),
            leaves_mail: false,
            accept_at: Deadline::NEVER,
            complain_at: Deadline::at(Instant::default()),
            drain_until: None,
            is_listening: true,
            memory: GiveBack::default(),
        }
    }

    /// Turns until drained.
    pub(crate) fn run(mut self) {
        while self.step() {}
    }

    /// Polls once and turns once, unless the reactor is drained. Whether it was not.
    pub fn step(&mut self) -> bool {
        if self.is_drained() {
            return false;
        }
        let timeout = self.timeout();
        self.ready.clear();
        self.os.poll(timeout, &mut self.ready);
        let (began, worked_us) = (self.os.now(), self.os.worked_us());
        self.turn(began);
        let (took_ms, work_us) = (self.os.now().mono.ms_since(began.mono), self.os.worked_us() - worked_us);
        let metrics = &mut self.shard.books.metrics;
        metrics.turns.observe(took_ms);
        metrics.work.observe(work_us.div_ceil(1_000));
        true
    }

    /// Returns the shard, to look at.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Returns the shard's numbers.
    pub fn numbers(&mut self) -> Metrics {
        self.shard.numbers(self.os.now(), &mut self.sockets)
    }

    fn turn(&mut self, now: Now) {
        self.read_mail(now);
        let (mut fresh, mut hot) = (std::mem::take(&mut self.fresh), std::mem::take(&mut self.hot));
        let mut guests = std::mem::take(&mut self.hot_guests);
        for readiness in &self.ready {
            match *readiness {
                Readiness::Mail => {}
                Readiness::Listener => self.accept_at = Deadline::at(now.mono),
                Readiness::Stream(key, state) => {
                    if state.is_writable {
                        self.sockets.flush(key);
                        self.shard.handle_writable(key, now, &mut self.sockets);
                    }
                    if state.is_read_closed {
                        self.sockets.set_read_closed(key);
                    }
                    if state.has_failed && self.sockets.fail(key) {
                        guests.push(key);
                    } else if state.is_readable && self.sockets.heat(key) {
                        if self.shard.is_guest(key) { guests.push(key) } else { fresh.push(key) }
                    }
                }
            }
        }
        let (are_full, budget) = (self.siblings_are_full(), self.shared.limits.read_budget_bytes);
        if are_full {
            (self.fresh, self.hot, self.hot_guests) = (fresh, hot, std::mem::take(&mut guests));
        } else {
            // Who has something new goes first, since most of them want little; whoever wants more
            // waits for the rest of it. Of those who have waited, the first has its turn in any
            // case; together they have a share, since they are few who want much, for whom
            // everybody else would wait.
            self.shard.lend_share();
            self.read_some(&mut fresh, 0, FRESH_READ_BYTES.min(budget), now);
            let (left, work) = (self.shard.begin_share(), self.shard.hub().work());
            self.read_some(&mut hot, 1, budget, now);
            self.shard.end_share(left.saturating_sub(self.shard.hub().work().wrapping_sub(work)));
            // What was found hot again is in the other list by now.
            hot.append(&mut self.hot);
            (self.fresh, self.hot) = (fresh, hot);
        }
        if self.is_listening && self.drain_until.is_some() {
            self.listen_no_longer(now);
        }
        let left = self.shard.begin_share();
        if !are_full {
            // In the order of their coming: whoever has had a turn and wants more comes last.
            self.read_some(&mut guests, 1, budget, now);
            std::mem::swap(&mut self.hot_guests, &mut guests);
            self.hot_guests.append(&mut guests);
        }
        if self.accept_at.is_due(now) {
            self.accept(now);
        }
        self.shard.end_share(left);
        self.shard.handle_deadlines(now, &mut self.sockets);
        self.shard.handle_queued(now, &mut self.sockets);
        self.tell(now);
        self.write();
        self.send_mail();
        // What is written now may have been taken long before: the turn may have been a long one.
        let now = self.os.now();
        self.shard.end_turn(now, &mut self.sockets);
        self.tell(now);
        if self.shard.take_missing_key() {
            self.current.missing_key.ring();
        }
        self.write();
        self.send_mail();
        self.send_moved();
        self.load.tell_strangers(self.number, self.shard.stranger_count());
        while let Some(key) = self.shard.poll_resumed() {
            if self.shard.wants_input(key) && self.sockets.resume(key) {
                self.push_hot(key);
            }
        }
        let is_idle = !self.has_unread() && !self.shard.has_work();
        let (work, kept) = (self.shard.hub().work(), self.shared.backlog.memory_bytes());
        self.memory.end_turn(now, work, kept, is_idle, &mut self.os);
    }

    /// Tells what the last step has noted: whoever listens learns it in the order in which it
    /// happened.
    fn tell(&mut self, now: Now) {
        for fact in self.shard.books.trace.drain() {
            self.os.log(&fact, now);
        }
    }

    /// Returns how long to wait for readiness.
    pub fn timeout(&self) -> Option<Duration> {
        if self.shard.has_work() || self.leaves_mail && self.shard.takes_mail() {
            return Some(Duration::ZERO);
        }
        if self.has_unread() {
            return Some(Duration::from_millis(if self.siblings_are_full() { FULL_SIBLING_MS } else { 0 }));
        }
        let now = self.os.now();
        let mut due = self.shard.next_deadline().min(self.accept_at).min(self.memory.next_look());
        if let Some(until) = self.drain_until {
            due = due.min(until);
            if self.shard.link_count() == 0 {
                due = due.min(now.after_ms(DRAIN_LOOK_MS));
            }
        }
        due.ms_from(now.mono).map(Duration::from_millis)
    }

    /// Whether any socket may still be readable without a further edge.
    fn has_unread(&self) -> bool {
        !self.fresh.is_empty() || !self.hot.is_empty() || !self.hot_guests.is_empty()
    }

    /// Reads so many bytes of it at the most, and no more than a portion's worth.
    fn read(&mut self, key: LinkKey, mut budget: usize, now: Now) {
        self.sockets.cool(key);
        if !self.shard.wants_input(key) {
            let Some(failure) = self.sockets.failure(key) else { return self.pause(key) };
            self.shard.handle_failure(key, failure, now, &mut self.sockets);
            return self.tell(now);
        }
        let before = self.shard.hub().work();
        loop {
            let most = if self.shard.is_guest(key) { STRANGER_READ_BYTES } else { budget };
            let most = most.min(self.buffer.len());
            let readable = self.sockets.read(key, self.buffer.get_mut(..most).unwrap_or_default());
            self.shard.spend(self.sockets.take_work(key));
            match readable {
                Readable::Bytes(n, has_more) => {
                    // Whoever sent these bytes may have read an answer that tells of a publication.
                    // Its home posted it before that answer, so it is in the mailbox by now and
                    // comes first: a Subscribe brings nothing that is older.
                    self.read_mail(now);
                    let bytes = self.buffer.get_mut(..n).unwrap_or_default();
                    let wants_input = self.shard.handle_bytes(key, bytes, now, &mut self.sockets);
                    self.tell(now);
                    if !wants_input {
                        return self.pause(key);
                    }
                    if !has_more {
                        return;
                    }
                    budget = budget.saturating_sub(n);
                    // Whoever has had a portion lets all others have theirs first.
                    let has_portion = self.shard.hub().work().wrapping_sub(before) >= self.shard.hub().portion_max();
                    if budget == 0 || has_portion || self.shard.is_spent() {
                        return self.heat(key);
                    }
                }
                Readable::Later => return self.heat(key),
                Readable::Drained => return,
                Readable::End => {
                    self.shard.handle_eof(key, now, &mut self.sockets);
                    return self.tell(now);
                }
                Readable::Failed(failure) => {
                    self.shard.handle_failure(key, failure, now, &mut self.sockets);
                    return self.tell(now);
                }
            }
        }
    }

    /// Reads so many bytes of each of the first of these, so many of them at least, while the turn
    /// has room, and strikes them from the list.
    fn read_some(&mut self, keys: &mut Vec<LinkKey>, least: usize, budget: usize, now: Now) {
        let mut read = 0;
        while let Some(key) = keys.get(read)
            && (read < least || !self.shard.is_spent())
        {
            self.read(*key, budget, now);
            read += 1;
        }
        keys.drain(..read);
    }

    fn heat(&mut self, key: LinkKey) {
        if self.sockets.heat(key) {
            self.push_hot(key);
        }
    }

    fn pause(&mut self, key: LinkKey) {
        if self.sockets.pause(key) {
            self.hot_guests.push(key);
        }
    }

    fn push_hot(&mut self, key: LinkKey) {
        if self.shard.is_guest(key) { self.hot_guests.push(key) } else { self.hot.push(key) }
    }

    fn read_mail(&mut self, now: Now) {
        if self.shard.waits_for_writing()
            && let Some(progress) = self.mailboxes.get(self.number).and_then(Mailbox::take_progress)
        {
            self.shard.handle_progress(progress, now, &mut self.sockets);
            self.tell(now);
        }
        let mut letters = std::mem::take(&mut self.letters);
        self.leaves_mail = !self.shard.takes_mail();
        if !self.leaves_mail
            && let Some(mailbox) = self.mailboxes.get(self.number)
        {
            mailbox.take(&mut letters);
        }
        if let Some(InForce { catalogue, verifier, .. }) = self.current.newer_than(&mut self.version) {
            self.shard.replace_catalogue(catalogue);
            self.shard.replace_verifier(verifier);
        }
        for letter in letters.drain(..) {
            match letter {
                Letter::Accepted(stream, peer, entrance) => self.open(stream, peer, entrance, now),
                Letter::Moved(stream, moved) => self.adopt(stream, moved, now),
                Letter::Turns(turns) => {
                    turns.fetch_add(1, Ordering::Relaxed);
                }
                Letter::Mail(mail) => {
                    if matches!(mail, Mail::Drain) {
                        self.drain_until = Some(now.after_ms(self.shared.limits.drain_ms));
                        self.listen_no_longer(now);
                    }
                    self.shard.handle_mail(mail, now, &mut self.sockets);
                    self.tell(now);
                }
            }
        }
        self.letters = letters;
    }

    /// Accepts no more in a drain, as soon as nobody polls: who does hears of its end by a further
    /// socket. Where others listen, too, it comes to them.
    fn listen_no_longer(&mut self, now: Now) {
        let loses_queue = self.os.loses_queue();
        if loses_queue && self.shared.has_linkless() {
            return;
        }
        if loses_queue {
            // They have been let in by the kernel, which would reset them.
            self.accept(now);
        }
        self.os.stop_listening();
        self.accept_at = Deadline::NEVER;
        self.is_listening = false;
    }

    fn write(&mut self) {
        for to_write in self.shard.poll_to_write() {
            self.os.write(to_write);
        }
    }

    fn send_mail(&mut self) {
        for (to, mail) in self.shard.poll_outbound() {
            match to {
                To::Siblings => {
                    let siblings = self.mailboxes.iter().enumerate().filter(|(number, _)| *number != self.number);
                    siblings.for_each(|(_, mailbox)| mailbox.post(Letter::Mail(mail.clone())));
                }
                To::Shard(number) => {
                    if let Some(mailbox) = self.mailboxes.get(number) {
                        mailbox.post(Letter::Mail(mail));
                    }
                }
            }
        }
    }

    fn siblings_are_full(&self) -> bool {
        self.mailboxes.len() > 1
            && self.mailboxes.iter().enumerate().any(|(number, mailbox)| number != self.number && mailbox.is_full())
    }

    fn accept(&mut self, now: Now) {
        self.accept_at = Deadline::NEVER;
        for accepted in 0..ACCEPTS {
            if accepted >= ACCEPTS_LEAST && self.shard.is_spent() {
                break;
            }
            match self.os.accept() {
                Ok(Some((stream, peer, entrance))) => self.admit(stream, peer, entrance, now),
                Ok(None) => return,
                Err(error) => {
                    // Out of descriptors, most likely: no further edge will come for those that
                    // wait.
                    self.accept_at = now.after_ms(self.shared.limits.accept_retry_ms);
                    self.shard.make_room(self.shared.options.entrance(), true, now, &mut self.sockets);
                    self.tell(now);
                    if self.complain_at.is_due(now) {
                        self.complain_at = now.after_ms(COMPLAIN_EVERY_MS);
                        self.os.log(&Fact::AcceptFailed { error: error.to_string() }, now);
                    }
                    return;
                }
            }
        }
        self.accept_at = Deadline::at(now.mono);
    }

    fn admit(&mut self, mut stream: O::Stream, peer: SocketAddr, entrance: Entrance, now: Now) {
        let shard = match entrance {
            Entrance::Only | Entrance::Public => self.load.join(),
            // Descriptors are kept for them.
            Entrance::Internal => Some(self.load.join_least()),
        };
        let Some(shard) = shard else {
            // What has come by now says which page asks, and does not turn the close into a reset.
            let read = stream.read(&mut self.buffer).unwrap_or(0);
            self.shard.note_full(peer.ip(), read);
            let head = self.buffer.get(..read).unwrap_or_default();
            let reply = Reply::text(503, "the hub can hold no more connections: come back later");
            let reply = reply.with("Retry-After", "5");
            let reply = Origins::dress(
                reply,
                routes::loose_reader(head, &self.shared.options.path, &self.shared.options.origins),
            );
            let (mut bytes, mut date) = (Vec::new(), Date::default());
            reply::encode(reply, false, false, date.at(now.unix), &mut bytes);
            // A fresh socket has room for it; if not, the peer sees a closed connection.
            let _ = stream.write(&[&bytes]);
            return;
        };
        if shard == self.number {
            self.open(stream, peer, entrance, now);
        } else if let Some(mailbox) = self.mailboxes.get(shard) {
            mailbox.post(Letter::Accepted(stream, peer, entrance));
        }
    }

    fn open(&mut self, mut stream: O::Stream, peer: SocketAddr, entrance: Entrance, now: Now) {
        let is_crowded = entrance != Entrance::Internal && self.load.is_crowded();
        self.shard.make_room(entrance, is_crowded, now, &mut self.sockets);
        // Else it may get the place of one whose socket is still here.
        self.send_moved();
        let key = self.shard.open_at(entrance, peer.ip(), now);
        self.load.tell_strangers(self.number, self.shard.stranger_count());
        let registered = self.os.register(&mut stream, key);
        self.sockets.insert(key, stream);
        self.tell(now);
        if registered.is_err() {
            self.shard.handle_failure(key, Failure::Socket, now, &mut self.sockets);
            self.tell(now);
        } else if self.drain_until.is_some() {
            // Accepted on one shard while this one had begun to drain.
            self.shard.resume(key, now, &mut self.sockets);
            self.tell(now);
        }
    }

    /// A link shall go to another shard before its next request is looked at.
    pub fn move_link(&mut self, key: LinkKey, shard: usize) {
        self.shard.move_link(key, shard, self.os.now(), &mut self.sockets);
        self.send_moved();
    }

    /// Links that go: one letter each, with all that the next reactor needs.
    fn send_moved(&mut self) {
        while let Some((key, shard, moved)) = self.shard.poll_moved() {
            let (Some(mut stream), Some(mailbox)) = (self.sockets.take(key), self.mailboxes.get(shard)) else {
                continue;
            };
            // A stream that can't be deregistered isn't polled here, and that is all that is
            // wanted.
            let _ = self.os.deregister(&mut stream);
            self.load.transfer(self.number, shard);
            mailbox.post(Letter::Moved(stream, moved));
        }
    }

    fn adopt(&mut self, mut stream: O::Stream, moved: Moved, now: Now) {
        // Else it may get the place of one whose socket is still here.
        self.send_moved();
        let key = self.shard.adopt(moved);
        let registered = self.os.register(&mut stream, key);
        self.sockets.insert(key, stream);
        if registered.is_err() {
            self.shard.handle_failure(key, Failure::Socket, now, &mut self.sockets);
            return self.tell(now);
        }
        self.shard.resume(key, now, &mut self.sockets);
        self.tell(now);
        // What came between two polls was told to nobody.
        self.heat(key);
    }

    /// Returns whether all shards are empty, or the time is over. One that is empty before the
    /// others still answers their mail.
    fn is_drained(&self) -> bool {
        let is_empty = || self.load.total() == 0 && !self.shared.has_linkless();
        self.drain_until.is_some_and(|until| is_empty() || until.is_due(self.os.now()))
    }
}

#[cfg(test)]
mod tests;
