//! `rte publish` against a hub of a few lines.

use super::*;
use crate::cli::console::tests::console_on_paper;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// A request as a hub sees it.
#[derive(Debug)]
struct Request {
    line: String,
    content_type: String,
    authorization: String,
    body: String,
}

fn read_request(reader: &mut BufReader<std::net::TcpStream>) -> Option<Request> {
    let mut request =
        Request { line: String::new(), content_type: String::new(), authorization: String::new(), body: String::new() };
    if reader.read_line(&mut request.line).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "content-type" => request.content_type = value.to_owned(),
            "authorization" => request.authorization = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

/// Answers the requests of one connection with `answers` in turn, and returns them.
fn hub(answers: Vec<(u16, String)>) -> (SocketAddr, JoinHandle<Vec<Request>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut requests = Vec::new();
        for (status, body) in answers {
            let Some(request) = read_request(&mut reader) else { break };
            requests.push(request);
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
        requests
    });
    (address, thread)
}

fn args(address: SocketAddr, more: &[&str]) -> Args {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let url = format!("http://{address}");
    let line = ["publish", "--url", &url, "--token", "t.o.k"].into_iter().chain(more.iter().copied());
    <Line as clap::Parser>::try_parse_from(line).unwrap().args
}

/// A run that gives no ids and hears no signals.
fn run_of(publisher: Publisher, console: &mut Console, is_dry: bool) -> Run<'_> {
    let (ids, retry, stop, tally) = (None, Retry::new(None, 1), Arc::default(), Tally::default());
    Run { publisher, ids, retry, stop, console, name: "in", tally, is_dry }
}

/// Publishes `text` with the flags `more`; what was printed, what was remarked, how it ended.
fn publish(address: SocketAddr, more: &[&str], text: &str) -> (String, String, Result<(), Failure>) {
    let args = args(address, more);
    let (mut console, results, remarks) = console_on_paper();
    let publisher = Publisher::new(&args.url, Roots::default(), args.credential.read().unwrap(), query(&args));
    let mut run = run_of(publisher, &mut console, args.dry_run);
    let unreadable = |error: io::Error| Failure::Usage(error.to_string());
    // As the program reads it.
    let input = Box::new(io::Cursor::new(text.to_owned()));
    let mut input = Stoppable::new(input, READ_BYTES, &run.stop).unwrap();
    let done = run.input(&mut input, form(&args), &unreadable);
    run.summary();
    (results.text(), remarks.text(), done)
}

fn taken(n: usize) -> (u16, String) {
    (202, format!("{{\"accepted\":{n},\"rejected\":0,\"results\":[]}}"))
}

#[test]
fn rejected_items_are_named_by_line_pointer_rule_and_message() {
    let answer = r#"{"accepted":1,"rejected":2,"results":[{"index":1,"errors":[{"pointer":"/data/openStatus","rule":"values","message":"9 is none of 0..6"},{"pointer":"","rule":"entity-missing","message":"no entity"}]},{"index":2}]}"#;
    let (address, hub) = hub(vec![(207, answer.to_owned())]);
    let (results, remarks, done) = publish(address, &[], "{\"a\":1}\n\n{\"b\":2}\n{\"c\":3}\n");
    assert_eq!(done, Ok(()));
    assert_eq!(
        results,
        "in:3: /data/openStatus: values: 9 is none of 0..6\nin:3: item: entity-missing: no entity\nin:4: item: rejected\n"
    );
    assert_eq!(remarks, "1 taken, 2 rejected, 1 request(s)\n");
    let requests = hub.join().unwrap();
    assert_eq!(requests[0].line, "POST /publish HTTP/1.1\r\n");
    assert_eq!(requests[0].content_type, "application/x-ndjson");
    assert_eq!(requests[0].authorization, "Bearer t.o.k");
    assert_eq!(requests[0].body, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}");
}

#[test]
fn a_pretty_array_goes_as_json_and_a_dry_run_says_so_to_the_hub() {
    let answer = r#"{"accepted":2,"rejected":0,"tolerated":1,"members":5,"results":[]}"#;
    let (address, hub) = hub(vec![(200, answer.to_owned())]);
    let (_, remarks, done) = publish(address, &["--dry-run", "--lenient"], "[\n {\"a\":1},\n {\"b\":2}\n]\n");
    assert_eq!(done, Ok(()));
    assert_eq!(remarks, "2 would be taken, 0 rejected, 1 request(s), 5 members would be reached, 1 faults tolerated\n");
    let requests = hub.join().unwrap();
    assert_eq!(requests[0].line, "POST /publish?dry_run=1&validation=lenient HTTP/1.1\r\n");
    assert_eq!(requests[0].content_type, "application/json");
    assert_eq!(requests[0].body, "[{\"a\":1},{\"b\":2}]");
}

#[test]
fn ten_thousand_items_are_one_request_and_one_more_is_another() {
    let (address, hub) = hub(vec![taken(10_000), taken(1)]);
    let (_, remarks, done) = publish(address, &["--ndjson"], &"1\n".repeat(10_001));
    assert_eq!(done, Ok(()));
    assert_eq!(remarks, "10001 taken, 0 rejected, 2 request(s)\n");
    assert_eq!(hub.join().unwrap()[1].body, "1");
}

/// Gives one piece per read, each only when the one before has been published.
struct Pipe {
    pieces: Vec<&'static str>,
    was_published: mpsc::Receiver<()>,
}

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.pieces.is_empty() {
            return Ok(0);
        }
        let piece = self.pieces.remove(0);
        if piece.starts_with("{\"later\"") {
            self.was_published.recv_timeout(Duration::from_secs(10)).map_err(io::Error::other)?;
        }
        bytes[..piece.len()].copy_from_slice(piece.as_bytes());
        Ok(piece.len())
    }
}

#[test]
fn a_pipe_is_published_as_it_flows() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (published, was_published) = mpsc::channel();
    let hub = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = read_request(&mut reader) {
            let n = request.body.lines().count();
            let (status, body) = taken(n);
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
            let _ = published.send(());
        }
    });
    let args = args(address, &[]);
    let (mut console, _, _) = console_on_paper();
    let publisher = Publisher::new(&args.url, Roots::default(), args.credential.read().unwrap(), None);
    let mut run = run_of(publisher, &mut console, false);
    let mut pipe = Pipe { pieces: vec!["{\"now\":1}\n{\"ha", "lf\":1}\n", "{\"later\":1}\n"], was_published };
    run.input(&mut pipe, None, &|error| Failure::Usage(error.to_string())).unwrap();
    assert_eq!((run.tally.accepted, run.tally.requests), (3, 3));
    drop(run);
    hub.join().unwrap();
}

#[test]
fn each_refusal_has_its_exit_code() {
    for (status, body, code, part) in [
        (401, "", 4, "401"),
        (403, "{\"error\":\"no scope publish\"}", 4, "no scope publish"),
        (413, "too large", 1, "413: too large"),
        (202, "{}", 1, "202"),
        (207, "{\"accepted\":0,\"rejected\":2,\"results\":[]}", 1, "contradicts"),
    ] {
        let (address, hub) = hub(vec![(status, body.to_owned())]);
        let (_, remarks, done) = publish(address, &[], "{\"a\":1}");
        let failure = done.unwrap_err();
        assert_eq!(failure.exit_code(), code, "{failure:?}");
        assert!(failure.sentence().unwrap().contains(part), "{failure:?}");
        assert!(remarks.contains("stopped at in:1"), "{remarks}");
        hub.join().unwrap();
    }
}

#[test]
fn bad_json_is_told_with_its_line_and_nothing_is_sent() {
    // Port 1 of the loopback has no listener: a request would fail with another code.
    let address = "127.0.0.1:1".parse().unwrap();
    let (_, _, done) = publish(address, &["--json"], "[\n{},\n{]");
    let failure = done.unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert!(failure.sentence().unwrap().contains("line 3"), "{failure:?}");
}

#[test]
fn input_without_an_item_is_done_with_no_request() {
    let address = "127.0.0.1:1".parse().unwrap();
    for more in [&[][..], &["--ndjson"], &["--json"]] {
        for text in ["", "\n", " \r\n\n", "\u{feff}"] {
            let (results, remarks, done) = publish(address, more, text);
            let told = (results.as_str(), remarks.as_str(), done);
            assert_eq!(told, ("", "0 taken, 0 rejected, 0 request(s)\n", Ok(())), "{more:?} {text:?}");
        }
    }
}

#[test]
fn flags_and_names_say_the_form() {
    let address = "127.0.0.1:1".parse().unwrap();
    assert_eq!(form(&args(address, &["a.JSONL"])), Some(Form::Ndjson));
    assert_eq!(form(&args(address, &["a.json"])), Some(Form::Json));
    assert_eq!(form(&args(address, &["a.json", "--ndjson"])), Some(Form::Ndjson));
    assert_eq!(form(&args(address, &["a.txt"])), None);
}

#[test]
fn a_line_that_is_no_json_has_the_line_of_the_file_and_no_other() {
    let answer = r#"{"accepted":1,"rejected":1,"results":[{"index":1,"errors":[{"pointer":"","rule":"json","message":"line 2 column 2 is no JSON: key must be a string"}]}]}"#;
    let (address, _thread) = hub(vec![(207, answer.to_owned())]);
    let (results, ..) = publish(address, &["--ndjson"], "{\"a\":1}\n\n\n{b}\n");
    assert_eq!(results, "in:4: item: json: column 2 is no JSON: key must be a string\n");
}

#[test]
fn a_request_that_is_not_answered_is_sent_again_with_its_ids() {
    let answer = r#"{"accepted":2,"rejected":0,"results":[{"index":1,"duplicate":true}]}"#;
    let (address, hub) = hub(vec![(503, "draining".to_owned()), (429, String::new()), (202, answer.to_owned())]);
    let args = args(address, &[]);
    let (mut console, _, remarks) = console_on_paper();
    let publisher = Publisher::new(&args.url, Roots::default(), args.credential.read().unwrap(), None);
    let mut run = Run { ids: Some(Ids::new(1)), ..run_of(publisher, &mut console, false) };
    run.input(&mut "{\"a\":1}\n{\"id\":\"own\"}\n".as_bytes(), None, &|error| Failure::Usage(error.to_string()))
        .unwrap();
    run.summary();
    drop(run);
    let requests = hub.join().unwrap();
    assert_eq!(requests[0].body, "{\"id\":\"0000000000000001-1\",\"a\":1}\n{\"id\":\"own\"}");
    assert!(requests.len() == 3 && requests.iter().all(|request| request.body == requests[0].body));
    let remarks = remarks.text();
    assert_eq!(remarks.matches("trying again in 0.").count(), 2, "{remarks}");
    assert!(remarks.contains("503: draining"), "{remarks}");
    assert!(
        remarks.ends_with("2 taken, 0 rejected, 1 request(s), 1 had been taken before, 2 further tries\n"),
        "{remarks}"
    );
}

#[test]
fn a_token_that_is_refused_is_read_again_once() {
    let path = std::env::temp_dir().join(format!("rte-publish-token-{}", std::process::id()));
    for (fresh, answers, expected) in [
        ("new.to.ken", vec![(401, String::new()), taken(1)], Ok(())),
        ("new.to.ken", vec![(401, String::new()), (401, String::new())], Err(4)),
        ("old.to.ken", vec![(401, String::new())], Err(4)),
    ] {
        let (address, hub) = hub(answers);
        std::fs::write(&path, "old.to.ken").unwrap();
        let credential = Credential { token: None, token_file: Some(path.clone()) };
        let url = args(address, &[]).url;
        let publisher = Publisher::new(&url, Roots::default(), credential.read().unwrap(), None).reading(credential);
        std::fs::write(&path, fresh).unwrap();
        let (mut console, ..) = console_on_paper();
        let mut run = run_of(publisher, &mut console, false);
        let done = run.input(&mut "{}".as_bytes(), None, &|error| Failure::Usage(error.to_string()));
        drop(run);
        assert_eq!(done.map_err(|failure| failure.exit_code()), expected);
        let requests = hub.join().unwrap();
        let bearer = |text: &str| format!("Bearer {text}");
        assert_eq!(requests[0].authorization, bearer("old.to.ken"));
        assert!(requests.iter().skip(1).all(|request| request.authorization == bearer("new.to.ken")));
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_signal_ends_the_tries_after_one_more_and_a_line_that_is_cut_is_not_sent() {
    let unavailable = || (503, String::new());
    let (address, hub) = hub(vec![unavailable(), unavailable()]);
    let args = args(address, &[]);
    let (mut console, _, remarks) = console_on_paper();
    let publisher = Publisher::new(&args.url, Roots::default(), args.credential.read().unwrap(), None);
    let mut run = run_of(publisher, &mut console, false);
    run.stop.set();
    let done = run.input(&mut "{\"a\":1}\n{\"cut\":".as_bytes(), None, &|error| Failure::Usage(error.to_string()));
    run.summary();
    drop(run);
    assert_eq!(done.unwrap_err().exit_code(), 3);
    let requests = hub.join().unwrap();
    assert_eq!(requests.iter().map(|request| request.body.as_str()).collect::<Vec<_>>(), ["{\"a\":1}"; 2]);
    assert!(remarks.text().contains("stopped at in:1"));
}
