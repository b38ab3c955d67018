//! A hub that is killed and started again in the midst of `rte publish`: nothing is lost, and at
//! most one request comes twice for each kill; none does where the hub has a journal in files.

use crate::support::{Folder, Hub, ORGANIZATION, free_port, rte};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

const QUEUE: &str = "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11";
const LINES: usize = 10_000;
const KILLS: usize = 6;
/// As far back as the hub knows.
const BEGINNING: &str = "-5m";
/// How long anything may take before the test is given up.
const PATIENCE: Duration = Duration::from_secs(60);

fn line(n: usize) -> String {
    format!(
        "{{\"eventName\":\"QueueCallInArrived\",\"data\":{{\"callerNumber\":\"+358401234501\",\"callId\":\"{QUEUE}\",\
         \"legId\":\"81f6b2c47d0e9a35\",\"organizationId\":\"{ORGANIZATION}\",\"queueId\":\"{QUEUE}\",\"queueName\":\"{n}\",\
         \"queueNumber\":\"+358942450100\",\"targetNumber\":\"+358942450100\"}}}}\n"
    )
}

/// Hears all that a hub has delivered since then, each once, until the hub is gone; the newest
/// position.
fn hear(hub: &Hub, since: String, heard: mpsc::Sender<usize>) -> JoinHandle<String> {
    let mut peer = hub.client();
    let item = format!(r#"[[{{"EntityId":"{QUEUE}","EventName":"QueueCallInArrived","Since":"{since}"}}]]"#);
    let verdict = peer.invoke("Subscribe", &item);
    assert!(verdict.contains("\"subscribed\":true"), "{verdict}");
    assert!(since == BEGINNING || verdict.contains("\"recovered\":true"), "{verdict}");
    std::thread::spawn(move || {
        let text = |rest: &str| rest.split('"').next().unwrap().to_owned();
        let mut newest = since;
        while let Some(record) = peer.try_record() {
            if let Some((_, rest)) = record.split_once("\"queueName\":\"") {
                let _ = heard.send(text(rest).parse().unwrap());
                newest = text(record.split_once("\"position\":\"").unwrap().1);
            }
        }
        newest
    })
}

fn publisher(hub: &Hub, address: &str, folder: &Folder, lines: usize) -> (Child, JoinHandle<()>) {
    folder.write("token", &hub.publisher_token());
    let mut child = rte()
        .args([
            "publish",
            "--ndjson",
            "--url",
            &format!("http://{address}"),
            "--token-file",
            &folder.file("token"),
            "-",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || (0..lines).for_each(|n| input.write_all(line(n).as_bytes()).unwrap()));
    (child, writer)
}

/// Publishes so many lines through a hub with these settings, which is killed again and again; how
/// often each was heard. With a journal, whoever hears them goes on from where it was.
fn publish_through_kills(lines: usize, journal: &[String]) -> BTreeMap<usize, usize> {
    let address = format!("127.0.0.1:{}", free_port());
    let listen = format!("server.listen={address}");
    let own = [listen.as_str(), "server.threads=1", "limits.replay_items_max=20000"];
    let settings: Vec<&str> = own.into_iter().chain(journal.iter().map(String::as_str)).collect();
    let (sender, heard) = mpsc::channel();
    let mut hub = Hub::start_with(&settings);
    let mut ear = hear(&hub, BEGINNING.to_owned(), sender.clone());
    // It is there as long as the token may be read again.
    let folder = Folder::new("killed", &[]);
    let (mut child, writer) = publisher(&hub, &address, &folder, lines);
    let mut seen = BTreeMap::<usize, usize>::new();
    let take = |seen: &mut BTreeMap<usize, usize>| {
        let n = heard.recv_timeout(PATIENCE).expect("lines go on");
        *seen.entry(n).or_default() += 1;
    };
    for kill in 1..=KILLS {
        // Wherever the publisher is by then.
        while seen.len() < kill * lines / (KILLS + 2) + kill * kill * lines / 270 {
            take(&mut seen);
        }
        drop(hub);
        let newest = ear.join().unwrap();
        hub = Hub::start_with(&settings);
        ear = hear(&hub, if journal.is_empty() { BEGINNING.to_owned() } else { newest }, sender.clone());
    }
    while seen.len() < lines {
        take(&mut seen);
    }
    writer.join().unwrap();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(child.wait().unwrap().success(), "{told}");
    assert!(told.contains(&format!("{lines} taken, 0 rejected")), "{told}");
    drop(hub);
    ear.join().unwrap();
    drop(sender);
    heard.iter().for_each(|n| *seen.entry(n).or_default() += 1);
    seen
}

#[test]
fn a_hub_that_is_killed_while_lines_are_published_loses_none_and_doubles_one_request_at_most() {
    let seen = publish_through_kills(LINES, &[]);
    let twice: Vec<usize> = seen.iter().filter(|(_, times)| **times > 1).map(|(n, _)| *n).collect();
    assert!(seen.values().all(|times| *times <= 2), "{seen:?}");
    // A request is a stretch of lines.
    let stretches = twice.iter().filter(|n| !twice.contains(&n.wrapping_sub(1))).count();
    assert!(stretches <= KILLS, "{stretches} requests came twice: {twice:?}");
}

#[test]
fn a_hub_with_a_journal_in_files_that_is_killed_while_lines_are_published_delivers_each_exactly_once() {
    let lines = std::env::var("RTE_LINES").map_or(2_000, |lines| lines.parse().unwrap());
    let folder = Folder::new("killed-journal", &[("journal/.keep", "")]);
    let seen = publish_through_kills(lines, &folder.journal());
    assert_eq!(seen.len(), lines);
    let others: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).collect();
    assert!(others.is_empty(), "not once: {others:?}");
}
