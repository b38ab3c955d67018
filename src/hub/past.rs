//! What a journal's files tell a hub that starts: the publications that still hold, and the recent
//! ones, each with the home that its partition has now.
//!
//! [`Gathering`] takes the publications in the order of the files, the snapshot first;
//! [`Home::restore`](super::home::Home::restore) takes what comes of it.

use super::kept::Gaps;
use super::partition::Partition;
use super::position::{Epoch, Position, Stamp};
use super::publication::Publication;
use super::record::{Begin, Written};
use super::seen::ItemKey;
use super::topic::Topic;
use crate::clock::{Now, UnixMs};
use crate::limits::Limits;
use crate::schema::validate::{Bounds, Mode, validate};
use crate::schema::{Catalogue, EventId};
use core::mem;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a home had, in the order of its positions.
#[derive(Debug, Default)]
pub struct Past {
    /// Publications that held when the snapshot was made.
    pub(super) rows: Vec<Publication>,
    /// Those of the files beside it.
    pub(super) publications: Vec<Publication>,
    /// Publications behind this place are all there; none where the epoch is a new one.
    pub(super) floor: Option<Position>,
    /// No publication stands behind this place.
    pub(super) last: Option<Position>,
    /// Per partition, what the rows know of.
    pub(super) places: Option<Begin>,
    /// Up to when some of what still holds may be missing.
    pub(super) gaps: Option<Gaps>,
    /// What items of late were known by, and when each was taken.
    pub(super) ids: Vec<(UnixMs, ItemKey)>,
}

impl Past {
    /// Publications that held.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The place behind which no publication stands.
    pub fn last(&self) -> Option<Position> {
        self.last
    }

    /// Up to when some of what still holds may be missing.
    pub fn gaps(&self) -> Option<Gaps> {
        self.gaps
    }

    /// Recent publications.
    pub fn publication_count(&self) -> usize {
        self.publications.len()
    }

    /// Whether a publication came after the snapshot.
    pub(super) fn is_behind_rows(&self, publication: &Publication) -> bool {
        let place = self.places.and_then(|begin| begin.place(Partition::of(publication.topic.organization)));
        publication.position() > place
    }
}

/// Gathers the past of all homes.
pub struct Gathering<'c> {
    catalogue: &'c Catalogue,
    mode: Mode,
    json_depth_max: usize,
    homes: Vec<Past>,
    /// Of each topic, the newest publication that could not be taken, where nothing came behind it.
    refused: BTreeMap<(Uuid, EventId, Uuid), Position>,
    lost: usize,
    /// Items that were taken before this are known no more.
    ids_from: UnixMs,
    scratch: Vec<u8>,
}

impl<'c> Gathering<'c> {
    /// For so many homes. Events are held to this catalogue.
    pub fn new(catalogue: &'c Catalogue, mode: Mode, limits: &Limits, homes: usize, now: Now) -> Gathering<'c> {
        Gathering {
            catalogue,
            mode,
            json_depth_max: limits.json_depth_max,
            homes: (0..homes.max(1)).map(|_| Past::default()).collect(),
            refused: BTreeMap::new(),
            lost: 0,
            ids_from: UnixMs::from_ms(now.unix.ms().saturating_sub(limits.dedupe_ms)),
            scratch: Vec::new(),
        }
    }

    /// A snapshot begins; what it knows of.
    pub fn begin_rows(&mut self, begin: Begin) {
        for home in &mut self.homes {
            home.places = Some(begin);
            home.last = home.last.max(begin.places.into_iter().flatten().max());
        }
    }

    /// A row of the snapshot.
    pub fn row(&mut self, written: &Written<'_>) {
        if let Some((publication, home)) = self.read(written) {
            home.rows.push(publication);
        }
    }

    /// What an item was known by, as the snapshot says.
    pub fn id(&mut self, key: ItemKey, at: UnixMs) {
        let homes = self.homes.len();
        let home = key.partition().and_then(|partition| self.homes.get_mut(partition.home(homes)));
        if let Some(home) = home.filter(|_| at >= self.ids_from) {
            home.ids.push((at, key));
        }
    }

    /// A publication.
    pub fn publication(&mut self, written: &Written<'_>) {
        if let Some((publication, home)) = self.read(written) {
            home.publications.push(publication);
        }
    }

    /// Returns a publication, whose epoch is still to be found, and its home; nothing where the
    /// catalogue has no such event, or the event is another by now, so that the data does not fit.
    fn read(&mut self, written: &Written<'_>) -> Option<(Publication, &mut Past)> {
        let Written { organization, entity, position, .. } = *written;
        let homes = self.homes.len();
        let home = self.homes.get_mut(Partition::of(organization).home(homes))?;
        home.last = home.last.max(Some(position));
        let Some(event) = self.catalogue.find(written.event) else {
            self.lost += 1;
            return None;
        };
        let topic = (organization, event, entity);
        let bounds = Bounds { depth_max: self.json_depth_max, errors_max: 1, suggestions_max: 0 };
        let text = core::str::from_utf8(written.data).unwrap_or_default();
        let model = self.catalogue.model();
        let Ok(accepted) = validate(model, event, text, self.mode, bounds, &mut self.scratch) else {
            self.lost += 1;
            self.refused.insert(topic, position);
            return None;
        };
        self.refused.remove(&topic);
        let data = if accepted.rewritten { mem::take(&mut self.scratch).into() } else { written.data.into() };
        let stamp = Some(Stamp { epoch: Epoch::from_number(0), position, at: written.at });
        let topic = Topic { organization, event, entity };
        home.ids.extend(written.id.filter(|_| written.at >= self.ids_from).map(|id| (written.at, id)));
        let Written { expires, effect, .. } = *written;
        Some((Publication { stamp, expires, effect, ..Publication::new(topic, data) }, home))
    }

    /// Publications that could not be taken.
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// The place behind which no publication stands that has been gathered.
    pub fn last(&self) -> Option<Position> {
        self.homes.iter().filter_map(|home| home.last).max()
    }

    /// Returns what each home had, by its number, all of it in that epoch. Behind `floor` all
    /// publications are there; nothing is known to be all there where the epoch is new. Of what
    /// still holds all is there but for the gaps.
    pub fn finish(mut self, epoch: Epoch, floor: Option<Position>, gaps: Gaps) -> Vec<Past> {
        let (refused, last) = (mem::take(&mut self.refused), self.last());
        for home in &mut self.homes {
            let holds = |publication: &Publication| {
                let Topic { organization, event, entity } = publication.topic;
                // An older value is not what holds where the newest is no good.
                refused.get(&(organization, event, entity)).copied() < publication.position()
            };
            home.rows.retain(holds);
            home.publications.retain(holds);
            // Of former homes, of which there may have been others.
            home.rows.sort_by_key(Publication::position);
            home.publications.sort_by_key(Publication::position);
            home.ids.sort_by_key(|(at, _)| *at);
            // A partition may have been told the places of another, whose home was the same.
            home.last = last;
            home.floor = floor;
            home.gaps = Some(gaps);
            let publications = home.rows.iter_mut().chain(&mut home.publications);
            publications.filter_map(|publication| publication.stamp.as_mut()).for_each(|stamp| stamp.epoch = epoch);
        }
        self.homes
    }
}
