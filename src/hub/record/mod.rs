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
use crate::auth::marks::Mark;
use crate::auth::revoked::{Revocation, RevokedName};
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
    /// Tokens that are good no more; the last of one name counts.
    Revocation(Revocation),
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
    pub fn of(publication: &'r Publication, event: &'r str) -> Option<Written<'r>> {
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
    pub(super) const REVOCATION: u8 = 5;
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

    /// The claim: a kind, and what the claim is known by.
    pub(super) const NAME: u8 = 32;
    pub(super) const TEXT: u8 = 33;
    pub(super) const WITHIN: u8 = 34;
    pub(super) const ISSUED_BEFORE: u8 = 35;
    pub(super) const UNTIL: u8 = 36;

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
            Record::Revocation(revocation) => {
                out.push(kind::REVOCATION);
                revocation_fields(revocation, out);
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

/// Kinds of names of revoked tokens.
mod name {
    pub(super) const USER: u8 = 1;
    pub(super) const SUBJECT: u8 = 2;
    pub(super) const TOKEN: u8 = 3;
    pub(super) const ORGANIZATION: u8 = 4;
}

fn revocation_fields(revocation: &Revocation, out: &mut Vec<u8>) {
    let Revocation { name, text, within, issued_before_unix_s, until_unix_s } = revocation;
    let guid = |kind: u8, guid: Uuid| [&[kind], guid.as_bytes().as_slice()].concat();
    let mark = |kind: u8, mark: Mark| [&[kind], mark.to_bytes().as_slice()].concat();
    let name = match *name {
        RevokedName::User(user) => guid(name::USER, user),
        RevokedName::Subject(subject) => mark(name::SUBJECT, subject),
        RevokedName::Token(token) => mark(name::TOKEN, token),
        RevokedName::Organization(organization) => guid(name::ORGANIZATION, organization),
    };
    field(tag::NAME, &name, out);
    field(tag::TEXT, text.as_bytes(), out);
    if let Some(within) = within {
        field(tag::WITHIN, within.as_bytes(), out);
    }
    number(tag::ISSUED_BEFORE, *issued_before_unix_s, out);
    number(tag::UNTIL, Some(*until_unix_s), out);
}

/// None where it is of a kind that a newer program has.
fn revocation(fields: Fields<'_>) -> Option<Revocation> {
    let (mut name, mut text, mut within, mut issued_before_unix_s, mut until) = (None, None, None, None, None);
    for (tag, value) in fields {
        match tag {
            tag::NAME => name = Some(read_name(value)?),
            tag::TEXT => text = Some(core::str::from_utf8(value).ok()?),
            tag::WITHIN => within = Some(Uuid::from_slice(value).ok()?),
            tag::ISSUED_BEFORE => issued_before_unix_s = Some(read_number(value)?),
            tag::UNTIL => until = Some(read_number(value)?),
            _ => {}
        }
    }
    Some(Revocation { name: name?, text: text?.into(), within, issued_before_unix_s, until_unix_s: until? })
}

fn read_name(value: &[u8]) -> Option<RevokedName> {
    let (kind, value) = value.split_first()?;
    let guid = || Uuid::from_slice(value).ok();
    let mark = || Mark::from_bytes(value.try_into().ok()?);
    match *kind {
        name::USER => guid().map(RevokedName::User),
        name::SUBJECT => mark().map(RevokedName::Subject),
        name::TOKEN => mark().map(RevokedName::Token),
        name::ORGANIZATION => guid().map(RevokedName::Organization),
        _ => None,
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
                kind::REVOCATION => revocation(Fields(fields)).map(Record::Revocation),
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
mod tests;
