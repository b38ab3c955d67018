//! What is made of one publication on its way to the members: a frame per encoding, and what slow readers hold instead. Each is
//! made at the first member that needs it, so that nothing is left for the others but a copy of a place or a pointer.

use super::arena::{Arena, Frame, Lane};
use super::backlog::Share;
use super::encoding::Encoding;
use super::late::Late;
use super::publication::{EventTraits, Payload, Publication};
use super::registry::TopicId;
use super::topic::Topic;
use std::sync::Arc;

/// A publication, and what has been made of it so far.
pub(super) struct Frames<'p> {
    topic: &'p Topic,
    id: TopicId,
    event: EventTraits<'p>,
    data: Payload<'p>,
    frames: [Option<Frame>; Encoding::ALL.len()],
    late: [Option<Arc<Late>>; Encoding::ALL.len()],
    /// The data, once a slow reader holds them.
    shared: Option<Arc<[u8]>>,
}

impl<'p> Frames<'p> {
    pub(super) fn new(topic: &'p Topic, id: TopicId, event: EventTraits<'p>, data: Payload<'p>) -> Frames<'p> {
        Frames { topic, id, event, data, frames: [None; Encoding::ALL.len()], late: Default::default(), shared: None }
    }

    /// Its frame in this encoding.
    pub(super) fn frame(&mut self, encoding: Encoding, arena: &mut Arena) -> Frame {
        let Frames { topic, event, data, frames, .. } = self;
        *frames[encoding.index()].get_or_insert_with(|| {
            arena.append(Lane::Shared(encoding), |out| encoding.encode_publication(topic, event.lower, *data, out))
        })
    }

    /// What a slow reader of this encoding holds; `len` is the frame's.
    pub(super) fn late(&mut self, encoding: Encoding, len: usize, share: &Arc<Share>) -> Arc<Late> {
        let Frames { topic, id, event, data, late, shared, .. } = self;
        let late = late[encoding.index()].get_or_insert_with(|| {
            let data = Arc::clone(shared.get_or_insert_with(|| data.share()));
            let publication = Publication { topic: **topic, position: None, expires: None, data };
            let conflates = event.is_state.then_some(*id);
            Arc::new(Late::publication(publication, event.lower, conflates, encoding, len, share))
        });
        Arc::clone(late)
    }
}
