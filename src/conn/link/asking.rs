//! Replies that wait for other shards, in the order of their requests.
//!
//! A publisher may send its next request before it has read the reply to the one before (RFC 9112
//! section 9.3.2). Further publishes are taken on meanwhile, so that a shard which is not their
//! home passes them on together; every other request waits until all replies before it are out.

use super::cx::Cx;
use super::refresh;
use crate::api::publish::Outcome;
use crate::api::{exposition, position, revoke, routes};
use crate::backplane::Refused;
use crate::broken::broken;
use crate::clock::Instant;
use crate::conn::ask::{Answer, Awaited, Published};
use crate::conn::turn::Process;
use crate::hub::partition::Partition;
use crate::hub::position::WirePosition;
use crate::limits::{Limits, PIPELINE_MAX};
use crate::metrics::{Metrics, ProcessNumbers, Refusal};
use crate::proto::http::reply::Reply;
use std::collections::VecDeque;
use uuid::Uuid;

/// How a reply is framed, decided by its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) keep_alive: bool,
    pub(super) head_only: bool,
    /// The origin whose pages may read it.
    pub(super) reader: Option<String>,
}

impl Framing {
    /// Of a last reply to bytes that are no whole head, as far as they tell it.
    pub(super) fn of_raw(bytes: &[u8], cx: &Cx<'_, '_>) -> Framing {
        let options = cx.turn.process.options;
        let reader = routes::loose_reader(bytes, &options.path, &options.origins);
        Framing { reader: reader.map(str::to_owned), ..Framing::default() }
    }
}

/// What becomes a reply once the shards have answered.
#[derive(Debug)]
pub(super) enum Draft {
    /// A publish request, or a dry run; and whose all its items are, if they are one's.
    Publish(Box<Outcome>, Option<Uuid>),
    /// Where an organization stands.
    Position,
    /// What a fresh token has changed.
    Refresh,
    /// How many connections end.
    Revoke,
    /// With what the process as a whole has.
    Metrics(Box<ProcessNumbers>),
}

impl Draft {
    /// The reply.
    pub(super) fn reply(self, answer: Answer, process: Process<'_>, metrics: &mut Metrics) -> Reply {
        match (self, answer) {
            (Draft::Publish(mut outcome, organization), Answer::Published(Published { last, duplicates })) => {
                outcome.add_duplicates(&duplicates);
                metrics.items_rejected += outcome.rejected as u64;
                metrics.tolerated += outcome.tolerated;
                let reply = outcome.reply(None);
                let Some((epoch, position)) = last else { return reply };
                let last = |organization| WirePosition { epoch, partition: Partition::of(organization), position };
                position::tell(reply, epoch, organization.map(last))
            }
            (Draft::Publish(..) | Draft::Revoke, Answer::NotAppended(refused)) => not_appended(refused, metrics),
            (Draft::Publish(outcome, _), Answer::Members(members)) => outcome.reply(Some(members)),
            (Draft::Metrics(vitals), Answer::Numbers(numbers)) => {
                exposition::metrics(&numbers, &vitals, process.catalogue)
            }
            (Draft::Position, Answer::Position(present)) => position::reply(present),
            (Draft::Refresh, Answer::Refreshed(refreshed)) => refresh::reply(refreshed, process.catalogue, metrics),
            (Draft::Revoke, Answer::Revoked(closed)) => revoke::reply(closed),
            (Draft::Publish(..) | Draft::Position | Draft::Metrics(_) | Draft::Refresh | Draft::Revoke, _) => {
                broken("a shard answers what it was asked")
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Draft::Publish(outcome, _) => outcome.reply_bytes(),
            Draft::Position | Draft::Metrics(_) | Draft::Refresh | Draft::Revoke => 0,
        }
    }
}

/// The reply to a publisher of whom nothing is known to have been taken.
fn not_appended(refused: Refused, metrics: &mut Metrics) -> Reply {
    metrics.refuse(Refusal::Engine);
    let why = match refused {
        Refused::Away => "the engine of [journal] is away",
        Refused::Full => "the engine of [journal] has no room",
        Refused::Unwritable => "the engine of [journal] takes nothing that is to be written",
        Refused::Unreplicated => "too few replicas of the engine of [journal] have it",
        Refused::Queue => "more waits for the engine of [journal] than may",
        Refused::Timeout => "the engine of [journal] has not answered in time",
    };
    let sentence = format!("{why}: try again; items with an id are taken once");
    Reply::text(503, sentence).with("Retry-After", "1")
}

/// One request's place in the order of the replies.
#[derive(Debug)]
enum Place {
    Waiting(Draft, Awaited),
    Ready(Reply),
}

/// The replies of a link that wait: at least one for other shards, and those behind it.
#[derive(Debug)]
pub(super) struct Asking {
    places: VecDeque<(Place, Framing)>,
    /// The ticket of the first place.
    first: u32,
    /// Bytes of replies in the making.
    bytes: usize,
    /// A request that is no publish has come, or none may come any more.
    is_held: bool,
    /// Since when the link waits; anew with each reply that goes out.
    since: Instant,
}

impl Asking {
    /// A link begins to wait.
    pub(super) fn new(since: Instant) -> Asking {
        Asking { places: VecDeque::new(), first: 0, bytes: 0, is_held: false, since }
    }

    /// The ticket of the next question.
    pub(super) fn ticket(&self) -> u32 {
        u32::try_from(self.places.len()).map_or(self.first, |places| self.first.wrapping_add(places))
    }

    /// A reply that is to be made of the answers.
    pub(super) fn push(&mut self, draft: Draft, framing: Framing, awaited: Awaited) {
        self.bytes += draft.bytes();
        self.is_held |= !framing.keep_alive;
        self.places.push_back((Place::Waiting(draft, awaited), framing));
    }

    /// A reply that is made, and has to wait for those before it.
    pub(super) fn push_ready(&mut self, reply: Reply, framing: Framing) {
        self.is_held |= !framing.keep_alive;
        self.places.push_back((Place::Ready(reply), framing));
    }

    /// A shard has answered the question of that ticket.
    pub(super) fn add(&mut self, ticket: u32, answer: Answer) {
        let at = usize::try_from(ticket.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        match self.places.get_mut(at) {
            Some((Place::Waiting(_, awaited), _)) => awaited.add(answer),
            Some((Place::Ready(_), _)) | None => broken("each answer has its question"),
        }
    }

    /// The next reply, if its turn has come and all have answered.
    pub(super) fn pop(
        &mut self,
        process: Process<'_>,
        metrics: &mut Metrics,
        now: Instant,
    ) -> Option<(Reply, Framing)> {
        let (place, _) = self.places.front_mut()?;
        let answer = match place {
            Place::Ready(_) => None,
            Place::Waiting(_, awaited) => Some(awaited.whole()?),
        };
        let (place, framing) = self.places.pop_front()?;
        self.first = self.first.wrapping_add(1);
        self.since = now;
        let reply = match (place, answer) {
            (Place::Ready(reply), _) => reply,
            (Place::Waiting(draft, _), Some(answer)) => {
                self.bytes -= draft.bytes();
                draft.reply(answer, process, metrics)
            }
            (Place::Waiting(..), None) => broken("a reply is made of its answers"),
        };
        Some((reply, framing))
    }

    /// Whether no reply waits any more.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// No further request is taken on until all replies are out: one has come that is no publish or
    /// waits for its turn, or the peer sends no more.
    pub(super) fn hold(&mut self) {
        self.is_held = true;
    }

    /// Whether a further publish would be taken on.
    pub(super) fn takes_more(&self, limits: &Limits) -> bool {
        !self.is_held && self.places.len() < PIPELINE_MAX && self.bytes < limits.outbox_soft_bytes
    }

    /// Since when the first reply has been waiting.
    pub(super) fn since(&self) -> Instant {
        self.since
    }
}
