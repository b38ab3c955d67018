//! What a Subscribe tells of the past: positions, what was missed, how far back.

use crate::support::{Hub, ORGANIZATION, Peer, USER};
use serde_json::{Value, json};

const QUEUE: &str = "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11";

/// An occurrence of the queue with that mark.
fn call(mark: &str) -> Value {
    json!({ "eventName": "QueueCallInArrived", "data": {
        "callerNumber": "+358401234501", "callId": QUEUE, "legId": "81f6b2c47d0e9a35",
        "organizationId": ORGANIZATION, "queueId": QUEUE, "queueName": mark,
        "queueNumber": "+358942450100", "targetNumber": "+358942450100",
    }})
}

/// A state of the user with that mark.
pub(super) fn availability(mark: &str) -> Value {
    json!({ "eventName": "UserAvailability", "data": {
        "availability": "Busy", "endTime": "9999-12-31T23:59:59.9999999", "eventSource": "User", "note": mark,
        "organizationId": ORGANIZATION, "profileId": USER, "startTime": "2024-05-31T14:02:11Z",
        "userId": USER, "userName": "anna",
    }})
}

/// Subscribes to the calls of the queue and to the user's availability, both with these further
/// members.
fn subscribe(peer: &mut Peer, more: &str) -> [Value; 2] {
    subscribe_each(peer, [more, more])
}

fn subscribe_each(peer: &mut Peer, more: [&str; 2]) -> [Value; 2] {
    let [call, state] = more;
    let items = format!(
        r#"[[{{"EntityId":"{QUEUE}","EventName":"QueueCallInArrived"{call}}},{{"EntityId":"{USER}","EventName":"UserAvailability"{state}}}]]"#
    );
    let completion: Value = serde_json::from_str(&peer.invoke("Subscribe", &items)).unwrap();
    serde_json::from_value(completion["result"].clone()).unwrap_or_else(|_| panic!("{completion}"))
}

/// Mark and position of the next MessageReceived.
fn next(peer: &mut Peer) -> (String, Option<String>) {
    let record: Value = serde_json::from_str(&peer.record()).unwrap();
    let argument = &record["arguments"][0];
    let data = &argument["data"];
    let mark = data.get("note").or(data.get("queueName")).and_then(Value::as_str).expect("a MessageReceived");
    assert_eq!(argument.get("at").is_some(), argument.get("position").is_some(), "{argument}");
    (mark.to_owned(), argument.get("position").map(|position| position.as_str().unwrap().to_owned()))
}

fn marks<const N: usize>(peer: &mut Peer) -> [String; N] {
    std::array::from_fn(|_| next(peer).0)
}

fn since(position: &Value) -> String {
    format!(r#","Since":{position}"#)
}

fn publish(hub: &Hub, item: &Value) {
    assert_eq!(hub.publish(&item.to_string()).status, 202);
}

#[test]
fn whoever_does_not_ask_gets_verdicts_and_messages_as_ever() {
    let hub = Hub::start();
    let mut peer = hub.client();
    for verdict in subscribe(&mut peer, "") {
        assert_eq!(verdict.as_object().unwrap().len(), 4, "{verdict}");
    }
    publish(&hub, &call("a"));
    assert_eq!(next(&mut peer), ("a".to_owned(), None));
}

#[test]
fn who_comes_back_with_a_position_gets_what_was_missed_on_whichever_shard() {
    for threads in ["server.threads=1", "server.threads=2", "server.threads=4"] {
        let hub = Hub::start_with(&[threads]);
        let mut gone = hub.client();
        let [calls, _] = subscribe(&mut gone, r#","Since":null"#);
        assert_eq!(calls["position"].as_str().map(str::len), Some(27), "{calls}");
        assert!(calls.get("recovered").is_none() && calls.get("replayed").is_none(), "{calls}");
        publish(&hub, &call("seen"));
        let (mark, seen) = next(&mut gone);
        assert_eq!(mark, "seen");
        drop(gone);
        for mark in ["1", "2"] {
            publish(&hub, &call(mark));
            publish(&hub, &availability(mark));
        }
        // As many as it takes to have one on each shard.
        for _ in 0..8 {
            let mut back = hub.client();
            let verdicts = subscribe(&mut back, &since(&json!(seen)));
            let told = verdicts.map(|verdict| (verdict["recovered"].clone(), verdict["replayed"].clone()));
            assert_eq!(told, [(json!(true), json!(2)), (json!(true), json!(1))]);
            assert_eq!(marks(&mut back), ["1", "2", "2"], "of the state, the newest only");
            let live = format!("live {threads}");
            publish(&hub, &availability(&live));
            let (mark, position) = next(&mut back);
            assert_eq!(mark, live);
            let verdicts = subscribe(&mut hub.client(), &since(&json!(position)));
            assert!(verdicts.iter().all(|verdict| verdict["replayed"] == 0 && verdict["position"] == json!(position)));
            publish(&hub, &availability("2"));
            assert_eq!(next(&mut back).0, "2");
        }
    }
}

#[test]
fn each_item_has_its_own_cursor_and_the_block_is_in_the_order_of_positions() {
    let hub = Hub::start();
    let mut peer = hub.client();
    let [start, _] = subscribe(&mut peer, r#","Since":null"#);
    publish(&hub, &call("1"));
    publish(&hub, &availability("2"));
    publish(&hub, &call("3"));
    let middle = (next(&mut peer), next(&mut peer)).1.1;
    let mut back = hub.client();
    let verdicts = subscribe_each(&mut back, [&since(&json!(middle)), &since(&start["position"])]);
    assert_eq!(verdicts.each_ref().map(|verdict| verdict["replayed"].clone()), [json!(1), json!(1)]);
    assert_eq!(verdicts[1]["position"], start["position"], "until the block is there, it has what it had");
    assert_eq!(marks(&mut back), ["2", "3"]);
}

#[test]
fn a_position_of_another_time_recovers_nothing_and_the_snapshot_stands_in() {
    let before = Hub::start();
    let [old, _] = subscribe(&mut before.client(), r#","Since":null"#);
    let hub = Hub::start();
    publish(&hub, &availability("holds"));
    for position in [&old["position"], &json!("no position"), &json!("")] {
        let mut peer = hub.client();
        let more = format!(r#"{},"Snapshot":true"#, since(position));
        let [calls, state] = subscribe(&mut peer, &more);
        assert_eq!(
            (&calls["recovered"], &calls["replayed"], &calls["snapshot"]),
            (&json!(false), &json!(0), &json!(0))
        );
        assert_eq!(
            (&state["recovered"], &state["replayed"], &state["snapshot"]),
            (&json!(false), &json!(0), &json!(1))
        );
        let (mark, at) = next(&mut peer);
        assert_eq!(mark, "holds");
        assert!(state["position"].as_str() < at.as_deref(), "its row stands behind it");
    }
    assert_eq!(hub.metric(r#"rte_since_total{result="epoch"}"#), 2.0);
    assert_eq!(hub.metric(r#"rte_since_total{result="unreadable"}"#), 4.0);
}

#[test]
fn what_is_held_already_was_not_missed() {
    let hub = Hub::start();
    let mut peer = hub.client();
    let [calls, _] = subscribe(&mut peer, r#","Since":null"#);
    publish(&hub, &call("1"));
    assert_eq!(next(&mut peer).0, "1");
    let [again, _] = subscribe(&mut peer, &since(&calls["position"]));
    assert_eq!((&again["recovered"], &again["replayed"]), (&json!(true), &json!(0)));
    publish(&hub, &call("2"));
    let (mark, position) = next(&mut peer);
    assert!(mark == "2" && position.is_some());
    subscribe(&mut peer, "");
    publish(&hub, &call("3"));
    assert_eq!(next(&mut peer), ("3".to_owned(), None), "whether positions are wanted is as was said last");
}

#[test]
fn who_asks_anew_for_what_holds_gets_it_although_it_is_held() {
    let hub = Hub::start();
    let mut peer = hub.client();
    subscribe(&mut peer, r#","Since":null"#);
    publish(&hub, &call("open"));
    publish(&hub, &availability("now"));
    assert_eq!(marks(&mut peer), ["open", "now"]);
    for verdict in subscribe(&mut peer, r#","Since":null,"Snapshot":true"#) {
        assert_eq!((&verdict["snapshot"], verdict.get("recovered")), (&json!(1), None), "{verdict}");
    }
    assert_eq!(marks(&mut peer), ["open", "now"], "a view that is built again has lost what it was shown");
}

#[test]
fn a_page_that_opens_may_look_back_for_a_while() {
    let hub = Hub::start_with(&["limits.replay_items_max=2"]);
    publish(&hub, &call("1"));
    publish(&hub, &call("2"));
    let mut peer = hub.client();
    let [calls, state] = subscribe(&mut peer, r#","Since":"-1m""#);
    assert_eq!((&calls["recovered"], &calls["replayed"]), (&json!(false), &json!(2)), "the hub is younger than that");
    assert_eq!((&state["recovered"], &state["replayed"]), (&json!(false), &json!(0)));
    assert_eq!(marks(&mut peer), ["1", "2"]);
    publish(&hub, &call("3"));
    let [calls, _] = subscribe(&mut hub.client(), r#","Since":"-1m""#);
    assert_eq!((&calls["recovered"], &calls["replayed"]), (&json!(false), &json!(0)), "more than replay_items_max");
}

#[test]
fn a_hub_without_history_says_so() {
    let hub = Hub::start_with(&["limits.history_bytes_max=0"]);
    let [start, _] = subscribe(&mut hub.client(), r#","Since":null"#);
    publish(&hub, &call("1"));
    let [calls, state] = subscribe(&mut hub.client(), &since(&start["position"]));
    assert_eq!((&calls["recovered"], &state["recovered"]), (&json!(false), &json!(false)));
    assert_eq!(hub.metric("rte_history_publications"), 0.0);
}

#[test]
fn since_what_is_no_text_is_an_invalid_item_and_the_others_are_subscribed() {
    let hub = Hub::start();
    let item = |more: &str| format!(r#"{{"EntityId":"{USER}","EventName":"UserAvailability"{more}}}"#);
    let answer = hub.client().invoke("Subscribe", &format!("[[{},{}]]", item(r#","Since":7"#), item("")));
    assert_eq!(answer.matches(r#""subscribed":false,"message":"Invalid item""#).count(), 1, "{answer}");
    assert_eq!(answer.matches(r#""subscribed":true,"message":null"#).count(), 1, "{answer}");
}

#[test]
fn a_publisher_is_told_where_its_items_stand() {
    for threads in ["server.threads=1", "server.threads=4"] {
        let hub = Hub::start_with(&[threads]);
        let mut peer = hub.client();
        subscribe(&mut peer, r#","Since":null"#);
        // On each shard, home or not.
        for n in 0..8 {
            let reply = hub.publish(&call(&n.to_string()).to_string());
            let position = next(&mut peer).1;
            assert_eq!(reply.header("rte-position"), position.as_deref(), "{reply:?}");
            assert_eq!(reply.header("rte-epoch"), position.as_deref().map(|position| &position[..13]));
        }
        let nothing = hub.publish(r#"{"eventName":"Nope","data":{}}"#);
        assert_eq!((nothing.status, nothing.header("rte-position")), (422, None));
        assert!(nothing.header("rte-epoch").is_some());
        let headers = [&*format!("Authorization: Bearer {}", hub.publisher_token()), "Content-Type: application/json"];
        let trial = hub.request("POST /publish?dry_run=1", &headers, &call("x").to_string());
        assert_eq!((trial.status, trial.header("rte-position")), (202, None), "{trial:?}");
    }
}

#[test]
fn a_position_that_is_read_behind_an_answer_is_not_before_it_and_is_good_for_since() {
    for threads in ["1", "3"] {
        let hub = Hub::start_with(&[&format!("server.threads={threads}")]);
        let mut peer = hub.client();
        publish(&hub, &call("seen"));
        let taken = hub.publish(&call("seen too").to_string());
        let reply = hub.request_as_client("GET /position", &["Origin: https://app.example"]);
        assert_eq!(reply.status, 200, "{reply:?}");
        let position = reply.json()["position"].clone();
        let text = position.as_str().unwrap();
        assert!(Some(text) >= taken.header("rte-position"), "{text}");
        assert_eq!((reply.header("rte-position"), reply.header("rte-epoch")), (Some(text), taken.header("rte-epoch")));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let exposed = reply.header("access-control-expose-headers").unwrap_or_default();
        assert!(exposed.contains("Rte-Position") && exposed.contains("Rte-Epoch"), "{exposed}");
        publish(&hub, &call("missed"));
        let [verdict, _] = subscribe(&mut peer, &since(&position));
        assert_eq!((&verdict["recovered"], &verdict["replayed"]), (&json!(true), &json!(1)));
        assert_eq!(marks(&mut peer), ["missed"]);
    }
}

#[test]
fn whose_position_somebody_learns_is_in_the_token_or_named_by_a_publisher() {
    let hub = Hub::start();
    let other = "1c9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a60";
    let ask = |query: &str, token: &str| {
        hub.request(&format!("GET /position{query}"), &[&format!("Authorization: Bearer {token}")], "")
    };
    let anywhere = hub.token(json!({ "sub": null, "org": null, "scope": "publish" }));
    let homeless = hub.token(json!({ "org": null }));
    let named = |organization: &str| format!("?organizationId={organization}");
    for (query, token, status) in [
        (String::new(), hub.client_token(), 200),
        (named(ORGANIZATION), hub.client_token(), 200),
        (named(other), hub.client_token(), 403),
        (named(other), hub.publisher_token(), 403),
        (named(other), anywhere.clone(), 200),
        (String::new(), anywhere.clone(), 400),
        (named("x"), anywhere.clone(), 400),
        (named(other), homeless, 401),
        (String::new(), "not.a.token".to_owned(), 401),
    ] {
        let reply = ask(&query, &token);
        assert_eq!(reply.status, status, "{query}: {reply:?}");
    }
    assert_eq!(hub.request("GET /position", &[], "").status, 401);
    let refused = hub.request("POST /position", &[], "");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let (one, two) = (ask(&named(ORGANIZATION), &anywhere).json(), ask(&named(other), &anywhere).json());
    assert_ne!(one["position"], two["position"]);
}
