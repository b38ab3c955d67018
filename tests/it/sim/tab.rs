//! A tab: what a client keeps from one connection to the next, as the manual for clients tells.

use super::cast::{Kind, ORGANIZATIONS, Rights};
use super::client::{Ask, Heard, Record, Since};
use super::rng::Rng;
use rte::clock::{Now, UnixMs};
use rte::hub::partition::Partition;
use rte::hub::position::{Epoch, Position, WirePosition};
use std::collections::BTreeMap;
use uuid::Uuid;

#[derive(Debug)]
pub struct Tab {
    pub number: usize,
    pub rights: Rights,
    /// Which of the tokens it has.
    pub token: usize,
    /// The newest position of each subscription, by entity and event.
    cursors: BTreeMap<(String, String), String>,
}

impl Tab {
    pub fn new(number: usize, rights: Rights, token: usize) -> Tab {
        Tab { number, rights, token, cursors: BTreeMap::new() }
    }

    /// Since when it wants an item: as it should, for the most part.
    pub fn since(&self, kind: Kind, entity: Uuid, rng: &mut Rng) -> Since {
        let name = (entity.to_string(), kind.name.to_ascii_lowercase());
        match self.cursors.get(&name) {
            Some(cursor) if rng.one_in(4) => Since::Forged(self.forge(cursor, rng)),
            Some(cursor) => Since::Behind(cursor.clone()),
            None => Since::Present,
        }
    }

    /// All that it had, each since when it was.
    pub fn asks(&self, rng: &mut Rng) -> Vec<Ask> {
        let cursors = self.cursors.iter().map(|((entity, event), cursor)| Ask {
            entity: Some(entity.clone()),
            event: Some(event.clone()),
            snapshot: rng.one_in(2),
            since: Since::Behind(cursor.clone()),
        });
        cursors.collect()
    }

    fn forge(&self, cursor: &str, rng: &mut Rng) -> String {
        let place: WirePosition = cursor.parse().expect("a position that the hub has told");
        let soon = UnixMs::from_ms((place.position.number() >> 10) + rng.pick(&[1, 700, 90_000]));
        let place = match rng.below(6) {
            0 => return "yesterday".to_owned(),
            1 => WirePosition { epoch: Epoch::begin(Now::from_ms(0, 7), 7), ..place },
            2 => {
                let other = ORGANIZATIONS.into_iter().find(|other| *other != self.rights.organization);
                WirePosition { partition: Partition::of(other.expect("two organizations")), ..place }
            }
            3 => WirePosition { position: place.epoch.start(), ..place },
            _ => WirePosition { position: Position::at(soon), ..place },
        };
        place.to_string()
    }

    /// Keeps the newest position: of a verdict or of a message, whichever came last.
    pub fn hear(&mut self, heard: &Heard) {
        let Heard::Record(text) = heard else { return };
        let Ok(record) = serde_json::from_str::<Record<'_>>(text) else { return };
        for verdict in record.result.iter().filter_map(|result| result.as_array()).flatten() {
            let text = |name: &str| verdict[name].as_str().map(str::to_owned);
            if let (Some(entity), Some(event), Some(position)) = (text("entityId"), text("eventName"), text("position"))
            {
                self.cursors.insert((entity, event), position);
            }
        }
        for message in record.arguments {
            if let Some(position) = message.position {
                let subscription = message.subscription;
                self.cursors.insert((subscription.entity_id, subscription.event_name), position);
            }
        }
    }
}
