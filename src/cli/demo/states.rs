//! State events: computed from the state of the centre, told where they changed.

use super::call::{Stage, Target};
use super::cast::{CALL_LIST, CALLBACK_TEAM, ORGANIZATION, PEOPLE, QUEUES};
use super::centre::{Centre, Engagement};
use super::date;
use super::events::Item;
use super::state::{Availability, QueueCounters, Status};
use serde_json::json;

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
        let item = Item::new(
            "UserAvailability",
            json!({
                "availability": availability.state,
                "endTime": availability.until_ms.map_or_else(|| date::NEVER.to_owned(), |at_ms| self.date(at_ms)),
                "eventSource": "User",
                "note": availability.note,
                "organizationId": ORGANIZATION,
                "profileId": availability.profile,
                "startTime": self.date(availability.since_ms),
                "userId": PEOPLE[person].id,
                "userName": PEOPLE[person].name,
            }),
        );
        self.publish(item);
    }

    fn status(&self, person: usize) -> Status {
        let day = &self.days[person];
        let active_queues = day.is_active.iter().filter(|&&active| active).count();
        let (is_talking, wrap_up_until_ms) = match day.engagement {
            Engagement::Free { .. } => (false, None),
            Engagement::OnCall(key) => {
                (self.calls.get(&key).is_some_and(|call| matches!(call.stage, Stage::Talking { .. })), None)
            }
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
        let item = Item::new(
            "UserStatus",
            json!({
                "activeQueues": status.active_queues,
                "available": status.is_available,
                "canBeAllocatedTo": status.can_be_allocated_to,
                "organizationId": ORGANIZATION,
                "parkedCalls": 0,
                "schedule": status.is_at_work,
                "serviceTerminals": 1,
                "serving": status.active_queues > 0,
                "servingCallback": status.serves_callbacks,
                "talking": status.is_talking,
                "userId": PEOPLE[person].id,
                "wrapUpEnd": status.wrap_up_until_ms.map(|at_ms| self.date(at_ms)),
            }),
        );
        self.publish(item);
    }

    fn tell_attached(&mut self, queue: usize, active: &[bool]) {
        let agents = QUEUES[queue].agents.iter().zip(active).zip(1..);
        let users: Vec<_> = agents
            .map(|((&person, active), priority)| {
                json!({ "active": active, "priority": priority, "userId": PEOPLE[person].id })
            })
            .collect();
        let attached = json!({ "attachedUsers": users, "organizationId": ORGANIZATION, "queueId": QUEUES[queue].id });
        self.publish(Item::new("QueueAttachedUsers", attached));
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
                Stage::Talking { .. } => counters.connected += 1,
            }
        }
        counters
    }

    /// Told along with the counters, but no reason to tell them: it grows with every second.
    fn longest_wait_s(&self, queue: usize) -> u64 {
        let arrivals = self.calls.values().filter(|call| call.is_unserved_in(queue)).map(|call| call.arrived_ms);
        arrivals.min().map_or(0, |arrived_ms| (self.now_ms - arrived_ms) / 1000)
    }

    fn tell_queue_status(&mut self, queue: usize, counters: &QueueCounters) {
        let checked_in = counters.free + counters.short_away + counters.long_away + counters.wrap_up;
        let unserved = counters.queuing + counters.allocated;
        let item = Item::new(
            "QueueStatus",
            json!({
                "maxWaitTime": self.longest_wait_s(queue),
                "nbrOfAgentsCheckedInQueue": checked_in,
                "nbrOfAgentsImmediatelyFree": counters.free,
                "nbrOfAgentsLongTermAway": counters.long_away,
                "nbrOfAgentsOnWrapUp": counters.wrap_up,
                "nbrOfAgentsShortTermAway": counters.short_away,
                "nbrOfAllocated": counters.allocated,
                "nbrOfConnected": counters.connected,
                "nbrOfNotServedRequesters": unserved,
                "nbrOfProviders": checked_in,
                "nbrOfQueuingRequesters": counters.queuing,
                "nbrOfRequesters": unserved + counters.connected,
                "nbrOfServingAgentsEstimate": checked_in - counters.long_away,
                // 5 is "Open", 1 "NoActiveHandler".
                "openStatus": if checked_in > 0 { 5 } else { 1 },
                "organizationId": ORGANIZATION,
                "queueId": QUEUES[queue].id,
                "queueName": QUEUES[queue].name,
            }),
        );
        self.publish(item);
    }

    /// Evaluates the status of the call list; told if it changed.
    pub(super) fn tell_list_status(&mut self) {
        let counters = self.list_counters();
        if self.last.list.as_ref() == Some(&counters) {
            return;
        }
        let item = Item::new(
            "CallbackListStatus",
            json!({
                "callListId": CALL_LIST,
                "expiresIn24h": counters.expiring,
                "isAutoAllocate": true,
                "nextHourOverDueDate": counters.overdue_next_hour,
                "nextHourRevealedNotBefore": counters.revealed_next_hour,
                "organizationId": ORGANIZATION,
                "totalActiveAgents": counters.agents,
                "totalAssigned": counters.assigned,
                "totalAutoAllocateAgents": counters.serving,
                "totalFreeForAllocation": counters.open - counters.assigned - counters.hidden,
                "totalHidingNotBefore": counters.hidden,
                "totalOpenRequests": counters.open,
                "totalOverDueDate": counters.overdue,
                "totalServingAgents": counters.serving,
                "totalServingAutoAllocateAgents": counters.allocable,
            }),
        );
        self.publish(item);
        self.last.list = Some(counters);
    }
}
