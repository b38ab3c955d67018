//! What a client has heard, held against what is due.

use super::{Due, Heights, Member};
use crate::sim::answers::same;
use crate::sim::cast::Kind;
use crate::sim::client::{Received, Record};
use crate::sim::journal::{Entry, Journals};
use crate::sim::resume::{Resumed, place};
use rte::hub::position::Epoch;
use serde_json::Value;
use uuid::Uuid;

/// What a record that a member has heard adds to the sums.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Events that it takes the place of.
    pub(super) conflated: u64,
    pub(super) recovered: u64,
    pub(super) unrecovered: u64,
    pub(super) rows: u64,
    /// Subscribes that it answers.
    pub(super) subscribes: u64,
}

/// The epoch of which the positions of verdicts are, if there are any.
fn epoch_of(told: &[Value], organization: Uuid) -> Result<Option<Epoch>, String> {
    let places = told.iter().filter_map(|verdict| place(verdict["position"].as_str()?, organization));
    let mut epochs = places.map(|place| place.epoch);
    let first = epochs.next();
    if epochs.all(|epoch| Some(epoch) == first) { Ok(first) } else { Err(format!("of several epochs: {told:?}")) }
}

impl Member {
    /// What a record has told, when that epoch was the present one.
    pub(super) fn hear_record(
        &mut self,
        text: &str,
        present: Epoch,
        journals: &Journals,
        heights: &mut Heights,
    ) -> Result<Tally, String> {
        if self.has_heard_close {
            return Err(format!("a record behind the close: {text}"));
        }
        if text == "{}" {
            return match self.take() {
                Some(Due::Accepted) => Ok(Tally::default()),
                due => Err(format!("a handshake response instead of {due:?}")),
            };
        }
        let record: Record<'_> = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
        match (record.kind, record.arguments.as_slice()) {
            (6, []) => Ok(Tally::default()),
            (7, []) => {
                self.has_heard_close = true;
                if self.is_ended { Ok(Tally::default()) } else { Err("a Close out of nothing".into()) }
            }
            (3, []) => {
                let is_owed = self.owed > 0;
                let (id, result) = (record.id.as_ref(), record.result.as_ref());
                let due = match self.take() {
                    Some(Due::Verdicts(due, least, items)) if id == Some(&due) => {
                        let told = result.and_then(Value::as_array).ok_or("no verdicts")?;
                        let epoch = epoch_of(told, self.rights.organization)?.unwrap_or(least);
                        if epoch < least || epoch > present {
                            return Err(format!("{told:?} of {epoch}, not of {least} to {present}"));
                        }
                        return self.hear_verdicts(told, items, epoch, journals, heights, is_owed);
                    }
                    due => due,
                };
                let is_due = match &due {
                    Some(Due::Result(due, value)) => id == Some(due) && result.is_some_and(|r| same(r, value)),
                    Some(Due::Error(due)) => id == Some(due) && record.error.is_some(),
                    Some(Due::Accepted | Due::Pong(_) | Due::Event(..) | Due::Verdicts(..)) | None => false,
                };
                if is_due { Ok(Tally::default()) } else { Err(format!("{text} instead of {due:?}")) }
            }
            (1, [message]) => self.hear_event(message, heights),
            _ => Err(format!("a record that the hub has no use for: {text}")),
        }
    }

    /// The verdicts of items that say since when, behind which their block comes.
    fn hear_verdicts(
        &mut self,
        told: &[Value],
        items: Vec<(Value, Option<Resumed>)>,
        epoch: Epoch,
        journals: &Journals,
        heights: &mut Heights,
        is_owed: bool,
    ) -> Result<Tally, String> {
        let organization = self.rights.organization;
        let era = (epoch, journals.ends_before(epoch, organization));
        let (mut sum, mut due, mut block) = (Tally { subscribes: 1, ..Tally::default() }, Vec::new(), Vec::new());
        for (told, (verdict, item)) in told.iter().zip(&items) {
            let mut verdict = verdict.clone();
            if let Some(item) = item {
                let (events, recovered) = item.judge(told, &mut verdict, era)?;
                sum.recovered += u64::from(recovered == Some(true));
                sum.unrecovered += u64::from(recovered == Some(false));
                sum.rows += verdict["snapshot"].as_u64().unwrap_or_default();
                block.extend(events);
            }
            due.push(verdict);
        }
        if told != due {
            return Err(format!("{told:?} instead of {due:?}"));
        }
        block.sort_by_key(|entry: &Entry| entry.position);
        for (told, item) in told.iter().zip(&items).filter_map(|(told, (_, item))| Some((told, item.as_ref()?))) {
            let place = told["position"].as_str().and_then(|token| place(token, organization));
            let place = place.ok_or_else(|| format!("no position of its own order: {told}"))?.position.number();
            let first = block.iter().find(|entry| entry.name == item.name).map(|entry| entry.position);
            if first.is_some_and(|first| first <= place) {
                return Err(format!("a position behind what has not been heard: {told}, {block:?}"));
            }
            if let Some(tab) = self.tab {
                let height = heights.entry((tab, item.name)).or_default();
                *height = first.map_or(item.present, |first| first - 1).max(*height);
            }
        }
        self.owed += if is_owed { block.len() } else { 0 };
        block.into_iter().rev().for_each(|entry| self.due.push_front(Due::Event(entry)));
        Ok(sum)
    }

    /// Who goes on from any position has all in their order: a state is left out, where a newer one
    /// of its topic comes behind, and that keeps its own place. How many are.
    fn pass_superseded(&mut self, data: &str) -> u64 {
        let mut passed = 0;
        loop {
            let mut events = self.due.iter().map_while(|due| match due {
                Due::Event(entry) => Some(entry),
                Due::Accepted | Due::Pong(_) | Due::Result(..) | Due::Verdicts(..) | Due::Error(_) => None,
            });
            let Some(first) = events.next().filter(|first| *first.data != *data.as_bytes()) else { return passed };
            let is_state = Kind::find(first.name.0).is_some_and(|kind| kind.is_state);
            if !is_state || !events.any(|entry| entry.name == first.name) {
                return passed;
            }
            drop(self.take());
            passed += 1;
        }
    }

    /// The event that is due, or a newer one of its topic in its place, with no answer between
    /// them.
    fn hear_event(&mut self, message: &Received<'_>, heights: &mut Heights) -> Result<Tally, String> {
        let Received { subscription, data, position, at, last: _ } = message;
        let data = data.get();
        let conflated = if self.resumes { self.pass_superseded(data) } else { 0 };
        let Some(Due::Event(Entry { name, .. })) = self.due.front() else {
            return Err(format!("{data} of {} instead of {:?}", subscription.event_name, self.due.front()));
        };
        let name = *name;
        let (event, entity) = (name.0.to_ascii_lowercase(), name.1.to_string());
        if (&subscription.event_name, &subscription.entity_id) != (&event, &entity) {
            return Err(format!("{} of {} instead of {name:?}", subscription.event_name, subscription.entity_id));
        }
        if position.is_some() != self.resumes || at.is_some() != self.resumes {
            return Err(format!("a position for those who do not ask, or none for those who do: {data}"));
        }
        let organization = self.rights.organization;
        let told = position.as_deref().map(|token| place(token, organization).ok_or("a position of another order"));
        let told = told.transpose()?.map(|place| (place.epoch, place.position.number()));
        let is_state = Kind::find(name.0).is_some_and(|kind| kind.is_state);
        let since_answer = self.due.iter().take_while(|due| matches!(due, Due::Event(..)));
        let of_topic = since_answer.enumerate().filter_map(|(at, due)| match due {
            Due::Event(entry) if entry.name == name => Some((at, entry)),
            Due::Event(..) | Due::Accepted | Due::Pong(_) | Due::Result(..) | Due::Verdicts(..) | Due::Error(_) => None,
        });
        let mut passed = Vec::new();
        for (at, due) in of_topic {
            passed.push(at);
            if *due.data == *data.as_bytes() {
                if told.is_some_and(|told| told != (due.epoch, due.position)) {
                    return Err(format!("{due:?} at {told:?}"));
                }
                if let Some(tab) = self.tab {
                    let height = heights.entry((tab, name)).or_default();
                    *height = due.position.max(*height);
                }
                for at in passed.iter().rev() {
                    self.due.remove(*at);
                    self.owed -= usize::from(*at < self.owed);
                }
                return Ok(Tally { conflated: conflated + passed.len() as u64 - 1, ..Tally::default() });
            }
            if !is_state || self.resumes {
                break;
            }
        }
        Err(format!("{data} instead of {:?}", self.due.front()))
    }
}
