//! The hub is killed, and another one takes its place: of what it has in memory, or of what was
//! written.

use super::Play;
use crate::sim::actor::Stage;
use rte::metrics::Metrics;

impl Play<'_> {
    /// Each peer has heard so much of what was on its way, and is free to come back.
    pub(super) fn restart(&mut self) {
        for number in self.first_actor..self.actors.len() {
            let unread = self.world.pipe(number).from_hub.len();
            let most = self.rng.below(unread + 1);
            self.hear(number, most);
        }
        self.check_life();
        let shards = 1 + self.rng.below(4);
        // It takes a while.
        self.world.advance(1 + self.rng.below(2_000) as u64);
        let restored = self.world.restart(shards);
        self.reached.restarts += 1;
        self.reached.restores += u64::from(restored.floor.is_some());
        match self.model.restart(restored) {
            Ok(fresh) => self.reached.unheard += fresh.len() as u64,
            Err(error) => panic!("a restart: {error}"),
        }
        for actor in &mut self.actors[self.first_actor..] {
            (actor.has_vanished, actor.stage) = (true, Stage::Silent);
            self.tabs.extend(actor.tab.take());
        }
        self.first_actor = self.actors.len();
        (self.opened, self.turned_away) = (0, 0);
    }

    /// What a hub has counted until it was killed.
    fn check_life(&mut self) {
        let mut sum = Metrics::default();
        (0..self.world.shards).for_each(|shard| sum.add(&self.world.numbers(shard)));
        let delivered: u64 = sum.events.iter().map(|event| event.delivered).sum();
        assert_eq!(delivered, self.model.delivered);
        assert_eq!(sum.accepted, self.opened + self.turned_away);
        self.check_recoveries(&sum);
        self.reached.add(&sum);
    }
}
