//! A lane: one connection to the engine, on which one command is on its way at a time.

use super::fault::Fault;
use crate::clock::{Deadline, Instant, Now};
use crate::entropy::{Entropy, next_u64};
use crate::limits::{BACKPLANE_RETRY_MS, BACKPLANE_RETRY_MS_MAX};

/// Whether the engine can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is tried anew then.
    Away { again_at: Deadline, since: Instant },
    /// It answers.
    Up,
}

/// One of the two connections of a process to its engine.
#[derive(Debug)]
pub(super) struct Lane {
    state: State,
    /// A command has not been answered.
    is_asked: bool,
    failures: u32,
    /// Since when it has been away, where it is not told yet that it is back.
    untold: Option<Instant>,
    /// The logs have been opened on this connection.
    is_open: bool,
    /// What was asked after that has failed, and nothing has succeeded since: the engine may let
    /// this process connect, and no more.
    is_doubtful: bool,
}

/// The lane has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The engine does not answer.
    Away {
        /// What happened.
        fault: Fault,
        /// Since when.
        since: Instant,
    },
    /// It does again, or for the first time.
    Up {
        /// How long it did not.
        away_ms: u64,
    },
}

impl Notice {
    /// Why the lane is away, if it is.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Notice::Away { fault, .. } => Some(fault),
            Notice::Up { .. } => None,
        }
    }
}

impl Lane {
    pub(super) fn new(now: Now) -> Lane {
        let state = State::Away { again_at: Deadline::at(now.mono), since: now.mono };
        Lane { state, is_asked: false, failures: 0, untold: None, is_open: false, is_doubtful: false }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether a command may go, which will be answered.
    pub(super) fn is_free(&self) -> bool {
        !self.is_asked
    }

    pub(super) fn ask(&mut self) {
        self.is_asked = true;
    }

    pub(super) fn on_answer(&mut self) {
        self.is_asked = false;
    }

    pub(super) fn wants_connect(&self, now: Now) -> bool {
        matches!(self.state, State::Away { again_at, .. } if again_at.is_due(now))
    }

    pub(super) fn connects_at(&self) -> Deadline {
        match self.state {
            State::Away { again_at, .. } => again_at,
            State::Up => Deadline::NEVER,
        }
    }

    pub(super) fn on_connected(&mut self) {
        if let State::Away { since, .. } = self.state {
            self.untold = Some(since);
        }
        (self.state, self.is_open) = (State::Up, false);
    }

    /// The logs are open: the lane is back, unless it has failed after that before.
    pub(super) fn on_opened(&mut self, now: Now) -> Option<Notice> {
        self.is_open = true;
        if self.is_doubtful { None } else { self.tell(now) }
    }

    /// What was asked has been answered, and what follows from it is known: the next failure is a
    /// first one. The lane is back, if that was not told before.
    pub(super) fn on_success(&mut self, now: Now) -> Option<Notice> {
        (self.failures, self.is_doubtful) = (0, false);
        self.tell(now)
    }

    fn tell(&mut self, now: Now) -> Option<Notice> {
        self.untold.take().map(|since| Notice::Up { away_ms: now.mono.ms_since(since) })
    }

    /// The connection is of no use any more. It is made anew after a while, which grows.
    pub(super) fn fail(&mut self, fault: Fault, now: Now, entropy: &mut dyn Entropy) -> Notice {
        let since = match self.state {
            State::Away { since, .. } => since,
            State::Up => self.untold.take().unwrap_or(now.mono),
        };
        let longest_ms = (BACKPLANE_RETRY_MS << self.failures.min(8)).min(BACKPLANE_RETRY_MS_MAX);
        let wait_ms = longest_ms / 2 + next_u64(entropy) % (longest_ms / 2 + 1);
        self.failures = self.failures.saturating_add(1);
        self.is_doubtful |= std::mem::take(&mut self.is_open);
        self.state = State::Away { again_at: now.after_ms(wait_ms), since };
        Notice::Away { fault, since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Entropy for Ones {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(u8::MAX);
        }
    }

    #[test]
    fn an_engine_is_tried_anew_soon_however_long_it_has_been_away() {
        let mut now = Now::from_ms(0, 0);
        let mut lane = Lane::new(now);
        assert!(lane.wants_connect(now));
        for tries in 0..100 {
            lane.fail(Fault::Away, now, &mut Ones);
            let wait_ms = lane.connects_at().ms_from(now.mono).unwrap();
            let longest_ms = if tries == 0 { BACKPLANE_RETRY_MS } else { BACKPLANE_RETRY_MS_MAX };
            assert!((BACKPLANE_RETRY_MS / 2..=longest_ms).contains(&wait_ms), "{tries}: {wait_ms}");
            now = Now::from_ms(now.mono.ms() + wait_ms, 0);
            assert!(lane.wants_connect(now));
        }
    }

    #[test]
    fn a_lane_is_back_once_the_logs_are_open_and_where_that_was_not_enough_once_something_succeeds() {
        let at = |ms| Now::from_ms(ms, 0);
        let away = |fault, ms| Notice::Away { fault, since: Instant::from_ms(ms) };
        let mut lane = Lane::new(at(0));
        for ms in [1, 2] {
            lane.on_connected();
            assert_eq!(
                lane.fail(Fault::Forbidden, at(ms), &mut Ones),
                away(Fault::Forbidden, 0),
                "it may not open them"
            );
        }
        lane.on_connected();
        assert_eq!(lane.on_opened(at(5)), Some(Notice::Up { away_ms: 5 }));
        assert_eq!(lane.on_success(at(6)), None);
        for ms in [10, 20] {
            assert_eq!(lane.fail(Fault::Forbidden, at(ms), &mut Ones), away(Fault::Forbidden, 10), "it may not append");
            lane.on_connected();
            assert_eq!(lane.on_opened(at(ms + 1)), None);
        }
        assert_eq!(lane.on_success(at(30)), Some(Notice::Up { away_ms: 20 }));
    }
}
