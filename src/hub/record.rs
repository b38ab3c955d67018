//! What a journal has on disk: records, one behind the other, each with its length and checksum.
//!
//! ```text
//!   length of the body   4 bytes, the least significant first, as all numbers
//!   CRC-32 of the body   4 bytes
//!   body                 kind, 1 byte; then fields: tag, 1 byte; length, 2 or 4 bytes; value
//! ```
//!
//! A record is whole or it is none: a file that is cut at any byte has a prefix of its records.
//! Nothing of it depends on the program that reads it: events go by name, since their numbers
//! change with the catalogue; what has a tag that is not known is passed over, so that an older
//! program reads what a newer one has written. A file of another version is none of ours.

use super::kept::Gaps;
use super::partition::Partition;
use super::position::{Epoch, Position};
use super::publication::{Effect, Key, Publication};
use super::seen::ItemKey;
use crate::broken::broken;
use crate::clock::UnixMs;
use crate::schema::Phase;
use core::num::NonZeroU8;
use uuid::Uuid;

/// The version of files that this program writes and reads.
pub const VERSION: u8 = 1;
/// What is around the body of a record.
const FRAME_BYTES: usize = 8;
/// Partitions there are, each with a place in [`Begin::places`].
const PARTITIONS: usize = 16;

/// A record of a journal's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'r> {
    /// The first of each file.
    Begin(Begin),
    /// A publication in its place; or, in a snapshot, one that still holds.
    Publication(Written<'r>),
    /// Of a snapshot: an item of late.
    Id {
        /// When the hub took it.
        at: UnixMs,
        /// What it is known by.
        key: ItemKey,
    },
    /// All that there was has been written: the last of a file that was ended in order.
    End,
}

/// How a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The time of continuity that its positions are of.
    pub epoch: Epoch,
    /// Which start of the machine wrote it: what a process has written outlives the process, but
    /// not always the machine.
    pub boot: Uuid,
    /// Whether each write went to the disk before anybody heard of it.
    pub is_synced: bool,
    /// Of a snapshot: per partition, the newest place that it knows of.
    pub places: [Option<Position>; PARTITIONS],
    /// Of a snapshot: up to when some of what held may be missing.
    pub gaps: Gaps,
    /// Publications of the epoch behind this place are all in this file, or in those that stand
    /// beside it.
    pub floor: Position,
}

impl Begin {
    /// The newest place of a partition that a snapshot knows of.
    pub fn place(&self, partition: Partition) -> Option<Position> {
        self.places.get(usize::from(partition.number())).copied().flatten()
    }
}

/// A publication as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<'r> {
    /// The event's name.
    pub event: &'r str,
    /// Whose it is.
    pub organization: Uuid,
    /// What it is about.
    pub entity: Uuid,
    /// Its place in the order of its partition.
    pub position: Position,
    /// When the hub took it.
    pub at: UnixMs,
    /// When it is stale, where it is a state that ends.
    pub expires: Option<UnixMs>,
    /// What it does to the rows that its home keeps.
    pub effect: Effect,
    /// What its item is known by, where it has an id.
    pub id: Option<ItemKey>,
    /// The event's data, as delivered.
    pub data: &'r [u8],
}

impl<'r> Written<'r> {
    /// What is written of a publication of that event; nothing before it is stamped.
    pub(crate) fn of(publication: &'r Publication, event: &'r str) -> Option<Written<'r>> {
        let Publication { topic, stamp, expires, effect, data } = publication;
        let stamp = (*stamp)?;
        Some(Written {
            event,
            organization: topic.organization,
            entity: topic.entity,
            position: stamp.position,
            at: stamp.at,
            expires: *expires,
            effect: *effect,
            id: None,
            data,
        })
    }
}

/// Kinds of records.
mod kind {
    pub(super) const BEGIN: u8 = 1;
    pub(super) const PUBLICATION: u8 = 2;
    pub(super) const END: u8 = 3;
    pub(super) const ID: u8 = 4;
}

/// Tags of fields. A value of a tag that has the highest bit may have more than 65,535 bytes.
mod tag {
    pub(super) const VERSION: u8 = 1;
    pub(super) const EPOCH: u8 = 2;
    pub(super) const BOOT: u8 = 3;
    pub(super) const IS_SYNCED: u8 = 4;
    /// One for each partition that has a place: its number, and the place.
    pub(super) const PLACE: u8 = 5;
    pub(super) const FLOOR: u8 = 6;
    pub(super) const GAP_ROWS: u8 = 7;
    pub(super) const GAP_VALUES: u8 = 8;

    pub(super) const EVENT: u8 = 16;
    pub(super) const ORGANIZATION: u8 = 17;
    pub(super) const ENTITY: u8 = 18;
    pub(super) const POSITION: u8 = 19;
    pub(super) const AT: u8 = 20;
    pub(super) const EXPIRES: u8 = 21;
    /// What it does to rows: a kind, and what belongs to it.
    pub(super) const EFFECT: u8 = 22;
    pub(super) const ID: u8 = 23;

    pub(super) const LONG: u8 = 0x80;
    pub(super) const DATA: u8 = LONG | 1;
}

impl Record<'_> {
    /// Appends the record to a file.
    ///
    /// ```
    /// use rte::hub::record::{Record, Records};
    ///
    /// let mut file = Vec::new();
    /// Record::End.encode(&mut file);
    /// let mut records = Records::new(&file);
    /// assert_eq!(records.next(), Some(Record::End));
    /// assert!(records.next().is_none() && records.read() == file.len(), "nothing is torn");
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0; FRAME_BYTES]);
        match self {
            Record::Begin(begin) => {
                out.push(kind::BEGIN);
                field(tag::VERSION, &[VERSION], out);
                field(tag::EPOCH, &begin.epoch.number().to_le_bytes(), out);
                field(tag::BOOT, begin.boot.as_bytes(), out);
                field(tag::IS_SYNCED, &[u8::from(begin.is_synced)], out);
                for (partition, place) in (0u8..).zip(begin.places) {
                    let Some(place) = place else { continue };
                    let [a, b, c, d, e, f, g, h] = place.number().to_le_bytes();
                    field(tag::PLACE, &[partition, a, b, c, d, e, f, g, h], out);
                }
                number(tag::FLOOR, Some(begin.floor.number()), out);
                if begin.gaps != Gaps::NONE {
                    number(tag::GAP_ROWS, Some(begin.gaps.rows.ms()), out);
                    number(tag::GAP_VALUES, Some(begin.gaps.values.ms()), out);
                }
            }
            Record::Publication(written) => {
                out.push(kind::PUBLICATION);
                field(tag::EVENT, written.event.as_bytes(), out);
                field(tag::ORGANIZATION, written.organization.as_bytes(), out);
                field(tag::ENTITY, written.entity.as_bytes(), out);
                number(tag::POSITION, Some(written.position.number()), out);
                number(tag::AT, Some(written.at.ms()), out);
                number(tag::EXPIRES, written.expires.map(UnixMs::ms), out);
                effect_field(written.effect, out);
                if let Some(ItemKey(id)) = written.id {
                    field(tag::ID, &id, out);
                }
                field(tag::DATA, written.data, out);
            }
            Record::Id { at, key: ItemKey(key) } => {
                out.push(kind::ID);
                number(tag::AT, Some(at.ms()), out);
                field(tag::ID, key, out);
            }
            Record::End => out.push(kind::END),
        }
        let Some((frame, body)) = out.get_mut(start..).and_then(|record| record.split_at_mut_checked(FRAME_BYTES))
        else {
            broken("a record has its frame")
        };
        let length = u32::try_from(body.len()).unwrap_or_else(|_| broken("a record is shorter than 4 GiB"));
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    }
}

fn field(tag: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let is_written = if tag & tag::LONG == 0 {
        u16::try_from(value.len()).map(|length| out.extend(length.to_le_bytes())).is_ok()
    } else {
        u32::try_from(value.len()).map(|length| out.extend(length.to_le_bytes())).is_ok()
    };
    if !is_written {
        broken("a value is as long as its tag allows");
    }
    out.extend_from_slice(value);
}

fn number(tag: u8, value: Option<u64>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        field(tag, &value.to_le_bytes(), out);
    }
}

/// Kinds of effects.
mod effect {
    pub(super) const VALUE: u8 = 1;
    pub(super) const KEYED: u8 = 2;
    pub(super) const CALL: u8 = 3;
}

/// The phases of a call, by the number that they have on disk.
const PHASES: [Phase; 4] = [Phase::Begin, Phase::Progress, Phase::End, Phase::EndCall];

fn effect_field(effect: Effect, out: &mut Vec<u8>) {
    match effect {
        Effect::None => {}
        Effect::Value => field(tag::EFFECT, &[effect::VALUE], out),
        Effect::Keyed { key: Key(key), is_last, moves } => {
            let moves = moves.map_or(0, |place| u64::from(place) + 1).to_le_bytes();
            let parts: [&[u8]; 4] = [&[effect::KEYED], &key, &[u8::from(is_last)], &moves];
            field(tag::EFFECT, &parts.concat(), out);
        }
        Effect::Call { call: Key(call), leg: Key(leg), phase } => {
            let number = match phase {
                Phase::Begin => 0,
                Phase::Progress => 1,
                Phase::End => 2,
                Phase::EndCall => 3,
            };
            let parts: [&[u8]; 4] = [&[effect::CALL], &call, &leg, &[number]];
            field(tag::EFFECT, &parts.concat(), out);
        }
    }
}

fn key(value: &[u8]) -> Option<(Key, &[u8])> {
    value.split_first_chunk().map(|(key, rest)| (Key(*key), rest))
}

fn read_effect(value: &[u8]) -> Option<Effect> {
    let (kind, rest) = value.split_first()?;
    Some(match *kind {
        effect::VALUE => Effect::Value,
        effect::KEYED => {
            let (key, rest) = key(rest)?;
            let (is_last, moves) = rest.split_first()?;
            let moves = read_number(moves)?.checked_sub(1).map(u32::try_from).transpose().ok()?;
            Effect::Keyed { key, is_last: *is_last == 1, moves }
        }
        effect::CALL => {
            let (call, rest) = key(rest)?;
            let (leg, rest) = key(rest)?;
            Effect::Call { call, leg, phase: *PHASES.get(usize::from(*rest.first()?))? }
        }
        // Of a newer program, which is not known here.
        _ => Effect::None,
    })
}

/// The records of a file, up to its end, or to where it is torn.
#[derive(Clone, Debug)]
pub struct Records<'f> {
    rest: &'f [u8],
    length: usize,
}

impl<'f> Records<'f> {
    /// Of these bytes of a file.
    pub fn new(file: &'f [u8]) -> Records<'f> {
        Records { rest: file, length: file.len() }
    }

    /// Bytes of the records that have been read. Behind the last one, what else there is in the
    /// file is torn.
    pub fn read(&self) -> usize {
        self.length - self.rest.len()
    }
}

impl<'f> Iterator for Records<'f> {
    type Item = Record<'f>;

    fn next(&mut self) -> Option<Record<'f>> {
        loop {
            let (body, rest) = body(self.rest)?;
            // A disk that lost power may hold zeros: they are no record.
            let (kind, fields) = body.split_first()?;
            let record = match *kind {
                kind::BEGIN => Some(Record::Begin(begin(Fields(fields))?)),
                kind::PUBLICATION => Some(Record::Publication(written(Fields(fields))?)),
                kind::END => Some(Record::End),
                kind::ID => Some(id(Fields(fields))?),
                // Of a newer program.
                _ => None,
            };
            self.rest = rest;
            if record.is_some() {
                return record;
            }
        }
    }
}

/// The version of a file, by its first record; none where that is torn.
pub fn version(file: &[u8]) -> Option<u8> {
    let (body, _) = body(file)?;
    let (kind, fields) = body.split_first()?;
    let (tag, value) = Fields(fields).next()?;
    if *kind == kind::BEGIN && tag == tag::VERSION { value.first().copied() } else { None }
}

/// The body of the first record, and what follows; none where it is torn.
fn body(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = file.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (crc32fast::hash(body) == u32::from_le_bytes(*checksum)).then_some((body, rest))
}

/// The fields of a record; ends early where they are none.
struct Fields<'f>(&'f [u8]);

impl<'f> Iterator for Fields<'f> {
    type Item = (u8, &'f [u8]);

    fn next(&mut self) -> Option<(u8, &'f [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (length, rest) = if tag & tag::LONG == 0 {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        } else {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_le_bytes(*length)).ok()?, rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, value))
    }
}

fn begin(fields: Fields<'_>) -> Option<Begin> {
    let (mut version, mut epoch, mut boot, mut is_synced) = (None, None, None, false);
    let (mut places, mut floor, mut gaps) = ([None; PARTITIONS], None, Gaps::NONE);
    for (tag, value) in fields {
        match tag {
            tag::VERSION => version = NonZeroU8::new(*value.first()?),
            tag::EPOCH => epoch = Some(Epoch::from_number(read_number(value)?)),
            tag::BOOT => boot = Some(Uuid::from_slice(value).ok()?),
            tag::IS_SYNCED => is_synced = value == [1],
            tag::PLACE => {
                let (partition, place) = value.split_first()?;
                *places.get_mut(usize::from(*partition))? = Some(Position::from_number(read_number(place)?)?);
            }
            tag::FLOOR => floor = Some(Position::from_number(read_number(value)?)?),
            tag::GAP_ROWS => gaps.rows = UnixMs::from_ms(read_number(value)?),
            tag::GAP_VALUES => gaps.values = UnixMs::from_ms(read_number(value)?),
            _ => {}
        }
    }
    let is_ours = version.is_some_and(|version| version.get() == VERSION);
    Some(Begin { epoch: epoch?, boot: boot?, is_synced, places, gaps, floor: floor? }).filter(|_| is_ours)
}

fn written(fields: Fields<'_>) -> Option<Written<'_>> {
    let (mut event, mut organization, mut entity) = (None, None, None);
    let (mut position, mut at, mut expires, mut data) = (None, None, None, None);
    let (mut effect, mut id) = (Effect::None, None);
    for (tag, value) in fields {
        match tag {
            tag::EVENT => event = Some(core::str::from_utf8(value).ok()?),
            tag::ORGANIZATION => organization = Some(Uuid::from_slice(value).ok()?),
            tag::ENTITY => entity = Some(Uuid::from_slice(value).ok()?),
            tag::POSITION => position = Some(Position::from_number(read_number(value)?)?),
            tag::AT => at = Some(UnixMs::from_ms(read_number(value)?)),
            tag::EXPIRES => expires = Some(UnixMs::from_ms(read_number(value)?)),
            tag::EFFECT => effect = read_effect(value)?,
            tag::ID => id = Some(ItemKey(value.try_into().ok()?)),
            tag::DATA => data = Some(value),
            _ => {}
        }
    }
    Some(Written {
        event: event?,
        organization: organization?,
        entity: entity?,
        position: position?,
        at: at?,
        expires,
        effect,
        id,
        data: data?,
    })
}

fn id(fields: Fields<'_>) -> Option<Record<'_>> {
    let (mut at, mut key) = (None, None);
    for (tag, value) in fields {
        match tag {
            tag::AT => at = Some(UnixMs::from_ms(read_number(value)?)),
            tag::ID => key = Some(ItemKey(value.try_into().ok()?)),
            _ => {}
        }
    }
    Some(Record::Id { at: at?, key: key? })
}

fn read_number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn publication(data: &[u8]) -> Record<'_> {
        Record::Publication(Written {
            event: "QueueStatus",
            organization: Uuid::from_u128(1),
            entity: Uuid::from_u128(2),
            position: Position::at(UnixMs::from_ms(1_795_266_403_000)),
            at: UnixMs::from_ms(1_795_266_403_000),
            expires: Some(UnixMs::from_ms(u64::MAX)),
            effect: Effect::Keyed { key: Key([7; 16]), is_last: true, moves: Some(u32::MAX) },
            id: Some(ItemKey([8; 16])),
            data,
        })
    }

    fn begin() -> Record<'static> {
        let mut places = [None; PARTITIONS];
        places[15] = Some(Position::at(UnixMs::from_ms(7)));
        let (epoch, boot) = (Epoch::from_number(u64::MAX), Uuid::from_u128(3));
        let gaps = Gaps { rows: UnixMs::from_ms(9), values: UnixMs::from_ms(0) };
        Record::Begin(Begin { epoch, boot, is_synced: true, places, gaps, floor: places[15].unwrap() })
    }

    fn id() -> Record<'static> {
        Record::Id { at: UnixMs::from_ms(1_795_266_403_000), key: ItemKey([8; 16]) }
    }

    fn file(records: &[Record<'_>]) -> (Vec<u8>, Vec<usize>) {
        let (mut file, mut ends) = (Vec::new(), vec![0]);
        for record in records {
            record.encode(&mut file);
            ends.push(file.len());
        }
        (file, ends)
    }

    #[test]
    fn a_file_cut_at_any_byte_has_the_records_that_are_whole() {
        let long = vec![b'x'; 70_000];
        let records = [begin(), publication(b"{}"), publication(&long), publication(b""), id(), Record::End];
        let (bytes, ends) = file(&records);
        let near = |cut: &usize| ends.iter().any(|end| end.abs_diff(*cut) < 200);
        for cut in (0..=bytes.len()).filter(near) {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let mut read = Records::new(&bytes[..cut]);
            assert_eq!(read.by_ref().collect::<Vec<_>>(), records[..whole], "cut at {cut}");
            assert_eq!(read.read(), ends[whole]);
        }
    }

    #[test]
    fn what_is_behind_zeros_or_a_changed_bit_is_torn() {
        let (bytes, ends) = file(&[begin(), publication(b"{}"), Record::End]);
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[ends[1] + 30] ^= 1 << bit;
            assert_eq!(Records::new(&changed).count(), 1);
        }
        let with_zeros = [&bytes[..ends[2]], &[0; 64]].concat();
        let mut records = Records::new(&with_zeros);
        assert_eq!((records.by_ref().count(), records.read()), (2, ends[2]));
    }

    #[test]
    fn what_a_newer_program_adds_is_passed_over_and_another_version_is_none_of_ours() {
        let reframe = |body: &[u8]| {
            let mut bytes = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
            bytes.extend(crc32fast::hash(body).to_le_bytes());
            bytes.extend(body);
            bytes
        };
        let (bytes, _) = file(&[publication(b"{}")]);
        let mut more = bytes[FRAME_BYTES..].to_vec();
        field(99, b"new", &mut more);
        field(tag::LONG | 99, &[0; 70_000], &mut more);
        let unknown_kind = reframe(&[200, 1, 2, 3]);
        let bytes = [unknown_kind, reframe(&more)].concat();
        assert_eq!(Records::new(&bytes).collect::<Vec<_>>(), [publication(b"{}")]);
        let (mut bytes, _) = file(&[begin()]);
        assert_eq!(bytes[FRAME_BYTES + 4], VERSION);
        bytes[FRAME_BYTES + 4] = VERSION + 1;
        let newer = reframe(&bytes[FRAME_BYTES..]);
        assert!(Records::new(&newer).next().is_none());
        assert_eq!((version(&newer), version(&newer[1..])), (Some(VERSION + 1), None));
    }

    fn any_effect() -> impl Strategy<Value = Effect> {
        let key = || any::<[u8; 16]>().prop_map(Key);
        let keyed = (key(), any::<bool>(), proptest::option::of(any::<u32>()));
        prop_oneof![
            Just(Effect::None),
            Just(Effect::Value),
            keyed.prop_map(|(key, is_last, moves)| Effect::Keyed { key, is_last, moves }),
            (key(), key(), 0..PHASES.len()).prop_map(|(call, leg, n)| Effect::Call { call, leg, phase: PHASES[n] }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            (event, data) in ("\\PC{0,40}", proptest::collection::vec(any::<u8>(), 0..300)),
            (organization, entity) in (any::<u128>(), any::<u128>()),
            (effect, id) in (any_effect(), proptest::option::of(any::<[u8; 16]>())),
            (position, at, expires) in (1u64.., any::<u64>(), proptest::option::of(any::<u64>())),
        ) {
            let record = Record::Publication(Written {
                event: &event,
                organization: Uuid::from_u128(organization),
                entity: Uuid::from_u128(entity),
                position: Position::from_number(position).unwrap(),
                at: UnixMs::from_ms(at),
                expires: expires.map(UnixMs::from_ms),
                effect,
                id: id.map(ItemKey),
                data: &data,
            });
            let (bytes, _) = file(&[record.clone(), begin()]);
            prop_assert_eq!(Records::new(&bytes).collect::<Vec<_>>(), [record, begin()]);
        }
    }
}
