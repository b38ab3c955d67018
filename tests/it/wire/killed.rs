//! A hub that is killed and started again in the midst of `rte publish`: nothing is lost, and at
//! most one request comes twice for each kill.

use crate::support::{Folder, Hub, ORGANIZATION, rte};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

const QUEUE: &str = "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11";
const LINES: usize = 10_000;
const KILLS: usize = 6;
/// How long anything may take before the test is given up.
const PATIENCE: Duration = Duration::from_secs(60);

fn line(n: usize) -> String {
    format!(
        "{{\"eventName\":\"QueueCallInArrived\",\"data\":{{\"callerNumber\":\"+358401234501\",\"callId\":\"{QUEUE}\",\
         \"legId\":\"81f6b2c47d0e9a35\",\"organizationId\":\"{ORGANIZATION}\",\"queueId\":\"{QUEUE}\",\"queueName\":\"{n}\",\
         \"queueNumber\":\"+358942450100\",\"targetNumber\":\"+358942450100\"}}}}\n"
    )
}

/// Hears all that a hub has delivered since it began, each once, until the hub is gone.
fn hear(hub: &Hub, heard: mpsc::Sender<usize>) -> JoinHandle<()> {
    let mut peer = hub.client();
    let item = format!(r#"[[{{"EntityId":"{QUEUE}","EventName":"QueueCallInArrived","Since":"-5m"}}]]"#);
    assert!(peer.invoke("Subscribe", &item).contains("\"subscribed\":true"));
    std::thread::spawn(move || {
        while let Some(record) = peer.try_record() {
            if let Some((_, rest)) = record.split_once("\"queueName\":\"") {
                let _ = heard.send(rest.split('"').next().unwrap().parse().unwrap());
            }
        }
    })
}

fn publisher(hub: &Hub, address: &str, folder: &Folder) -> (Child, JoinHandle<()>) {
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
    let writer = std::thread::spawn(move || (0..LINES).for_each(|n| input.write_all(line(n).as_bytes()).unwrap()));
    (child, writer)
}

#[test]
fn a_hub_that_is_killed_while_lines_are_published_loses_none_and_doubles_one_request_at_most() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let listen = format!("server.listen={address}");
    let settings = [listen.as_str(), "server.threads=1", "limits.replay_items_max=20000"];
    let (sender, heard) = mpsc::channel();
    let mut hub = Hub::start_with(&settings);
    let mut ear = hear(&hub, sender.clone());
    // It is there as long as the token may be read again.
    let folder = Folder::new("killed", &[]);
    let (mut child, writer) = publisher(&hub, &address, &folder);
    let mut seen = BTreeMap::<usize, usize>::new();
    let take = |seen: &mut BTreeMap<usize, usize>| {
        let n = heard.recv_timeout(PATIENCE).expect("lines go on");
        *seen.entry(n).or_default() += 1;
    };
    for kill in 1..=KILLS {
        // Wherever the publisher is by then.
        while seen.len() < kill * LINES / (KILLS + 2) + kill * kill * 37 {
            take(&mut seen);
        }
        drop(hub);
        ear.join().unwrap();
        hub = Hub::start_with(&settings);
        ear = hear(&hub, sender.clone());
    }
    while seen.len() < LINES {
        take(&mut seen);
    }
    writer.join().unwrap();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(child.wait().unwrap().success(), "{told}");
    assert!(told.contains(&format!("{LINES} taken, 0 rejected")), "{told}");
    drop(hub);
    ear.join().unwrap();
    drop(sender);
    heard.iter().for_each(|n| *seen.entry(n).or_default() += 1);
    let twice: Vec<usize> = seen.iter().filter(|(_, times)| **times > 1).map(|(n, _)| *n).collect();
    assert!(seen.values().all(|times| *times <= 2), "{seen:?}");
    // A request is a stretch of lines.
    let stretches = twice.iter().filter(|n| !twice.contains(&n.wrapping_sub(1))).count();
    assert!(stretches <= KILLS, "{stretches} requests came twice: {twice:?}");
}
