//! The two clocks, and how long a thread has been at work.

use crate::clock::Now;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Returns how long this thread has had a core, in microseconds.
pub(super) fn worked_us() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(time.tv_sec) * 1_000_000 + part(time.tv_nsec) / 1_000
}

/// Reads both clocks; the monotonic one counts from the process's start of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    pub(crate) fn now(&self) -> Now {
        let mono = self.start.elapsed().as_millis();
        // A clock before 1970 is 1970: tokens then count as not expired, and nothing panics.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Now::from_ms(u64::try_from(mono).unwrap_or(u64::MAX), u64::try_from(unix).unwrap_or(u64::MAX))
    }
}
