//! From an accepted item to the members: on this shard at once, on the siblings by mail.

use super::Mail;
use crate::api::publish::{Provenance, Sink};
use crate::clock::Now;
use crate::hub::last::Kept;
use crate::hub::publication::Publication;
use crate::hub::topic::Topic;
use crate::hub::{EventTraits, Hub, Wire};
use crate::metrics::Metrics;
use crate::schema::Catalogue;
use crate::schema::compiler::model::{Event, Kind};
use crate::trace::{Fact, Level, Trace};

/// Delivers to the members of this shard.
pub(crate) struct Delivery<'t> {
    pub(crate) hub: &'t mut Hub,
    pub(crate) catalogue: &'t Catalogue,
    pub(crate) metrics: &'t mut Metrics,
    pub(crate) trace: &'t mut Trace,
    pub(crate) wire: &'t mut dyn Wire,
    pub(crate) now: Now,
}

impl Delivery<'_> {
    /// Delivers a publication that other shards have as well, or that is kept.
    pub(crate) fn share(&mut self, publication: &Publication) {
        let event = self.catalogue.event(publication.topic.event);
        if event.kind == Kind::State {
            let text = core::str::from_utf8(&publication.data).unwrap_or_default();
            let ends = self.catalogue.expires_unix_ms(publication.topic.event, text);
            let kept = self.hub.last.keep(publication.clone(), ends);
            if kept == Kept::Equal && event.on_change {
                self.metrics.unchanged += 1;
                return;
            }
        }
        self.deliver(event, &publication.topic, &publication.data);
    }

    fn deliver(&mut self, event: &Event, topic: &Topic, data: &[u8]) {
        let traits = EventTraits { lower: &event.lower, is_state: event.kind == Kind::State };
        let members = self.hub.publish(topic, traits, data, self.now, self.wire);
        self.metrics.event(usize::from(topic.event.0)).delivered += members as u64;
        self.trace.note(Level::Trace, || Fact::Delivered {
            position: 0,
            organization: topic.organization,
            event: event.name.as_str().into(),
            entity: topic.entity,
            members,
            data: data.into(),
        });
    }
}

/// Where the publish route's items go.
pub(super) struct FanOut<'t> {
    pub(super) delivery: Delivery<'t>,
    /// To the siblings, where there are any.
    pub(super) outbound: Option<&'t mut Vec<Mail>>,
}

impl Sink for FanOut<'_> {
    fn publish(&mut self, topic: Topic, data: &[u8], provenance: Provenance) {
        let counts = self.delivery.metrics.event(usize::from(topic.event.0));
        match provenance {
            Provenance::Sent => counts.published += 1,
            Provenance::Derived => counts.derived += 1,
        }
        let event = self.delivery.catalogue.event(topic.event);
        if event.kind == Kind::Occurrence && self.outbound.is_none() {
            // Nobody keeps it: delivered from where it lies.
            return self.delivery.deliver(event, &topic, data);
        }
        let publication = Publication { topic, data: data.into() };
        self.delivery.share(&publication);
        if let Some(outbound) = &mut self.outbound {
            outbound.push(Mail::Publication(publication));
        }
    }
}
