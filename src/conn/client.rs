//! What a connection knows of its SignalR client.

use super::subscribing::Subscribing;
use super::turn::Shared;
use crate::api::negotiated::ConnectionToken;
use crate::auth::principal::Principal;
use crate::clock::{Deadline, Instant};
use crate::close::CloseReason;
use crate::proto::signalr::framing::Records;
use crate::proto::ws::decode::Decoder;

/// A SignalR client, from the upgrade on.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) decoder: Decoder,
    pub(super) records: Records,
    /// Who it is.
    pub(super) principal: Principal,
    /// The token it negotiated, until the connection is gone.
    pub(super) token: Option<ConnectionToken>,
    /// From its first ping on, silence is a reason to give it up.
    pub(super) has_pinged: bool,
    /// When the hub closes it.
    pub(super) ends: Deadline,
    /// Why it does.
    pub(super) ends_for: CloseReason,
    /// A Subscribe that other shards have been asked for, and what came behind it.
    pub(super) waiting: Option<Box<Waiting>>,
}

/// A Subscribe that cannot be completed yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) subscribing: Box<Subscribing>,
    /// Payload that was read behind it. Frames that were not decoded yet wait in the connection.
    pub(super) unread: Vec<u8>,
}

impl Peer {
    pub(super) fn new(principal: Principal, token: Option<ConnectionToken>, ends: Deadline) -> Peer {
        Peer {
            decoder: Decoder::default(),
            records: Records::default(),
            principal,
            token,
            has_pinged: false,
            ends,
            ends_for: CloseReason::TokenExpired,
            waiting: None,
        }
    }

    /// Since when other shards have been asked for it.
    pub(super) fn asked_since(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.subscribing.awaited.since)
    }

    /// The connection is gone or going: its token is no good any more.
    pub(super) fn forget_token(&self, shared: &Shared) {
        if let Some(token) = self.token {
            shared.negotiated.lock().forget(token);
        }
    }
}
