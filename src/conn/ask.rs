//! Questions to the shards of this process, and what they answer.
//!
//! One mechanism for all: [`super::Turn::ask`] puts a question to the shards that are concerned.
//! This one answers at once; the others are asked by mail, and their answers are added up while the
//! caller waits. A new question is one variant of [`Question`], one of [`Answer`], and one arm in
//! [`super::Turn::answer`].

use super::order::{NotRefreshed, Refreshed};
use crate::backplane::Refused;
use crate::clock::Instant;
use crate::hub::block::{Block, Wanted};
use crate::hub::homes::Homes;
use crate::hub::position::{Epoch, Position, WirePosition};
use crate::hub::registry::ConnKey;
use crate::hub::topic::Topic;
use crate::metrics::Metrics;
use crate::wire::LinkKey;
use std::sync::Arc;
use uuid::Uuid;

/// What a shard wants to know of its siblings.
#[derive(Clone, Debug)]
pub enum Question {
    /// How many members do these topics have with you?
    Members(Arc<[Topic]>),
    /// What are your numbers?
    Numbers,
    /// Where does this organization stand, with you, its home?
    Position(Uuid),
    /// What have these items of an organization missed, and what still holds, with you, its home?
    Recover {
        /// Whose.
        organization: Uuid,
        /// The items.
        wanted: Arc<[Wanted]>,
    },
}

/// What became of publications that were to be stamped.
#[derive(Clone, Debug)]
pub struct Published {
    /// The time of continuity in which they were, and a place behind which none of them stands, as
    /// far as it is known.
    pub(crate) last: Option<(Epoch, Position)>,
    /// Indices of the items that had been seen before.
    pub(crate) duplicates: Vec<u32>,
}

impl Published {
    /// By the home of a shard, all that it has stamped; these items it had seen before.
    pub(crate) fn by(homes: &Homes, duplicates: Vec<u32>) -> Published {
        Published { last: homes.only().map(|home| (home.epoch(), home.last())), duplicates }
    }
}

/// What they say.
#[derive(Clone, Debug)]
pub enum Answer {
    /// All that were to be stamped ([`Mail::Publish`](super::Mail::Publish)) are.
    Published(Published),
    /// They have not been appended to the log that several processes share.
    NotAppended(Refused),
    /// So many members.
    Members(u64),
    /// All numbers.
    Numbers(Box<Metrics>),
    /// There.
    Position(WirePosition),
    /// What goes before anything live.
    Block(Block),
    /// What a fresh token has changed, if it was taken.
    Refreshed(Result<Refreshed, NotRefreshed>),
    /// So many connections end.
    Revoked(u64),
}

impl Answer {
    /// Another epoch may have begun at the home since it was given.
    pub(crate) fn bring_to(&mut self, homes: &Homes) {
        if let Answer::Published(Published { last: Some((epoch, last)), .. }) = self
            && let Some(home) = homes.only()
            && *epoch != home.epoch()
        {
            (*epoch, *last) = (home.epoch(), home.last());
        }
    }

    /// Adds what another shard says to the same question.
    pub(crate) fn add(&mut self, other: Answer) {
        match (self, other) {
            (Answer::Members(sum), Answer::Members(other)) | (Answer::Revoked(sum), Answer::Revoked(other)) => {
                *sum += other;
            }
            (Answer::Numbers(sum), Answer::Numbers(numbers)) => sum.add(&numbers),
            (Answer::Published(sum), Answer::Published(other)) => {
                // Of homes of which one has heard of a new epoch earlier, that epoch counts.
                sum.last = sum.last.max(other.last);
                sum.duplicates.extend(other.duplicates);
            }
            // Of several partitions one has not been taken: whoever tries again names the items.
            (sum @ (Answer::Published(_) | Answer::Revoked(_)), refused @ Answer::NotAppended(_)) => *sum = refused,
            // Nobody answers what was not asked.
            (
                Answer::Published(_)
                | Answer::NotAppended(_)
                | Answer::Members(_)
                | Answer::Numbers(_)
                | Answer::Position(_)
                | Answer::Block(_)
                | Answer::Refreshed(_)
                | Answer::Revoked(_),
                _,
            ) => {}
        }
    }
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A reply on an HTTP link, which may have several questions under way.
    Request {
        /// The link.
        link: LinkKey,
        /// Which of its questions it is.
        ticket: u32,
    },
    /// A connection, which has one question at a time.
    Connection(ConnKey),
}

/// The answers that a connection still waits for.
#[derive(Debug)]
pub(super) struct Awaited {
    /// The sum so far; nothing where only others are asked.
    sum: Option<Answer>,
    missing: usize,
    /// Since when.
    pub(super) since: Instant,
}

impl Awaited {
    /// So many shards have been asked, and this one may have answered.
    pub(super) fn new(sum: Option<Answer>, missing: usize, since: Instant) -> Awaited {
        Awaited { sum, missing, since }
    }

    /// Somebody else answers, too.
    pub(super) fn one_more(mut self) -> Awaited {
        self.missing += 1;
        self
    }

    /// A shard has answered.
    pub(super) fn add(&mut self, answer: Answer) {
        self.missing = self.missing.saturating_sub(1);
        match &mut self.sum {
            Some(sum) => sum.add(answer),
            None => self.sum = Some(answer),
        }
    }

    /// The sum, once all have answered.
    pub(super) fn whole(&mut self) -> Option<Answer> {
        if self.missing == 0 { self.sum.take() } else { None }
    }
}
