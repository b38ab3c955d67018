//! How a seed ends: no more faults, everything under way arrives; then a drain, behind which
//! everything is empty.

use super::{Play, WIDE};
use crate::sim::actor::{Role, Stage};
use crate::sim::cast::TOKENS;
use crate::sim::client;
use crate::sim::net::Faults;
use rte::close::CloseReason;
use rte::metrics::{Metrics, Recovery};
use rte::timer::GRAIN_MS;
use rte::wire::Cut;

impl Play<'_> {
    /// Faults off: everything that is under way arrives.
    pub(super) fn calm(&mut self) {
        self.world.set_faults(Faults::default());
        for actor in &mut self.actors {
            if actor.stage != Stage::Negotiating && actor.stage != Stage::Upgrading {
                actor.stage = Stage::Silent;
            }
            self.world.pipe(actor.number).capacity = WIDE;
        }
        self.settle();
        // Those that an accept has failed on.
        self.world.advance(self.world.shared.limits.accept_retry_ms);
        self.settle();
        assert_eq!(self.world.net().waiting(), 0, "nobody accepts");
        // Those that rest.
        while (0..self.actors.len()).any(|number| self.world.look(number).is_some_and(|look| look.rests)) {
            self.world.advance(1_000);
            self.settle();
        }
        // Those that are ahead of their home, one time after the other.
        while (0..self.world.shards).any(|shard| self.world.numbers(shard).ahead > 0) {
            self.world.advance(self.world.shared.limits.since_wait_ms + GRAIN_MS);
            self.settle();
        }
        for actor in &self.actors {
            if actor.closed.is_none() && !self.world.is_ending(actor.number) {
                let is_settled =
                    actor.has_vanished || actor.has_lied || actor.replies.is_empty() && actor.pending.is_empty();
                assert!(is_settled, "never answered: {actor:?}");
            }
        }
        assert_eq!(self.model.check_settled(self.world.shards), Ok(()));
    }

    /// Everything that can happen without time happens, and the actors hear it.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut is_busy = false;
            self.world.net().arrive_all();
            self.world.write_all();
            for shard in 0..self.world.shards {
                if !self.world.is_quiet(shard) {
                    is_busy = true;
                    self.turn(shard);
                }
            }
            for number in 0..self.actors.len() {
                is_busy |= !self.world.pipe(number).from_hub.is_empty();
                self.hear(number, WIDE);
            }
            if !is_busy && self.actors.iter().all(|actor| self.world.pipe(actor.number).in_flight() == 0) {
                self.world.check_nothing_is_forgotten();
                let open: usize = (0..self.world.shards).map(|shard| self.world.shard(shard).link_count()).sum();
                assert_eq!(self.world.load(), open, "connections in all");
                return;
            }
        }
        panic!("it never becomes quiet");
    }

    /// A client whose request is half read when the drain begins.
    fn come_late(&mut self) {
        self.arrive();
        let Some(late) = self.actors.last_mut() else { return };
        (late.role, late.stage, late.manner.vanishes_at) = (Role::Stranger, Stage::Silent, None);
        let number = late.number;
        self.world.pipe(number).capacity = WIDE;
        let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
        let bytes = client::upgrade("", &authorization).into_bytes();
        self.world.net().send(number, &bytes[..20]);
        self.settle();
        // And some of whom the drain may be begun before they are taken, or after.
        (0..3).for_each(|_| self.arrive());
        self.world.drain_soon();
        self.world.set_faults(Faults { preempt: 2, ..Faults::default() });
        let (first, shards) = (self.rng.below(self.world.shards), self.world.shards);
        (first..first + shards).for_each(|shard| self.turn(shard % shards));
        self.world.set_faults(Faults::default());
        self.world.drain_now();
        self.settle();
        self.actors[number].expect_reply(503, None);
        self.world.net().send(number, &bytes[20..]);
    }

    /// The drain: everything empties, and the sums are right.
    pub(super) fn end(&mut self) {
        let limits = self.world.shared.limits.clone();
        self.come_late();
        let soon = limits.drain_spread_ms + limits.close_ms + 2 * GRAIN_MS;
        for _ in 0..=soon / GRAIN_MS {
            self.settle();
            self.world.advance(GRAIN_MS);
        }
        self.settle();
        for actor in &self.actors {
            let is_left = self.world.look(actor.number).is_some_and(|look| look.is_open);
            assert!(!is_left, "a client is left after a drain: {actor:?}");
        }
        // Half a request has its time even now, and so has the end of a connection that gets it.
        self.world.advance(limits.body_ms);
        self.settle();
        self.world.advance(limits.close_ms + GRAIN_MS);
        self.settle();
        for number in self.first_actor..self.actors.len() {
            self.check_heard(number);
            let (actor, place) = (&self.actors[number], self.world.place(number));
            assert_eq!(actor.closed.is_some(), place.is_some(), "ended without a fact: {actor:?}");
        }
        self.check_sums();
    }

    /// What the peers have heard has been counted. Items recovered, and not.
    pub(super) fn check_recoveries(&self, sum: &Metrics) -> (u64, u64) {
        assert!(self.model.conflated <= sum.conflated, "{} conflated", sum.conflated);
        let recovered = sum.recoveries[Recovery::Recovered.index()];
        let unrecovered = sum.recoveries.iter().sum::<u64>() - recovered;
        assert!(self.model.recovered <= recovered && self.model.unrecovered <= unrecovered, "not counted");
        (recovered, unrecovered)
    }

    fn check_sums(&mut self) {
        let mut sum = Metrics::default();
        for shard in 0..self.world.shards {
            assert_eq!(self.world.shard(shard).link_count(), 0, "shard {shard} is not empty");
            assert_eq!(self.world.shard(shard).hub().backlog_bytes_total(), 0);
            assert_eq!(self.world.shard(shard).hub().pinned_bytes(), 0);
            sum.add(&self.world.numbers(shard));
        }
        assert!(self.world.shared.is_empty(), "a place is taken for ever");
        assert_eq!(sum.input_bytes + sum.intake_bytes + sum.mail_bytes + sum.subscription_bytes, 0);
        let past: usize = (0..self.world.shards).map(|shard| self.world.shard(shard).past_bytes()).sum();
        assert_eq!(self.world.shared.backlog.memory_bytes(), past, "memory that nobody has is counted");
        let net = self.world.net();
        let of_it = || net.pipes().skip(self.first_actor).map(|(_, pipe)| pipe);
        let fed: usize = of_it().map(|pipe| pipe.fed).sum();
        // What a turned away connection was told is nobody's count.
        let taken: usize = of_it().filter(|pipe| pipe.place.is_some()).map(|pipe| pipe.taken).sum();
        drop(net);
        assert_eq!(
            (sum.open, sum.hub_open, sum.subscriptions, sum.topics, sum.backlog_bytes, sum.blocked),
            (0, 0, 0, 0, 0, 0)
        );
        assert_eq!(sum.accepted, self.opened + self.turned_away);
        assert_eq!(sum.closed.iter().sum::<u64>(), self.opened + self.turned_away);
        assert_eq!((sum.bytes_in, sum.bytes_out), (fed as u64, taken as u64));
        let delivered: u64 = sum.events.iter().map(|event| event.delivered).sum();
        assert_eq!(delivered, self.model.delivered);
        let (recovered, unrecovered) = self.check_recoveries(&sum);
        let is_lossless = self.actors[self.first_actor..].iter().all(|actor| {
            !matches!(
                actor.closed,
                Some(
                    CloseReason::Overrun
                        | CloseReason::OwnAnswers
                        | CloseReason::WriteStuck
                        | CloseReason::SocketFailed
                        | CloseReason::PeerGone
                )
            ) && self.world.pipe(actor.number).ending != Some(Cut::Reset)
        });
        if is_lossless {
            assert_eq!(self.model.conflated, sum.conflated);
            if self.model.unheard == 0 {
                assert_eq!(self.model.snapshots, sum.snapshots);
                assert_eq!((self.model.recovered, self.model.unrecovered), (recovered, unrecovered));
            }
            assert_eq!((sum.dropped, sum.discarded_bytes), (0, 0));
        }
        self.note(format!("{sum:?}").as_bytes());
        self.reached.add(&sum);
        self.reached.matched += delivered;
        self.reached.refusals.extend(&self.model.refusals);
    }
}
