//! A request whose body is still coming.

use super::asking::Framing;
use crate::auth::principal::Principal;
use crate::clock::Instant;
use crate::proto::http::body::Chunked;

/// A request whose body is being collected.
#[derive(Debug)]
pub(super) struct PendingBody {
    pub(super) purpose: Purpose,
    pub(super) framing: Framing,
    /// The chunked decoder; `None` where the length is known.
    pub(super) chunked: Option<Chunked>,
    /// The whole length, where known.
    pub(super) length: usize,
    pub(super) body: Vec<u8>,
    pub(super) since: Instant,
}

/// What a body is for.
#[derive(Debug)]
pub(super) enum Purpose {
    Publish {
        content_type: Option<String>,
        query: String,
        principal: Box<Principal>,
    },
    /// Read and not looked at: SignalR clients may send one with negotiate.
    Negotiate {
        query: String,
    },
}
