//! Entries of the log of a partition: where each stands, and what is in front of its data.

use crate::hub::position::Epoch;

/// The version of heads that this program writes and reads.
const VERSION: u8 = 1;

/// Where an entry stands in the log of its partition. Later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The time of continuity: it grows whenever the log may have lost something.
    pub epoch: Epoch,
    /// What the engine counts within it: 0 is the marker with which it begins, and there is no
    /// hole.
    pub sequence: u64,
}

impl Place {
    /// In front of all entries.
    pub const START: Place = Place { epoch: Epoch::NONE, sequence: 0 };

    /// Whether nothing stands between the two, as far as places tell.
    pub(super) fn is_next_of(self, before: Place) -> bool {
        self.sequence == 0 || self.epoch == before.epoch && self.sequence.checked_sub(1) == Some(before.sequence)
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A publication.
    Sent,
    /// Nothing is delivered, but its number is counted: a beat, a duplicate, or what was given up
    /// before it was known to be appended.
    Void,
    /// The first of an epoch. It has no number.
    Marker,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Kind::Sent => 0,
            Kind::Void => 2,
            Kind::Marker => 3,
        }
    }
}

/// One run of one process: its entries are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(pub u64);

/// How a head begins, with all of its numbers: no two entries of a log have the same, but for
/// markers, and for an entry that has been appended again.
pub type Fingerprint = [u8; FINGERPRINT_BYTES];

/// Bytes of a fingerprint.
pub const FINGERPRINT_BYTES: usize = 18;

/// What stands in front of the data of an entry.
///
/// ```text
///   version   1 byte
///   kind      1 byte
///   origin    8 bytes, the most significant first, as all numbers
///   number    8 bytes: 1, 2, 3, … per origin and partition
///   body      the rest: what the home wants to know of a publication
/// ```
///
/// ```
/// use rte::backplane::entry::{Head, Kind, Origin};
///
/// let head = Head { kind: Kind::Sent, origin: Origin(7), number: 1, body: b"queuestatus" };
/// assert_eq!(Head::parse(&head.encode()), Ok(head));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'h> {
    /// What the entry is.
    pub kind: Kind,
    /// Who has appended it.
    pub origin: Origin,
    /// The origin's own number of it.
    pub number: u64,
    /// The rest.
    pub body: &'h [u8],
}

/// A head that is none, or of a newer program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHead;

impl Head<'_> {
    /// Reads a head.
    ///
    /// # Errors
    ///
    /// It is too short, or its version or kind is not known.
    pub fn parse(bytes: &[u8]) -> Result<Head<'_>, NoHead> {
        let ([version, kind], rest) = bytes.split_first_chunk().ok_or(NoHead)?;
        let (origin, rest) = rest.split_first_chunk().ok_or(NoHead)?;
        let (number, body) = rest.split_first_chunk().ok_or(NoHead)?;
        let kinds = [Kind::Sent, Kind::Void, Kind::Marker];
        let kind = kinds.into_iter().find(|known| known.number() == *kind).ok_or(NoHead)?;
        if *version != VERSION {
            return Err(NoHead);
        }
        let (origin, number) = (Origin(u64::from_be_bytes(*origin)), u64::from_be_bytes(*number));
        Ok(Head { kind, origin, number, body })
    }

    /// Writes the head.
    pub fn encode(&self) -> Vec<u8> {
        [&self.fingerprint(), self.body].concat()
    }

    /// The numbers in it, as they are written.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut bytes = [0; FINGERPRINT_BYTES];
        [bytes[0], bytes[1]] = [VERSION, self.kind.number()];
        bytes[2..10].copy_from_slice(&self.origin.0.to_be_bytes());
        bytes[10..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

/// An entry as the engine gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Where it stands.
    pub place: Place,
    /// Its head, as it was written.
    pub head: Box<[u8]>,
    /// The event's data, byte for byte.
    pub data: Box<[u8]>,
}

impl Raw {
    /// What it takes while it waits.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Raw>() + self.head.len() + self.data.len()
    }

    /// How its head begins. What is too short to be one is like nothing that anybody knows.
    pub fn fingerprint(&self) -> Fingerprint {
        self.head.first_chunk().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_head_of_another_version_or_kind_is_none() {
        let head = Head { kind: Kind::Marker, origin: Origin(1), number: 0, body: b"" }.encode();
        assert_eq!(head.len(), FINGERPRINT_BYTES);
        let with = |at: usize, byte| {
            let mut other = head.clone();
            other[at] = byte;
            Head::parse(&other).is_err()
        };
        assert!(Head::parse(&head).is_ok() && with(0, 0) && with(0, 2) && with(1, 1) && with(1, 4));
        assert_eq!(Head::parse(&head[..FINGERPRINT_BYTES - 1]), Err(NoHead));
    }

    #[test]
    fn a_place_follows_the_one_before_it_and_a_marker_any() {
        let at = |epoch, sequence| Place { epoch: Epoch::from_number(epoch), sequence };
        assert!(at(5, 3).is_next_of(at(5, 2)) && at(6, 0).is_next_of(at(5, 2)));
        assert!(!at(5, 4).is_next_of(at(5, 2)) && !at(6, 3).is_next_of(at(5, 2)));
        assert!(Place::START < at(1, 0));
    }

    proptest! {
        #[test]
        fn every_head_is_read_back(origin: u64, number: u64, kind in 0usize..3, body: Vec<u8>) {
            let kind = [Kind::Sent, Kind::Void, Kind::Marker][kind];
            let head = Head { kind, origin: Origin(origin), number, body: &body };
            let bytes = head.encode();
            prop_assert_eq!(Head::parse(&bytes), Ok(head));
            prop_assert!(bytes.starts_with(&head.fingerprint()));
        }
    }
}
