//! The list of callback requests: they come in, are taken, called, tried again, done.

use super::callback::{Attempt, Callback, HANDLED, HOUR_MS, NOT_REACHED};
use super::cast::{CALL_LIST, CALLBACK_TEAM, ORGANIZATION, PEOPLE, QUEUES};
use super::centre::Centre;
use super::events::Item;
use super::state::ListCounters;
use serde_json::json;
use uuid::Uuid;

/// TypeId: asked for in so many words.
const EXPLICIT: i16 = 1;
/// TypeId: a call that overflowed.
const OVERFLOWN: i16 = 2;
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
            let key = self.add_callback(EXPLICIT, None, "Web form", number);
            if let Some(callback) = self.callbacks.get_mut(&key) {
                callback.contact_name = Some("Pat Example");
                callback.contact_message = Some("Please call me back about my invoice.");
            }
            self.tell_callback(key);
        }
    }

    pub(super) fn add_overflow_callback(&mut self, queue: usize, call: Uuid, number: String) {
        let key = self.add_callback(OVERFLOWN, Some(call), QUEUES[queue].name, number);
        self.tell_callback(key);
    }

    fn add_callback(&mut self, type_id: i16, call_id: Option<Uuid>, channel: &'static str, number: String) -> u64 {
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
        self.tell_assisted(key, person, "init");
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
            .map(|attempt| {
                json!({
                    "callbackAttemptTypeId": attempt.type_id,
                    "id": attempt.id,
                    "note": attempt.note(),
                    "timestamp": self.date(attempt.at_ms),
                    "userId": guid(attempt.person),
                })
            })
            .collect();
        let last = callback.attempts.last();
        let item = Item::new(
            "CallbackChanged",
            json!({
                "assignedUserId": callback.assigned.map(guid),
                "calculatedPriority": "100",
                "callbackAttempts": attempts,
                "callbackExtras": [],
                "callBackId": callback.id,
                "callbackRelatedItems": [],
                "callId": callback.call_id,
                "callListId": CALL_LIST,
                "channelIn": callback.channel,
                "classificationId": null,
                "contactMessage": callback.contact_message,
                "contactName": callback.contact_name,
                "contactNumber": callback.contact_number,
                "creationTime": self.date(callback.created_ms),
                "dueDate": self.date(callback.due_ms()),
                "expiryDate": self.date(callback.expiry_ms()),
                "lastAttemptNote": last.and_then(Attempt::note),
                "lastAttemptTimestamp": last.map(|attempt| self.date(attempt.at_ms)),
                "lastAttemptTypeId": last.map(|attempt| attempt.type_id),
                "lastAttemptUserId": last.map(|attempt| guid(attempt.person)),
                "lastModifiedUserId": callback.last_modified_by.map(guid),
                "modified": self.date(callback.modified_ms),
                "notBefore": callback.not_before_ms.map(|at_ms| self.date(at_ms)),
                "note": null,
                "organizationId": ORGANIZATION,
                "recordingId": null,
                "transcriptId": null,
                "typeId": callback.type_id,
            }),
        );
        self.publish(item);
    }

    /// How the call for a request is going, to the user who makes it.
    pub(super) fn tell_assisted(&mut self, key: u64, person: usize, call_event: &str) {
        let Some(callback) = self.callbacks.get(&key) else { return };
        // CallId is what the request was generated from; a request from the web page was not
        // generated from a call.
        let call_id = callback.call_id.or(callback.outgoing).unwrap_or_default();
        let item = Item::new(
            "UserAssistedCallbackRequest",
            json!({
                "callBackId": callback.id,
                "callbackRelatedItems": [],
                "callEvent": call_event,
                "callId": call_id,
                "callListId": CALL_LIST,
                "callType": "userout",
                "contactNumber": callback.contact_number,
                "organizationId": ORGANIZATION,
                "targetUser": PEOPLE[person].id,
            }),
        );
        self.publish(item);
    }

    pub(super) fn list_counters(&self) -> ListCounters {
        let now_ms = self.now_ms;
        let open = || self.callbacks.values();
        let is_hidden = |callback: &&Callback| callback.not_before_ms.is_some_and(|at_ms| at_ms > now_ms);
        let unassigned = || open().filter(|callback| callback.assigned.is_none());
        let team = || CALLBACK_TEAM.into_iter();
        ListCounters {
            open: open().count(),
            assigned: open().filter(|callback| callback.assigned.is_some()).count(),
            hidden: unassigned().filter(is_hidden).count(),
            revealed_next_hour: unassigned()
                .filter(|callback| callback.not_before_ms.is_some_and(|at| at > now_ms && at <= now_ms + HOUR_MS))
                .count(),
            overdue: open().filter(|callback| callback.due_ms() < now_ms).count(),
            overdue_next_hour: open()
                .filter(|callback| callback.due_ms() >= now_ms && callback.due_ms() < now_ms + HOUR_MS)
                .count(),
            expiring: open().filter(|callback| callback.expiry_ms() < now_ms + 24 * HOUR_MS).count(),
            agents: team().count(),
            serving: team().filter(|&person| self.days[person].availability.is_available()).count(),
            allocable: team().filter(|&person| self.free_since(person).is_some()).count(),
        }
    }
}
