//! The simulated call centre: pure and deterministic. The same seed and start give the same items
//! at the same times.
//!
//! Ask [`Centre::next_due`] when something happens next, and give that time, or a later one, to
//! [`Centre::step`]; publish what it returns, in order. Times are milliseconds since the centre
//! opened.
//!
//! State events (availability, user and queue status, attached users) are never written by what
//! happens: after each happening they are computed from the state, and told where they differ from
//! what was last told. So they cannot contradict it.

use super::call::Call;
use super::callback::Callback;
use super::cast::{self, DESK, PEOPLE, QUEUES};
use super::date;
use super::events::Item;
use super::state::{Availability, LastStates};
use crate::cli::random::Random;
use crate::schema::DateTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// The doors open: every state is told for the first time.
    Open,
    /// User A calls the queue Support, as in the reference's scenario.
    Scenario,
    /// Somebody outside calls this queue.
    QueueCall(usize),
    /// Somebody outside calls a user's work number.
    DirectCall,
    /// Somebody outside calls whom the demo shows.
    DeskCall,
    /// Whoever is rung answers.
    Answers { call: u64, ring: u32 },
    /// Whoever is rung declines, or lets it ring.
    Declines { call: u64, ring: u32 },
    /// The caller has waited long enough.
    GivesUp { call: u64 },
    /// Whoever talks gives the call on.
    Transfers { call: u64 },
    /// The colleague who was asked takes the call, or does not.
    Consulted { call: u64, agrees: bool },
    /// The conversation is over.
    HangsUp { call: u64, by_person: bool },
    /// This person has finished the work after a call.
    WrapUpEnds(usize),
    /// Somebody goes to lunch, into a meeting, home.
    AvailabilityTurns,
    /// This person is back.
    Returns(usize),
    /// Somebody checks in to a queue, or out.
    AttachmentTurns,
    /// Somebody asks on the web page to be called back.
    CallbackRequest,
    /// Whoever is free takes a callback.
    CallbackRound,
    /// The list status is evaluated, every 15 seconds (reference: CallbackListStatus).
    ListStatus,
}

/// What a person is at. One thing at a time: nobody can be in two calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engagement {
    /// Free since then.
    Free { since_ms: u64 },
    /// Calling, being rung, or talking.
    OnCall(u64),
    /// Writing up the last call.
    WrapUp { until_ms: u64 },
}

/// A person's day.
#[derive(Clone, Debug)]
pub(super) struct Day {
    pub(super) engagement: Engagement,
    pub(super) availability: Availability,
    /// Checked in, per queue.
    pub(super) is_active: [bool; QUEUES.len()],
}

/// What a centre dates its events by.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// When it opens.
    pub start_unix_ms: u64,
    /// How much faster than its dates the centre works: with the speed of a demo, nothing is dated
    /// ahead of the clock on the wall.
    pub speed: f64,
}

impl Calendar {
    /// Returns one by which the centre works as fast as life.
    pub fn own(start_unix_ms: u64) -> Calendar {
        Calendar { start_unix_ms, speed: 1.0 }
    }
}

/// The call centre.
pub struct Centre {
    pub(super) random: Random,
    calendar: Calendar,
    pub(super) now_ms: u64,
    agenda: BTreeMap<(u64, u64), Happening>,
    serial: u64,
    pub(super) days: Vec<Day>,
    /// By age: the key grows.
    pub(super) calls: BTreeMap<u64, Call>,
    /// The open ones, by age.
    pub(super) callbacks: BTreeMap<u64, Callback>,
    /// Somebody outside calls whom the demo shows as soon as that person is free.
    pub(super) desk_is_wanted: bool,
    pub(super) last: LastStates,
    pub(super) items: Vec<Item>,
}

impl Centre {
    /// Returns a centre with that calendar, which draws all chances from `seed`.
    pub fn new(seed: u64, calendar: Calendar) -> Centre {
        let day = |person: usize| Day {
            engagement: Engagement::Free { since_ms: 0 },
            availability: Availability::open_end(0),
            is_active: std::array::from_fn(|queue| {
                QUEUES.get(queue).is_some_and(|queue| queue.agents.contains(&person))
            }),
        };
        let mut centre = Centre {
            random: Random::new(seed),
            calendar,
            now_ms: 0,
            agenda: BTreeMap::new(),
            serial: 0,
            days: (0..PEOPLE.len()).map(day).collect(),
            calls: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            desk_is_wanted: false,
            last: LastStates::default(),
            items: Vec::new(),
        };
        centre.after(0, Happening::Open);
        centre.after(2_000, Happening::Scenario);
        centre.after(3_000, Happening::CallbackRequest);
        centre.after(5_000, Happening::CallbackRound);
        for queue in 0..QUEUES.len() {
            centre.between(5_000, 9_000, Happening::QueueCall(queue));
        }
        centre.between(8_000, 14_000, Happening::DirectCall);
        centre.between(12_000, 20_000, Happening::DeskCall);
        centre.between(10_000, 15_000, Happening::AvailabilityTurns);
        centre.between(20_000, 30_000, Happening::AttachmentTurns);
        centre.after(15_000, Happening::ListStatus);
        centre
    }

    /// Returns when something happens next. There is always something.
    pub fn next_due(&self) -> u64 {
        self.agenda.first_key_value().map_or(self.now_ms, |(&(due_ms, _), _)| due_ms)
    }

    /// Lets everything happen that is due at `now_ms`, and returns what there is to publish, in
    /// order.
    pub fn step(&mut self, now_ms: u64) -> Vec<Item> {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            self.now_ms = entry.key().0;
            let happening = entry.remove();
            self.happen(happening);
            self.call_desk();
            self.allocate();
            self.tell_states();
        }
        self.now_ms = self.now_ms.max(now_ms);
        std::mem::take(&mut self.items)
    }

    /// Whoever was told has forgotten it: with the next step every state is told anew.
    pub fn forget_told(&mut self) {
        self.last = LastStates::default();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Open => {}
            Happening::Scenario => self.on_scenario(),
            Happening::QueueCall(queue) => {
                self.start_queue_call(queue);
                self.between(10_000, 20_000, happening);
            }
            Happening::DirectCall => {
                self.start_direct_call();
                self.between(15_000, 30_000, happening);
            }
            Happening::DeskCall => self.desk_is_wanted = true,
            Happening::Answers { call, ring } => self.on_answers(call, ring),
            Happening::Declines { call, ring } => self.on_declines(call, ring),
            Happening::GivesUp { call } => self.on_gives_up(call),
            Happening::Transfers { call } => self.on_transfers(call),
            Happening::Consulted { call, agrees } => self.on_consulted(call, agrees),
            Happening::HangsUp { call, by_person } => self.on_hangs_up(call, by_person),
            Happening::WrapUpEnds(person) => self.set_free(person),
            Happening::AvailabilityTurns => {
                self.on_availability_turns();
                self.between(12_000, 25_000, happening);
            }
            Happening::Returns(person) => self.days[person].availability = Availability::open_end(self.now_ms),
            Happening::AttachmentTurns => {
                self.on_attachment_turns();
                self.between(25_000, 50_000, happening);
            }
            Happening::CallbackRequest => {
                self.on_callback_request();
                self.between(20_000, 40_000, happening);
            }
            Happening::CallbackRound => {
                self.on_callback_round();
                self.between(6_000, 12_000, happening);
            }
            Happening::ListStatus => {
                self.tell_list_status();
                self.after(15_000, happening);
            }
        }
    }

    /// Lets `happening` be due in `ms`.
    pub(super) fn after(&mut self, ms: u64, happening: Happening) {
        self.serial += 1;
        self.agenda.insert((self.now_ms.saturating_add(ms), self.serial), happening);
    }

    /// Lets `happening` be due in `low_ms` to `high_ms`, and says when.
    pub(super) fn between(&mut self, low_ms: u64, high_ms: u64, happening: Happening) -> u64 {
        let ms = self.random.between(low_ms, high_ms);
        self.after(ms, happening);
        ms
    }

    pub(super) fn next_key(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn publish(&mut self, item: Item) {
        self.items.push(item);
    }

    pub(super) fn set_free(&mut self, person: usize) {
        self.days[person].engagement = Engagement::Free { since_ms: self.now_ms };
    }

    /// Since when a person could take a call; `None` where it could not.
    pub(super) fn free_since(&self, person: usize) -> Option<u64> {
        match self.days[person].engagement {
            Engagement::Free { since_ms } if self.days[person].availability.is_available() => Some(since_ms),
            Engagement::Free { .. } | Engagement::OnCall(_) | Engagement::WrapUp { .. } => None,
        }
    }

    /// Returns whether a call is waiting for this person, so that nothing else may take it.
    pub(super) fn is_reserved(&self, person: usize) -> bool {
        (person == DESK && self.desk_is_wanted) || self.calls.values().any(|call| call.script.contains(&person))
    }

    fn on_availability_turns(&mut self) {
        let Some(person) = self.pick_idle() else { return };
        let ms = self.random.between(15_000, 45_000);
        self.days[person].availability = Availability::turned(&mut self.random, self.now_ms, ms);
        self.after(ms, Happening::Returns(person));
    }

    fn on_attachment_turns(&mut self) {
        // Nobody leaves a queue in the middle of its call.
        let Some(person) = self.pick_idle() else { return };
        if let Some(queue) = QUEUES.iter().position(|queue| queue.agents.contains(&person)) {
            let active = &mut self.days[person].is_active[queue];
            *active = !*active;
        }
    }

    /// Somebody whom the scenario does not need, and who has nothing to do.
    fn pick_idle(&mut self) -> Option<usize> {
        let idle: Vec<usize> = cast::TURNING.into_iter().filter(|&person| self.free_since(person).is_some()).collect();
        self.random.pick(&idle).copied()
    }

    /// A time of this centre as a date.
    pub(super) fn date(&self, at_ms: u64) -> DateTime {
        DateTime(date::rfc3339(self.calendar.start_unix_ms.saturating_add(self.lasted_ms(at_ms))))
    }

    /// How long a time of this centre is by its dates.
    pub(super) fn lasted_ms(&self, ms: u64) -> u64 {
        let lasted = Duration::from_millis(ms).div_f64(self.calendar.speed);
        u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)
    }
}
