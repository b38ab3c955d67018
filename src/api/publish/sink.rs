//! Where accepted events go.

use crate::clock::UnixMs;
use crate::hub::publication::Effect;
use crate::hub::seen::Identity;
use crate::hub::topic::Topic;

/// How a publication came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// A publisher sent it.
    Sent,
    /// The hub made it from one that was sent.
    Derived,
    /// The hub made it so for the entity that has had its key, if there is one; for nobody else.
    Withdrawn,
}

/// What an accepted item has become, itself or by derivation.
#[derive(Clone, Copy, Debug)]
pub struct Made<'d> {
    /// Where it goes.
    pub topic: Topic,
    /// The event's data, as it is delivered.
    pub data: &'d [u8],
    /// When that is stale.
    pub expires: Option<UnixMs>,
    /// What it does to the kept rows.
    pub effect: Effect,
    /// How it came to be.
    pub provenance: Provenance,
    /// What it is known by, where its publisher has given an id: one that has been seen goes
    /// nowhere.
    pub identity: Option<Identity>,
}

/// Where accepted events go.
pub trait Sink {
    /// Takes one publication. Calls come in the order of the items.
    fn publish(&mut self, made: Made<'_>);

    /// Bytes have been inflated or checked, or an item has been judged, which was so much work,
    /// about a tenth of a microsecond each. Whether more may follow in this portion.
    fn takes_more(&mut self, _work: usize) -> bool {
        true
    }
}
