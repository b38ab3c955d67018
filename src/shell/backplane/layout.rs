//! How keys, places and last values are written in Redis, and what is read of logs.

use crate::backplane::Fault;
use crate::backplane::entry::{Place, Raw};
use crate::hub::partition::{PARTITIONS, Partition};
use crate::hub::position::Epoch;
use crate::limits::{BACKPLANE_BLOCK_MS, BACKPLANE_READ_ENTRIES};
use redis::Cmd;

/// How keys and heads are laid out.
const FORMAT: &str = "1";

/// What all processes must agree upon, by its names.
pub(super) fn agreed() -> [(&'static str, String); 2] {
    [("format", FORMAT.to_owned()), ("partitions", PARTITIONS.to_string())]
}

/// What a server holds of that.
pub(super) type Held = [Option<String>; 2];

/// The key that it stands at.
pub(super) fn meta(prefix: &str) -> String {
    format!("{prefix}:meta")
}

/// All partitions.
pub(super) fn partitions() -> impl Iterator<Item = Partition> {
    (0..PARTITIONS).filter_map(Partition::from_number)
}

/// What is read of logs, by their keys: ids and fields.
pub(super) type Entries = Vec<(String, Vec<(String, Vec<Vec<u8>>)>)>;

/// A log that is read behind a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) partition: Partition,
    pub(super) key: String,
    pub(super) behind: String,
}

impl Tail {
    /// What of these is of it.
    pub(super) fn found(&self, entries: Entries) -> Result<Option<(Partition, Vec<Raw>)>, Fault> {
        let own = entries.into_iter().find(|(key, _)| *key == self.key);
        own.map(|(_, entries)| Ok((self.partition, entries.into_iter().map(raw).collect::<Result<_, Fault>>()?)))
            .transpose()
    }
}

fn raw((id, fields): (String, Vec<Vec<u8>>)) -> Result<Raw, Fault> {
    let Ok([_, head, _, data]) = <[Vec<u8>; 4]>::try_from(fields) else { return Err(Fault::Garbled) };
    Ok(Raw { place: place(&id)?, head: head.into(), data: data.into() })
}

/// Reads what is behind these places, or waits a while for it.
pub(super) fn reading(tails: &[Tail]) -> Cmd {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(BACKPLANE_READ_ENTRIES).arg("BLOCK").arg(BACKPLANE_BLOCK_MS).arg("STREAMS");
    tails.iter().for_each(|tail| _ = command.arg(&tail.key));
    tails.iter().for_each(|tail| _ = command.arg(&tail.behind));
    command
}

/// The id of an entry in its stream.
pub(super) fn id(place: Place) -> String {
    format!("{}-{}", place.epoch.number(), place.sequence)
}

pub(super) fn place(id: &str) -> Result<Place, Fault> {
    let (epoch, sequence) = id.split_once('-').ok_or(Fault::Garbled)?;
    let number = |digits: &str| digits.parse().map_err(|_| Fault::Garbled);
    Ok(Place { epoch: Epoch::from_number(number(epoch)?), sequence: number(sequence)? })
}

pub(super) fn encode_value(entry: &Raw) -> Vec<u8> {
    let mut value = format!("{} {} ", id(entry.place), entry.head.len()).into_bytes();
    value.extend_from_slice(&entry.head);
    value.extend_from_slice(&entry.data);
    value
}

pub(super) fn parse_value(value: &[u8]) -> Option<Raw> {
    let mut parts = value.splitn(3, |byte| *byte == b' ');
    let at = place(core::str::from_utf8(parts.next()?).ok()?).ok()?;
    let length = core::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let (head, data) = parts.next()?.split_at_checked(length)?;
    Some(Raw { place: at, head: head.into(), data: data.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_back_whatever_bytes_it_has() {
        let place = Place { epoch: Epoch::from_number(u64::MAX), sequence: 7 };
        let entry = Raw { place, head: b"a b \xff".as_slice().into(), data: b" {}".as_slice().into() };
        let value = encode_value(&entry);
        assert!(value.starts_with(b"18446744073709551615-7 5 a b "));
        assert_eq!(parse_value(&value), Some(entry));
        for wrong in ["", "1-2", "1-2 9 short", "x-2 0 ", "1 0 "] {
            assert_eq!(parse_value(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
