//! The world around the hub: its shards' own reactors on an operating system of pipes, and a clock
//! that moves when it is told. The world says which shard's thread runs next.

use super::journal::tag_of;
use super::net::{Faults, Net, Pipe, Place, SimOs, SimWake};
use super::rng::Rng;
use super::setting::{CATALOGUE, Setting, shared, verifier};
use super::threads::Threads;
use rte::clock::Now;
use rte::conn::{Mail, Progress, Shared, ToWrite};
use rte::hub::position::Epoch;
use rte::hub::record::{Record, Records};
use rte::metrics::Metrics;
use rte::shard::{Look, Shard};
use rte::shell::current::{Current, InForce};
use rte::shell::load::Load;
use rte::shell::mailbox::{Letter, Mailbox, Mailboxes};
use rte::shell::turn::Reactor;
use rte::trace::{Fact, Level, Trace};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub struct World {
    pub shared: Arc<Shared>,
    pub shards: usize,
    pub is_written: bool,
    net: Rc<RefCell<Net>>,
    threads: Rc<Threads>,
    mailboxes: Arc<Mailboxes<SimOs>>,
    load: Arc<Load>,
}

impl World {
    pub fn new(setting: &Setting) -> World {
        let mut rng = Rng::new(setting.seed ^ 0x5EED);
        let shared = shared(setting, &mut rng);
        let net = Rc::new(RefCell::new(Net::new(setting.shards, rng.fork())));
        let threads = Rc::new(Threads::new(Rc::clone(&net), rng.fork()));
        let weak = || Rc::downgrade(&threads);
        let wake = |shard| SimWake { shard, net: Rc::clone(&net), threads: weak() };
        let mailboxes: Arc<Mailboxes<SimOs>> = (0..setting.shards)
            .map(|shard| Mailbox::new(wake(shard), &shared.limits, Arc::clone(&shared.backlog)))
            .collect();
        let load = Arc::new(Load::bounded(setting.shards, setting.links_max));
        let verifier = verifier(setting);
        let in_force =
            InForce { catalogue: Arc::clone(&CATALOGUE), verifier: Arc::clone(&verifier), settings: Arc::default() };
        let current = Arc::new(Current::new(in_force));
        let reactor = |number| {
            let entropy = Box::new(rng.fork());
            let (shared, catalogue, trace) = (Arc::clone(&shared), Arc::clone(&CATALOGUE), Trace::new(Level::Trace));
            let verifier = Arc::clone(&verifier);
            let shard = Shard::new(number, Arc::clone(&shared), catalogue, verifier, entropy, trace);
            let os = SimOs { shard: number, net: Rc::clone(&net), threads: weak() };
            Reactor::new(number, os, shard, shared, Arc::clone(&mailboxes), Arc::clone(&load), Arc::clone(&current))
        };
        threads.start((0..setting.shards).map(reactor).collect());
        World { shared, shards: setting.shards, is_written: setting.is_written, net, threads, mailboxes, load }
    }

    pub fn net(&self) -> RefMut<'_, Net> {
        self.net.borrow_mut()
    }

    pub fn pipe(&self, id: usize) -> RefMut<'_, Pipe> {
        RefMut::map(self.net.borrow_mut(), |net| net.pipe(id))
    }

    /// Whose the pipe is, once it is accepted.
    pub fn place(&self, id: usize) -> Option<Place> {
        self.pipe(id).place
    }

    /// The pipe's link, while there is one.
    pub fn look(&self, id: usize) -> Option<Look> {
        let (shard, key) = self.place(id)?;
        self.shard(shard).look(key)
    }

    /// The pipe's link shall go to another shard.
    pub fn move_link(&self, id: usize, to: usize) {
        if let Some((shard, key)) = self.place(id) {
            self.threads.with(shard, |reactor| reactor.move_link(key, to));
        }
    }

    pub fn shard(&self, shard: usize) -> Ref<'_, Shard> {
        Ref::map(self.threads.reactor(shard), Reactor::shard)
    }

    /// What the shards have told since the last call.
    pub fn facts(&self) -> Vec<(usize, Fact)> {
        std::mem::take(&mut self.net.borrow_mut().facts)
    }

    pub fn advance(&self, ms: u64) {
        let mut net = self.net.borrow_mut();
        net.now = Now::from_ms(net.now.mono.ms() + ms, net.now.unix.ms() + ms);
    }

    /// Somebody sets the calendar so far ahead of what it says, or back.
    pub fn set_calendar(&self, ahead_ms: i64) {
        let mut net = self.net.borrow_mut();
        net.now = Now::from_ms(net.now.mono.ms(), net.now.unix.ms().saturating_add_signed(ahead_ms));
    }

    pub fn set_faults(&self, faults: Faults) {
        self.net.borrow_mut().faults = faults;
    }

    /// The journal writes at most so much of what has been handed over. Or it fails, and all is
    /// kept in memory from now on; or, if that is so, it begins again.
    pub fn proceed_with_writing(&self, most: usize, fails: bool, chance: u64) {
        let (journal, now) = (&self.shared.journal, self.net.borrow().now);
        let tell_all = |mail: Mail| self.mailboxes.iter().for_each(|mailbox| mailbox.post(Letter::Mail(mail.clone())));
        if fails && journal.lose(journal.term().number, Epoch::begin(now, chance)).is_some() {
            tell_all(Mail::Term);
        } else if fails && self.is_written && journal.resume().is_some() {
            tell_all(Mail::Term);
            tell_all(Mail::Checkpoint);
        }
        for _ in 0..most {
            let Some(to_write) = self.net.borrow_mut().to_write.pop_front() else { return };
            if let ToWrite::Records { shard, term, through, .. } = to_write {
                self.mailboxes[shard].set_progress(Progress { term, through });
            }
        }
    }

    /// The tags of what is handed over and not written, while nobody has given up waiting for that.
    pub fn unwritten(&self) -> BTreeSet<String> {
        let present = self.shared.journal.term().number;
        let records = |to_write: &ToWrite| match to_write {
            ToWrite::Records { term, bytes, .. } if *term == present => tags(bytes),
            ToWrite::Records { .. }
            | ToWrite::Rows { .. }
            | ToWrite::Append(_)
            | ToWrite::Restore(..)
            | ToWrite::Lost => Vec::new(),
        };
        self.net.borrow().to_write.iter().flat_map(records).collect()
    }

    /// The journal writes all that has been handed over.
    pub fn write_all(&self) {
        self.proceed_with_writing(usize::MAX, false, 0);
    }

    /// One poll and one turn of a shard.
    pub fn step(&self, shard: usize) {
        self.threads.step(shard);
    }

    pub fn is_quiet(&self, shard: usize) -> bool {
        self.threads.is_quiet(shard)
    }

    /// The drain begins, as [`rte::shell::Server::drain`] has it.
    pub fn drain(&self) {
        self.drain_soon();
        self.threads.run_other();
    }

    /// The drain begins at one of the points where its thread may come in between.
    pub fn drain_soon(&self) {
        let (shared, mailboxes) = (Arc::clone(&self.shared), Arc::clone(&self.mailboxes));
        self.threads.set_other(move || {
            shared.drain.begin();
            mailboxes.iter().for_each(|mailbox| mailbox.post(Letter::Mail(Mail::Drain)));
        });
    }

    /// A drain that was to begin soon begins now, at the latest.
    pub fn drain_now(&self) {
        self.threads.run_other();
    }

    /// The numbers of a shard.
    pub fn numbers(&self, shard: usize) -> Metrics {
        self.threads.with(shard, Reactor::numbers)
    }

    /// Connections that there are, as the shards have divided them.
    pub fn load(&self) -> usize {
        self.load.total()
    }

    /// Whether the connection is gone, or only its last bytes matter.
    pub fn is_ending(&self, id: usize) -> bool {
        let Pipe { place, ending, .. } = *self.pipe(id);
        match place {
            Some(_) => self.look(id).map_or(ending.is_some(), |look| look.is_ending),
            None => ending.is_some(),
        }
    }

    /// Everything that can happen without time or peers happens.
    pub fn settle(&self) {
        for _ in 0..100_000 {
            self.net.borrow_mut().arrive_all();
            self.write_all();
            let busy: Vec<usize> = (0..self.shards).filter(|shard| !self.is_quiet(*shard)).collect();
            if busy.is_empty() {
                return self.check_nothing_is_forgotten();
            }
            busy.into_iter().for_each(|shard| self.step(shard));
        }
        panic!("the hub has work for ever");
    }

    /// All threads sleep: whatever could be read, written or accepted now will be for ever.
    pub fn check_nothing_is_forgotten(&self) {
        let net = self.net.borrow();
        for (id, pipe) in net.pipes() {
            let Some((shard, key)) = pipe.place.filter(|_| pipe.ending.is_none()) else { continue };
            let shard = self.shard(shard);
            assert!(!pipe.is_readable() || !shard.wants_input(key), "a lost edge: nobody reads pipe {id}, {pipe:?}");
            let backlog_bytes = shard.look(key).map_or(0, |look| look.backlog_bytes);
            assert!(backlog_bytes == 0 || !pipe.has_room(), "a lost edge: nobody writes to pipe {id}, {pipe:?}");
        }
        let retry = Duration::from_millis(self.shared.limits.accept_retry_ms);
        let is_retried = self.threads.reactor(0).timeout().is_some_and(|timeout| timeout <= retry);
        assert!(net.waiting() == 0 || is_retried, "a lost edge: nobody accepts");
    }
}

fn tags(records: &[u8]) -> Vec<String> {
    let tag = |record| match record {
        Record::Publication(written) => Some(tag_of(written.data).to_owned()),
        Record::Begin(_) | Record::Id { .. } | Record::Revocation(_) | Record::End => None,
    };
    Records::new(records).filter_map(tag).collect()
}
