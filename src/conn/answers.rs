//! How questions reach the shards that are concerned, and what this one answers.

use super::ahead::AheadQuestion;
use super::ask::{Answer, Awaited, Caller, Question};
use super::mail::{Mail, To};
use super::turn::Turn;
use crate::hub::Hub;
use crate::hub::registry::ConnKey;
use crate::hub::topic::Topic;
use crate::limits::SUBSCRIPTION_BYTES;
use crate::metrics::Metrics;
use std::sync::Arc;

/// Whom a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All shards, this one included.
    All,
    /// The home that is this shard or another.
    Home(usize),
}

impl Turn<'_> {
    /// Puts a question; the answers reach the caller one by one, and this shard's is there already.
    pub(super) fn ask(&mut self, caller: Caller, asked: Asked, question: Question) -> Awaited {
        let from = self.process.shard;
        let (sum, missing) = match asked {
            Asked::Home(home) if home != from => {
                self.out.mail.post(To::Shard(home), Mail::Ask { from, caller, question });
                (None, 1)
            }
            Asked::Home(home) => match self.answer(from, caller, question) {
                Some(answer) if self.unwritten.is_behind() => {
                    // What it tells of is to be written first.
                    self.unwritten.push_answer(home, caller, answer);
                    (None, 1)
                }
                Some(answer) => (Some(answer), 0),
                None => (None, 1),
            },
            Asked::All => {
                let missing = self.process.shards.saturating_sub(1);
                if missing > 0 {
                    self.out.mail.post(To::Siblings, Mail::Ask { from, caller, question: question.clone() });
                }
                (self.answer(from, caller, question), missing)
            }
        };
        Awaited::new(sum, missing, self.now.mono)
    }

    /// Nobody waits any more for what a connection has asked that home.
    pub(super) fn withdraw(&mut self, conn: ConnKey, home: usize) {
        let (from, caller) = (self.process.shard, Caller::Connection(conn));
        if home == from {
            self.intake.ahead.withdraw(from, caller);
        } else {
            self.out.mail.post_last(To::Shard(home), Mail::Withdraw(from, caller));
        }
    }

    /// What this shard says to a question; nothing yet, where the question is ahead of it.
    pub(crate) fn answer(&mut self, from: usize, caller: Caller, question: Question) -> Option<Answer> {
        if let Question::Recover { organization, wanted } = &question
            && let Some(place) = self.homes.of(*organization).lacks(*organization, wanted)
            && self.process.limits.since_wait_ms > 0
        {
            let until = self.now.after_ms(self.process.limits.since_wait_ms);
            let (organization, wanted) = (*organization, Arc::clone(wanted));
            self.intake.ahead.push(AheadQuestion { from, caller, organization, wanted, place, until });
            return None;
        }
        Some(match question {
            Question::Members(topics) => Answer::Members(count_members(self.hub, &topics)),
            Question::Numbers => Answer::Numbers(Box::new(self.measure())),
            Question::Position(organization) => Answer::Position(self.homes.of(organization).present(organization)),
            Question::Recover { organization, wanted } => {
                let block = self.homes.of_mut(organization).recover(organization, &wanted, self.now);
                self.hub.spend(block.work);
                Answer::Block(block)
            }
        })
    }

    /// The shard's numbers at this moment.
    pub(crate) fn measure(&self) -> Metrics {
        let mut metrics = self.books.metrics.clone();
        metrics.subscriptions = self.hub.registry.subscription_count() as u64;
        metrics.topics = self.hub.registry.topic_count() as u64;
        metrics.subscription_bytes = (self.hub.registry.subscription_count() * SUBSCRIPTION_BYTES) as u64;
        metrics.revocations = self.process.revocations.len(self.now) as u64;
        metrics.intake_bytes = self.intake.bytes() as u64;
        metrics.mail_bytes = self.hub.share().all().mail_bytes() as u64;
        metrics.memory_bytes = self.hub.share().all().memory_bytes() as u64;
        metrics.backlog_kept_bytes = self.hub.share().all().bytes() as u64;
        metrics.backlog_bytes += self.hub.backlog_bytes_total() as u64;
        metrics.oldest_backlog_ms = self.hub.oldest_backlog_ms(self.now.mono);
        metrics.written = self.hub.tally.written.clone();
        metrics.blocked += self.hub.blocked_count() as u64;
        metrics.bytes_out += self.hub.tally.sent_bytes;
        metrics.short_writes += self.hub.tally.short_writes;
        metrics.conflated = self.hub.tally.conflated;
        metrics.dropped = self.hub.tally.dropped;
        metrics.discarded_bytes += self.hub.tally.discarded_bytes;
        metrics.detached = self.hub.detached_count() as u64;
        for home in self.homes.iter() {
            metrics.kept_rows += home.kept().len() as u64;
            metrics.kept_bytes += home.kept().bytes() as u64;
            metrics.kept_evicted += home.kept().evicted();
            metrics.late_call_events += home.kept().late();
            metrics.logged += home.log().len() as u64;
            metrics.logged_bytes += home.log().bytes() as u64;
            metrics.ids += home.ids() as u64;
            metrics.ids_evicted += home.ids_evicted();
        }
        metrics.ahead = self.intake.ahead.len() as u64;
        metrics
    }
}

/// Members of these topics with this shard.
fn count_members(hub: &Hub, topics: &[Topic]) -> u64 {
    topics.iter().map(|topic| hub.registry.member_count(topic) as u64).sum()
}
