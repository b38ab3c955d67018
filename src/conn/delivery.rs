//! From an accepted item to the members: to its home, which stamps it, and from there to every
//! shard.

use super::books::Books;
use super::mail::{Outbound, Unstamped};
use super::turn::{Process, Turn};
use super::unwritten::Unwritten;
use crate::api::publish::{Made, Provenance, Sink};
use crate::backplane::reader::Tense;
use crate::clock::Now;
use crate::hub::Hub;
use crate::hub::homes::Homes;
use crate::hub::kept::Change;
use crate::hub::partition::Partition;
use crate::hub::position::Stamp;
use crate::hub::publication::{Effect, EventTraits, Payload, Publication};
use crate::hub::seen::{Identity, ItemKey};
use crate::hub::topic::Topic;
use crate::schema::Event;
use crate::trace::{Fact, Level};
use crate::wire::Wire;
use smallvec::SmallVec;
use uuid::Uuid;

/// So many bytes that are to be written cost as much as a delivery.
const WRITE_BYTES_PER_DELIVERY: usize = 256;

/// What stamps publications and hands them to the members of this shard.
pub(crate) struct Delivery<'t> {
    pub(crate) now: Now,
    pub(crate) process: Process<'t>,
    pub(crate) hub: &'t mut Hub,
    pub(crate) homes: &'t mut Homes,
    pub(crate) unwritten: &'t mut Unwritten,
    pub(crate) books: &'t mut Books,
    pub(crate) wire: &'t mut dyn Wire,
    pub(crate) mail: &'t mut Outbound,
}

impl<'t> Delivery<'t> {
    /// With the means of a turn.
    pub(crate) fn of(turn: &'t mut Turn<'_>) -> Delivery<'t> {
        Delivery {
            now: turn.now,
            process: turn.process,
            hub: turn.hub,
            homes: turn.homes,
            unwritten: turn.unwritten,
            books: turn.books,
            wire: turn.out.wire,
            mail: turn.out.mail,
        }
    }

    /// The home takes a publication that has its place: it does to the kept rows what it does.
    /// Whether it is anybody's news: a value that changed nothing is not, where the event says so.
    fn take(&mut self, publication: &Publication, event: &Event) -> bool {
        let home = self.homes.of_mut(publication.topic.organization);
        let is_kept = publication.effect != Effect::None;
        if is_kept && home.keep(publication.clone()) == Change::Equal && event.on_change {
            self.books.metrics.unchanged += 1;
            return false;
        }
        home.record(publication.clone());
        true
    }

    /// The home takes a publication, which then goes to all members, or first to be written, with
    /// what its item is known by. Where it takes its row away from another entity, that one hears
    /// of it first; and nobody else does where no entity has it from now on.
    fn stamp(&mut self, publication: Publication, id: Option<ItemKey>) {
        let home = self.homes.of_mut(publication.topic.organization);
        if let Some(farewell) = home.farewell(&publication) {
            let stamp = Some(home.stamp(self.now));
            self.books.metrics.event(usize::from(farewell.topic.event.0)).derived += 1;
            self.hand_on(Publication { stamp, ..farewell }, id);
        }
        if !publication.topic.entity.is_nil() {
            let stamp = Some(self.homes.of_mut(publication.topic.organization).stamp(self.now));
            self.hand_on(Publication { stamp, ..publication }, id);
        }
    }

    /// A publication has been read of the log that gives it its place; what follows from it stands
    /// in front of it.
    pub(crate) fn read(&mut self, publication: Publication, tense: Tense) {
        let home = self.homes.of(publication.topic.organization);
        let (farewell, stamp) = (home.farewell(&publication), publication.stamp.map(Stamp::before));
        let is_older = home.held_at(&publication) >= publication.position();
        let is_call = matches!(publication.effect, Effect::Call { .. });
        let farewell = farewell.map(|farewell| Publication { stamp, ..farewell });
        let own = (!publication.topic.entity.is_nil()).then_some(publication);
        for publication in farewell.into_iter().chain(own) {
            let home = self.homes.of_mut(publication.topic.organization);
            match tense {
                Tense::Present => self.hand_on(publication, None),
                Tense::Past => {
                    if publication.effect != Effect::None && (is_call || !is_older) {
                        home.keep(publication.clone());
                    }
                    home.record(publication);
                }
                Tense::Again if publication.effect == Effect::None || is_call || is_older => {}
                // Of two that the log has in another order by now, this is the last.
                Tense::Again => self.correct(publication),
            }
        }
    }

    /// What holds is this: whoever has been told something else is told so, and nobody can be told
    /// any more what came before.
    pub(crate) fn correct(&mut self, publication: Publication) {
        let home = self.homes.of_mut(publication.topic.organization);
        if home.keep(publication.clone()) == Change::Fresh {
            home.lose_log();
            let stamp = publication.stamp.map(|stamp| Stamp { epoch: home.epoch(), position: home.last(), ..stamp });
            self.unwritten.push(Publication { stamp, ..publication }, true, ("", None), self.now);
        }
    }

    /// What has its place goes to the members, or waits until it may.
    fn hand_on(&mut self, publication: Publication, id: Option<ItemKey>) {
        let event = self.process.catalogue.event(publication.topic.event);
        let is_news = self.take(&publication, event);
        if self.unwritten.is_on() || self.process.contact.is_some() {
            self.hub.spend(1);
            self.hub.spend_bytes(publication.data.len(), WRITE_BYTES_PER_DELIVERY);
            self.unwritten.push(publication, is_news, (&event.name, id), self.now);
        } else if is_news {
            self.send(publication);
        }
    }

    /// What is stamped, and written where that is asked for, goes to the members here and by way of
    /// the siblings to theirs.
    pub(crate) fn send(&mut self, publication: Publication) {
        self.deliver(&publication);
        if self.process.shards > 1 {
            self.mail.publish(publication);
        }
    }

    /// The same for one that has waited, unless its item has been seen: then this is whose
    /// publisher is to be told.
    pub(crate) fn stamp_once(&mut self, Unstamped { publication, identity }: Unstamped) -> Option<Identity> {
        let id = identity.as_ref().map(|identity| identity.key);
        let again = identity.filter(|identity| !self.is_new(**identity));
        if again.is_none() {
            self.stamp(publication, id);
        }
        again.map(|identity| *identity)
    }

    /// Whether the home sees an item for the first time.
    fn is_new(&mut self, identity: Identity) -> bool {
        let home = identity.key.partition().map(|partition| self.homes.in_partition(partition));
        let is_new = home.is_none_or(|home| home.claim(identity.key, self.now));
        self.books.metrics.duplicates += u64::from(!is_new);
        is_new
    }

    /// A publication that its home has stamped goes to the members here.
    pub(crate) fn deliver(&mut self, publication: &Publication) {
        let event = self.process.catalogue.event(publication.topic.event);
        if let Some(stamp) = publication.stamp {
            let is_last = publication.effect.is_last();
            self.hand_out(event, is_last, &publication.topic, stamp, Payload::Shared(&publication.data));
        }
    }

    fn hand_out(&mut self, event: &Event, is_last: bool, topic: &Topic, stamp: Stamp, data: Payload<'_>) {
        let traits = EventTraits::of(self.process.catalogue, topic.event, is_last);
        let members = self.hub.publish(topic, traits, Some(stamp), data, self.now, self.wire);
        self.books.metrics.event(usize::from(topic.event.0)).delivered += members as u64;
        self.books.trace.note(Level::Trace, || Fact::Delivered {
            shard: self.process.shard,
            position: stamp.of(topic.organization).to_string().into(),
            organization: topic.organization,
            event: event.name.as_str().into(),
            entity: topic.entity,
            members,
            data: data.bytes().into(),
        });
    }
}

/// What the items of one request become: stamped at once where this shard is their home and the
/// turn has room for them, else collected for the shard that is, or for a later turn.
pub(super) struct FanOut<'t> {
    pub(super) delivery: Delivery<'t>,
    collected: Collected,
}

/// The items of one request that are collected, while the rest of it is judged.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// By their home, or, where an engine gives them their order, by their partition; nearly always
    /// none or one. An organization's items in their order.
    pub(super) away: SmallVec<[(usize, Vec<Unstamped>); 1]>,
    /// Indices of items that this shard, being their home, has seen before.
    pub(super) duplicates: Vec<u32>,
    /// An item of this shard waits, of this request or one before it, so those behind it do, too.
    waits: bool,
    /// And it does because the shard has enough to do.
    is_late: bool,
    organizations: Organizations,
}

/// Whose the items of a request are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Organizations {
    #[default]
    None,
    One(Uuid),
    Several,
}

impl Collected {
    /// Nothing yet, of a request behind another of its link that waits, or not.
    pub(super) fn behind(waits: bool) -> Collected {
        Collected { waits, ..Collected::default() }
    }

    /// Whether items of this shard wait because it has enough to do.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    /// Returns whose all items are, if there are any and they are one organization's.
    pub(super) fn organization(&self) -> Option<Uuid> {
        match self.organizations {
            Organizations::One(organization) => Some(organization),
            Organizations::None | Organizations::Several => None,
        }
    }
}

impl<'t> FanOut<'t> {
    /// With the means of a turn, and what was collected before.
    pub(super) fn of(turn: &'t mut Turn<'_>, collected: Collected) -> FanOut<'t> {
        FanOut { delivery: Delivery::of(turn), collected }
    }

    /// What is collected by now.
    pub(super) fn collected(self) -> Collected {
        self.collected
    }

    /// Whether the items of this shard wait from here on: it has enough to do, or what is to be
    /// written before it is answered takes the way of what waits.
    fn waits(&mut self, topic: &Topic) -> bool {
        let Delivery { hub, unwritten, process, .. } = &self.delivery;
        let collected = &mut self.collected;
        collected.is_late |= hub.is_spent() || !hub.takes(topic) || unwritten.is_full(process.limits);
        collected.waits |= collected.is_late || unwritten.is_on() || process.contact.is_some();
        collected.waits
    }

    /// Whose home is a shard; each partition goes by itself where an engine has a log of each.
    fn collect(&mut self, home: usize, unstamped: Unstamped) {
        let partition = || Partition::of(unstamped.publication.topic.organization);
        let place = if self.delivery.process.contact.is_some() { usize::from(partition().number()) } else { home };
        match self.collected.away.iter_mut().find(|(other, _)| *other == place) {
            Some((_, list)) => list.push(unstamped),
            None => self.collected.away.push((place, vec![unstamped])),
        }
    }
}

impl Sink for FanOut<'_> {
    fn publish(&mut self, Made { topic, data, expires, effect, provenance, identity }: Made<'_>) {
        let Process { catalogue, shard, shards, .. } = self.delivery.process;
        self.delivery.books.metrics.published_ms = self.delivery.now.unix.ms();
        let counts = self.delivery.books.metrics.event(usize::from(topic.event.0));
        match provenance {
            Provenance::Sent => counts.published += 1,
            Provenance::Derived => counts.derived += 1,
            // It counts once there is somebody to tell.
            Provenance::Withdrawn => {}
        }
        let organizations = &mut self.collected.organizations;
        *organizations = match *organizations {
            Organizations::None => Organizations::One(topic.organization),
            Organizations::One(other) if other == topic.organization => Organizations::One(other),
            Organizations::One(_) | Organizations::Several => Organizations::Several,
        };
        let event = catalogue.event(topic.event);
        let is_alone = shards == 1;
        let home = if is_alone { shard } else { Partition::of(topic.organization).home(shards) };
        let waits = home != shard || self.waits(&topic);
        if !waits
            && let Some(identity) = identity
            && !self.delivery.is_new(identity)
        {
            return self.collected.duplicates.extend(identity.item);
        }
        let here = self.delivery.homes.only_mut().filter(|home| is_alone && !waits && !home.records());
        if let Some(home) = here.filter(|_| effect == Effect::None) {
            // Nobody keeps it and nobody else wants it: delivered from where it lies.
            let stamp = home.stamp(self.delivery.now);
            return self.delivery.hand_out(event, false, &topic, stamp, Payload::Borrowed(data));
        }
        let publication = Publication { expires, effect, ..Publication::new(topic, data.into()) };
        if waits {
            self.collect(home, Unstamped { publication, identity: identity.map(Box::new) });
        } else {
            self.delivery.stamp(publication, None);
        }
    }

    fn takes_more(&mut self, work: usize) -> bool {
        self.delivery.hub.spend(work);
        !self.delivery.hub.is_portion_over()
    }
}
