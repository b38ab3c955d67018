//! What a script costs: allocations, their bytes, and bytes sent, by turn and in all.
//!
//! Nothing in the hub works long without allocating or sending: a name that is compared is written
//! in lower case first, an error is a text, an answer is bytes. So what is counted stands for
//! steps, is the same on every machine, and needs no clock.

use super::fixtures::CATALOGUE;
use super::script::{self, Stage};
use super::transcript::Transcript;
use crate::api::open_api;
use crate::conn;
use crate::limits::Limits;
use core::ops::Sub;

/// What has been allocated so far, by whoever counts: a process has one allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Allocations.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sub for Spent {
    type Output = Spent;

    fn sub(self, earlier: Spent) -> Spent {
        Spent { count: self.count - earlier.count, bytes: self.bytes - earlier.bytes }
    }
}

/// Allocations of a line of a script: so many, and for each byte so many more.
const ALLOCATIONS_MAX: (u64, u64) = (1_000, 4);
/// Bytes of a line's allocations; those of what was sent may be copied on their way, and
/// what they grow in doubles.
const ALLOCATED_BYTES_MAX: (u64, u64) = (512 * 1024, 256);
const COPIES_MAX: u64 = 4;
/// Bytes sent for a line: no answer is larger than a document, and no question smaller than this
/// part of it.
const SENT_BYTES_MAX: (u64, u64) = (512 * 1024, 8 * 1024);
/// Allocations of one turn, whatever came: others wait for its end.
const TURN_ALLOCATIONS_MAX: u64 = 20_000;

fn bound((base, per_byte): (u64, u64), bytes: u64) -> u64 {
    base + per_byte * bytes
}

/// An input is a script, see `script::read`, for a hub with its default limits. What a line costs
/// is bounded by its bytes and those before it that were not answered, since it may be the end of a
/// large request; what a turn costs is bounded by itself.
///
/// # Panics
/// The hub does too much.
pub fn cost(data: &[u8], spent: fn() -> Spent, transcript: &mut Transcript<'_>) {
    // Made once for a process, by whoever asks first.
    let _ = (CATALOGUE.artefacts().count(), CATALOGUE.closed_schemas().count());
    open_api::with(&conn::Options::default().path, |_| ());
    let mut stage = Stage::new(Limits::DEFAULT);
    let mut bytes = 0;
    for line in script::read(data) {
        bytes += line.bytes() as u64;
        let (before, mut turn_began, mut turn_most, mut sent) = (spent(), spent(), 0, 0);
        let (sent_before, kept_before) = (stage.heard_bytes(), stage.heard_capacity());
        stage.play_and_look(&line, &mut || usize::MAX, &mut |heard_bytes| {
            let now = spent();
            turn_most = turn_most.max((now - turn_began).count);
            (turn_began, sent) = (now, (heard_bytes - sent_before) as u64);
        });
        let mut all = spent() - before;
        all.bytes = all.bytes.saturating_sub((stage.heard_capacity() - kept_before) as u64);
        let told = || {
            let Spent { count, bytes: allocated } = all;
            format!(
                "{bytes} bytes: {count} allocations of {allocated} bytes, {turn_most} in one turn; {sent} bytes sent"
            )
        };
        transcript.say(told);
        assert!(all.count <= bound(ALLOCATIONS_MAX, bytes), "{}", told());
        assert!(all.bytes <= bound(ALLOCATED_BYTES_MAX, bytes) + COPIES_MAX * sent, "{}", told());
        assert!(sent <= bound(SENT_BYTES_MAX, bytes), "{}", told());
        assert!(turn_most <= TURN_ALLOCATIONS_MAX, "{}", told());
        if sent > 0 {
            bytes = 0;
        }
    }
}
