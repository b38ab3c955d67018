//! Questions to the shards of this process, and what they answer.
//!
//! One mechanism for all: [`Turn::ask`] puts a question to the shards that are concerned. This one answers at once; the
//! others are asked by mail, and their answers are added up while the connection waits. A new question is one variant of
//! [`Question`], one of [`Answer`], and one arm in [`Turn::answer`].

use super::Turn;
use super::mail::{Mail, To};
use crate::clock::Instant;
use crate::hub::publication::Publication;
use crate::hub::topic::Topic;
use crate::hub::{ConnKey, Hub};
use crate::metrics::Metrics;
use std::sync::Arc;

/// What a shard wants to know of its siblings.
#[derive(Clone, Debug)]
pub enum Question {
    /// Will you, their home, stamp these, in this order?
    Publish(Vec<Publication>),
    /// How many members do these topics have with you?
    Members(Arc<[Topic]>),
    /// What are your numbers?
    Numbers,
    /// Which publications of these topics still hold with you, their home?
    Snapshot(Arc<[Topic]>),
}

/// What they say.
#[derive(Clone, Debug)]
pub enum Answer {
    /// All are stamped.
    Published,
    /// So many members.
    Members(u64),
    /// All numbers.
    Numbers(Box<Metrics>),
    /// What holds, in the order of the topics.
    Snapshot(Vec<Publication>),
}

impl Answer {
    /// Adds what another shard says to the same question.
    pub fn add(&mut self, other: Answer) {
        match (self, other) {
            (Answer::Members(sum), Answer::Members(members)) => *sum += members,
            (Answer::Numbers(sum), Answer::Numbers(numbers)) => sum.add(&numbers),
            (Answer::Snapshot(sum), Answer::Snapshot(mut rows)) => sum.append(&mut rows),
            // All that is asked of several homes is to be done; and nobody answers what was not asked.
            (Answer::Published | Answer::Members(_) | Answer::Numbers(_) | Answer::Snapshot(_), _) => {}
        }
    }
}

/// Who asks: a connection, and which of its questions it is. A connection may have several under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The connection that waits.
    pub link: ConnKey,
    /// Its question.
    pub ticket: u32,
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

/// Whom a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All shards, this one included.
    All,
    /// The home that is this shard or another.
    Home(usize),
}

impl Turn<'_> {
    /// Puts a question; the answers reach the connection one by one, and this shard's is there already.
    pub(super) fn ask(&mut self, caller: Caller, asked: Asked, question: Question) -> Awaited {
        let from = self.shard;
        let (sum, missing) = match asked {
            Asked::Home(home) if home != from => {
                self.outbound.post(To::Shard(home), Mail::Ask { from, caller, question });
                (None, 1)
            }
            Asked::Home(_) => (Some(self.answer(question)), 0),
            Asked::All => {
                let missing = self.shared.shards.saturating_sub(1);
                if missing > 0 {
                    self.outbound.post(To::Siblings, Mail::Ask { from, caller, question: question.clone() });
                }
                (Some(self.answer(question)), missing)
            }
        };
        Awaited::new(sum, missing, self.now.mono)
    }

    /// What this shard says to a question.
    pub fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Publish(publications) => {
                for mut publication in publications {
                    if self.delivery().take(&mut publication) {
                        self.outbound.publish(publication);
                    }
                }
                Answer::Published
            }
            Question::Members(topics) => Answer::Members(count_members(self.hub, &topics)),
            Question::Numbers => Answer::Numbers(Box::new(self.measure())),
            Question::Snapshot(topics) => Answer::Snapshot(self.home.snapshot(&topics, self.now)),
        }
    }

    /// The shard's numbers at this moment.
    pub(crate) fn measure(&self) -> Metrics {
        let mut metrics = self.metrics.clone();
        metrics.subscriptions = self.hub.registry.subscription_count() as u64;
        metrics.topics = self.hub.registry.topic_count() as u64;
        metrics.backlog_bytes = self.hub.backlog_bytes_total() as u64;
        metrics.blocked = self.hub.blocked_count() as u64;
        metrics.bytes_out = self.hub.tally.sent_bytes;
        metrics.short_writes = self.hub.tally.short_writes;
        metrics.conflated = self.hub.tally.conflated;
        metrics.dropped = self.hub.tally.dropped;
        metrics.discarded_bytes = self.hub.tally.discarded_bytes;
        metrics.last_values = self.home.kept_rows() as u64;
        metrics.last_values_evicted = self.home.evicted();
        metrics
    }
}

/// Members of these topics with this shard.
fn count_members(hub: &Hub, topics: &[Topic]) -> u64 {
    topics.iter().map(|topic| hub.registry.member_count(topic) as u64).sum()
}
