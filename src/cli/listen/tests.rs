//! `rte listen` against a hub of a few lines, on real sockets.

use super::*;
use crate::cli::console::tests::console_on_paper;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use tungstenite::Message;

const GUID: &str = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";

fn args(address: &str, more: &[&str]) -> Args {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let url = format!("ws://{address}");
    let line = ["listen", "--url", &url, "--token", "t.o.k"].into_iter().chain(more.iter().copied());
    <Line as clap::Parser>::try_parse_from(line).unwrap().args
}

#[test]
fn an_event_of_no_such_name_is_told_the_nearest() {
    let near = |event| nearest_to(event, "Unknown EventName");
    assert_eq!(near("UserStaus").as_deref(), Some("; did you mean UserStatus?"));
    assert_eq!((near("zzz"), nearest_to("UserStaus", "Unauthorized")), (None, None));
}

/// Reads a request head, which has no body here, and returns it.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Answers one negotiation.
fn negotiate(listener: &TcpListener) -> String {
    let mut stream = listener.accept().unwrap().0;
    let head = head(&mut stream);
    let body = r#"{"negotiateVersion":1,"connectionId":"i","connectionToken":"tok-1","availableTransports":[{"transport":"WebSockets","transferFormats":["Text"]}]}"#;
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    head
}

/// Accepts one WebSocket, with its token checked, up to the handshake's answer.
fn accept(listener: &TcpListener) -> WebSocket<TcpStream> {
    use tungstenite::handshake::server::{ErrorResponse, Request, Response};
    let stream = listener.accept().unwrap().0;
    #[expect(clippy::result_large_err, reason = "tungstenite's callback has this form")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        assert_eq!(request.uri().to_string(), "/rte?id=tok-1");
        assert_eq!(request.headers()["authorization"], "Bearer t.o.k");
        Ok(response)
    };
    let mut socket = tungstenite::accept_hdr(stream, check).unwrap();
    assert_eq!(next(&mut socket), session::HELLO);
    socket.send(Message::text("{}\u{1e}")).unwrap();
    assert_eq!(next(&mut socket), session::PING);
    socket
}

fn next(socket: &mut WebSocket<TcpStream>) -> String {
    socket.read().unwrap().into_text().unwrap().as_str().to_owned()
}

fn verdicts(told: &[(bool, &str)]) -> Message {
    let verdicts: Vec<String> = told
        .iter()
        .map(|(subscribed, name)| {
            let message = if *subscribed { "null" } else { "\"Unauthorized\"" };
            format!(
                "{{\"subscribed\":{subscribed},\"message\":{message},\"entityId\":\"{GUID}\",\"eventName\":\"{name}\"}}"
            )
        })
        .collect();
    Message::text(format!("{{\"type\":3,\"invocationId\":\"1\",\"result\":[{}]}}\u{1e}", verdicts.join(",")))
}

fn event(n: u32) -> Message {
    Message::text(format!(
        "{{\"type\":1,\"target\":\"MessageReceived\",\"arguments\":[{{\"subscription\":{{\"entityId\":\"{GUID}\",\
         \"eventName\":\"queuestatus\"}},\"data\":{{\"n\":{n}}}}}]}}\u{1e}"
    ))
}

/// Starts a hub with the conversations of `script` in a thread of its own.
fn hub(script: impl FnOnce(&TcpListener) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, std::thread::spawn(move || script(&listener)))
}

/// Listens; what was printed, what was remarked, how it ended. A listener that would go on for ever
/// fails its test instead.
fn listen(address: &str, more: &[&str]) -> (String, String, Result<(), Failure>) {
    let (mut console, results, remarks) = console_on_paper();
    let guard: &[&str] = if more.contains(&"--timeout") { &[] } else { &["--timeout", "20"] };
    let more = &[more, guard].concat();
    let done = run(&args(address, more), &mut console);
    console.flush().unwrap();
    (results.text(), remarks.text(), done)
}

#[test]
fn it_subscribes_prints_counts_and_says_goodbye() {
    let (address, hub) = hub(|listener| {
        let head = negotiate(listener);
        assert!(head.starts_with("POST /rte/negotiate?negotiateVersion=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("authorization: bearer t.o.k"), "{head}");
        let mut socket = accept(listener);
        assert!(
            next(&mut socket)
                .contains(&format!("{{\"EntityId\":\"{GUID}\",\"EventName\":\"QueueStatus\",\"Since\":null}}"))
        );
        socket.send(verdicts(&[(true, "queuestatus")])).unwrap();
        socket.send(Message::Ping("are you there".into())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong("are you there".into()));
        socket.send(event(1)).unwrap();
        socket.send(event(2)).unwrap();
        assert_eq!(next(&mut socket), session::CLOSE);
        assert!(matches!(socket.read().unwrap(), Message::Close(_)));
    });
    let (results, remarks, done) = listen(&address, &[&format!("{GUID}:QueueStatus"), "--count", "2"]);
    hub.join().unwrap();
    assert_eq!(done, Ok(()));
    let subscription = format!("{{\"subscription\":{{\"entityId\":\"{GUID}\",\"eventName\":\"queuestatus\"}}");
    assert_eq!(results, format!("{subscription},\"data\":{{\"n\":1}}}}\n{subscription},\"data\":{{\"n\":2}}}}\n"));
    assert_eq!(remarks, format!("connected to {address}\nsubscribed  queuestatus  {GUID}\n"));
}

#[test]
fn after_a_loss_it_comes_back_and_subscribes_again() {
    let (address, hub) = hub(|listener| {
        negotiate(listener);
        let mut socket = accept(listener);
        next(&mut socket);
        socket.send(verdicts(&[(true, "queuestatus")])).unwrap();
        socket.send(event(1)).unwrap();
        socket.send(Message::text("{\"type\":7,\"allowReconnect\":true}\u{1e}")).unwrap();
        let _ = socket.read();
        drop(socket);
        negotiate(listener);
        let mut socket = accept(listener);
        assert!(next(&mut socket).contains("\"Subscribe\""));
        socket.send(verdicts(&[(true, "queuestatus")])).unwrap();
        socket.send(event(2)).unwrap();
        let _ = socket.read();
    });
    let (results, remarks, done) =
        listen(&address, &["--text", "--count", "2", "--subscribe", &format!("{GUID}/QueueStatus")]);
    hub.join().unwrap();
    assert_eq!(done, Ok(()));
    assert_eq!(results, format!("queuestatus  {GUID}  n=1\nqueuestatus  {GUID}  n=2\n"));
    assert_eq!(remarks.matches("coming back").count(), 1, "{remarks}");
}

#[test]
fn after_a_loss_it_goes_on_behind_the_last_event_that_it_has_printed() {
    goes_on_after_a_loss(GUID);
}

#[test]
fn after_a_loss_it_goes_on_behind_the_last_event_of_every_entity() {
    goes_on_after_a_loss("*");
}

/// Subscribes to an entity, GUID or `*`; the events are of GUID.
fn goes_on_after_a_loss(entity: &'static str) {
    let with = |message: Message, from: &str, to: &str| Message::text(message.into_text().unwrap().replace(from, to));
    let verdict = move |more: &str| {
        let verdict = with(verdicts(&[(true, "queuestatus")]), GUID, entity);
        with(verdict, "}]}", &format!("{more}}}]}}"))
    };
    let at = move |n: u32, position: &str| with(event(n), "}]}", &format!(",\"position\":\"{position}\"}}]}}"));
    let (address, hub) = hub(move |listener| {
        negotiate(listener);
        let mut socket = accept(listener);
        assert!(next(&mut socket).contains("\"Since\":\"-30s\""));
        socket.send(verdict(",\"position\":\"p0\",\"recovered\":false,\"replayed\":0")).unwrap();
        socket.send(at(1, "p1")).unwrap();
        drop(socket);
        negotiate(listener);
        let mut socket = accept(listener);
        assert!(next(&mut socket).contains("\"Since\":\"p1\""));
        socket.send(verdict(",\"position\":\"p1\",\"recovered\":true,\"replayed\":1")).unwrap();
        socket.send(at(2, "p2")).unwrap();
        let _ = socket.read();
    });
    let (results, remarks, done) =
        listen(&address, &[&format!("{entity}:QueueStatus"), "--count", "2", "--since", "-30s"]);
    hub.join().unwrap();
    assert_eq!(done, Ok(()));
    assert!(results.contains("\"data\":{\"n\":2},\"position\":\"p2\""), "{results}");
    assert!(
        remarks.contains("NOT RECOVERED, 0 of what was missed") && remarks.contains("recovered, 1 missed"),
        "{remarks}"
    );
}

#[test]
fn a_place_to_begin_at_is_checked_before_anything_is_connected() {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        _args: Args,
    }
    let parse = |text: &str| <Line as clap::Parser>::try_parse_from(["listen", "x:y", "--since", text]).is_ok();
    for (text, is_good) in [
        ("-30s", true),
        ("-1h", true),
        ("null", true),
        ("01k3fm8q7e00a501k3fm8q7e01g", true),
        ("30", false),
        ("", false),
    ] {
        assert_eq!(parse(text), is_good, "{text}");
    }
}

#[test]
fn a_close_without_leave_to_come_back_is_the_end() {
    let (address, hub) = hub(|listener| {
        negotiate(listener);
        let mut socket = accept(listener);
        next(&mut socket);
        socket.send(verdicts(&[(true, "queuestatus")])).unwrap();
        socket.send(Message::text("{\"type\":7,\"error\":\"Go away.\"}\u{1e}")).unwrap();
        let _ = socket.read();
    });
    let (_, _, done) = listen(&address, &[&format!("{GUID}:QueueStatus")]);
    hub.join().unwrap();
    assert_eq!(done, Err(Failure::Connection("the hub says: Go away.".to_owned())));
}

#[test]
fn refusals_decide_the_exit_code() {
    for (told, events, expected) in [
        (vec![(false, "queuestatus")], 0, "every subscription was refused"),
        (vec![(true, "queuestatus"), (false, "useralert")], 1, "1 subscription(s) refused"),
    ] {
        let topics: Vec<String> = told.iter().map(|(_, name)| format!("{GUID}:{name}")).collect();
        let (address, hub) = hub(move |listener| {
            negotiate(listener);
            let mut socket = accept(listener);
            next(&mut socket);
            socket.send(verdicts(&told)).unwrap();
            for n in 0..events {
                socket.send(event(n)).unwrap();
            }
            let _ = socket.read();
        });
        let more: Vec<&str> = topics.iter().map(String::as_str).chain(["--count", "1"]).collect();
        let (_, remarks, done) = listen(&address, &more);
        hub.join().unwrap();
        assert_eq!(done, Err(Failure::Refused(expected.to_owned())));
        assert!(remarks.contains(": Unauthorized"), "{remarks}");
    }
}

#[test]
fn time_that_runs_out_is_a_failure_only_if_events_were_to_be_counted() {
    for (more, expected) in [
        (vec!["--timeout", "1"], Ok(())),
        (vec!["--timeout", "1", "--count", "3"], Err(Failure::TimedOut("heard 0 of 3 events in time".to_owned()))),
    ] {
        let (address, hub) = hub(|listener| {
            negotiate(listener);
            let mut socket = accept(listener);
            // Its time may be over before it has subscribed, if not before it is accepted.
            let _ = socket.read();
            let _ = socket.send(verdicts(&[(true, "queuestatus")]));
            while socket.read().is_ok() {}
        });
        let topic = format!("{GUID}:QueueStatus");
        let (_, _, done) = listen(&address, &[vec![topic.as_str()], more].concat());
        hub.join().unwrap();
        assert_eq!(done, expected);
    }
}

#[test]
fn a_refused_token_and_an_absent_hub_have_their_exit_codes() {
    let (address, hub) = hub(|listener| {
        let mut stream = listener.accept().unwrap().0;
        head(&mut stream);
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    });
    let (_, _, done) = listen(&address, &[GUID]);
    hub.join().unwrap();
    assert_eq!(done.unwrap_err().exit_code(), 4);
    // Port 1 of the loopback has no listener on any machine that runs tests.
    assert_eq!(listen("127.0.0.1:1", &[GUID]).2.unwrap_err().exit_code(), 3);
}

#[test]
fn topics_are_written_in_three_ways() {
    let interest = |entity: &str, event: &str| Interest { entity: entity.to_owned(), event: event.to_owned() };
    let of = |more: &[&str]| interests(&args("h", more));
    assert_eq!(of(&["e:A,B", "f"]).unwrap(), [interest("e", "A"), interest("e", "B"), interest("f", "*")]);
    assert_eq!(
        of(&["--all", "A,Q*", "e", "f:B"]).unwrap(),
        [interest("e", "A"), interest("e", "Q*"), interest("f", "B")]
    );
    assert_eq!(of(&["--subscribe", "e/A", "--subscribe", "f/B"]).unwrap(), [interest("e", "A"), interest("f", "B")]);
    for wrong in [vec!["e:"], vec![":A"], vec!["e:A,,B"], vec!["--subscribe", "e"]] {
        assert_eq!(of(&wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
    }
}

#[test]
fn reconnects_wait_longer_each_time_and_never_all_in_the_same_instant() {
    let mut random = Random::new(1);
    for (losses, low_ms, high_ms) in
        [(0, 0, 500), (1, 2_000, 2_500), (2, 10_000, 12_500), (3, 30_000, 37_500), (9, 30_000, 37_500)]
    {
        let waits: Vec<Duration> = (0..20).map(|_| backoff(losses, &mut random)).collect();
        assert!(waits.iter().all(|wait| (low_ms..=high_ms).contains(&wait.as_millis())), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
