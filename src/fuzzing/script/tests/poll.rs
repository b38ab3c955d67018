//! A link whose request is a poll that waits.

use super::Stage;
use crate::limits::Limits;

const CALL: &str = r#"P{"eventName":"QueueCallInArrived","data":{"callId":"c34d0bff-9015-4280-a099-ec6cd7363ca5","callerNumber":"+441632960101","legId":"491718de357e3da8","organizationId":"0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59","queueId":"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3","queueName":"Support","queueNumber":"+441632960200","targetNumber":"+441632960200"}}"#;
const HELLO: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
const SUBSCRIBE: &str = "{\"type\":1,\"target\":\"Subscribe\",\"arguments\":[[{\"EntityId\":\
                         \"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3\",\"EventName\":\"QueueCallInArrived\"}]]}\u{1e}";

fn poll(stage: &mut Stage, letter: char) {
    stage.ask(letter, "GET /rte?id={id}", "", "");
}

/// `a` polls, has nothing to hear, and waits; `c` has negotiated, and sends.
fn waiting() -> Stage {
    let mut stage = Stage::new(Limits::DEFAULT);
    stage.ask('c', "POST /rte/negotiate?negotiateVersion=1", "", "");
    poll(&mut stage, 'a');
    assert!(stage.take('a').ends_with("\r\n\r\n"), "the first poll is answered at once");
    stage.ask('c', "POST /rte?id={id}", "", &format!("{HELLO}{SUBSCRIBE}"));
    poll(&mut stage, 'a');
    assert!(stage.take('a').ends_with("\r\n\r\n{}\u{1e}"));
    poll(&mut stage, 'a');
    assert_eq!(stage.take('a'), "", "it waits");
    stage
}

fn is_call(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ") && answer.matches("MessageReceived").count() == 1
}

#[test]
fn it_is_answered_once_there_is_something_to_say() {
    let mut stage = waiting();
    stage.run(CALL);
    assert!(is_call(&stage.take('a')));
    stage.run(CALL);
    assert_eq!(stage.take('a'), "", "no poll waits for it");
    poll(&mut stage, 'a');
    assert!(is_call(&stage.take('a')));
}

#[test]
fn it_is_answered_in_vain_after_poll_ms_and_its_link_goes_on() {
    let mut stage = waiting();
    stage.pass(Limits::DEFAULT.poll_ms - 1);
    assert_eq!(stage.take('a'), "");
    stage.pass(1);
    let answer = stage.take('a');
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nContent-Length: 0\r\n"), "{answer}");
    poll(&mut stage, 'a');
    stage.run(CALL);
    assert!(is_call(&stage.take('a')));
}

#[test]
fn another_one_takes_its_place_and_its_link_goes_on() {
    let mut stage = waiting();
    poll(&mut stage, 'b');
    assert!(stage.take('a').starts_with("HTTP/1.1 204 "));
    assert_eq!(stage.take('b'), "");
    stage.run(CALL);
    assert!(is_call(&stage.take('b')));
    poll(&mut stage, 'a');
    stage.run(CALL);
    assert!(is_call(&stage.take('a')));
}

#[test]
fn requests_behind_it_are_answered_behind_it() {
    let mut stage = waiting();
    stage.ask('a', "GET /healthz", "", "");
    assert_eq!(stage.take('a'), "", "it waits for the poll");
    stage.run(CALL);
    let answers = stage.take('a');
    let (first, second) = answers.rsplit_once("HTTP/1.1 ").unwrap();
    assert!(is_call(first) && second.starts_with("200 ") && second.ends_with("ok\n"), "{answers}");
}

#[test]
fn what_comes_when_its_socket_is_gone_waits_for_the_next_one() {
    for gone in ["ea", "fa"] {
        let mut stage = waiting();
        stage.run(gone);
        assert!(stage.closed('a').is_some(), "{gone}");
        stage.run(CALL);
        poll(&mut stage, 'b');
        assert!(is_call(&stage.take('b')), "{gone}");
    }
}

#[test]
fn its_connection_is_over_where_no_other_one_comes_within_disconnect_ms() {
    let mut stage = waiting();
    stage.run("ea");
    stage.pass(Limits::DEFAULT.disconnect_ms - 1);
    stage.ask('b', "POST /rte?id={id}", "", "{\"type\":6}\u{1e}");
    assert!(stage.take('b').starts_with("HTTP/1.1 200 "));
    stage.pass(1);
    poll(&mut stage, 'b');
    assert!(stage.take('b').starts_with("HTTP/1.1 404 "));
}

#[test]
fn it_ends_with_204_where_its_connection_is_ended_by_another_request() {
    let mut stage = waiting();
    stage.ask('b', "DELETE /rte?id={id}", "", "");
    assert!(stage.take('b').starts_with("HTTP/1.1 202 "));
    assert!(stage.take('a').starts_with("HTTP/1.1 204 "));
    poll(&mut stage, 'a');
    assert!(stage.take('a').starts_with("HTTP/1.1 404 "));
}

#[test]
fn it_brings_the_last_word_before_it_ends() {
    let mut stage = waiting();
    stage.ask('b', "POST /rte?id={id}", "", "no JSON\u{1e}");
    let answer = stage.take('a');
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("{\"type\":7,"), "{answer}");
    poll(&mut stage, 'a');
    assert!(stage.take('a').starts_with("HTTP/1.1 204 "));
}
