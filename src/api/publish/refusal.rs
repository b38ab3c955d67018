//! A request that is refused as a whole.

use crate::proto::http::reply::Reply;

/// Why a request is refused as a whole. The publisher is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status: 400, 403, 413 or 415.
    pub status: u16,
    /// A sentence for the publisher.
    pub sentence: String,
    /// A header that says the same to programs.
    header: Option<(&'static str, &'static str)>,
}

impl Refusal {
    pub(super) fn new(status: u16, sentence: impl Into<String>) -> Refusal {
        Refusal { status, sentence: sentence.into(), header: None }
    }

    pub(super) fn with(self, name: &'static str, value: &'static str) -> Refusal {
        Refusal { header: Some((name, value)), ..self }
    }

    /// The reply that says so.
    pub fn reply(self) -> Reply {
        let reply = Reply::text(self.status, self.sentence);
        match self.header {
            Some((name, value)) => reply.with(name, value),
            None => reply,
        }
    }
}
