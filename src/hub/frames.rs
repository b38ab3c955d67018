//! What is made of one publication on its way to the members: a frame per form, and what slow
//! readers hold instead. Each is made at the first member that needs it, so that nothing is left
//! for the others but a copy of a place or a pointer.

use super::arena::{Arena, Frame, Lane};
use super::backlog::Share;
use super::encoding::Form;
use super::late::Late;
use super::position::Stamp;
use super::publication::{EventTraits, Payload, Publication};
use super::topic::Topic;
use std::sync::Arc;

/// A publication, and what has been made of it so far.
pub(super) struct Frames<'p> {
    topic: &'p Topic,
    event: EventTraits<'p>,
    stamp: Option<Stamp>,
    data: Payload<'p>,
    frames: [Option<Frame>; Form::COUNT],
    late: [Option<Arc<Late>>; Form::COUNT],
    /// The data, once a slow reader holds them.
    shared: Option<Arc<[u8]>>,
}

impl<'p> Frames<'p> {
    pub(super) fn new(topic: &'p Topic, event: EventTraits<'p>, stamp: Option<Stamp>, data: Payload<'p>) -> Frames<'p> {
        let (frames, late) = ([None; Form::COUNT], Default::default());
        Frames { topic, event, stamp, data, frames, late, shared: None }
    }

    /// Its frame in this form.
    pub(super) fn frame(&mut self, form: Form, arena: &mut Arena) -> Frame {
        let Frames { topic, event, stamp, data, frames, .. } = self;
        *frames[form.index()].get_or_insert_with(|| {
            arena.append(Lane::Shared(form), |out| form.encode(topic, *event, *stamp, *data, out))
        })
    }

    /// What a slow reader of this form holds; `len` is the frame's.
    pub(super) fn late(&mut self, form: Form, len: usize, share: &Arc<Share>) -> Arc<Late> {
        let Frames { topic, event, stamp, data, late, shared, .. } = self;
        let late = late[form.index()].get_or_insert_with(|| {
            let data = Arc::clone(shared.get_or_insert_with(|| data.share()));
            let publication = Publication { stamp: *stamp, ..Publication::new(**topic, data) };
            Arc::new(Late::publication(publication, *event, form, len, share))
        });
        Arc::clone(late)
    }
}
