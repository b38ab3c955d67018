//! What a shard notes.

use crate::metrics::Metrics;
use crate::trace::Trace;

/// The books of a shard.
#[derive(Debug)]
pub struct Books {
    /// Counters.
    pub metrics: Metrics,
    /// Notable facts.
    pub trace: Trace,
}

impl Books {
    /// Empty counters.
    pub fn new(trace: Trace) -> Books {
        Books { metrics: Metrics::default(), trace }
    }
}
