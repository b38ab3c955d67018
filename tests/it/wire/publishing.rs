//! `POST /publish`: what is taken, what is refused and how, and what reaches a member byte for
//! byte.

use crate::support::{Hub, ORGANIZATION, Reply, USER};
use serde_json::json;

const QUEUE: &str = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";

/// A QueueStatus with this wait time, as JSON.
fn queue_status(max_wait_time: &str) -> String {
    let counters = [
        "nbrOfAgentsCheckedInQueue",
        "nbrOfAgentsImmediatelyFree",
        "nbrOfAgentsLongTermAway",
        "nbrOfAgentsOnWrapUp",
        "nbrOfAgentsShortTermAway",
        "nbrOfAllocated",
        "nbrOfConnected",
        "nbrOfNotServedRequesters",
        "nbrOfProviders",
        "nbrOfQueuingRequesters",
        "nbrOfRequesters",
        "nbrOfServingAgentsEstimate",
    ]
    .map(|name| format!(r#""{name}":1,"#))
    .concat();
    let ids = format!(r#""organizationId":"{ORGANIZATION}","queueId":"{QUEUE}","queueName":"Tuki äö","#);
    format!(r#"{{"maxWaitTime":{max_wait_time},{counters}{ids}"openStatus":5}}"#)
}

fn item(data: &str) -> String {
    format!(r#"{{"eventName":"QueueStatus","data":{data}}}"#)
}

#[test]
fn who_may_not_publish_is_told_by_the_status() {
    let hub = Hub::start();
    let body = item(&queue_status("1"));
    let bearer = |token: String| format!("Authorization: Bearer {token}");
    let kind = "Content-Type: application/json";
    assert_eq!(hub.request("POST /publish", &[kind], &body).status, 401);
    assert_eq!(hub.request("POST /publish", &[kind, &bearer("not.a.token".to_owned())], &body).status, 401);
    assert_eq!(hub.request("POST /publish", &[kind, &bearer(hub.client_token())], &body).status, 403);
    let publisher = bearer(hub.publisher_token());
    assert_eq!(hub.request("POST /publish", &["Content-Type: text/csv", &publisher], &body).status, 415);
    let coded = hub.request("POST /publish", &[kind, &publisher, "Content-Encoding: br"], &body);
    assert!(coded.status == 415 && coded.body.contains("Content-Encoding"), "{coded:?}");
    assert_eq!(hub.request("POST /publish?dryrun=1", &[kind, &publisher], &body).status, 400, "a misspelt dry_run");
    assert_eq!(hub.request("POST /publish", &[kind, &publisher], &body).status, 202);
}

#[test]
fn a_body_is_taken_whole_in_part_or_not_at_all() {
    let hub = Hub::start();
    let good = item(&queue_status("1"));
    let bad = item(&queue_status("\"1\""));
    let table = [
        (good.clone(), 202, 1, 0),
        (format!("[{good},{good}]"), 202, 2, 0),
        (format!("[{good},{bad}]"), 207, 1, 1),
        (bad, 422, 0, 1),
        (format!("\u{feff}{}", item(&queue_status("1.0"))), 202, 1, 0),
    ];
    for (body, status, accepted, rejected) in table {
        let reply = hub.publish(&body);
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.json()["accepted"], accepted);
        assert_eq!(reply.json()["rejected"], rejected);
        assert_eq!(reply.json()["results"].as_array().map(Vec::len), Some(rejected));
    }
    for body in ["", "[]", "{", "[1,", "{}\u{feff}"] {
        assert_eq!(hub.publish(body).status, 400, "{body:?}");
    }
    assert_eq!(hub.publish(&" ".repeat(1024 * 1024 + 1)).status, 413, "more than body_bytes_max");
    assert_eq!(hub.publish(&format!("[0{}]", ",0".repeat(10_000))).status, 413, "more than items_max");
}

#[test]
fn a_rejected_item_is_told_everything_that_is_wrong_in_the_publishers_spelling() {
    let hub = Hub::start();
    let data = queue_status("1.5").replace("\"openStatus\":5", "\"OpenStatus\":9,\"queueNam\":1");
    let reply = hub.publish(&format!("[{},{}]", item(&queue_status("1")), item(&data)));
    let result = reply.json()["results"][0].clone();
    assert_eq!(result["index"], 1);
    let mut faults: Vec<&str> =
        result["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    faults.sort_unstable();
    let expected = ["OpenStatus", "maxWaitTime", "queueNam"];
    let names: Vec<&str> = faults.iter().map(|pointer| pointer.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, expected, "{result}");
    assert!(result["errors"].to_string().contains("queueName"), "the nearest name is missing: {result}");
}

#[test]
fn numbers_arrive_digit_for_digit_and_the_rest_byte_for_byte() {
    let hub = Hub::start();
    let mut peer = hub.client();
    let pair = format!(r#"[[{{"EntityId":"{QUEUE}","EventName":"QueueStatus"}}]]"#);
    assert!(peer.invoke("Subscribe", &pair).contains(r#""subscribed":true"#));
    // One beyond what JavaScript's numbers can hold.
    let data = queue_status("9007199254740993");
    assert_eq!(hub.publish(&item(&data)).status, 202);
    let subscription = format!(r#"{{"entityId":"{QUEUE}","eventName":"queuestatus"}}"#);
    let arguments = format!(r#"[{{"subscription":{subscription},"data":{data}}}]"#);
    assert_eq!(peer.record(), format!(r#"{{"type":1,"target":"MessageReceived","arguments":{arguments}}}"#));
}

#[test]
fn lines_are_items_and_a_bad_one_is_rejected_alone() {
    let hub = Hub::start();
    let good = item(&queue_status("1"));
    let publisher = format!("Authorization: Bearer {}", hub.publisher_token());
    let body = format!("{good}\n{{broken\n{good}");
    let reply = hub.request("POST /publish", &[&publisher, "Content-Type: application/x-ndjson"], &body);
    assert_eq!(reply.status, 207, "{reply:?}");
    assert_eq!(reply.json()["accepted"], 2);
    assert_eq!(reply.json()["results"][0]["index"], 1);
    assert_eq!(reply.json()["results"][0]["errors"][0]["rule"], "json");
}

#[test]
fn cloud_events_are_items_too() {
    let hub = Hub::start();
    let publisher = format!("Authorization: Bearer {}", hub.publisher_token());
    let data: serde_json::Value = serde_json::from_str(&queue_status("1")).unwrap();
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/calls", "type": "QueueStatus", "data": data });
    for (kind, body, accepted) in [
        ("application/cloudevents+json", event.to_string(), 1),
        ("application/cloudevents-batch+json", json!([event, event]).to_string(), 2),
    ] {
        let reply = hub.request("POST /publish", &[&publisher, &format!("Content-Type: {kind}")], &body);
        assert_eq!((reply.status, &reply.json()["accepted"]), (202, &json!(accepted)), "{kind}: {reply:?}");
    }
}

/// An alert of the user with an id, told from others by `n`.
fn alert(id: &str, n: usize) -> String {
    let data = json!({ "queueId": QUEUE, "queueName": n.to_string() });
    let (id, data) = (json!(id), data.to_string());
    format!(
        r#"{{"id":{id},"eventName":"UserQueueAlert","entityId":"{USER}","organizationId":"{ORGANIZATION}","data":{data}}}"#
    )
}

#[test]
fn an_id_is_its_publishers_own_and_only_what_was_taken_is_remembered() {
    let hub = Hub::start();
    let mut peer = hub.client();
    peer.invoke("Subscribe", &format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#));
    let bearer = format!("Authorization: Bearer {}", hub.publisher_token());
    let other = format!("Authorization: Bearer {}", hub.token(json!({ "scope": "publish", "sub": "another" })));
    let post = |query: &str, bearer: &str, body: &str| {
        hub.request(&format!("POST /publish{query}"), &["Content-Type: application/json", bearer], body)
    };
    let told = |reply: &Reply| (reply.status, reply.json()["results"].clone());
    let again = |index: u32| json!({ "index": index, "duplicate": true });
    assert_eq!(post("?dry_run=1", &bearer, &alert("1", 0)).json()["results"], json!([]), "a dry run");
    assert_eq!(post("", &bearer, &alert("1", 1).replace("queueName", "queueNam")).status, 422);
    assert_eq!(told(&post("", &bearer, &alert("1", 1))), (202, json!([])));
    assert_eq!(post("?dry_run=1", &bearer, &alert("1", 0)).json()["results"], json!([]), "a dry run knows no ids");
    let body = format!("[{},{},{}]", alert("1", 2), alert("2", 3), alert("2", 4));
    assert_eq!(told(&post("", &bearer, &body)), (202, json!([again(0), again(2)])), "twice in one body");
    assert_eq!(told(&post("", &other, &alert("1", 5))), (202, json!([])), "another publisher");
    let body = format!("[{},1,{}]", alert("1", 6), alert("3", 7));
    let reply = post("", &bearer, &body);
    assert_eq!((reply.status, &reply.json()["accepted"], &reply.json()["rejected"]), (207, &json!(2), &json!(1)));
    assert_eq!((&reply.json()["results"][0]["index"], &reply.json()["results"][1]), (&json!(1), &again(0)));
    for n in [1, 3, 5, 7] {
        let record = peer.record();
        assert!(record.contains(&format!(r#""queueName":"{n}""#)), "{n}: {record}");
    }
    assert_eq!((hub.metric("rte_publish_duplicates_total"), hub.metric("rte_publish_ids")), (3.0, 4.0));
}

#[test]
fn what_is_derived_from_an_item_comes_once_like_the_item() {
    let hub = Hub::start();
    let mut peer = hub.client();
    peer.invoke("Subscribe", &format!(r#"[[{{"EntityId":"{USER}","EventName":"UserCallbackChanged"}}]]"#));
    let example = rte::schema::Catalogue::built_in(None);
    let changed = example.event(example.find("CallbackChanged").unwrap());
    let mut data: serde_json::Value = serde_json::from_str(&changed.examples[0].delivered).unwrap();
    data["organizationId"] = json!(ORGANIZATION);
    data["assignedUserId"] = json!(USER);
    let item = |id: &str, data: &serde_json::Value| json!({ "id": id, "eventName": "CallbackChanged", "data": data });
    assert_eq!(hub.publish(&item("1", &data).to_string()).json()["results"], json!([]));
    assert_eq!(
        hub.publish(&item("1", &data).to_string()).json()["results"],
        json!([{ "index": 0, "duplicate": true }])
    );
    assert!(peer.record().contains("usercallbackchanged"));
    peer.invoke("Subscribe", &format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#));
    assert_eq!(hub.publish(&alert("y", 8)).status, 202);
    assert!(peer.record().contains(r#""queueName":"8""#), "it came twice");
}

#[test]
fn a_cloud_event_is_known_by_its_source_and_its_id_in_every_mode() {
    let hub = Hub::start();
    let bearer = format!("Authorization: Bearer {}", hub.publisher_token());
    let data: serde_json::Value = serde_json::from_str(&queue_status("1")).unwrap();
    let event = |source: &str, id: &str| json!({ "specversion": "1.0", "id": id, "source": source, "type": "QueueStatus", "data": data });
    let structured = |event: serde_json::Value| {
        let headers = [bearer.as_str(), "Content-Type: application/cloudevents+json"];
        hub.request("POST /publish", &headers, &event.to_string()).json()["results"].clone()
    };
    let again = |index: u32| json!({ "index": index, "duplicate": true });
    assert_eq!(structured(event("/a", "1")), json!([]));
    assert_eq!(structured(event("/a", "1")), json!([again(0)]));
    let batch = json!([event("/b", "1"), event("/a", "1"), event("/a", "2")]).to_string();
    let headers = [bearer.as_str(), "Content-Type: application/cloudevents-batch+json"];
    assert_eq!(hub.request("POST /publish", &headers, &batch).json()["results"], json!([again(1)]));
    let binary = |source: &str, id: &str| {
        let (source, id) = (format!("ce-source: {source}"), format!("ce-id: {id}"));
        let attributes = ["ce-specversion: 1.0", "ce-type: QueueStatus", &source, &id];
        let headers = [&["Content-Type: application/json", bearer.as_str()], &attributes[..]].concat();
        hub.request("POST /publish", &headers, &queue_status("1")).json()["results"].clone()
    };
    assert_eq!((binary("/a", "2"), binary("/b", "2")), (json!([again(0)]), json!([])));
    // An item's own id has no source, so it is another one.
    let own = json!({ "id": "1", "eventName": "QueueStatus", "data": data }).to_string();
    assert_eq!(hub.publish(&own).json()["results"], json!([]));
    assert_eq!(structured(event("/long", &"x".repeat(1_000))), json!([]), "CloudEvents bounds no id");
}

#[test]
fn a_dry_run_counts_the_members_and_delivers_nothing() {
    let hub = Hub::start();
    let mut peer = hub.client();
    let both = [(QUEUE, "QueueStatus"), (USER, "UserCallInComing")]
        .map(|(entity, event)| format!(r#"{{"EntityId":"{entity}","EventName":"{event}"}}"#));
    peer.invoke("Subscribe", &format!("[[{}]]", both.join(",")));
    let publisher = format!("Authorization: Bearer {}", hub.publisher_token());
    let headers = [publisher.as_str(), "Content-Type: application/json"];
    let reply = hub.request("POST /publish?dry_run=1", &headers, &item(&queue_status("1")));
    assert_eq!(reply.status, 202, "{reply:?}");
    assert!(reply.body.contains('1') && reply.json()["accepted"] == 1, "{reply:?}");
    // What is delivered next is the first that arrives.
    hub.publish(&item(&queue_status("2")));
    assert!(peer.record().contains(r#""maxWaitTime":2"#));
}

#[test]
fn a_web_hook_asks_and_then_delivers_cloud_events_in_binary_mode() {
    let hub = Hub::start();
    let asked =
        hub.request("OPTIONS /publish", &["WebHook-Request-Origin: grid.example", "WebHook-Request-Rate: 10"], "");
    assert_eq!((asked.status, asked.header("webhook-allowed-origin")), (200, Some("grid.example")));
    assert_eq!(asked.header("webhook-allowed-rate"), Some("*"));
    let bearer = format!("Authorization: Bearer {}", hub.publisher_token());
    let attributes = [
        "ce-specversion: 1.0",
        "ce-id: 1",
        "ce-source: /calls",
        "ce-type: com.acme.QueueStatus.v1",
        "ce-subject: calls/17",
    ];
    let headers = [&["Content-Type: application/json", bearer.as_str()], &attributes[..]].concat();
    let reply = hub.request("POST /publish", &headers, &queue_status("1"));
    assert_eq!(reply.status, 202, "{reply:?}");
    let reply = hub.request("POST /publish", &headers, "{");
    assert_eq!(reply.status, 400, "{reply:?}");
}
