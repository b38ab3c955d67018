//! Calls: to a queue, to a person, and out to somebody who wants to be called back.
//!
//! ```text
//!               ┌──────declined──────┐
//!               ▼                    │
//!   ──arrives─▶ Waiting ──allocated─▶ Ringing ──answered─▶ Talking ──hung up─▶ (gone)
//!               └──given up──▶ (gone) ◀──given up──┘
//! ```
//!
//! A call to a person may be given on to a colleague, or to somebody outside: `transfers.rs`.
//!
//! A call to a queue is told on the queue's topic, and the part of each user in it on the user's:
//! user A's call out, and the allocations to users B and C, all under one CallId (call identifiers
//! document, example scenario).

use super::call::{Call, Stage, Target};
use super::cast::{A, B, C, DESK, PEOPLE, QUEUES, SUPPORT};
use super::centre::{Centre, Engagement, Happening};
use super::events::ended;
use crate::schema::events::user_assisted_callback_request::CallEvent;
use serde_json::json;
use uuid::Uuid;

/// The pause between two runs of the scenario.
const SCENARIO_PAUSE_MS: u64 = 30_000;

impl Centre {
    pub(super) fn on_scenario(&mut self) {
        // User A is ours alone and free between two scenarios; B and C may have to finish a call
        // first.
        let queue = &QUEUES[SUPPORT];
        let key = self.add_call(Target::Queue(SUPPORT), Some(A), PEOPLE[A].number.to_owned(), queue.number.to_owned());
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.script = vec![B, C];
        let facts = call.facts();
        self.publish(facts.of_user("UserCallOutGoing", &PEOPLE[A]));
        self.publish(facts.of_numbered_queue("QueueCallInComing", queue));
        self.publish(facts.of_numbered_queue("QueueCallInArrived", queue));
    }

    pub(super) fn start_queue_call(&mut self, queue: usize) {
        let number = self.outside_number();
        let key = self.add_call(Target::Queue(queue), None, number, QUEUES[queue].number.to_owned());
        let Some(call) = self.calls.get(&key) else { return };
        let facts = call.facts();
        self.publish(facts.of_numbered_queue("QueueCallInComing", &QUEUES[queue]));
        self.publish(facts.of_numbered_queue("QueueCallInArrived", &QUEUES[queue]));
        self.between(8_000, 35_000, Happening::GivesUp { call: key });
    }

    pub(super) fn start_direct_call(&mut self) {
        let idle: Vec<usize> = (0..PEOPLE.len()).filter(|&person| self.takes_direct_call(person)).collect();
        if let Some(&person) = self.random.pick(&idle) {
            self.call_directly(person);
        }
    }

    /// Whoever looks at the desk that the demo shows is to see something.
    pub(super) fn call_desk(&mut self) {
        if self.desk_is_wanted && self.free_since(DESK).is_some() {
            self.desk_is_wanted = false;
            self.call_directly(DESK);
            self.between(35_000, 60_000, Happening::DeskCall);
        }
    }

    pub(super) fn takes_direct_call(&self, person: usize) -> bool {
        person != A && self.free_since(person).is_some() && !self.is_reserved(person)
    }

    fn call_directly(&mut self, person: usize) {
        let number = self.outside_number();
        let key = self.add_call(Target::Person(person), None, number, PEOPLE[person].number.to_owned());
        let Some(call) = self.calls.get(&key) else { return };
        let facts = call.facts();
        self.publish(facts.of_username("UserCallInComing", &PEOPLE[person]));
        self.publish(facts.of_user("UserCallInArrived", &PEOPLE[person]));
        self.ring(key, person);
    }

    /// A person calls back: there is one leg, and it rings at the other end.
    pub(super) fn start_callback_call(&mut self, callback: u64, person: usize, number: String) -> Option<Uuid> {
        let key = self.add_call(Target::Contact(callback), Some(person), PEOPLE[person].number.to_owned(), number);
        let call = self.calls.get_mut(&key)?;
        call.rings += 1;
        call.stage = Stage::Ringing { person, leg: call.leg.clone() };
        let (id, ring, facts) = (call.id, call.rings, call.facts());
        self.publish(facts.of_user("UserCallOutGoing", &PEOPLE[person]));
        if self.random.chance(60) {
            self.between(3_000, 6_000, Happening::Answers { call: key, ring });
        } else {
            self.between(6_000, 10_000, Happening::Declines { call: key, ring });
        }
        Some(id)
    }

    fn add_call(&mut self, target: Target, caller: Option<usize>, caller_number: String, target_number: String) -> u64 {
        let key = self.next_key();
        let call = Call {
            id: self.random.guid(),
            leg: self.leg(),
            caller_number,
            target_number,
            caller,
            target,
            stage: Stage::Waiting,
            rings: 0,
            arrived_ms: self.now_ms,
            script: Vec::new(),
        };
        self.calls.insert(key, call);
        if let Some(caller) = caller {
            self.engage(caller, key);
        }
        key
    }

    pub(super) fn engage(&mut self, person: usize, key: u64) {
        self.days[person].engagement = Engagement::OnCall(key);
    }

    /// Gives the waiting calls of the queues, oldest first, to whoever of the queue has been free
    /// for longest.
    pub(super) fn allocate(&mut self) {
        let waiting: Vec<(u64, usize)> = self
            .calls
            .iter()
            .filter_map(|(&key, call)| match (call.target, &call.stage) {
                (Target::Queue(queue), Stage::Waiting) => Some((key, queue)),
                _ => None,
            })
            .collect();
        for (key, queue) in waiting {
            let wanted = self.calls.get(&key).and_then(|call| call.script.first().copied());
            let free = QUEUES[queue].agents.iter().copied().filter(|&person| match wanted {
                Some(wanted) => person == wanted,
                None => self.days[person].is_active[queue] && !self.is_reserved(person),
            });
            let longest = free.filter_map(|person| Some((self.free_since(person)?, person))).min();
            if let Some((_, person)) = longest {
                self.ring(key, person);
            }
        }
    }

    pub(super) fn ring(&mut self, key: u64, person: usize) {
        let leg = self.leg();
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.rings += 1;
        call.stage = Stage::Ringing { person, leg: leg.clone() };
        let (ring, facts, target, script_left) = (call.rings, call.facts_on(&leg), call.target, call.script.len());
        self.engage(person, key);
        if let Target::Queue(queue) = target {
            let item = facts.of_numbered_queue("QueueCallInUserAllocated", &QUEUES[queue]);
            self.publish(item.with(json!({
                "detailedReason": null, "userId": PEOPLE[person].id, "userName": PEOPLE[person].name
            })));
        }
        let item = facts.of_user("UserCallInUserAllocated", &PEOPLE[person]);
        self.publish(item.with(json!({ "detailedReason": null, "userNumber": PEOPLE[person].number })));
        match script_left {
            0 if self.random.chance(80) => {
                self.between(2_000, 6_000, Happening::Answers { call: key, ring });
            }
            0 => {
                self.between(5_000, 10_000, Happening::Declines { call: key, ring });
            }
            1 => self.after(3_000, Happening::Answers { call: key, ring }),
            _ => self.after(4_000, Happening::Declines { call: key, ring }),
        }
    }

    pub(super) fn on_answers(&mut self, key: u64, ring: u32) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.rings == ring) else { return };
        let Stage::Ringing { person, leg } = call.stage.clone() else { return };
        let is_scripted = !call.script.is_empty();
        call.script.clear();
        call.stage = Stage::Talking { person, leg: leg.clone() };
        let (target, caller, on_leg, facts) = (call.target, call.caller, call.facts_on(&leg), call.facts());
        let connected = json!({ "userNumber": PEOPLE[person].number });
        match target {
            Target::Queue(queue) => {
                let user = json!({ "userId": PEOPLE[person].id, "userName": PEOPLE[person].name });
                let item = on_leg.of_numbered_queue("QueueCallInUserConnected", &QUEUES[queue]);
                self.publish(item.with(user).with(connected.clone()));
                self.publish(on_leg.of_user("UserCallInUserConnected", &PEOPLE[person]).with(connected));
            }
            Target::Person(_) => {
                self.publish(on_leg.of_user("UserCallInUserConnected", &PEOPLE[person]).with(connected));
            }
            Target::Contact(callback) => self.tell_assisted(callback, person, CallEvent::CONNECTED),
        }
        if let Some(caller) = caller {
            self.publish(facts.of_user("UserCallOutConnected", &PEOPLE[caller]));
        }
        if is_scripted {
            self.after(15_000, Happening::HangsUp { call: key, by_person: true });
        } else if ring == 1 && matches!(target, Target::Person(_)) && (person == DESK || self.random.chance(60)) {
            self.between(4_000, 8_000, Happening::Transfers { call: key });
        } else {
            self.talk_on(key);
        }
    }

    /// A conversation of ordinary length.
    pub(super) fn talk_on(&mut self, key: u64) {
        let by_person = self.random.chance(40);
        self.between(8_000, 30_000, Happening::HangsUp { call: key, by_person });
    }

    pub(super) fn on_declines(&mut self, key: u64, ring: u32) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.rings == ring) else { return };
        let Stage::Ringing { person, leg } = call.stage.clone() else { return };
        if !call.script.is_empty() {
            call.script.remove(0);
        }
        call.stage = Stage::Waiting;
        let (target, facts) = (call.target, call.facts());
        match target {
            Target::Queue(_) => self.tell_cancelled(key, person, &leg, true, "Declined by the user"),
            Target::Person(_) => {
                self.tell_cancelled(key, person, &leg, true, "Not answered");
                let voice_mail = json!({ "reason": "NoAnswer", "target": "voicemail" });
                self.publish(facts.of_username("UserCallInUserOverflow", &PEOPLE[person]).with(voice_mail));
                let item = facts.of_username("UserCallInDisconnected", &PEOPLE[person]);
                self.publish(item.with(ended(false, "no_answer")));
                self.calls.remove(&key);
            }
            Target::Contact(callback) => {
                let item = facts.of_user("UserCallOutDisconnected", &PEOPLE[person]);
                self.publish(item.with(ended(true, "no_answer")));
                self.calls.remove(&key);
                self.on_attempt(callback, person, false);
            }
        }
        self.set_free(person);
    }

    pub(super) fn on_gives_up(&mut self, key: u64) {
        let Some(call) = self.calls.get(&key) else { return };
        let Target::Queue(queue) = call.target else { return };
        let (stage, facts, call_id) = (call.stage.clone(), call.facts(), call.id);
        let by_overflow = match stage {
            Stage::Talking { .. } | Stage::Consulting { .. } => return,
            Stage::Ringing { person, leg } => {
                self.tell_cancelled(key, person, &leg, false, "The caller hung up");
                self.set_free(person);
                false
            }
            Stage::Waiting => self.has_room_for_callback() && self.random.chance(60),
        };
        self.calls.remove(&key);
        let gone = facts.of_queue("QueueCallInDisconnected", &QUEUES[queue]);
        if by_overflow {
            let item = facts.of_queue("QueueCallInOverflow", &QUEUES[queue]);
            self.publish(item.with(json!({
                "overflowApplet": "CallbackRequest",
                "techEvent": "QueueTimeout",
                "techNumber": null,
                "techQueueId": QUEUES[queue].id,
                "techQueueName": QUEUES[queue].name,
                "techSource": "ServiceQueue",
            })));
            self.publish(gone.with(ended(true, "callback_requested")));
            self.add_overflow_callback(queue, call_id, facts.caller_number);
        } else {
            self.publish(gone.with(ended(false, "caller_hung_up")));
        }
    }

    pub(super) fn on_hangs_up(&mut self, key: u64, by_person: bool) {
        let Some(call) = self.calls.remove(&key) else { return };
        let Stage::Talking { person, leg } = &call.stage else {
            // Only a conversation is scheduled to end so.
            self.calls.insert(key, call);
            return;
        };
        let (person, facts, on_leg) = (*person, call.facts(), call.facts_on(leg));
        let tech = "normal_clearing";
        match call.target {
            Target::Queue(queue) => {
                self.publish(facts.of_queue("QueueCallInDisconnected", &QUEUES[queue]).with(ended(by_person, tech)));
                self.publish(
                    on_leg.of_username("UserCallInDisconnected", &PEOPLE[person]).with(ended(by_person, tech)),
                );
                let ms = self.between(4_000, 9_000, Happening::WrapUpEnds(person));
                self.days[person].engagement = Engagement::WrapUp { until_ms: self.now_ms + ms };
            }
            Target::Person(_) => {
                self.publish(
                    on_leg.of_username("UserCallInDisconnected", &PEOPLE[person]).with(ended(by_person, tech)),
                );
                self.set_free(person);
            }
            Target::Contact(callback) => {
                self.publish(facts.of_user("UserCallOutDisconnected", &PEOPLE[person]).with(ended(by_person, tech)));
                self.tell_assisted(callback, person, CallEvent::TERMINATE);
                self.set_free(person);
                self.on_attempt(callback, person, true);
                return;
            }
        }
        if let Some(caller) = call.caller {
            self.publish(facts.of_user("UserCallOutDisconnected", &PEOPLE[caller]).with(ended(!by_person, tech)));
            self.set_free(caller);
            self.after(SCENARIO_PAUSE_MS, Happening::Scenario);
        }
    }

    /// An allocation came to nothing: on the queue's topic, if it was a queue's, and on the user's.
    pub(super) fn tell_cancelled(&mut self, key: u64, person: usize, leg: &str, by_person: bool, why: &str) {
        let Some(call) = self.calls.get(&key) else { return };
        let (facts, target) = (call.facts_on(leg), call.target);
        let reason = json!({ "reason": if by_person { "local" } else { "remote" }, "detailedReason": why });
        if let Target::Queue(queue) = target {
            let user = json!({ "userId": PEOPLE[person].id, "userName": PEOPLE[person].name });
            let item = facts.of_numbered_queue("QueueCallInUserCancelled", &QUEUES[queue]);
            self.publish(item.with(user).with(reason.clone()));
        }
        self.publish(facts.of_user("UserCallInUserCancelled", &PEOPLE[person]).with(reason));
    }

    pub(super) fn leg(&mut self) -> String {
        format!("{:016x}", self.random.bits())
    }

    pub(super) fn outside_number(&mut self) -> String {
        format!("+4416329607{:02}", self.random.between(0, 99))
    }
}
