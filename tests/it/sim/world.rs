//! The world around the hub: its shards' own reactors on an operating system of pipes, and a clock
//! that moves when it is told. The world says which shard's thread runs next.

use super::disk::{Disk, Restored};
use super::journal::tag_of;
use super::net::{Faults, Net, Pipe, Place, SimOs, SimWake};
use super::rng::Rng;
use super::setting::{CATALOGUE, START, Setting, shared, verifier};
use super::threads::Threads;
use rte::backplane::Append;
use rte::backplane::reader::ReaderMail;
use rte::clock::Now;
use rte::conn::{Mail, Progress, Shared, ToWrite};
use rte::hub::past::Past;
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
    setting: Setting,
    pub shared: Arc<Shared>,
    pub shards: usize,
    pub is_written: bool,
    net: Rc<RefCell<Net>>,
    threads: Rc<Threads>,
    mailboxes: Arc<Mailboxes<SimOs>>,
    load: Arc<Load>,
    disk: RefCell<Disk>,
    rng: Rng,
}

impl World {
    pub fn new(setting: &Setting) -> World {
        let mut rng = Rng::new(setting.seed ^ 0x5EED);
        let epoch = Epoch::begin(START, rng.next());
        let shared = shared(setting, &mut rng, epoch);
        let net = Rc::new(RefCell::new(Net::new(setting.shards, rng.fork())));
        let disk = RefCell::new(Disk::new(shared.journal.term()));
        let (threads, mailboxes, load) = start(setting, &shared, &net, &mut rng, Vec::new());
        let Setting { shards, is_written, .. } = *setting;
        World { setting: setting.clone(), shared, shards, is_written, net, threads, mailboxes, load, disk, rng }
    }

    /// The hub is killed, wherever it is with its writing, and another one with so many shards
    /// takes its place, of what has been written. What it has of the one before.
    pub fn restart(&mut self, shards: usize) -> Restored {
        self.look_at_loss();
        self.crash();
        let (now, chance) = (self.net.borrow().now, self.rng.next());
        let limits = &self.setting.limits;
        let (past, restored) = if self.is_written {
            self.disk.borrow_mut().restore(limits, shards, now, chance)
        } else {
            (Vec::new(), Restored::nothing(Epoch::begin(now, chance)))
        };
        self.net.borrow_mut().replace_hub(shards);
        (self.setting.shards, self.shards) = (shards, shards);
        self.shared = shared(&self.setting, &mut self.rng, restored.epoch);
        (self.threads, self.mailboxes, self.load) = start(&self.setting, &self.shared, &self.net, &mut self.rng, past);
        restored
    }

    /// Some of what is handed over is written, though nobody will hear of it, and of the next a
    /// part.
    fn crash(&mut self) {
        let to_write = std::mem::take(&mut self.net.borrow_mut().to_write);
        let mut disk = self.disk.borrow_mut();
        let written = self.rng.below(to_write.len() + 1);
        for (n, to_write) in to_write.into_iter().enumerate().take(written + 1) {
            if n < written { disk.write(to_write) } else { disk.tear(&to_write, self.rng.below(2_000)) }
        }
    }

    /// Where the shards have given up waiting, that has been noted before anybody heard of it.
    fn look_at_loss(&self) {
        let to_write = &mut self.net.borrow_mut().to_write;
        let before = to_write.len();
        to_write.retain(|it| !matches!(it, ToWrite::Lost));
        if to_write.len() < before {
            self.disk.borrow_mut().lose();
        }
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
        self.look_at_loss();
        let (journal, now) = (&self.shared.journal, self.net.borrow().now);
        if fails && journal.lose(journal.term().number, Epoch::begin(now, chance)).is_some() {
            self.disk.borrow_mut().lose();
            self.tell_all(&Mail::Term);
        } else if fails
            && self.is_written
            && let Some(term) = journal.resume()
        {
            self.disk.borrow_mut().resume(term, self.shards);
            self.tell_all(&Mail::Term);
        }
        // What goes to an engine is taken there.
        let most = if self.shared.contact.is_some() { 0 } else { most };
        for _ in 0..most {
            let Some(to_write) = self.net.borrow_mut().to_write.pop_front() else { return };
            let progress = match to_write {
                ToWrite::Records { shard, term, through, .. } => Some((shard, Progress { term, through })),
                ToWrite::Rows { .. } | ToWrite::Append(_) | ToWrite::Restore(..) | ToWrite::Lost => None,
            };
            self.disk.borrow_mut().write(to_write);
            if let Some((shard, progress)) = progress {
                self.mailboxes[shard].set_progress(progress);
            }
        }
    }

    /// The journal wants to know what holds, to let go of what it has.
    pub fn ask_for_rows(&self) {
        let is_written = self.shared.journal.term().is_written && !self.disk.borrow().asks();
        if is_written {
            self.disk.borrow_mut().ask(false, self.shards);
            self.tell_all(&Mail::Checkpoint);
        }
    }

    /// The engine that several processes share has been read.
    pub fn read_engine(&self, mail: ReaderMail) {
        match mail.partition() {
            Some(partition) => {
                self.tell(partition.home(self.shards), Mail::Read(mail));
            }
            None => self.tell_all(&Mail::Read(mail)),
        }
    }

    /// What the shards have handed over to an engine that several processes share.
    pub fn take_appends(&self) -> Vec<Append> {
        let append = |to_write| match to_write {
            ToWrite::Append(append) => Some(append),
            ToWrite::Records { .. } | ToWrite::Rows { .. } | ToWrite::Restore(..) | ToWrite::Lost => None,
        };
        self.net.borrow_mut().to_write.drain(..).filter_map(append).collect()
    }

    /// A letter for a shard.
    pub fn tell(&self, shard: usize, mail: Mail) {
        self.mailboxes[shard].post(Letter::Mail(mail));
    }

    pub fn tell_all(&self, mail: &Mail) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.post(Letter::Mail(mail.clone())));
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

/// The threads of a hub, one for each shard, with what they had before.
fn start(
    setting: &Setting,
    shared: &Arc<Shared>,
    net: &Rc<RefCell<Net>>,
    rng: &mut Rng,
    past: Vec<Past>,
) -> (Rc<Threads>, Arc<Mailboxes<SimOs>>, Arc<Load>) {
    let threads = Rc::new(Threads::new(Rc::clone(net), rng.fork()));
    let weak = || Rc::downgrade(&threads);
    let wake = |shard| SimWake { shard, net: Rc::clone(net), threads: weak() };
    let mailboxes: Arc<Mailboxes<SimOs>> = (0..setting.shards)
        .map(|shard| Mailbox::new(wake(shard), &shared.limits, Arc::clone(&shared.backlog)))
        .collect();
    let load = Arc::new(Load::bounded(setting.shards, setting.links_max));
    let verifier = verifier(setting);
    let in_force =
        InForce { catalogue: Arc::clone(&CATALOGUE), verifier: Arc::clone(&verifier), settings: Arc::default() };
    let current = Arc::new(Current::new(in_force));
    let (mut past, now) = (past.into_iter(), net.borrow().now);
    let reactor = |number| {
        let entropy = Box::new(rng.fork());
        let (shared, catalogue, trace) = (Arc::clone(shared), Arc::clone(&CATALOGUE), Trace::new(Level::Trace));
        let verifier = Arc::clone(&verifier);
        let mut shard = Shard::new(number, Arc::clone(&shared), catalogue, verifier, entropy, trace);
        past.next().into_iter().for_each(|past| shard.restore(past, now));
        let os = SimOs { shard: number, net: Rc::clone(net), threads: weak() };
        Reactor::new(number, os, shard, shared, Arc::clone(&mailboxes), Arc::clone(&load), Arc::clone(&current))
    };
    threads.start((0..setting.shards).map(reactor).collect());
    (threads, mailboxes, load)
}

fn tags(records: &[u8]) -> Vec<String> {
    let tag = |record| match record {
        Record::Publication(written) => Some(tag_of(written.data).to_owned()),
        Record::Begin(_) | Record::Id { .. } | Record::Revocation(_) | Record::End => None,
    };
    Records::new(records).filter_map(tag).collect()
}
