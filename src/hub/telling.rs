//! How much of the past may be told to who has missed it, and what it costs to find that.

use super::publication::Publication;

/// What a frame has around the data of a publication, at most: names, GUID, position, time. A block
/// that is larger than what may wait would cost its reader the connection, again and again.
pub(super) const FRAME_BYTES: usize = 320;

/// Why what a topic missed cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// Some of it is not kept any more.
    Trimmed,
    /// It is more than was asked for.
    TooMuch,
}

/// What may be told yet, and what it has cost to find what was told.
#[derive(Clone, Copy, Debug)]
pub struct Telling {
    /// Publications of the item.
    pub items_left: usize,
    /// Bytes, of all items.
    pub bytes_left: usize,
    /// Publications that were looked at, told or not; to ask a table is as good as several.
    pub steps: usize,
}

impl Telling {
    /// A publication is told, if there is room for it.
    ///
    /// # Errors
    ///
    /// [`Missed::TooMuch`], where there is none.
    pub(super) fn tell(&mut self, publication: &Publication) -> Result<(), Missed> {
        let items_left = self.items_left.checked_sub(1).ok_or(Missed::TooMuch)?;
        let bytes_left = self.bytes_left.checked_sub(publication.data.len() + FRAME_BYTES).ok_or(Missed::TooMuch)?;
        (self.items_left, self.bytes_left) = (items_left, bytes_left);
        Ok(())
    }

    /// Nothing is told of what has been since then; it has cost its steps.
    pub(super) fn go_back_to(&mut self, before: Telling) {
        *self = Telling { steps: self.steps, ..before };
    }
}
