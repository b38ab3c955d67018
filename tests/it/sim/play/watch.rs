//! What the shards tell, held against the model, and what must hold between any two turns.

use super::{Play, WIDE};
use crate::sim::actor::{Actor, Role};
use crate::sim::cast::{KINDS, TOKENS};
use crate::sim::journal::tag_of;
use crate::sim::model::Delivered;
use crate::sim::net::Net;
use rte::clock::Deadline;
use rte::close::CloseReason;
use rte::limits::Limits;
use rte::timer::GRAIN_MS;
use rte::trace::Fact;
use rte::wire::Cut;
use std::collections::BTreeSet;

/// What may wait of Subscribes that want something of the past: two blocks, of which each has all
/// that holds of an organization or what its bound lets it replay, and the rest of one before.
fn blocks_bytes_max(limits: &Limits) -> usize {
    const FRAME: usize = 320;
    const REST: usize = 16 * 1024;
    let rows: usize = KINDS.iter().filter(|kind| kind.is_kept).map(|kind| kind.entities.len()).sum();
    REST + 2 * (limits.outbox_hard_bytes + rows * (limits.event_bytes_max + FRAME))
}

impl Play<'_> {
    pub(super) fn note(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    /// Whether the hub does nothing more that the connection asks for.
    fn is_over(&self, number: usize) -> bool {
        self.world.is_ending(number) || self.world.look(number).is_some_and(|look| look.is_sealed)
    }

    /// The model learns what the shards did.
    pub(super) fn observe(&mut self) {
        let over: BTreeSet<usize> = (0..self.actors.len()).filter(|number| self.is_over(*number)).collect();
        self.model.fade(over.clone());
        let journal = &self.world.shared.journal;
        self.model.begin(journal.term().epoch, journal.losses());
        for number in 0..self.actors.len() {
            // Whoever has moved did so before its connection began.
            if let Some((shard, _)) = self.world.place(number) {
                self.model.moved(number, shard);
            }
        }
        let unwritten = self.world.unwritten();
        for (shard, fact) in self.world.facts() {
            if let Fact::Delivered { data, .. } = &fact {
                assert!(!unwritten.contains(tag_of(data)), "delivered and not written: {}", fact.human());
            }
            self.fact(shard, &fact);
        }
        self.model.fade(BTreeSet::new());
        for number in 0..self.actors.len() {
            let Some((shard, _)) = self.world.place(number) else { continue };
            let conn = self.world.look(number).and_then(|look| look.connection);
            let result = self.model.compare(number, conn, self.world.shard(shard).hub(), over.contains(&number));
            assert_eq!(result, Ok(()), "actor {number}");
        }
    }

    fn fact(&mut self, shard: usize, fact: &Fact) {
        let line = fact.human();
        assert!(TOKENS.all().all(|token| !line.contains(token)), "a token in a fact");
        self.note(line.as_bytes());
        let of = |conn: &u64| self.world.net().pipe_of[conn];
        match fact {
            Fact::Opened { conn, peer } => self.opened(*conn, *peer),
            Fact::Refused { conn: 0, .. } => self.turned_away += 1,
            Fact::AcceptFailed { .. } => self.reached.failed_accepts += 1,
            Fact::JournalLost { .. } => self.reached.stalls += 1,
            Fact::Read { conn, bytes } => self.read(of(conn), *bytes),
            Fact::Connected { conn, .. } => assert_eq!(self.model.connected(of(conn)), Ok(())),
            Fact::Subscribed { conn, items, subscribed } => {
                let (number, now) = (of(conn), self.world.net().now.unix);
                assert_eq!(self.model.subscribed(number, *items, *subscribed, now), Ok(()), "actor {number}");
            }
            Fact::Invoked { conn } => assert_eq!(self.model.invoked(of(conn)), Ok(()), "actor {}", of(conn)),
            Fact::Delivered { shard: _, position, organization, event, entity, members, data } => {
                let (organization, entity, members) = (*organization, *entity, *members);
                let position = position.parse().expect("a position");
                let delivered = Delivered { position, organization, event, entity, members, data };
                match self.model.deliver(shard, delivered) {
                    Ok(true) => self.accepted(data),
                    Ok(false) => {}
                    Err(error) => panic!("shard {shard}: {error}"),
                }
            }
            Fact::Closed { conn, reason, .. } => self.closed(of(conn), *reason),
            Fact::Refused { .. }
            | Fact::Authenticated { .. }
            | Fact::TokenRefused { .. }
            | Fact::ItemRefused { .. }
            | Fact::InvocationFailed { .. }
            | Fact::TokenRefreshed { .. }
            | Fact::Resumed { .. }
            | Fact::Revoked { .. }
            | Fact::ItemsRejected { .. }
            | Fact::ClaimAbsent { .. }
            | Fact::StrangersCrowd { .. }
            | Fact::FrontFault { .. }
            | Fact::OriginRefused { .. } => {}
            Fact::Listening { .. }
            | Fact::PollFailed { .. }
            | Fact::LogDropped { .. }
            | Fact::Warning { .. }
            | Fact::JournalRestored { .. }
            | Fact::JournalAwaited { .. }
            | Fact::JournalResumed { .. }
            | Fact::BackplaneReady
            | Fact::BackplaneUnsafe { .. }
            | Fact::BackplaneAway { .. }
            | Fact::BackplaneBack { .. }
            | Fact::BackplaneRepaired { .. }
            | Fact::BackplaneGap { .. }
            | Fact::Panicked { .. }
            | Fact::DrainAnnounced { .. }
            | Fact::Reloaded { .. }
            | Fact::ReloadRefused { .. }
            | Fact::KeysFetched { .. }
            | Fact::KeysNotFetched { .. }
            | Fact::KeyPassedOver { .. }
            | Fact::Draining { .. }
            | Fact::Drained { .. } => panic!("a shard tells {line}"),
        }
    }

    fn opened(&mut self, conn: u64, peer: std::net::IpAddr) {
        let number = Net::of_address(peer);
        let before = self.world.net().pipe_of.insert(conn, number);
        assert_eq!(before, None, "two connections have the number {conn}");
        self.opened += 1;
        let place = self.world.place(number);
        if let (Role::Client(rights, _), Some((shard, _))) = (self.actors[number].role, place) {
            let Actor { tab, resumes, .. } = &self.actors[number];
            self.model.meet(number, shard, rights, tab.as_ref().map(|tab| tab.number), *resumes);
        }
    }

    /// The hub has read of an actor, and looks at it next.
    fn read(&mut self, number: usize, bytes: usize) {
        let actor = &mut self.actors[number];
        actor.fed += bytes;
        while actor.acts.front().is_some_and(|(at, _)| *at <= actor.fed) {
            let Some((_, act)) = actor.acts.pop_front() else { break };
            self.model.act(number, act);
        }
    }

    /// A publication is the next valid item of its publisher.
    fn accepted(&mut self, data: &[u8]) {
        let tag = tag_of(data);
        let number: usize = tag.split('.').next().unwrap().parse().unwrap();
        let actor = &mut self.actors[number];
        actor.accepted += 1;
        let due = actor.pending.pop_front();
        assert_eq!(due.as_deref(), Some(format!("#{tag}#").as_str()), "actor {number} published out of order");
    }

    fn closed(&mut self, number: usize, reason: CloseReason) {
        let is_shut = self.world.net().pipe(number).is_shut();
        let actor = &mut self.actors[number];
        assert_eq!(actor.closed.replace(reason), None, "a connection ended twice");
        let is_right = match reason {
            CloseReason::FrameError
            | CloseReason::MalformedMessage
            | CloseReason::MessageTooLong
            | CloseReason::HandshakeRefused
            | CloseReason::BadRequest
            | CloseReason::BadBody => actor.has_lied,
            CloseReason::PeerGone | CloseReason::SocketFailed => actor.has_vanished,
            CloseReason::Unreachable => actor.has_vanished || is_shut,
            CloseReason::TokenExpired => actor.is_brief,
            CloseReason::Full
            | CloseReason::Gap
            | CloseReason::NoPoll
            | CloseReason::LinkLost
            | CloseReason::LinkReplaced
            | CloseReason::NotResumed
            | CloseReason::Revoked => false,
            CloseReason::MadeRoom => !self.model.knows(number),
            CloseReason::Served
            | CloseReason::PeerClosed
            | CloseReason::RequestTimeout
            | CloseReason::IdleTimeout
            | CloseReason::HandshakeTimeout
            | CloseReason::ClientTimeout
            | CloseReason::RecordTimeout
            | CloseReason::Overrun
            | CloseReason::OwnAnswers
            | CloseReason::BacklogFull
            | CloseReason::MemoryFull
            | CloseReason::TooMuchWork
            | CloseReason::WriteStuck
            | CloseReason::Drain
            | CloseReason::Unanswered => true,
        };
        assert!(is_right, "{reason:?} ends {actor:?}");
    }

    /// What must hold between any two turns.
    pub(super) fn check(&mut self, shard: usize) {
        let limits = &self.world.shared.limits;
        let it = self.world.shard(shard);
        let net = self.world.net();
        assert_eq!(it.hub().registry.subscription_count(), self.model.subscriptions(shard), "subscriptions");
        // An own answer is taken at any backlog below the hard bound, and so is the Close.
        let answer_bytes = 2 * limits.record_bytes_max.max(2_000) + limits.event_bytes_max;
        let blocks_max = blocks_bytes_max(limits);
        let mut open = 0;
        for (number, pipe) in net.pipes() {
            let Some((_, key)) = pipe.place.filter(|(of, _)| *of == shard && !pipe.is_moving) else { continue };
            let look = it.look(key);
            if pipe.ending.is_some() {
                assert_eq!(look, None, "actor {number} is gone, and is not");
                continue;
            }
            open += 1;
            let look = look.expect("a link while its socket is open");
            let backlog = look.backlog_bytes;
            if backlog > 0 {
                let is_known = it.has_work() || look.blocked_since.is_some();
                assert!(is_known, "{backlog} bytes wait for nothing");
            }
            if look.is_open && limits.overrun_ms == 0 {
                // What a Subscribe gets of the past waits for the socket, and ends nobody.
                let live = look.connection.map_or(backlog, |conn| it.hub().live_bytes(conn));
                assert!(
                    live <= limits.outbox_hard_bytes + answer_bytes,
                    "{live} of {backlog} bytes have come together"
                );
            }
            let blocks = look.connection.map_or(0, |conn| it.hub().backlog_bytes(conn) - it.hub().live_bytes(conn));
            assert!(blocks <= blocks_max, "{blocks} bytes of the past wait for actor {number}");
            let due = look.deadline.rounded_up_to_ms(GRAIN_MS);
            let armed = it.next_deadline();
            // What waits for a full socket may have become too much in this turn, long after it was
            // filled: the next turn, which then follows at once, sees to it.
            let is_next = look.blocked_since.is_some() && armed.is_due(net.now);
            let is_kept = !due.is_due(net.now) || due == Deadline::at(net.now.mono) || is_next;
            assert!(is_kept, "{due:?}, and nobody kept it");
            assert!(armed <= due, "{armed:?} is later than {due:?}");
            self.reached.pauses += u64::from(pipe.is_readable() && !look.wants_input);
        }
        assert_eq!(it.link_count(), open, "connections");
        let pinned_bytes = it.hub().pinned_bytes();
        assert!(it.has_work() || pinned_bytes <= limits.pinned_bytes_max, "{pinned_bytes} bytes pinned");
    }

    /// When all threads sleep, whoever has been read and has taken all there was for it has been
    /// answered.
    pub(super) fn check_answered(&self) {
        let is_writing = !self.world.net().to_write.is_empty();
        if is_writing || (0..self.world.shards).any(|shard| !self.world.is_quiet(shard)) {
            return;
        }
        for actor in self.actors.iter().filter(|actor| !actor.has_lied && !actor.has_vanished) {
            let Some(look) = self.world.look(actor.number) else { continue };
            let is_through = actor.fed == actor.sent && self.world.pipe(actor.number).is_through();
            if self.is_over(actor.number) || !is_through || look.backlog_bytes > 0 || look.rests {
                continue;
            }
            let is_answered = match actor.role {
                Role::Client(..) => !self.model.waits(actor.number),
                Role::Publisher(_) | Role::Stranger => actor.replies.is_empty(),
            };
            // A Subscribe whose position is ahead of its home has time.
            let is_ahead = || (0..self.world.shards).any(|shard| self.world.numbers(shard).ahead > 0);
            assert!(is_answered || is_ahead(), "all sleep, and nobody answers {actor:?}");
        }
    }

    /// What an actor that was not cut off must have heard at its end.
    pub(super) fn check_heard(&mut self, number: usize) {
        self.hear(number, WIDE);
        let actor = &self.actors[number];
        let pipe = self.world.pipe(number);
        // Who was turned away got as much as there was room for.
        let is_whole = pipe.place.is_some() && pipe.ending == Some(Cut::Graceful);
        assert!(!is_whole || !actor.ear.is_partial(), "ended within a word: {actor:?}");
        let is_given_up = matches!(actor.closed, Some(CloseReason::Overrun | CloseReason::OwnAnswers));
        let heard_all = is_given_up || self.model.heard_all(number);
        assert!(!is_whole || heard_all, "something due was lost: {actor:?}");
    }
}
