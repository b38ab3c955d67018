//! Simulation: the pure core in a world of pipes, peers and a clock, all of one seed.

mod cast;
mod client;
mod directed;
mod rng;
mod world;
