//! What a page shows that was just loaded, against one that was always there: calls that are open,
//! callbacks that hold. The pages of these tests fold as the manual for clients tells.

use crate::support::{Folder, Hub, ORGANIZATION, Peer, USER};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const A: &str = "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3";
const B: &str = "b2eeb030-ff4b-ea11-ac9c-00155d4fdcf3";
const C: &str = USER;
const SUPPORT: &str = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";
const CALL: &str = "7b0d3a52-8e1c-4f56-9d2b-3c4a5e6f7081";
const LIST: &str = "e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11";
const CALLBACK: &str = "5c1f1d0a-91f1-4b53-8f39-0f6a3c2b7e10";

/// The example of the catalogue, with these members for its own.
fn example(event: &str, members: &Value) -> Value {
    let catalogue = rte::schema::Catalogue::built_in(None);
    let event = catalogue.event(catalogue.find(event).unwrap());
    let mut data: Value = serde_json::from_str(&event.examples[0].delivered).unwrap();
    data["organizationId"] = ORGANIZATION.into();
    for (name, value) in members.as_object().unwrap() {
        assert!(data.get(name).is_some(), "{} has no {name}", event.name);
        data[name] = value.clone();
    }
    json!({ "eventName": event.name, "data": data })
}

fn of_queue(event: &str, leg: &str) -> Value {
    example(event, &json!({ "queueId": SUPPORT, "callId": CALL, "legId": leg }))
}

fn of_user(event: &str, user: &str, leg: &str) -> Value {
    example(event, &json!({ "userId": user, "callId": CALL, "legId": leg }))
}

fn publish(hub: &Hub, item: &Value) {
    let reply = hub.publish(&item.to_string());
    assert_eq!(reply.status, 202, "{reply:?}");
}

/// The events of calls of everybody, and their phases as the index tells them.
struct Phases(BTreeMap<String, String>);

impl Phases {
    fn of(hub: &Hub) -> Phases {
        let index: Value = serde_json::from_str(&hub.request("GET /schemas/v1/index.json", &[], "").body).unwrap();
        let events = index["events"].as_array().unwrap().iter();
        let phase = |event: &Value| {
            let phase = event["call"]["phase"].as_str()?;
            Some((event["lower"].as_str()?.to_owned(), phase.to_owned()))
        };
        Phases(events.filter_map(phase).collect())
    }
}

/// A page: it subscribes to all that it shows, and knows nothing else.
struct Page<'p> {
    peer: Peer,
    phases: &'p Phases,
    /// By entity, call and leg: the events of a leg that is open, in their order.
    legs: BTreeMap<(String, String, String), Vec<Value>>,
    /// Legs that are over; without a leg, whole calls.
    over: Vec<(String, String, Option<String>)>,
}

impl<'p> Page<'p> {
    fn load(hub: &Hub, phases: &'p Phases) -> Page<'p> {
        let token = hub.token(json!({ "rte": ["user/*", "queue/*", "calllist/*"] }));
        let mut peer = hub.client_with(&token);
        let mut items = Vec::new();
        for event in phases.0.keys() {
            let entities: &[&str] = if event.starts_with("queue") { &[SUPPORT] } else { &[A, B, C] };
            items.extend(
                entities.iter().map(|entity| json!({ "EntityId": entity, "EventName": event, "Snapshot": true })),
            );
        }
        let answer = peer.invoke("Subscribe", &json!([items]).to_string());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let rows = |verdict: &Value| verdict["snapshot"].as_u64().unwrap();
        let count: u64 = answer["result"].as_array().unwrap().iter().map(rows).sum();
        let mut page = Page { peer, phases, legs: BTreeMap::new(), over: Vec::new() };
        (0..count).for_each(|_| page.hear());
        page
    }

    /// The next message.
    fn hear(&mut self) {
        let record: Value = serde_json::from_str(&self.peer.record()).unwrap();
        let message = &record["arguments"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let event = text(&message["subscription"]["eventName"]);
        let entity = text(&message["subscription"]["entityId"]);
        let (call, leg) = (text(&message["data"]["callId"]), text(&message["data"]["legId"]));
        let is_over = |over: &(String, String, Option<String>)| {
            (&over.0, &over.1) == (&entity, &call) && over.2.as_ref().is_none_or(|other| *other == leg)
        };
        match self.phases.0[&event].as_str() {
            "begin" | "progress" if self.over.iter().any(is_over) => {}
            "begin" | "progress" => {
                let story = self.legs.entry((entity, call, leg)).or_default();
                story.retain(|other| other["subscription"] != message["subscription"]);
                story.push(message.clone());
            }
            "end" => {
                self.legs.remove(&(entity.clone(), call.clone(), leg.clone()));
                self.over.push((entity, call, Some(leg)));
            }
            _ => {
                self.legs.retain(|(of, other, _), _| (of, other) != (&entity, &call));
                self.over.push((entity, call, None));
            }
        }
    }
}

/// A calls Support, B declines, C answers, A hangs up.
fn scenario() -> Vec<Value> {
    vec![
        of_user("UserCallOutGoing", A, "a"),
        of_queue("QueueCallInComing", "a"),
        of_queue("QueueCallInArrived", "a"),
        of_queue("QueueCallInUserAllocated", "b"),
        of_user("UserCallInArrived", B, "b"),
        of_user("UserCallInUserAllocated", B, "b"),
        of_queue("QueueCallInUserCancelled", "b"),
        of_user("UserCallInUserCancelled", B, "b"),
        of_queue("QueueCallInUserAllocated", "c"),
        of_user("UserCallInArrived", C, "c"),
        of_user("UserCallInUserAllocated", C, "c"),
        of_queue("QueueCallInUserConnected", "c"),
        of_user("UserCallInUserConnected", C, "c"),
        of_user("UserCallOutConnected", A, "a"),
        // Late: their legs are over.
        of_user("UserCallInUserAllocated", B, "b"),
        of_queue("QueueCallInUserAllocated", "b"),
        of_queue("QueueCallInDisconnected", "a"),
        of_user("UserCallInDisconnected", C, "c"),
        of_user("UserCallOutDisconnected", A, "a"),
        of_queue("QueueCallInUserConnected", "c"),
    ]
}

#[test]
fn a_page_that_died_at_any_step_of_a_call_shows_what_one_shows_that_lived() {
    for threads in ["server.threads=1", "server.threads=3"] {
        let hub = Hub::start_with(&[threads]);
        let phases = Phases::of(&hub);
        let mut lived = Page::load(&hub, &phases);
        let mut loaded: Vec<Page<'_>> = Vec::new();
        let steps = scenario();
        let open: Vec<usize> = steps
            .iter()
            .map(|step| {
                publish(&hub, step);
                lived.hear();
                loaded.iter_mut().for_each(Page::hear);
                loaded.push(Page::load(&hub, &phases));
                for (cut, page) in loaded.iter().enumerate() {
                    assert_eq!(page.legs, lived.legs, "loaded behind step {cut}: {step}");
                }
                lived.legs.len()
            })
            .collect();
        assert_eq!(open, [1, 2, 2, 3, 4, 4, 3, 2, 3, 4, 4, 4, 4, 4, 4, 4, 2, 1, 0, 0]);
        assert_eq!(hub.metric("rte_late_call_events_total "), 3.0);
    }
}

#[test]
fn a_page_that_was_loaded_from_a_hub_killed_at_any_step_of_a_call_shows_what_one_shows_that_lived() {
    let folder = Folder::new("kept-steps", &[("journal/.keep", "")]);
    let (hub, mut killed) = (Hub::start(), start_in(&folder, "server.threads=1"));
    let phases = Phases::of(&hub);
    let mut lived = Page::load(&hub, &phases);
    for (cut, step) in scenario().iter().enumerate() {
        publish(&hub, step);
        lived.hear();
        publish(&killed, step);
        killed.kill();
        killed = start_in(&folder, &format!("server.threads={}", 1 + cut % 4));
        assert_eq!(Page::load(&killed, &phases).legs, lived.legs, "killed behind step {cut}: {step}");
    }
}

fn callback(assigned: Option<&str>, note: &str, last: bool) -> Value {
    let members = json!({ "callBackId": CALLBACK, "callListId": LIST, "assignedUserId": assigned, "note": note });
    let mut item = example("CallbackChanged", &members);
    if last {
        item["last"] = true.into();
    }
    item
}

/// Subscribes to the callbacks of the list and of both users; the verdicts' `snapshot`.
fn callbacks(hub: &Hub) -> (Peer, [u64; 3]) {
    let mut peer = hub.client();
    let item = |entity, event| json!({ "EntityId": entity, "EventName": event, "Snapshot": true });
    let (list, user) = ("CallbackChanged", "UserCallbackChanged");
    let answer = peer.invoke("Subscribe", &json!([[item(LIST, list), item(A, user), item(C, user)]]).to_string());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let verdicts: [Value; 3] = serde_json::from_value(answer["result"].clone()).unwrap();
    (peer, verdicts.map(|verdict| verdict["snapshot"].as_u64().unwrap()))
}

/// Entity, `last`, target and note of the next message.
fn next(peer: &mut Peer) -> (String, bool, Value, String) {
    let record: Value = serde_json::from_str(&peer.record()).unwrap();
    let message = &record["arguments"][0];
    let data = &message["data"];
    assert_ne!(message.get("last"), Some(&json!(false)), "absent where it is not so");
    let entity = message["subscription"]["entityId"].as_str().unwrap().to_owned();
    let target = data.get("targetUser").unwrap_or(&Value::Null).clone();
    (entity, message.get("last").is_some(), target, data["note"].as_str().unwrap().to_owned())
}

#[test]
fn a_callback_that_moves_is_told_to_who_has_had_it_and_ends_there() {
    for threads in ["server.threads=1", "server.threads=3"] {
        let hub = Hub::start_with(&[threads]);
        let (mut lived, rows) = callbacks(&hub);
        assert_eq!(rows, [0, 0, 0]);
        let told = |entity: &str, last, target: Option<&str>, note: &str| {
            (entity.to_owned(), last, json!(target), note.to_owned())
        };
        publish(&hub, &callback(Some(A), "1", false));
        assert_eq!(next(&mut lived), told(LIST, false, None, "1"));
        assert_eq!(next(&mut lived), told(A, false, Some(A), "1"));
        assert_eq!(callbacks(&hub).1, [1, 1, 0]);
        publish(&hub, &callback(Some(C), "2", false));
        assert_eq!(next(&mut lived), told(LIST, false, None, "2"));
        assert_eq!(next(&mut lived), told(A, true, Some(A), "2"), "taken away");
        assert_eq!(next(&mut lived), told(C, false, Some(C), "2"));
        let (mut loaded, rows) = callbacks(&hub);
        assert_eq!(rows, [1, 0, 1]);
        assert_eq!(next(&mut loaded), told(LIST, false, None, "2"));
        assert_eq!(next(&mut loaded), told(C, false, Some(C), "2"));
        publish(&hub, &callback(None, "3", false));
        for page in [&mut lived, &mut loaded] {
            assert_eq!(next(page), told(LIST, false, None, "3"));
            assert_eq!(next(page), told(C, true, Some(C), "3"), "nobody has it");
        }
        assert_eq!(callbacks(&hub).1, [1, 0, 0]);
        publish(&hub, &callback(Some(A), "4", true));
        for page in [&mut lived, &mut loaded] {
            assert_eq!(next(page), told(LIST, true, None, "4"));
            assert_eq!(next(page), told(A, true, Some(A), "4"));
        }
        assert_eq!(callbacks(&hub).1, [0, 0, 0], "the publisher has said that it was the last");
    }
}

#[test]
fn a_snapshot_says_where_there_may_be_more_and_by_default_tells_no_calls() {
    let hub = Hub::start_with(&["server.snapshots=true", "limits.keep_ms=1", "limits.open_call_ms=3600000"]);
    publish(&hub, &of_queue("QueueCallInArrived", "a"));
    let mut peer = hub.client();
    let items = |snapshot: &str| {
        format!(
            r#"[[{{"EntityId":"{SUPPORT}","EventName":"QueueCallInArrived"{snapshot}}},{{"EntityId":"{LIST}","EventName":"CallbackChanged"{snapshot}}}]]"#
        )
    };
    let answer: Value = serde_json::from_str(&peer.invoke("Subscribe", &items(""))).unwrap();
    assert_eq!(answer["result"][0].as_object().unwrap().len(), 4, "{answer}");
    // Nothing came between: the call is told to those only who ask.
    let answer: Value = serde_json::from_str(&peer.invoke("Subscribe", &items(r#","Snapshot":true"#))).unwrap();
    assert_eq!((&answer["result"][0]["snapshot"], &answer["result"][0]["partial"]), (&json!(1), &json!(true)));
    assert_eq!((&answer["result"][1]["snapshot"], answer["result"][1].get("partial")), (&json!(0), None));
    assert_eq!(hub.metric("rte_snapshots_partial_total "), 1.0);
}

#[test]
fn a_leg_that_is_over_lingers_for_linger_ms_and_what_comes_late_opens_it_only_behind_that() {
    let over = |setting: &str| {
        let hub = Hub::start_with(&[setting]);
        publish(&hub, &of_queue("QueueCallInArrived", "a"));
        publish(&hub, &of_queue("QueueCallInDisconnected", "a"));
        hub
    };
    let rows = |hub: &Hub, event: &str| {
        let items = format!(r#"[[{{"EntityId":"{SUPPORT}","EventName":"{event}","Snapshot":true}}]]"#);
        let answer: Value = serde_json::from_str(&hub.client().invoke("Subscribe", &items)).unwrap();
        answer["result"][0]["snapshot"].as_u64().unwrap()
    };
    let hub = over("limits.linger_ms=600000");
    publish(&hub, &of_queue("QueueCallInComing", "a"));
    assert_eq!((rows(&hub, "QueueCallInComing"), rows(&hub, "QueueCallInDisconnected")), (0, 1));
    assert_eq!(hub.metric("rte_late_call_events_total "), 1.0);
    let hub = over("limits.linger_ms=1");
    assert!((0..20_000).any(|_| rows(&hub, "QueueCallInDisconnected") == 0), "{}", hub.log());
    publish(&hub, &of_queue("QueueCallInComing", "a"));
    assert_eq!((rows(&hub, "QueueCallInComing"), hub.metric("rte_late_call_events_total ")), (1, 0.0));
}

#[test]
fn last_is_for_events_with_a_key_and_a_flag() {
    let hub = Hub::start();
    let with = |item: &Value, last: Value| {
        let mut item = item.clone();
        item["last"] = last;
        item.to_string()
    };
    let refused = hub.publish(&with(&of_queue("QueueCallInArrived", "a"), json!(true)));
    assert!(refused.status == 422 && refused.body.contains(r#""pointer":"/last","rule":"last""#), "{refused:?}");
    let item = callback(None, "1", false);
    let refused = hub.publish(&with(&item, json!("true")));
    assert!(refused.status == 422 && refused.body.contains(r#""pointer":"/last","rule":"type""#), "{refused:?}");
    for last in [json!(null), json!(false), json!(true)] {
        assert_eq!(hub.publish(&with(&item, last)).status, 202);
    }
    assert_eq!(hub.metric("rte_kept_rows "), 0.0);
}

/// The settings of a hub whose journal is in that folder, and one more.
fn start_in(folder: &Folder, setting: &str) -> Hub {
    let journal = folder.journal();
    Hub::start_with(&[setting].into_iter().chain(journal.iter().map(String::as_str)).collect::<Vec<_>>())
}

/// Subscribes to the calls of the queue and of both users, and to the callbacks of the list and of
/// both; the verdicts, and what follows them.
fn snapshot(hub: &Hub) -> (Value, Vec<Value>) {
    let mut peer = hub.client();
    let item = |entity, event| json!({ "EntityId": entity, "EventName": event, "Snapshot": true });
    let calls = [(SUPPORT, "QueueCallInArrived"), (B, "UserCallInArrived"), (C, "UserCallInUserConnected")];
    let callbacks = [(LIST, "CallbackChanged"), (A, "UserCallbackChanged"), (C, "UserCallbackChanged")];
    let items: Vec<Value> = calls.into_iter().chain(callbacks).map(|(entity, event)| item(entity, event)).collect();
    let answer: Value = serde_json::from_str(&peer.invoke("Subscribe", &json!([items]).to_string())).unwrap();
    let verdicts = answer["result"].clone();
    let rows: u64 = verdicts.as_array().unwrap().iter().map(|verdict| verdict["snapshot"].as_u64().unwrap()).sum();
    let block = (0..rows).map(|_| serde_json::from_str(&peer.record()).unwrap()).collect();
    (verdicts, block)
}

#[test]
fn open_calls_and_rows_of_keys_are_after_a_kill_what_they_were_before_it() {
    let folder = Folder::new("kept-killed", &[("journal/.keep", "")]);
    let mut hub = start_in(&folder, "server.threads=3");
    publish(&hub, &of_queue("QueueCallInArrived", "a"));
    publish(&hub, &of_user("UserCallInArrived", B, "b"));
    publish(&hub, &of_user("UserCallInUserConnected", C, "c"));
    publish(&hub, &callback(Some(A), "1", false));
    publish(&hub, &callback(Some(C), "2", false));
    let before = snapshot(&hub);
    let counts: Vec<u64> = before.0.as_array().unwrap().iter().map(|it| it["snapshot"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 1, 1, 1, 0, 1], "{before:?}");
    for threads in [3, 1, 2] {
        hub.kill();
        hub = start_in(&folder, &format!("server.threads={threads}"));
        assert_eq!(snapshot(&hub), before);
    }
    // What moves knows who has had it.
    publish(&hub, &callback(Some(A), "3", false));
    assert_eq!(callbacks(&hub).1, [1, 1, 0]);
}

#[test]
fn a_hub_whose_files_have_all_that_holds_does_not_say_that_there_may_be_more() {
    let folder = Folder::new("kept-whole", &[("journal/.keep", "")]);
    let mut hub = start_in(&folder, "limits.keep_ms=2000");
    // It is younger than a row may be.
    while snapshot(&hub).0[3].get("partial").is_some() {}
    hub.kill();
    let hub = start_in(&folder, "limits.keep_ms=2000");
    assert_eq!(snapshot(&hub).0[3].get("partial"), None);
}
