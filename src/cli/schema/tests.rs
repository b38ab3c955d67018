//! The commands, each on folders of its own.

use super::*;
use crate::cli::console::tests::console_on_paper;
use crate::schema::Catalogue;
use crate::schema::compiler::lock::FILE_NAME;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Folder {
        let folder = Folder(std::env::temp_dir().join(format!("rte-schema-{}-{name}", std::process::id())));
        let _ = fs::remove_dir_all(&folder.0);
        fs::create_dir_all(&folder.0).unwrap();
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from:?}");
        self.write(path, &text.replacen(from, to, 1));
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap()
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The text with this folder's own path left out.
    fn stripped(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path()), "")
    }

    fn git(&self, args: &[&str]) {
        let author = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        let output = Process::new("git").arg("-C").arg(&self.0).args(author).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HEAD: &str = "format = 1\ntitle = \"Own\"\nversion = \"1.2.0\"\nid_base = \"https://own.example/schemas/v1/\"\n\n\
                    [families.Room]\nentity = \"room\"\ndoc = \"Rooms.\"\n";

const ALERT: &str = r#"event   = "RoomAlert"
family  = "Room"
summary = "Somebody calls from a room."
kind    = "occurrence"
entity  = "RoomId"
since   = "1.0"

[properties]
RoomId  = { type = "Guid", doc = "The room." }
Urgency = { type = "int", doc = "How urgent.", values = [1, 2, 3] }

[[examples]]
title = "Urgent"
json  = '{ "roomId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3", "urgency": 3 }'
"#;

const LUNCH: &str = r#"event   = "AcmeLunchStarted"
family  = "User"
summary = "Somebody went to lunch."
kind    = "occurrence"
entity  = "UserId"
since   = "1.0"

[properties]
UserId = { type = "Guid", doc = "Who." }

[[examples]]
title = "Lunch"
json  = '{ "userId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3" }'
"#;

fn own(name: &str) -> Folder {
    Folder::new(name, &[("catalogue.toml", HEAD), ("room/RoomAlert.toml", ALERT)])
}

fn args(line: &[&str]) -> Args {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    <Line as clap::Parser>::try_parse_from(std::iter::once(&"schema").chain(line)).unwrap().args
}

/// The outcome, the results and the remarks of a command.
fn rte_schema(line: &[&str]) -> (Result<(), Failure>, String, String) {
    let (mut console, results, remarks) = console_on_paper();
    let outcome = run(&args(line), &mut console);
    console.flush().unwrap();
    (outcome, results.text(), remarks.text())
}

fn exit_code(outcome: &Result<(), Failure>) -> u8 {
    outcome.as_ref().map_or_else(Failure::exit_code, |()| 0)
}

#[test]
fn the_list_has_a_line_for_each_event_and_a_folder_adds_its_own() {
    let (outcome, results, _) = rte_schema(&["list"]);
    assert_eq!((exit_code(&outcome), results.lines().count()), (0, 42));
    let line = |name: &str, results: &str| {
        let line = results.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("NAME", &results), "NAME FAMILY KIND ENTITY PROPERTIES SINCE");
    assert_eq!(line("QueueStatus", &results), "QueueStatus Queue state QueueId 17 1.0");
    assert_eq!(line("UserQueueAlert", &results), "UserQueueAlert User occurrence publisher 2 1.0");
    let notification = "CallbackRequestNotification CallList occurrence ListId or publisher 12 1.0";
    assert_eq!(line("CallbackRequestNotification", &results), notification);

    let folder = Folder::new("list", &[("AcmeLunchStarted.toml", LUNCH)]);
    let (_, results, _) = rte_schema(&["list", "--json", "--schema-dir", folder.path()]);
    let rows: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 42);
    let expected = serde_json::json!({
        "name": "AcmeLunchStarted", "family": "User", "kind": "occurrence", "entity": "UserId", "or_publisher": false,
        "audience": ["client"], "properties": 1, "since": "1.0", "deprecated": null,
    });
    assert_eq!(rows[0], expected);
}

#[test]
fn an_event_is_shown_as_it_is_served() {
    let catalogue = Catalogue::built_in(None);
    let id = catalogue.find("QueueStatus").unwrap();
    let (outcome, results, _) = rte_schema(&["show", "queuestatus"]);
    assert_eq!((exit_code(&outcome), results), (0, catalogue.json_schema(id, false)));
    let (_, results, _) = rte_schema(&["show", "QueueStatus", "--closed"]);
    assert_eq!(results, catalogue.json_schema(id, true));
    let (_, results, _) = rte_schema(&["show", "QueueStatus", "--wire-case", "documented"]);
    assert!(results.contains("\"MaxWaitTime\": {"));
    let (_, results, _) = rte_schema(&["show", "QueueStatus", "--markdown"]);
    let reference = catalogue.artefact("reference.md").unwrap();
    assert!(String::from_utf8_lossy(&reference.bytes).contains(&results) && results.starts_with("### QueueStatus\n"));
    let (outcome, ..) = rte_schema(&["show", "QueueState"]);
    assert_eq!(outcome, Err(Failure::Usage("there is no event QueueState; did you mean QueueStatus?".to_owned())));
}

/// Two files with an error each, one of them with a warning that never shows: the catalogue is
/// refused before it is looked for.
fn broken(name: &str) -> Folder {
    let folder = Folder::new(name, &[("AcmeLunchStarted.toml", LUNCH), ("RoomAlert.toml", ALERT)]);
    folder.edit("AcmeLunchStarted.toml", "\"Guid\"", "\"guid\"");
    folder
}

#[test]
fn a_check_tells_all_errors_of_all_files_in_the_lines_of_the_build() {
    let folder = broken("check-human");
    let (outcome, results, _) = rte_schema(&["check", folder.path()]);
    assert_eq!(outcome, Err(Failure::Refused("2 errors, 0 warnings".to_owned())));
    assert_eq!(
        folder.stripped(&results),
        "AcmeLunchStarted.toml:9:19: error[unknown-type]: unknown type \"guid\" for property \"UserId\"; \
         did you mean \"Guid\"?\n\
         RoomAlert.toml:2:11: error[unknown-family]: no family \"Room\"; the families: User, Queue, CallList\n"
    );
}

#[test]
fn a_check_speaks_json() {
    let folder = broken("check-json");
    let (outcome, results, _) = rte_schema(&["check", folder.path(), "--format", "json"]);
    assert_eq!(exit_code(&outcome), 1);
    assert_eq!(
        folder.stripped(&results),
        r#"[
  {
    "file": "AcmeLunchStarted.toml",
    "line": 9,
    "column": 19,
    "level": "error",
    "rule": "unknown-type",
    "message": "unknown type \"guid\" for property \"UserId\"; did you mean \"Guid\"?"
  },
  {
    "file": "RoomAlert.toml",
    "line": 2,
    "column": 11,
    "level": "error",
    "rule": "unknown-family",
    "message": "no family \"Room\"; the families: User, Queue, CallList"
  }
]
"#
    );
}

#[test]
fn a_check_speaks_github() {
    let folder = broken("check-github");
    let (outcome, results, _) = rte_schema(&["check", folder.path(), "--format", "github"]);
    assert_eq!(exit_code(&outcome), 1);
    assert_eq!(
        folder.stripped(&results),
        "::error file=AcmeLunchStarted.toml,line=9,col=19,title=unknown-type::unknown type \"guid\" for property \
         \"UserId\"; did you mean \"Guid\"?\n\
         ::error file=RoomAlert.toml,line=2,col=11,title=unknown-family::no family \"Room\"; the families: User, Queue, \
         CallList\n"
    );
}

#[test]
fn warnings_are_told_and_do_not_count() {
    let folder = own("check-warnings");
    folder.edit("room/RoomAlert.toml", "\"The room.\"", "\"\"");
    let (outcome, results, remarks) = rte_schema(&["check", "--alone", folder.path()]);
    assert_eq!(exit_code(&outcome), 0);
    let expected =
        "room/RoomAlert.toml:9:1: warning[no-doc]: property \"RoomId\" of RoomAlert has no text; write doc\n";
    assert_eq!(folder.stripped(&results), expected);
    assert_eq!(remarks, "1 events, 0 errors, 1 warning\n");
    let (outcome, results, _) = rte_schema(&["check", folder.path()]);
    assert_eq!(exit_code(&outcome), 1, "a head on top of the built-in catalogue");
    assert!(results.contains("catalogue.toml:2:9: error[bad-value]: \"title\" is said by"), "{results}");
}

#[test]
fn a_folder_that_cannot_be_read_is_a_finding() {
    let (outcome, results, _) = rte_schema(&["check", "/nonexistent/schema.d"]);
    assert_eq!(exit_code(&outcome), 1);
    assert!(results.starts_with("/nonexistent/schema.d:1:1: error[unreadable]: "), "{results}");
    let (outcome, _, remarks) = rte_schema(&["list", "--schema-dir", "/nonexistent/schema.d"]);
    assert_eq!(exit_code(&outcome), 2);
    assert!(remarks.starts_with("/nonexistent/schema.d:1:1: error[unreadable]: "), "{remarks}");
}

#[test]
fn a_file_that_cannot_be_read_hides_no_fault_of_the_others() {
    let folder = Folder::new("unreadable", &[("AcmeLunchStarted.toml", LUNCH)]);
    folder.edit("AcmeLunchStarted.toml", "\"User\"", "\"Usr\"");
    folder.edit(
        "AcmeLunchStarted.toml",
        "[properties]",
        "[properties]\nPlace = { type = \"AcmePlace\", doc = \"Where.\" }",
    );
    // Another file names it: that is no fault beside this one.
    fs::write(folder.0.join("AcmePlace.toml"), b"type = \"AcmePlace\"\nsummary = \"\xff\"").unwrap();
    let expected = "AcmeLunchStarted.toml:2:11: error[unknown-family]: no family \"Usr\"; did you mean \"User\"?\n\
                    AcmePlace.toml:1:1: error[unreadable]: stream did not contain valid UTF-8; save it as UTF-8\n";
    let (outcome, results, _) = rte_schema(&["check", folder.path()]);
    assert_eq!(exit_code(&outcome), 1);
    assert_eq!(folder.stripped(&results), expected);
}

#[test]
fn what_starts_with_a_dot_is_no_part_of_a_folder() {
    let folder = Folder::new("dots", &[("AcmeLunchStarted.toml", LUNCH), ("..data/AcmeLunchStarted.toml", LUNCH)]);
    folder.write(".AcmeLunchStarted.toml.swp", "no TOML");
    folder.write(".hidden.toml", "no TOML");
    folder.write("notes.txt", "no TOML");
    let (outcome, results, _) = rte_schema(&["check", folder.path()]);
    assert_eq!((exit_code(&outcome), results.as_str()), (0, ""));
}

#[test]
fn an_export_is_every_artefact_and_the_same_each_time() {
    let folder = Folder::new("export", &[]);
    let target = folder.0.join("a/b");
    let (outcome, results, _) = rte_schema(&["export", target.to_str().unwrap()]);
    assert_eq!(exit_code(&outcome), 0);
    let catalogue = Catalogue::built_in(None);
    let package =
        ["README.md", "package.json", "client.mjs", "client.d.mts", "client/tabs.mjs", "events.mjs", "events.d.mts"];
    for file in package {
        assert!(target.join("npm").join(file).is_file(), "{file}");
    }
    let manifest: Value = serde_json::from_slice(&fs::read(target.join("npm/package.json")).unwrap()).unwrap();
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    // The description of the routes, two files for editors, and the package: all modules, and four.
    let modules = catalogue.artefacts().filter(|artefact| artefact.path.starts_with("client")).count();
    assert_eq!(results.lines().count(), catalogue.artefacts().len() + 3 + modules + 4);
    let open_api: Value = serde_json::from_slice(&fs::read(target.join("openapi.json")).unwrap()).unwrap();
    assert!(open_api["paths"]["/rte/negotiate"].is_object());
    for file in [".event.schema.json", ".taplo.toml"] {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(file);
        assert_eq!(fs::read(target.join(file)).unwrap(), fs::read(own).unwrap());
    }
    for artefact in catalogue.artefacts() {
        assert_eq!(fs::read(target.join(&artefact.path)).unwrap(), *artefact.bytes, "{}", artefact.path);
    }
    let (outcome, again, _) = rte_schema(&["export", target.to_str().unwrap()]);
    assert_eq!((exit_code(&outcome), again), (0, results));
    folder.write("file", "");
    let (outcome, ..) = rte_schema(&["export", folder.0.join("file").to_str().unwrap()]);
    assert_eq!(exit_code(&outcome), 1);
}

#[test]
fn folders_lock_files_and_revisions_are_compared() {
    let repository = Folder::new("diff", &[("schema/catalogue.toml", HEAD), ("schema/room/RoomAlert.toml", ALERT)]);
    let folder = repository.0.join("schema");
    let folder = folder.to_str().unwrap();
    assert_eq!(exit_code(&rte_schema(&["lock", folder]).0), 0);
    repository.git(&["init", "--quiet"]);
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "--quiet", "--message", "first"]);
    repository.git(&["tag", "v1.0"]);
    repository.edit("schema/room/RoomAlert.toml", "[1, 2, 3]", "[2, 3, 4]");

    let diff = |old: &str, new: &str, format: &str| {
        let (mut console, results, remarks) = console_on_paper();
        let Command::Diff(args) = args(&["diff", old, new, "--format", format]).command else { panic!("not a diff") };
        let outcome = diff::run_in(&revision::Repository::around(&repository.0), &args, &mut console);
        drop(console);
        (outcome, repository.stripped(&results.text()), remarks.text())
    };
    let expected = "schema/room/RoomAlert.toml:10:1: VALUE_NO_DELETE: property RoomAlert.Urgency no longer takes 1; \
                    breaks publishers\n\
                    schema/room/RoomAlert.toml:10:1: CLOSED_VALUE_NO_ADD: property RoomAlert.Urgency takes 4 too; \
                    breaks subscribers\n";
    let lock = format!("{folder}/{FILE_NAME}");
    for old in ["HEAD", "v1.0:schema", "v1.0:schema/", "v1.0:schema/lock.json", &lock] {
        let (outcome, results, remarks) = diff(old, folder, "human");
        assert_eq!(
            outcome,
            Err(Failure::Refused("the changes break publishers and subscribers".to_owned())),
            "{remarks}"
        );
        assert_eq!(results, expected, "{old}");
    }
    let (outcome, results, remarks) = diff(folder, folder, "human");
    assert_eq!((exit_code(&outcome), results.as_str(), remarks.as_str()), (0, "", "0 changes, which break nobody\n"));
    let (_, results, _) = diff(folder, "HEAD", "human");
    assert!(results.starts_with("HEAD:schema/room/RoomAlert.toml:10:1: VALUE_NO_DELETE: "), "{results}");
    let (_, results, _) = diff("HEAD", folder, "github");
    assert!(results.starts_with("::error file=schema/room/RoomAlert.toml,line=10,col=1,title=VALUE_NO_DELETE::"));
    let (_, results, _) = diff("HEAD", folder, "json");
    let json: Value = serde_json::from_str(&results).unwrap();
    assert_eq!((&json["breaks"], json["changes"].as_array().unwrap().len()), (&Value::from("both"), 2));
    let first = serde_json::json!({
        "rule": "VALUE_NO_DELETE", "breaks": "publishers", "subject": "RoomAlert.Urgency",
        "message": "property RoomAlert.Urgency no longer takes 1",
        "file": "schema/room/RoomAlert.toml", "line": 10, "column": 1,
    });
    assert_eq!(json["changes"][0], first);

    for nothing in ["HEAD~7", "v1.0:nowhere", ":schema", "nothing at all"] {
        let (outcome, _, _) = diff(nothing, folder, "human");
        assert_eq!(exit_code(&outcome), 2, "{nothing}: {outcome:?}");
    }
    repository.edit("schema/room/RoomAlert.toml", "\"Room\"", "\"Rom\"");
    let (outcome, _, remarks) = diff("HEAD", folder, "human");
    assert_eq!(exit_code(&outcome), 2);
    assert!(remarks.contains("RoomAlert.toml:2:11: error[unknown-family]"), "{remarks}");
}

#[test]
fn a_folder_of_further_events_is_compared_on_top_of_the_built_in_ones() {
    let old = Folder::new("diff-old", &[("AcmeLunchStarted.toml", LUNCH)]);
    let new = Folder::new("diff-new", &[("AcmeLunchStarted.toml", LUNCH), ("AcmeLunchEnded.toml", "")]);
    new.write("AcmeLunchEnded.toml", &LUNCH.replace("AcmeLunchStarted", "AcmeLunchEnded"));
    let (outcome, results, _) = rte_schema(&["diff", old.path(), new.path()]);
    assert_eq!(exit_code(&outcome), 0);
    let expected = "AcmeLunchEnded.toml:1:11: EVENT_ADDED: event AcmeLunchEnded was added; breaks nobody\n";
    assert_eq!(new.stripped(&results), expected);
}

#[test]
fn a_lock_is_written_checked_and_kept() {
    let folder = own("lock");
    let lock = |more: &[&str]| rte_schema(&[&["lock", folder.path()], more].concat());
    let refusal = |outcome: Result<(), Failure>| outcome.unwrap_err().sentence().unwrap().to_owned();
    assert!(refusal(lock(&["--check"]).0).contains("lock.json is not there"));
    let (outcome, results, _) = lock(&[]);
    assert_eq!((exit_code(&outcome), folder.stripped(&results)), (0, "lock.json\n".to_owned()));
    let released = folder.read(FILE_NAME);
    assert_eq!(exit_code(&lock(&["--check"]).0), 0);

    folder.edit("room/RoomAlert.toml", "[1, 2, 3]", "[1, 2]");
    folder.edit("room/RoomAlert.toml", "\"urgency\": 3", "\"urgency\": 2");
    let (outcome, _, remarks) = lock(&[]);
    assert_eq!(exit_code(&outcome), 1);
    assert!(remarks.contains("RoomAlert.toml:10:1: error[breaking-change]: "), "{remarks}");
    let (outcome, results, _) = rte_schema(&["check", "--alone", folder.path()]);
    assert_eq!((exit_code(&outcome), results), (1, remarks), "the check says what the lock says");
    assert_eq!(folder.read(FILE_NAME), released);

    folder.edit("catalogue.toml", "1.2.0", "2.0.0");
    assert!(refusal(lock(&["--check"]).0).contains("lock.json is stale"));
    assert_eq!(exit_code(&lock(&[]).0), 0);
    assert!(folder.read(FILE_NAME).contains("\"version\": \"2.0.0\""));
}

#[test]
fn a_skeleton_is_written_once_and_compiles() {
    let folder = Folder::new("new", &[]);
    let new = |name: &str, family: &str| {
        rte_schema(&["new", "event", name, "--family", family, "--dir", folder.path(), "--kind", "state"])
    };
    let (outcome, results, _) = new("AcmeLunch", "Queue");
    assert_eq!((exit_code(&outcome), folder.stripped(&results)), (0, "AcmeLunch.toml\n".to_owned()));
    let (outcome, results, _) = rte_schema(&["check", folder.path()]);
    assert_eq!((exit_code(&outcome), results.matches("warning[no-doc]").count()), (0, 3), "{results}");
    assert_eq!(exit_code(&new("AcmeLunch", "Queue").0), 1, "the file is there");
    for (name, family, rule) in [
        ("acmeLunch", "User", "bad-name"),
        ("../Lunch", "User", "bad-name"),
        ("Userstatus", "User", "duplicate-name"),
        ("AcmeMeal", "Users", "unknown-family"),
    ] {
        let (outcome, _, remarks) = new(name, family);
        assert_eq!(exit_code(&outcome), 2, "{name}");
        assert!(remarks.contains(&format!("error[{rule}]")), "{remarks}");
    }
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn a_family_a_type_and_an_event_of_them_are_made_in_one_folder() {
    let folder = Folder::new("new-all", &[]);
    let dir = folder.0.join("schema.d");
    let new = |line: &[&str]| rte_schema(&[&["new"], line, &["--dir", dir.to_str().unwrap()]].concat());
    let (outcome, results, _) = new(&["family", "Room"]);
    assert_eq!((exit_code(&outcome), folder.stripped(&results).as_str()), (0, "schema.d/catalogue.toml\n"));
    assert_eq!(exit_code(&new(&["family", "Hall", "--entity", "large \"hall\""]).0), 0);
    let (outcome, results, _) = new(&["type", "AcmeDoor"]);
    assert_eq!((exit_code(&outcome), folder.stripped(&results).as_str()), (0, "schema.d/types/AcmeDoor.toml\n"));
    // --dir says that the folder's own family counts.
    let (outcome, results, remarks) = new(&["event", "AcmeRoomEntered", "--family", "Room"]);
    assert!(!remarks.contains("warning"), "the texts that AcmeDoor lacks are not told again: {remarks}");
    assert_eq!((exit_code(&outcome), folder.stripped(&results).as_str()), (0, "schema.d/AcmeRoomEntered.toml\n"));
    let doors = "Doors = { type = \"List<AcmeDoor>\", doc = \"D.\" }\nOrganizationId =";
    folder.edit("schema.d/AcmeRoomEntered.toml", "OrganizationId =", doors);
    folder.edit("schema.d/AcmeRoomEntered.toml", "\"organizationId\"", "\"doors\": [], \"organizationId\"");
    let (outcome, findings, _) = rte_schema(&["check", dir.to_str().unwrap()]);
    assert_eq!(exit_code(&outcome), 0, "{findings}");
    assert!(findings.lines().all(|line| line.contains("[no-doc]")), "{findings}");
    // What is there, or is no name, or has a twin, is refused and changes nothing.
    let before = folder.read("schema.d/catalogue.toml");
    for (line, code) in [
        (&["family", "Room"][..], 2),
        (&["family", "room"], 2),
        (&["family", "User"], 2),
        (&["type", "AcmeDoor"], 1),
        (&["type", "acme"], 2),
        (&["type", "UserStatus"], 2),
        (&["event", "AcmeDoor", "--family", "Room"], 2),
    ] {
        assert_eq!(exit_code(&new(line).0), code, "{line:?}");
    }
    assert_eq!(folder.read("schema.d/catalogue.toml"), before);
}

#[test]
fn a_folder_with_a_version_of_its_own_is_locked_and_compared_by_what_it_declares() {
    let folder = Folder::new("part", &[("a/AcmeLunchStarted.toml", LUNCH), ("b/AcmeLunchStarted.toml", LUNCH)]);
    for (side, version) in [("a", "1.0.0"), ("b", "1.1.0")] {
        folder.write(&format!("{side}/catalogue.toml"), &format!("format = 1\nversion = \"{version}\"\n"));
    }
    let path = |file: &str| folder.0.join(file).to_str().unwrap().to_owned();
    assert_eq!(exit_code(&rte_schema(&["lock", &path("a")]).0), 0);
    let lock = folder.read("a/lock.json");
    assert!(lock.contains("AcmeLunchStarted") && !lock.contains("UserStatus"), "{lock}");
    folder.write("b/lock.json", &lock);
    folder.edit("b/AcmeLunchStarted.toml", "kind    = \"occurrence\"", "kind    = \"state\"");
    let (outcome, findings, _) = rte_schema(&["check", &path("b")]);
    assert_eq!(exit_code(&outcome), 1);
    assert!(findings.contains("breaking-change") && findings.contains("of version 1.0.0"), "{findings}");
    assert_eq!(exit_code(&rte_schema(&["lock", &path("b")]).0), 1, "the promise is not written over");
    let (outcome, changes, _) = rte_schema(&["diff", &path("a/lock.json"), &path("b")]);
    assert_eq!((exit_code(&outcome), changes.lines().count()), (1, 1), "{changes}");
    folder.edit("b/catalogue.toml", "1.1.0", "2.0.0");
    assert_eq!(exit_code(&rte_schema(&["check", &path("b")]).0), 0);
    assert_eq!(exit_code(&rte_schema(&["lock", &path("b")]).0), 0);
    let (outcome, ..) = rte_schema(&["diff", &path("a/lock.json"), "schema/lock.json"]);
    assert_eq!(exit_code(&outcome), 2, "a part and a whole");
}

#[test]
fn the_repositorys_own_catalogue_keeps_what_was_released() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let (outcome, results, _) = rte_schema(&["check", "--alone", folder.to_str().unwrap()]);
    assert_eq!((exit_code(&outcome), results.as_str()), (0, ""));
    assert_eq!(
        exit_code(&rte_schema(&["diff", folder.join(FILE_NAME).to_str().unwrap(), folder.to_str().unwrap()]).0),
        0
    );
}

#[test]
fn a_folder_that_said_no_version_breaks_its_own_by_saying_2() {
    let folder = Folder::new("unversioned", &[("a/AcmeLunchStarted.toml", LUNCH)]);
    let a = folder.0.join("a").to_str().unwrap().to_owned();
    assert_eq!(exit_code(&rte_schema(&["lock", &a]).0), 0);
    fs::remove_file(folder.0.join("a/AcmeLunchStarted.toml")).unwrap();
    for (catalogue, code) in
        [("format = 1", 1), ("format = 1\nversion = \"1.1.0\"", 1), ("format = 1\nversion = \"2.0.0\"", 0)]
    {
        folder.write("a/catalogue.toml", &format!("{catalogue}\n"));
        assert_eq!(exit_code(&rte_schema(&["check", &a]).0), code, "{catalogue}");
        assert_eq!(exit_code(&rte_schema(&["lock", &a]).0), code, "{catalogue}");
    }
    assert!(folder.read("a/lock.json").contains("\"is_part\": true"));
    assert_eq!(exit_code(&rte_schema(&["lock", "--check", &a]).0), 0);
}
