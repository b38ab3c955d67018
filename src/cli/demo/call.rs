//! A call, and how far it is.

use super::events::CallFacts;
use uuid::Uuid;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// This queue: whoever of it is free is rung, until somebody answers.
    Queue(usize),
    /// This person's work number.
    Person(usize),
    /// The contact of this callback; the person who calls is the one who is "rung".
    Contact(u64),
}

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody is rung.
    Waiting,
    /// This person is rung, on this leg.
    Ringing { person: usize, leg: String },
    /// This person talks.
    Talking { person: usize, leg: String },
    /// This person talks, and has somebody else rung to give the call on.
    Consulting { person: usize, leg: String, to: Party },
}

/// Whom a call is given on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// This person, on a leg of its own.
    Colleague { person: usize, leg: String },
    /// Somebody outside at this number, of whom nothing is told.
    Outside(String),
}

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: Uuid,
    /// The caller's leg.
    pub(super) leg: String,
    pub(super) caller_number: String,
    pub(super) target_number: String,
    /// The caller, where it is one of ours.
    pub(super) caller: Option<usize>,
    pub(super) target: Target,
    pub(super) stage: Stage,
    /// How often somebody was rung: a late answer to an earlier ring is none.
    pub(super) rings: u32,
    pub(super) arrived_ms: u64,
    /// Whom the scenario wants to be rung, in order: the last one answers, those before decline.
    /// Empty for ordinary calls.
    pub(super) script: Vec<usize>,
}

impl Call {
    pub(super) fn facts_on(&self, leg: &str) -> CallFacts {
        CallFacts {
            call_id: self.id,
            leg_id: leg.to_owned(),
            caller_number: self.caller_number.clone(),
            target_number: self.target_number.clone(),
        }
    }

    pub(super) fn facts(&self) -> CallFacts {
        self.facts_on(&self.leg)
    }

    /// Returns whether somebody who is in it talks, and is not only rung.
    pub(super) fn lets_talk(&self, who: usize) -> bool {
        match self.stage {
            Stage::Waiting | Stage::Ringing { .. } => false,
            Stage::Talking { .. } => true,
            Stage::Consulting { person, .. } => person == who,
        }
    }

    /// Returns whether it waits for somebody of this queue, rung or not.
    pub(super) fn is_unserved_in(&self, queue: usize) -> bool {
        self.target == Target::Queue(queue) && !matches!(self.stage, Stage::Talking { .. })
    }
}
