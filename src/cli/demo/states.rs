//! State events: computed from the state of the centre, told where they changed.

use super::call::{Stage, Target};
use super::cast::{CALL_LIST, CALLBACK_TEAM, ORGANIZATION, PEOPLE, QUEUES};
use super::centre::{Centre, Engagement};
use super::events::Item;
use super::state::{Availability, QueueCounters, Status, counted};
use crate::schema::DateTime;
use crate::schema::events::queue_status::OpenStatus;
use crate::schema::events::{
    CallbackListStatus, QueueAttachedUser, QueueAttachedUsers, QueueStatus, UserAvailability, UserStatus,
};
use crate::schema::validate::date_time::NEVER;

impl Centre {
    /// Tells every state that differs from what was last told.
    pub(super) fn tell_states(&mut self) {
        for person in 0..PEOPLE.len() {
            let availability = self.days[person].availability.clone();
            if self.last.availability[person].as_ref() != Some(&availability) {
                self.tell_availability(person, &availability);
                self.last.availability[person] = Some(availability);
            }
            let status = self.status(person);
            if self.last.status[person].as_ref() != Some(&status) {
                self.tell_status(person, &status);
                self.last.status[person] = Some(status);
            }
        }
        for (queue, cast) in QUEUES.iter().enumerate() {
            let attached: Vec<bool> = cast.agents.iter().map(|&p| self.days[p].is_active[queue]).collect();
            if self.last.attached[queue].as_ref() != Some(&attached) {
                self.tell_attached(queue, &attached);
                self.last.attached[queue] = Some(attached);
            }
            let counters = self.queue_counters(queue);
            if self.last.counters[queue].as_ref() != Some(&counters) {
                self.tell_queue_status(queue, &counters);
                self.last.counters[queue] = Some(counters);
            }
        }
        if self.last.list.is_none() {
            self.tell_list_status();
        }
    }

    fn tell_availability(&mut self, person: usize, availability: &Availability) {
        let event = UserAvailability {
            availability: availability.state.clone(),
            // The reference asks for `DateTime.MaxValue` where a state has no end (line 289).
            end_time: availability.until_ms.map_or_else(|| DateTime(NEVER.to_owned()), |at_ms| self.date(at_ms)),
            event_source: "User".to_owned(),
            note: availability.note.map(str::to_owned),
            organization_id: ORGANIZATION,
            profile_id: availability.profile,
            start_time: self.date(availability.since_ms),
            user_id: PEOPLE[person].id,
            user_name: PEOPLE[person].name.to_owned(),
        };
        self.publish(Item::new(UserAvailability::NAME, &event));
    }

    fn status(&self, person: usize) -> Status {
        let day = &self.days[person];
        let active_queues = counted(day.is_active.iter().filter(|&&active| active));
        let (is_talking, wrap_up_until_ms) = match day.engagement {
            Engagement::Free { .. } => (false, None),
            Engagement::OnCall(key) => (self.calls.get(&key).is_some_and(|call| call.lets_talk(person)), None),
            Engagement::WrapUp { until_ms } => (false, Some(until_ms)),
        };
        Status {
            active_queues,
            is_available: day.availability.is_available(),
            can_be_allocated_to: active_queues > 0 && self.free_since(person).is_some(),
            is_at_work: day.availability.is_at_work(),
            serves_callbacks: CALLBACK_TEAM.contains(&person),
            is_talking,
            wrap_up_until_ms,
        }
    }

    fn tell_status(&mut self, person: usize, status: &Status) {
        let event = UserStatus {
            active_queues: status.active_queues,
            available: status.is_available,
            can_be_allocated_to: status.can_be_allocated_to,
            organization_id: ORGANIZATION,
            parked_calls: 0,
            schedule: status.is_at_work,
            service_terminals: 1,
            serving: status.active_queues > 0,
            serving_callback: status.serves_callbacks,
            talking: status.is_talking,
            user_id: PEOPLE[person].id,
            wrap_up_end: status.wrap_up_until_ms.map(|at_ms| self.date(at_ms)),
        };
        self.publish(Item::new(UserStatus::NAME, &event));
    }

    fn tell_attached(&mut self, queue: usize, active: &[bool]) {
        let agents = QUEUES[queue].agents.iter().zip(active).zip(1..);
        let attached_users = agents.map(|((&person, &active), priority)| {
            let user_id = PEOPLE[person].id;
            QueueAttachedUser { active, priority, user_id }
        });
        let event = QueueAttachedUsers {
            attached_users: attached_users.collect(),
            organization_id: ORGANIZATION,
            queue_id: QUEUES[queue].id,
        };
        self.publish(Item::new(QueueAttachedUsers::NAME, &event));
    }

    fn queue_counters(&self, queue: usize) -> QueueCounters {
        let mut counters = QueueCounters::default();
        for &person in QUEUES[queue].agents {
            let day = &self.days[person];
            if !day.is_active[queue] {
                continue;
            }
            match day.engagement {
                Engagement::OnCall(_) => counters.short_away += 1,
                Engagement::WrapUp { .. } => counters.wrap_up += 1,
                Engagement::Free { .. } if day.availability.is_available() => counters.free += 1,
                Engagement::Free { .. } => counters.long_away += 1,
            }
        }
        for call in self.calls.values().filter(|call| call.target == Target::Queue(queue)) {
            match call.stage {
                Stage::Waiting => counters.queuing += 1,
                Stage::Ringing { .. } => counters.allocated += 1,
                Stage::Talking { .. } | Stage::Consulting { .. } => counters.connected += 1,
            }
        }
        counters
    }

    /// Told along with the counters, but no reason to tell them: it grows with every second.
    fn longest_wait_s(&self, queue: usize) -> i64 {
        let arrivals = self.calls.values().filter(|call| call.is_unserved_in(queue)).map(|call| call.arrived_ms);
        let waited_s = arrivals.min().map_or(0, |arrived_ms| self.lasted_ms(self.now_ms - arrived_ms) / 1000);
        i64::try_from(waited_s).unwrap_or(i64::MAX)
    }

    fn tell_queue_status(&mut self, queue: usize, counters: &QueueCounters) {
        let checked_in = counters.free + counters.short_away + counters.long_away + counters.wrap_up;
        let unserved = counters.queuing + counters.allocated;
        let event = QueueStatus {
            max_wait_time: self.longest_wait_s(queue),
            nbr_of_agents_checked_in_queue: checked_in,
            nbr_of_agents_immediately_free: counters.free,
            nbr_of_agents_long_term_away: counters.long_away,
            nbr_of_agents_on_wrap_up: counters.wrap_up,
            nbr_of_agents_short_term_away: counters.short_away,
            nbr_of_allocated: counters.allocated,
            nbr_of_connected: counters.connected,
            nbr_of_not_served_requesters: unserved,
            nbr_of_providers: checked_in,
            nbr_of_queuing_requesters: counters.queuing,
            nbr_of_requesters: unserved + counters.connected,
            nbr_of_serving_agents_estimate: checked_in - counters.long_away,
            open_status: if checked_in > 0 { OpenStatus::OPEN } else { OpenStatus::NO_ACTIVE_HANDLER },
            organization_id: ORGANIZATION,
            queue_id: QUEUES[queue].id,
            queue_name: QUEUES[queue].name.to_owned(),
        };
        self.publish(Item::new(QueueStatus::NAME, &event));
    }

    /// Evaluates the status of the call list; told if it changed.
    pub(super) fn tell_list_status(&mut self) {
        let counters = self.list_counters();
        if self.last.list.as_ref() == Some(&counters) {
            return;
        }
        let event = CallbackListStatus {
            call_list_id: CALL_LIST,
            expires_in24h: counters.expiring,
            is_auto_allocate: true,
            next_hour_over_due_date: counters.overdue_next_hour,
            next_hour_revealed_not_before: counters.revealed_next_hour,
            organization_id: ORGANIZATION,
            total_active_agents: counters.agents,
            total_assigned: counters.assigned,
            total_auto_allocate_agents: counters.serving,
            total_free_for_allocation: counters.open - counters.assigned - counters.hidden,
            total_hiding_not_before: counters.hidden,
            total_open_requests: counters.open,
            total_over_due_date: counters.overdue,
            total_serving_agents: counters.serving,
            total_serving_auto_allocate_agents: counters.allocable,
        };
        self.publish(Item::new(CallbackListStatus::NAME, &event));
        self.last.list = Some(counters);
    }
}
