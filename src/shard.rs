//! The pure whole of one thread: connections, fan-out, deadlines. Bytes, mail and time in; bytes through a [`Wire`], mail and
//! deadlines out. The shell drives it with sockets, a simulation with whatever it likes.
//!
//! In each turn: [`Shard::handle_mail`], [`Shard::handle_bytes`] and its kin, [`Shard::handle_deadlines`],
//! [`Shard::poll_outbound`] until it is empty, then [`Shard::end_turn`].

use crate::api::publish;
use crate::clock::{Deadline, Now};
use crate::close::CloseReason;
use crate::conn::{Answer, Connection, Mail, Outbound, Shared, To, Turn};
use crate::entropy::{Entropy, next_u64};
use crate::hub::Hub;
use crate::hub::home::Home;
use crate::hub::registry::HashSeed;
use crate::metrics::{Metrics, Refusal};
use crate::proto::signalr::json;
use crate::schema::Catalogue;
use crate::timer::Timers;
use crate::trace::{Fact, Level, Trace};
use crate::wire::{ConnKey, Ending, Wire};
use core::net::IpAddr;
use slotmap::SlotMap;
use std::sync::Arc;

/// One thread's connections and all that belongs to them.
pub struct Shard {
    number: usize,
    shared: Arc<Shared>,
    catalogue: Arc<Catalogue>,
    connections: SlotMap<ConnKey, Connection>,
    /// Connections that have come so far.
    serial: u64,
    hub: Hub,
    home: Home,
    timers: Timers<ConnKey>,
    parser: Option<json::Parser>,
    scratch: Vec<u8>,
    publish_scratch: publish::Scratch,
    entropy: Box<dyn Entropy>,
    metrics: Metrics,
    /// Notable facts since the shell last looked.
    pub trace: Trace,
    outbound: Outbound,
    /// Connections that read again after a pause.
    resumed: Vec<ConnKey>,
    fired: Vec<ConnKey>,
    /// Connections to look at after a flush; empty between turns.
    attention: Vec<ConnKey>,
}

impl Shard {
    /// A shard without connections.
    pub fn new(
        number: usize,
        shared: Arc<Shared>,
        catalogue: Arc<Catalogue>,
        mut entropy: Box<dyn Entropy>,
        trace: Trace,
    ) -> Shard {
        let seed = HashSeed(next_u64(entropy.as_mut()), next_u64(entropy.as_mut()));
        let hub = Hub::new(seed, &shared.limits, Arc::clone(&shared.backlog));
        let home = Home::new(seed, &shared.limits, Arc::clone(&shared.kept), shared.shards);
        Shard {
            number,
            shared,
            catalogue,
            connections: SlotMap::with_key(),
            serial: 0,
            hub,
            home,
            timers: Timers::default(),
            parser: None,
            scratch: Vec::new(),
            publish_scratch: publish::Scratch::default(),
            entropy,
            metrics: Metrics::default(),
            trace,
            outbound: Outbound::default(),
            resumed: Vec::new(),
            fired: Vec::new(),
            attention: Vec::new(),
        }
    }

    /// Another catalogue is in force; events keep their numbers.
    pub fn replace_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = catalogue;
    }

    /// A socket has been accepted.
    pub fn open(&mut self, peer: IpAddr, now: Now) -> ConnKey {
        self.serial += 1;
        let conn = self.serial * self.shared.shards as u64 + self.number as u64;
        let timers = &mut self.timers;
        let key = self.connections.insert_with_key(|key| Connection::new(conn, timers.add(key), peer, now));
        self.hub.open(key);
        self.metrics.accepted += 1;
        self.trace.note(Level::Debug, || Fact::Opened { conn, peer });
        self.arm(key);
        key
    }

    /// A connection beyond `connections_max` has been turned away.
    pub fn note_full(&mut self, peer: IpAddr) {
        self.metrics.accepted += 1;
        self.metrics.refuse(Refusal::Full);
        self.metrics.closed[CloseReason::Full.index()] += 1;
        self.trace.note(Level::Debug, || Fact::Refused { conn: 0, client: peer, status: 503, why: "connections_max" });
    }

    /// Bytes have been read; they may be spoilt. False when the connection wants no more for now: [`Shard::poll_resumed`]
    /// will name it.
    pub fn handle_bytes(&mut self, key: ConnKey, bytes: &mut [u8], now: Now, wire: &mut dyn Wire) -> bool {
        let connections = &self.connections;
        self.trace.note(Level::Trace, || Fact::Read {
            conn: connections.get(key).map_or(0, Connection::number),
            bytes: bytes.len(),
        });
        self.with(key, now, wire, |connection, turn| connection.handle_bytes(key, bytes, turn));
        self.wants_input(key)
    }

    /// The peer sends no more.
    pub fn handle_eof(&mut self, key: ConnKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, |connection, turn| connection.handle_eof(key, turn));
    }

    /// The socket failed.
    pub fn handle_failure(&mut self, key: ConnKey) {
        if self.connections.contains_key(key) {
            self.hub.doom(key, CloseReason::SocketFailed);
        }
    }

    /// The socket takes bytes again.
    pub fn handle_writable(&mut self, key: ConnKey) {
        self.hub.unblock(key);
    }

    /// Whether bytes of this connection should be read.
    pub fn wants_input(&self, key: ConnKey) -> bool {
        self.connections.get(key).is_some_and(|connection| connection.wants_input(key, &self.hub, &self.shared.limits))
    }

    /// A connection that reads again.
    pub fn poll_resumed(&mut self) -> Option<ConnKey> {
        self.resumed.pop()
    }

    /// Mail of a sibling.
    pub fn handle_mail(&mut self, mail: Mail, now: Now, wire: &mut dyn Wire) {
        match mail {
            Mail::Publications(publications) => {
                self.metrics.from_siblings += publications.len() as u64;
                self.turn(now, wire, |_, turn| {
                    let mut delivery = turn.delivery();
                    publications.iter().for_each(|publication| delivery.deliver(publication));
                });
            }
            Mail::Ask { from, caller, question } => {
                let answer = self.turn(now, wire, |_, turn| turn.answer(question));
                let is_cut = matches!(answer, Answer::Snapshot(_));
                let answered = Mail::Answered { caller, answer };
                if is_cut {
                    self.outbound.post(To::Shard(from), answered);
                } else {
                    self.outbound.post_last(To::Shard(from), answered);
                }
            }
            Mail::Answered { caller, answer } => {
                let key = caller.link;
                self.with(key, now, wire, |connection, turn| {
                    connection.handle_answer(key, caller.ticket, answer, turn);
                });
                self.resumed.push(key);
            }
            Mail::Drain => self.drain(now, wire),
        }
    }

    /// Deadlines that have come.
    pub fn handle_deadlines(&mut self, now: Now, wire: &mut dyn Wire) {
        let mut fired = std::mem::take(&mut self.fired);
        self.timers.poll(now, &mut fired);
        for key in fired.drain(..) {
            self.with(key, now, wire, |connection, turn| connection.handle_deadline(key, turn));
        }
        self.fired = fired;
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Deadline {
        self.timers.next_deadline()
    }

    /// What goes to the siblings, in this order; before the flush, so that who reads a reply knows that the siblings have what
    /// it tells of.
    pub fn poll_outbound(&mut self) -> impl Iterator<Item = (To, Mail)> {
        self.outbound.drain()
    }

    /// Whether another turn should follow at once.
    pub fn has_work(&self) -> bool {
        self.hub.is_dirty() || !self.resumed.is_empty()
    }

    /// Writes what waits, each connection once, and frees who has to go.
    pub fn end_turn(&mut self, now: Now, wire: &mut dyn Wire) {
        self.free_doomed(now, wire);
        let mut attention = std::mem::take(&mut self.attention);
        let (connections, limits) = (&mut self.connections, &self.shared.limits);
        self.hub.flush(now, wire, |key, taken, left| {
            if let Some(connection) = connections.get_mut(key)
                && connection.note_flushed(taken, left, now, limits)
            {
                attention.push(key);
            }
        });
        for key in attention.drain(..) {
            self.with(key, now, wire, |connection, turn| connection.handle_flushed(key, turn));
            if self.wants_input(key) {
                self.resumed.push(key);
            }
        }
        self.attention = attention;
        self.free_doomed(now, wire);
        self.home.shrink();
    }

    /// The fan-out, to look at: memberships and backlogs.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// A connection, to look at.
    pub fn connection(&self, key: ConnKey) -> Option<&Connection> {
        self.connections.get(key)
    }

    /// What this shard has counted.
    pub fn numbers(&mut self, now: Now, wire: &mut dyn Wire) -> Metrics {
        self.turn(now, wire, |_, turn| turn.measure())
    }

    /// Connections of this shard.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    fn free_doomed(&mut self, now: Now, wire: &mut dyn Wire) {
        while let Some((key, reason)) = self.hub.poll_doomed() {
            if reason == CloseReason::Overrun
                && self.connections.get(key).is_some_and(|connection| !connection.is_ending())
            {
                // It gets a last word, and `close_ms` to take it.
                self.with(key, now, wire, |connection, turn| connection.give_up(key, turn));
                continue;
            }
            let Some(mut connection) = self.connections.remove(key) else { continue };
            // What waited for one whose backlog was too large for the process has been dropped, in the midst of a frame.
            let is_cut = self.hub.backlog_bytes(key) > 0 || reason == CloseReason::BacklogFull;
            let ending = if is_cut { Ending::Reset } else { Ending::Graceful };
            self.timers.remove(connection.timer());
            self.hub.close(key);
            self.turn(now, wire, |_, turn| {
                let reason = connection.final_reason(reason);
                connection.free(reason, turn);
            });
            wire.close(key, ending);
        }
    }

    fn drain(&mut self, now: Now, wire: &mut dyn Wire) {
        let keys: Vec<ConnKey> = self.connections.keys().collect();
        let spread_ms = self.shared.limits.drain_spread_ms.max(1);
        for key in keys {
            let share_ms = next_u64(self.entropy.as_mut()) % spread_ms;
            self.with(key, now, wire, |connection, turn| connection.drain(key, share_ms, turn));
        }
    }

    /// Runs something on a connection, if it is still there, and looks at its deadline afterwards.
    fn with(&mut self, key: ConnKey, now: Now, wire: &mut dyn Wire, then: impl FnOnce(&mut Connection, &mut Turn<'_>)) {
        self.turn(now, wire, |connections, turn| {
            if let Some(connection) = connections.get_mut(key) {
                then(connection, turn);
            }
        });
        self.arm(key);
    }

    fn turn<T>(
        &mut self,
        now: Now,
        wire: &mut dyn Wire,
        then: impl FnOnce(&mut SlotMap<ConnKey, Connection>, &mut Turn<'_>) -> T,
    ) -> T {
        // The gauge is cheap here and nowhere else: connections are borrowed while a turn runs.
        self.metrics.open = self.connections.len() as u64;
        let mut turn = Turn {
            now,
            shard: self.number,
            hub: &mut self.hub,
            home: &mut self.home,
            shared: &self.shared,
            catalogue: &self.catalogue,
            parser: &mut self.parser,
            scratch: &mut self.scratch,
            publish_scratch: &mut self.publish_scratch,
            entropy: self.entropy.as_mut(),
            metrics: &mut self.metrics,
            trace: &mut self.trace,
            outbound: &mut self.outbound,
            wire,
        };
        then(&mut self.connections, &mut turn)
    }

    fn arm(&mut self, key: ConnKey) {
        let Some(connection) = self.connections.get(key) else { return };
        let deadline = connection.next_deadline(key, &self.hub, &self.shared.limits);
        self.timers.arm_sooner(connection.timer(), deadline);
    }
}
