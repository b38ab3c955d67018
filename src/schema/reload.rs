//! A catalogue in the place of a running one: all of it or nothing, and only where nobody breaks.

use super::Catalogue;
use super::catalogue::on_top;
use super::compiler::contract::Contract;
use super::compiler::diff::{Breaks, Change, diff};
use super::compiler::finding::{Finding, Level};
use super::compiler::model::{EventId, Model};
use super::compiler::{Compiled, Options, compile};
use super::events::SOURCES;
use crate::broken::broken;
use std::fmt;

/// Why a catalogue cannot take the place of the running one. `Display` writes a line for each
/// reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The files have errors.
    Wrong(Vec<Finding>),
    /// What clients and publishers rely on would change under them; a restart is what they notice.
    Breaking(Vec<Change>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = match self {
            Refusal::Wrong(findings) => {
                findings.iter().filter(|finding| finding.level() == Level::Error).map(ToString::to_string).collect()
            }
            Refusal::Breaking(changes) => changes
                .iter()
                .map(|change| {
                    let place = change.place.as_ref().map_or(String::new(), |place| format!("{place}: "));
                    format!("{place}{}, which breaks {}", change.sentence, change.breaks().prose())
                })
                .collect(),
        };
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refusal {}

impl Catalogue {
    /// The built-in catalogue with these further files, pairs (path, text), in the place of this
    /// one. Every event keeps its [`EventId`]; events that come are numbered behind. The spelling
    /// on the wire stays.
    ///
    /// # Errors
    ///
    /// The files have errors, or a change breaks somebody. This catalogue is as it was.
    pub fn reloaded(&self, extra: &[(String, String)]) -> Result<Catalogue, Refusal> {
        let options = Options { wire_case: Some(self.model().wire_case), base_files: SOURCES.len() };
        let compiled = compile(&on_top(extra), options).map_err(Refusal::Wrong)?;
        let mut changes = diff(&Contract::of(self.model()), &Contract::of(&compiled.model));
        changes.retain(|change| change.breaks() != Breaks::Nobody);
        if !changes.is_empty() {
            return Err(Refusal::Breaking(changes));
        }
        let model = renumbered(compiled.model, self.model());
        Ok(Catalogue::of(Compiled { model, ..compiled }))
    }
}

/// The model with its events numbered as in `former`, which has none that is gone; further ones
/// follow.
fn renumbered(model: Model, former: &Model) -> Model {
    let former_number = |name: &str| former.events.iter().position(|event| event.name == name);
    let mut order: Vec<usize> = (0..model.events.len()).collect();
    // A stable sort: those that came keep the order that they were compiled in.
    order.sort_by_key(|index| {
        model.events.get(*index).and_then(|event| former_number(&event.name)).unwrap_or(usize::MAX)
    });
    let number_of = |id: EventId| {
        let number = order.iter().position(|index| *index == usize::from(id.0));
        let number = number.and_then(|number| u16::try_from(number).ok());
        EventId(number.unwrap_or_else(|| broken("a model that compiles numbers its events with 16 bits")))
    };
    let events = order.iter().filter_map(|index| {
        let mut event = model.events.get(*index)?.clone();
        if let Some(derive) = &mut event.derive {
            derive.from = number_of(derive.from);
        }
        Some(event)
    });
    let events = events.collect();
    Model { events, ..model }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: &str = r#"event   = "AcmeAway"
family  = "Queue"
summary = "Away."
kind    = "occurrence"
entity  = "QueueId"
since   = "1.0"

[properties]
AgentId = { type = "Guid?", doc = "Who." }
QueueId = { type = "Guid", doc = "Where." }

[[examples]]
title = "Away"
json  = '{ "agentId": null, "queueId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3" }'
"#;

    const AGENT: &str = r#"event   = "AcmeAgentAway"
family  = "User"
summary = "Away."
kind    = "occurrence"
entity  = "Agent"
since   = "1.0"

[derive]
from = "AcmeAway"
when = "AgentId"
set  = { Agent = "AgentId" }

[properties]
Agent   = { type = "Guid", doc = "Who." }
AgentId = { type = "Guid?", doc = "Who." }
QueueId = { type = "Guid", doc = "Where." }

[[examples]]
title = "Away"
json  = '{ "agent": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3", "agentId": null, "queueId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3" }'
"#;

    fn files(events: &[&str]) -> Vec<(String, String)> {
        let path = |text: &str| format!("{}.toml", text.split('"').nth(1).unwrap_or_default());
        events.iter().map(|text| (path(text), (*text).to_owned())).collect()
    }

    fn names(catalogue: &Catalogue) -> Vec<&str> {
        catalogue.available_subscriptions().collect()
    }

    #[test]
    fn events_keep_their_numbers_and_what_came_is_listed_where_it_belongs() {
        let first = Catalogue::built_in(None);
        let second = first.reloaded(&files(&[ACME])).unwrap();
        let third = second.reloaded(&files(&[ACME, AGENT])).unwrap();
        for (id, event) in first.events() {
            for catalogue in [&second, &third] {
                assert_eq!((catalogue.find(&event.name), &catalogue.event(id).name), (Some(id), &event.name));
            }
        }
        let away = second.find("AcmeAway").unwrap();
        assert_eq!((usize::from(away.0), third.find("AcmeAway")), (first.events().count(), Some(away)));
        let agent = third.find("AcmeAgentAway").unwrap();
        assert_eq!((agent, third.derived_from(away)), (EventId(away.0 + 1), &[agent][..]));
        assert_eq!(third.derived_from(third.find("CallbackChanged").unwrap()).len(), 1);
        assert_eq!((third.family_of(away), third.family_of(agent)), ("Queue", "User"));

        let afresh = Catalogue::load(&files(&[ACME, AGENT]), None).unwrap();
        assert_eq!(names(&third), names(&afresh));
        assert!(third.available_subscriptions().eq(afresh.available_subscriptions()));
        assert_eq!(diff(&Contract::of(third.model()), &Contract::of(afresh.model())), []);
    }

    #[test]
    fn what_breaks_somebody_is_refused_with_the_reason() {
        let catalogue = Catalogue::load(&files(&[ACME]), None).unwrap();
        let refused = catalogue.reloaded(&[]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "AcmeAway.toml:1:11: event AcmeAway was removed, which breaks publishers and subscribers"
        );
        let closed = ACME
            .replace("AgentId = { type = \"Guid?\"", "AgentId = { type = \"Guid\"")
            .replace("null", "\"a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3\"");
        let refused = catalogue.reloaded(&files(&[&closed])).unwrap_err().to_string();
        assert_eq!(
            refused,
            "AcmeAway.toml:9:1: property AcmeAway.AgentId may no longer be null, which breaks publishers"
        );
    }

    #[test]
    fn files_with_errors_are_refused_in_the_lines_of_the_compiler() {
        let catalogue = Catalogue::built_in(None);
        let wrong = ACME.replace("\"Queue\"", "\"Queues\"");
        let refused = catalogue.reloaded(&files(&[&wrong])).unwrap_err();
        let expected = "AcmeAway.toml:2:11: error[unknown-family]: no family \"Queues\"; did you mean \"Queue\"?";
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn the_spelling_on_the_wire_stays_and_texts_may_change() {
        use crate::schema::WireCase;
        let catalogue = Catalogue::load(&files(&[ACME]), Some(WireCase::Documented)).unwrap();
        let reworded = ACME.replace("Away.\"", "Gone for a while.\"");
        let reloaded = catalogue.reloaded(&files(&[&reworded])).unwrap();
        let event = reloaded.event(reloaded.find("AcmeAway").unwrap());
        assert_eq!((event.summary.as_str(), event.properties[0].wire.as_str()), ("Gone for a while.", "AgentId"));
    }
}
