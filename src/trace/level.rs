//! How much facts matter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a fact matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something the operator must mend.
    Error,
    /// Something the operator should know.
    Warn,
    /// The life of the process.
    #[default]
    Info,
    /// The life of each connection; whatever a stranger can cause is here.
    Debug,
    /// What is read, and the way of each publication and each subscription.
    Trace,
}

impl Level {
    /// Returns the level's name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}
