//! A request that is refused as a whole.

use crate::proto::http::reply::Reply;

/// Why a request is refused as a whole. The publisher is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status: 400, 403, 413 or 415.
    pub status: u16,
    /// What is wrong, without anything that the publisher has sent: for the log.
    pub why: &'static str,
    /// A sentence for the publisher.
    pub(crate) sentence: String,
    /// A header that says the same to programs.
    header: Option<(&'static str, &'static str)>,
}

impl Refusal {
    pub(super) fn new(status: u16, why: &'static str) -> Refusal {
        Refusal { status, why, sentence: why.to_owned(), header: None }
    }

    /// The publisher is told more than the log.
    pub(super) fn told(self, sentence: String) -> Refusal {
        Refusal { sentence, ..self }
    }

    pub(super) fn with(self, name: &'static str, value: &'static str) -> Refusal {
        Refusal { header: Some((name, value)), ..self }
    }

    /// The reply that says so.
    pub(crate) fn reply(self) -> Reply {
        let reply = Reply::text(self.status, self.sentence);
        match self.header {
            Some((name, value)) => reply.with(name, value),
            None => reply,
        }
    }
}

/// The body is empty, or holds nothing.
pub(super) fn no_items() -> Refusal {
    Refusal::new(400, "The body holds no items")
}

/// It holds too many items.
pub(super) fn too_many(items_max: usize) -> Refusal {
    Refusal::new(413, "The body holds more than limits.items_max items")
        .told(format!("The body holds more than {items_max} items"))
}

/// It holds an item that is too large to be read.
pub(super) fn too_large(bytes_max: usize) -> Refusal {
    Refusal::new(413, "The body holds an item of more than four times limits.event_bytes_max")
        .told(format!("The body holds an item of more than {bytes_max} bytes"))
}
