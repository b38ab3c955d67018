//! Simulation: the hub's own reactors on an operating system of pipes, peers and a clock, all of
//! one seed.
//!
//! Each seed draws limits, actors and faults, plays them against the [`model`], and then lets
//! everything become empty. What must always hold is asserted after each step. A failure prints
//! `SIM_SEED=0x…`; with that in the environment the same seed is played alone. `SIM_SEEDS=N` plays
//! so many, from `SIM_FROM=N` on. The fuzz target `world` is made of these files: what it has found
//! is in its corpus, and `SIM_TAPE=FILE` plays one input alone.

mod actor;
mod answers;
mod cast;
mod client;
mod directed;
mod disk;
#[cfg(test)]
mod engine;
mod journal;
pub mod messagepack;
mod model;
mod net;
#[cfg(test)]
mod node;
#[cfg(test)]
mod nodes;
mod pages;
mod play;
mod reached;
mod resume;
mod rng;
mod setting;
mod tab;
mod threads;
mod world;

pub use play::play_tape;

use play::play;
use reached::Reached;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Seeds of a default run: half a minute, unoptimised.
const SEEDS: u64 = 256;

/// Seeds that have found a fault.
const FORMER: [u64; 12] =
    [0x27A1, 0x38D5, 0x3408, 0x74AE, 0x101E7, 0xDC77, 0x17248, 0x20AF, 0xEB3B, 0x30D6A, 0x317BB, 0x310F2];

/// One seed in so many is played by clients of the other transports, too, and by one that is cut
/// off and goes on; another one by pages that show what holds.
const OTHERS_ONE_IN: u64 = 8;

/// Plays a seed, and says which one it was where it fails.
#[expect(clippy::print_stderr, reason = "the seed is what a failure is about")]
fn play_named(seed: u64, reached: &mut Reached) -> u64 {
    let play = |reached: &mut Reached| {
        if seed % OTHERS_ONE_IN == 1 {
            directed::polling::play(seed, reached);
            directed::resuming::play(seed, reached);
        }
        if seed % OTHERS_ONE_IN == 2 {
            pages::play(seed, reached);
        }
        play(seed, reached)
    };
    catch_unwind(AssertUnwindSafe(|| play(reached))).unwrap_or_else(|panic| {
        eprintln!("SIM_SEED=0x{seed:X}");
        resume_unwind(panic)
    })
}

#[test]
fn every_invariant_holds_whatever_the_seed() {
    let mut reached = Reached::default();
    if let Ok(seed) = std::env::var("SIM_SEED") {
        let seed = u64::from_str_radix(seed.trim_start_matches("0x"), 16).unwrap();
        play_named(seed, &mut reached);
        return;
    }
    let number = |name: &str, default| std::env::var(name).map_or(default, |number| number.parse().unwrap());
    let (first, seeds) = (number("SIM_FROM", 0), number("SIM_SEEDS", SEEDS));
    for seed in (first..first + seeds).chain(FORMER) {
        let hash = play_named(seed, &mut reached);
        if seed % 16 == 0 {
            assert_eq!(hash, play_named(seed, &mut Reached::default()), "SIM_SEED=0x{seed:X}: not the same twice");
        }
    }
    if seeds >= SEEDS {
        assert_eq!(reached.missing(), [""; 0], "not reached by any seed: {reached:#?}");
    }
}

#[test]
fn every_invariant_holds_whatever_a_fuzzer_has_chosen() {
    if let Ok(file) = std::env::var("SIM_TAPE") {
        return play_tape(&std::fs::read(file).unwrap());
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/world");
    let mut tapes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        catch_unwind(|| play_tape(&std::fs::read(&path).unwrap())).unwrap_or_else(|panic| {
            name_tape(&path);
            resume_unwind(panic)
        });
        tapes += 1;
    }
    assert!(tapes >= 10, "{tapes} inputs");
}

#[expect(clippy::print_stderr, reason = "the input is what a failure is about")]
fn name_tape(path: &std::path::Path) {
    eprintln!("SIM_TAPE={}", path.display());
}
