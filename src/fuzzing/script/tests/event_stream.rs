//! A link that carries a connection as an event stream.

use super::Stage;
use crate::limits::Limits;
use crate::wire::Cut;

/// `a` has a stream; `c` has negotiated, and sends.
fn begun() -> Stage {
    let mut stage = Stage::new(Limits::DEFAULT);
    stage.ask('c', "POST /rte/negotiate?negotiateVersion=1", "", "");
    stage.ask('a', "GET /rte?id={id}", "Accept: text/event-stream\r\n", "");
    let head = stage.take('a');
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n:\r\n"), "{head:?}");
    stage
}

fn says(stage: &mut Stage, record: &str) {
    stage.ask('c', "POST /rte?id={id}", "", &format!("{record}\u{1e}"));
}

fn open() -> Stage {
    let mut stage = begun();
    says(&mut stage, "{\"protocol\":\"json\",\"version\":1}");
    assert_eq!(stage.take('a'), "data: {}\u{1e}\r\n\r\n");
    stage
}

/// Its peer reads the end, and ends, too.
fn is_ended(mut stage: Stage) {
    stage.run("ea");
    assert_eq!((stage.take('a').as_str(), stage.closed('a')), ("", Some(Cut::Graceful)));
}

#[test]
fn answers_and_pings_are_events_of_their_own() {
    let mut stage = open();
    says(&mut stage, r#"{"type":1,"invocationId":"1","target":"UnsubscribeAll","arguments":[]}"#);
    assert_eq!(stage.take('a'), "data: {\"type\":3,\"invocationId\":\"1\",\"result\":true}\u{1e}\r\n\r\n");
    stage.pass(Limits::DEFAULT.ping_every_ms);
    assert_eq!(stage.take('a'), "data: {\"type\":6}\u{1e}\r\n\r\n");
}

#[test]
fn what_comes_behind_its_request_is_nobodys() {
    let mut stage = open();
    stage.ask('a', "GET /healthz", "", "");
    assert_eq!((stage.take('a').as_str(), stage.closed('a')), ("", None));
}

#[test]
fn it_ends_behind_the_last_word_of_its_connection() {
    let mut stage = open();
    says(&mut stage, "{\"type\":7}");
    assert_eq!(stage.take('a'), "data: {\"type\":7}\u{1e}\r\n\r\n");
    is_ended(stage);
    let mut stage = begun();
    says(&mut stage, "{\"protocol\":\"messagepack\",\"version\":1}");
    assert!(stage.take('a').starts_with("data: {\"error\":\"Cannot use the 'messagepack' protocol on the current"));
    is_ended(stage);
}

#[test]
fn its_connection_ends_with_its_socket() {
    for gone in ["ea", "fa"] {
        let mut stage = open();
        stage.run(gone);
        assert!(stage.closed('a').is_some(), "{gone}");
        stage.ask('b', "POST /rte?id={id}", "", "{\"type\":6}\u{1e}");
        assert!(stage.take('b').starts_with("HTTP/1.1 404 "), "{gone}");
    }
}

#[test]
fn a_second_one_is_refused_while_it_is_there() {
    let mut stage = open();
    stage.ask('b', "GET /rte?id={id}", "Accept: text/event-stream\r\n", "");
    assert!(stage.take('b').starts_with("HTTP/1.1 409 "));
    stage.ask('b', "GET /rte?id={id}", "", "");
    assert!(stage.take('b').starts_with("HTTP/1.1 400 "), "nor can a poll take its place");
    assert_eq!(stage.closed('a'), None);
}
