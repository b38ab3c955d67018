//! SignalR's JSON hub protocol: handshakes, hub messages, the texts of errors, and what ends a
//! connection.

use crate::support::{Hub, RS, USER};

/// The Close of a connection that its client may open anew, with that error.
fn close(error: &str) -> String {
    format!(r#"{{"type":7,"error":"{error}","allowReconnect":true}}"#)
}

const MALFORMED: &str = "malformed_message: a record was no hub message";
const SILENT: &str = "client_timeout: a client that used to ping was silent for limits.client_timeout_ms";

#[test]
fn good_handshakes_are_answered_and_bad_ones_told_why() {
    let hub = Hub::start();
    let unexpected = "An unexpected error occurred during connection handshake.";
    let table = [
        (r#"{"protocol":"json","version":1}"#, ""),
        (r#"{"version":2,"protocol":"JSON","more":[{}]}"#, ""),
        (r#" { "protocol" : "json" , "version" : 0 } "#, ""),
        (r#"{"protocol":"foo","version":1}"#, "The protocol 'foo' is not supported."),
        (r#"{"protocol":"msgpack","version":1}"#, "The protocol 'msgpack' is not supported."),
        (r#"{"protocol":"json","version":9001}"#, "The server does not support version 9001 of the 'json' protocol."),
        (r#"{"protocol":"json"}"#, unexpected),
        (r#"{"Protocol":"json","version":1}"#, unexpected),
        (r#"{"protocol":"json","version":"1"}"#, unexpected),
        (r#"{"protocol":"json","version":1.5}"#, unexpected),
        (r#"{"protocol":1,"version":1}"#, unexpected),
        (r#"["json",1]"#, unexpected),
        ("{", unexpected),
        ("", unexpected),
    ];
    for (request, error) in table {
        let mut peer = hub.websocket("/rte");
        peer.send(request);
        let answer = peer.record();
        if error.is_empty() {
            assert_eq!(answer, "{}", "{request}");
        } else {
            assert_eq!(answer, format!(r#"{{"error":"{error}"}}"#), "{request}");
            peer.assert_closed(1000);
        }
    }
}

#[test]
fn a_handshake_without_end_is_cancelled_at_the_size_of_a_message() {
    let hub = Hub::start();
    let mut peer = hub.websocket("/rte");
    peer.send_text(&"x".repeat(40_000));
    assert_eq!(peer.record(), r#"{"error":"Handshake was canceled."}"#);
    peer.assert_closed(1000);
}

#[test]
fn a_client_that_says_nothing_is_cancelled_in_time() {
    let hub = Hub::start_with(&["limits.handshake_ms=100"]);
    let mut peer = hub.websocket("/rte");
    peer.send_text(r#"{"protocol":"#);
    assert_eq!(peer.record(), r#"{"error":"Handshake was canceled."}"#);
    peer.assert_closed(1000);
}

#[test]
fn a_failed_invocation_says_why_in_the_words_of_net_and_quotes_the_clients_spelling() {
    let hub = Hub::start();
    let mut peer = hub.client();
    let invocation = |kind: u8, target: &str, arguments: &str, more: &str| {
        format!(r#"{{"type":{kind},"invocationId":"7","target":"{target}","arguments":{arguments}{more}}}"#)
    };
    let binding = |target: &str| format!("Failed to invoke '{target}' due to an error on the server.");
    let unknown = |target: &str| format!("{} HubException: Method does not exist.", binding(target));
    let streaming = "The client attempted to invoke the non-streaming 'subscribe' method with a streaming invocation.";
    let streams = "An unexpected error occurred invoking 'Subscribe' on the server. HubException: Client sent 1 stream(s), Hub method expects 0.";
    let table = [
        (invocation(1, "Nope", "[]", ""), unknown("Nope")),
        (invocation(4, "Nope", "[]", ""), unknown("Nope")),
        (invocation(1, "SUBSCRIBE", "[]", ""), binding("SUBSCRIBE")),
        (invocation(1, "Subscribe", "[[],[]]", ""), binding("Subscribe")),
        (invocation(1, "Subscribe", "[{}]", ""), binding("Subscribe")),
        (invocation(1, "Subscribe", "[\"x\"]", ""), binding("Subscribe")),
        (invocation(1, "Subscribe", "[[5]]", ""), binding("Subscribe")),
        (invocation(1, "Unsubscribe", r#"[[{"EntityId":5,"EventName":"UserStatus"}]]"#, ""), binding("Unsubscribe")),
        (invocation(4, "subscribe", "[[]]", ""), streaming.to_owned()),
        (invocation(1, "Subscribe", "[[]]", r#","streamIds":["1"]"#), streams.to_owned()),
    ];
    let mut faults = Vec::new();
    for (sent, error) in table {
        peer.send(&sent);
        let expected = format!(r#"{{"type":3,"invocationId":"7","error":"{error}"}}"#);
        let answer = peer.record();
        if answer != expected {
            faults.push(format!("{sent}\n  expected {expected}\n  got      {answer}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn detailed_errors_are_told_where_they_are_configured() {
    let hub = Hub::start_with(&["server.detailed_errors=true"]);
    let mut peer = hub.client();
    let answer = peer.invoke("Subscribe", "[[],[]]");
    assert!(
        answer.contains("InvalidDataException: Invocation provides 2 argument(s) but target expects 1."),
        "{answer}"
    );
}

#[test]
fn without_an_invocation_id_nothing_is_ever_answered() {
    let hub = Hub::start();
    let mut peer = hub.client();
    peer.send(r#"{"type":1,"target":"Nope","arguments":[]}"#);
    peer.send(r#"{"type":1,"target":"Subscribe","arguments":["x"]}"#);
    peer.send(r#"{"type":1,"invocationId":"","target":"AvailableSubscriptions","arguments":[]}"#);
    peer.send(&format!(
        r#"{{"type":1,"target":"Subscribe","arguments":[[{{"EntityId":"{USER}","EventName":"UserStatus"}}]]}}"#
    ));
    let active = format!(r#"[{{"subscribed":true,"message":null,"entityId":"{USER}","eventName":"userstatus"}}]"#);
    let expected = format!(r#"{{"type":3,"invocationId":"i","result":{active}}}"#);
    assert_eq!(peer.invoke("GetActiveSubscriptions", "[]"), expected);
}

#[test]
fn what_a_hub_need_not_understand_is_passed_over() {
    let hub = Hub::start();
    let mut peer = hub.client();
    let ignored = [
        r#"{"type":6}"#,
        r#"{"type":10}"#,
        r#"{"type":99,"target":5}"#,
        r#"{"type":2,"invocationId":"x","item":1}"#,
        r#"{"type":3,"invocationId":"x","result":1}"#,
        r#"{"type":5,"invocationId":"x"}"#,
        r#"{"type":8,"sequenceId":1}"#,
        r#"{"type":9,"sequenceId":1}"#,
    ];
    peer.send_text(&ignored.map(|record| format!("{record}{RS}")).concat());
    // Free order, headers, unknown properties, and of two the last one.
    peer.send(r#"{"target":"Nope","more":{"a":[1]},"arguments":[],"headers":{"Authorization":"x"},"target":"unsubscribeall","invocationId":"a\"b","type":1}"#);
    assert_eq!(peer.record(), r#"{"type":3,"invocationId":"a\"b","result":true}"#);
}

#[test]
fn a_malformed_message_ends_the_connection_behind_what_was_good() {
    let hub = Hub::start();
    let table = [
        "{",
        "[]",
        "5",
        "",
        r#"{"target":"Subscribe","arguments":[]}"#,
        r#"{"type":"1"}"#,
        r#"{"type":1,"invocationId":42,"target":"Subscribe","arguments":[]}"#,
        r#"{"type":1,"invocationId":null,"target":"Subscribe","arguments":[]}"#,
        r#"{"type":1,"target":42,"arguments":[]}"#,
        r#"{"type":1,"target":"Subscribe"}"#,
        r#"{"type":1,"arguments":[]}"#,
        r#"{"type":1,"target":"Subscribe","arguments":{}}"#,
        r#"{"type":1,"target":"Subscribe","arguments":null}"#,
        r#"{"type":1,"target":"Subscribe","arguments":[],"headers":[]}"#,
        r#"{"type":1,"target":"Subscribe","arguments":[],"headers":{"a":1}}"#,
        r#"{"type":1,"target":"Subscribe","arguments":[],"streamIds":"x"}"#,
        r#"{"type":2,"item":1}"#,
        r#"{"type":2,"invocationId":"1"}"#,
        r#"{"type":3,"result":1}"#,
        r#"{"type":3,"invocationId":"1","result":1,"error":"x"}"#,
        r#"{"type":4,"target":"Subscribe","arguments":[]}"#,
        r#"{"type":5}"#,
        r#"{"type":8}"#,
        r#"{"type":9,"sequenceId":"1"}"#,
        r#"{"type":1,"target":"Subscribe","arguments":[],}"#,
    ];
    for bad in table {
        let mut peer = hub.client();
        let good = r#"{"type":1,"invocationId":"0","target":"UnsubscribeAll","arguments":[]}"#;
        peer.send_text(&format!("{good}{RS}{bad}{RS}{good}{RS}"));
        assert_eq!(peer.record(), r#"{"type":3,"invocationId":"0","result":true}"#, "{bad}");
        assert_eq!(peer.record(), close(MALFORMED), "{bad}");
        peer.assert_closed(1000);
    }
}

#[test]
fn a_message_too_long_ends_the_connection_behind_the_good_ones() {
    let hub = Hub::start();
    let ping = |length: usize| {
        let frame = r#"{"type":6,"filler":""}"#;
        format!(r#"{{"type":6,"filler":"{}"}}"#, "x".repeat(length - frame.len() - 1))
    };
    let good = r#"{"type":1,"invocationId":"0","target":"UnsubscribeAll","arguments":[]}"#;
    let mut peer = hub.client();
    // 131,072 bytes with the separator are the most.
    peer.send_text(&format!("{good}{RS}{}{RS}{good}{RS}{}{RS}{good}{RS}", ping(131_072), ping(131_073)));
    let answer = r#"{"type":3,"invocationId":"0","result":true}"#;
    assert_eq!([peer.record(), peer.record()], [answer, answer]);
    assert_eq!(peer.record(), close("message_too_long: a hub message passed limits.record_bytes_max (131072 bytes)"));
    peer.assert_closed(1000);
    // Nor is a message without an end gathered for ever.
    let mut peer = hub.client();
    peer.send_text(&"x".repeat(80_000));
    peer.send_text(&"x".repeat(80_000));
    assert_eq!(peer.record(), close("message_too_long: a hub message passed limits.record_bytes_max (131072 bytes)"));
    peer.assert_closed(1000);
}

#[test]
fn a_client_that_says_close_is_let_go_without_an_error() {
    let hub = Hub::start();
    for close in [r#"{"type":7}"#, r#"{"type":7,"error":"I am broken","allowReconnect":true}"#] {
        let mut peer = hub.client();
        peer.send(close);
        assert_eq!(peer.record(), r#"{"type":7}"#);
        peer.assert_closed(1000);
    }
}

#[test]
fn the_hub_pings_who_hears_nothing_and_gives_up_who_stops_pinging() {
    let hub =
        Hub::start_with(&["limits.ping_every_ms=100", "limits.client_timeout_ms=300", "limits.since_wait_ms=200"]);
    let mut silent = hub.client();
    let mut pinging = hub.client();
    pinging.send(r#"{"type":6}"#);
    // The one that has pinged once must go on; the one that never did is left alone.
    let last = (0..100).map(|_| pinging.record()).find(|record| record != r#"{"type":6}"#);
    assert_eq!(last, Some(close(SILENT)));
    pinging.assert_closed(1000);
    for _ in 0..3 {
        assert_eq!(silent.record(), r#"{"type":6}"#);
    }
}

#[test]
fn the_array_of_the_references_c_sharp_sample_gets_a_verdict_for_its_null_too() {
    let hub = Hub::start();
    let mut peer = hub.client();
    // `new ClientSubscriptionModel[2]`, whose first item the sample assigns twice.
    let array = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserCallIncoming"}},null]]"#);
    let expected = format!(
        concat!(
            r#"{{"type":3,"invocationId":"i","result":["#,
            r#"{{"subscribed":true,"message":null,"entityId":"{}","eventName":"usercallincoming"}},"#,
            r#"{{"subscribed":false,"message":"Invalid item","entityId":null,"eventName":null}}]}}"#
        ),
        USER
    );
    assert_eq!(peer.invoke("Subscribe", &array), expected);
}

#[test]
fn an_item_is_judged_by_form_event_entity_permission_and_limit_in_this_order() {
    let hub = Hub::start_with(&["limits.subscriptions_max=2"]);
    let mut peer = hub.client();
    let zero = "00000000-0000-4000-8000-000000000001";
    let table = [
        ("{}", "Invalid item", "null", "null"),
        (r#"{"EntityId":null,"EventName":"Nothing"}"#, "Invalid item", "null", r#""nothing""#),
        (r#"{"entityid":"X","EVENTNAME":"Nothing"}"#, "Unknown EventName", r#""x""#, r#""nothing""#),
        (r#"{"EntityId":"X","EventName":"UserStatus"}"#, "Invalid EntityId", r#""x""#, r#""userstatus""#),
        (
            r#"{"EntityId":"{C9EEB030-ff4b-ea11-ac9c-00155d4fdcf3}","EventName":"UserStatus"}"#,
            "Invalid EntityId",
            r#""{c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3}""#,
            r#""userstatus""#,
        ),
        (
            r#"{"EntityId":"00000000-0000-0000-0000-000000000000","EventName":"UserStatus"}"#,
            "Invalid EntityId",
            r#""00000000-0000-0000-0000-000000000000""#,
            r#""userstatus""#,
        ),
    ];
    for (item, message, entity, event) in table {
        let verdict =
            format!(r#"{{"subscribed":false,"message":"{message}","entityId":{entity},"eventName":{event}}}"#);
        let expected = format!(r#"{{"type":3,"invocationId":"i","result":[{verdict}]}}"#);
        assert_eq!(peer.invoke("Subscribe", &format!("[[{item}]]")), expected, "{item}");
    }
    let items = [(USER, "UserStatus"), (USER, "UserAvailability"), (USER, "userstatus"), (zero, "UserStatus")]
        .map(|(entity, event)| format!(r#"{{"EntityId":"{entity}","EventName":"{event}"}}"#));
    let answer = peer.invoke("Subscribe", &format!("[[{}]]", items.join(",")));
    assert_eq!(answer.matches(r#""subscribed":true"#).count(), 3, "{answer}");
    assert!(answer.contains(&format!(r#""message":"Too many subscriptions","entityId":"{zero}""#)), "{answer}");
}

#[test]
fn a_call_of_more_items_than_it_takes_is_refused_as_a_whole_and_the_connection_goes_on() {
    let hub = Hub::start_with(&["limits.subscriptions_max=2"]);
    let mut peer = hub.client();
    let good = format!(r#"{{"EntityId":"{USER}","EventName":"UserStatus"}}"#);
    let items = |more: usize| format!("[[{good}{}]]", ",{}".repeat(more));
    let refused = "HubException: 1001 items were given, one call takes 1000: send portions";
    for method in ["Subscribe", "Unsubscribe"] {
        let answer = peer.invoke(method, &items(1_000));
        assert!(answer.contains(refused) && !answer.contains("result"), "{answer}");
    }
    assert!(peer.invoke("GetActiveSubscriptions", "[]").ends_with(r#""result":[]}"#));
    let answer = peer.invoke("Subscribe", &items(999));
    assert_eq!(answer.matches(r#""subscribed":true"#).count(), 1, "{answer}");
    assert_eq!(answer.matches("Invalid item").count(), 999);
}

#[test]
fn no_answer_repeats_more_of_a_made_up_name_than_128_bytes() {
    let hub = Hub::start();
    let name = "n".repeat(3_000);
    let bearer = format!("Authorization: Bearer {}", hub.publisher_token());
    let publish = |target: &str, kind: &str, body: &str| {
        hub.request(target, &[&bearer, &format!("Content-Type: {kind}")], body).body
    };
    let item = |event: &str, data: &str| format!(r#"{{"eventName":"{event}","data":{{{data}}}}}"#);
    let json = "application/json";
    let mut client = hub.client();
    let mut stranger = hub.websocket("/rte");
    stranger.send(&format!(r#"{{"protocol":"{name}","version":1}}"#));
    let mut old = hub.websocket("/rte");
    old.send(r#"{"protocol":"json","version":9}"#);
    let call = |target: &str, kind: u8| {
        format!(r#"{{"type":{kind},"invocationId":"i","target":"{target}","arguments":[1,2]}}"#)
    };
    client.send(&call(&name, 4));
    let answers = [
        stranger.message(),
        old.message(),
        client.record(),
        client.invoke(&name, "[]"),
        client.invoke("Subscribe", &format!(r#"[[{{"EntityId":"{name}","EventName":"{name}"}}]]"#)),
        client.invoke("Subscribe", &format!(r#"[[{{"EntityId":"{name}","EventName":"UserAlert"}}]]"#)),
        publish("POST /publish", json, &item(&name, "")),
        publish("POST /publish", json, &item("UserAlert", &format!(r#""{name}":1"#))),
        publish("POST /publish", json, &item("UserAlert", &format!(r#""userId":"{name}""#))),
        publish("POST /publish", json, &format!(r#"{{"{name}":1,"{name}":2}}"#)),
        publish("POST /publish", json, &format!(r#"{{"eventName":"UserAlert","entityId":"{name}","data":{{}}}}"#)),
        publish("POST /publish", json, &name),
        publish(&format!("POST /publish?{name}=1"), json, "{}"),
        publish(&format!("POST /publish?validation={name}"), json, "{}"),
        publish("POST /publish", &name, "{}"),
        hub.request(&format!("GET /{name}"), &[], "").body,
        hub.request(&format!("GET /schemas/{name}.json"), &[], "").body,
        hub.request(&format!("{name} /rte"), &[], "").body,
        hub.request("GET /rte", &[&format!("Authorization: {name}")], "").body,
    ];
    for answer in &answers {
        let longest = answer.split(|c| c != 'n').map(str::len).max();
        assert!(!answer.is_empty() && longest <= Some(128 + 2), "{longest:?}: {answer}");
    }
    assert!(answers.iter().any(|answer| answer.contains(&"n".repeat(128))), "names are told all the same");
}
