//! How much is taken, and how much forgiven.

use serde::{Deserialize, Serialize};

/// How strictly events are held to their schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(program, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Only what validates against the published schema, after filling and normalising, is
    /// delivered.
    #[default]
    Strict,
    /// What a typed client survives is delivered and counted.
    Lenient,
}

/// Bounds of one validation.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Nesting, the data object itself being the first level. At most [`DEPTH_CEILING`] counts,
    /// whatever stands here.
    pub depth_max: usize,
    /// Violations told; at least one is.
    pub errors_max: usize,
    /// Unknown properties that are told with the nearest known one, which is searched for; of the
    /// first violations only.
    pub suggestions_max: usize,
}

/// The walk recurses; this keeps it well within any thread's stack.
pub const DEPTH_CEILING: usize = 128;
