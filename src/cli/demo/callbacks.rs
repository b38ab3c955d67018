//! The list of callback requests: they come in, are taken, called, tried again, done.

use super::callback::{Attempt, Callback, HANDLED, HOUR_MS, NOT_REACHED};
use super::cast::{CALL_LIST, CALLBACK_TEAM, ORGANIZATION, PEOPLE, QUEUES};
use super::centre::Centre;
use super::events::Item;
use super::state::{ListCounters, counted};
use crate::schema::events::user_assisted_callback_request::{CallEvent, CallType};
use crate::schema::events::{CallbackAttempt, CallbackChanged, CallbackTypeId, UserAssistedCallbackRequest};
use uuid::Uuid;

/// Open requests; beyond, nobody new is put on the list.
const OPEN_MAX: usize = 12;
/// Attempts after which a request is closed, reached or not.
const ATTEMPTS_MAX: usize = 3;

impl Centre {
    pub(super) fn has_room_for_callback(&self) -> bool {
        self.callbacks.len() < OPEN_MAX
    }

    pub(super) fn on_callback_request(&mut self) {
        if self.has_room_for_callback() {
            let number = self.outside_number();
            let key = self.add_callback(CallbackTypeId::EXPLICIT_REQUEST, None, "Web form", number);
            if let Some(callback) = self.callbacks.get_mut(&key) {
                callback.contact_name = Some("Pat Example");
                callback.contact_message = Some("Please call me back about my invoice.");
            }
            self.tell_callback(key);
        }
    }

    pub(super) fn add_overflow_callback(&mut self, queue: usize, call: Uuid, number: String) {
        let key = self.add_callback(CallbackTypeId::OVERFLOWN_CALL, Some(call), QUEUES[queue].name, number);
        self.tell_callback(key);
    }

    fn add_callback(
        &mut self,
        type_id: CallbackTypeId,
        call_id: Option<Uuid>,
        channel: &'static str,
        number: String,
    ) -> u64 {
        let key = self.next_key();
        let callback = Callback {
            id: self.random.guid(),
            type_id,
            call_id,
            channel,
            contact_name: None,
            contact_message: None,
            contact_number: number,
            created_ms: self.now_ms,
            modified_ms: self.now_ms,
            not_before_ms: None,
            assigned: None,
            outgoing: None,
            last_modified_by: None,
            attempts: Vec::new(),
        };
        self.callbacks.insert(key, callback);
        key
    }

    /// Gives the oldest request that may be handled to somebody free, who calls at once.
    pub(super) fn on_callback_round(&mut self) {
        let now_ms = self.now_ms;
        let next = self
            .callbacks
            .iter()
            .find(|(_, callback)| callback.assigned.is_none() && callback.not_before_ms.is_none_or(|at| at <= now_ms))
            .map(|(&key, callback)| (key, callback.contact_number.clone()));
        let free = CALLBACK_TEAM.into_iter().filter(|&person| !self.is_reserved(person));
        let longest = free.filter_map(|person| Some((self.free_since(person)?, person))).min();
        let (Some((key, number)), Some((_, person))) = (next, longest) else { return };
        if let Some(callback) = self.callbacks.get_mut(&key) {
            callback.assigned = Some(person);
            callback.last_modified_by = Some(person);
            callback.modified_ms = now_ms;
        }
        self.tell_callback(key);
        let outgoing = self.start_callback_call(key, person, number);
        if let Some(callback) = self.callbacks.get_mut(&key) {
            callback.outgoing = outgoing;
        }
        self.tell_assisted(key, person, CallEvent::INIT);
    }

    /// A call to the contact is over. A request that was handled, or tried often enough, leaves the
    /// list.
    pub(super) fn on_attempt(&mut self, key: u64, person: usize, was_reached: bool) {
        let attempt = Attempt {
            id: self.random.guid(),
            at_ms: self.now_ms,
            person,
            type_id: if was_reached { HANDLED } else { NOT_REACHED },
        };
        let (now_ms, hide_ms) = (self.now_ms, self.random.between(15_000, 30_000));
        let Some(callback) = self.callbacks.get_mut(&key) else { return };
        callback.attempts.push(attempt);
        callback.assigned = None;
        callback.outgoing = None;
        callback.last_modified_by = Some(person);
        callback.modified_ms = now_ms;
        let is_done = was_reached || callback.attempts.len() >= ATTEMPTS_MAX;
        callback.not_before_ms = (!is_done).then_some(now_ms + hide_ms);
        self.tell_callback(key);
        if is_done {
            self.callbacks.remove(&key);
        }
    }

    fn tell_callback(&mut self, key: u64) {
        let Some(callback) = self.callbacks.get(&key) else { return };
        let guid = |person: usize| PEOPLE[person].id;
        let attempts: Vec<_> = callback
            .attempts
            .iter()
            .map(|attempt| CallbackAttempt {
                callback_attempt_type_id: Some(attempt.type_id),
                id: attempt.id,
                note: attempt.note().map(str::to_owned),
                timestamp: Some(self.date(attempt.at_ms)),
                user_id: Some(guid(attempt.person)),
            })
            .collect();
        let last = callback.attempts.last();
        let event = CallbackChanged {
            assigned_user_id: callback.assigned.map(guid),
            calculated_priority: "100".to_owned(),
            callback_attempts: attempts,
            callback_extras: Vec::new(),
            call_back_id: callback.id,
            callback_related_items: Vec::new(),
            call_id: callback.call_id,
            call_list_id: CALL_LIST,
            channel_in: callback.channel.to_owned(),
            classification_id: None,
            contact_message: callback.contact_message.map(str::to_owned),
            contact_name: callback.contact_name.map(str::to_owned),
            contact_number: callback.contact_number.clone(),
            creation_time: self.date(callback.created_ms),
            due_date: Some(self.date(callback.due_ms())),
            expiry_date: Some(self.date(callback.expiry_ms())),
            last_attempt_note: last.and_then(Attempt::note).map(str::to_owned),
            last_attempt_timestamp: last.map(|attempt| self.date(attempt.at_ms)),
            last_attempt_type_id: last.map(|attempt| attempt.type_id),
            last_attempt_user_id: last.map(|attempt| guid(attempt.person)),
            last_modified_user_id: callback.last_modified_by.map(guid),
            modified: self.date(callback.modified_ms),
            not_before: callback.not_before_ms.map(|at_ms| self.date(at_ms)),
            note: None,
            organization_id: ORGANIZATION,
            recording_id: None,
            transcript_id: None,
            type_id: callback.type_id.clone(),
        };
        self.publish(Item::new(CallbackChanged::NAME, &event));
    }

    /// How the call for a request is going, to the user who makes it.
    pub(super) fn tell_assisted(&mut self, key: u64, person: usize, call_event: CallEvent) {
        let Some(callback) = self.callbacks.get(&key) else { return };
        // CallId is what the request was generated from; a request from the web page was not
        // generated from a call.
        let call_id = callback.call_id.or(callback.outgoing).unwrap_or_default();
        let event = UserAssistedCallbackRequest {
            call_back_id: callback.id,
            callback_related_items: Vec::new(),
            call_event,
            call_id,
            call_list_id: CALL_LIST,
            call_type: CallType::USEROUT,
            contact_number: callback.contact_number.clone(),
            organization_id: ORGANIZATION,
            target_user: PEOPLE[person].id,
        };
        self.publish(Item::new(UserAssistedCallbackRequest::NAME, &event));
    }

    pub(super) fn list_counters(&self) -> ListCounters {
        let now_ms = self.now_ms;
        let open = || self.callbacks.values();
        let is_hidden = |callback: &&Callback| callback.not_before_ms.is_some_and(|at_ms| at_ms > now_ms);
        let unassigned = || open().filter(|callback| callback.assigned.is_none());
        let team = || CALLBACK_TEAM.into_iter();
        ListCounters {
            open: counted(open()),
            assigned: counted(open().filter(|callback| callback.assigned.is_some())),
            hidden: counted(unassigned().filter(is_hidden)),
            revealed_next_hour: counted(
                unassigned()
                    .filter(|callback| callback.not_before_ms.is_some_and(|at| at > now_ms && at <= now_ms + HOUR_MS)),
            ),
            overdue: counted(open().filter(|callback| callback.due_ms() < now_ms)),
            overdue_next_hour: counted(
                open().filter(|callback| callback.due_ms() >= now_ms && callback.due_ms() < now_ms + HOUR_MS),
            ),
            expiring: counted(open().filter(|callback| callback.expiry_ms() < now_ms + 24 * HOUR_MS)),
            agents: counted(team()),
            serving: counted(team().filter(|&person| self.days[person].availability.is_available())),
            allocable: counted(team().filter(|&person| self.free_since(person).is_some())),
        }
    }
}
