//! What the reference says of the hub itself, from the tables of the program.

use super::compiler::emit::chapter::Chapter;
use super::compiler::emit::methods;
use super::compiler::model::Model;
use super::compiler::validate::rule;
use crate::close::{Blame, CloseReason};

const LIFE: &str = "  negotiate ──token──▶ upgrade ──101──▶ handshake ──{}──▶ connected ──Close──▶ over
      │                   │                 │               │    ▲
      ▼ 401, 429          ▼ 401, 404        ▼ an error      └────┘ invocations, messages, pings

  Subscribe ──subscribed──▶ a replay or a snapshot, if asked for ──▶ live ──Unsubscribe, or the end──▶ over
      │
      ▼ refused: a message says why";

/// The messages of verdicts, in the order in which an item is checked.
const VERDICTS: [(&str, &str); 5] = [
    ("Invalid item", "It is null, lacks EntityId or EventName, or its Snapshot or Since has a wrong type."),
    ("Unknown EventName", "No event has that name, in any case."),
    ("Invalid EntityId", "It is neither a GUID of 36 characters nor *, or the all-zero one."),
    ("Unauthorized", "The token does not grant the event of that entity."),
    ("Too many subscriptions", "The connection has limits.subscriptions_max of them."),
];

/// The chapters, in their order.
pub(super) fn chapters(model: &Model) -> [Chapter; 5] {
    let cells = |name: &str, meaning: &str| vec![name.to_owned(), meaning.to_owned()];
    [
        Chapter {
            id: "hub-life",
            title: "Life cycles",
            about: "Of a connection, and of a subscription in it. The calls of a family stand above its events.",
            picture: LIFE,
            heads: &[],
            rows: Vec::new(),
        },
        Chapter {
            id: "hub-methods",
            title: "Methods of the hub",
            about: "What a client invokes, in any case.",
            picture: "",
            heads: &["Method", "What it does"],
            rows: methods::summaries(model).map(|(name, summary)| cells(name, summary)).collect(),
        },
        Chapter {
            id: "hub-verdicts",
            title: "Messages of verdicts",
            about: "Why an item of Subscribe or Unsubscribe is refused.",
            picture: "",
            heads: &["Message", "Meaning"],
            rows: VERDICTS.map(|(message, meaning)| cells(message, meaning)).to_vec(),
        },
        Chapter {
            id: "hub-rules",
            title: "Rules of data",
            about: "What the data of a published item is held to; an error names the rule and the place.",
            picture: "",
            heads: &["Rule", "Meaning"],
            rows: rule::ALL.map(|(name, meaning)| cells(name, meaning)).to_vec(),
        },
        Chapter {
            id: "hub-closes",
            title: "Errors of Close",
            about: "The word with which the error of SignalR's Close begins, and who has to act.",
            picture: "",
            heads: &["Error", "Who acts", "Meaning"],
            rows: closes(),
        },
    ]
}

fn closes() -> Vec<Vec<String>> {
    let told = CloseReason::ALL.into_iter().filter(|reason| !reason.word().is_empty());
    let row = |reason: CloseReason| {
        let who = match reason.blame() {
            Blame::Nobody => "nobody",
            Blame::Peer => "the client",
            Blame::Operator => "the operator",
            Blame::Us => "the hub",
        };
        [reason.word(), who, reason.sentence()].map(str::to_owned).to_vec()
    };
    told.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Catalogue;

    #[test]
    fn the_messages_of_verdicts_are_those_of_their_type() {
        let types = include_str!("compiler/emit/typescript/envelope.d.ts");
        let (_, union) = types.split_once("subscribed: boolean;").unwrap();
        let named = union.split("(string & {})").next().unwrap().split('"').skip(1).step_by(2);
        assert_eq!(named.collect::<Vec<_>>(), VERDICTS.map(|(message, _)| message));
    }

    #[test]
    fn both_references_have_every_chapter_and_row() {
        let catalogue = Catalogue::built_in(None);
        for document in catalogue.artefacts().filter(|artefact| artefact.path.starts_with("reference.")) {
            let text = String::from_utf8_lossy(&document.bytes);
            for chapter in chapters(catalogue.model()) {
                assert!(text.contains(chapter.title), "{}: {}", document.path, chapter.title);
                for row in &chapter.rows {
                    assert!(row.len() == chapter.heads.len() && text.contains(row[0].as_str()), "{row:?}");
                }
            }
        }
    }
}
