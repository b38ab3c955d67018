//! Memory back to the system.

use super::os::Os;
use crate::clock::{Deadline, Now};

/// A thread that has worked looks this often at the most at what the process has: to give memory
/// back costs some milliseconds, and as much again to get it anew.
const LOOK_EVERY_MS: u64 = 1_000;
/// What the process has and keeps for nobody is worth it from here on.
const TAKEN_BYTES: u64 = 1024 * 1024;

/// When a thread gives memory back: once a burst is over, whatever it was of. Then the process
/// takes no more, and what it has beside all that it keeps for peers is more than it was after the
/// last time: it has grown, or what was kept is gone and the allocator has it.
#[derive(Debug)]
pub(super) struct GiveBack {
    /// What the process had beside what it keeps when memory was last given back, or less.
    base: u64,
    /// All that it had at the last look.
    had: u64,
    look_at: Deadline,
    /// What the thread had done at its last turn.
    work: usize,
}

/// What the process has, as the system counts it, and what of it is kept for peers.
#[derive(Clone, Copy, Debug)]
struct Has {
    resident: u64,
    kept: u64,
}

impl Has {
    /// What nobody is known to need.
    fn beside(self) -> u64 {
        self.resident.saturating_sub(self.kept)
    }
}

impl Default for GiveBack {
    fn default() -> GiveBack {
        GiveBack { base: 0, had: 0, look_at: Deadline::NEVER, work: 0 }
    }
}

impl GiveBack {
    /// A turn is over, with so much done by now and so many bytes kept for peers: gives memory back
    /// where it is time, and the thread has nothing else to do.
    pub(super) fn end_turn(&mut self, now: Now, work: usize, kept: usize, is_idle: bool, os: &mut impl Os) {
        if std::mem::replace(&mut self.work, work) != work {
            self.note_work(now);
        }
        let kept = kept as u64;
        if is_idle && self.look(now, || Has { resident: os.resident_bytes(), kept }) {
            os.give_back_memory();
            self.note_given_back(Has { resident: os.resident_bytes(), kept });
        }
    }

    /// The thread has done something.
    fn note_work(&mut self, now: Now) {
        if self.look_at == Deadline::NEVER {
            self.look_at = now.after_ms(LOOK_EVERY_MS);
        }
    }

    /// When to look.
    pub(super) fn next_look(&self) -> Deadline {
        self.look_at
    }

    /// Looks, where it is time. Whether memory should be given back.
    fn look(&mut self, now: Now, has: impl FnOnce() -> Has) -> bool {
        if !self.look_at.is_due(now) {
            return false;
        }
        let has = has();
        let is_growing = has.resident > self.had + TAKEN_BYTES / 4;
        self.look_at = if is_growing { now.after_ms(LOOK_EVERY_MS) } else { Deadline::NEVER };
        (self.base, self.had) = (self.base.min(has.beside()), has.resident);
        !is_growing && has.beside() - self.base >= TAKEN_BYTES
    }

    /// Memory has been given back; this is left.
    fn note_given_back(&mut self, left: Has) {
        (self.base, self.had) = (left.beside(), left.resident);
    }
}

/// Gives back what the allocator has freed but keeps. glibc returns only what lies at the end of a
/// heap: after a burst of slow readers that is nothing, since whatever was allocated last and lives
/// on holds all before it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back() {
    #[expect(
        unsafe_code,
        reason = "no library offers it; without it 376 of 390 MiB stayed after a burst of slow readers (measured)"
    )]
    // SAFETY: malloc_trim has no preconditions, and may be called by any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators give back on their own.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn at(mono_ms: u64) -> Now {
        Now::from_ms(mono_ms, 0)
    }

    fn has(resident: u64, kept: u64) -> Has {
        Has { resident: resident * MIB, kept: kept * MIB }
    }

    /// Works, looks a second later, and gives back where it should; whether it did.
    fn gives_back(memory: &mut GiveBack, ms: u64, before: Has, after: Has) -> bool {
        memory.note_work(at(ms - 1_000));
        let gives = memory.look(at(ms), || before);
        if gives {
            memory.note_given_back(after);
        }
        gives
    }

    #[test]
    fn what_a_burst_has_taken_is_given_back_once_no_more_is_taken() {
        let mut memory = GiveBack::default();
        memory.note_given_back(has(10, 0));
        assert!(!gives_back(&mut memory, 1_000, has(30, 20), has(0, 0)), "it goes on");
        assert!(!gives_back(&mut memory, 2_000, has(40, 20), has(0, 0)), "it goes on");
        assert!(gives_back(&mut memory, 3_000, has(40, 0), has(11, 0)));
        assert!(!gives_back(&mut memory, 4_000, has(11, 0), has(0, 0)), "nothing has been taken since");
    }

    #[test]
    fn what_lives_on_is_not_given_back_again_and_again_but_once_it_goes() {
        let mut memory = GiveBack::default();
        memory.note_given_back(has(10, 0));
        assert!(!gives_back(&mut memory, 1_000, has(60, 50), has(0, 0)), "it grows");
        assert!(!gives_back(&mut memory, 2_000, has(60, 50), has(0, 0)), "it is kept");
        assert!(gives_back(&mut memory, 3_000, has(60, 2), has(12, 2)), "the allocator has it, and keeps it");
        assert!(!gives_back(&mut memory, 4_000, has(12, 2), has(0, 0)));
    }

    #[test]
    fn what_goes_behind_a_give_back_that_came_too_early_is_given_back_too() {
        let mut memory = GiveBack::default();
        memory.note_given_back(has(10, 0));
        assert!(!gives_back(&mut memory, 1_000, has(14, 2), has(0, 0)), "it grows");
        assert!(gives_back(&mut memory, 2_000, has(14, 2), has(13, 2)), "some of the burst lives on");
        assert!(gives_back(&mut memory, 3_000, has(13, 0), has(10, 0)), "though the process has no more than then");
    }

    #[test]
    fn a_thread_that_rests_looks_once_and_one_that_works_once_a_second() {
        let mut memory = GiveBack::default();
        memory.note_given_back(has(10, 0));
        assert_eq!(memory.next_look(), Deadline::NEVER);
        memory.note_work(at(100));
        memory.note_work(at(900));
        assert_eq!(memory.next_look(), at(100).after_ms(1_000));
        assert!(!memory.look(at(1_099), || unreachable!("too soon")));
        assert!(!memory.look(at(1_100), || has(10, 0)));
        assert_eq!(memory.next_look(), Deadline::NEVER);
    }
}
