//! What the system says of the process, for `/metrics`. Where it says nothing, which is so outside
//! of Linux, the figure is 0.

use super::backplane::LaneNumbers;
use super::log::Logger;
use super::store::{Numbers, Store};
use crate::limits::Limits;
use crate::metrics::{ProcessNumbers, Vitals};
use parking_lot::Mutex;
use rlimit::Resource;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How reloads went.
#[derive(Clone, Copy, Debug)]
pub struct Reloads {
    /// Into force.
    good: u64,
    refused: u64,
    was_last_good: bool,
    /// When what is in force was read.
    unix_ms: u64,
}

impl Reloads {
    /// The process has just started.
    pub fn new(unix_ms: u64) -> Reloads {
        Reloads { good: 0, refused: 0, was_last_good: true, unix_ms }
    }

    /// Another one.
    pub fn note(&mut self, is_good: bool, unix_ms: u64) {
        self.was_last_good = is_good;
        if is_good {
            self.good += 1;
            self.unix_ms = unix_ms;
        } else {
            self.refused += 1;
        }
    }
}

/// Returns what is asked for each `GET /metrics`.
pub fn vitals(
    started_ms: u64,
    limits: &Limits,
    log: Logger,
    reloads: Arc<Mutex<Reloads>>,
    store: Option<Store>,
    lanes: Option<Arc<LaneNumbers>>,
) -> Vitals {
    let memory_bytes_max = limits.memory_bytes_max as u64;
    let (connections_max, backlog_bytes_max) = (limits.connections_max as u64, limits.backlog_bytes_max as u64);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Vitals(Box::new(move || {
        let journal = |number: fn(&Numbers) -> &AtomicU64| {
            store.as_ref().map_or(0, |store| number(store.numbers()).load(Ordering::Relaxed))
        };
        let Reloads { good, refused, was_last_good, unix_ms } = *reloads.lock();
        let mut numbers = ProcessNumbers {
            started_ms,
            cpu_ms: cpu_ms(&read("/proc/self/stat")).unwrap_or(0),
            resident_bytes: resident(),
            descriptors: descriptors(),
            descriptors_max: rlimit::getrlimit(Resource::NOFILE).map_or(0, |(soft, _)| soft),
            connections_max,
            memory_bytes_max,
            backlog_bytes_max,
            reloads: good,
            reloads_refused: refused,
            last_reload: u64::from(was_last_good),
            reloaded_ms: unix_ms,
            log_dropped: log.dropped(),
            journal_bytes: journal(|numbers| &numbers.bytes),
            journal_written_bytes: journal(|numbers| &numbers.written_bytes),
            journal_writes: journal(|numbers| &numbers.writes),
            // Of which the shards know before the thread that writes does.
            journal_losses: 0,
            ..ProcessNumbers::default()
        };
        lanes.iter().for_each(|lanes| lanes.tell(&mut numbers));
        numbers
    }))
}

/// User and system time of `/proc/PID/stat`, in ticks of which Linux tells programs 100 a second.
fn cpu_ms(stat: &str) -> Option<u64> {
    // The name of the program stands in parentheses, and may hold any.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map_while(|field| field.parse::<u64>().ok());
    Some((times.next()? + times.next()?) * 10)
}

/// Memory of the process that is in use.
pub fn resident() -> u64 {
    fs::read_to_string("/proc/self/status").ok().and_then(|status| resident_bytes(&status)).unwrap_or(0)
}

/// `VmRSS` of `/proc/PID/status`, in KiB there.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Open descriptors. Since Linux 6.2 the size of the folder tells; before, they are counted, which
/// takes about a millisecond for each thousand.
fn descriptors() -> u64 {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER) {
        Ok(folder) if folder.len() > 0 => folder.len(),
        Ok(_) | Err(_) => fs::read_dir(FOLDER).map_or(0, |entries| entries.count() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_system_are_read_whatever_the_program_is_called() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 3 0 1 2 3";
        assert_eq!((cpu_ms(stat), cpu_ms("7 (rte) S 1")), (Some(1_680), None));
        let status = "Name:\trte\nVmHWM:\t  9000 kB\nVmRSS:\t  6140 kB\n";
        assert_eq!((resident_bytes(status), resident_bytes("Name:\tkthread\n")), (Some(6140 * 1024), None));
    }

    #[test]
    fn a_refused_reload_leaves_the_time_of_the_last_good_one() {
        let mut reloads = Reloads::new(1);
        reloads.note(true, 5);
        reloads.note(false, 9);
        assert_eq!((reloads.good, reloads.refused, reloads.was_last_good, reloads.unix_ms), (1, 1, false, 5));
    }
}
