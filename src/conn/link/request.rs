//! A request whose body is still coming.

use super::asking::Framing;
use crate::api::publish::RequestHead;
use crate::auth::principal::Principal;
use crate::clock::Instant;
use crate::proto::Status;
use crate::proto::http::body::{BodyError, Chunked};

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
        head: Box<RequestHead>,
        principal: Box<Principal>,
    },
    /// Read and not looked at: SignalR clients may send one with negotiate.
    Negotiate {
        query: String,
        principal: Box<Principal>,
    },
}

/// How a body stands after bytes of it have come.
pub(super) enum Arrived {
    /// Something is missing; so many bytes are taken.
    Part(usize),
    /// It lies in the first so many bytes of what was given.
    Here(usize),
    /// It has been collected; so many bytes were the rest of it.
    Collected(usize),
}

impl PendingBody {
    /// Takes bytes of the body.
    ///
    /// # Errors
    /// They break the body's framing, or its bound.
    pub(super) fn handle_bytes(&mut self, input: &[u8], body_bytes_max: usize) -> Result<Arrived, BodyError> {
        let (is_whole, taken) = match &mut self.chunked {
            Some(chunked) => {
                let (status, taken) = chunked.decode(input, &mut self.body, body_bytes_max)?;
                (status == Status::Complete(()), taken)
            }
            // Whole within what was read: served where it lies.
            None if self.body.is_empty() && input.len() >= self.length => return Ok(Arrived::Here(self.length)),
            None => {
                let taken = input.len().min(self.length - self.body.len());
                if self.body.is_empty() {
                    self.body.reserve_exact(self.length);
                }
                self.body.extend_from_slice(input.get(..taken).unwrap_or_default());
                (self.body.len() == self.length, taken)
            }
        };
        Ok(if is_whole { Arrived::Collected(taken) } else { Arrived::Part(taken) })
    }
}
