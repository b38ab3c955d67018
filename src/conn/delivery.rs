//! From an accepted item to the members: to its home, which stamps it, and from there to every
//! shard.

use super::ask::{Caller, Question};
use super::books::Books;
use super::mail::{Mail, Outbound, To};
use super::turn::{Process, Turn};
use crate::api::publish::{Provenance, Sink};
use crate::clock::{Now, UnixMs};
use crate::hub::Hub;
use crate::hub::home::Home;
use crate::hub::kept::Change;
use crate::hub::partition::{Partition, Position};
use crate::hub::publication::{EventTraits, Payload, Publication};
use crate::hub::topic::Topic;
use crate::schema::{Event, Kind};
use crate::trace::{Fact, Level};
use crate::wire::Wire;
use smallvec::SmallVec;

/// What stamps publications and hands them to the members of this shard.
pub(crate) struct Delivery<'t> {
    pub(crate) now: Now,
    pub(crate) process: Process<'t>,
    pub(crate) hub: &'t mut Hub,
    pub(crate) home: &'t mut Home,
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
            home: turn.home,
            books: turn.books,
            wire: turn.out.wire,
            mail: turn.out.mail,
        }
    }

    /// The home takes a publication: it gets its place, is kept where it is a state, and goes to
    /// the members here. Whether the siblings are to deliver it, too: a value that changed nothing
    /// is nobody's news where the event says so.
    pub(crate) fn take(&mut self, publication: &mut Publication) -> bool {
        let event = self.process.catalogue.event(publication.topic.event);
        let position = self.home.stamp(self.now);
        publication.position = Some(position);
        let is_state = event.kind == Kind::State;
        if is_state && self.home.keep(publication.clone()) == Change::Equal && event.on_change {
            self.books.metrics.unchanged += 1;
            return false;
        }
        self.hand_out(event, &publication.topic, position, Payload::Shared(&publication.data));
        true
    }

    /// A publication that its home has stamped goes to the members here.
    pub(crate) fn deliver(&mut self, publication: &Publication) {
        let event = self.process.catalogue.event(publication.topic.event);
        if let Some(position) = publication.position {
            self.hand_out(event, &publication.topic, position, Payload::Shared(&publication.data));
        }
    }

    fn hand_out(&mut self, event: &Event, topic: &Topic, position: Position, data: Payload<'_>) {
        let traits = EventTraits { lower: &event.lower, is_state: event.kind == Kind::State };
        let taken = position.taken(self.now);
        let members = self.hub.publish(topic, traits, data, taken, self.now, self.wire);
        self.books.metrics.event(usize::from(topic.event.0)).delivered += members as u64;
        self.books.trace.note(Level::Trace, || Fact::Delivered {
            position: position.number(),
            organization: topic.organization,
            event: event.name.as_str().into(),
            entity: topic.entity,
            members,
            data: data.bytes().into(),
        });
    }
}

/// What the items of one request become: stamped at once where this shard is their home, else
/// collected for the shard that is.
pub(super) struct FanOut<'t> {
    pub(super) delivery: Delivery<'t>,
    /// For other homes, nearly always none or one; an organization's items in their order.
    pub(super) away: SmallVec<[(usize, Vec<Publication>); 1]>,
}

impl FanOut<'_> {
    /// Asks the other homes to stamp what was collected for them; how many there are.
    pub(super) fn ask(self, caller: Caller) -> usize {
        let (homes, from) = (self.away.len(), self.delivery.process.shard);
        for (home, publications) in self.away {
            let question = Question::Publish(publications);
            self.delivery.mail.post(To::Shard(home), Mail::Ask { from, caller, question });
        }
        homes
    }

    fn collect(&mut self, home: usize, publication: Publication) {
        match self.away.iter_mut().find(|(other, _)| *other == home) {
            Some((_, list)) => list.push(publication),
            None => self.away.push((home, vec![publication])),
        }
    }
}

impl Sink for FanOut<'_> {
    fn publish(&mut self, topic: Topic, data: &[u8], expires: Option<UnixMs>, provenance: Provenance) {
        let Process { catalogue, shard, shards, .. } = self.delivery.process;
        self.delivery.books.metrics.published_ms = self.delivery.now.unix.ms();
        let counts = self.delivery.books.metrics.event(usize::from(topic.event.0));
        match provenance {
            Provenance::Sent => counts.published += 1,
            Provenance::Derived => counts.derived += 1,
        }
        let event = catalogue.event(topic.event);
        let is_alone = shards == 1;
        if is_alone && event.kind == Kind::Occurrence {
            // Nobody keeps it and nobody else wants it: delivered from where it lies.
            let position = self.delivery.home.stamp(self.delivery.now);
            return self.delivery.hand_out(event, &topic, position, Payload::Borrowed(data));
        }
        let mut publication = Publication { topic, position: None, expires, data: data.into() };
        let home = if is_alone { shard } else { Partition::of(topic.organization).home(shards) };
        if home != shard {
            self.collect(home, publication);
        } else if self.delivery.take(&mut publication) && !is_alone {
            self.delivery.mail.publish(publication);
        }
    }
}
