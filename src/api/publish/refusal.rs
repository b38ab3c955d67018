//! A request that is refused as a whole.

use crate::proto::http::reply::Reply;

/// Why a request is refused as a whole. The publisher is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status: 400, 403, 413 or 415.
    pub status: u16,
    /// A sentence for the publisher.
    pub sentence: String,
}

impl Refusal {
    pub(super) fn new(status: u16, sentence: impl Into<String>) -> Refusal {
        Refusal { status, sentence: sentence.into() }
    }

    /// The reply that says so.
    pub fn reply(self) -> Reply {
        Reply::text(self.status, self.sentence)
    }
}
