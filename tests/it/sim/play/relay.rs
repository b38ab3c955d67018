//! Two connections of one back end: what it sends on one of them the moment the answer on the other is complete, while both shards
//! are in the middle of a turn.

use super::Play;
use crate::sim::actor::{Actor, Role, Stage};
use crate::sim::cast::ORGANIZATIONS;
use crate::sim::net::Faults;

impl Play<'_> {
    pub(super) fn relay(&mut self) {
        let idle: Vec<usize> = (0..self.actors.len()).filter(|number| self.is_idle(*number)).collect();
        let (first, second) = (self.rng.pick_from(&idle), self.rng.pick_from(&idle));
        let (Some(first), Some(second)) = (first, second) else { return };
        let (Role::Publisher(one), Role::Publisher(other)) = (self.actors[first].role, self.actors[second].role) else {
            return;
        };
        let (Some((from, _)), Some((to, _))) = (self.world.place(first), self.world.place(second)) else {
            return;
        };
        if one != other || from == to {
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
        self.world.net().spurious_edge(second);
        let faults = self.world.net().faults;
        self.world.set_faults(Faults { preempt: 1, ..faults });
        let (outer, inner) = if self.rng.one_in(2) { (from, to) } else { (to, from) };
        self.turn(outer);
        self.turn(inner);
        self.world.set_faults(faults);
        let held = self.world.net().take_held();
        if let Some(bytes) = held {
            // It doesn't wait any longer.
            self.model.journals.send_behind(ORGANIZATIONS[one], &effects, &[]);
            self.send(second, &bytes);
        }
    }

    /// Whether it is a publisher who has heard all that it was answered.
    fn is_idle(&self, number: usize) -> bool {
        let Actor { role, manner, stage, replies, ear, .. } = &self.actors[number];
        let pipe = self.world.pipe(number);
        matches!(role, Role::Publisher(_))
            && (*stage, manner.vanishes_at) == (Stage::Dialling, None)
            && replies.is_empty()
            && !ear.is_partial()
            && (pipe.ending, pipe.is_shut, pipe.unread(), pipe.from_hub.len()) == (None, false, 0, 0)
    }
}
