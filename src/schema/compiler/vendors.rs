//! A vendor who derives from another author's events: what the other one may do without stopping
//! the hub, and what the vendor may do with events of its own.

use super::contract::Contract;
use super::diff::{Breaks, diff, verdict};
use super::finding::{Finding, Rule};
use super::model::Model;
use super::validate::derive::derive;
use super::{Compiled, Options, compile, lock, rules};

const AGENT: &str = r#"event   = "AcmeAgentAlert"
family  = "User"
summary = "Alert of an agent."
kind    = "occurrence"
entity  = "Person"
since   = "1.0"

[derive]
from = "QueueAlert"
when = "AgentId"
set  = { Person = "AgentId" }

[properties]
AgentId = { type = "Guid?", doc = "Agent." }
Person  = { type = "Guid", doc = "Who." }
QueueId = { type = "Guid", doc = "Queue." }

[[examples]]
title = "All"
json = '''{ "agentId": null, "person": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3", "queueId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3" }'''
"#;

const GUID: &str = "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3";

/// The small catalogue as another author has it, with these edits, and the vendor's files on top.
fn on_top(edits: &[(&str, &str, &str)], vendor: &[(&str, &str)]) -> Result<Compiled, Vec<Finding>> {
    let mut files = rules::edited(edits);
    let base_files = files.len();
    files.extend(vendor.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    compile(&files, Options { base_files, ..Options::default() })
}

fn inheriting() -> String {
    let start = AGENT.replace("set  =", "inherit = true\nset  =");
    start
        .replace("AgentId = { type = \"Guid?\", doc = \"Agent.\" }\n", "")
        .replace("QueueId = { type = \"Guid\", doc = \"Queue.\" }\n", "")
}

fn derived(model: &Model, text: &str) -> serde_json::Value {
    let id = (0..).map(super::model::EventId).find(|id| model.event(*id).unwrap().name == "AcmeAgentAlert").unwrap();
    let mut out = Vec::new();
    derive(model, id, text, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// A property that the source gains, in its table and its example.
const GAINED: [(&str, &str, &str); 2] = [
    ("queue/QueueAlert.toml", "QueueId = {", "Level = { type = \"int?\", doc = \"Level.\" }\nQueueId = {"),
    ("user/UserQueueAlert.toml", "QueueId = {", "Level = { type = \"int?\", doc = \"Level.\" }\nQueueId = {"),
];

#[test]
fn what_a_source_gains_is_dropped_with_a_warning_or_inherited() {
    let source = format!("{{\"agentId\":\"{GUID}\",\"level\":7,\"queueId\":\"{GUID}\"}}");
    let compiled = on_top(&GAINED, &[("x/AcmeAgentAlert.toml", AGENT)]).unwrap();
    let rules: Vec<Rule> = compiled.warnings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::DeriveLacks]);
    let made = derived(&compiled.model, &source);
    assert_eq!(made, serde_json::json!({ "agentId": GUID, "person": GUID, "queueId": GUID }));
    let allowed = AGENT.replace("[derive]", "allow = [\"derive-lacks\"]\n[derive]");
    assert_eq!(on_top(&GAINED, &[("x/AcmeAgentAlert.toml", &allowed)]).unwrap().warnings, []);

    let inheriting = inheriting();
    for (edits, names) in
        [(&GAINED[..0], &["AgentId", "Person", "QueueId"][..]), (&GAINED, &["AgentId", "Level", "Person", "QueueId"])]
    {
        let compiled = on_top(edits, &[("x/AcmeAgentAlert.toml", &inheriting)]).unwrap();
        assert_eq!(compiled.warnings, []);
        let event = compiled.model.events.iter().find(|event| event.name == "AcmeAgentAlert").unwrap();
        assert_eq!(event.properties.iter().map(|property| property.name.as_str()).collect::<Vec<_>>(), names);
    }
    let compiled = on_top(&GAINED, &[("x/AcmeAgentAlert.toml", &inheriting)]).unwrap();
    assert_eq!(derived(&compiled.model, &source)["level"], 7);
    // A property of its own stands for the source's.
    let own = inheriting.replace("[properties]", "[properties]\nAgentId = { type = \"Guid?\", doc = \"Mine.\" }");
    let compiled = on_top(&[], &[("x/AcmeAgentAlert.toml", &own)]).unwrap();
    let event = compiled.model.events.iter().find(|event| event.name == "AcmeAgentAlert").unwrap();
    assert_eq!(event.properties[0].doc, "Mine.");
}

#[test]
fn no_change_that_breaks_nobody_stops_who_derives() {
    const ALERT: &str = "queue/QueueAlert.toml";
    let open = |values: &str| {
        format!(
            "QueueId = {{ type = \"Guid\", doc = \"Queue.\" }}\nLevel = {{ type = \"int?\", doc = \"L.\", values = {values}, open = true }}"
        )
    };
    let queue_id = "QueueId = { type = \"Guid\", doc = \"Queue.\" }";
    let before = open("[1, 2]");
    let vendor = AGENT.replace(queue_id, &before);
    let (more, named) = (open("[1, 2, 3]"), open("[{ value = 1, name = \"One\", doc = \"First.\" }, 2]"));
    let plain = |line: &'static str| vec![(ALERT, queue_id, line), ("user/UserQueueAlert.toml", queue_id, line)];
    type Change<'c> = (&'c str, Vec<(&'c str, &'c str, &'c str)>, &'c str);
    let changes: [Change<'_>; 5] = [
        ("a text", vec![(ALERT, "doc = \"Queue.\"", "doc = \"The queue.\"")], AGENT),
        ("a deprecation", plain("QueueId = { type = \"Guid\", doc = \"Queue.\", deprecated = \"use it not\" }"), AGENT),
        ("a known value", vec![(ALERT, queue_id, &more), ("user/UserQueueAlert.toml", queue_id, &more)], &vendor),
        ("a name of a value", vec![(ALERT, queue_id, &named), ("user/UserQueueAlert.toml", queue_id, &named)], &vendor),
        (
            "an optional property",
            plain(
                "Hint = { type = \"string\", doc = \"H.\", optional = true }\nQueueId = { type = \"Guid\", doc = \"Queue.\" }",
            ),
            AGENT,
        ),
    ];
    for (what, edits, vendor) in changes {
        let former = if vendor == AGENT {
            Vec::new()
        } else {
            vec![(ALERT, queue_id, before.as_str()), ("user/UserQueueAlert.toml", queue_id, before.as_str())]
        };
        let old = on_top(&former, &[("x/AcmeAgentAlert.toml", vendor)]).unwrap();
        let new = on_top(&edits, &[("x/AcmeAgentAlert.toml", vendor)]);
        let new = new.unwrap_or_else(|findings| panic!("{what}: {}", findings[0]));
        assert_eq!(verdict(&diff(&Contract::of(&old.model), &Contract::of(&new.model))), Breaks::Nobody, "{what}");
    }
    // The source becomes derived itself: only what is published of it counts from then on.
    let chained = AGENT
        .replace("from = \"QueueAlert\"", "from = \"UserQueueAlert\"")
        .replace("[properties]", "[properties]\nAgent = { type = \"Guid\", doc = \"A.\" }");
    let chained = chained.replace("{ \"agentId\"", &format!("{{ \"agent\": \"{GUID}\", \"agentId\""));
    let compiled = on_top(&[], &[("x/AcmeAgentAlert.toml", &chained)]).unwrap();
    assert_eq!(compiled.warnings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::DeriveChain]);
}

/// A vendor's folder at that version, whose one event has these properties besides.
fn vendor(version: &str, properties: &str) -> Compiled {
    let catalogue = format!("format = 1\nversion = \"{version}\"\n[families.Zoo]\nentity = \"zoo\"\ndoc = \"Zoos.\"\n");
    let event = format!(
        "event = \"ZooOpened\"\nfamily = \"Zoo\"\nsummary = \"S.\"\nkind = \"occurrence\"\n\
         entity = {{ from = \"publisher\" }}\nsince = \"1.0\"\n[properties]\n{properties}\n"
    );
    on_top(&[], &[("x/catalogue.toml", &catalogue), ("x/ZooOpened.toml", &event)]).unwrap()
}

const GATE: &str = "Gate = { type = \"string\", doc = \"Gate.\" }";

#[test]
fn a_folder_with_a_version_of_its_own_breaks_its_own_by_raising_it() {
    let first = vendor("1.0.0", GATE);
    let [part] = &first.model.parts[..] else { panic!("{:?}", first.model.parts) };
    assert_eq!((part.folder.as_str(), part.version.as_str()), ("x/", "1.0.0"));
    let own = first.model.events.iter().find(|event| event.name == "ZooOpened").unwrap();
    let other = first.model.events.iter().find(|event| event.name == "UserStatus").unwrap();
    assert_eq!((first.model.version_of(&own.place), first.model.version_of(&other.place)), ("1.0.0", "1.0.0"));

    let contract = Contract::of_part(&first.model, part);
    assert_eq!(contract.events.keys().collect::<Vec<_>>(), ["ZooOpened"]);
    assert_eq!((contract.families.as_slice(), contract.types.len()), (&["Zoo".to_owned()][..], 0));
    let text = lock::write(&contract).unwrap();
    let held = |compiled: Compiled| compiled.held_to("x/lock.json", Some(&text)).map(|_| ());
    assert_eq!(held(vendor("1.0.0", GATE)), Ok(()));
    assert_eq!(held(vendor("1.1.0", &format!("{GATE}\nHour = {{ type = \"int?\", doc = \"H.\" }}"))), Ok(()));
    let broken = held(vendor("1.1.0", "")).unwrap_err();
    assert!(broken.iter().any(|finding| finding.rule == Rule::BreakingChange), "{broken:?}");
    assert_eq!(held(vendor("2.0.0", "")), Ok(()));
    assert_eq!(vendor("2.0.0", "").model.version_of(&own.place), "2.0.0");
    // The other author's events are none of its business: they may break without this folder's
    // doing.
    let renamed = on_top(
        &[("user/UserStatus.toml", "Level   =", "Stage   ="), ("user/UserStatus.toml", "\"level\"", "\"stage\"")],
        &[],
    );
    assert!(renamed.is_ok());
}

#[test]
fn a_folder_that_said_no_version_had_1_and_a_lock_file_of_that_time_is_about_everything() {
    let first = vendor("1.0.0", GATE);
    let text = lock::write(&Contract::of(&first.model)).unwrap();
    assert!(!text.contains("is_part"));
    assert!(vendor("1.0.0", GATE).held_to("x/lock.json", Some(&text)).is_ok());
    assert!(vendor("1.1.0", "").held_to("x/lock.json", Some(&text)).is_err());
    assert!(vendor("2.0.0", "").held_to("x/lock.json", Some(&text)).is_ok());
}
