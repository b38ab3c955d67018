//! Calls to a person that are given on: to a colleague, blind or with a word to them first, or to
//! somebody outside where no colleague is free.
//!
//! ```text
//!            blind ┌──▶ Ringing at the colleague ──answered─▶ Talking to them
//!   Talking ──────┤
//!                  └──▶ Consulting ──agreed─▶ Talking to the colleague, or (gone) outside
//!         attended      └──declined─▶ Talking as before
//! ```
//!
//! The colleague is rung on a leg of its own under the same CallId. Whoever has given the call on
//! is told that the leg has ended, and the call for them.

use super::call::{Party, Stage, Target};
use super::cast::{DESK, PEOPLE};
use super::centre::{Centre, Happening};
use super::events::{CallFacts, Item, ended};
use serde_json::json;
use uuid::Uuid;

impl Centre {
    /// Whoever talks gives the call on.
    pub(super) fn on_transfers(&mut self, key: u64) {
        let Some(Stage::Talking { person, leg }) = self.calls.get(&key).map(|call| call.stage.clone()) else { return };
        match self.pick_colleague() {
            Some(to) if self.random.chance(40) => self.give_blind(key, person, &leg, to),
            Some(to) => {
                let to = Party::Colleague { person: to, leg: self.leg() };
                self.consult(key, person, leg, to);
            }
            None => {
                let to = Party::Outside(self.outside_number());
                self.consult(key, person, leg, to);
            }
        }
    }

    fn give_blind(&mut self, key: u64, person: usize, leg: &str, to: usize) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.target = Target::Person(to);
        let (facts, on_leg) = (call.facts(), call.facts_on(leg));
        let given = json!({ "reason": "BlindTransfer", "target": PEOPLE[to].id });
        self.publish(facts.of_username("UserCallInUserOverflow", &PEOPLE[person]).with(given));
        self.let_go(person, &on_leg, "blind_transfer");
        self.ring(key, to);
    }

    fn consult(&mut self, key: u64, person: usize, leg: String, to: Party) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let facts = call.facts();
        let on_leg = call.facts_on(&leg);
        call.stage = Stage::Consulting { person, leg, to: to.clone() };
        let target = json!({ "transferSource": PEOPLE[person].id, "transferTarget": target_of(&to) });
        self.publish(transfer("UserCallInTransferStarted", &on_leg, person).with(target));
        if let Party::Colleague { person: to, leg: to_leg } = to {
            self.engage(to, key);
            let item = CallFacts { leg_id: to_leg, ..facts }.of_user("UserCallInUserAllocated", &PEOPLE[to]);
            self.publish(item.with(json!({ "detailedReason": "Transfer", "userNumber": PEOPLE[to].number })));
        }
        let agrees = self.random.chance(70);
        self.between(3_000, 6_000, Happening::Consulted { call: key, agrees });
    }

    pub(super) fn on_consulted(&mut self, key: u64, agrees: bool) {
        let Some(Stage::Consulting { person, leg, to }) = self.calls.get(&key).map(|call| call.stage.clone()) else {
            return;
        };
        if agrees {
            self.give_on(key, person, &leg, to);
        } else {
            self.keep_on(key, person, leg, to);
        }
    }

    /// Whoever was asked takes the call.
    fn give_on(&mut self, key: u64, person: usize, leg: &str, to: Party) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let on_leg = call.facts_on(leg);
        let target = json!({ "transferSource": PEOPLE[person].id, "connectedTarget": target_of(&to) });
        match to {
            Party::Colleague { person: to, leg: to_leg } => {
                let item = call.facts_on(&to_leg).of_user("UserCallInUserConnected", &PEOPLE[to]);
                call.target = Target::Person(to);
                call.stage = Stage::Talking { person: to, leg: to_leg };
                self.publish(item.with(json!({ "userNumber": PEOPLE[to].number })));
                self.talk_on(key);
            }
            Party::Outside(_) => drop(self.calls.remove(&key)),
        }
        self.publish(transfer("UserCallInTransferConnected", &on_leg, person).with(target));
        self.let_go(person, &on_leg, "attended_transfer");
    }

    /// Whoever was asked does not.
    fn keep_on(&mut self, key: u64, person: usize, leg: String, to: Party) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let on_leg = call.facts_on(&leg);
        call.stage = Stage::Talking { person, leg };
        let why = match to {
            Party::Colleague { person: to, leg: to_leg } => {
                self.tell_cancelled(key, to, &to_leg, true, "Declined by the user");
                self.set_free(to);
                "Declined by the colleague"
            }
            Party::Outside(_) => "Not answered",
        };
        let reason = json!({ "reason": "remote", "detailedReason": why });
        self.publish(transfer("UserCallInTransferCancelled", &on_leg, person).with(reason));
        self.talk_on(key);
    }

    /// The call goes on without them.
    fn let_go(&mut self, person: usize, on_leg: &CallFacts, technical: &str) {
        let item = on_leg.of_username("UserCallInDisconnected", &PEOPLE[person]);
        self.publish(item.with(ended(true, technical)));
        self.set_free(person);
    }

    /// Whom the demo shows, so that there is something to see, or else anybody who is free.
    fn pick_colleague(&mut self) -> Option<usize> {
        let idle: Vec<usize> = (0..PEOPLE.len()).filter(|&person| self.takes_direct_call(person)).collect();
        if idle.contains(&DESK) { Some(DESK) } else { self.random.pick(&idle).copied() }
    }
}

/// A GUID or a number, as the events say.
fn target_of(to: &Party) -> String {
    match to {
        Party::Colleague { person, .. } => PEOPLE[*person].id.to_string(),
        Party::Outside(number) => number.clone(),
    }
}

/// An event of a transfer: of a call to a person, which has no technical queue.
fn transfer(event_name: &'static str, on_leg: &CallFacts, person: usize) -> Item {
    on_leg.of_username(event_name, &PEOPLE[person]).with(json!({
        "techQueueId": Uuid::nil(),
        "techQueueName": "",
        "techSource": "User",
        "transferApplet": "AttendedTransfer",
    }))
}
