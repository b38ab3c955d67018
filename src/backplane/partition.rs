//! The keys of a partition, where the engine spreads keys over several servers.

use crate::hub::partition::{PARTITIONS, Partition};

/// Slots of a Redis Cluster.
const SLOTS: u16 = 16_384;

/// The hash tag that all keys of a partition share, so that one server has them all.
///
/// Of so many partitions each has its share of the slots, and its tag hashes into that: whoever
/// gives each master as many slots gives it as many partitions.
///
/// ```
/// use rte::backplane::partition::tag;
/// use rte::hub::partition::Partition;
///
/// assert!(tag("rte", Partition::from_number(3).unwrap()).starts_with("{rte:3."));
/// ```
pub fn tag(prefix: &str, partition: Partition) -> String {
    let number = u16::from(partition.number());
    let share = SLOTS / u16::from(PARTITIONS);
    let inner = (0u32..).map(|x| format!("{prefix}:{number}.{x}")).find(|tag| slot(tag.as_bytes()) / share == number);
    format!("{{{}}}", inner.unwrap_or_default())
}

/// The slot of a key without a hash tag, or of a tag.
pub(crate) fn slot(key: &[u8]) -> u16 {
    crc16(key) % SLOTS
}

/// CRC-16/XMODEM, as the specification of Redis Cluster has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn slots_are_those_of_redis() {
        // The example of the specification, and what `CLUSTER KEYSLOT` says.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12_182);
    }

    #[test]
    fn partitions_spread_evenly_over_any_masters_with_equal_shares() {
        for prefix in ["rte", "a-longer:prefix"] {
            for masters in [2, 4, 8, 16] {
                let mut of_master = BTreeMap::new();
                for partition in (0..PARTITIONS).filter_map(Partition::from_number) {
                    let tag = tag(prefix, partition);
                    let inner = tag.trim_start_matches('{').trim_end_matches('}');
                    *of_master.entry(slot(inner.as_bytes()) / (SLOTS / masters)).or_insert(0) += 1;
                }
                let expected = (0..masters).map(|master| (master, u16::from(PARTITIONS) / masters));
                assert_eq!(of_master, expected.collect(), "{prefix}");
            }
        }
    }
}
