//! Every rule with a catalogue that breaks it, and the line that says so.
//!
//! Each case edits one small catalogue that is right.

use super::finding::{Finding, Rule};
use super::{Compiled, Options, compile};

const CATALOGUE: &str = r#"format  = 1
title   = "Small"
version = "1.0.0"
id_base = "https://rte.example/schemas/v1/"

[families.User]
entity = "user"
doc    = "Users."

[families.Queue]
entity = "queue"
doc    = "Queues."
"#;

const STATUS: &str = r#"event  = "UserStatus"
family = "User"
summary = "Status."
kind   = "state"
entity = "UserId"
since  = "1.0"
correlation = ["CallId"]

[state]
expires    = "EndTime"
interval_s = 15

[properties]
CallId  = { type = "Guid?", doc = "Call." }
EndTime = { type = "DateTime", doc = "End." }
Level   = { type = "int", doc = "Level.", values = [1, 2, 3] }
Phase   = { type = "string?", doc = "Phase.", values = ["on", "off"], open = true }
Tags    = { type = "List<Tag>", doc = "Tags." }
UserId  = { type = "Guid", doc = "User." }
Mode    = { type = "short?", doc = "Mode.", values = [{ value = 1, name = "One" }, 2] }
Shade   = { type = "Colour?", doc = "Shade." }

[[examples]]
title = "All"
json = '''
{
  "callId": null,
  "endTime": "2024-05-31T14:02:11.4830000Z",
  "level": 2,
  "mode": null,
  "phase": "on",
  "shade": null,
  "tags": [{ "colour": "red", "name": "x" }],
  "userId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3"
}
'''
"#;

const ALERT: &str = r#"event  = "QueueAlert"
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

const AGENT: &str = r#"event  = "UserQueueAlert"
family = "User"
summary = "Alert of an agent."
kind   = "occurrence"
entity = "Agent"
since  = "1.0"

[derive]
from = "QueueAlert"
when = "AgentId"
set  = { Agent = "AgentId" }

[properties]
Agent   = { type = "Guid", doc = "Agent." }
AgentId = { type = "Guid?", doc = "Agent." }
QueueId = { type = "Guid", doc = "Queue." }

[[examples]]
title = "All"
json = """{
  "agent": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3",
  "agentId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3",
  "queueId": "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3"
}"""
"#;

const TAG: &str = r#"type    = "Tag"
summary = "Tag."

[properties]
Colour = { type = "Colour", doc = "Colour." }
Name   = { type = "string", doc = "Name." }
"#;

const COLOUR: &str = r#"enum    = "Colour"
summary = "Colours."
base    = "string"
values  = [{ value = "red", name = "Red", doc = "Warm." }, "blue"]
"#;

/// A catalogue that has a bit of everything and nothing wrong.
pub(super) fn small() -> Vec<(String, String)> {
    [
        ("catalogue.toml", CATALOGUE),
        ("queue/QueueAlert.toml", ALERT),
        ("types/Colour.toml", COLOUR),
        ("types/Tag.toml", TAG),
        ("user/UserQueueAlert.toml", AGENT),
        ("user/UserStatus.toml", STATUS),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .to_vec()
}

fn findings(files: &[(String, String)]) -> Vec<Finding> {
    match compile(files, Options::default()) {
        Ok(Compiled { warnings, .. }) => warnings,
        Err(findings) => findings,
    }
}

/// One edit: in this file, this text becomes that one. A file that is not there is added.
type Edit<'e> = (&'e str, &'e str, &'e str);

struct Case {
    rule: Rule,
    edits: &'static [Edit<'static>],
    told: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let case = |rule, edits, told| Case { rule, edits, told };
    vec![
        case(
            Rule::Toml,
            &[
                ("user/UserStatus.toml", r#"summary = "Status.""#, "summary = Status."),
                ("user/UserStatus.toml", "interval_s = 15", "interval_s 15"),
            ],
            &[
                "user/UserStatus.toml:3:11: error[toml]: string values must be quoted, expected literal string",
                "user/UserStatus.toml:11:12: error[toml]: key with no value, expected `=`",
            ],
        ),
        case(
            Rule::Toml,
            &[(
                "queue/QueueAlert.toml",
                r#"QueueId = { type = "Guid", doc = "Queue." }"#,
                "QueueId = {\n  type = \"Guid\", doc = \"Queue.\" }",
            )],
            &[
                "queue/QueueAlert.toml:10:11: error[toml]: an inline table over several lines or with a comma at its end is TOML 1.1, which other tools refuse; write it on one line, or as a [table]",
            ],
        ),
        case(
            Rule::UnknownKey,
            &[("user/UserStatus.toml", "since  =", "sinse  =")],
            &[
                r#"user/UserStatus.toml:6:1: error[unknown-key]: unknown key "sinse" in event "UserStatus"; did you mean "since"?"#,
            ],
        ),
        case(
            Rule::UnknownKey,
            &[("user/UserStatus.toml", "interval_s = 15", "zebra = 15")],
            &[
                r#"user/UserStatus.toml:11:1: error[unknown-key]: unknown key "zebra" in [state]; known keys: expires, interval_s, on_change, key"#,
            ],
        ),
        case(
            Rule::UnknownKey,
            &[("types/Tag.toml", "summary =", "enum = \"Tag\"\nsummary =")],
            &[
                "types/Tag.toml:1:1: error[unknown-key]: a file declares one thing, and this one says type and enum; keep one",
            ],
        ),
        case(
            Rule::UnknownKey,
            &[("user/UserStatus.toml", r#"type = "Guid?", doc"#, r#"type = "Guid?", dok"#)],
            &[
                r#"user/UserStatus.toml:14:29: error[unknown-key]: unknown key "dok" in property "CallId" of UserStatus; did you mean "doc"?"#,
            ],
        ),
        case(
            Rule::MissingKey,
            &[
                ("queue/QueueAlert.toml", "family = \"Queue\"\n", ""),
                ("queue/QueueAlert.toml", "since  = \"1.0\"\n", ""),
            ],
            &[r#"queue/QueueAlert.toml:1:1: error[missing-key]: event "QueueAlert" has no family, since; add them"#],
        ),
        case(
            Rule::MissingKey,
            &[("user/UserStatus.toml", r#"Level   = { type = "int", "#, "Level   = { ")],
            &[r#"user/UserStatus.toml:16:11: error[missing-key]: property "Level" of UserStatus has no type; add it"#],
        ),
        case(
            Rule::MissingKey,
            &[("types/Colour.toml", "enum    = \"Colour\"\n", "")],
            &[
                r#"types/Colour.toml:1:1: error[missing-key]: the file declares nothing; start it with event = "…", type = "…" or enum = "…""#,
            ],
        ),
        case(
            Rule::MissingKey,
            &[("catalogue.toml", "title   = \"Small\"\n", ""), ("catalogue.toml", "doc    = \"Users.\"\n", "")],
            &[
                "catalogue.toml:1:1: error[missing-key]: the catalogue has no title; add it",
                r#"catalogue.toml:5:1: error[missing-key]: family "User" has no doc; add it"#,
            ],
        ),
        case(
            Rule::WrongType,
            &[
                ("user/UserStatus.toml", r#"summary = "Status.""#, "summary = 1"),
                ("user/UserStatus.toml", r#"correlation = ["CallId"]"#, r#"correlation = "CallId""#),
                ("user/UserStatus.toml", "values = [1, 2, 3]", "values = 3"),
            ],
            &[
                r#"user/UserStatus.toml:3:11: error[wrong-type]: "summary" of event "UserStatus" is an integer; write a string"#,
                r#"user/UserStatus.toml:7:15: error[wrong-type]: "correlation" of event "UserStatus" is a string; write a list of strings"#,
                r#"user/UserStatus.toml:16:52: error[wrong-type]: "values" of property "Level" of UserStatus is an integer; write a list of values"#,
            ],
        ),
        case(
            Rule::BadValue,
            &[("user/UserStatus.toml", r#"kind   = "state""#, r#"kind   = "stat""#)],
            &[r#"user/UserStatus.toml:4:10: error[bad-value]: unknown kind "stat"; did you mean "state"?"#],
        ),
        case(
            Rule::BadValue,
            &[
                ("user/UserStatus.toml", "interval_s = 15", "interval_s = 0"),
                ("user/UserStatus.toml", r#"since  = "1.0""#, r#"since  = "one""#),
            ],
            &[
                r#"user/UserStatus.toml:6:10: error[bad-value]: "one" is no version; write one like 1.0"#,
                r#"user/UserStatus.toml:11:14: error[bad-value]: "interval_s" is a number of seconds; write 1 or more"#,
            ],
        ),
        case(
            Rule::BadValue,
            &[("catalogue.toml", "format  = 1", "format  = 2"), ("catalogue.toml", "/schemas/v1/", "/v1")],
            &[
                "catalogue.toml:1:11: error[bad-value]: format 2 is unknown; this program reads format 1",
                r#"catalogue.toml:4:11: error[bad-value]: "id_base" is what each schema's $id starts with; write a URL that ends in /schemas/v1/"#,
            ],
        ),
        case(
            Rule::BadValue,
            &[("catalogue.toml", r#"version = "1.0.0""#, "version = \"1.0.0\"\nwire_case = \"snake\"")],
            &[r#"catalogue.toml:4:13: error[bad-value]: unknown wire_case "snake"; known ones: camel, documented"#],
        ),
        case(
            Rule::BadValue,
            &[("queue/QueueAlert.toml", "kind ", "audience = []\nkind ")],
            &[
                r#"queue/QueueAlert.toml:4:12: error[bad-value]: an audience of nobody; name "client", "backend" or both"#,
            ],
        ),
        case(
            Rule::BadValue,
            &[("queue/QueueAlert.toml", "kind ", "audience = [\"clients\"]\nkind ")],
            &[r#"queue/QueueAlert.toml:4:13: error[bad-value]: unknown audience "clients"; did you mean "client"?"#],
        ),
        case(
            Rule::BadValue,
            &[("queue/QueueAlert.toml", r#"entity = "QueueId""#, r#"entity = { or = "publisher" }"#)],
            &[
                r#"queue/QueueAlert.toml:5:10: error[bad-value]: entity names no one; write "Property", { from = "publisher" } or { property = "Property", or = "publisher" }"#,
            ],
        ),
        case(
            Rule::BadValue,
            &[("x/catalogue.toml", "", "format = 1\ntitle = \"Mine\"\n")],
            &[
                r#"x/catalogue.toml:2:9: error[bad-value]: "title" is said by catalogue.toml; a further catalogue has format, version and families"#,
            ],
        ),
        case(
            Rule::BadValue,
            &[("types/Tag.toml", "summary", "allow = [\"unknown-type\"]\nsummary")],
            &[
                r#"types/Tag.toml:2:10: error[bad-value]: unknown warning "unknown-type"; known ones: derive-chain, derive-lacks, call-incomplete, no-example, no-doc, unused-type, similar-name"#,
            ],
        ),
        case(
            Rule::BadValue,
            &[("types/Tag.toml", r#"doc = "Name.""#, r#"doc = "Name.", pii = "address""#)],
            &[r#"types/Tag.toml:6:50: error[bad-value]: unknown pii "address"; known ones: phone, name, email, text"#],
        ),
        case(
            Rule::BadName,
            &[
                ("queue/QueueAlert.toml", r#"event  = "QueueAlert""#, r#"event  = "queue alert""#),
                ("user/UserStatus.toml", "Level   = {", "level = {"),
            ],
            &[
                r#"queue/QueueAlert.toml:1:10: error[bad-name]: "queue alert" is no name; start with a capital and go on with ASCII letters and digits"#,
                r#"user/UserStatus.toml:16:1: error[bad-name]: "level" is no name; start with a capital and go on with ASCII letters and digits"#,
            ],
        ),
        case(
            Rule::BadName,
            &[(
                "types/Datetime.toml",
                "",
                "type = \"Datetime\"\nsummary = \"S.\"\n[properties]\nA = { type = \"int\", doc = \"A.\" }\n",
            )],
            &[
                r#"types/Datetime.toml:1:8: error[bad-name]: "Datetime" is taken by the built-in "DateTime"; choose another name"#,
            ],
        ),
        case(
            Rule::NameMismatch,
            &[
                ("types/Colour.toml", r#""Colour""#, r#""Color""#),
                ("types/Tag.toml", r#"type = "Colour""#, r#"type = "Color""#),
            ],
            &[
                r#"types/Colour.toml:1:11: error[name-mismatch]: enum "Color" is in the file Colour.toml; rename one to match"#,
                r#"user/UserStatus.toml:21:20: error[unknown-type]: unknown type "Colour" for property "Shade"; did you mean "Color"?"#,
            ],
        ),
        case(
            Rule::DuplicateName,
            &[(
                "z/Userstatus.toml",
                "",
                "event = \"Userstatus\"\nfamily = \"User\"\nsummary = \"S.\"\nkind = \"occurrence\"\nentity = { from = \"publisher\" }\nsince = \"1.0\"\nallow = [\"no-example\"]\n[properties]\nA = { type = \"int\", doc = \"A.\" }\n",
            )],
            &[
                r#"z/Userstatus.toml:1:9: error[duplicate-name]: "Userstatus" is already defined at user/UserStatus.toml:1 (names are compared without case); rename one"#,
            ],
        ),
        case(
            Rule::DuplicateName,
            &[("x/catalogue.toml", "", "format = 1\n[families.USER]\nentity = \"u\"\ndoc = \"U.\"\n")],
            &[
                r#"x/catalogue.toml:2:11: error[duplicate-name]: "USER" is already defined at catalogue.toml:6 (names are compared without case); rename one"#,
            ],
        ),
        case(
            Rule::UnknownFamily,
            &[
                ("user/UserStatus.toml", r#"family = "User""#, r#"family = "Users""#),
                ("queue/QueueAlert.toml", r#"family = "Queue""#, r#"family = "Zebra""#),
            ],
            &[
                r#"queue/QueueAlert.toml:2:10: error[unknown-family]: no family "Zebra"; the families: User, Queue"#,
                r#"user/UserStatus.toml:2:10: error[unknown-family]: no family "Users"; did you mean "User"?"#,
            ],
        ),
        case(
            Rule::UnknownType,
            &[
                ("user/UserStatus.toml", r#"type = "int""#, r#"type = "integer""#),
                ("user/UserStatus.toml", "List<Tag>", "List<Tags>"),
            ],
            &[
                r#"user/UserStatus.toml:16:20: error[unknown-type]: unknown type "integer" for property "Level"; did you mean "int"?"#,
                r#"user/UserStatus.toml:18:20: error[unknown-type]: unknown type "Tags" for property "Tags"; did you mean "Tag"?"#,
            ],
        ),
        case(
            Rule::UnknownType,
            &[("types/Colour.toml", r#"base    = "string""#, r#"base    = "Guid""#)],
            &[
                r#"types/Colour.toml:3:11: error[unknown-type]: enum "Colour" cannot be based on "Guid"; the bases: string, short, int, long"#,
            ],
        ),
        case(
            Rule::BadType,
            &[
                ("user/UserStatus.toml", "List<Tag>", "List<Tag"),
                ("user/UserStatus.toml", r#"type = "DateTime""#, r#"type = "QueueAlert""#),
            ],
            &[
                r#"user/UserStatus.toml:15:20: error[bad-type]: property "EndTime" of UserStatus cannot hold the event "QueueAlert"; declare a type with the properties that it should hold"#,
                r#"user/UserStatus.toml:18:20: error[bad-type]: "List<Tag" is no type for property "Tags"; close the list with ">""#,
            ],
        ),
        case(
            Rule::TypeCycle,
            &[("types/Tag.toml", r#"type = "string""#, r#"type = "List<Tag>""#)],
            &["types/Tag.toml:6:1: error[type-cycle]: a type cannot contain itself: Tag -> Tag; break the circle"],
        ),
        case(
            Rule::UnknownProperty,
            &[
                ("user/UserStatus.toml", r#"entity = "UserId""#, r#"entity = "UserID""#),
                ("user/UserStatus.toml", r#"["CallId"]"#, r#"["LegId"]"#),
                ("user/UserStatus.toml", "\"EndTime\"\ni", "\"Endtime\"\ni"),
            ],
            &[
                r#"user/UserStatus.toml:5:10: error[unknown-property]: entity names "UserID", which event "UserStatus" does not have; did you mean "UserId"?"#,
                r#"user/UserStatus.toml:7:16: error[unknown-property]: correlation names "LegId", which event "UserStatus" does not have; its properties: CallId, EndTime, Level, Mode, Phase, Shade, Tags, UserId"#,
                r#"user/UserStatus.toml:10:14: error[unknown-property]: expires names "Endtime", which event "UserStatus" does not have; did you mean "EndTime"?"#,
            ],
        ),
        case(
            Rule::UnknownProperty,
            &[("queue/QueueAlert.toml", r#"entity = "QueueId""#, r#"entity = "UserId""#)],
            &[
                r#"queue/QueueAlert.toml:5:10: error[unknown-property]: entity names "UserId", which event "QueueAlert" does not have; its Guid properties: AgentId, QueueId"#,
            ],
        ),
        case(
            Rule::EntityType,
            &[("user/UserStatus.toml", r#"entity = "UserId""#, r#"entity = "Level""#)],
            &[
                r#"user/UserStatus.toml:5:10: error[entity-type]: entity "Level" is a number; name a property of type Guid"#,
            ],
        ),
        case(
            Rule::EntityNullable,
            &[("user/UserStatus.toml", r#"entity = "UserId""#, r#"entity = "CallId""#)],
            &[
                r#"user/UserStatus.toml:5:10: error[entity-nullable]: entity "CallId" may be null, and then nobody could receive the event; write entity = { property = "CallId", or = "publisher" }"#,
            ],
        ),
        case(
            Rule::DuplicateProperty,
            &[("user/UserStatus.toml", "UserId  = {", "EndTIME = { type = \"Guid\", doc = \"User.\" }\nUserId  = {")],
            &[
                r#"user/UserStatus.toml:19:1: error[duplicate-property]: property "EndTIME" differs from "EndTime" only in case; readers compare names without case"#,
            ],
        ),
        case(
            Rule::ValuesOfList,
            &[("user/UserStatus.toml", r#"doc = "Tags.""#, r#"doc = "Tags.", values = ["a"]"#)],
            &[
                r#"user/UserStatus.toml:18:57: error[values-of-list]: property "Tags" is a list, and only scalars have values; declare the values as an enum and list that"#,
            ],
        ),
        case(
            Rule::ValueType,
            &[
                ("user/UserStatus.toml", "[1, 2, 3]", r#"[1, "2", 3000000000]"#),
                ("user/UserStatus.toml", r#"["on", "off"]"#, r#"["on", 0]"#),
            ],
            &[
                r#"user/UserStatus.toml:16:56: error[value-type]: "2" does not fit the type; write an integer as a value of property "Level""#,
                r#"user/UserStatus.toml:16:61: error[value-type]: 3000000000 does not fit the type; write an integer of 32 bits as a value of property "Level""#,
                r#"user/UserStatus.toml:17:63: error[value-type]: 0 does not fit the type; write a string as a value of property "Phase""#,
            ],
        ),
        case(
            Rule::ValueType,
            &[("user/UserStatus.toml", r#"doc = "User.""#, r#"doc = "User.", values = ["a"]"#)],
            &[
                r#"user/UserStatus.toml:19:52: error[value-type]: property "UserId" cannot have values; string, short, int and long can"#,
            ],
        ),
        case(
            Rule::DuplicateValue,
            &[("user/UserStatus.toml", "[1, 2, 3]", "[1, 2, 1]")],
            &["user/UserStatus.toml:16:59: error[duplicate-value]: the same value twice"],
        ),
        case(
            Rule::OpenWithoutValues,
            &[("user/UserStatus.toml", r#"doc = "User.""#, r#"doc = "User.", open = true"#)],
            &[
                r#"user/UserStatus.toml:19:50: error[open-without-values]: property "UserId" says open but lists no values; list the known ones or drop open"#,
            ],
        ),
        case(
            Rule::NotADate,
            &[("user/UserStatus.toml", r#"expires    = "EndTime""#, r#"expires    = "Level""#)],
            &[
                r#"user/UserStatus.toml:10:14: error[not-a-date]: expires names "Level", which is a number; name a property of type DateTime"#,
            ],
        ),
        case(
            Rule::StateOfOccurrence,
            &[("user/UserStatus.toml", r#"kind   = "state""#, r#"kind   = "occurrence""#)],
            &[
                r#"user/UserStatus.toml:9:1: error[state-of-occurrence]: an occurrence has no state; drop [state], or write kind = "state""#,
            ],
        ),
        case(
            Rule::KeyType,
            &[("user/UserStatus.toml", "interval_s = 15", "key = \"Level\"")],
            &[
                r#"user/UserStatus.toml:11:7: error[key-type]: key names "Level", which is a number; name a property of type Guid or string"#,
            ],
        ),
        case(
            Rule::KeyType,
            &[(
                "queue/QueueAlert.toml",
                "[properties]",
                "[call]\nid = \"QueueId\"\nleg = \"AgentId\"\nphase = \"begin\"\n[properties]",
            )],
            &[
                r#"queue/QueueAlert.toml:10:7: error[key-type]: leg names "AgentId", which may be null; name a property that is always there"#,
            ],
        ),
        case(
            Rule::CallOfState,
            &[(
                "user/UserStatus.toml",
                "[properties]",
                "[call]\nid = \"UserId\"\nleg = \"UserId\"\nphase = \"begin\"\n[properties]",
            )],
            &[
                r#"user/UserStatus.toml:13:1: error[call-of-state]: a state is no word of a call; drop [call], or write kind = "occurrence""#,
            ],
        ),
        case(
            Rule::BadValue,
            &[(
                "queue/QueueAlert.toml",
                "[properties]",
                "[call]\nid = \"QueueId\"\nleg = \"QueueId\"\nphase = \"ends\"\n[properties]",
            )],
            &[r#"queue/QueueAlert.toml:11:9: error[bad-value]: unknown phase "ends"; did you mean "end"?"#],
        ),
        case(
            Rule::CallIncomplete,
            &[(
                "queue/QueueAlert.toml",
                "[properties]",
                "[call]\nid = \"QueueId\"\nleg = \"QueueId\"\nphase = \"begin\"\n[properties]",
            )],
            &[
                r#"queue/QueueAlert.toml:1:10: warning[call-incomplete]: no event of family "Queue" ends a call; give one phase = "end" or "end-call", or snapshots tell of calls too late or too long"#,
            ],
        ),
        case(
            Rule::DeriveProperties,
            &[
                ("user/UserQueueAlert.toml", r#"kind   = "occurrence""#, r#"kind   = "state""#),
                ("user/UserQueueAlert.toml", r#"entity = "Agent""#, r#"entity = "QueueId""#),
                ("user/UserQueueAlert.toml", "[derive]", "[state]\nkey = \"Agent\"\n[derive]"),
            ],
            &[
                r#"user/UserQueueAlert.toml:12:8: error[derive-properties]: "UserQueueAlert" has a key, which one entity has at a time: the one in "AgentId"; give its entity that by set"#,
            ],
        ),
        case(
            Rule::DeriveSource,
            &[("user/UserQueueAlert.toml", r#"from = "QueueAlert""#, r#"from = "QueueAlarm""#)],
            &[
                r#"user/UserQueueAlert.toml:9:8: error[derive-source]: there is no event "QueueAlarm" to derive from; did you mean "QueueAlert"?"#,
            ],
        ),
        case(
            Rule::DeriveSource,
            &[("user/UserQueueAlert.toml", r#"from = "QueueAlert""#, r#"from = "UserQueueAlert""#)],
            &[
                r#"user/UserQueueAlert.toml:9:8: error[derive-source]: "UserQueueAlert" is derived itself; name an event that is published"#,
            ],
        ),
        case(
            Rule::DeriveProperties,
            &[
                ("queue/QueueAlert.toml", "QueueId = {", "Level = { type = \"int\", doc = \"Level.\" }\nQueueId = {"),
                ("queue/QueueAlert.toml", r#""queueId":"#, r#""level": 1, "queueId":"#),
            ],
            &[
                r#"user/UserQueueAlert.toml:9:8: error[derive-properties]: "QueueAlert" has "Level", which "UserQueueAlert" has not; declare it there too"#,
            ],
        ),
        case(
            Rule::DeriveProperties,
            &[
                ("user/UserQueueAlert.toml", r#"QueueId = { type = "Guid""#, r#"QueueId = { type = "Guid?""#),
                ("user/UserQueueAlert.toml", r#"AgentId = { type = "Guid?""#, r#"AgentId = { type = "Guid""#),
                (
                    "user/UserQueueAlert.toml",
                    "QueueId = {",
                    "Level = { type = \"int\", doc = \"Level.\" }\nQueueId = {",
                ),
            ],
            &[
                r#"user/UserQueueAlert.toml:15:1: error[derive-properties]: "AgentId" of "QueueAlert" may be null or absent, and "AgentId" may not; make them equal"#,
                r#"user/UserQueueAlert.toml:16:1: error[derive-properties]: "QueueAlert" has no "Level", and [derive] set does not give it; add it to set"#,
            ],
        ),
        case(
            Rule::DeriveProperties,
            &[("queue/QueueAlert.toml", r#"AgentId = { type = "Guid?""#, r#"AgentId = { type = "string?""#)],
            &[
                r#"user/UserQueueAlert.toml:10:8: error[derive-properties]: when names "AgentId", which is no Guid of "QueueAlert"; name one"#,
            ],
        ),
        case(
            Rule::ExampleJson,
            &[("user/UserStatus.toml", r#""level": 2"#, r#""level": "#)],
            &[
                r#"user/UserStatus.toml:29:12: error[example-json]: example "All" of UserStatus is no JSON: expected value"#,
            ],
        ),
        case(
            Rule::ExampleInvalid,
            &[
                ("user/UserStatus.toml", r#""phase": "on""#, r#""phase": 7"#),
                ("user/UserStatus.toml", r#""colour": "red""#, r#""colour": "green""#),
            ],
            &[
                r#"user/UserStatus.toml:31:12: error[example-invalid]: example "All" of UserStatus: /phase: found 7, expected a string"#,
                r#"user/UserStatus.toml:33:24: error[example-invalid]: example "All" of UserStatus: /tags/0/colour: "green" is none of red, blue"#,
            ],
        ),
        case(
            Rule::ExampleInvalid,
            &[("queue/QueueAlert.toml", r#""agentId": null, "queueId""#, r#""agentId": null, "queue_id""#)],
            &[
                r#"queue/QueueAlert.toml:14:9: error[example-invalid]: example "All" of QueueAlert: /queueId: property "queueId" is missing; expected a GUID in quotes"#,
                r#"queue/QueueAlert.toml:14:40: error[example-invalid]: example "All" of QueueAlert: /queue_id: unknown property "queue_id"; did you mean "queueId"?"#,
            ],
        ),
        case(
            Rule::ExampleInvalid,
            &[(
                "user/UserQueueAlert.toml",
                r#""queueId": "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3""#,
                r#"\"queueId\": 0"#,
            )],
            &[
                r#"user/UserQueueAlert.toml:20:8: error[example-invalid]: example "All" of UserQueueAlert: /queueId: found 0, expected a GUID in quotes"#,
            ],
        ),
        case(
            Rule::NoExample,
            &[(
                "queue/QueueAlert.toml",
                "\n[[examples]]\ntitle = \"All\"\njson = '{ \"agentId\": null, \"queueId\": \"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3\" }'\n",
                "",
            )],
            &[
                r#"queue/QueueAlert.toml:1:10: warning[no-example]: event "QueueAlert" has no example; add [[examples]] with title and json"#,
            ],
        ),
        case(
            Rule::NoDoc,
            &[
                ("user/UserStatus.toml", r#"summary = "Status.""#, r#"summary = " ""#),
                ("types/Tag.toml", r#"summary = "Tag.""#, r#"summary = """#),
                ("types/Tag.toml", r#", doc = "Name.""#, ""),
            ],
            &[
                r#"types/Tag.toml:1:11: warning[no-doc]: type "Tag" has no text; write summary"#,
                r#"types/Tag.toml:6:1: warning[no-doc]: property "Name" of Tag has no text; write doc"#,
                r#"user/UserStatus.toml:1:10: warning[no-doc]: event "UserStatus" has no text; write summary"#,
            ],
        ),
        case(
            Rule::UnusedType,
            &[
                ("user/UserStatus.toml", r#"type = "Colour?""#, r#"type = "string?""#),
                ("types/Tag.toml", r#"type = "Colour""#, r#"type = "string""#),
            ],
            &[r#"types/Colour.toml:1:11: warning[unused-type]: no property is a "Colour"; use it or remove the file"#],
        ),
        case(
            Rule::SimilarName,
            &[("types/Tag.toml", "Name ", "UserID "), ("user/UserStatus.toml", r#""name": "x""#, r#""userID": "x""#)],
            &[
                r#"types/Tag.toml:6:1: warning[similar-name]: "UserID" is spelled "UserId" elsewhere; spell them alike, or allow = ["similar-name"] here"#,
            ],
        ),
    ]
}

pub(super) fn edited(edits: &[Edit<'_>]) -> Vec<(String, String)> {
    let mut files = small();
    for (path, from, to) in edits {
        match files.iter_mut().find(|(name, _)| name == path) {
            Some((_, text)) => {
                assert!(text.contains(from), "{path} has no {from:?}");
                *text = text.replacen(from, to, 1);
            }
            None => files.push(((*path).to_owned(), (*to).to_owned())),
        }
    }
    files
}

#[test]
fn the_catalogue_that_the_cases_edit_is_right() {
    let compiled = compile(&small(), Options::default()).unwrap();
    assert_eq!(compiled.warnings, []);
}

#[test]
fn each_broken_rule_is_told_with_its_place_and_what_to_do() {
    for Case { rule, edits, told } in cases() {
        let found = findings(&edited(edits));
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(lines, told, "{}", rule.name());
        assert!(found.iter().any(|finding| finding.rule == rule), "{}", rule.name());
    }
}

#[test]
fn every_rule_has_a_case() {
    let cases = cases();
    // `unreadable` is told by those who read files, `breaking-change` against a lock file: its
    // cases are the rows of changes. Two are told of another author's events alone.
    let elsewhere = [Rule::Unreadable, Rule::BreakingChange, Rule::DeriveChain, Rule::DeriveLacks];
    let untested =
        Rule::ALL.iter().filter(|rule| !elsewhere.contains(rule) && cases.iter().all(|case| case.rule != **rule));
    assert_eq!(untested.map(|rule| rule.name()).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn errors_of_all_files_come_in_one_run_sorted_by_place() {
    let files = edited(&[
        ("user/UserStatus.toml", "\"int\"", "\"integer\""),
        ("user/UserStatus.toml", "\"UserId\"", "\"UserID\""),
        ("queue/QueueAlert.toml", "[properties]", "[properties"),
    ]);
    let found = findings(&files);
    let rules: Vec<_> = found.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::Toml, Rule::UnknownProperty, Rule::UnknownType]);
    assert_eq!(found, findings(&files));
}

#[test]
fn warnings_do_not_refuse_the_catalogue_and_go_away_when_allowed() {
    let warned = edited(&[("types/Tag.toml", "summary = \"Tag.\"", "summary = \"\"")]);
    assert_eq!(compile(&warned, Options::default()).unwrap().warnings.len(), 1);
    let allowed = edited(&[("types/Tag.toml", "summary = \"Tag.\"", "summary = \"\"\nallow = [\"no-doc\"]")]);
    assert_eq!(compile(&allowed, Options::default()).unwrap().warnings, []);
}

#[test]
fn a_file_that_cannot_be_read_breaks_nothing_that_refers_to_it() {
    let files = edited(&[("types/Tag.toml", "[properties]", "[properties")]);
    let rules: Vec<_> = findings(&files).iter().map(|finding| (finding.place.file.clone(), finding.rule)).collect();
    assert!(rules.iter().all(|(file, rule)| file == "types/Tag.toml" && *rule == Rule::Toml), "{rules:?}");
}

#[test]
fn a_further_folder_adds_families_and_types_behind_the_built_in_ones() {
    let mut files = small();
    files.extend([
        ("x/catalogue.toml", "format = 1\n[families.Zoo]\nentity = \"zoo\"\ndoc = \"Zoos.\"\n[families.Acme]\nentity = \"x\"\ndoc = \"X.\"\n"),
        ("x/ZooOpened.toml", "event = \"ZooOpened\"\nfamily = \"Zoo\"\nsummary = \"S.\"\nkind = \"occurrence\"\nentity = { from = \"publisher\" }\nsince = \"1.0\"\n[properties]\nTags = { type = \"List<Tag>\", doc = \"Tags.\" }\n[[examples]]\ntitle = \"None\"\njson = '{\"tags\":[]}'\n"),
    ].map(|(path, text)| (path.to_owned(), text.to_owned())));
    let Compiled { model, warnings } = compile(&files, Options::default()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(
        model.families.iter().map(|family| family.name.as_str()).collect::<Vec<_>>(),
        ["User", "Queue", "Acme", "Zoo"]
    );
    let events: Vec<_> = model.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(events, ["UserQueueAlert", "UserStatus", "QueueAlert", "ZooOpened"]);
}
