//! Publications of the past, which the tables of a home share with the blocks that are to be sent.

use crate::hub::publication::Publication;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A publication that waits in blocks, and that a table may have too.
///
/// A reference costs a block nothing but its place while the table has the publication as well.
/// What the table lets go of is counted from then on, once for all blocks, until the last of them
/// has sent it.
///
/// ```
/// # use rte::hub::{kept::retained::Retained, publication::Publication, topic::Topic};
/// # use rte::schema::EventId;
/// # use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// # use uuid::Uuid;
/// let topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };
/// let pinned_bytes = Arc::new(AtomicUsize::new(0));
/// let row = Retained::new(Publication::new(topic, b"{}".as_slice().into()));
/// let block = vec![Arc::clone(&row)];
///
/// row.let_go(&pinned_bytes);
/// drop(row);
/// assert_eq!(pinned_bytes.load(Ordering::Relaxed), block[0].bytes());
/// drop(block);
/// assert_eq!(pinned_bytes.load(Ordering::Relaxed), 0);
/// ```
#[derive(Debug)]
pub struct Retained {
    publication: Publication,
    pin: OnceLock<Pin>,
}

impl Retained {
    /// A table keeps it.
    pub fn new(publication: Publication) -> Arc<Retained> {
        Arc::new(Retained { publication, pin: OnceLock::new() })
    }

    /// Only blocks do.
    pub(in crate::hub) fn pinned(publication: Publication, pinned_bytes: &Arc<AtomicUsize>) -> Arc<Retained> {
        let retained = Retained::new(publication);
        retained.pin(pinned_bytes);
        retained
    }

    /// The table keeps it no longer: what blocks still hold is counted. They may be those of other
    /// threads; whichever lets go last takes it back.
    pub fn let_go(self: &Arc<Retained>, pinned_bytes: &Arc<AtomicUsize>) {
        if Arc::strong_count(self) > 1 {
            self.pin(pinned_bytes);
        }
    }

    fn pin(&self, pinned_bytes: &Arc<AtomicUsize>) {
        self.pin.get_or_init(|| {
            let bytes = self.publication.bytes();
            pinned_bytes.fetch_add(bytes, Ordering::Relaxed);
            Pin { bytes, pinned_bytes: Arc::clone(pinned_bytes) }
        });
    }
}

impl Deref for Retained {
    type Target = Publication;

    fn deref(&self) -> &Publication {
        &self.publication
    }
}

/// Bytes that are counted until it is dropped.
#[derive(Debug)]
struct Pin {
    bytes: usize,
    pinned_bytes: Arc<AtomicUsize>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pinned_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
