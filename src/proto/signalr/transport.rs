//! Which transports there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a connection's bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are SignalR's")]
pub enum Transport {
    WebSockets,
    ServerSentEvents,
    LongPolling,
}

impl Transport {
    /// All, in the order in which ASP.NET offers them and clients try them.
    pub const ALL: [Transport; 3] = [Transport::WebSockets, Transport::ServerSentEvents, Transport::LongPolling];

    /// Returns its place in [`Transport::ALL`], for tables.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Whether it carries any bytes, and not texts only.
    pub(crate) fn is_binary(self) -> bool {
        match self {
            Transport::WebSockets | Transport::LongPolling => true,
            Transport::ServerSentEvents => false,
        }
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Transport::WebSockets => "WebSockets",
            Transport::ServerSentEvents => "ServerSentEvents",
            Transport::LongPolling => "LongPolling",
        }
    }
}
