//! File descriptors: how many there may be, and room for them.

use crate::limits::Limits;
use std::io;

/// Descriptors besides those of links: listeners, polls, wakers, standard streams, files.
const BESIDES: u64 = 64;

/// How many descriptors the process needs when all of its links are there.
pub fn needed(limits: &Limits, has_internal: bool) -> u64 {
    let links = [limits.connections_max, limits.strangers_max, kept(limits, has_internal)];
    links.into_iter().fold(BESIDES, |sum, links| sum.saturating_add(links as u64))
}

/// Gets as many descriptors as the hard limit allows, and room for those that are needed. Returns
/// how many there may be; where they run out, accept says so.
pub(super) fn prepare(limits: &Limits, has_internal: bool) -> u64 {
    let max = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    reserve(needed(limits, has_internal).min(max));
    max
}

/// How many links a process that may have so many descriptors can hold, beside those of the inside.
pub(super) fn links_max(descriptors: u64, limits: &Limits, has_internal: bool) -> usize {
    let left = descriptors.saturating_sub(BESIDES + kept(limits, has_internal) as u64).max(descriptors / 2);
    usize::try_from(left).unwrap_or(usize::MAX)
}

/// How many links are kept for the inside.
fn kept(limits: &Limits, has_internal: bool) -> usize {
    if has_internal { limits.internal_max } else { 0 }
}

/// Makes room for so many in the kernel's table, 8 bytes each. The kernel doubles a table that is
/// full, and in a process of several threads it waits for all cores before the old one goes:
/// whoever accepts a burst of connections would stand still for 30 ms. No harm is done where it
/// fails.
fn reserve(descriptors: u64) {
    let Ok(last) = i32::try_from(descriptors.saturating_sub(1)) else { return };
    // Any descriptor will do: its copy has the number that makes the table large enough.
    let Ok((any, _)) = io::pipe() else { return };
    drop(rustix::io::fcntl_dupfd_cloexec(&any, last));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_len() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
        size.trim().parse().unwrap()
    }

    #[test]
    fn a_burst_of_connections_finds_room_for_its_descriptors() {
        let limits = Limits { connections_max: 700, strangers_max: 100, internal_max: 50, ..Limits::DEFAULT };
        let max = prepare(&limits, true);
        assert!(table_len() >= needed(&limits, true).min(max), "{} of {max}", table_len());
    }
}
