//! What a shard notes.

use crate::metrics::Metrics;
use crate::trace::Trace;

/// The books of a shard.
#[derive(Debug)]
pub struct Books {
    /// Counters.
    pub(crate) metrics: Metrics,
    /// Notable facts.
    pub(crate) trace: Trace,
}

impl Books {
    /// Empty counters.
    pub(crate) fn new(trace: Trace) -> Books {
        Books { metrics: Metrics::default(), trace }
    }
}
