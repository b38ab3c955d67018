//! Every row of the table of changes, both ways, and what the lock file makes of it.
//!
//! Each case edits one small catalogue that is right, and is read from the old one to the new one
//! and back.

use super::contract::Contract;
use super::diff::{Breaks, Change, ChangeRule, diff, verdict};
use super::finding::Finding;
use super::model::Place;
use super::rules::small;
use super::{Compiled, Options, compile, lock};

type Files = Vec<(String, String)>;

/// One edit: in this file, this text becomes that one. A file that is not there is added; an empty
/// edit removes the file.
type Edit = (&'static str, &'static str, &'static str);

const STATUS: &str = "user/UserStatus.toml";
const ALERT: &str = "queue/QueueAlert.toml";
const AGENT: &str = "user/UserQueueAlert.toml";
const COLOUR: &str = "types/Colour.toml";
const TAG: &str = "types/Tag.toml";
const HEAD: &str = "catalogue.toml";

fn edited(edits: &[Edit]) -> Files {
    let mut files = small();
    for (path, from, to) in edits {
        match files.iter_mut().position(|(name, _)| name == path) {
            Some(index) if from.is_empty() && to.is_empty() => {
                files.remove(index);
            }
            Some(index) => {
                assert!(files[index].1.contains(from), "{path} has no {from:?}");
                files[index].1 = files[index].1.replacen(from, to, 1);
            }
            None => files.push(((*path).to_owned(), (*to).to_owned())),
        }
    }
    files
}

fn compiled(files: &Files) -> Compiled {
    match compile(files, Options::default()) {
        Ok(compiled) => compiled,
        Err(findings) => panic!("{findings:#?}"),
    }
}

fn contract(files: &Files) -> Contract {
    Contract::of(&compiled(files).model)
}

/// The changes but for texts, which nearly every edit touches, as `RULE subject: breaks`.
fn told(old: &Contract, new: &Contract) -> Vec<String> {
    let changes = diff(old, new);
    let changes = changes.iter().filter(|change| change.rule != ChangeRule::TextsChanged);
    changes.map(|change| format!("{} {}: {}", change.rule.name(), change.subject, change.breaks().name())).collect()
}

struct Row {
    /// From the small catalogue to the edited one.
    there: &'static [&'static str],
    /// And back.
    back: &'static [&'static str],
    edits: &'static [Edit],
}

const fn row(there: &'static [&'static str], back: &'static [&'static str], edits: &'static [Edit]) -> Row {
    Row { there, back, edits }
}

const AGENT_ALONE: Edit =
    (AGENT, "[derive]\nfrom = \"QueueAlert\"\nwhen = \"AgentId\"\nset  = { Agent = \"AgentId\" }\n", "");

const FURTHER: &str = r#"event  = "RoomAlert"
family = "Room"
summary = "Alert."
kind   = "occurrence"
entity = { from = "publisher" }
since  = "1.0"

[properties]
Text = { type = "string", doc = "Text." }

[[examples]]
title = "All"
json = '{ "text": "x" }'
"#;

const CALL: &str = "[call]\nid = \"QueueId\"\nleg = \"QueueId\"\nphase = \"begin\"\n[properties]";

const ROWS: &[Row] = &[
    row(&["EVENT_NO_DELETE UserQueueAlert: both"], &["EVENT_ADDED UserQueueAlert: nobody"], &[(AGENT, "", "")]),
    row(
        &["FAMILY_ADDED Room: nobody", "EVENT_ADDED RoomAlert: nobody"],
        &["FAMILY_NO_DELETE Room: both", "EVENT_NO_DELETE RoomAlert: both"],
        &[
            (HEAD, "[families.Queue]", "[families.Room]\nentity = \"room\"\ndoc = \"Rooms.\"\n\n[families.Queue]"),
            ("room/RoomAlert.toml", "", FURTHER),
        ],
    ),
    row(
        &["REQUIRED_NO_ADD UserStatus.Rank: publishers"],
        &["PROPERTY_NO_DELETE UserStatus.Rank: both"],
        &[
            (STATUS, "UserId  = {", "Rank = { type = \"int\", doc = \"Rank.\" }\nUserId  = {"),
            (STATUS, "\"phase\": \"on\"", "\"phase\": \"on\", \"rank\": 1"),
        ],
    ),
    row(
        &["PROPERTY_ADDED UserStatus.Rank: nobody"],
        &["PROPERTY_NO_DELETE UserStatus.Rank: both"],
        &[(STATUS, "UserId  = {", "Rank = { type = \"int?\", doc = \"Rank.\" }\nUserId  = {")],
    ),
    row(
        &["PROPERTY_ADDED UserStatus.Rank: nobody"],
        &["PROPERTY_NO_DELETE UserStatus.Rank: both"],
        &[(STATUS, "UserId  = {", "Rank = { type = \"int\", doc = \"Rank.\", optional = true }\nUserId  = {")],
    ),
    row(
        &["PROPERTY_NO_DELETE Tag.Name: both", "REQUIRED_NO_ADD Tag.NickName: publishers"],
        &["REQUIRED_NO_ADD Tag.Name: publishers", "PROPERTY_NO_DELETE Tag.NickName: both"],
        &[(TAG, "Name   =", "NickName ="), (STATUS, "\"name\": \"x\"", "\"nickName\": \"x\"")],
    ),
    row(
        &["EVENT_SAME_FAMILY QueueAlert: both"],
        &["EVENT_SAME_FAMILY QueueAlert: both"],
        &[(ALERT, "family = \"Queue\"", "family = \"User\"")],
    ),
    row(
        &["EVENT_SAME_KIND QueueAlert: subscribers"],
        &["EVENT_SAME_KIND QueueAlert: subscribers"],
        &[(ALERT, "\"occurrence\"", "\"state\"")],
    ),
    row(
        &["ENTITY_OR_PUBLISHER_ADDED QueueAlert: nobody"],
        &["EVENT_SAME_ENTITY QueueAlert: both"],
        &[(ALERT, "entity = \"QueueId\"", "entity = { property = \"QueueId\", or = \"publisher\" }")],
    ),
    row(
        &["EVENT_SAME_ENTITY QueueAlert: both"],
        &["EVENT_SAME_ENTITY QueueAlert: both"],
        &[(ALERT, "entity = \"QueueId\"", "entity = { from = \"publisher\" }")],
    ),
    row(
        &["EVENT_SAME_ENTITY UserQueueAlert: both"],
        &["EVENT_SAME_ENTITY UserQueueAlert: both"],
        &[(AGENT, "entity = \"Agent\"", "entity = \"QueueId\"")],
    ),
    row(
        &["WIRE_CASE_SAME catalogue: both"],
        &["WIRE_CASE_SAME catalogue: both"],
        &[(HEAD, "id_base", "wire_case = \"documented\"\nid_base")],
    ),
    row(
        &["PROPERTY_SAME_TYPE UserStatus.Tags: both"],
        &["PROPERTY_SAME_TYPE UserStatus.Tags: both"],
        &[
            (STATUS, "\"List<Tag>\"", "\"Tag\""),
            (STATUS, "[{ \"colour\": \"red\", \"name\": \"x\" }]", "{ \"colour\": \"red\", \"name\": \"x\" }"),
        ],
    ),
    row(
        &["PROPERTY_SAME_TYPE Tag.Name: both"],
        &["PROPERTY_SAME_TYPE Tag.Name: both"],
        &[(TAG, "\"string\"", "\"int\""), (STATUS, "\"name\": \"x\"", "\"name\": 1")],
    ),
    row(
        &["INTEGER_NO_WIDEN UserStatus.Level: subscribers"],
        &["INTEGER_NO_NARROW UserStatus.Level: publishers"],
        &[(STATUS, "Level   = { type = \"int\"", "Level   = { type = \"long\"")],
    ),
    row(
        &["NULLABLE_NO_ADD UserStatus.Level: subscribers"],
        &["NULLABLE_NO_REMOVE UserStatus.Level: publishers"],
        &[(STATUS, "Level   = { type = \"int\"", "Level   = { type = \"int?\"")],
    ),
    row(
        &["OPTIONAL_NO_ADD UserStatus.Level: subscribers"],
        &["OPTIONAL_NO_REMOVE UserStatus.Level: publishers"],
        &[(STATUS, "doc = \"Level.\"", "doc = \"Level.\", optional = true")],
    ),
    row(
        &["CLOSED_VALUE_NO_ADD UserStatus.Level: subscribers"],
        &["VALUE_NO_DELETE UserStatus.Level: publishers"],
        &[(STATUS, "[1, 2, 3]", "[1, 2, 3, 4]")],
    ),
    row(
        &["CLOSED_VALUE_NO_ADD Colour: subscribers"],
        &["VALUE_NO_DELETE Colour: publishers"],
        &[(COLOUR, "\"blue\"", "\"blue\", \"green\"")],
    ),
    row(
        &["VALUES_NO_OPEN UserStatus.Level: subscribers"],
        &["VALUES_NO_CLOSE UserStatus.Level: publishers"],
        &[(STATUS, "[1, 2, 3]", "[1, 2, 3], open = true")],
    ),
    row(
        &["VALUES_NO_OPEN UserStatus.Level: subscribers"],
        &["VALUES_NO_CLOSE UserStatus.Level: publishers"],
        &[(STATUS, ", values = [1, 2, 3]", "")],
    ),
    row(
        &["KNOWN_VALUES_CHANGED UserStatus.Phase: nobody"],
        &["KNOWN_VALUES_CHANGED UserStatus.Phase: nobody"],
        &[(STATUS, "[\"on\", \"off\"]", "[\"on\", \"off\", \"away\"]")],
    ),
    row(
        &["PROPERTY_SAME_SPELLING UserStatus.UserID: subscribers"],
        &["PROPERTY_SAME_SPELLING UserStatus.UserId: subscribers"],
        &[
            (STATUS, "UserId  =", "UserID  ="),
            (STATUS, "\"UserId\"", "\"UserID\""),
            (STATUS, "\"userId\"", "\"userID\""),
        ],
    ),
    row(
        &["EVENT_SAME_SPELLING Queuealert: subscribers", "DERIVE_SAME UserQueueAlert: subscribers"],
        &["EVENT_SAME_SPELLING QueueAlert: subscribers", "DERIVE_SAME UserQueueAlert: subscribers"],
        &[
            (ALERT, "", ""),
            ("queue/Queuealert.toml", "", QUEUEALERT),
            (AGENT, "from = \"QueueAlert\"", "from = \"Queuealert\""),
        ],
    ),
    row(&["DERIVE_SAME UserQueueAlert: subscribers"], &["DERIVE_ADDED UserQueueAlert: nobody"], &[AGENT_ALONE]),
    row(
        &["AUDIENCE_NO_NARROW QueueAlert: subscribers", "AUDIENCE_ADDED QueueAlert: nobody"],
        &["AUDIENCE_ADDED QueueAlert: nobody", "AUDIENCE_NO_NARROW QueueAlert: subscribers"],
        &[(ALERT, "since  =", "audience = [\"backend\"]\nsince  =")],
    ),
    row(
        &["EVENT_DEPRECATED QueueAlert: nobody", "PROPERTY_DEPRECATED QueueAlert.AgentId: nobody"],
        &["EVENT_DEPRECATED QueueAlert: nobody", "PROPERTY_DEPRECATED QueueAlert.AgentId: nobody"],
        &[
            (ALERT, "since  =", "deprecated = \"use X\"\nsince  ="),
            (ALERT, "doc = \"Agent.\"", "doc = \"Agent.\", deprecated = \"use Y\""),
        ],
    ),
    row(
        &["EVENT_KEY_ADDED QueueAlert: nobody"],
        &["EVENT_SAME_KIND QueueAlert: subscribers"],
        &[
            (ALERT, "kind   = \"occurrence\"", "kind   = \"state\""),
            (ALERT, "[properties]", "[state]\nkey = \"QueueId\"\n[properties]"),
        ],
    ),
    row(
        &["EVENT_SAME_KEY UserStatus: subscribers"],
        &["EVENT_SAME_KEY UserStatus: subscribers"],
        &[(STATUS, "interval_s = 15", "key = \"UserId\"")],
    ),
    row(&["CALL_ADDED QueueAlert: nobody"], &["CALL_SAME QueueAlert: subscribers"], &[(ALERT, "[properties]", CALL)]),
];

const QUEUEALERT: &str = r#"event  = "Queuealert"
family = "Queue"
summary = "Alert."
kind   = "occurrence"
entity = "QueueId"
since  = "1.0"

[properties]
AgentId = { type = "Guid?", doc = "Agent." }
QueueId = { type = "Guid", doc = "Queue." }

[[examples]]
title = "All"
json = '{ "agentId": null, "queueId": "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3" }'
"#;

#[test]
fn every_row_says_whom_it_breaks_there_and_back() {
    let old = contract(&small());
    for Row { there, back, edits } in ROWS {
        let new = contract(&edited(edits));
        assert_eq!(told(&old, &new), *there, "{edits:?}");
        assert_eq!(told(&new, &old), *back, "{edits:?}, back");
    }
}

#[test]
fn every_rule_has_a_row() {
    let rows: Vec<&str> = ROWS.iter().flat_map(|row| row.there.iter().chain(row.back)).copied().collect();
    for rule in ChangeRule::ALL.iter().filter(|rule| **rule != ChangeRule::TextsChanged) {
        let of_rule = format!("{} ", rule.name());
        assert!(rows.iter().any(|told| told.starts_with(&of_rule)), "{of_rule}");
    }
}

#[test]
fn nothing_has_changed_between_a_catalogue_and_itself() {
    let files = small();
    let backwards: Files = files.iter().rev().cloned().collect();
    assert_eq!(diff(&contract(&files), &contract(&backwards)), []);
}

#[test]
fn texts_examples_and_names_of_values_break_nobody() {
    let old = contract(&small());
    for (edit, subject) in [
        ((STATUS, "doc = \"Level.\"", "doc = \"The level.\""), "UserStatus"),
        ((STATUS, "title = \"All\"", "title = \"Everything\""), "UserStatus"),
        ((STATUS, "name = \"One\"", "name = \"Uno\""), "UserStatus"),
        ((COLOUR, "doc = \"Warm.\"", "doc = \"Hot.\""), "Colour"),
        ((TAG, "summary = \"Tag.\"", "summary = \"A tag.\""), "Tag"),
        ((HEAD, "\"Users.\"", "\"Persons.\""), "catalogue"),
    ] {
        let changes = diff(&old, &contract(&edited(&[edit])));
        let [Change { rule: ChangeRule::TextsChanged, subject: told, .. }] = changes.as_slice() else {
            panic!("{changes:#?}")
        };
        assert_eq!((told.as_str(), verdict(&changes)), (subject, Breaks::Nobody));
    }
}

#[test]
fn a_set_that_moves_into_a_file_changes_nothing_and_its_values_are_compared_all_the_same() {
    let shared = |values: &'static str| {
        edited(&[
            (STATUS, "type = \"int\", doc = \"Level.\", values = [1, 2, 3]", "type = \"Grade\", doc = \"Level.\""),
            ("types/Grade.toml", "", values),
        ])
    };
    let old = contract(&small());
    let same = contract(&shared("enum = \"Grade\"\nsummary = \"Grades.\"\nbase = \"int\"\nvalues = [3, 2, 1]\n"));
    assert_eq!(told(&old, &same), Vec::<String>::new());
    let fewer = contract(&shared("enum = \"Grade\"\nsummary = \"Grades.\"\nbase = \"int\"\nvalues = [1, 2]\n"));
    assert_eq!(told(&old, &fewer), ["VALUE_NO_DELETE UserStatus.Level: publishers"]);
    assert_eq!(told(&same, &fewer), ["VALUE_NO_DELETE Grade: publishers"]);
}

#[test]
fn verdicts_add_up() {
    let old = contract(&small());
    let new = contract(&edited(&[
        (STATUS, "[1, 2, 3]", "[1, 2]"),
        (STATUS, "EndTime = { type = \"DateTime\"", "EndTime = { type = \"DateTime?\""),
    ]));
    let changes = diff(&old, &new);
    assert_eq!(verdict(&changes), Breaks::Both);
    assert_eq!(verdict(&[]), Breaks::Nobody);
}

#[test]
fn sentences_and_places_lead_to_the_change() {
    let deprecated = edited(&[(TAG, "doc = \"Name.\"", "doc = \"Name.\", deprecated = \"use NickName\"")]);
    let (old, new) = (contract(&deprecated), contract(&edited(ROWS[5].edits)));
    let changes = diff(&old, &new);
    let told: Vec<_> = changes
        .iter()
        .filter(|change| change.rule != ChangeRule::TextsChanged)
        .map(|change| (change.place.clone().unwrap().to_string(), change.sentence.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("types/Tag.toml:1:11".to_owned(), "property Tag.Name was removed, as announced (\"use NickName\")"),
            ("types/Tag.toml:6:1".to_owned(), "property Tag.NickName was added, and it may be neither null nor absent"),
        ]
    );
    let renamed = contract(&edited(&[(STATUS, "Phase   =", "Phases  ="), (STATUS, "\"phase\"", "\"phases\"")]));
    let sentences: Vec<_> = diff(&contract(&small()), &renamed).into_iter().map(|change| change.sentence).collect();
    assert!(
        sentences[0].ends_with("UserStatus.Phase was removed (Phases was added; to rename is to remove)"),
        "{sentences:?}"
    );
}

fn lock_of(files: &Files) -> String {
    lock::write(&contract(files)).unwrap()
}

#[test]
fn a_lock_file_holds_the_contract_and_is_the_same_each_time() {
    let files = small();
    let text = lock_of(&files);
    let backwards: Files = files.iter().rev().cloned().collect();
    assert_eq!(lock_of(&backwards), text);
    let read = lock::read("lock.json", &text).unwrap();
    assert_eq!(lock::write(&read).unwrap(), text);
    assert_eq!(diff(&read, &contract(&files)), []);
    assert!(
        text.starts_with("{\n  \"format\": 1,\n  \"released\": {\n    \"version\": \"1.0.0\",\n")
            && text.ends_with("}\n")
    );
    for Row { edits, .. } in ROWS {
        let text = lock_of(&edited(edits));
        assert_eq!(lock::write(&lock::read("lock.json", &text).unwrap()).unwrap(), text);
    }
}

/// What the build is told of these files, held to the lock file of the small catalogue.
fn held(files: &Files) -> Vec<String> {
    let lock = lock_of(&small());
    let told = |findings: Vec<Finding>| findings.iter().map(ToString::to_string).collect();
    match compiled(files).held_to("schema/lock.json", Some(&lock)) {
        Ok(_) => Vec::new(),
        Err(findings) => told(findings),
    }
}

#[test]
fn the_build_refuses_each_row_that_breaks_and_takes_the_others() {
    for Row { there, edits, .. } in ROWS {
        let breaking = there.iter().filter(|told| !told.ends_with(": nobody")).count();
        let told = held(&edited(edits));
        assert_eq!(told.len(), breaking, "{edits:?}: {told:#?}");
        assert!(told.iter().all(|line| line.contains(": error[breaking-change]: ")), "{told:#?}");
    }
}

#[test]
fn a_refusal_says_what_whom_and_what_to_do() {
    assert_eq!(
        held(&edited(&[(STATUS, "[1, 2, 3]", "[2, 3]")])),
        [
            "user/UserStatus.toml:16:1: error[breaking-change]: property UserStatus.Level no longer takes 1, which breaks \
          publishers of version 1.0.0 (VALUE_NO_DELETE); take it back, or raise the major version"
        ]
    );
    let gone = held(&edited(&[(AGENT, "", "")]));
    let text = lock_of(&small());
    let line = 1 + text.lines().position(|line| line.contains("\"UserQueueAlert\": {")).unwrap();
    assert!(
        gone[0].starts_with(&format!("schema/lock.json:{line}:7: error[breaking-change]: event UserQueueAlert")),
        "{gone:?}"
    );
}

#[test]
fn a_higher_major_version_may_break_and_a_higher_minor_one_may_not() {
    let breaking = (STATUS, "[1, 2, 3]", "[2, 3]");
    assert_eq!(held(&edited(&[breaking, (HEAD, "1.0.0", "2.0.0")])), Vec::<String>::new());
    assert_eq!(held(&edited(&[breaking, (HEAD, "1.0.0", "1.1.0")])).len(), 1);
    assert_eq!(held(&edited(&[breaking, (HEAD, "1.0.0", "0.9.0")])).len(), 1);
}

#[test]
fn without_a_lock_file_nothing_was_promised() {
    let files = edited(&[(AGENT, "", "")]);
    assert!(compiled(&files).held_to("schema/lock.json", None).is_ok());
}

#[test]
fn what_is_no_lock_file_is_told_with_its_place() {
    let finding = |text: &str| lock::read("lock.json", text).unwrap_err().to_string();
    assert!(finding("{").starts_with("lock.json:1:1: error[unreadable]: no lock file: EOF while parsing"));
    assert_eq!(
        finding("{ \"format\": 2, \"released\": [] }"),
        "lock.json:1:1: error[unreadable]: lock format 2 is unknown; this program reads format 1"
    );
    let text = lock_of(&small()).replacen("\"kind\": \"state\"", "\"kind\": \"steady\"", 1);
    let told = finding(&text);
    assert!(told.contains("unknown variant `steady`") && !told.starts_with("lock.json:1:1:"), "{told}");
    let refused = compiled(&small()).held_to("schema/lock.json", Some("[]")).unwrap_err();
    assert_eq!(refused[0].place, Place { file: "schema/lock.json".to_owned(), line: 1, column: 2 });
}
