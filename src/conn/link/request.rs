//! A request whose body is still coming.

use super::asking::Framing;
use crate::api::publish::RequestHead;
use crate::auth::principal::Principal;
use crate::clock::Instant;
use crate::hub::registry::ConnKey;
use crate::limits::{Limits, POSTED_RECORDS};
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
    /// Bytes that have come and were not kept, since nobody looks at them.
    pub(super) dropped: usize,
    pub(super) since: Instant,
}

/// What a body is for.
#[derive(Debug)]
pub(super) enum Purpose {
    Publish {
        head: Box<RequestHead>,
        principal: Box<Principal>,
    },
    /// What an administrator revokes.
    Revoke(Box<Principal>),
    /// What a client says whose connection has no link to say it on.
    Send(ConnKey),
    /// Read and not looked at: SignalR clients may send one with negotiate.
    Negotiate {
        query: String,
        principal: Box<Principal>,
    },
    /// The same, of a client that is sent on with this answer.
    SendOn(Vec<u8>),
}

/// What a body may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BodyBound {
    pub(super) bytes: usize,
    /// The limit that says so.
    pub(super) name: &'static str,
}

impl Purpose {
    /// What a body for this may have: one with a client's messages no more than they take by
    /// WebSockets, for many who need to show no more than a token may leave them unfinished.
    pub(super) fn bound(&self, limits: &Limits) -> BodyBound {
        let whole = BodyBound { bytes: limits.body_bytes_max, name: "limits.body_bytes_max" };
        let posted = POSTED_RECORDS.saturating_mul(limits.record_bytes_max);
        match self {
            Purpose::Send(_) if posted < whole.bytes => {
                BodyBound { bytes: posted, name: "twice limits.record_bytes_max" }
            }
            Purpose::Send(_)
            | Purpose::Publish { .. }
            | Purpose::Revoke(_)
            | Purpose::Negotiate { .. }
            | Purpose::SendOn(_) => whole,
        }
    }
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
                let room = body_bytes_max.saturating_sub(self.dropped);
                let (status, taken) = chunked.decode(input, &mut self.body, room)?;
                self.drop_unread();
                (status == Status::Complete(()), taken)
            }
            // Whole within what was read: served where it lies.
            None if self.body.is_empty() && self.dropped == 0 && input.len() >= self.length => {
                return Ok(Arrived::Here(self.length));
            }
            None => {
                let taken = input.len().min(self.length - self.body.len() - self.dropped);
                if self.is_kept() {
                    if self.body.is_empty() {
                        self.body.reserve_exact(self.length);
                    }
                    self.body.extend_from_slice(input.get(..taken).unwrap_or_default());
                } else {
                    self.dropped += taken;
                }
                (self.body.len() + self.dropped == self.length, taken)
            }
        };
        Ok(if is_whole { Arrived::Collected(taken) } else { Arrived::Part(taken) })
    }

    /// Whether somebody looks at it.
    fn is_kept(&self) -> bool {
        match self.purpose {
            Purpose::Publish { .. } | Purpose::Revoke(_) | Purpose::Send(_) => true,
            Purpose::Negotiate { .. } | Purpose::SendOn(_) => false,
        }
    }

    fn drop_unread(&mut self) {
        if !self.is_kept() {
            self.dropped += self.body.len();
            self.body = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(chunked: bool, length: usize) -> PendingBody {
        let principal = Box::new(Principal {
            user: None,
            publisher: None,
            organization: None,
            may_publish: false,
            is_admin: false,
            is_backend: false,
            grants: [].into(),
            foreign_grants: 0,
            expires_unix_s: 0,
            marks: crate::auth::marks::Marks::default(),
        });
        PendingBody {
            purpose: Purpose::Negotiate { query: String::new(), principal },
            framing: Framing::default(),
            chunked: chunked.then(Chunked::default),
            length,
            body: Vec::new(),
            dropped: 0,
            since: Instant::default(),
        }
    }

    #[test]
    fn a_body_of_messages_has_room_for_two_of_the_largest() {
        let limits = |record_bytes_max| Limits { record_bytes_max, ..Limits::DEFAULT };
        let bound = |purpose: Purpose, record_bytes_max| {
            let BodyBound { bytes, name } = purpose.bound(&limits(record_bytes_max));
            (bytes, name.strip_prefix("twice ").unwrap_or(name))
        };
        let sent = || Purpose::Send(ConnKey::default());
        assert_eq!(bound(sent(), 100_000), (200_000, "limits.record_bytes_max"));
        let whole = (Limits::DEFAULT.body_bytes_max, "limits.body_bytes_max");
        assert_eq!(bound(sent(), 1 << 20), whole, "and no more than any body");
        assert_eq!(bound(pending(false, 0).purpose, 100_000), whole);
    }

    #[test]
    fn a_body_that_nobody_looks_at_is_read_to_its_end_and_not_kept() {
        let mut sized = pending(false, 1_000);
        for _ in 0..9 {
            assert!(matches!(sized.handle_bytes(&[b'x'; 100], 2_000), Ok(Arrived::Part(100))));
        }
        assert!(matches!(sized.handle_bytes(&[b'x'; 150], 2_000), Ok(Arrived::Collected(100))));
        assert_eq!(sized.body.capacity(), 0);
        let mut chunked = pending(true, 0);
        let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
        for _ in 0..9 {
            assert!(matches!(chunked.handle_bytes(chunk.as_bytes(), 1_000), Ok(Arrived::Part(_))));
        }
        assert_eq!((chunked.dropped, chunked.body.capacity()), (900, 0));
        let over = chunk.repeat(2);
        assert!(chunked.handle_bytes(over.as_bytes(), 1_000).is_err(), "its bound holds all the same");
    }
}
