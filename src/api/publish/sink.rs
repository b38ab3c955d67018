//! Where accepted events go.

use crate::clock::UnixMs;
use crate::hub::topic::Topic;

/// How a publication came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// A publisher sent it.
    Sent,
    /// The hub made it from one that was sent.
    Derived,
}

/// Where accepted events go.
pub trait Sink {
    /// Takes one publication: where it goes, the event's data as it is delivered, and when that is
    /// stale. Calls come in the order of the items.
    fn publish(&mut self, topic: Topic, data: &[u8], expires: Option<UnixMs>, provenance: Provenance);

    /// An item has been judged, which was so much work, about a tenth of a microsecond each.
    /// Whether another one may follow in this portion.
    fn takes_more(&mut self, _work: usize) -> bool {
        true
    }
}
