//! Facts to standard error, one line each.

use crate::clock::Now;
use crate::trace::{Fact, Level};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people and journals, which add the time themselves.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Where facts go.
#[derive(Clone, Copy, Debug)]
pub struct Logger {
    format: Format,
    level: Level,
}

impl Logger {
    /// Writes facts down to that level.
    pub fn new(format: Format, level: Level) -> Logger {
        Logger { format, level }
    }

    /// Writes one fact, where its level asks for it.
    pub fn write(&self, fact: &Fact, now: Now) {
        if fact.level() > self.level {
            return;
        }
        let mut line = match self.format {
            Format::Human => fact.human(),
            Format::Json => fact.json(now.unix.ms()),
        };
        line.push('\n');
        // A hub whose standard error is gone goes on.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
