//! Two connections of one back end: what it sends on one of them the moment the answer on the other
//! is complete, while both shards are in the middle of a turn.

use super::Play;
use crate::sim::actor::{Actor, Role, Stage};
use crate::sim::cast::ORGANIZATIONS;
use crate::sim::net::Faults;

impl Play<'_> {
    pub(super) fn relay(&mut self) {
        let may: Vec<usize> = (0..self.actors.len()).filter(|number| self.may_relay(*number)).collect();
        let (first, second) = (self.rng.pick_from(&may), self.rng.pick_from(&may));
        let (Some(first), Some(second)) = (first, second) else { return };
        let (Role::Publisher(one), Role::Publisher(other)) = (self.actors[first].role, self.actors[second].role) else {
            return;
        };
        let (Some((from, _)), Some((to, _))) = (self.world.place(first), self.world.place(second)) else { return };
        if one != other || from == to || !self.become_idle([(first, from), (second, to)]) {
            return;
        }
        let (bytes, causes) = self.say(first);
        self.send(first, &bytes);
        if causes.is_empty() || self.actors[first].has_lied {
            return;
        }
        let (bytes, effects) = self.say(second);
        self.model.journals.send_behind(ORGANIZATIONS[one], &effects, &causes);
        self.world.net().hold(first, second, bytes);
        self.world.net().arrive(first, usize::MAX);
        let faults = self.world.net().faults;
        self.world.set_faults(Faults { preempt: 1, ..faults });
        let outer = if self.rng.one_in(2) { from } else { to };
        for _ in 0..4 {
            self.world.net().spurious_edge(second);
            self.turn(outer);
        }
        self.world.set_faults(faults);
        let held = self.world.net().take_held();
        if let Some(bytes) = held {
            // It doesn't wait any longer.
            self.model.journals.send_behind(ORGANIZATIONS[one], &effects, &[]);
            self.send(second, &bytes);
        }
    }

    /// Whether it is a publisher who goes on.
    fn may_relay(&self, number: usize) -> bool {
        let Actor { role, manner, stage, .. } = &self.actors[number];
        let pipe = self.world.pipe(number);
        // And whose items are taken: a refusal is no answer.
        let is_open = pipe.ending.is_none() && !pipe.is_shut && self.world.shared.limits.memory_bytes_max == 0;
        matches!(role, Role::Publisher(_)) && (*stage, manner.vanishes_at) == (Stage::Dialling, None) && is_open
    }

    /// The hub reads and answers all that these publishers have sent, and they hear it; if that
    /// doesn't take too long.
    fn become_idle(&mut self, publishers: [(usize, usize); 2]) -> bool {
        for _ in 0..20 {
            for (number, shard) in publishers {
                self.world.net().arrive(number, usize::MAX);
                self.world.net().make_room(number);
                self.turn(shard);
                self.hear(number, usize::MAX);
            }
            if publishers.iter().all(|(number, _)| self.is_idle(*number)) {
                return true;
            }
        }
        false
    }

    fn is_idle(&self, number: usize) -> bool {
        let Actor { replies, ear, .. } = &self.actors[number];
        let pipe = self.world.pipe(number);
        pipe.ending.is_none() && !pipe.is_shut && replies.is_empty() && !ear.is_partial() && pipe.is_through()
    }
}
