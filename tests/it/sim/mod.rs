//! Simulation: the hub's own reactors on an operating system of pipes, peers and a clock, all of
//! one seed.
//!
//! Each seed draws limits, actors and faults, plays them against the [`model`], and then lets
//! everything become empty. What must always hold is asserted after each step. A failure prints
//! `SIM_SEED=0x…`; with that in the environment the same seed is played alone. `SIM_SEEDS=N` plays
//! so many.

mod actor;
mod answers;
mod cast;
mod client;
mod directed;
mod journal;
mod model;
mod net;
mod play;
mod reached;
mod rng;
mod setting;
mod threads;
mod world;

use play::play;
use reached::Reached;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Seeds of a default run: some fifteen seconds, unoptimised.
const SEEDS: u64 = 256;

/// Plays a seed, and says which one it was where it fails.
#[expect(clippy::print_stderr, reason = "the seed is what a failure is about")]
fn play_named(seed: u64, reached: &mut Reached) -> u64 {
    catch_unwind(AssertUnwindSafe(|| play(seed, reached))).unwrap_or_else(|panic| {
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
    let seeds = std::env::var("SIM_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let hash = play_named(seed, &mut reached);
        if seed % 16 == 0 {
            assert_eq!(hash, play_named(seed, &mut Reached::default()), "SIM_SEED=0x{seed:X}: not the same twice");
        }
    }
    if seeds >= SEEDS {
        assert_eq!(reached.missing(), [""; 0], "not reached by any seed: {reached:#?}");
    }
}
