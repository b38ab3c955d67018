//! What tells states of one entity apart, and calls and their legs.

use super::super::model::{Event, EventId, Model};
use super::derive::{guid, member};
use super::scan::Unescape;

/// The properties whose values do: the key, or the call and its leg.
pub(super) fn properties(event: &Event) -> [Option<usize>; 2] {
    match event.call {
        Some(call) => [Some(call.id), Some(call.leg)],
        None => [event.key, None],
    }
}

/// The same values of `text`, the data of an event as it is delivered. The validator tells them of
/// what it accepts; this is for data that has not been through it.
pub fn keys(model: &Model, event: EventId, text: &str) -> [Option<[u8; 16]>; 2] {
    let Some(event) = model.event(event) else { return [None; 2] };
    properties(event).map(|index| {
        let value = member(text, &event.properties.get(index?)?.wire)?;
        let inner = || value.strip_prefix('"')?.strip_suffix('"');
        guid(value).or_else(|| Some(hash(Unescape::of(inner()?))))
    })
}

/// The hash of a text: FNV-1a of 128 bits, which is the same in every process and version. Who may
/// publish an organization's events can end its rows anyway, so that it need not be secret.
pub fn hash(text: impl Iterator<Item = char>) -> [u8; 16] {
    let mut hash = Hash::default();
    text.for_each(|letter| hash.add(letter.encode_utf8(&mut [0; 4]).as_bytes()));
    hash.0.to_be_bytes()
}

/// The hash of several parts of which all but the first have the same length.
pub fn joined(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Hash::default();
    parts.iter().for_each(|part| hash.add(part));
    hash.0.to_be_bytes()
}

struct Hash(u128);

impl Default for Hash {
    fn default() -> Hash {
        Hash(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Hash {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_one_that_is_published() {
        // The test vectors of draft-eastlake-fnv for 128 bits.
        let hex = |text: &str| hash(text.chars()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(hex("a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_eq!(hex("foobar"), "343e1662793c64bf6f0d3597ba446f18");
    }
}
