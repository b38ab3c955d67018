//! A journal in files: what was accepted outlives the process.

use crate::support::{Folder, Hub, Peer, USER, request, serve};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

const QUEUE: &str = "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11";

/// A folder for a journal.
fn folder(name: &str) -> Folder {
    Folder::new(&format!("journal-{name}"), &[("journal/.keep", "")])
}

/// The settings of a hub whose journal is there, and these.
fn settings(folder: &Folder, more: &[&str]) -> Vec<String> {
    folder.journal().into_iter().chain(more.iter().map(|setting| (*setting).to_owned())).collect()
}

fn start(folder: &Folder, more: &[&str]) -> Hub {
    let settings = settings(folder, more);
    Hub::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>())
}

fn segments(folder: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.file("journal")).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    segments.sort();
    segments
}

/// An occurrence of the queue with that mark.
fn call(organization: &str, mark: &str) -> Value {
    json!({ "eventName": "QueueCallInArrived", "data": {
        "callerNumber": "+358401234501", "callId": QUEUE, "legId": "81f6b2c47d0e9a35",
        "organizationId": organization, "queueId": QUEUE, "queueName": mark,
        "queueNumber": "+358942450100", "targetNumber": "+358942450100",
    }})
}

/// A state of the user with that mark.
fn availability(organization: &str, mark: &str) -> Value {
    json!({ "eventName": "UserAvailability", "data": {
        "availability": "Busy", "endTime": "9999-12-31T23:59:59.9999999", "eventSource": "User", "note": mark,
        "organizationId": organization, "profileId": USER, "startTime": "2024-05-31T14:02:11Z",
        "userId": USER, "userName": "anna",
    }})
}

/// Publishes, as nobody of an organization; the position.
fn publish(hub: &Hub, item: &Value) -> String {
    let token = hub.token(json!({ "sub": null, "org": null, "scope": "publish" }));
    let headers = [&*format!("Authorization: Bearer {token}"), "Content-Type: application/json"];
    let reply = hub.request("POST /publish", &headers, &item.to_string());
    assert_eq!(reply.status, 202, "{reply:?}");
    reply.header("rte-position").unwrap().to_owned()
}

fn client(hub: &Hub, organization: &str) -> Peer {
    hub.client_with(&hub.token(json!({ "org": organization, "rte": ["user/*", "queue/*"] })))
}

/// Subscribes to calls and state with these further members; the verdicts.
fn subscribe(peer: &mut Peer, more: [&str; 2]) -> [Value; 2] {
    let [call, state] = more;
    let items = format!(
        r#"[[{{"EntityId":"{QUEUE}","EventName":"QueueCallInArrived"{call}}},{{"EntityId":"{USER}","EventName":"UserAvailability"{state}}}]]"#
    );
    let completion: Value = serde_json::from_str(&peer.invoke("Subscribe", &items)).unwrap();
    serde_json::from_value(completion["result"].clone()).unwrap_or_else(|_| panic!("{completion}"))
}

/// The mark of the next MessageReceived.
fn next(peer: &mut Peer) -> String {
    next_with_position(peer).0
}

/// Its mark and its position.
fn next_with_position(peer: &mut Peer) -> (String, Value) {
    let record: Value = serde_json::from_str(&peer.record()).unwrap();
    let argument = &record["arguments"][0];
    let mark = argument["data"].get("note").or(argument["data"].get("queueName"));
    (mark.and_then(Value::as_str).expect("a MessageReceived").to_owned(), argument["position"].clone())
}

fn since(position: &Value) -> String {
    format!(r#","Since":{position}"#)
}

/// Organizations of several partitions.
fn organizations() -> Vec<String> {
    (1..=5).map(|n| format!("0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a{n:02}")).collect()
}

#[test]
fn what_was_accepted_is_there_after_a_kill_with_as_many_shards_or_others() {
    let folder = folder("kill");
    let organizations = organizations();
    let mut starts = Vec::new();
    let mut hub = start(&folder, &["server.threads=2"]);
    for organization in &organizations {
        let [calls, _] = subscribe(&mut client(&hub, organization), [r#","Since":null"#; 2]);
        starts.push(calls["position"].clone());
    }
    for (round, threads) in [4, 1, 2, 2].into_iter().enumerate() {
        for organization in &organizations {
            publish(&hub, &call(organization, &round.to_string()));
            publish(&hub, &availability(organization, &round.to_string()));
        }
        hub.kill();
        hub = start(&folder, &[&format!("server.threads={threads}")]);
        for (organization, start) in organizations.iter().zip(&starts) {
            let mut back = client(&hub, organization);
            let since = format!(r#","Since":{start}"#);
            let [calls, state] = subscribe(&mut back, [&since, r#","Snapshot":true"#]);
            assert_eq!((&calls["recovered"], &calls["replayed"]), (&json!(true), &json!(round + 1)), "{calls}");
            assert_eq!(state["snapshot"], 1, "{state}");
            let mut told: Vec<String> = (0..round + 2).map(|_| next(&mut back)).collect();
            assert_eq!(told.pop(), Some(round.to_string()), "the state is the newest");
            assert_eq!(told, (0..=round).map(|round| round.to_string()).collect::<Vec<_>>());
        }
    }
    assert!(hub.metric("rte_journal_bytes") > 0.0);
}

/// Publishes calls one after the other, each with its mark as id, until the hub is killed, which it
/// is once so many have been answered; how many were.
fn publish_until_killed(hub: &mut Hub, organization: &str, round: usize, answers: usize) -> usize {
    let (answered, heard) = mpsc::channel();
    let (mut wire, organization) = (hub.connect(), organization.to_owned());
    let token = hub.token(json!({ "sub": null, "org": null, "scope": "publish" }));
    // It ends with a broken connection, in the midst of a request.
    let publisher = thread::spawn(move || {
        for n in 0.. {
            let headers = [&*format!("Authorization: Bearer {token}"), "Content-Type: application/json"];
            wire.send(request("POST /publish", &headers, &with_id(&organization, round, n).to_string()).as_bytes());
            assert_eq!(wire.reply().status, 202);
            answered.send(()).unwrap();
        }
    });
    (0..answers).for_each(|_| heard.recv().unwrap());
    hub.kill();
    assert!(publisher.join().is_err(), "a hub that is killed answers no more");
    answers + heard.try_iter().count()
}

fn with_id(organization: &str, round: usize, n: usize) -> Value {
    let mut item = call(organization, &format!("{round}.{n}"));
    item["id"] = format!("{round}.{n}").into();
    item
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_doubled_by_kills_in_a_publish_loop() {
    let kills = std::env::var("RTE_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let folder = folder("loop");
    let organization = &organizations()[0];
    let mut hub = start(&folder, &["server.threads=2"]);
    let [calls, _] = subscribe(&mut client(&hub, organization), [r#","Since":null"#, ""]);
    let mut seen = calls["position"].clone();
    for round in 0..kills {
        let answered = publish_until_killed(&mut hub, organization, round, 2 + round % 7);
        hub = start(&folder, &[&format!("server.threads={}", 1 + round % 4)]);
        // The one whose answer was not heard is sent again.
        publish(&hub, &with_id(organization, round, answered));
        let mut back = client(&hub, organization);
        let [calls, _] = subscribe(&mut back, [&since(&seen), ""]);
        assert_eq!((&calls["recovered"], &calls["replayed"]), (&json!(true), &json!(answered + 1)), "kill {round}");
        for n in 0..=answered {
            let mark;
            (mark, seen) = next_with_position(&mut back);
            assert_eq!(mark, format!("{round}.{n}"));
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_starts_and_has_what_is_whole() {
    let folder = folder("cut");
    let organization = &organizations()[0];
    let mut hub = start(&folder, &[]);
    let [calls, _] = subscribe(&mut client(&hub, organization), [r#","Since":null"#, ""]);
    (0..3).for_each(|n| _ = publish(&hub, &call(organization, &n.to_string())));
    hub.kill();
    let file = segments(&folder).pop().unwrap();
    let length = fs::metadata(&file).unwrap().len();
    let mut whole = 3;
    for cut in [1, 200, 700, length - 30] {
        File::options().write(true).open(&file).unwrap().set_len(length - cut).unwrap();
        let mut hub = start(&folder, &[]);
        let mut back = client(&hub, organization);
        let verdicts = subscribe(&mut back, [&since(&calls["position"]), ""]);
        assert!(verdicts[0]["replayed"].as_u64().unwrap_or(0) < whole, "cut by {cut}: {verdicts:?}");
        whole = verdicts[0]["replayed"].as_u64().unwrap_or(0).max(1);
        hub.kill();
    }
}

#[test]
fn a_folder_is_one_hubs_and_goes_to_the_next_once_that_has_drained() {
    let folder = folder("lock");
    let organization = &organizations()[0];
    let mut hub = start(&folder, &[]);
    publish(&hub, &availability(organization, "held"));
    let settings = settings(&folder, &["server.listen=127.0.0.1:0", "limits.drain_ms=90", "limits.drain_spread_ms=50"]);
    let mut second = serve();
    let second = second.args(settings.iter().flat_map(|setting| ["--set", setting])).output().unwrap();
    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{told}");
    assert!(told.contains("warn journal_awaited folder="), "{told}");
    assert!(told.lines().last().unwrap().contains("another hub has it"), "{told}");
    thread::scope(|scope| {
        let next = scope.spawn(|| start(&folder, &[]));
        hub.terminate();
        assert_eq!(hub.exit_code(), Some(0));
        let next = next.join().unwrap();
        let [_, state] = subscribe(&mut client(&next, organization), ["", r#","Snapshot":true"#]);
        assert_eq!(state["snapshot"], 1);
    });
}

#[test]
fn a_disk_that_takes_no_more_costs_the_epoch_and_nothing_else_and_files_begin_again() {
    let folder = folder("full");
    let organization = &organizations()[0];
    let settings = settings(&folder, &["server.threads=2"]);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut hub = Hub::start_with_file_blocks(32, &settings);
    let mut member = client(&hub, organization);
    let [before, _] = subscribe(&mut member, [r#","Since":null"#, ""]);
    publish(&hub, &availability(organization, "held"));
    assert_eq!(next(&mut member), "held");
    let mut n = 0;
    while hub.metric("rte_journal_losses_total") == 0.0 {
        publish(&hub, &call(organization, &n.to_string()));
        assert!(next(&mut member) == n.to_string() && n < 100);
        n += 1;
    }
    hub.await_log("error journal_lost why=");
    let ready = hub.request("GET /readyz", &[], "");
    assert!(ready.status == 200 && ready.body.starts_with("ready"), "{ready:?}");
    let [calls, state] =
        subscribe(&mut client(&hub, organization), [&since(&before["position"]), r#","Snapshot":true"#]);
    assert_eq!((&calls["recovered"], &state["snapshot"]), (&json!(false), &json!(1)), "another epoch, the same rows");
    publish(&hub, &with_id(organization, 0, 0));
    hub.await_log("warn journal_resumed file=");
    // By then the shards know it too, and what they had in memory is in the snapshot.
    while folder_has(&folder, "lost") {
        assert_eq!(hub.request("GET /readyz", &[], "").body, "ready\n");
    }
    let [after, _] = subscribe(&mut client(&hub, organization), [r#","Since":null"#, ""]);
    publish(&hub, &call(organization, "again"));
    hub.kill();
    let hub = start(&folder, &[]);
    let mut back = client(&hub, organization);
    let [calls, state] = subscribe(&mut back, [&since(&after["position"]), r#","Snapshot":true"#]);
    assert_eq!((&calls["recovered"], &calls["replayed"]), (&json!(true), &json!(1)));
    assert_eq!(state["snapshot"], 1);
    publish(&hub, &with_id(organization, 0, 0));
    assert_eq!(hub.metric("rte_publish_duplicates_total "), 1.0, "of the time in memory, too");
}

#[test]
fn positions_of_before_a_time_in_memory_are_void_and_what_held_before_it_is_there() {
    let folder = folder("memory");
    let organization = &organizations()[0];
    let mut hub = start(&folder, &[]);
    let [calls, _] = subscribe(&mut client(&hub, organization), [r#","Since":null"#, ""]);
    publish(&hub, &availability(organization, "held"));
    hub.kill();
    let mut hub = start(&folder, &["journal.engine=memory"]);
    publish(&hub, &call(organization, "missed"));
    hub.kill();
    let mut hub = start(&folder, &[]);
    assert!(hub.log().contains("continuous=false"), "{}", hub.log());
    let mut back = client(&hub, organization);
    let verdicts = subscribe(&mut back, [&since(&calls["position"]), r#","Snapshot":true"#]);
    assert_eq!((&verdicts[0]["recovered"], &verdicts[1]["snapshot"]), (&json!(false), &json!(1)));
    let [after, _] = subscribe(&mut client(&hub, organization), [r#","Since":null"#, ""]);
    hub.kill();
    let hub = start(&folder, &[]);
    let [calls, _] = subscribe(&mut client(&hub, organization), [&since(&after["position"]), ""]);
    assert_eq!(calls["recovered"], true, "the new epoch goes on");
}

fn folder_has(folder: &Folder, name: &str) -> bool {
    fs::exists(folder.file(&format!("journal/{name}"))).unwrap()
}

/// For a hub that keeps no log, so that files are old at once.
const NO_HISTORY: &str = "limits.history_bytes_max=1";

/// Starts that hub again and again, until a snapshot has taken the place of its first files.
fn restart_until_files_go(folder: &Folder, mut hub: Hub) -> Hub {
    let organization = &organizations()[0];
    let mut most = 0;
    for n in 0..12 {
        hub.kill();
        hub = start(folder, &[NO_HISTORY, "server.threads=3"]);
        publish(&hub, &call(organization, &n.to_string()));
        most = most.max(segments(folder).len());
    }
    while segments(folder).len() == most {
        assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
    }
    assert!(folder_has(folder, "snapshot") && !segments(folder)[0].ends_with("0000000001.log"));
    hub
}

#[test]
fn a_snapshot_takes_the_place_of_files_that_are_too_old() {
    let folder = folder("snapshot");
    let organization = &organizations()[0];
    let hub = start(&folder, &[NO_HISTORY]);
    publish(&hub, &availability(organization, "first"));
    restart_until_files_go(&folder, hub).kill();
    let hub = start(&folder, &[NO_HISTORY]);
    let [_, state] = subscribe(&mut client(&hub, organization), ["", r#","Snapshot":true"#]);
    assert_eq!(state["snapshot"], 1, "its file is gone");
}

#[test]
fn an_item_whose_file_is_gone_is_not_taken_again_at_whatever_shard() {
    let folder = folder("ids");
    let hub = start(&folder, &[NO_HISTORY]);
    organizations().iter().for_each(|organization| _ = publish(&hub, &with_id(organization, 0, 0)));
    let mut hub = restart_until_files_go(&folder, hub);
    for threads in [1, 4] {
        hub.kill();
        hub = start(&folder, &[NO_HISTORY, &format!("server.threads={threads}")]);
        organizations().iter().for_each(|organization| _ = publish(&hub, &with_id(organization, 0, 0)));
        assert_eq!(hub.metric("rte_publish_duplicates_total "), organizations().len() as f64);
    }
}

#[test]
fn rows_that_do_not_fit_their_schema_any_more_are_lost_and_counted() {
    let lunch = |name: &str| {
        format!(
            "event = \"AcmeLunch\"\nfamily = \"User\"\nsummary = \"Somebody is at lunch.\"\nkind = \"state\"\n\
             entity = \"UserId\"\nsince = \"1.0\"\n\n[properties]\nUserId = {{ type = \"Guid\", doc = \"Id of target user.\" }}\n\
             {name} = {{ type = \"string\", doc = \"Where.\" }}\n\n[[examples]]\ntitle = \"Lunch\"\n\
             json = '{{ \"userId\": \"{USER}\", \"{}\": \"x\" }}'\n",
            name.to_lowercase()
        )
    };
    let folder = folder("schema");
    folder.write("schema.d/AcmeLunch.toml", &lunch("Where"));
    let dir = format!("catalogue.schema_dirs={}", folder.file("schema.d"));
    let organization = &organizations()[0];
    let mut hub = start(&folder, &[&dir]);
    publish(&hub, &availability(organization, "held"));
    publish(
        &hub,
        &json!({ "eventName": "AcmeLunch", "organizationId": organization, "data": { "userId": USER, "where": "x" } }),
    );
    hub.kill();
    folder.write("schema.d/AcmeLunch.toml", &lunch("Place"));
    let hub = start(&folder, &[&dir]);
    assert!(hub.log().contains(" publications=1 lost=1 torn_bytes=0 continuous=true"), "{}", hub.log());
    let [_, state] = subscribe(&mut client(&hub, organization), ["", r#","Snapshot":true"#]);
    assert_eq!(state["snapshot"], 1);
}
