//! The shards' threads, of which the world runs one at a time; at certain points another one may
//! come in between.

use super::net::{Net, SimOs};
use super::rng::Rng;
use rte::shell::turn::Reactor;
use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

struct Thread {
    reactor: RefCell<Reactor<SimOs>>,
    /// The reactor is drained, and its thread has ended.
    is_over: Cell<bool>,
}

/// All threads.
pub struct Threads {
    net: Rc<RefCell<Net>>,
    threads: OnceCell<Vec<Thread>>,
    rng: RefCell<Rng>,
    /// What a thread that is none of a shard is about to do.
    other: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Threads {
    pub fn new(net: Rc<RefCell<Net>>, rng: Rng) -> Threads {
        Threads { net, threads: OnceCell::new(), rng: RefCell::new(rng), other: RefCell::new(None) }
    }

    pub fn start(&self, reactors: Vec<Reactor<SimOs>>) {
        let thread = |reactor| Thread { reactor: RefCell::new(reactor), is_over: Cell::new(false) };
        assert!(self.threads.set(reactors.into_iter().map(thread).collect()).is_ok(), "started twice");
    }

    fn thread(&self, shard: usize) -> &Thread {
        &self.threads.get().expect("threads that have been started")[shard]
    }

    pub fn reactor(&self, shard: usize) -> Ref<'_, Reactor<SimOs>> {
        self.thread(shard).reactor.borrow()
    }

    pub fn with<T>(&self, shard: usize, then: impl FnOnce(&mut Reactor<SimOs>) -> T) -> T {
        then(&mut self.thread(shard).reactor.borrow_mut())
    }

    /// One poll and one turn of a shard, as its thread does it again and again; unless it is in the
    /// middle of one.
    pub fn step(&self, shard: usize) {
        let thread = self.thread(shard);
        if let Ok(mut reactor) = thread.reactor.try_borrow_mut()
            && !thread.is_over.get()
        {
            thread.is_over.set(!reactor.step());
        }
    }

    /// Whether a shard's thread has ended, or its poll would sleep.
    pub fn is_quiet(&self, shard: usize) -> bool {
        let thread = self.thread(shard);
        let would_sleep = || thread.reactor.borrow().timeout() != Some(Duration::ZERO);
        thread.is_over.get() || would_sleep() && !self.net.borrow().has_edges(shard)
    }

    /// Another thread does this, at one of the points where it may come in between.
    pub fn set_other(&self, then: impl FnOnce() + 'static) {
        *self.other.borrow_mut() = Some(Box::new(then));
    }

    /// That thread comes now, if it has not come yet.
    pub fn run_other(&self) {
        let other = self.other.borrow_mut().take();
        if let Some(then) = other {
            then();
        }
    }

    /// Another thread may come in between.
    pub fn preempt(&self) {
        let one_in = self.net.borrow().faults.preempt;
        let Some(threads) = self.threads.get() else { return };
        let mut rng = self.rng.borrow_mut();
        if one_in > 0 && rng.one_in(one_in) {
            let shard = rng.below(threads.len());
            let is_other = rng.one_in(2);
            drop(rng);
            if is_other {
                self.run_other();
            }
            self.step(shard);
        }
    }
}
