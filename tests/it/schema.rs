//! Further events by file alone: everything that a hub serves then knows them.

use crate::support::{self, Folder, Hub};
use serde_json::{Value, json};
use std::process::Command;

const ROOM: &str = "format = 1\n\n[families.Room]\nentity = \"room\"\ndoc = \"What happens in one meeting room.\"\n";

const ALARM: &str = r#"event   = "AcmeRoomAlarm"
family  = "Room"
summary = "Somebody in a room calls for help."
kind    = "occurrence"
entity  = "RoomId"
since   = "1.0"

[properties]
OrganizationId = { type = "Guid", doc = "Id of related organization." }
RoomId         = { type = "Guid", doc = "Id of the room." }
Urgency        = { type = "AcmeUrgency", doc = "How urgent it is." }

[[examples]]
title = "Urgent"
json  = '''
{
  "organizationId": "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59",
  "roomId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3",
  "urgency": 3
}
'''
"#;

const URGENCY: &str = "enum = \"AcmeUrgency\"\nsummary = \"How urgent.\"\nbase = \"int\"\nvalues = [1, 2, 3]\n";

const ROOM_ID: &str = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";

fn further(name: &str) -> Folder {
    Folder::new(name, &[("catalogue.toml", ROOM), ("room/AcmeRoomAlarm.toml", ALARM), ("AcmeUrgency.toml", URGENCY)])
}

fn alarm(urgency: u32) -> String {
    let data = json!({ "organizationId": support::ORGANIZATION, "roomId": ROOM_ID, "urgency": urgency });
    json!({ "eventName": "AcmeRoomAlarm", "data": data }).to_string()
}

#[test]
fn an_event_of_a_further_folder_is_subscribable_validated_served_and_counted() {
    let folder = further("served");
    let hub = Hub::start_with(&[&format!("catalogue.schema_dirs={}", folder.path())]);
    let token = hub.token(json!({ "rte": ["room/*"] }));
    let mut client = hub.client_with(&token);
    let available: Value = serde_json::from_str(&client.invoke("AvailableSubscriptions", "[]")).unwrap();
    let names = available["result"].as_array().unwrap();
    assert_eq!((names.len(), names.last()), (42, Some(&Value::from("AcmeRoomAlarm"))));
    let item = format!("[[{{\"EntityId\":\"{ROOM_ID}\",\"EventName\":\"acmeroomalarm\"}}]]");
    let subscribed: Value = serde_json::from_str(&client.invoke("Subscribe", &item)).unwrap();
    assert_eq!(subscribed["result"][0]["subscribed"], true, "{subscribed}");

    let refused = hub.publish(&alarm(4));
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["results"][0]["errors"][0]["pointer"], "/data/urgency", "{refused:?}");
    assert_eq!(hub.publish(&alarm(3)).status, 202);
    let delivered: Value = serde_json::from_str(&client.record()).unwrap();
    let message = &delivered["arguments"][0];
    assert_eq!(message["subscription"], json!({ "entityId": ROOM_ID, "eventName": "acmeroomalarm" }));
    assert_eq!(message["data"]["urgency"], 3);

    let schema = hub.request("GET /schemas/v1/AcmeRoomAlarm.json", &[], "");
    assert_eq!((schema.status, &schema.json()["title"]), (200, &Value::from("AcmeRoomAlarm")));
    for path in
        ["/schemas/index.json", "/schemas/bundle.json", "/asyncapi.json", "/events.d.ts", "/events.cs", "/reference.md"]
    {
        let document = hub.request(&format!("GET {path}"), &[], "");
        assert!(document.status == 200 && document.body.contains("AcmeRoomAlarm"), "{path}: {}", document.status);
    }
    assert_eq!(hub.metric("rte_publications_total{event=\"AcmeRoomAlarm\"}"), 1.0);
    assert_eq!(hub.metric("rte_deliveries_total{event=\"AcmeRoomAlarm\"}"), 1.0);
}

#[test]
fn sighup_brings_further_events_to_clients_that_are_connected_and_keeps_every_subscription() {
    let folder = Folder::new("reload", &[("catalogue.toml", ROOM)]);
    let hub = Hub::start_with(&["server.threads=2", &format!("catalogue.schema_dirs={}", folder.path())]);
    let mut clients = [(); 4].map(|()| hub.client_with(&hub.token(json!({ "rte": ["room/*", "user/*"] }))));
    let alarm_item = format!("{{\"EntityId\":\"{ROOM_ID}\",\"EventName\":\"AcmeRoomAlarm\"}}");
    let alert_item = format!("{{\"EntityId\":\"{}\",\"EventName\":\"UserAlert\"}}", support::USER);
    for client in &mut clients {
        let answer = client.invoke("Subscribe", &format!("[[{alarm_item},{alert_item}]]"));
        assert!(answer.contains("Unknown EventName") && answer.contains("useralert"), "{answer}");
    }
    for (file, text) in [("AcmeRoomAlarm.toml", ALARM), ("AcmeUrgency.toml", URGENCY)] {
        std::fs::write(folder.0.join(file), text).unwrap();
    }
    hub.reload();
    hub.await_log("reloaded events=42 added=1");
    for client in &mut clients {
        let answer = client.invoke("Subscribe", &format!("[[{alarm_item}]]"));
        assert!(answer.contains("\"subscribed\":true"), "{answer}");
    }
    assert_eq!(hub.publish(&alarm(1)).status, 202);
    let data = json!({ "alertId": ROOM_ID, "conditionExpression": "", "conditionName": "", "conditionValue": "",
        "organizationId": support::ORGANIZATION, "userId": support::USER, "value": "" });
    assert_eq!(hub.publish(&json!({ "eventName": "UserAlert", "data": data }).to_string()).status, 202);
    for client in &mut clients {
        assert!(client.record().contains("acmeroomalarm"));
        assert!(
            client.record().contains("useralert"),
            "what was subscribed before the reload is the same event after it"
        );
    }
}

#[test]
fn a_reload_that_is_wrong_or_breaks_somebody_changes_nothing_and_says_why() {
    let folder = further("refused");
    let hub = Hub::start_with(&[&format!("catalogue.schema_dirs={}", folder.path())]);
    let file = folder.0.join("room/AcmeRoomAlarm.toml");
    std::fs::write(&file, ALARM.replace("RoomId         =", "RumId          =")).unwrap();
    hub.reload();
    hub.await_log("error[unknown-property]");
    assert_eq!(hub.publish(&alarm(1)).status, 202);
    std::fs::remove_file(&file).unwrap();
    hub.reload();
    hub.await_log("which breaks");
    assert_eq!(hub.publish(&alarm(1)).status, 202);
    assert_eq!((hub.metric("rte_last_reload_successful "), hub.metric("rte_reloads_refused_total ")), (0.0, 2.0));
    std::fs::write(&file, ALARM).unwrap();
    hub.reload();
    hub.await_log("reloaded events=42 added=0");
    assert_eq!((hub.metric("rte_last_reload_successful "), hub.metric("rte_reloads_total ")), (1.0, 1.0));
    assert!(hub.metric("rte_last_reload_timestamp_seconds ") > hub.metric("process_start_time_seconds "));
}

/// Runs the program to its end: the exit code, standard output and standard error.
fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_broken_folder_stops_the_start_with_the_lines_of_the_build() {
    let folder = Folder::new("broken", &[("Userstatus.toml", &ALARM.replace("AcmeRoomAlarm", "Userstatus"))]);
    let (code, _, told) = ended(support::serve().args(["--schema-dir", folder.path()]));
    assert_eq!(code, Some(2), "{told}");
    let path = folder.path();
    for line in [
        format!(
            "{path}/Userstatus.toml:1:11: error[duplicate-name]: \"Userstatus\" is already defined at \
             schema/user/UserStatus.toml:1 (names are compared without case); rename one\n"
        ),
        "rte: the catalogue is not usable: 1 error, 0 warnings\n".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
    }
    // The same lines from the check of the folder, on standard output, and from the check of the
    // configuration.
    let rte = || Command::new(env!("CARGO_BIN_EXE_rte"));
    let (code, checked, _) = ended(rte().args(["schema", "check", path]));
    assert_eq!((code, told.starts_with(&checked)), (Some(1), true), "{checked}");
    let (code, _, checked) = ended(rte().args(["check", "--schema-dir", path, "--set", "auth.secret_file=/dev/null"]));
    assert_eq!(code, Some(1), "{checked}");
    let config = folder.0.join("rte.toml");
    std::fs::write(&config, "[catalogue]\nschema_dirs = [\".\"]\n[auth]\nsecret_file = \"secret\"\n").unwrap();
    std::fs::write(folder.0.join("secret"), "a secret of more than thirty-two bytes").unwrap();
    let (code, _, checked) = ended(rte().args(["check", "--config", config.to_str().unwrap()]));
    assert_eq!(code, Some(1), "{checked}");
    assert!(checked.contains("Userstatus.toml:1:11: error[duplicate-name]"), "{checked}");
}

#[test]
fn two_folders_are_taken_and_each_finds_what_the_other_declares() {
    let events = Folder::new("events", &[("AcmeRoomAlarm.toml", ALARM)]);
    let types = Folder::new("types", &[("catalogue.toml", ROOM), ("AcmeUrgency.toml", URGENCY)]);
    let mut rte = Command::new(env!("CARGO_BIN_EXE_rte"));
    let flags = ["schema", "list", "--schema-dir", events.path(), "--schema-dir", types.path()];
    let (code, list, told) = ended(rte.args(flags));
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert_eq!(list.lines().count(), 43);
    assert!(list.lines().last().unwrap().starts_with("AcmeRoomAlarm"), "{list}");
}
