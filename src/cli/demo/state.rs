//! The values of state events, and which were told last.

use super::cast::{PEOPLE, QUEUES};
use crate::cli::random::Random;
use crate::schema::events::user_availability::Availability as State;
use uuid::{Uuid, uuid};

/// A value of UserAvailability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Availability {
    pub(super) state: State,
    pub(super) note: Option<&'static str>,
    pub(super) profile: Uuid,
    pub(super) since_ms: u64,
    pub(super) until_ms: Option<u64>,
}

impl Availability {
    /// Available, until something else is said.
    pub(super) fn open_end(since_ms: u64) -> Availability {
        let profile = uuid!("6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c70");
        Availability { state: State::AVAILABLE, note: None, profile, since_ms, until_ms: None }
    }

    /// Something else, for `ms`.
    pub(super) fn turned(random: &mut Random, since_ms: u64, ms: u64) -> Availability {
        let (state, note, profile) = match random.between(0, 2) {
            0 => (State::BUSY, Some("In a meeting"), uuid!("6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c71")),
            1 => (State::DO_NOT_DISTURB, None, uuid!("6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c72")),
            _ => (State::OFF_WORK, Some("Lunch"), uuid!("6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c73")),
        };
        Availability { state, note, profile, since_ms, until_ms: Some(since_ms + ms) }
    }

    pub(super) fn is_available(&self) -> bool {
        self.state == State::AVAILABLE
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.state != State::OFF_WORK
    }
}

/// What UserStatus counts and says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) active_queues: i32,
    pub(super) is_available: bool,
    pub(super) can_be_allocated_to: bool,
    pub(super) is_at_work: bool,
    pub(super) serves_callbacks: bool,
    pub(super) is_talking: bool,
    pub(super) wrap_up_until_ms: Option<u64>,
}

/// What QueueStatus counts. Agents who are checked in are free, shortly away (in a call), away for
/// long, or in wrap-up; calls are queuing, allocated, or connected: the sums hold at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct QueueCounters {
    pub(super) free: i32,
    pub(super) short_away: i32,
    pub(super) long_away: i32,
    pub(super) wrap_up: i32,
    pub(super) queuing: i32,
    pub(super) allocated: i32,
    pub(super) connected: i32,
}

/// What CallbackListStatus counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListCounters {
    pub(super) open: i32,
    pub(super) assigned: i32,
    pub(super) hidden: i32,
    pub(super) revealed_next_hour: i32,
    pub(super) overdue: i32,
    pub(super) overdue_next_hour: i32,
    pub(super) expiring: i32,
    pub(super) agents: i32,
    pub(super) serving: i32,
    pub(super) allocable: i32,
}

/// How many there are, as events count.
pub(super) fn counted<T>(of: impl Iterator<Item = T>) -> i32 {
    i32::try_from(of.count()).unwrap_or(i32::MAX)
}

/// What was last told, per topic.
#[derive(Default)]
pub(super) struct LastStates {
    pub(super) availability: [Option<Availability>; PEOPLE.len()],
    pub(super) status: [Option<Status>; PEOPLE.len()],
    pub(super) attached: [Option<Vec<bool>>; QUEUES.len()],
    pub(super) counters: [Option<QueueCounters>; QUEUES.len()],
    pub(super) list: Option<ListCounters>,
}
