//! How an event is handed to a link or a connection, and what follows from it.

use super::{SOCKET_COST, Shard};
use crate::clock::Now;
use crate::conn::{Cx, Flow, Handle, Life, Link, Step, polled};
use crate::hub::registry::ConnKey;
use crate::limits::SMALL_INPUT_BYTES;
use crate::trace::Fact;
use crate::wire::{LinkKey, Wire};

impl Shard {
    /// The link that carries a connection and is to be given an event of it. Where there is none,
    /// the connection has had the event.
    pub(super) fn carrier(
        &mut self,
        conn: ConnKey,
        now: Now,
        wire: &mut dyn Wire,
        event: impl FnOnce(Handle<'_, '_>) -> Flow,
    ) -> Option<LinkKey> {
        if !self.hub.is_linkless(conn) {
            return self.hub.link(conn);
        }
        self.with_linkless(conn, now, wire, event);
        None
    }

    /// Gives an event to a connection that has no link, if it is still there, and sees to what
    /// follows.
    pub(super) fn with_linkless(
        &mut self,
        conn: ConnKey,
        now: Now,
        wire: &mut dyn Wire,
        event: impl FnOnce(Handle<'_, '_>) -> Flow,
    ) {
        let (connections, mut turn) = self.turn(now, wire);
        let Some(connection) = connections.get_mut(conn) else { return };
        let before = connection.input_bytes();
        let flow = event(Handle { key: conn, connection, turn: &mut turn });
        if let Flow::End(end) = flow {
            polled::end(&end, Handle { key: conn, connection, turn: &mut turn });
        }
        let after = connection.input_bytes();
        self.note_input(before, after);
        self.look_at(conn);
        self.take_steps(now, wire);
    }

    /// Looks at the deadline of a connection that has no link.
    pub(super) fn look_at(&mut self, conn: ConnKey) {
        if let Some(connection) = self.connections.get(conn) {
            let deadline = connection.next_deadline(conn, &self.hub, &self.shared.limits);
            self.timers.arm_sooner(connection.timer(), deadline);
        }
    }

    /// Does what an event has led to beside its own link.
    fn take_steps(&mut self, now: Now, wire: &mut dyn Wire) {
        let mut steps = std::mem::take(&mut self.steps);
        for step in steps.drain(..) {
            match step {
                Step::Answer(poll) => self.with(poll, now, wire, |link, cx| link.handle_flushed(0, cx)),
                Step::Replaced(poll) => self.with(poll, now, wire, Link::replaced),
                Step::End(conn, end) => {
                    if let Some(key) = self.carrier(conn, now, wire, |it| it.end_once(end.clone())) {
                        self.with(key, now, wire, |link, cx| link.end_connection(end, cx));
                    }
                }
                Step::Input(before, after) => self.note_input(before, after),
                Step::Look(conn) => self.look_at(conn),
                Step::Free(conn) => {
                    let (connections, mut turn) = self.turn(now, wire);
                    polled::free(conn, connections, &mut turn);
                }
            }
        }
        if self.steps.is_empty() {
            self.steps = steps;
        }
    }

    /// Hands a link, if it is still there, to `then`, stores what it becomes, and sees to what that
    /// needs.
    pub(super) fn with(
        &mut self,
        key: LinkKey,
        now: Now,
        wire: &mut dyn Wire,
        then: impl FnOnce(Link, &mut Cx<'_, '_>) -> Link,
    ) {
        self.with_link(key, now, wire, then);
        if !self.steps.is_empty() {
            self.take_steps(now, wire);
        }
    }

    fn with_link(
        &mut self,
        key: LinkKey,
        now: Now,
        wire: &mut dyn Wire,
        then: impl FnOnce(Link, &mut Cx<'_, '_>) -> Link,
    ) {
        let Some(link) = self.links.get_mut(key).and_then(Option::take) else { return };
        let before = link.input_bytes(&self.connections);
        self.note_input(before, 0);
        let (connections, mut turn) = self.turn(now, wire);
        let mut link = then(link, &mut Cx { link: key, connections, turn: &mut turn });
        let after = link.input_bytes(connections);
        if after > before.max(SMALL_INPUT_BYTES) && !turn.hub.share().all().has_room(after) {
            link = link.give_up_input(&mut Cx { link: key, connections, turn: &mut turn });
        }
        self.note_input(0, link.input_bytes(&self.connections));
        if let Some(shard) = link.moves_now() {
            return self.part_with(key, link, shard);
        }
        if link.why_over().is_some() {
            return self.free(key, link, now, wire);
        }
        if link.takes_place_to_flush() {
            self.dirty.push(key);
        }
        if let Some(place) = self.links.get_mut(key) {
            *place = Some(link);
        }
        self.arm(key);
    }

    fn part_with(&mut self, key: LinkKey, link: Link, shard: usize) {
        self.note_input(link.input_bytes(&self.connections), 0);
        let (_, _, timer) = link.deadline(key, self.view());
        if let Some(timer) = timer {
            self.timers.remove(timer);
        }
        self.links.remove(key);
        let is_stranger = self.strangers.leave(key);
        self.internal.leave(key);
        self.moved.extend(link.into_moved(is_stranger).map(|moved| (key, shard, moved)));
    }

    fn free(&mut self, key: LinkKey, mut link: Link, now: Now, wire: &mut dyn Wire) {
        let (Some(why), Some(life)) = (link.why_over(), link.life(&self.hub, now)) else { return };
        if let (_, _, Some(timer)) = link.deadline(key, self.view()) {
            self.timers.remove(timer);
        }
        self.links.remove(key);
        self.hub.spend(SOCKET_COST);
        if !self.strangers.leave(key) && !self.internal.leave(key) {
            self.shared.places.give_back();
        }
        let conn = link.number(&self.connections);
        let cut = link.free(&mut self.hub, &mut self.connections, &self.shared.quotas, &mut self.books.metrics);
        self.books.metrics.closed[why.reason.index()] += 1;
        let Life { age_s, backlog_bytes, delivered } = life;
        let fact = Fact::Closed { conn, reason: why.reason, detail: why.detail, age_s, backlog_bytes, delivered };
        self.books.trace.note(fact.level(), || fact);
        wire.close(key, cut);
    }

    /// Looks at the deadline of a link, which is its connection's where it carries one.
    pub(super) fn arm(&mut self, key: LinkKey) {
        let Some(link) = self.link(key) else { return };
        if let (deadline, timed, Some(timer)) = link.deadline(key, self.view()) {
            self.timers.hand_over(timer, timed);
            self.timers.arm_sooner(timer, deadline);
        }
    }
}
